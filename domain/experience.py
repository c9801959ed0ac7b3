"""What the desk learns from: a situation, the trade made in it once that is over, and the lesson drawn."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from domain.book import SettlementPrice
from domain.debate import Verdict
from domain.order import Fill, StagedOrder
from domain.record import Instant, Record
from domain.regime import Regime
from domain.signals import CompositeSignal, VolView

Finding = Literal[
    "right",  # the view came true and paid
    "unpaid",  # the view came true, yet the structure lost
    "lucky",  # it paid although the view was wrong
    "wrong",  # the view was wrong and cost
    "even",  # nothing gained, nothing lost
]


class Situation(Record):
    """What was known of one ticker when a decision was taken: what likeness is measured on."""

    composite: CompositeSignal
    regime: Regime


class ClosedTrade(Record):
    """One opened structure of which nothing is held any more. All of it was known at `known_at`, and stays as it is:
    whichever run looks at it, a lesson drawn from it is the same.
    """

    opening: StagedOrder
    closings: tuple[StagedOrder, ...]  # by id; empty: held to expiry
    fills: tuple[Fill, ...]  # of all of them, oldest first
    settlements: tuple[SettlementPrice, ...]  # that contracts held to expiry were settled at
    units: int = Field(ge=1)  # opened
    profit: Decimal  # USD, after fees
    opened_at: Instant
    known_at: Instant  # when the last contract was gone and its price known


class Attribution(Record):
    """Where a trade's profit came from, USD, from the Greeks at entry and what moved since; the parts add up to the
    profit after fees. None: not known.
    """

    delta: float | None
    gamma: float | None
    theta: float
    vega: float | None  # needs every leg's implied volatility at entry and exit
    fees: float  # negative
    rest: float  # what the Greeks at entry do not explain


class Lesson(Record):
    """What was predicted, what happened, and what to learn from it: by rules, from recorded figures alone."""

    order_id: str
    run_id: str  # of the decision
    ticker: str
    strategy: str
    opened_at: Instant
    known_at: Instant
    verdict: Verdict
    confidence: float
    vol_view: VolView
    expected: float  # mean of the outcome at entry, over worst-case loss
    win_chance: float = Field(ge=0, le=1)  # at entry
    outcome: float  # P&L after fees over worst-case loss
    profit: Decimal  # USD, after fees
    surprise: float = Field(ge=0)  # distance of the outcome from its mean, in standard deviations of entry
    importance: float = Field(ge=0, le=1)
    price_move: float | None  # of the underlying from entry to exit, decimal
    move_in_sigmas: float | None  # the same over the forecast volatility of the time held
    vol_change: float | None  # of the legs' implied volatility, vega-weighted, decimal
    attribution: Attribution
    finding: Finding
    text: str
    evidence: tuple[str, ...]  # ids of signals, orders and fills it rests on
