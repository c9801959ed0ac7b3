import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DataError
from signals.technical import indicators, read_technical, swing_points, swing_structure


def walk(count=120, *, drift=0.0, seed=3):
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(rng.normal(drift, 0.01, count)))
    opens = np.concatenate([[100.0], closes[:-1]])
    wick = np.abs(rng.normal(0, 0.004, (2, count)))
    highs, lows = np.maximum(opens, closes) * (1 + wick[0]), np.minimum(opens, closes) * (1 - wick[1])
    return closes, (opens, highs, lows), rng.uniform(0.5e6, 1.5e6, count)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "column", "mine"),
    [
        ("rsi", "rsi", "rsi"),
        ("macd", "macd", "macd"),
        ("macd", "signal", "macd_signal"),
        ("macd", "histogram", "macd_histogram"),
        ("bb", "upperBand", "band_upper"),
        ("bb", "lowerBand", "band_lower"),
        ("sma", "sma", "sma_fast"),
        ("atr", "atr", "atr"),
        ("adx", "adx", "adx"),
        ("adx", "pdi", "plus_di"),
        ("adx", "mdi", "minus_di"),
    ],
)
def test_indicators_equal_the_published_reference_values(shared_data, settings, make_bars, file, column, mine):
    import pandas as pd

    quotes = pd.read_csv(shared_data / "ta_golden" / "quotes.csv")
    wanted = pd.read_csv(shared_data / "ta_golden" / f"{file}.csv")[column].to_numpy(float)
    ranges = tuple(quotes[name].to_numpy(float) for name in ("open", "high", "low"))
    bars = make_bars("SPY", quotes.close, ranges=ranges, volume=quotes.volume)
    found = getattr(indicators(bars, settings.technical), mine)
    # TA-Lib seeds MACD's averages and Wilder's smoothing in ADX another way: they meet as the seed is forgotten.
    settled = slice(350, None) if file in ("macd", "adx") else slice(None)
    both = np.isfinite(wanted[settled]) & np.isfinite(found[settled])
    assert both.sum() > 150
    np.testing.assert_allclose(found[settled][both], wanted[settled][both], rtol=1e-8, atol=1e-8)


@pytest.mark.shared_data
def test_obv_moves_as_the_reference_does(shared_data, settings, make_bars):
    import pandas as pd

    quotes = pd.read_csv(shared_data / "ta_golden" / "quotes.csv")
    wanted = pd.read_csv(shared_data / "ta_golden" / "obv.csv").obv.to_numpy(float)
    found = indicators(make_bars("SPY", quotes.close, volume=quotes.volume), settings.technical).obv
    np.testing.assert_allclose(np.diff(found), np.diff(wanted))  # TA-Lib starts at the first volume, it at 0


def test_values_are_talibs_own_and_warm_up_is_nan_never_zero(settings, make_bars):
    import talib

    closes, ranges, volume = walk()
    found = indicators(make_bars("SPY", closes, ranges=ranges, volume=volume), settings.technical)
    np.testing.assert_array_equal(found.rsi, talib.RSI(closes, 14))
    np.testing.assert_array_equal(found.adx, talib.ADX(ranges[1], ranges[2], closes, 14))
    assert np.isnan(found.rsi[:14]).all()
    assert np.isnan(found.sma_slow[:49]).all()
    assert np.isnan(found.adx[:27]).all()


@pytest.mark.parametrize("column", ["close", "high", "volume"])
def test_a_nan_in_the_middle_is_refused_before_talib_makes_numbers_of_it(settings, make_bars, column):
    closes, ranges, volume = walk()
    bars = make_bars("SPY", closes, ranges=ranges, volume=volume)
    getattr(bars, column)[60] = np.nan
    with pytest.raises(DataError, match=f"1 of 120 {column} values of SPY"):
        indicators(bars, settings.technical)


def test_closes_alone_still_read_with_the_unknown_left_unknown(settings, make_bars):
    closes, ranges, volume = walk(drift=0.004)
    blind = read_technical(make_bars("SPY", closes), settings.technical)
    whole = read_technical(make_bars("SPY", closes, ranges=ranges, volume=volume), settings.technical)
    assert blind.volume is None
    assert blind.volume_ratio is None
    assert whole.volume is not None
    assert blind.trend > 0
    assert whole.trend > 0
    assert indicators(make_bars("SPY", closes), settings.technical).atr is None


def test_a_rising_market_scores_above_a_falling_one_and_mirrors_it(settings, make_bars):
    rising, falling = (
        read_technical(make_bars("SPY", walk(drift=drift, seed=11)[0]), settings.technical) for drift in (0.006, -0.006)
    )
    assert rising.trend > 0.2 > -0.2 > falling.trend
    assert rising.tech_score > falling.tech_score


@given(st.integers(0, 10_000), st.floats(-0.02, 0.02))
def test_score_and_components_stay_in_bounds(settings, make_bars, seed, drift):
    closes, ranges, volume = walk(80, drift=drift, seed=seed)
    reading = read_technical(make_bars("SPY", closes, ranges=ranges, volume=volume), settings.technical)
    for value in (reading.tech_score, reading.trend, reading.momentum, reading.volume, reading.proximity):
        assert value is None or -1 <= value <= 1


def test_a_price_that_never_moves_is_neutral_not_an_error(settings, make_bars):
    reading = read_technical(make_bars("SPY", np.full(80, 50.0)), settings.technical)
    assert reading.structure == 0
    assert abs(reading.trend) < 0.01


def test_too_few_bars_are_refused(settings, make_bars):
    with pytest.raises(DataError, match="too few"):
        read_technical(make_bars("SPY", np.linspace(100, 110, 45)), settings.technical)


def test_swing_points_need_bars_on_both_sides_and_take_the_first_of_a_plateau():
    prices = np.array([1.0, 2, 5, 5, 2, 1, 3, 4, 9])
    assert swing_points(prices, width=2, highs=True).tolist() == [2]  # 9 at the end is not known to be a top yet
    assert swing_points(prices, width=2, highs=False).tolist() == [5]
    assert swing_points(prices[:4], width=2, highs=True).tolist() == []


def test_structure_needs_highs_and_lows_to_agree():
    up = np.array([1, 3, 2, 5, 4, 7, 6, 8, 7.5])
    assert swing_structure(up, up, width=1) == 1
    assert swing_structure(-up, -up, width=1) == -1
    widening = np.array([5, 6, 4, 7, 3, 8, 2, 9, 1.0])
    assert swing_structure(widening, widening, width=1) == 0
    assert swing_structure(up[:3], up[:3], width=1) == 0


def test_a_close_through_the_last_swing_level_is_a_break_only_on_the_day(settings, make_bars):
    base = np.tile([100, 101, 102, 103, 102, 101, 100, 99], 10).astype(float)
    up = read_technical(make_bars("SPY", [*base, 100, 101, 102, 106]), settings.technical)
    assert up.broken == 103
    assert up.break_distance > 0
    stale = read_technical(make_bars("SPY", [*base, 100, 101, 102, 106, 107]), settings.technical)
    assert stale.broken is None
    down = read_technical(make_bars("SPY", [*base, 100, 99.5, 95]), settings.technical)
    assert down.broken == 99
    assert down.break_distance < 0
