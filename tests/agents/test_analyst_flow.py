from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from agents.flow import Flow
from options.exposure import charm_exposure, delta_drift, gamma_exposure, gamma_profile, vanna_exposure
from tests.options.made_chain import made_chain
from tests.support.analyst_cases import bars, context, read, series, signal_settings, snapshot


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


def test_unusual_volume_keeps_less_conviction_unless_the_side_is_busy_by_its_own_history():
    base = quiet()
    volume = base.chain.volume.copy()
    volume[np.flatnonzero(~base.chain.is_call)[:3]] = 20_000.0
    busy = with_chain(base, volume=volume)
    total = float(volume[~base.chain.is_call].sum())
    found = [
        read(Flow(), snapshot(series=[series("volume.put.XYZ", past)] if past else []), context(busy))[0][
            "unusual_puts"
        ]
        for past in ([0.5 * total] * 200, [2.0 * total] * 200, None)
    ]
    assert [item.metadata["side_volume_percentile"] for item in found] == [1.0, 0.0, None]
    assert found[0].metadata["side_volume_over_median"] == pytest.approx(2.0)
    kept = signal_settings().flow.unconfirmed
    assert [item.conviction for item in found[1:]] == pytest.approx([found[0].conviction * kept] * 2)


def test_open_interest_speaks_where_volume_has_no_history():
    base = quiet()
    puts = np.where(base.chain.is_call, 1_000.0, 3_000.0)
    chain = replace(base.chain, open_interest=puts)
    past = [series("oi.put.XYZ", np.linspace(90, 140, 200)), series("oi.call.XYZ", [100.0] * 200)]
    signals, _ = read(Flow(), snapshot(series=past, chains={"XYZ": chain}), context())
    found = signals["put_call_extreme"]
    assert (found.direction, found.metadata["read_from"]) == ("bullish", "open interest")
    assert (found.metadata["chain_oi_ratio"], found.metadata["oi_ratio_percentile"]) == (3.0, 1.0)
    own = [series("volume.put.XYZ", [100.0] * 200), series("volume.call.XYZ", [100.0] * 200)]
    both, _ = read(Flow(), snapshot(series=[*past, *own], chains={"XYZ": chain}), context())
    assert both["put_call_extreme"].metadata["read_from"] == "volume"
    assert both["put_call_extreme"].metadata["oi_ratio_percentile"] == 1.0


def test_a_chain_without_volume_or_open_interest_abstains_by_measure():
    base = quiet()
    empty = with_chain(base, open_interest=np.full(len(base.chain), np.nan))
    signals, abstained = read(Flow(), snapshot(), context(empty))
    assert not signals
    assert [item.code for item in abstained].count("no_open_interest") == 5


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


def test_dealer_gamma_names_its_zero_its_distance_and_where_it_expires():
    base = quiet()
    held = np.where(base.chain.is_call == (base.chain.strike > 100), 1_000.0, 0.0)
    signals, _ = read(Flow(), snapshot(), context(with_chain(base, open_interest=held)))
    found = signals.get("dealer_long_gamma") or signals["dealer_short_gamma"]
    root = found.metadata["zero_gamma_usd"]
    below, above = gamma_profile(with_chain(base, open_interest=held), [root - 0.01, root + 0.01])
    assert below < 0 < above
    sd = np.log(100 / root) / (0.2 / np.sqrt(252))
    assert found.metadata["spot_over_zero_gamma_daily_sd"] == pytest.approx(sd, rel=0.05)
    assert len(found.metadata["net_gamma_by_expiry"]) == 4
    assert found.metadata["net_gamma_by_expiry"][0].startswith(str(base.slices[0].expiry))


def test_a_published_gamma_of_the_other_sign_halves_the_claim_for_the_market_only():
    base = made_chain(root="SPY", reach=0.2)
    long = with_chain(base, open_interest=np.where(base.chain.is_call, 3_000.0, 100.0))
    alone = read(Flow(), snapshot(tickers=("SPY",)), context(long), "SPY")[0]["dealer_long_gamma"]
    against = snapshot(tickers=("SPY",), series=[series("GEX", [-1e9] * 200), series("DIX", [0.45] * 200)])
    found = read(Flow(), against, context(long), "SPY")[0]["dealer_long_gamma"]
    assert found.metadata["published_gex_contradicts"] is True
    assert found.metadata["published_dix_share"] == 0.45
    assert found.conviction == pytest.approx(alone.conviction * signal_settings().flow.disagreement_discount)
    other = with_chain(quiet(), open_interest=long.chain.open_interest)
    assert "published_gex_usd" not in read(Flow(), against, context(other))[0]["dealer_long_gamma"].metadata


def iv_past(level, last, days=200):
    """A history that wanders around `level` and reverts by a tenth a day, ending at `last`."""
    noise, past = np.random.default_rng(4).standard_normal(days), [level]
    for step in noise:
        past.append(level + 0.9 * (past[-1] - level) + 0.01 * step)
    return series("iv30.XYZ", [*past[1:], last])


@pytest.mark.parametrize(("level", "side", "change"), [(0.10, "bullish", -1), (0.40, "bearish", 1)])
def test_vanna_flow_is_what_dealers_trade_as_volatility_returns_to_its_mean(level, side, change):
    """Dealers long calls and short puts lose delta when volatility falls, and must buy."""
    base = quiet()
    held = np.where(base.chain.is_call == (base.chain.strike > 100), 2_000.0, 0.0)
    book = with_chain(base, open_interest=held)
    found = read(Flow(), snapshot(series=[iv_past(level, 0.2)]), context(book))[0]["vanna_flow"]
    figures = found.metadata
    assert found.direction == side
    assert np.sign(figures["expected_iv_change_points"]) == change
    assert figures["vanna_usd_per_vol_point"] == pytest.approx(vanna_exposure(book))
    traded = -vanna_exposure(book) * figures["expected_iv_change_points"] / figures["flow_days"]
    assert figures["hedge_usd_per_day"] == pytest.approx(traded)
    assert figures["hedge_worth_move_pct"] == pytest.approx(traded / gamma_exposure(book).gross)
    assert figures["hedge_share_of_turnover_decimal"] is None


def test_a_flow_too_small_for_the_underlyings_turnover_is_none():
    base = quiet()
    book = with_chain(base, open_interest=np.where(base.chain.is_call == (base.chain.strike > 100), 2_000.0, 0.0))
    sides = []
    for shares in (1e5, 1e9):
        traded = bars("XYZ", [100.0] * 30, volume=[shares] * 30)
        shot = snapshot(series=[iv_past(0.10, 0.2)], bars=[traded])
        found = read(Flow(), shot, context(book))[0]["vanna_flow"]
        turnover = 100.0 * shares
        assert found.metadata["hedge_share_of_turnover_decimal"] == pytest.approx(
            found.metadata["hedge_usd_per_day"] / turnover
        )
        sides.append(found.direction)
    assert sides == ["bullish", "neutral"]


def test_vanna_flow_abstains_without_a_volatility_history():
    _, abstained = read(Flow(), snapshot(), context(quiet()))
    assert "vanna flow: the snapshot has no series iv30.XYZ" in {item.detail for item in abstained}


def at(instant, **chain):
    """The picture at `instant`, a chain with calls held above and puts below the money."""
    base = made_chain(reach=0.2, step=1.0, as_of=instant, **chain)
    held = np.where(base.chain.is_call == (base.chain.strike > 100), 2_000.0, 0.0)
    return snapshot(as_of=instant, series=()), with_chain(base, open_interest=held)


def test_charm_flow_speaks_in_the_week_of_monthly_expiration_only():
    """2026-03-20 is the third Friday."""
    sides = {}
    for day in (2, 17):
        shot, book = at(datetime(2026, 3, day, 17, tzinfo=UTC), dtes=(3, 32))
        found = read(Flow(), shot, context(book))[0]["charm_flow"]
        figures = found.metadata
        assert figures["monthly_expiry"] == "2026-03-20"
        assert figures["charm_usd_per_day"] == pytest.approx(charm_exposure(book))
        drift = delta_drift(book, figures["days_to_monthly_expiry"]).total
        assert figures["hedge_usd_per_day"] == pytest.approx(-drift / figures["days_to_monthly_expiry"])
        assert figures["hedge_usd_to_next_session"] == pytest.approx(-delta_drift(book, 1).total)
        sides[day] = found.direction
    assert sides == {2: "neutral", 17: "bullish"}


def pinned(*, strike=100.0, dte=2, calls=50_000.0):
    base = quiet(dtes=(dte, 30), step=1.0)
    held = base.chain.open_interest.copy()
    held[base.chain.is_call & (base.chain.strike == strike)] = calls
    signals, abstained = read(Flow(), snapshot(), context(with_chain(base, open_interest=held)))
    return signals.get("pin"), {item.code for item in abstained}


def test_a_pin_needs_a_near_expiry_a_heavy_strike_at_hand_and_dealers_long_there():
    found, _ = pinned()
    assert found.direction == "bearish"
    assert found.metadata["pin_strike_usd"] == 100.0
    assert found.metadata["max_pain_usd"] is not None
    shares = (found.metadata[name] for name in ("open_interest_share", "gamma_share", "time_share"))
    assert found.metadata["pin_risk"] == pytest.approx(np.prod(list(shares)))
    far, _ = pinned(strike=105.0)
    assert (far.direction, far.conviction) == ("neutral", 0.0)
    assert pinned(dte=10) == (None, {"no_near_expiry", "no_history"})
    assert pinned(calls=1_000.0) == (None, {"no_long_gamma", "no_history"})


def test_badly_fitted_expiries_take_the_dealers_votes_away_and_say_so(monkeypatch):
    base = quiet(dtes=(2, 30), step=1.0)
    held = base.chain.open_interest.copy()
    held[base.chain.is_call & (base.chain.strike == 100.0)] = 50_000.0
    book, past = with_chain(base, open_interest=held), snapshot(series=[iv_past(0.10, 0.2)])
    assert {"pin", "vanna_flow", "charm_flow"} <= set(read(Flow(), past, context(book))[0])
    for module in ("view", "dealers"):
        monkeypatch.setattr(f"agents.flow.{module}.poorly_fitted", lambda piece: piece.tau < 0.02)
    signals, abstained = read(Flow(), past, context(book))
    poor = {item.detail.partition(":")[0]: item.numbers for item in abstained if item.code == "poor_fit"}
    assert set(poor) == {"dealer gamma", "charm flow", "pin"}
    assert (
        poor["dealer gamma"]["poor_share"] > poor["dealer gamma"]["poor_share_max"] == signal_settings().flow.poor_share
    )
    assert {"unusual_calls", "unusual_puts", "vanna_flow"} == set(signals)  # next to no vanna expires in two days


def test_chain_refusals_leave_the_put_call_reading_standing():
    signals, abstained = read(Flow(), snapshot(series=[ratios(1.5)], tickers=("SPY",)), context(), "SPY")
    assert set(signals) == {"put_call_extreme"}
    assert [item.code for item in abstained] == ["stale_chain"]
