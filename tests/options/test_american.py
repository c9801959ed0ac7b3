"""American prices, volatilities, Greeks and boundaries against QuantLib, published tables and closed forms."""

import numpy as np
import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from options import american, black
from options.black import IvStatus

TODAY = QuantLib.Date(15, 1, 2024)
DAYS = QuantLib.Actual365Fixed()
SPOT = {"spot": 100.0}
DERIVATIVES = black.Greeks._fields[1:]


def mixed(seed, count):
    """Strikes 50-200 % of spot, a day to two years, 5-200 % volatility, whole days to expiry."""
    rng = np.random.default_rng(seed)
    days = np.maximum(1, np.exp(rng.uniform(0, np.log(730), count)).astype(int))
    return {
        "spot": np.full(count, 100.0),
        "strike": 100 * np.exp(rng.uniform(np.log(0.5), np.log(2), count)),
        "tau": days / 365,
        "rate": rng.uniform(0, 0.06, count),
        "dividend_yield": rng.uniform(0, 0.03, count),
        "vol": np.exp(rng.uniform(np.log(0.05), np.log(2), count)),
        "is_call": rng.random(count) < 0.5,
    }


def process(row):
    def flat(rate):
        return QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(TODAY, float(rate), DAYS))

    vol = QuantLib.BlackConstantVol(TODAY, QuantLib.NullCalendar(), float(row["vol"]), DAYS)
    spot = QuantLib.QuoteHandle(QuantLib.SimpleQuote(float(row["spot"])))
    return QuantLib.BlackScholesMertonProcess(
        spot, flat(row["dividend_yield"]), flat(row["rate"]), QuantLib.BlackVolTermStructureHandle(vol)
    )


def contract(row):
    kind = QuantLib.Option.Call if row["is_call"] else QuantLib.Option.Put
    expiry = TODAY + round(float(row["tau"]) * 365)
    return QuantLib.VanillaOption(
        QuantLib.PlainVanillaPayoff(kind, float(row["strike"])), QuantLib.AmericanExercise(TODAY, expiry)
    )


def rows_of(terms):
    columns = dict(zip(terms, np.broadcast_arrays(*terms.values()), strict=True))
    count = len(columns["spot"])
    return [{name: values[i] for name, values in columns.items()} for i in range(count)]


def high_precision(terms):
    """QuantLib's QdFp engine, high-precision scheme."""
    QuantLib.Settings.instance().evaluationDate = TODAY
    found = []
    for row in rows_of(terms):
        option = contract(row)
        scheme = QuantLib.QdFpAmericanEngine.highPrecisionScheme()
        option.setPricingEngine(QuantLib.QdFpAmericanEngine(process(row), scheme))
        found.append(option.NPV())
    return np.array(found)


def finite_differences(row, times=(), amounts=(), grid=500):
    QuantLib.Settings.instance().evaluationDate = TODAY
    dividends = [QuantLib.FixedDividend(a, TODAY + round(t * 365)) for t, a in zip(times, amounts, strict=True)]
    engine = QuantLib.FdBlackScholesVanillaEngine(
        process(row),
        dividends,
        grid,
        grid,
        0,
        QuantLib.FdmSchemeDesc.Douglas(),
        False,
        -1,
        QuantLib.FdBlackScholesVanillaEngine.Escrowed,
    )
    option = contract(row)
    option.setPricingEngine(engine)
    return option.NPV()


def exercise_value(terms):
    gain = np.asarray(terms["spot"]) - terms["strike"]
    return np.maximum(np.where(terms["is_call"], gain, -gain), 0)


def without(terms, *names):
    return {name: value for name, value in terms.items() if name not in names}


def test_price_agrees_with_quantlib_in_high_precision_over_the_mixed_range():
    terms = mixed(71, 300)
    error = np.abs(american.price(**terms) - high_precision(terms))
    assert error.mean() <= 1e-5
    assert error.max() <= 5e-3


def test_ten_years_at_low_volatility_and_high_rates_do_not_throw_the_fixed_point_off():
    rng = np.random.default_rng(5)
    count = 60
    terms = {
        "spot": np.full(count, 100.0),
        "strike": rng.uniform(85, 118, count),
        "tau": rng.integers(30, 3_650, count) / 365,
        "rate": rng.uniform(0.001, 0.15, count),
        "dividend_yield": rng.uniform(0, 0.15, count),
        "vol": np.exp(rng.uniform(np.log(0.02), np.log(0.15), count)),
        "is_call": rng.random(count) < 0.5,
    }
    drift = np.abs(terms["rate"] - terms["dividend_yield"]) * np.sqrt(terms["tau"]) / terms["vol"]
    assert (drift > 1).sum() > 15
    np.testing.assert_allclose(american.price(**terms), high_precision(terms), atol=5e-3)


# Broadie and Detemple (1996), Ju (1999) exhibit 3: puts on S = 40, r = 4.88 %, no dividends, exact to 1e-4.
SHORT_PUTS = {
    0.2: [0.0062, 0.2004, 0.4328, 0.8522, 1.5798, 1.9904, 5.0000, 5.0883, 5.2670],
    0.3: [0.0774, 0.6975, 1.2198, 1.3099, 2.4825, 3.1696, 5.0597, 5.7056, 6.2436],
    0.4: [0.2466, 1.3460, 2.1549, 1.7681, 3.3874, 4.3526, 5.2868, 6.5099, 7.3830],
}


@pytest.mark.parametrize("vol", SHORT_PUTS)
def test_published_short_puts(vol):
    strike, tau = (a.ravel() for a in np.meshgrid([35, 40, 45], [0.0833, 0.3333, 0.5833], indexing="ij"))
    got = american.price(spot=40, strike=strike, tau=tau, rate=0.0488, dividend_yield=0, vol=vol, is_call=False)
    np.testing.assert_allclose(got, SHORT_PUTS[vol], atol=1.2e-4)


# Broadie and Detemple (1996), Ju (1999) exhibit 6: three-year calls, K = 100, S = 80, 90, ..., 120.
LONG_CALLS = {
    (0.03, 0.07, 0.2): [2.580, 5.167, 9.066, 14.443, 21.414],
    (0.03, 0.07, 0.4): [11.326, 15.722, 20.793, 26.495, 32.781],
    (0.0, 0.07, 0.3): [5.518, 8.842, 13.142, 18.453, 24.791],
    (0.07, 0.03, 0.3): [12.146, 17.368, 23.348, 29.964, 37.104],
}


@pytest.mark.parametrize(("rate", "dividend_yield", "vol"), LONG_CALLS)
def test_published_three_year_calls(rate, dividend_yield, vol):
    got = american.price(
        spot=np.arange(80, 121, 10),
        strike=100,
        tau=3,
        rate=rate,
        dividend_yield=dividend_yield,
        vol=vol,
        is_call=True,
    )
    np.testing.assert_allclose(got, LONG_CALLS[rate, dividend_yield, vol], atol=1.5e-3)


def test_published_premium_at_equal_rate_and_yield():
    """Andersen, Lake and Offengenden (2016), table 2: K = S = 100, r = q = 5 %, 25 %, one year."""
    terms = {"spot": 100, "strike": 100, "tau": 1, "rate": 0.05, "dividend_yield": 0.05, "vol": 0.25, "is_call": False}
    european = black.price(**terms)
    assert american.price(**terms) - european == pytest.approx(0.106952702747, abs=2e-5)
    assert american.greeks(**terms).price - european == pytest.approx(0.106952702747, abs=1e-6)


@pytest.mark.parametrize(
    ("is_call", "rate", "dividend_yield"),
    [
        (True, 0.05, 0.0),
        (True, 0.0, 0.0),
        (False, 0.0, 0.0),
        (False, 0.0, 0.04),
        (False, -0.02, 0.01),
        (True, 0.03, -0.01),
    ],
)
def test_what_is_never_exercised_early_is_european_exactly(is_call, rate, dividend_yield):
    terms = {
        "spot": 100.0,
        "strike": np.linspace(60, 160, 41),
        "tau": 1.3,
        "rate": rate,
        "dividend_yield": dividend_yield,
        "vol": 0.3,
        "is_call": is_call,
    }
    np.testing.assert_array_equal(american.price(**terms), black.price(**terms))
    np.testing.assert_array_equal(american.greeks(**terms), black.greeks(**terms))
    assert np.isnan(american.early_exercise_boundary(**without(terms, "spot")).price).all()


@pytest.mark.parametrize(
    ("strike", "rate", "dividend_yield", "vol", "is_call"),
    [(110, 0.0, -0.03, 0.2, False), (105, 0.04, -0.02, 0.25, False), (90, -0.02, 0.03, 0.2, True)],
)
def test_negative_rates_with_one_boundary(strike, rate, dividend_yield, vol, is_call):
    row = {**SPOT, "strike": strike, "tau": 1.0, "rate": rate, "dividend_yield": dividend_yield, "vol": vol}
    row["is_call"] = is_call
    assert american.price(**row) == pytest.approx(finite_differences(row, grid=700), abs=3e-3)


@pytest.mark.parametrize(
    ("strike", "tau", "rate", "dividend_yield", "vol", "is_call"),
    [(120, 1, -0.01, -0.04, 0.2, False), (105, 2, -0.005, -0.02, 0.15, False), (95, 1, -0.04, -0.01, 0.2, True)],
)
def test_two_boundaries_are_priced_too(strike, tau, rate, dividend_yield, vol, is_call):
    row = {**SPOT, "strike": strike, "tau": tau, "rate": rate, "dividend_yield": dividend_yield, "vol": vol}
    row["is_call"] = is_call
    assert american.price(**row) == pytest.approx(finite_differences(row, grid=700), abs=3e-3)
    assert np.isnan(american.early_exercise_boundary(**without(row, "spot")).price).all()


@settings(max_examples=60)
@given(
    moneyness=st.floats(-1, 1),
    tau=st.floats(1 / 365, 5),
    rate=st.floats(0, 0.12),
    dividend_yield=st.floats(0, 0.12),
    vol=st.floats(0.03, 2),
    is_call=st.booleans(),
)
def test_bounds_symmetry_and_monotonicity(moneyness, tau, rate, dividend_yield, vol, is_call):
    terms = {**SPOT, "strike": 100 * np.exp(moneyness), "tau": tau, "rate": rate, "dividend_yield": dividend_yield}
    terms |= {"vol": vol, "is_call": is_call}
    value = american.price(**terms)
    rounding = 1e-13 * (100 + terms["strike"])
    assert value >= exercise_value(terms) - rounding
    assert value >= black.price(**terms) - rounding
    assert value <= (100.0 if is_call else terms["strike"])
    mirrored = american.price(
        spot=terms["strike"],
        strike=100.0,
        tau=tau,
        rate=dividend_yield,
        dividend_yield=rate,
        vol=vol,
        is_call=not is_call,
    )
    assert mirrored == pytest.approx(float(value), rel=1e-12, abs=1e-12)
    strikes = terms["strike"] * np.exp(np.linspace(-0.2, 0.2, 41))
    along = american.price(**{**terms, "strike": strikes}) * (-1 if is_call else 1)
    slack = 1e-5 * terms["strike"]  # a tenth of the accuracy asked of a price
    assert np.diff(along).min() >= -slack
    assert np.diff(american.price(**{**terms, "vol": vol * np.linspace(0.8, 1.2, 21)})).min() >= -slack
    longer = {**terms, "dividend_yield": 0.0, "tau": tau * np.linspace(0.7, 1.3, 21)}
    assert np.diff(american.price(**longer)).min() >= -slack


def test_threads_blocks_and_shapes_do_not_change_a_digit():
    terms = mixed(9, 5_003)
    whole = american.price(**terms, threads=1)
    np.testing.assert_array_equal(whole, american.price(**terms, threads=2))
    backwards = american.price(**{name: values[::-1] for name, values in terms.items()}, threads=1)
    np.testing.assert_array_equal(whole, backwards[::-1])
    for one, two in zip(
        american.implied_vol(**without(terms, "vol"), price=whole, threads=1),
        american.implied_vol(**without(terms, "vol"), price=whole, threads=2),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
    single = {name: values[17] for name, values in terms.items()}
    assert american.price(**single).shape == ()
    assert american.price(**single) == whole[17]
    table = american.price(**{**single, "strike": np.full((3, 1), 90.0), "vol": np.full((1, 4), 0.3)})
    assert table.shape == (3, 4)


def test_bad_inputs_are_nan_and_limits_are_exact():
    good = {**SPOT, "strike": 110.0, "tau": 0.5, "rate": 0.04, "dividend_yield": 0.01, "vol": 0.3, "is_call": False}
    wrong = {"spot": [0, -1, np.nan, np.inf], "strike": [0, np.nan], "tau": [-1, np.nan], "vol": [-0.1, np.inf]}
    wrong |= {"rate": [np.nan, np.inf], "dividend_yield": [-np.inf]}
    for name, values in wrong.items():
        terms = {**good, name: np.array(values, dtype=float)}
        assert np.isnan(american.price(**terms)).all()
        assert np.isnan(american.greeks(**terms)).all()
    assert american.price(**{**good, "tau": 0.0}) == pytest.approx(10.0, abs=1e-12)
    assert american.price(**{**good, "vol": 0.0}) == pytest.approx(10.0, abs=1e-12)
    carried = {**good, "strike": 95.0, "vol": 0.0, "tau": 2.0, "rate": 0.0, "dividend_yield": 0.06}
    assert american.price(**carried) == pytest.approx(float(black.price(**carried)), rel=1e-13)
    stopped = american.greeks(**{**good, "vol": 0.0})
    assert stopped.price == pytest.approx(10.0)
    assert all(np.isnan(getattr(stopped, name)) for name in DERIVATIVES)


def test_without_volatility_a_put_waits_for_the_best_certain_moment():
    """With r < 0 < ... a falling forward, K·e^(−rt) − S·e^(−qt) has its maximum inside the option's life."""
    row = {**SPOT, "strike": 98.0, "tau": 2.0, "rate": 0.05, "dividend_yield": 0.09, "vol": 0.0, "is_call": False}
    times = np.linspace(0, 2, 200_001)
    best = (98 * np.exp(-0.05 * times) - 100 * np.exp(-0.09 * times)).max()
    assert american.price(**row) == pytest.approx(best, abs=1e-9)
    assert american.price(**{**row, "vol": 1e-4}) == pytest.approx(best, abs=1e-2)


def test_boundary_is_where_waiting_stops_paying():
    terms = {"strike": 100.0, "tau": 1.0, "rate": 0.05, "dividend_yield": [0.02, 0.08], "vol": 0.25}
    for is_call in (False, True):
        found = american.early_exercise_boundary(**terms, is_call=is_call, points=17)
        assert found.price.shape == found.tau.shape == (2, 17)
        np.testing.assert_allclose(found.price[:, 0], [250.0, 100.0] if is_call else [100.0, 62.5])
        assert (np.diff(found.price) * (1 if is_call else -1) > 0).all()
        outward = 1.01 if is_call else 0.99
        for held, factor in ((False, outward), (True, 1 / outward)):
            at = {**terms, "tau": found.tau[:, 1:], "dividend_yield": np.array([[0.02], [0.08]]), "is_call": is_call}
            at["spot"] = found.price[:, 1:] * factor
            gained = american.price(**at) - exercise_value(at)
            assert (gained > 1e-6).all() if held else (np.abs(gained) < 1e-10).all()


def test_boundary_tends_to_the_perpetual_one():
    """Merton (1973): B = K·γ/(1 + γ), γ = 2r/σ² without dividends."""
    found = american.early_exercise_boundary(strike=100, tau=80, rate=0.06, dividend_yield=0, vol=0.3, is_call=False)
    power = 2 * 0.06 / 0.09
    assert found.price[-1] == pytest.approx(100 * power / (1 + power), rel=2e-3)


def test_vol_of_a_price_prices_it_again():
    terms = mixed(33, 3_000)
    value = american.price(**terms)
    found = american.implied_vol(**without(terms, "vol"), price=value)
    answered = found.status == IvStatus.OK
    time_value = value - american.price(**{**terms, "vol": 0.0})
    assert answered[(time_value > 1e-9 * terms["strike"]) | ((time_value > 0) & (exercise_value(terms) == 0))].all()
    again = american.price(**{**terms, "vol": found.vol})
    quoted = answered & (value > 1e-12)
    np.testing.assert_allclose(again[quoted], value[quoted], rtol=1e-9)
    far_out = answered & ~quoted & (value > 1e-290)  # a price of 1e-200 moves by 500 times as much as the volatility
    np.testing.assert_allclose(found.vol[far_out], terms["vol"][far_out], rtol=1e-10)
    vega = black.greeks(**terms).vega
    clear = answered & (vega > 1) & (time_value > 0.01)
    assert clear.sum() > 1_000
    assert np.abs(found.vol - terms["vol"])[clear].max() < 1e-8
    assert np.isnan(found.vol[~answered]).all()


def test_vol_agrees_with_quantlib_and_brent():
    QuantLib.Settings.instance().evaluationDate = TODAY
    terms = {**SPOT, "strike": [80.0, 100.0, 120.0], "tau": 182 / 365, "rate": 0.05, "dividend_yield": 0.01}
    terms |= {"price": [1.1, 6.6, 21.3], "is_call": False}
    found = american.implied_vol(**terms)
    for row, vol in zip(rows_of(terms), found.vol, strict=True):

        def miss(trial, row=row):
            option = {name: np.atleast_1d(value) for name, value in {**without(row, "price"), "vol": trial}.items()}
            return high_precision(option)[0] - row["price"]

        # 2e-5 of volatility is the 5e-4 of price that the quick tables allow, over a vega of 27
        assert vol == pytest.approx(brentq(miss, 0.05, 1.5, xtol=1e-10), abs=2e-5)


def test_early_exercise_lowers_the_vol_that_a_price_implies():
    terms = {**SPOT, "strike": np.array([105.0, 115.0]), "tau": 1.0, "rate": 0.05, "dividend_yield": 0.0}
    value = american.price(**terms, vol=0.25, is_call=False)
    found = american.implied_vol(**terms, price=value, is_call=False)
    np.testing.assert_allclose(found.vol, 0.25, atol=1e-10)
    assert (black.implied_vol(**terms, price=value, is_call=False).vol > 0.26).all()


def test_statuses_say_why_there_is_no_vol():
    terms = {**SPOT, "strike": 110.0, "tau": 0.5, "rate": 0.05, "dividend_yield": 0.0, "is_call": False}

    def status(**changes):
        found = american.implied_vol(**{**terms, "price": 12.0, **changes})
        assert np.isnan(found.vol) == (found.status != IvStatus.OK)
        return found.status

    assert status() == IvStatus.OK
    assert status(price=10.0) == IvStatus.BELOW_INTRINSIC
    assert status(price=9.0) == IvStatus.BELOW_INTRINSIC
    assert status(price=102.0, strike=1.0, is_call=True) == IvStatus.ABOVE_MAXIMUM
    assert status(price=110.0) == IvStatus.ABOVE_MAXIMUM
    assert status(price=109.9999999) == IvStatus.ABOVE_MAXIMUM  # no total deviation up to 8 gives so much
    assert status(price=109.0) == IvStatus.OK  # above every European price
    assert status(strike=90.0, is_call=True, price=11.0) == IvStatus.BELOW_INTRINSIC  # above exercise, below certainty
    assert status(tau=0.0) == IvStatus.EXPIRED
    assert status(tau=-1.0) == IvStatus.EXPIRED
    for bad in ({"price": np.nan}, {"price": 0.0}, {"price": -1.0}, {"spot": np.nan}, {"strike": 0.0}, {"tau": np.nan}):
        assert status(**bad) == IvStatus.BAD_INPUT


def slope(function, at, step):
    """Fourth-order central difference."""
    near, far = function(at + step) - function(at - step), function(at + 2 * step) - function(at - 2 * step)
    return (8 * near - far) / (12 * step)


@pytest.fixture(scope="module")
def liquid():
    """Options away from their boundary, with rates and yields on either side of each other."""
    rng = np.random.default_rng(5)
    count = 120
    tau = np.exp(rng.uniform(np.log(10 / 365), np.log(2), count))
    vol = np.exp(rng.uniform(np.log(0.1), np.log(1), count))
    strike = 100 * np.exp(rng.normal(0, 0.6, count) * vol * np.sqrt(tau))
    terms = {"spot": np.full(count, 100.0), "strike": strike, "tau": tau, "rate": rng.uniform(0.01, 0.07, count)}
    terms |= {"dividend_yield": rng.uniform(0.005, 0.05, count), "vol": vol, "is_call": rng.random(count) < 0.5}
    boundary = american.early_exercise_boundary(**without(terms, "spot"), points=2).price[:, 1]
    far = np.abs(np.log(100 / boundary)) > 0.4 * vol * np.sqrt(tau)
    assert far.sum() > 90
    return {name: values[far] for name, values in terms.items()}


@pytest.mark.parametrize(
    ("name", "of", "argument", "step", "sign"),
    [
        ("delta", "price", "spot", 0.02, 1),
        ("gamma", "delta", "spot", 0.02, 1),
        ("speed", "gamma", "spot", 0.02, 1),
        ("theta", "price", "tau", 0.005, -1),
        ("charm", "delta", "tau", 0.005, -1),
        ("color", "gamma", "tau", 0.005, -1),
        ("vega", "price", "vol", 0.004, 1),
        ("vanna", "delta", "vol", 0.004, 1),
        ("zomma", "gamma", "vol", 0.004, 1),
        ("vomma", "vega", "vol", 0.01, 1),
        ("rho", "price", "rate", 0.002, 1),
    ],
)
def test_each_greek_is_the_derivative_it_claims_to_be(liquid, name, of, argument, step, sign):
    """Spot and time derivatives are analytic, so differences of what they derive from are independent of them."""
    width = step * (liquid["spot"] * liquid["vol"] * np.sqrt(liquid["tau"]) if argument == "spot" else liquid[argument])
    width = np.full_like(liquid["spot"], 2e-4) if argument == "rate" else width
    found = getattr(american.greeks(**liquid), name)
    expected = sign * slope(
        lambda at: getattr(american.greeks(**{**liquid, argument: at}), of), liquid[argument], width
    )
    scale = np.median(np.abs(expected))
    assert np.abs(found - expected).max() < 1e-3 * scale
    assert np.median(np.abs(found - expected)) < 1e-5 * scale


def test_greeks_agree_with_quantlib_bumps(liquid):
    some = {name: values[:12] for name, values in liquid.items()}
    some["tau"] = np.maximum(np.round(some["tau"] * 365), 5) / 365
    found = american.greeks(**some)

    def bumped(**changes):
        return high_precision({**some, **changes})

    value = bumped()
    np.testing.assert_allclose(found.price, value, atol=2e-5)
    up, down = bumped(spot=some["spot"] + 0.5), bumped(spot=some["spot"] - 0.5)
    np.testing.assert_allclose(found.delta, up - down, atol=2e-3)
    np.testing.assert_allclose(found.gamma, 4 * (up - 2 * value + down), atol=1e-3, rtol=2e-2)
    np.testing.assert_allclose(
        found.vega, (bumped(vol=some["vol"] + 1e-3) - bumped(vol=some["vol"] - 1e-3)) / 2e-3, rtol=1e-3, atol=0.02
    )
    np.testing.assert_allclose(
        found.rho, (bumped(rate=some["rate"] + 1e-3) - bumped(rate=some["rate"] - 1e-3)) / 2e-3, rtol=5e-3, atol=0.05
    )


def test_where_exercise_is_due_the_option_is_the_stock_less_the_strike():
    put = american.greeks(
        spot=60.0, strike=100.0, tau=0.5, rate=0.05, dividend_yield=0.01, vol=0.2, is_call=[False, True], threads=1
    )
    assert put.price[0] == 40.0
    assert put.delta[0] == -1.0
    assert all(getattr(put, name)[0] == 0.0 for name in DERIVATIVES if name != "delta")
    assert put.delta[1] > 0


# --- cash dividends


def roll_geske_whaley(*, spot, strike, tau, rate, vol, time, amount):
    """American call with one cash dividend (Roll 1977, Geske 1979, Whaley 1981; Haug 2007, section 9.2)."""
    escrowed = spot - amount * np.exp(-rate * time)

    def held(stock):
        terms = {"spot": stock, "strike": strike, "tau": tau - time, "rate": rate, "dividend_yield": 0}
        return float(black.price(**terms, vol=vol, is_call=True))

    critical = brentq(lambda stock: held(stock) - (stock + amount - strike), 1e-6, 100 * strike, xtol=1e-12)
    a = (np.log(escrowed / strike) + (rate + vol**2 / 2) * tau) / (vol * np.sqrt(tau))
    b = (np.log(escrowed / critical) + (rate + vol**2 / 2) * time) / (vol * np.sqrt(time))
    joint = multivariate_normal(cov=[[1, -np.sqrt(time / tau)], [-np.sqrt(time / tau), 1]])
    a2, b2 = a - vol * np.sqrt(tau), b - vol * np.sqrt(time)
    kept = escrowed * joint.cdf([a, -b]) - strike * np.exp(-rate * tau) * joint.cdf([a2, -b2])
    return kept + escrowed * norm.cdf(b) - (strike - amount) * np.exp(-rate * time) * norm.cdf(b2)


def test_one_dividend_call_agrees_with_roll_geske_whaley():
    published = american.price(
        spot=80, strike=82, tau=1 / 3, rate=0.06, dividend_yield=0, vol=0.3, is_call=True, dividend_times=[0.25],
        dividend_amounts=[4],
    )  # fmt: skip
    assert published == pytest.approx(4.3860, abs=1e-3)  # Haug (2007), table in section 9.2
    for strike, tau, time, amount, vol in ((100, 1, 0.6, 5, 0.2), (85, 0.5, 0.45, 2, 0.35), (105, 1, 0.9, 4, 0.5)):
        got = american.price(
            **SPOT, strike=strike, tau=tau, rate=0.05, dividend_yield=0, vol=vol, is_call=True, dividend_times=time,
            dividend_amounts=amount,
        )  # fmt: skip
        want = roll_geske_whaley(spot=100, strike=strike, tau=tau, rate=0.05, vol=vol, time=time, amount=amount)
        assert got == pytest.approx(want, abs=2e-3)


@pytest.mark.parametrize("seed", range(8))
def test_cash_dividends_agree_with_finite_differences_on_the_escrowed_process(seed):
    rng = np.random.default_rng(seed)
    days = int(rng.choice([91, 182, 365, 730]))
    ex_days = np.sort(rng.choice(np.arange(3, days - 3), rng.integers(1, 5), replace=False))
    amounts = rng.uniform(0.2, 3, len(ex_days))
    row = {
        **SPOT,
        "strike": 100 * np.exp(rng.uniform(-0.25, 0.25)),
        "tau": days / 365,
        "rate": rng.uniform(0, 0.06),
        "dividend_yield": 0.02 * (seed % 2),
        "vol": np.exp(rng.uniform(np.log(0.1), np.log(0.8))),
        "is_call": seed % 4 < 2,
    }
    got = american.price(**row, dividend_times=ex_days / 365, dividend_amounts=amounts)
    assert got == pytest.approx(finite_differences(row, ex_days / 365, amounts), abs=5e-3)


def test_dividends_outside_the_life_of_an_option_do_not_concern_it():
    terms = {**SPOT, "strike": 105.0, "tau": [0.1, 0.5, 1.0], "rate": 0.04, "dividend_yield": 0.01, "vol": 0.3}
    plain = american.price(**terms, is_call=False)
    paid = american.price(**terms, is_call=False, dividend_times=[2.0, -0.2, 0.0, 0.5], dividend_amounts=[3, 9, 9, 2])
    np.testing.assert_array_equal(paid[:2], plain[:2])
    assert paid[2] > plain[2] + 0.5
    free = american.price(**terms, is_call=False, dividend_times=[0.3], dividend_amounts=[0.0])
    np.testing.assert_allclose(free, plain, atol=2e-3)


def test_absurd_dividends_are_nan_and_ragged_ones_raise():
    terms = {**SPOT, "strike": 100.0, "tau": 1.0, "rate": 0.04, "dividend_yield": 0.0, "vol": 0.3, "is_call": True}
    for time, amount in ((0.5, 110.0), (0.5, -1.0), (0.5, np.nan), (np.nan, 1.0)):
        given_dividend = {"dividend_times": [time], "dividend_amounts": [amount]}
        assert np.isnan(american.price(**terms, **given_dividend))
        assert np.isnan(american.greeks(**terms, **given_dividend)).all()
        found = american.implied_vol(**without(terms, "vol"), price=9.0, **given_dividend)
        assert found.status == IvStatus.BAD_INPUT
    with pytest.raises(ValueError, match="shape"):
        american.price(**terms, dividend_times=[0.1, 0.2], dividend_amounts=[1.0, 1.0, 1.0])


def test_dividends_never_take_a_price_below_what_exercise_now_or_never_pays():
    strikes = np.linspace(60, 150, 31)
    dividends = {"dividend_times": [0.02, 0.4], "dividend_amounts": [3.0, 3.0]}
    escrowed = 100 - 3 * np.exp(-0.05 * 0.02) - 3 * np.exp(-0.05 * 0.4)
    for is_call in (True, False):
        terms = {**SPOT, "strike": strikes, "tau": 1.0, "rate": 0.05, "dividend_yield": 0.0, "is_call": is_call}
        value = american.price(**terms, vol=0.2, **dividends)
        european = black.price(**{**terms, "spot": escrowed}, vol=0.2)
        assert (value >= np.maximum(european, exercise_value(terms))).all()
        assert (np.diff(value) * (-1 if is_call else 1) >= 0).all()
        certain = american.price(**terms, vol=0.0, **dividends)
        assert (certain <= value + 1e-3).all()


def test_vol_with_dividends_prices_again():
    dividends = {"dividend_times": [0.1, 0.35, 0.6], "dividend_amounts": [1.0, 1.0, 1.2]}
    terms = {**SPOT, "strike": np.linspace(80, 125, 10), "tau": 0.8, "rate": 0.04, "dividend_yield": 0.0}
    for is_call in (True, False):
        value = american.price(**terms, vol=0.28, is_call=is_call, **dividends)
        found = american.implied_vol(**terms, price=value, is_call=is_call, **dividends)
        assert (found.status == IvStatus.OK).all()
        np.testing.assert_allclose(found.vol, 0.28, atol=1e-6)
    below = american.implied_vol(**terms, price=exercise_value({**terms, "is_call": True}), is_call=True, **dividends)
    assert (below.status[:4] == IvStatus.BELOW_INTRINSIC).all()


def test_greeks_with_dividends_are_differences_of_prices():
    times, amounts = np.array([0.1, 0.35, 0.6]), [1.0, 1.0, 1.2]
    terms = {**SPOT, "strike": np.array([88.0, 97.0, 104.0, 112.0]), "tau": 0.8, "rate": 0.04}
    terms |= {"dividend_yield": 0.01, "vol": 0.28, "is_call": np.array([True, True, False, False])}

    def value(shift=0.0, **changes):
        return american.price(**{**terms, **changes}, dividend_times=times + shift, dividend_amounts=amounts)

    found = american.greeks(**terms, dividend_times=times, dividend_amounts=amounts)
    np.testing.assert_allclose(found.price, value(), atol=1e-9)
    np.testing.assert_allclose(found.delta, (value(spot=101.0) - value(spot=99.0)) / 2, atol=1e-3)
    curvature = value(spot=104.0) - 2 * value() + value(spot=96.0)
    np.testing.assert_allclose(found.gamma, curvature / 16, rtol=0.05)
    np.testing.assert_allclose(found.vega, (value(vol=0.30) - value(vol=0.26)) / 0.04, rtol=5e-3)
    np.testing.assert_allclose(found.rho, (value(rate=0.05) - value(rate=0.03)) / 0.02, rtol=2e-2)
    forth, back = value(0.01, tau=0.81), value(-0.01, tau=0.79)
    np.testing.assert_allclose(found.theta, (back - forth) / 0.02, rtol=1e-2)
