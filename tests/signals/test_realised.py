import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DataError
from signals.history import Refusal
from signals.realised import (
    best_estimate,
    close_to_close,
    forecast_vol,
    garman_klass,
    latest,
    parkinson,
    rogers_satchell,
    yang_zhang,
)


def simulated(sigma, *, days=4_000, steps=200, drift=0.0, gap=0.0, seed=7):
    """Bars of a geometric Brownian motion: annual `sigma` in session, `gap` overnight."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(drift / 252 / steps, sigma / np.sqrt(252 * steps), (days, steps))
    overnight = rng.normal(0.0, gap / np.sqrt(252), days) if gap else np.zeros(days)
    path = np.cumsum(moves, axis=1)
    start = np.concatenate([[0.0], np.cumsum(path[:-1, -1] + overnight[1:])])
    level = start[:, None] + np.concatenate([np.zeros((days, 1)), path], axis=1)
    return {
        "opens": np.exp(level[:, 0]) * 100,
        "highs": np.exp(level.max(axis=1)) * 100,
        "lows": np.exp(level.min(axis=1)) * 100,
        "closes": np.exp(level[:, -1]) * 100,
    }


def test_every_estimator_recovers_the_volatility_of_a_simulated_path():
    bars = simulated(0.2)
    window = len(bars["closes"]) - 1
    ranges = {name: bars[name] for name in ("highs", "lows")}
    found = {
        "close": close_to_close(closes=bars["closes"], window=window)[-1],
        "parkinson": parkinson(**ranges, window=window)[-1],
        "garman_klass": garman_klass(**bars, window=window)[-1],
        "rogers_satchell": rogers_satchell(**bars, window=window)[-1],
        "yang_zhang": yang_zhang(**bars, window=window)[-1],
    }
    # Ranges seen at 200 steps a day miss a little of the true extremes, hence below 0.2.
    assert all(0.18 < value < 0.205 for value in found.values()), found


def test_overnight_gaps_are_seen_by_yang_zhang_and_missed_by_the_range_estimators():
    bars = simulated(0.15, gap=0.2)
    window = len(bars["closes"]) - 1
    assert yang_zhang(**bars, window=window)[-1] == pytest.approx(0.25, abs=0.01)
    assert parkinson(highs=bars["highs"], lows=bars["lows"], window=window)[-1] < 0.16


def test_a_strong_drift_does_not_inflate_rogers_satchell_as_it_does_parkinson():
    calm = {name: simulated(0.1)[name] for name in ("opens", "highs", "lows", "closes")}
    driven = simulated(0.1, drift=2.5)
    window = 3_999
    assert rogers_satchell(**driven, window=window)[-1] == pytest.approx(
        rogers_satchell(**calm, window=window)[-1], rel=0.02
    )
    assert parkinson(highs=driven["highs"], lows=driven["lows"], window=window)[-1] > 0.11


def test_yang_zhang_by_hand_with_n_plus_one_over_n_minus_one_under_1_34():
    opens, highs, lows, closes = (
        np.array(row)
        for row in (
            [10.0, 10.2, 10.1, 10.6],
            [10.4, 10.5, 10.7, 10.9],
            [9.9, 10.0, 10.0, 10.3],
            [10.1, 10.3, 10.5, 10.4],
        )
    )
    overnight = [np.log(10.2 / 10.1), np.log(10.1 / 10.3), np.log(10.6 / 10.5)]
    session = [np.log(10.3 / 10.2), np.log(10.5 / 10.1), np.log(10.4 / 10.6)]
    ranged = [
        np.log(h / c) * np.log(h / o) + np.log(low / c) * np.log(low / o)
        for o, h, low, c in zip(opens[1:], highs[1:], lows[1:], closes[1:], strict=True)
    ]
    k = 0.34 / (1.34 + 4 / 2)
    wanted = np.sqrt(252 * (np.var(overnight, ddof=1) + k * np.var(session, ddof=1) + (1 - k) * np.mean(ranged)))
    assert yang_zhang(opens=opens, highs=highs, lows=lows, closes=closes, window=3)[-1] == pytest.approx(
        wanted, rel=1e-12
    )


def test_every_estimator_agrees_with_pandas_and_takes_many_names_at_once():
    import pandas as pd

    bars = [simulated(sigma, days=120, steps=20, gap=0.1, seed=seed) for seed, sigma in enumerate((0.1, 0.3, 0.6))]
    stacked = {name: np.stack([each[name] for each in bars]) for name in bars[0]}
    window = 21
    ranges = {name: stacked[name] for name in ("highs", "lows")}
    found = {
        "close": close_to_close(closes=stacked["closes"], window=window),
        "parkinson": parkinson(**ranges, window=window),
        "garman_klass": garman_klass(**stacked, window=window),
        "rogers_satchell": rogers_satchell(**stacked, window=window),
        "yang_zhang": yang_zhang(**stacked, window=window),
    }
    for row, each in enumerate(bars):
        table = pd.DataFrame(each)
        o, h, low, c = (np.log(table[name]) for name in ("opens", "highs", "lows", "closes"))
        overnight, k = o - c.shift(), 0.34 / (1.34 + (window + 1) / (window - 1))
        ranged = (h - c) * (h - o) + (low - c) * (low - o)
        wanted = {
            "close": c.diff().rolling(window).var(),
            "parkinson": ((h - low) ** 2).rolling(window).mean() / (4 * np.log(2)),
            "garman_klass": (0.5 * (h - low) ** 2 - (2 * np.log(2) - 1) * (c - o) ** 2).rolling(window).mean(),
            "rogers_satchell": ranged.rolling(window).mean(),
            "yang_zhang": overnight.rolling(window).var()
            + k * (c - o).rolling(window).var().where(overnight.notna())
            + (1 - k) * ranged.rolling(window).mean(),
        }
        for name, variance in wanted.items():
            np.testing.assert_allclose(found[name][row], np.sqrt(252 * variance), rtol=1e-9, err_msg=name)


@given(st.lists(st.floats(0.5, 200.0), min_size=12, max_size=40), st.integers(2, 11))
def test_warm_up_is_nan_and_the_rest_finite_and_scale_free(closes, window):
    closes = np.array(closes)
    found = close_to_close(closes=closes, window=window)
    assert np.isnan(found[:window]).all()
    assert (found[window:] >= 0).all()
    np.testing.assert_allclose(close_to_close(closes=closes * 3.0, window=window), found, atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_a_hole_or_absurd_price_is_refused_not_read_as_quiet(bad):
    closes = np.linspace(100, 110, 30)
    closes[12] = bad
    with pytest.raises(DataError, match="finite and positive"):
        close_to_close(closes=closes, window=10)


def test_impossible_bars_and_windows_are_refused():
    highs, lows = np.full(5, 10.0), np.full(5, 11.0)
    with pytest.raises(DataError, match="outside its low and high"):
        parkinson(highs=highs, lows=lows, window=3)
    with pytest.raises(DataError, match="too short"):
        close_to_close(closes=highs, window=1)
    with pytest.raises(DataError, match="differ in length"):
        parkinson(highs=highs, lows=lows[:4], window=3)


def test_too_few_bars_give_nan_throughout_and_a_refusal_with_numbers():
    rolling = close_to_close(closes=np.linspace(100, 101, 8), window=20)
    assert np.isnan(rolling).all()
    assert latest(rolling, window=20) == Refusal(
        "short_history", "8 bars, 21 needed for 20-day volatility", {"days": 8.0, "days_needed": 21.0}
    )
    assert np.isnan(yang_zhang(**{n: np.full(8, 9.0) for n in ("opens", "highs", "lows", "closes")}, window=20)).all()


def test_forecast_lies_between_implied_and_realised_and_needs_31_bars(make_bars):
    path = simulated(0.3, days=60)
    bars = make_bars("SPY", path["closes"], ranges=(path["opens"], path["highs"], path["lows"]))
    assert best_estimate(bars, window=20)[1] == "yang_zhang"
    forecast = forecast_vol(bars, 0.15)
    assert 0.15 < forecast < 0.35
    assert forecast_vol(bars, 0.2) > forecast
    closes_only = make_bars("SPY", path["closes"])
    assert best_estimate(closes_only, window=20)[1] == "close_to_close"
    assert forecast_vol(closes_only, 0.15) > 0.15
    with pytest.raises(DataError, match="needs 31"):
        forecast_vol(make_bars("SPY", path["closes"][:30]), 0.15)
    with pytest.raises(DataError, match="not a positive number"):
        forecast_vol(bars, float("nan"))


@pytest.mark.shared_data
def test_real_spy_bars_pass_and_the_estimators_agree_within_reason(shared_data):
    import pandas as pd

    bars = pd.read_csv(shared_data / "daily_bars" / "us_daily_2015_2024.csv.gz")
    for ticker in ("SPY", "NVDA", "GME"):
        rows = bars[bars.ticker == ticker]
        prices = {f"{name}s": rows[name].to_numpy(float) for name in ("open", "high", "low", "close")}
        found = yang_zhang(**prices, window=252)
        plain = close_to_close(closes=prices["closes"], window=252)
        ratio = np.nanmedian(found / plain)
        assert 0.7 < ratio < 1.2, (ticker, ratio)
