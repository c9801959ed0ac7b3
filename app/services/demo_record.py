"""What a demonstration's database holds: every look of every run, and the orders. Nothing is taken from memory."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from app.services.story import Steps
from app.wiring import Desk
from domain.audit import AuditRow
from domain.market import MarketData
from domain.order import Fill, OrderView
from domain.record import Record
from domain.run import RunRow
from memory.orders import OrderEvent

MOST_RUNS = 1_000
A_DAY = timedelta(days=1)
DEVIATION_SESSIONS = 20


class Glance(Record):
    """One name at one instant. `posts` count the 24 hours before; `conviction` is the talk's, > 0 bullish, None where
    the measure abstained.
    """

    price: float
    posts: int
    conviction: float | None
    signal_id: str | None
    decay_days: float | None
    reason: str | None


@dataclass(frozen=True)
class Look:
    """One sealed run: what it saw of each name, and its log."""

    row: RunRow
    steps: Steps
    log: tuple[AuditRow, ...]
    glances: dict[str, Glance]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.row.request.run_id

    @property
    def at(self) -> datetime:
        """The run's instant."""
        return self.row.request.as_of


@dataclass(frozen=True)
class Life:
    """One order with everything that befell it."""

    view: OrderView
    history: tuple[OrderEvent, ...]
    fills: tuple[Fill, ...]
    log: tuple[AuditRow, ...]


class Usual(Record):
    """How far `ticker` usually goes: its last close before the first look, and the daily deviation of log returns over
    the 20 sessions up to it.
    """

    ticker: str
    close: float
    deviation: float

    def z_score(self, price: float, sessions: int) -> float:
        """How far `price` is from that close, in deviations of so many sessions (≥ 1): a random walk's yardstick."""
        return float(np.log(price / self.close) / (self.deviation * np.sqrt(sessions)))


async def looks(desk: Desk, tickers: tuple[str, ...]) -> list[Look]:
    """Every run of the home, ascending by instant."""
    rows = sorted(await desk.runs.list(limit=MOST_RUNS), key=lambda row: row.request.as_of)
    found = []
    for row in rows:
        log = await desk.audit.rows(row.request.run_id)
        steps = Steps(log)
        market = (await desk.snapshots.get(str(row.snapshot_id))).market
        found.append(Look(row, steps, log, {ticker: _glance(market, steps, ticker) for ticker in tickers}))
    return found


async def lives(desk: Desk) -> list[Life]:
    """Every order of the account, ascending by the instant it was staged."""
    views = sorted(await desk.orders.list(None), key=lambda view: (view.order.staged_at, view.order.order_id))
    return [
        Life(
            view,
            await desk.orders.history(view.order.order_id),
            await desk.orders.fills(view.order.order_id),
            tuple(row for row in await desk.audit.rows(view.order.run_id) if row.entry.ticker == view.order.order_id),
        )
        for view in views
    ]


async def usual(desk: Desk, look: Look, ticker: str) -> Usual:
    """What was usual of `ticker` when `look` was taken."""
    closes = (await desk.snapshots.get(str(look.row.snapshot_id))).market.bars[ticker].close
    returns = np.diff(np.log(closes[-1 - DEVIATION_SESSIONS :]))
    return Usual(ticker=ticker, close=float(closes[-1]), deviation=float(returns.std(ddof=1)))


def signals_of(look: Look, ticker: str) -> list[dict[str, Any]]:
    """What the social analyst published on `ticker` in that run."""
    reading = look.steps.of("social", "reading", ticker)
    return list(reading["signals"]) if reading else []


def _glance(market: MarketData, steps: Steps, ticker: str) -> Glance:
    reading = steps.of("social", "reading", ticker) or {"signals": []}
    burst = next((item for item in reading["signals"] if item["edge_type"] == "mention_velocity"), None)
    sign = {"bullish": 1, "bearish": -1, "neutral": 0}[burst["direction"]] if burst else 0
    since = market.as_of - A_DAY
    return Glance(
        price=market.chains[ticker].spot,
        posts=sum(post.published_at > since for post in market.posts_about(ticker)),
        conviction=burst["conviction"] * sign if burst else None,
        signal_id=burst["id"] if burst else None,
        decay_days=burst["metadata"]["alpha_decay_days"] if burst else None,
        reason=burst["metadata"]["context"] if burst else None,
    )
