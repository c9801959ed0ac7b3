"""Prices, implied volatilities and Greeks against mpmath, QuantLib and themselves."""

import mpmath as mp
import numpy as np
import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st

from options import black
from options.black import IvStatus

HOUR = 1 / 8_760
ULP = np.finfo(float).eps
mp.mp.dps = 50


def exact_price(forward, strike, tau, discount, vol, is_call):
    """Black (1976) in 50 digits."""
    forward, strike, tau, discount, vol = (mp.mpf(float(v)) for v in (forward, strike, tau, discount, vol))
    s = vol * mp.sqrt(tau)
    d1 = mp.log(forward / strike) / s + s / 2
    sign = 1 if is_call else -1
    return discount * sign * (forward * mp.ncdf(sign * d1) - strike * mp.ncdf(sign * (d1 - s)))


def grid(seed, count, reach=5.0):
    """Options from one hour to five years, 1 % to 500 % volatility, out to `reach` standard deviations."""
    rng = np.random.default_rng(seed)
    tau = np.exp(rng.uniform(np.log(HOUR), np.log(5), count))
    vol = np.exp(rng.uniform(np.log(0.01), np.log(5), count))
    forward = 100 * np.exp(rng.uniform(-0.03, 0.05, count) * tau)
    strike = forward * np.exp(rng.uniform(-reach, reach, count) * vol * np.sqrt(tau))
    return {"forward": forward, "strike": strike, "tau": tau, "discount": np.exp(-0.04 * tau)}, vol, strike > forward


def test_price_equals_fifty_digit_arithmetic_even_in_the_deep_wings():
    terms, vol, otm_call = grid(1, 150)
    for is_call in (otm_call, ~otm_call):
        got = black.price(**terms, vol=vol, is_call=is_call)
        rows = zip(*(terms[n] for n in ("forward", "strike", "tau", "discount")), vol, is_call, strict=True)
        want = np.array([float(exact_price(*row)) for row in rows])
        np.testing.assert_allclose(got, want, rtol=1e-11)


def test_implied_vol_recovers_the_vol_of_an_exact_price_to_one_in_a_billion():
    terms, vol, is_call = grid(2, 250)
    rows = zip(*(terms[n] for n in ("forward", "strike", "tau", "discount")), vol, is_call, strict=True)
    exact = np.array([float(exact_price(*row)) for row in rows])
    found = black.implied_vol(price=exact, **terms, is_call=is_call)
    assert (found.status == IvStatus.OK).all()
    np.testing.assert_allclose(found.vol, vol, rtol=1e-9)


def test_in_the_money_vol_is_as_good_as_one_rounding_of_the_price_allows():
    terms, vol, otm_call = grid(3, 20_000)
    price = black.price(**terms, vol=vol, is_call=~otm_call)
    found = black.implied_vol(price=price, **terms, is_call=~otm_call)
    vega = black.greeks(**terms, vol=vol, is_call=~otm_call).vega
    one_rounding = ULP * price / (vega * vol)
    carried = one_rounding < 1e-10
    assert carried.sum() > 10_000
    assert (found.status[carried] == IvStatus.OK).all()
    assert np.abs(found.vol / vol - 1)[carried].max() < 1e-9
    answered = found.status == IvStatus.OK
    assert (np.abs(found.vol / vol - 1) <= 40 * one_rounding + 1e-10)[answered].all()


@settings(max_examples=150, deadline=None)
@given(
    z=st.floats(-5, 5),
    vol=st.floats(0.01, 5),
    tau=st.floats(HOUR, 5),
    rate=st.floats(-0.02, 0.2),
    dividend_yield=st.floats(0, 0.1),
)
def test_round_trip_through_the_out_of_the_money_price(z, vol, tau, rate, dividend_yield):
    strike = 250 * np.exp((rate - dividend_yield) * tau + z * vol * np.sqrt(tau))
    terms = {"spot": 250.0, "strike": strike, "tau": tau, "rate": rate, "dividend_yield": dividend_yield}
    price = black.price(**terms, vol=vol, is_call=z > 0)
    found = black.implied_vol(price=price, **terms, is_call=z > 0)
    assert found.status == IvStatus.OK
    assert found.vol == pytest.approx(vol, rel=1e-9)


@settings(max_examples=150, deadline=None)
@given(price=st.floats(allow_nan=True, allow_infinity=True), tau=st.floats(), strike=st.floats(), forward=st.floats())
def test_any_number_whatever_gives_a_status_and_never_an_exception(price, tau, strike, forward):
    found = black.implied_vol(price=price, forward=forward, strike=strike, tau=tau, discount=0.99, is_call=True)
    assert np.isfinite(found.vol) == (found.status == IvStatus.OK)
    if found.status == IvStatus.OK:
        assert found.vol > 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"price": 9.99}, IvStatus.BELOW_INTRINSIC),
        ({"price": 10.0}, IvStatus.BELOW_INTRINSIC),  # exactly intrinsic: no time value
        ({"price": 110.0}, IvStatus.ABOVE_MAXIMUM),  # exactly the forward
        ({"price": 111.0}, IvStatus.ABOVE_MAXIMUM),
        ({"price": 100.0, "is_call": False}, IvStatus.ABOVE_MAXIMUM),  # exactly the strike
        ({"price": 0.0}, IvStatus.BAD_INPUT),
        ({"price": -1.0}, IvStatus.BAD_INPUT),
        ({"price": np.nan}, IvStatus.BAD_INPUT),
        ({"price": np.inf}, IvStatus.BAD_INPUT),
        ({"strike": 0.0}, IvStatus.BAD_INPUT),
        ({"forward": np.nan}, IvStatus.BAD_INPUT),
        ({"discount": 0.0}, IvStatus.BAD_INPUT),
        ({"tau": np.nan}, IvStatus.BAD_INPUT),
        ({"tau": 0.0}, IvStatus.EXPIRED),
        ({"tau": -0.1}, IvStatus.EXPIRED),
    ],
)
def test_what_has_no_vol_says_why(change, status):
    terms = {"price": 12.0, "forward": 110.0, "strike": 100.0, "tau": 0.5, "discount": 1.0, "is_call": True} | change
    found = black.implied_vol(**terms)
    assert found.status == status
    assert np.isnan(found.vol)


def test_one_bad_row_spoils_no_other():
    price = np.array([3.0, np.nan, 3.0, -1.0])
    found = black.implied_vol(price=price, forward=100.0, strike=100.0, tau=0.25, discount=1.0, is_call=True)
    assert found.status.tolist() == [IvStatus.OK, IvStatus.BAD_INPUT, IvStatus.OK, IvStatus.BAD_INPUT]
    assert found.vol[0] == found.vol[2] == pytest.approx(0.1504, abs=1e-4)


def test_arguments_broadcast_and_forms_do_not_mix():
    shape = black.price(
        forward=100.0, strike=np.array([90.0, 100.0]), tau=np.ones((3, 1)), discount=1.0, vol=0.2, is_call=True
    ).shape
    assert shape == (3, 2)
    with pytest.raises(TypeError, match="not a mixture"):
        black.price(forward=100.0, spot=100.0, strike=100.0, tau=1.0, discount=1.0, vol=0.2, is_call=True)
    with pytest.raises(TypeError, match="not a mixture"):
        black.greeks(spot=100.0, strike=100.0, tau=1.0, rate=0.01, vol=0.2, is_call=True)


def test_price_at_expiry_is_intrinsic_and_nonsense_is_nan():
    terms = {"forward": 110.0, "strike": 100.0, "discount": 1.0, "is_call": np.array([True, False])}
    assert black.price(**terms, tau=0.0, vol=0.2).tolist() == [10.0, 0.0]
    assert black.price(**terms, tau=1.0, vol=0.0).tolist() == [10.0, 0.0]
    for bad in ({"tau": -0.1, "vol": 0.2}, {"tau": 1.0, "vol": -0.2}, {"tau": 1.0, "vol": np.nan}):
        assert np.isnan(black.price(**terms, **bad)).all()
    assert np.isnan(black.greeks(**terms, tau=0.0, vol=0.2).gamma).all()


@settings(max_examples=100, deadline=None)
@given(
    strike=st.floats(20, 500),
    tau=st.floats(HOUR, 5),
    vol=st.floats(0.01, 5),
    rate=st.floats(-0.02, 0.2),
    q=st.floats(0, 0.1),
)
def test_call_less_put_is_the_discounted_forward(strike, tau, vol, rate, q):
    call, put = black.price(
        spot=100.0, strike=strike, tau=tau, rate=rate, dividend_yield=q, vol=vol, is_call=np.array([True, False])
    )
    assert call - put == pytest.approx(
        100 * np.exp(-q * tau) - strike * np.exp(-rate * tau), abs=1e-11 * (100 + strike)
    )


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("strike", [80.0, 100.0, 125.0])
def test_spot_greeks_are_the_derivatives_of_the_fifty_digit_price(strike, is_call):
    spot, tau, rate, q, vol = 100.0, 0.3, 0.05, 0.02, 0.25

    def value(s, t, v, r):
        s, t, v, r = mp.mpf(s), mp.mpf(t), mp.mpf(v), mp.mpf(r)
        root = v * mp.sqrt(t)
        d1 = (mp.log(s / strike) + (r - mp.mpf(q)) * t) / root + root / 2
        sign = 1 if is_call else -1
        paid = strike * mp.exp(-r * t) * mp.ncdf(sign * (d1 - root))
        return sign * (s * mp.exp(-mp.mpf(q) * t) * mp.ncdf(sign * d1) - paid)

    at = (spot, tau, vol, rate)
    orders = {  # derivative orders in spot, tau, vol, rate, and the sign that turns d/dτ into d/dt
        "price": ((0, 0, 0, 0), 1),
        "delta": ((1, 0, 0, 0), 1),
        "gamma": ((2, 0, 0, 0), 1),
        "theta": ((0, 1, 0, 0), -1),
        "vega": ((0, 0, 1, 0), 1),
        "rho": ((0, 0, 0, 1), 1),
        "vanna": ((1, 0, 1, 0), 1),
        "charm": ((1, 1, 0, 0), -1),
        "vomma": ((0, 0, 2, 0), 1),
        "speed": ((3, 0, 0, 0), 1),
        "color": ((2, 1, 0, 0), -1),
        "zomma": ((2, 0, 1, 0), 1),
    }
    got = black.greeks(
        spot=spot, strike=strike, tau=tau, rate=rate, dividend_yield=q, vol=vol, is_call=is_call
    )._asdict()
    for name, (order, sign) in orders.items():
        want = sign * float(mp.diff(value, at, order) if any(order) else value(*at))
        assert float(got[name]) == pytest.approx(want, rel=1e-9, abs=1e-13), name


def test_forward_greeks_refer_to_the_forward_and_hold_it_fixed_in_rho_and_theta():
    forward, strike, tau, rate, vol = 100.0, 105.0, 0.5, 0.04, 0.3
    got = black.greeks(forward=forward, strike=strike, tau=tau, discount=np.exp(-rate * tau), vol=vol, is_call=True)

    def value(f=forward, t=tau, r=rate):
        return float(black.price(forward=f, strike=strike, tau=t, discount=np.exp(-r * t), vol=vol, is_call=True))

    h = 1e-4
    assert float(got.delta) == pytest.approx((value(f=forward + h) - value(f=forward - h)) / (2 * h), rel=1e-7)
    assert float(got.rho) == pytest.approx((value(r=rate + h) - value(r=rate - h)) / (2 * h), rel=1e-7)
    assert float(got.theta) == pytest.approx(-(value(t=tau + h) - value(t=tau - h)) / (2 * h), rel=1e-6)


def test_quantlib_agrees_on_prices_greeks_and_vols():
    rng = np.random.default_rng(5)
    for _ in range(200):
        forward, strike = 100.0, float(100 * np.exp(rng.normal(0, 0.2)))
        tau, vol, rate = float(rng.uniform(0.02, 3)), float(rng.uniform(0.05, 1.5)), float(rng.uniform(0, 0.08))
        is_call = bool(rng.integers(2))
        discount = float(np.exp(-rate * tau))
        kind = QuantLib.Option.Call if is_call else QuantLib.Option.Put
        peer = QuantLib.BlackCalculator(
            QuantLib.PlainVanillaPayoff(kind, strike), forward, vol * np.sqrt(tau), discount
        )
        terms = {"forward": forward, "strike": strike, "tau": tau, "discount": discount, "is_call": is_call}
        ours = black.greeks(**terms, vol=vol)
        assert float(ours.price) == pytest.approx(peer.value(), rel=1e-11, abs=1e-12)
        assert float(ours.delta) == pytest.approx(peer.deltaForward(), rel=1e-10, abs=1e-13)
        assert float(ours.gamma) == pytest.approx(peer.gammaForward(), rel=1e-9, abs=1e-13)
        assert float(ours.vega) == pytest.approx(peer.vega(tau), rel=1e-10, abs=1e-12)
        price = float(ours.price)
        if price - discount * max(forward - strike if is_call else strike - forward, 0) > 1e-3:
            deviation = QuantLib.blackFormulaImpliedStdDev(
                kind, strike, forward, price, discount, 0.0, QuantLib.nullDouble(), 1e-14
            )
            assert float(black.implied_vol(price=price, **terms).vol) == pytest.approx(
                deviation / np.sqrt(tau), rel=1e-8
            )


def test_more_rows_than_one_block_come_back_in_order():
    strike = np.linspace(50, 200, 20_001)
    terms = {"forward": 100.0, "strike": strike, "tau": 1.0, "discount": 0.97, "is_call": strike > 100}
    vol = 0.2 + 0.001 * (strike - 100)
    found = black.implied_vol(price=black.price(**terms, vol=vol), **terms)
    np.testing.assert_allclose(found.vol, vol, rtol=1e-10)
