"""The regime as the pipeline reads it, with what it rests on."""

from datetime import datetime
from typing import Any

from app.documents import plain
from app.services.instants import account_instant
from app.wiring import Desk
from domain.run import RunRow
from domain.snapshot import MarketSnapshot
from signals.regime import RegimeSettings, read_regime

TAIL = 12


async def market_regime(desk: Desk, at: datetime | None = None) -> dict[str, Any]:
    """The reading at `at` (default: the latest run's instant, now for a live feed) with inputs, thresholds, hysteresis
    and the readings before it. A run's own picture is read where there is one; else the market is gathered.
    """
    settings = desk.configuration.graph.regime
    snapshot, source = await _picture(desk, at, settings)
    reading = read_regime(snapshot.market, snapshot.desk.regime_history, settings)
    return {
        "feed": desk.feed.name,
        "source": source,
        **plain(reading),
        "needed": settings.hold_observations,
        "thresholds": {
            "low_vol_below": plain(settings.low_vol_below),
            "high_vol_from": plain(settings.high_vol_from),
            "crisis_from": plain(settings.crisis_from),
            "high_vol_odds": settings.high_vol_odds if settings.odds_market else None,
        },
        "history": [plain(earlier) for earlier in snapshot.desk.regime_history[-TAIL:]],
    }


async def _picture(desk: Desk, at: datetime | None, settings: RegimeSettings) -> tuple[MarketSnapshot, str]:
    run = await _run_at(desk, at)
    if run is not None and run.snapshot_id is not None and (at is not None or desk.feed.name != "cboe"):
        return await desk.snapshots.get(run.snapshot_id), f"snapshot of {run.request.run_id}"
    instant = await account_instant(desk, at)
    listed = await desk.feed.universe(instant)
    indices = tuple(name for name in settings.index_tickers if name in listed)
    market = await desk.feed.gather(instant, indices or listed)
    return MarketSnapshot(market=market, desk=await desk.state.context(instant, market)), "gathered for this question"


async def _run_at(desk: Desk, at: datetime | None) -> RunRow | None:
    """The run of this feed that looked at `at`; the latest instant's if None."""
    wanted = at or await desk.runs.latest_as_of(desk.feed.name)
    rows = [row for row in await desk.runs.list(limit=500) if row.request.feed == desk.feed.name]
    return next((row for row in rows if row.request.as_of == wanted and row.snapshot_id), None)
