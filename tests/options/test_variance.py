"""Model-free variance: Cboe's own worked example, its rules one by one, closed forms, and the published index."""

from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

from domain.errors import DataError
from domain.market import Chain
from domain.sessions import expiry_instant
from domain.units import to_datetime64
from options import black
from options.hyperbolas import mixed
from options.rates import RateCurve
from options.svi import RawSvi
from options.variance import model_free_variance, variance_swap_strike, vix_style_index
from tests.options.real_chains import spx_close

# Cboe, Volatility Index Methodology: Cboe Volatility Index, appendices 3 and 5: mids of the near-term strip of
# 2022-09-27, puts from 1370 to 1955 and calls from 1965 to 2100 in steps of 5; None: excluded for a zero bid.
EXAMPLE_PUTS = """
.2 .125 .15 .225 .225 .125 .125 None .225 None .225 .175 .225 .275 .175 .225 .2 .25 .25 .25 .25 .2 .25 .35 .175 .275
.325 .325 .3 .3 .35 .35 .325 .375 .375 .375 .5 .425 .425 .425 .475 .55 .525 .525 .525 .525 .675 .575 .625 .625 .625 .675
.675 .725 .725 .775 .675 .825 .825 .875 .875 .925 .975 1.025 1.025 1.075 1.125 1.125 1.175 1.225 1.275 1.325 1.375 1.425
1.475 1.55 1.6 1.675 1.75 1.825 1.9 2.0 2.075 2.175 2.25 2.375 2.525 2.625 2.775 2.95 3.075 3.3 3.45 3.65 3.9 4.1 4.35
4.65 4.95 5.25 5.6 6.0 6.4 6.85 7.35 7.9 8.3 9.0 9.65 10.6 11.4 12.1 13.25 14.15 15.25 16.55 18.25 19.75
"""
EXAMPLE_CALLS = """
21.05 18.1 15.25 12.75 10.45 8.45 6.65 4.95 3.8 2.875 2.025 1.45 1.125 .725 .525 .5 .4 .25 .325 .225 .175 .15 .15 .25
.225 .1 .2 .1
"""
FLAT = RateCurve(np.array([1.0]), np.array([0.0]))


def chain(as_of, groups, ticker="SPX"):
    """`groups`: (settlement day, am_settled, rows of (strike, is_call, bid, ask))."""
    rows = [(day, am, *row) for day, am, quotes in groups for row in quotes]
    days, am, strike, is_call, bid, ask = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return Chain(
        ticker=ticker,
        as_of=as_of,
        spot=100.0,
        spot_source="quoted",
        symbol=np.array([f"{i}" for i in range(n)]),
        root=np.full(n, ticker),
        is_call=is_call.astype(bool),
        strike=strike.astype(float),
        expiry=days.astype("datetime64[D]"),
        expires_at=np.array(
            [to_datetime64(expiry_instant(d, am_settled=bool(a))) for d, a in zip(days, am, strict=True)]
        ),
        am_settled=am.astype(bool),
        european=np.ones(n, dtype=bool),
        standard=np.ones(n, dtype=bool),
        multiplier=np.full(n, 100.0),
        bid=bid.astype(float),
        ask=ask.astype(float),
        **{
            name: np.full(n, np.nan)
            for name in ("last", "volume", "open_interest", "bid_size", "ask_size", "vendor_iv")
        },
    )


def black_quotes(vol=0.2, forward=100.0, tau=0.08, strikes=None, tick=0.0):
    """Both rights around the Black price, ±1 %."""
    strikes = np.arange(60.0, 150.0, 1.0) if strikes is None else strikes
    rows = []
    for is_call in (True, False):
        price = black.price(forward=forward, strike=strikes, tau=tau, discount=1.0, vol=vol, is_call=is_call)
        bid = np.where(price > tick, 0.99 * price, 0.0)
        rows += [(k, is_call, b, 1.01 * p if b else 0.05) for k, b, p in zip(strikes, bid, price, strict=True)]
    return rows


def without_bid(quotes, *wanted):
    return [(k, c, 0.0 if (k, c) in wanted else b, a) for k, c, b, a in quotes]


def fridays(as_of, near, following, quotes, *, near_am=False):
    return chain(as_of, [(near, near_am, quotes), (following, False, quotes)])


AS_OF = datetime(2019, 4, 26, 20, tzinfo=UTC)
MAY_24, MAY_31 = date(2019, 5, 24), date(2019, 5, 31)


def example_chain():
    quotes = [(1960.0, True, 24.25, 24.25), (1960.0, False, 21.3, 21.3), (1965.0, False, 23.15, 23.15)]
    for first, is_call, text in ((1370.0, False, EXAMPLE_PUTS), (1965.0, True, EXAMPLE_CALLS)):
        for step, word in enumerate(text.split()):
            mid = 0.0 if word == "None" else float(word)
            quotes.append((first + 5.0 * step, is_call, mid, mid or 0.05))
    quotes += [(k, False, bid, 0.35) for k, bid in ((1365.0, 0.0), (1360.0, 0.0), (1355.0, 0.05), (1350.0, 0.05))]
    quotes += [(k, True, bid, 0.15) for k, bid in ((2120.0, 0.0), (2125.0, 0.05), (2150.0, 0.0), (2175.0, 0.0))]
    quotes += [(k, True, bid, 0.1) for k, bid in ((2200.0, 0.0), (2225.0, 0.05), (2250.0, 0.0))]
    as_of = datetime(2022, 9, 27, 14, 46, tzinfo=UTC)
    return fridays(as_of, date(2022, 10, 21), date(2022, 10, 28), quotes, near_am=True)


def test_the_worked_example_of_the_cboe_is_reproduced():
    curve = RateCurve(np.array([1.0]), np.array([0.00031664]))
    near = vix_style_index(example_chain(), curve=curve).near
    assert near.minutes == 34_484
    assert near.forward == pytest.approx(1962.89996, abs=5e-6)
    assert near.k0 == 1960.0
    assert (near.strikes[0], near.strikes[-1]) == (1370.0, 2125.0)
    assert not np.isin([1405.0, 1415.0, 2120.0], near.strikes).any()
    assert near.prices[near.strikes == 1960.0] == pytest.approx(22.775)
    tau = 34_484 / 525_600
    spread = (near.forward / 1960.0 - 1.0) ** 2 / tau
    assert (near.variance + spread) * tau / 2 == pytest.approx(0.0006320516, abs=1e-10)
    assert near.variance == pytest.approx(0.019233906, abs=1e-8)


def test_terms_are_weighted_to_thirty_days_in_minutes():
    found = vix_style_index(example_chain(), curve=FLAT)
    assert found.next.minutes == 44_954
    assert found.near_weight == pytest.approx((44_954 - 43_200) / (44_954 - 34_484), rel=1e-15)
    total = 34_484 * found.near.variance * found.near_weight + 44_954 * found.next.variance * (1 - found.near_weight)
    assert found.index == pytest.approx(100 * np.sqrt(total / 43_200), rel=1e-14)


@pytest.mark.parametrize(
    ("day", "near", "following"),
    [
        ("2019-10-08", "2019-11-01", "2019-11-08"),  # 24 and 31 days
        ("2019-10-09", "2019-11-08", "2019-11-15"),  # 30 and 37: the methodology's own example of the roll
        ("2019-10-10", "2019-11-08", "2019-11-15"),
        ("2019-03-21", "2019-04-18", "2019-04-26"),  # Good Friday: the Thursday before it
    ],
)
def test_the_two_fridays_around_thirty_days_are_chosen(day, near, following):
    listed = ("2019-04-12", "2019-04-18", "2019-04-22", "2019-04-26", "2019-05-03")
    listed += ("2019-10-31", "2019-11-01", "2019-11-06", "2019-11-08", "2019-11-11", "2019-11-15", "2019-11-22")
    as_of = datetime.fromisoformat(f"{day}T15:00:00+00:00")
    quotes = black_quotes()
    found = vix_style_index(chain(as_of, [(date.fromisoformat(d), False, quotes) for d in listed]), curve=FLAT)
    assert (found.near.expiry.isoformat(), found.next.expiry.isoformat()) == (near, following)


def test_of_two_settlements_on_one_friday_the_morning_one_counts():
    cheap, dear = black_quotes(0.2), black_quotes(0.4)
    as_of, third = datetime(2019, 5, 22, 20, tzinfo=UTC), date(2019, 6, 21)
    both = chain(as_of, [(third, False, dear), (third, True, cheap), (date(2019, 6, 28), False, cheap)])
    near = vix_style_index(both, curve=FLAT).near
    assert near.am_settled
    assert near.minutes == 29 * 1440 + 17.5 * 60
    alone = chain(as_of, [(third, True, cheap), (date(2019, 6, 28), False, cheap)])
    assert near.variance == vix_style_index(alone, curve=FLAT).near.variance


def test_minutes_are_those_of_the_clock_on_the_wall_across_daylight_saving():
    as_of = datetime(2019, 2, 13, 15, tzinfo=UTC)
    found = vix_style_index(fridays(as_of, date(2019, 3, 15), date(2019, 3, 22), black_quotes()), curve=FLAT)
    assert found.near.minutes == 30 * 1440 + 6 * 60


def test_one_zero_bid_is_skipped_and_two_in_a_row_end_the_strip():
    quotes = black_quotes()
    skipped = vix_style_index(fridays(AS_OF, MAY_24, MAY_31, without_bid(quotes, (80.0, False))), curve=FLAT).near
    assert 80.0 not in skipped.strikes
    assert skipped.strikes[0] == 60.0
    cut = without_bid(quotes, (80.0, False), (79.0, False), (120.0, True), (121.0, True))
    ended = vix_style_index(fridays(AS_OF, MAY_24, MAY_31, cut), curve=FLAT).near
    assert (ended.strikes[0], ended.strikes[-1]) == (81.0, 119.0)
    assert (np.diff(ended.strikes) == 1.0).all()


def test_in_the_money_quotes_do_not_enter_and_a_quote_without_an_ask_is_none():
    quotes = black_quotes()
    plain = vix_style_index(fridays(AS_OF, MAY_24, MAY_31, quotes), curve=FLAT).near
    odd = [(k, c, 3 * b, 3 * a) if (k > 103 and not c) or (k < 97 and c) else (k, c, b, a) for k, c, b, a in quotes]
    assert vix_style_index(fridays(AS_OF, MAY_24, MAY_31, odd), curve=FLAT).near.variance == plain.variance
    holes = [(k, c, b, np.nan if k == 90.0 else a) for k, c, b, a in quotes]
    assert 90.0 not in vix_style_index(fridays(AS_OF, MAY_24, MAY_31, holes), curve=FLAT).near.strikes


def test_the_index_of_a_flat_smile_is_its_volatility():
    quotes = {days: black_quotes(0.25, tau=days / 365, strikes=np.arange(30.0, 300.0, 0.5)) for days in (28, 35)}
    found = vix_style_index(chain(AS_OF, [(MAY_24, False, quotes[28]), (MAY_31, False, quotes[35])]), curve=FLAT)
    assert found.index == pytest.approx(25.0, abs=0.02)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda q: [(k, c, 0.0, a) for k, c, _, a in q], "no strike with a bid for call and put"),
        (lambda q: without_bid(q, (100.0, True)), "at the strike below its forward"),
        (lambda q: [*q, q[3]], "quotes strike 63 of one expiry twice"),
        (lambda q: [(k, c, b if c or k >= 100 else 0.0, a) for k, c, b, a in q], "bids on one side of 100"),
        (lambda q: [(k, c, b, a) for k, c, b, a in q if k > 105], "at the strike below its forward 100.30"),
    ],
)
def test_quotes_that_give_no_variance_are_refused_in_words(spoil, says):
    quotes = black_quotes(forward=100.3)
    with pytest.raises(DataError, match=says):
        vix_style_index(fridays(AS_OF, MAY_24, MAY_31, spoil(quotes)), curve=FLAT)


def test_a_missing_term_is_named():
    with pytest.raises(DataError, match="no Friday expiry more than 30 and at most 37 days after 2019-04-26"):
        vix_style_index(
            chain(AS_OF, [(MAY_24, False, black_quotes()), (date(2019, 5, 30), False, black_quotes())]), curve=FLAT
        )


def test_a_curve_without_a_rate_is_refused():
    hollow = RateCurve(np.array([1.0]), np.array([np.nan]))
    with pytest.raises(DataError, match="rate curve has no number for 2019-05-24"):
        vix_style_index(fridays(AS_OF, MAY_24, MAY_31, black_quotes()), curve=hollow)


def test_a_forward_far_above_its_strip_leaves_no_positive_variance():
    quotes = [(k, False, 0.01, 0.01) for k in (99.0, 100.0, 101.0)]
    quotes += [(k, True, 120.0 - k, 120.0 - k) for k in (99.0, 100.0, 101.0)] + [(130.0, True, 0.001, 0.001)]
    with pytest.raises(DataError, match=r"30-day variance of SPX is -.*, not a positive number"):
        vix_style_index(fridays(AS_OF, MAY_24, MAY_31, quotes), curve=FLAT)


@pytest.mark.parametrize("vol", [0.05, 0.2, 0.8])
def test_a_fine_strip_of_black_prices_sums_to_their_variance(vol):
    forward, tau, discount = 100.0, 0.25, 0.98
    strike = forward * np.exp(np.linspace(-9, 9, 20_001) * vol * np.sqrt(tau))
    price = black.price(forward=forward, strike=strike, tau=tau, discount=discount, vol=vol, is_call=strike > forward)
    found = model_free_variance(strike=strike, price=price, forward=forward, discount=discount, tau=tau)
    assert found == pytest.approx(vol**2, rel=1e-5)


def heston(spot, strike, tau, v0, kappa, theta, sigma, rho):
    today = QuantLib.Date(1, 1, 2020)
    QuantLib.Settings.instance().evaluationDate = today
    days = QuantLib.Actual365Fixed()
    flat = QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, 0.0, days))
    quote = QuantLib.QuoteHandle(QuantLib.SimpleQuote(spot))
    model = QuantLib.HestonModel(QuantLib.HestonProcess(flat, flat, quote, v0, kappa, theta, sigma, rho))
    engine = QuantLib.AnalyticHestonEngine(model, 1e-12, 100_000)
    exercise = QuantLib.EuropeanExercise(today + int(tau * 365))
    prices = []
    for each in strike:
        right = QuantLib.Option.Call if each > spot else QuantLib.Option.Put
        option = QuantLib.VanillaOption(QuantLib.PlainVanillaPayoff(right, float(each)), exercise)
        option.setPricingEngine(engine)
        prices.append(max(option.NPV(), 0.0))
    return np.array(prices)


def test_a_strip_of_heston_prices_gives_the_expected_variance_of_its_process():
    tau, v0, kappa, theta, sigma, rho = 1.0, 0.05, 1.5, 0.04, 0.4, -0.6
    strike = 100.0 * np.exp(np.linspace(-2.5, 1.2, 1_201))
    price = heston(100.0, strike, tau, v0, kappa, theta, sigma, rho)
    found = model_free_variance(strike=strike, price=price, forward=100.0, discount=1.0, tau=tau)
    expected = theta + (v0 - theta) * (1.0 - np.exp(-kappa * tau)) / (kappa * tau)
    assert found == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"strike": [90.0, 100.0]}, "at least 3 strikes"),
        ({"strike": [90.0, 110.0, 100.0]}, "ascending"),
        ({"strike": [0.0, 100.0, 110.0]}, "positive"),
        ({"price": [1.0, np.nan, 1.0]}, "prices of at least 0"),
        ({"price": [1.0, -1.0, 1.0]}, "prices of at least 0"),
        ({"forward": 80.0}, "forward 80"),
        ({"forward": np.nan}, "forward nan"),
        ({"discount": 0.0}, "discount 0"),
        ({"tau": 0.0}, "0.0 years"),
    ],
)
def test_a_strip_that_is_none_is_refused(change, says):
    strip = {"strike": [90.0, 100.0, 110.0], "price": [1.0, 3.0, 1.0], "forward": 101.0, "discount": 1.0, "tau": 0.1}
    assert model_free_variance(**strip) > 0
    with pytest.raises(DataError, match=says):
        model_free_variance(**strip | change)


def replicated(smile):
    """Carr and Madan's integral of out-of-the-money prices over k, by SciPy's adaptive quadrature."""

    def integrand(k):
        s = float(np.sqrt(smile.total_variance(k)))
        d1 = -k / s + 0.5 * s
        if k < 0:
            return 2.0 * (ndtr(s - d1) - np.exp(log_ndtr(-d1) - k))
        return 2.0 * (np.exp(log_ndtr(d1) - k) - ndtr(d1 - s))

    unit = float(np.sqrt(smile.total_variance(0.0)))
    edges = unit * np.array([0.0, 0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 20.0, 50.0, 200.0, 1_000.0, 5_000.0])
    pieces = [(side * a, side * b) for side in (1, -1) for a, b in pairwise(edges)]
    return sum(quad(integrand, min(p), max(p), epsabs=1e-15, epsrel=1e-12, limit=400)[0] for p in pieces)


SMILES = [
    RawSvi(0.0002, 0.02, -0.6, 0.01, 0.005),  # a week of an index: nearly a kink
    RawSvi(0.01, 0.3, -0.4, 0.05, 0.1),
    RawSvi(-0.005, 0.15, -0.9, 0.1, 0.2),
    RawSvi(0.001, 0.001, 0.3, 2.0, 3.0),  # centre and roundness far from the money
    RawSvi(1e-5, 0.004, -0.5, 0.0, 0.001),
    RawSvi(0.04, 0.02, 1.0, 0.0, 0.1),
]


@pytest.mark.parametrize("smile", SMILES)
def test_the_swap_is_worth_its_replication_to_ten_digits(smile):
    assert variance_swap_strike(smile, tau=0.5) == pytest.approx(np.sqrt(replicated(smile) / 0.5), rel=1e-10)


@settings(max_examples=50)
@given(st.floats(1e-6, 4.0), st.floats(-0.9, 0.9), st.floats(-1.0, 1.0), st.floats(1e-3, 10.0), st.floats(0.01, 5.0))
def test_a_flat_smile_is_worth_its_volatility_whatever_its_other_numbers(a, rho, m, sigma, tau):
    assert variance_swap_strike(RawSvi(a, 0.0, rho, m, sigma), tau=tau) == pytest.approx(np.sqrt(a / tau), rel=1e-12)


@settings(max_examples=50)
@given(st.floats(1e-4, 0.2), st.floats(1e-3, 0.6), st.floats(-0.95, 0.95), st.floats(-0.3, 0.3), st.floats(5e-3, 1.0))
def test_more_variance_everywhere_is_dearer_and_the_least_and_curvature_bound_it(a, b, rho, m, sigma):
    smile = RawSvi(a, b, rho, m, sigma)
    found = variance_swap_strike(smile, tau=1.0)
    assert found > np.sqrt(smile.least_variance)
    assert variance_swap_strike(RawSvi(a * 1.01, b, rho, m, sigma), tau=1.0) > found


@pytest.mark.parametrize("m", [0.5, 3.0, 8.0])
def test_a_smile_centred_far_from_the_money_is_not_missed_between_nodes(m):
    smile = RawSvi(1e-6, 1e-6, 0.2, m, 2.0)
    assert variance_swap_strike(smile, tau=1.0) == pytest.approx(np.sqrt(replicated(smile)), rel=1e-8)


def test_a_swap_without_finite_price_is_refused():
    with pytest.raises(DataError, match="Lee's bound"):
        variance_swap_strike(RawSvi(0.04, 1.01, -1.0, 0.0, 0.1), tau=1.0)
    with pytest.raises(DataError, match=r"least variance is -0\.01"):
        variance_swap_strike(RawSvi(-0.01, 0.0, 0.0, 0.0, 0.1), tau=1.0)
    with pytest.raises(DataError, match=r"0\.0 years"):
        variance_swap_strike(SMILES[0], tau=0.0)
    with pytest.raises(DataError, match="did not settle"):
        variance_swap_strike(RawSvi(1e-8, 0.0, 0.0, 50.0, 60.0), tau=1.0)


@pytest.mark.shared_data
@pytest.mark.parametrize("day", ["2019-04-29", "2019-05-20", "2019-07-03"])
def test_chains_captured_at_the_close_give_the_published_index(shared_data, day):
    """Days whose recorded underlying is the official close, one of them a half-day, one with an AM term."""
    published = pd.read_csv(shared_data / "volatility" / "VIX_to_2024.csv").set_index("date").close[day]
    yields = pd.read_csv(shared_data / "rates" / "treasury_yields_to_2024.csv").set_index("date").loc[:day].iloc[-2]
    curve = RateCurve(np.array([1 / 12, 0.25]), 2.0 * np.log1p(yields[["DGS1MO", "DGS3MO"]].to_numpy(float) / 200.0))
    found = vix_style_index(spx_close(shared_data, day), curve=curve)
    assert found.index == pytest.approx(published, abs=0.05)


def test_a_slice_that_bends_twice_has_a_swap_strike_too():
    raw = RawSvi(0.01, 0.05, -0.4, 0.02, 0.15)
    halves = mixed(raw, RawSvi(0.012, 0.04, -0.5, -0.05, 0.2), 0.5)
    assert variance_swap_strike(mixed(raw, raw, 0.5), tau=0.5) == pytest.approx(
        variance_swap_strike(raw, tau=0.5), abs=1e-12
    )
    k = np.linspace(-6.0, 6.0, 2_000_001)
    w, slope = halves.total_variance(k), halves.slope(k)
    d2 = -k / np.sqrt(w) - 0.5 * np.sqrt(w)
    weight = np.exp(-0.5 * d2**2) / np.sqrt(2.0 * np.pi * w) * (1.0 - 0.5 * k * slope / w + 0.25 * slope)
    expected = np.sqrt(float((weight * w).sum()) * (k[1] - k[0]) / 0.5)
    assert variance_swap_strike(halves, tau=0.5) == pytest.approx(expected, abs=1e-9)
