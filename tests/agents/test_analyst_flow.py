from dataclasses import replace

import numpy as np
import pytest

from agents.flow import Flow
from tests.options.made_chain import made_chain
from tests.support.analyst_cases import context, read, series, signal_settings, snapshot


def quiet(**changes):
    return made_chain(reach=0.2, **changes)


def with_chain(priced, **columns):
    return replace(priced, chain=replace(priced.chain, **columns))


def ratios(last, days=200, name="PCR_ETP"):
    return series(name, [*np.linspace(0.8, 1.4, days), last])


@pytest.mark.parametrize(("ratio", "side"), [(1.5, "bullish"), (0.7, "bearish"), (1.1, "neutral")])
def test_put_call_extremes_are_read_against_the_crowd(ratio, side):
    signals, _ = read(Flow(), snapshot(series=[ratios(ratio)], tickers=("SPY",)), context(), "SPY")
    found = signals["put_call_extreme"]
    assert found.direction == side
    assert found.metadata["put_call_source"] == "PCR_ETP"
    assert found.conviction <= signal_settings().flow.cap


def test_a_scraping_fault_of_eleven_is_refused_not_read_as_panic():
    _, abstained = read(Flow(), snapshot(series=[ratios(11.0)], tickers=("SPY",)), context(), "SPY")
    assert ("absurd_value", 11.0) in {(item.code, item.numbers.get("ratio")) for item in abstained}


def test_a_single_name_reads_its_own_volumes_and_never_the_markets():
    own = [series("volume.put.XYZ", [*[100.0] * 200, 400.0]), series("volume.call.XYZ", [100.0] * 201)]
    signals, _ = read(Flow(), snapshot(series=own), context())
    assert signals["put_call_extreme"].direction == "bullish"
    _, abstained = read(Flow(), snapshot(series=[ratios(1.5), ratios(1.5, name="PCR_EQUITY")]), context())
    assert "put/call: the snapshot has no series volume.put.XYZ" in {item.detail for item in abstained}
    _, abstained = read(Flow(), snapshot(series=own[:1]), context())
    assert "no_history" in {item.code for item in abstained}


def test_an_index_prefers_its_own_volumes_once_they_are_long_enough():
    own = [series("volume.put.SPY", [*[100.0] * 200, 300.0]), series("volume.call.SPY", [100.0] * 201)]
    shot = snapshot(series=[ratios(0.7), *own], tickers=("SPY",))
    assert read(Flow(), shot, context(), "SPY")[0]["put_call_extreme"].metadata["put_call_ratio"] == 3.0
    brief = [replace(row, day=row.day[-9:], known_at=row.known_at[-9:], value=row.value[-9:]) for row in own]
    short = snapshot(series=[ratios(0.7), *brief], tickers=("SPY",))
    assert read(Flow(), short, context(), "SPY")[0]["put_call_extreme"].metadata["put_call_source"] == "PCR_ETP"


def test_a_short_put_call_history_abstains_with_the_ratio():
    _, abstained = read(Flow(), snapshot(series=[ratios(1.5, days=50)], tickers=("SPY",)), context(), "SPY")
    assert {"days": 50.0, "days_needed": 126.0, "put_call_ratio": 1.5} in [item.numbers for item in abstained]


def test_unusual_volume_leans_with_its_right_and_ordinary_volume_is_neutral():
    base = quiet()
    signals, _ = read(Flow(), snapshot(), context(base))
    assert {signals["unusual_calls"].direction, signals["unusual_puts"].direction} == {"neutral"}
    volume = base.chain.volume.copy()
    volume[np.flatnonzero(~base.chain.is_call)[:3]] = 20_000.0
    signals, _ = read(Flow(), snapshot(), context(with_chain(base, volume=volume)))
    found = signals["unusual_puts"]
    assert (found.direction, found.metadata["unusual_rows"]) == ("bearish", 3)
    assert found.metadata["side_of_trades"] == "unknown"
    assert found.conviction <= signal_settings().flow.cap
    assert signals["unusual_calls"].direction == "neutral"


def test_a_chain_without_volume_or_open_interest_abstains_by_measure():
    base = quiet()
    empty = with_chain(base, open_interest=np.full(len(base.chain), np.nan))
    signals, abstained = read(Flow(), snapshot(), context(empty))
    assert not signals
    assert [item.code for item in abstained].count("no_open_interest") == 3


@pytest.mark.parametrize(
    ("calls", "puts", "edge", "side"),
    [
        (3_000.0, 100.0, "dealer_long_gamma", "bearish"),
        (100.0, 3_000.0, "dealer_short_gamma", "bullish"),
        (1_000.0, 1_000.0, "dealer_", "neutral"),
    ],
)
def test_dealer_gamma_follows_the_stated_convention(calls, puts, edge, side):
    base = quiet()
    held = np.where(base.chain.is_call, calls, puts)
    signals, _ = read(Flow(), snapshot(), context(with_chain(base, open_interest=held)))
    found = next(item for name, item in signals.items() if name.startswith(edge))
    assert found.direction == side
    assert found.metadata["convention"] == "dealers_long_calls_short_puts"
    assert abs(found.metadata["net_gamma_usd_per_1pct"]) <= found.metadata["gross_gamma_usd_per_1pct"]


def test_the_opposite_convention_turns_the_claim_round():
    base = quiet()
    settings = signal_settings()
    turned = settings.model_copy(
        update={"flow": settings.flow.model_copy(update={"gamma_convention": "dealers_short_calls_long_puts"})}
    )
    held = np.where(base.chain.is_call, 3_000.0, 100.0)
    signals, _ = read(Flow(), snapshot(), context(with_chain(base, open_interest=held), turned))
    assert signals["dealer_short_gamma"].direction == "bullish"


def pinned(*, strike=100.0, dte=2, calls=50_000.0):
    base = quiet(dtes=(dte, 30), step=1.0)
    held = base.chain.open_interest.copy()
    held[base.chain.is_call & (base.chain.strike == strike)] = calls
    signals, _ = read(Flow(), snapshot(), context(with_chain(base, open_interest=held)))
    return signals.get("pin")


def test_a_pin_needs_a_near_expiry_a_heavy_strike_at_hand_and_dealers_long_there():
    found = pinned()
    assert found.direction == "bearish"
    assert found.metadata["pin_strike_usd"] == 100.0
    assert found.metadata["max_pain_usd"] is not None
    assert pinned(strike=105.0) is None
    assert pinned(dte=10) is None
    assert pinned(calls=1_000.0) is None


def test_chain_refusals_leave_the_put_call_reading_standing():
    signals, abstained = read(Flow(), snapshot(series=[ratios(1.5)], tickers=("SPY",)), context(), "SPY")
    assert set(signals) == {"put_call_extreme"}
    assert [item.code for item in abstained] == ["stale_chain"]
