from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import DataError
from domain.market import OddsReading
from domain.regime import Regime, RegimeReading
from signals.regime import read_regime

AS_OF = datetime(2019, 6, 20, 20, 0, tzinfo=UTC)
CALM_BARS = 100 * np.exp(np.cumsum(np.tile([0.004, -0.004], 15)))  # about 6 % a year
WILD_BARS = 100 * np.exp(np.cumsum(np.tile([0.04, -0.04], 15)))  # about 65 % a year


@pytest.fixture
def market(make_market, make_series, make_bars):
    def build(vix=13.0, vix3m=15.0, closes=CALM_BARS, **more):
        series = [make_series(name, [20.0, value]) for name, value in (("VIX", vix), ("VIX3M", vix3m)) if value]
        bars = [] if closes is None else [make_bars(more.pop("index", "SPX"), closes)]
        return make_market(series=series, bars=bars, **more)

    return build


def fold(settings, raws):
    """Regimes read off a path of raw regimes by VIX levels alone (the rest neutral)."""
    return [reading.regime for reading in readings(settings, raws)]


def readings(settings, raws):
    from signals.regime import _fold

    history = ()
    for step, raw in enumerate(raws):
        regime, held = _fold(raw, history, settings.hold_observations)
        row = RegimeReading(
            as_of=AS_OF - timedelta(days=100 - step),
            regime=regime,
            raw=raw,
            held=held,
            vix=None,
            vix_term=None,
            realised_vol=None,
            reason="path",
        )
        history = (*history, row)
    return history


@pytest.mark.parametrize(
    ("vix", "vix3m", "closes", "wanted"),
    [
        (13.0, 15.0, CALM_BARS, "low_vol"),
        (15.0, 17.0, CALM_BARS, "neutral"),
        (21.99, 24.0, CALM_BARS, "neutral"),
        (22.0, 24.0, CALM_BARS, "high_vol"),
        (34.99, 36.0, CALM_BARS, "high_vol"),
        (35.0, 36.0, CALM_BARS, "crisis"),
        (16.0, 15.9, CALM_BARS, "high_vol"),  # inverted curve alone
        (13.0, 15.0, WILD_BARS, "crisis"),  # realised alone
        (14.9, 15.5, CALM_BARS, "neutral"),  # curve too flat for calm
    ],
)
def test_the_worst_input_decides_and_calm_needs_all(market, regime_settings, vix, vix3m, closes, wanted):
    reading = read_regime(market(vix, vix3m, closes), (), regime_settings)
    assert reading.regime == wanted
    assert reading.missing == ()
    assert reading.vix == vix


def test_unknown_vix_fails_closed_to_high_vol_and_is_named(market, regime_settings):
    reading = read_regime(market(vix=None), (), regime_settings)
    assert reading.regime is Regime.HIGH_VOL
    assert reading.vix is None
    assert reading.missing == ("vix", "vix_term")
    assert "VIX unknown" in reading.reason


@pytest.mark.parametrize("absurd", [-1.0, 999.0])
def test_an_absurd_vix_counts_as_missing(market, regime_settings, absurd):
    assert "vix" in read_regime(market(vix=absurd), (), regime_settings).missing


def test_a_stale_vix_counts_as_missing(make_market, make_series, make_bars, regime_settings):
    old = make_series("VIX", [12.0], last=date(2019, 6, 11))
    reading = read_regime(make_market(series=[old], bars=[make_bars("SPX", CALM_BARS)]), (), regime_settings)
    assert reading.regime is Regime.HIGH_VOL
    assert reading.vix is None


def test_a_vix_close_of_today_is_not_yet_known_at_four(make_market, make_series, regime_settings):
    early = make_market(series=[make_series("VIX", [20.0, 80.0], last=date(2019, 6, 20))])
    assert read_regime(early, (), regime_settings).vix == 20.0  # known from 16:15 New York, the run is at 16:00


def test_term_is_read_on_a_day_both_indices_have(make_market, make_series, regime_settings):
    vix = make_series("VIX", [12.0, 30.0], last=date(2019, 6, 19))
    vix3m = make_series("VIX3M", [15.0], last=date(2019, 6, 18))
    assert read_regime(make_market(series=[vix, vix3m]), (), regime_settings).vix_term == pytest.approx(12 / 15)


def test_calm_is_not_granted_on_partial_knowledge(market, regime_settings):
    assert read_regime(market(closes=None), (), regime_settings).regime is Regime.NEUTRAL
    assert read_regime(market(closes=None), (), regime_settings).missing == ("realised_vol",)
    assert read_regime(market(index="SPY"), (), regime_settings).regime is Regime.LOW_VOL  # stands in for SPX


def test_a_hole_in_the_bars_is_not_rolled_across(make_market, make_bars, make_series, regime_settings):
    from dataclasses import replace

    bars = make_bars("SPX", CALM_BARS)
    day = bars.day.copy()
    day[:20] -= np.timedelta64(300, "D")
    reading = read_regime(make_market(bars=[replace(bars, day=day)]), (), regime_settings)
    assert reading.realised_vol is None


def test_odds_raise_the_regime_only_when_configured_and_known(market, regime_settings):
    late = OddsReading(market="stress", probability=0.9, known_at=AS_OF + timedelta(hours=1))
    known = OddsReading(market="stress", probability=0.6, known_at=AS_OF - timedelta(hours=1))
    asked = regime_settings.model_copy(update={"odds_market": "stress"})
    assert read_regime(market(odds=(known, late)), (), regime_settings).regime is Regime.LOW_VOL
    reading = read_regime(market(odds=(known, late)), (), asked)
    assert (reading.regime, reading.odds) == (Regime.HIGH_VOL, 0.6)
    assert "odds" in read_regime(market(odds=(late,)), (), asked).missing


def test_up_at_once_down_only_after_three_readings_in_a_row(regime_settings):
    low, neutral, high, crisis = Regime
    path = [neutral, crisis, neutral, neutral, high, crisis, neutral, neutral, low, low]
    wanted = [neutral, crisis, crisis, crisis, high, crisis, crisis, crisis, neutral, neutral]
    assert fold(regime_settings, path) == wanted


def test_a_vix_that_spiked_and_fell_leaves_no_trace_for_ever(regime_settings):
    path = [Regime.NEUTRAL, Regime.CRISIS] + [Regime.LOW_VOL] * 6
    assert fold(regime_settings, path)[-1] is Regime.LOW_VOL


@given(st.lists(st.sampled_from(list(Regime)), min_size=1, max_size=30))
def test_never_below_the_raw_reading_and_settled_after_a_steady_stretch(regime_settings, path):
    found = fold(regime_settings, path)
    assert all(regime.severity >= raw.severity for regime, raw in zip(found, path, strict=True))
    # Two spells: the first may end at the worst of a mixed stretch, the second is all of one kind.
    steady = fold(regime_settings, [*path, *[path[-1]] * 2 * regime_settings.hold_observations])
    assert steady[-1] is path[-1]


def test_the_reason_says_that_a_regime_is_held(market, regime_settings):
    history = readings(regime_settings, [Regime.CRISIS])
    reading = read_regime(market(), history, regime_settings)
    assert (reading.regime, reading.raw, reading.held) == (Regime.CRISIS, Regime.LOW_VOL, 1)
    assert "held at crisis (1 of 3" in reading.reason


def test_history_out_of_order_or_from_the_future_is_refused(market, regime_settings):
    history = readings(regime_settings, [Regime.NEUTRAL, Regime.NEUTRAL])
    with pytest.raises(DataError, match="out of order"):
        read_regime(market(), history[::-1], regime_settings)
    with pytest.raises(DataError, match="out of order"):
        read_regime(market(as_of=history[0].as_of), history[:1], regime_settings)


def test_thresholds_must_ascend(regime_settings):
    plain = regime_settings.model_dump()
    plain["crisis_from"]["vix"] = 20.0
    with pytest.raises(ValidationError, match="vix: needs low_vol_below"):
        type(regime_settings).model_validate(plain)


@pytest.mark.shared_data
def test_march_2020_is_a_crisis_and_is_left_again(shared_data, regime_settings, make_market):
    import pandas as pd

    from domain.market import Bars, Series
    from domain.sessions import close_known_at

    def series(name):
        rows = pd.read_csv(shared_data / "volatility" / f"{name}_to_2024.csv").query(
            "'2019-12-01' <= date <= '2020-12-31'"
        )
        day = rows.date.to_numpy("datetime64[D]")
        return Series(name, "vol points", day, close_known_at(day, index_close=True), rows.close.to_numpy(float))

    rows = pd.read_csv(shared_data / "volatility" / "SPX_daily_1990_2022.csv").query(
        "'2019-12-01' <= date <= '2020-12-31'"
    )
    day = rows.date.to_numpy("datetime64[D]")
    prices = {name: rows[name].to_numpy(float) for name in ("open", "high", "low", "close", "volume")}
    spx = Bars(ticker="SPX", day=day, known_at=close_known_at(day, index_close=True), **prices, adjusted_as_of=None)
    vix, vix3m = series("VIX"), series("VIX3M")
    history, seen = (), {}
    for at in spx.day[40:]:
        as_of = datetime.combine(at.astype(object), datetime.min.time(), tzinfo=UTC) + timedelta(hours=22)
        reading = read_regime(make_market(as_of=as_of, series=[vix, vix3m], bars=[spx]), history, regime_settings)
        history, seen = (*history, reading), {**seen, str(at): reading.regime}
    assert seen["2020-02-14"] in (Regime.LOW_VOL, Regime.NEUTRAL)
    assert seen["2020-03-16"] is Regime.CRISIS
    assert seen["2020-08-20"] in (Regime.NEUTRAL, Regime.HIGH_VOL)
    changes = sum(a != b for a, b in zip(seen.values(), list(seen.values())[1:], strict=False))
    assert changes < 25, changes
