"""Prices, implied volatilities and Greeks against mpmath, QuantLib and themselves."""

import os
import subprocess
import sys
import tracemalloc

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


def exact_greeks(terms, vol):
    """All twelve in 50 digits by the closed formulas (Haug 2007, chapter 2); those are tested by differences below."""
    u, k, t, d, r, b, sign = terms
    vol = mp.mpf(float(vol))
    f, q = u * mp.exp(b * t), r - b
    s = vol * mp.sqrt(t)
    d1 = mp.log(f / k) / s + s / 2
    d2, carried = d1 - s, d * f / u
    own, paid, density = carried * mp.ncdf(sign * d1), k * d * mp.ncdf(sign * d2), carried * mp.npdf(d1)
    price, delta, gamma, vega = sign * (u * own - paid), sign * own, density / (u * s), u * density * mp.sqrt(t)
    drift = b / s - d2 / (2 * t)
    return [
        price,
        delta,
        gamma,
        -vega * vol / (2 * t) + sign * (q * u * own - r * paid),
        vega,
        None,
        -density * d2 / vol,
        q * delta - density * drift,
        vega * d1 * d2 / vol,
        -gamma / u * (1 + d1 / s),
        gamma * (q + d1 * drift + 1 / (2 * t)),
        gamma * (d1 * d2 - 1) / vol,
    ], paid


def exactly(options, vol):
    """`exact_greeks` of every row, shape `(12, n)`, as float64."""
    rows = []
    for row in zip(*options.values(), vol, strict=True):
        given = dict(zip(options, (mp.mpf(float(v)) for v in row), strict=False))
        k, t, sign = given["strike"], given["tau"], 1 if row[list(options).index("is_call")] else -1
        if "spot" in options:
            r, b = given["rate"], given["rate"] - given["dividend_yield"]
            values, paid = exact_greeks((given["spot"], k, t, mp.exp(-r * t), r, b, sign), row[-1])
            values[5] = sign * t * paid
        else:
            d = given["discount"]
            values, _ = exact_greeks((given["forward"], k, t, d, -mp.log(d) / t, mp.mpf(0), sign), row[-1])
            values[5] = -t * values[0]
        rows.append([float(value) for value in values])
    return np.array(rows).T


def options_of(form, seed, count, reach=8.0):
    """An hour to five years, 1 % to 500 %, calls and puts in and out of the money, out to `reach` deviations; a quarter
    of them near the money, a twelfth out to 36 deviations.
    """
    chance = np.random.default_rng(seed)
    tau = np.exp(chance.uniform(np.log(HOUR), np.log(5), count))
    vol = np.exp(chance.uniform(np.log(0.01), np.log(5), count))
    z = chance.uniform(-reach, reach, count)
    z[: count // 4] = chance.normal(0, 0.1, count // 4)
    z[count // 4 : count // 3] = chance.uniform(-36, 36, count // 3 - count // 4)
    u, rate, q = np.exp(chance.uniform(-1, 9, count)), chance.uniform(-0.02, 0.2, count), chance.uniform(0, 0.1, count)
    is_call = chance.random(count) < 0.5
    if form == "spot":
        strike = u * np.exp((rate - q) * tau + z * vol * np.sqrt(tau))
        return {"spot": u, "strike": strike, "tau": tau, "rate": rate, "dividend_yield": q, "is_call": is_call}, vol
    strike = u * np.exp(z * vol * np.sqrt(tau))
    return {"forward": u, "strike": strike, "tau": tau, "discount": np.exp(-rate * tau), "is_call": is_call}, vol


def recoverable(options, vol, price):
    """Where one rounding of the price moves the volatility by less than 1e-9, and by how much one rounding of what the
    price is made of moves it: the larger of spot and strike where more than half the price is intrinsic.
    """
    vega = black.greeks(**options, vol=vol).vega
    other = black.price(**(options | {"is_call": ~options["is_call"]}), vol=vol)
    made_of = np.maximum(options.get("spot", options.get("forward")), options["strike"])
    with np.errstate(divide="ignore"):
        moved = np.spacing(np.maximum(price, made_of * (price > 2 * np.minimum(price, other)))) / vega
        return (np.spacing(price) / vega < 1e-9) & (price > 1e-290), moved + 1e-15


@pytest.mark.parametrize("form", ["spot", "forward"])
def test_prices_and_greeks_equal_fifty_digit_arithmetic_even_in_the_deep_wings(form):
    options, vol = options_of(form, 1, 700)
    want = exactly(options, vol)
    got = black.greeks(**options, vol=vol)
    np.testing.assert_array_equal(got.price, black.price(**options, vol=vol))
    for name, ours, exact in zip(got._fields, got, want, strict=True):
        there = np.abs(exact) > 1e-290
        assert there.sum() > 600
        np.testing.assert_allclose(ours[there], exact[there], rtol=1e-12 if name == "price" else 1e-9, err_msg=name)


@pytest.mark.parametrize("form", ["spot", "forward"])
def test_implied_vol_of_an_exact_price_is_within_forty_roundings(form):
    options, vol = options_of(form, 2, 700)
    exact = exactly(options, vol)[0]
    found = black.implied_vol(price=exact, **options)
    well, moved = recoverable(options, vol, exact)
    assert well.sum() > 500
    assert (found.status[well] == IvStatus.OK).all()
    assert (np.abs(found.vol - vol)[well] / moved[well]).max() < 40


@pytest.mark.parametrize("largest", [0.3, 3.0, 10.0])
def test_no_recoverable_vol_is_missed_up_to_a_deviation_of_ten(largest):
    chance = np.random.default_rng(int(largest * 10))
    count = 60_000
    s = largest * np.sqrt(chance.uniform(1e-6, 1, count))
    tau = np.exp(chance.uniform(np.log(HOUR), np.log(5), count))
    options = {
        "forward": np.full(count, 4_000.0),
        "strike": 4_000.0 * np.exp(s * chance.uniform(-6, 6, count)),
        "tau": tau,
        "discount": np.exp(-0.03 * tau),
        "is_call": chance.random(count) < 0.5,
    }
    vol = s / np.sqrt(tau)
    price = black.price(**options, vol=vol)
    found = black.implied_vol(price=price, **options)
    well, moved = recoverable(options, vol, price)
    assert well.sum() > 30_000
    assert (found.status[well] == IvStatus.OK).all()
    assert (np.abs(found.vol - vol)[well] / (moved[well] + ULP * vol[well])).max() < 40


def test_vols_of_prices_that_hardly_exist_are_still_found():
    """Below 1e-300 of the forward, and at deviations where the guess is poor: solved one by one."""
    vol = np.array([0.2, 0.2, 8.0, 4.5, 1e-7])
    options = {
        "forward": np.array([1e12, 100.0, 100.0, 100.0, 100.0]),
        "strike": np.array([1e12 * np.exp(7.45), 100 * np.exp(7.4), 100.0, 5.0, 100.0]),
        "tau": np.array([1.0, 1.0, 1.0, 1.0, 1e-4]),
        "discount": 1.0,
        "is_call": True,
    }
    price = black.price(**options, vol=vol)
    assert (price > 0).all()
    found = black.implied_vol(price=price, **options)
    assert (found.status == IvStatus.OK).all()
    np.testing.assert_allclose(found.vol, vol, rtol=1e-9)


def test_in_the_money_vol_is_as_good_as_one_rounding_of_the_price_allows():
    options, vol = options_of("forward", 3, 20_000)
    options["is_call"] = options["strike"] < options["forward"]
    price = black.price(**options, vol=vol)
    found = black.implied_vol(price=price, **options)
    with np.errstate(divide="ignore", invalid="ignore"):
        one_rounding = ULP * price / (black.greeks(**options, vol=vol).vega * vol)
    answered = found.status == IvStatus.OK
    assert answered.sum() > 10_000
    assert (np.abs(found.vol / vol - 1) <= 40 * one_rounding + 1e-10)[answered].all()
    assert set(found.status[~answered].tolist()) <= {
        IvStatus.BELOW_INTRINSIC,
        IvStatus.ABOVE_MAXIMUM,
        IvStatus.BAD_INPUT,
    }


@settings(max_examples=150)
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


@settings(max_examples=150)
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
        ({"tau": np.inf}, IvStatus.BAD_INPUT),
        ({"tau": 0.0, "price": np.nan}, IvStatus.BAD_INPUT),  # what is wrong comes before what is over
        ({"strike": np.inf}, IvStatus.BAD_INPUT),
        ({"strike": -100.0}, IvStatus.BAD_INPUT),
        ({"forward": 0.0}, IvStatus.BAD_INPUT),
        ({"forward": 1e200}, IvStatus.BAD_INPUT),  # beyond any market: products would overflow
        ({"discount": np.nan}, IvStatus.BAD_INPUT),
        ({"discount": -1.0}, IvStatus.BAD_INPUT),
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


@pytest.mark.parametrize(
    "change",
    [
        {"price": np.nan},
        {"spot": np.inf},
        {"spot": -1.0},
        {"strike": np.nan},
        {"rate": np.nan},
        {"rate": np.inf},
        {"rate": 1e4},  # discounts to nothing
        {"dividend_yield": -np.inf},
        {"tau": np.nan},
    ],
)
def test_nonsense_in_the_spot_form_is_bad_input_and_prices_at_nan(change):
    terms = {"spot": 110.0, "strike": 100.0, "tau": 0.5, "rate": 0.03, "dividend_yield": 0.01, "is_call": True}
    found = black.implied_vol(**({"price": 13.0} | terms | change))
    assert found.status == IvStatus.BAD_INPUT
    assert np.isnan(found.vol)
    change.pop("price", None)
    values = black.greeks(**(terms | change), vol=0.2 if change else np.nan)
    assert all(np.isnan(value) for value in values)


def test_arguments_of_any_shape_broadcast_and_scalars_stay_scalars():
    strike, tau = np.array([90, 100]), np.ones((3, 1))
    terms = {"forward": 100.0, "discount": 1.0, "is_call": True}
    grid = black.price(**terms, strike=strike, tau=tau, vol=0.2)
    assert grid.shape == (3, 2)
    assert black.price(**terms, strike=100.0, tau=1.0, vol=0.2).shape == ()
    assert black.implied_vol(**terms, strike=100.0, tau=1.0, price=5.0).status.shape == ()
    assert black.greeks(**terms, strike=strike[None], tau=tau, vol=[0.2, 0.3]).zomma.shape == (3, 2)
    assert black.price(**terms, strike=np.empty(0), tau=1.0, vol=0.2).shape == (0,)
    assert black.greeks(**terms, strike=np.empty((0, 2)), tau=1.0, vol=0.2).delta.shape == (0, 2)
    spread_out = np.repeat(np.linspace(80, 120, 300), 2)
    frozen = spread_out[::2].copy()
    frozen.flags.writeable = False
    for same in (spread_out[::2], frozen, frozen.tolist(), frozen.astype(np.float32).astype(">f8")):
        np.testing.assert_allclose(
            black.price(**terms, strike=same, tau=1.0, vol=0.2),
            [float(black.price(**terms, strike=k, tau=1.0, vol=0.2)) for k in frozen],
            rtol=1e-5,
        )


def test_mixed_forms_are_refused():
    with pytest.raises(TypeError, match="not a mixture"):
        black.price(forward=100.0, spot=100.0, strike=100.0, tau=1.0, discount=1.0, vol=0.2, is_call=True)
    with pytest.raises(TypeError, match="not a mixture"):
        black.greeks(spot=100.0, strike=100.0, tau=1.0, rate=0.01, vol=0.2, is_call=True)
    with pytest.raises(TypeError, match="not a mixture"):
        black.implied_vol(price=1.0, forward=100.0, strike=100.0, tau=1.0, is_call=True)


def test_an_option_has_the_same_price_wherever_it_stands_and_however_many_threads_work():
    """The trap: vector loops and their scalar tails round differently."""
    options, vol = options_of("spot", 9, 50_021)
    price = black.price(**options, vol=vol, threads=1)
    implied = black.implied_vol(price=price, **options, threads=1)
    greeks = black.greeks(**options, vol=vol, threads=1)
    for threads in (2, 3, None):
        np.testing.assert_array_equal(price, black.price(**options, vol=vol, threads=threads))
        np.testing.assert_array_equal(implied, black.implied_vol(price=price, **options, threads=threads))
        np.testing.assert_array_equal(greeks, black.greeks(**options, vol=vol, threads=threads))
    some = np.random.default_rng(9).permutation(len(vol))[:501]
    picked = {name: values[some] for name, values in options.items()}
    np.testing.assert_array_equal(price[some], black.price(**picked, vol=vol[some]))
    np.testing.assert_array_equal(implied.vol[some], black.implied_vol(price=price[some], **picked).vol)
    one = {name: values[0] for name, values in picked.items()}
    assert black.price(**one, vol=vol[some[0]]) == price[some[0]]


def test_nothing_is_copied_and_numbers_are_not_expanded():
    options, vol = options_of("forward", 10, 200_000)
    options["discount"] = 0.98
    black.price(**options, vol=vol)
    tracemalloc.start()
    kept = black.price(**options, vol=vol)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.05 * kept.nbytes


@pytest.mark.slow
def test_a_machine_without_avx_agrees_but_for_rounding(tmp_path):
    script = (
        "import sys, numpy as np\n"
        "from options import black\n"
        "from options.kernels import black as compiled\n"
        "strike = np.linspace(60.0, 160.0, 203)\n"
        "terms = {'spot': 100.0, 'strike': strike, 'tau': 0.4, 'rate': 0.03, 'dividend_yield': 0.01, "
        "'is_call': strike > 95}\n"
        "greeks = black.greeks(**terms, vol=0.3)\n"
        "found = black.implied_vol(**terms, price=greeks.price)\n"
        "np.save(sys.argv[1], np.vstack([*greeks, found.vol, found.status]))\n"
        "made = next(iter(compiled.greeks.inspect_asm().values()))\n"
        "assert 'ymm' not in made and 'zmm' not in made, 'compiled for this machine after all'\n"
    )
    plain = {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    got = []
    for name, environment in (("plain", plain), ("native", {})):
        lines = script if environment else script.rsplit("made =", 1)[0]
        path = tmp_path / f"{name}.npy"
        subprocess.run([sys.executable, "-c", lines, str(path)], env={**os.environ, **environment}, check=True)
        got.append(np.load(path))
    np.testing.assert_allclose(*got, rtol=1e-12, atol=1e-300)


def test_price_at_expiry_is_intrinsic_and_nonsense_is_nan():
    terms = {"forward": 110.0, "strike": 100.0, "discount": 1.0, "is_call": np.array([True, False])}
    assert black.price(**terms, tau=0.0, vol=0.2).tolist() == [10.0, 0.0]
    assert black.price(**terms, tau=1.0, vol=0.0).tolist() == [10.0, 0.0]
    for bad in ({"tau": -0.1, "vol": 0.2}, {"tau": 1.0, "vol": -0.2}, {"tau": 1.0, "vol": np.nan}):
        assert np.isnan(black.price(**terms, **bad)).all()
    assert np.isnan(black.greeks(**terms, tau=0.0, vol=0.2).gamma).all()


@settings(max_examples=100)
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
