from datetime import timedelta

import numpy as np
import pytest

from agents.vol_surface import VolSurface
from domain.market import CalendarEvent
from tests.options.made_chain import made_chain
from tests.support.analyst_cases import AS_OF, bars, context, on_its_surface, read, series, snapshot

RNG = np.random.default_rng(5)
WALK = 100 * np.exp(np.cumsum(RNG.normal(0, 0.01, 260)))
CALM = 100 * np.exp(np.cumsum(RNG.normal(0, 0.002, 260)))
WILD = 100 * np.exp(np.cumsum(RNG.normal(0, 0.03, 260)))
NO_EARNINGS = {"events_known": frozenset({"XYZ"})}
REACHING = (18, 32, 46, 74, 109)


def history(low, high, days=252):
    return series("iv30.XYZ", np.linspace(low, high, days))


def chain(**changes):
    return on_its_surface(made_chain(**{"dtes": REACHING, "reach": 0.5, **changes}))


def level(iv_history, **market):
    signals, _ = read(VolSurface(), snapshot(series=[iv_history], **{**NO_EARNINGS, **market}), context(chain()))
    return signals


@pytest.mark.parametrize(
    ("low", "high", "edge", "side"),
    [
        (0.10, 0.205, "iv_rich", "bearish"),
        (0.195, 0.40, "iv_cheap", "bullish"),
        (0.10, 0.25, "iv_rich", "neutral"),
        (0.18, 0.40, "iv_cheap", "bullish"),
        (0.15, 0.40, "iv_cheap", "neutral"),
    ],
)
def test_level_speaks_beyond_the_rank_bounds_and_against_the_extreme(low, high, edge, side):
    found = level(history(low, high))[edge]
    assert found.direction == side
    assert found.metadata["iv_rank"] == pytest.approx((0.2 - low) / (high - low), abs=0.01)
    assert (found.conviction > 0) is (side != "neutral")


def test_conviction_rises_with_extremeness():
    assert level(history(0.10, 0.201))["iv_rich"].conviction > level(history(0.10, 0.210))["iv_rich"].conviction


def test_figures_carry_units_life_and_evidence():
    found = level(history(0.10, 0.205))["iv_rich"]
    figures = found.metadata
    assert figures["atm_iv_30d_decimal"] == pytest.approx(0.2, abs=0.003)
    assert figures["atm_iv_90d_decimal"] is not None
    assert figures["history_is_proxy"] is False
    assert figures["history_days"] == 252
    assert figures["horizon_days"] == 30
    assert figures["evidence"] == ("chain:XYZ@2026-03-02T17:00:00Z", "series:iv30.XYZ")
    assert found.id == "vol_surface/XYZ/iv_rich@20260302T170000Z"


def test_earnings_inside_or_an_unknown_calendar_halve_the_claim():
    clear = level(history(0.10, 0.205))["iv_rich"].conviction
    event = CalendarEvent(
        kind="earnings", ticker="XYZ", at=AS_OF + timedelta(days=9), known_at=AS_OF - timedelta(days=9)
    )
    inside = level(history(0.10, 0.205), events=(event,))["iv_rich"]
    unknown = level(history(0.10, 0.205), events_known=frozenset())["iv_rich"]
    assert (inside.conviction, unknown.conviction) == (pytest.approx(clear / 2), pytest.approx(clear / 2))
    assert (inside.metadata["earnings_within_horizon"], unknown.metadata["earnings_within_horizon"]) == (True, None)
    late = event.model_copy(update={"known_at": AS_OF + timedelta(hours=1)})
    assert level(history(0.10, 0.205), events=(late,))["iv_rich"].conviction == pytest.approx(clear)


def test_vix_stands_in_for_spy_by_its_own_value_and_says_so():
    market = snapshot(series=[series("VIX", [*np.linspace(12, 20, 200), 30.0])], tickers=("SPY",))
    signals, _ = read(VolSurface(), market, context(chain(root="SPY")), "SPY")
    figures = signals["iv_rich"].metadata
    assert (figures["history_source"], figures["history_is_proxy"], figures["ranked_iv_decimal"]) == ("VIX", True, 0.3)


def test_a_refused_chain_becomes_the_abstention_with_its_code_and_numbers():
    signals, abstained = read(VolSurface(), snapshot(), context())
    assert not signals
    assert (abstained[0].code, abstained[0].numbers["age_minutes"]) == ("stale_chain", 47.0)


def test_each_measure_without_history_abstains_by_itself_and_term_still_speaks():
    signals, abstained = read(VolSurface(), snapshot(), context(chain()))
    assert set(signals) == {"term_contango", "parity_arbitrage", "surface_residual"}
    by_measure = {item.detail.split(":")[0]: item for item in abstained}
    assert set(by_measure) == {"IV rank", "skew percentile", "variance premium"}
    assert by_measure["skew percentile"].numbers["risk_reversal_25d_decimal"] < 0


def test_a_chain_out_of_reach_of_thirty_days_abstains():
    _, abstained = read(VolSurface(), snapshot(), context(chain(dtes=(300, 400))))
    assert [item.code for item in abstained] == ["no_atm"]


def test_one_maturity_has_no_term_and_a_narrow_ladder_no_skew():
    _, abstained = read(VolSurface(), snapshot(), context(chain(dtes=(28, 32))))
    assert "no_term" in {item.code for item in abstained}


@pytest.mark.parametrize(
    ("ticker", "slope", "edge", "side"),
    [
        ("XYZ", 0.3, "term_contango", "bullish"),  # a steep curve: the front is cheap (Vasquez)
        ("XYZ", -0.3, "term_backwardation", "bearish"),
        ("SPY", 0.3, "term_contango", "bearish"),  # index carry pays the seller (Simon & Campasano)
        ("SPY", -0.3, "term_backwardation", "bullish"),
        ("SPY", 0.0, "term_contango", "neutral"),
    ],
)
def test_term_is_read_by_kind_of_underlying(ticker, slope, edge, side):
    market = snapshot(tickers=(ticker,), **NO_EARNINGS)
    signals, _ = read(VolSurface(), market, context(chain(root=ticker, term=slope)), ticker)
    found = next(item for name, item in signals.items() if name.startswith("term"))
    assert found.direction == side
    assert side == "neutral" or found.edge_type == edge


def test_a_contradicting_vix_curve_halves_the_index_claim():
    def claimed(vix, vix3m):
        shot = snapshot(tickers=("SPY",), series=[series("VIX", [vix]), series("VIX3M", [vix3m])])
        return read(VolSurface(), shot, context(chain(root="SPY", term=0.3)), "SPY")[0]["term_contango"]

    agreeing, against = claimed(18.0, 21.0), claimed(24.0, 21.0)
    assert against.conviction == pytest.approx(agreeing.conviction / 2)
    assert against.metadata["vix_term_contradicts"] is True
    assert agreeing.metadata["vix_over_vix3m"] == pytest.approx(18 / 21)
    assert "series:VIX3M" in agreeing.metadata["evidence"]


@pytest.mark.parametrize(
    ("low", "high", "edge", "side"),
    [
        (-0.02, 0.10, "skew_puts_rich", "bearish"),
        (-0.40, -0.08, "skew_calls_rich", "bearish"),
        (-0.20, 0.05, "skew_puts_rich", "neutral"),
    ],
)
def test_skew_speaks_in_the_tails_of_its_own_history(low, high, edge, side):
    shot = snapshot(series=[series("skew25.XYZ", np.linspace(low, high, 252))], **NO_EARNINGS)
    signals, _ = read(VolSurface(), shot, context(chain(skew=-0.6)))
    found = next(item for name, item in signals.items() if name.startswith("skew"))
    assert found.direction == side
    assert side == "neutral" or found.edge_type == edge
    assert found.metadata["risk_reversal_25d_decimal"] < 0


@pytest.mark.parametrize(("closes", "side"), [(CALM, "bearish"), (WILD, "bullish"), (WALK, "neutral")])
def test_premium_compares_implied_with_realised(closes, side):
    window = closes if side != "neutral" else 100 * np.exp(np.cumsum(np.tile([0.0115, -0.0115], 130)))
    signals, _ = read(VolSurface(), snapshot(bars=[bars("XYZ", window)], **NO_EARNINGS), context(chain()))
    found = signals["variance_premium"]
    assert found.direction == side
    assert found.metadata["realised_estimator"] == "close_to_close"
    assert found.metadata["variance_premium_percentile"] is None


def test_premium_is_placed_in_its_own_series_and_uses_ranges_where_known():
    ranges = (CALM, CALM * 1.002, CALM * 0.998)
    shot = snapshot(series=[history(0.1, 0.205)], bars=[bars("XYZ", CALM, ranges=ranges)], **NO_EARNINGS)
    figures = read(VolSurface(), shot, context(chain()))[0]["variance_premium"].metadata
    assert figures["realised_estimator"] == "yang_zhang"
    assert figures["rv_parkinson_10d_decimal"] > 0
    assert figures["variance_premium_percentile"] > 0.9


def test_absurd_bars_cost_only_the_measure_that_needs_them():
    broken = (CALM, CALM * 0.9, CALM * 1.1)
    shot = snapshot(series=[history(0.1, 0.205)], bars=[bars("XYZ", CALM, ranges=broken)], **NO_EARNINGS)
    signals, abstained = read(VolSurface(), shot, context(chain()))
    assert "iv_rich" in signals
    assert "bad_bars" in {item.code for item in abstained}
