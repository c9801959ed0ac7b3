"""Words of the risk gate: checks, decisions, trading state, and the hard limits no setting can loosen."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.contract import Leg
from domain.record import Record

Stage = Literal["thesis", "final"]
Purpose = Literal["trade", "hedge", "repair"]
"""A trade has a view; a hedge is asked for by a person, and it alone may be staged beyond the ten contracts; a repair
is what the pipeline proposes to bring a book back within its limits.
"""


class TradingState(StrEnum):
    """ACTIVE: all rules apply. REDUCING: only orders that lower worst-case loss. HALTED: nothing is sent."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


Cause = Literal["daily_loss", "stale_data", "reconciliation"]


class Restraint(Record):
    """Why the desk itself takes no new risk. `measured` or `limit` None: it cannot be told in one number."""

    cause: Cause
    measured: float | None
    limit: float | None
    detail: str


class Check(Record):
    """One rule's finding. `measured` or `limit` None means there was nothing to measure or no limit applies;
    a check that lacks the data it needs does not pass.
    """

    name: str
    ticker: str
    stage: Stage
    measured: float | None
    limit: float | None
    unit: str
    passed: bool
    hard: bool
    detail: str


class RiskDecision(Record):
    """All checks that apply, and the outcome: approved only if every one passed."""

    ticker: str
    stage: Stage
    approved: bool
    checks: tuple[Check, ...]

    @model_validator(mode="after")
    def _approved_means_all_passed(self) -> Self:
        if self.approved != all(check.passed for check in self.checks):
            raise ValueError("approved must equal: every check passed")
        if self.approved and not self.checks:
            raise ValueError("an approval without a single check cannot be built")
        return self

    @property
    def vetoes(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)


class HardLimits(Record):
    """Code constants. Settings may only tighten them: construction refuses anything looser."""

    daily_loss: float = Field(default=0.03, gt=0, le=0.03)  # share of NLV lost today → no new trades
    position_at_risk: float = Field(default=0.05, gt=0, le=0.05)  # worst-case loss of one position, share of NLV
    position_at_risk_crisis: float = Field(default=0.02, gt=0, le=0.02)
    sector_exposure: float = Field(default=0.15, gt=0, le=0.15)  # worst-case loss per sector, share of NLV
    free_margin: float = Field(default=0.20, ge=0.20, lt=1)  # share of NLV left free
    contracts_per_order: int = Field(default=10, ge=1, le=10)  # units × largest leg ratio
    naked_short_options: Literal[0] = 0


class DollarGreeks(Record):
    """Greeks of a book in dollars, as limits speak of them."""

    delta: float = 0.0  # USD of underlying exposure: shares × spot
    gamma: float = 0.0  # USD change of that exposure per 1 % move
    vega: float = 0.0  # USD per volatility point
    theta: float = 0.0  # USD per calendar day

    def __add__(self, other: "DollarGreeks") -> "DollarGreeks":
        return DollarGreeks(**{name: getattr(self, name) + getattr(other, name) for name in DollarGreeks.model_fields})


class Exposure(Record):
    """Worst case of one open, staged or working structure, in USD, positive; what limits count."""

    order_id: str
    ticker: str
    sector: str
    strategy: str
    state: str  # an `OrderState`, or "open" once filled
    units: int
    contracts: int
    worst_case: Decimal
    margin: Decimal
    theta: float  # USD per year, signed
    opened_on: str  # New York date, ISO
    greeks: DollarGreeks | None = None  # at the book's instant; None: not known
    legs: tuple[Leg, ...] = ()  # all its contracts: `quantity` is signed contracts, not a ratio; empty: not known
    purpose: Purpose = "trade"
