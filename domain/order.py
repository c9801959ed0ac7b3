"""From a priced candidate to a filled order. One transition table; illegal steps raise."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.contract import Leg
from domain.debate import Verdict
from domain.errors import TransitionError
from domain.record import Instant, Record
from domain.risk import Check, Purpose, RiskDecision
from domain.signals import VolView

Intent = Literal["open", "close"]


class Greeks(Record):
    """Position Greeks in internal units: delta in shares, gamma in shares per USD, vega USD per 1.00 of vol,
    theta USD per year, rho USD per 1.00 of rate. Signed for the quantity and multiplier they describe.
    """

    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float

    def scaled(self, factor: float) -> "Greeks":
        """These Greeks for `factor` times the position."""
        return Greeks(**{name: getattr(self, name) * factor for name in Greeks.model_fields})


class Candidate(Record):
    """One priced, defined-risk structure, per unit. Amounts are USD per unit unless they say per share.

    `limit_per_share` is the mid of the net premium, credit positive; `worst_per_share` is the least favourable
    premium still acceptable; `natural_per_share` is what crossing every spread would give. `max_loss` is

    positive, after fees, at `worst_per_share`: it bounds the loss of any fill that is allowed. `max_profit`
    is None if unbounded. `payoff_basis` is "exact" for one expiry, "bound" where several expiries make it a
    proven bound (then break-evens and max profit are model-based).
    """

    ticker: str
    intent: Intent
    strategy: str
    family: str
    legs: tuple[Leg, ...] = Field(min_length=1)
    spot: float
    limit_per_share: Decimal
    worst_per_share: Decimal
    natural_per_share: Decimal
    fees: Decimal  # USD per unit, to open and to close
    max_loss: Decimal = Field(gt=0)
    max_profit: Decimal | None
    payoff_basis: Literal["exact", "bound"]
    breakevens: tuple[float, ...]
    pop: float = Field(ge=0, le=1)
    expected_value: float  # USD per unit, physical measure, net of half-spread and fees
    cvar95: float  # USD per unit, mean loss in the worst 5 %, positive
    score: float  # expected_value / cvar95
    outcomes: tuple[tuple[float, float], ...]  # (probability, P&L in USD per unit), for Kelly; sums to 1
    greeks: Greeks
    margin: Decimal  # USD per unit, defined-risk requirement
    liquidity: int  # units executable at quoted sizes, or by volume and open interest where sizes are unknown
    first_expiry: date
    last_expiry: date
    drift: float  # annual physical drift used, decimal
    forecast_vol: float  # annual physical volatility used, decimal
    reason: str
    breakdown: dict[str, float] = {}
    purpose: Purpose = "trade"

    @property
    def contracts_per_unit(self) -> int:
        """Largest absolute leg ratio: what the ten-contract rule counts."""
        return max(abs(leg.quantity) for leg in self.legs)

    @property
    def limit_per_unit(self) -> Decimal:
        """Net premium of one unit in USD at the limit, credit positive."""
        return self.limit_per_share * self.legs[0].multiplier


class SizingCap(Record):
    """One cap on the number of units, with the arithmetic behind it."""

    name: str
    units: int = Field(ge=0)
    detail: str


class Sizing(Record):
    """Every cap; the smallest wins. `units` is never above any cap."""

    units: int = Field(ge=0)
    binding: str
    caps: tuple[SizingCap, ...]
    budget: Decimal  # USD the binding cap would allow at worst-case loss

    @model_validator(mode="after")
    def _only_shrinks(self) -> Self:
        if self.caps and self.units > min(cap.units for cap in self.caps):
            raise ValueError("a size above one of its caps cannot be built")
        return self


class SizedCandidate(Record):
    """A candidate with its size, before the final checks."""

    candidate: Candidate
    sizing: Sizing

    @property
    def units(self) -> int:
        """Number of units."""
        return self.sizing.units

    @property
    def contracts(self) -> int:
        """Units × largest leg ratio."""
        return self.units * self.candidate.contracts_per_unit


class Allocation(Record):
    """What became of one ticker's candidates: the accepted size, or the decision that refused the best of them.
    `decision` is None when no cap allowed even one unit.
    """

    ticker: str
    sized: SizedCandidate
    decision: RiskDecision | None
    tried: int  # candidates looked at
    closes: str | None = None  # order id of the held structure that this closes

    @property
    def accepted(self) -> bool:
        """Whether an order may be staged."""
        return self.decision is not None and self.decision.approved


class ExitReason(Record):
    """Why to close: the rule, what it measured, and where its limit lies."""

    rule: str
    measured: float | None  # None: the rule compares no two numbers
    limit: float | None
    detail: str


class Exit(Record):
    """A held structure that should be closed, whole or in part: the closing candidate, per unit."""

    closes: str  # order id
    units: int  # to close
    held: int | None = None  # units held; None: as many
    candidate: Candidate
    reason: ExitReason


class Repair(Record):
    """A new trade that brings the book back within its limits: the candidate, per unit, and the units that it takes,
    no fewer.
    """

    candidate: Candidate
    units: int = Field(ge=1)


class Thesis(Record):
    """Why the order exists and what would prove it wrong."""

    verdict: Verdict
    confidence: float
    vol_view: VolView
    engine: str
    text: str
    invalidation: str
    signal_ids: tuple[str, ...]


class OrderState(StrEnum):
    """Life of an order."""

    STAGED = "staged"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    SUBMITTED = "submitted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    FAILED = "failed"


TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = {
    OrderState.STAGED: frozenset({OrderState.APPROVED, OrderState.REJECTED, OrderState.EXPIRED, OrderState.SUPERSEDED}),
    OrderState.APPROVED: frozenset({OrderState.SUBMITTED, OrderState.CANCELLED, OrderState.FAILED}),
    OrderState.SUBMITTED: frozenset(
        {OrderState.PARTIALLY_FILLED, OrderState.FILLED, OrderState.CANCELLED, OrderState.FAILED}
    ),
    OrderState.PARTIALLY_FILLED: frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.FAILED}),
    OrderState.REJECTED: frozenset(),
    OrderState.EXPIRED: frozenset(),
    OrderState.SUPERSEDED: frozenset(),
    OrderState.FILLED: frozenset(),
    OrderState.CANCELLED: frozenset(),
    OrderState.FAILED: frozenset(),
}
WORKING: frozenset[OrderState] = frozenset(
    {OrderState.STAGED, OrderState.APPROVED, OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED}
)


def require_transition(order_id: str, current: OrderState, new: OrderState) -> None:
    """Raise `TransitionError` unless `current → new` is in the table."""
    if new not in TRANSITIONS[current]:
        raise TransitionError(f"Order {order_id} is {current}; it cannot become {new}.")


class StagedOrder(Record):
    """An order a person can approve. Cannot be built without an approving final decision."""

    order_id: str
    version: int = Field(ge=1)
    run_id: str
    snapshot_id: str
    staged_at: Instant
    expires_at: Instant
    transmit: Literal[False] = False
    sized: SizedCandidate
    limit_per_share: Decimal  # as staged or as edited, credit positive
    thesis: Thesis
    decision: RiskDecision
    closes: str | None = None  # a closing order names the order whose structure it closes

    @model_validator(mode="after")
    def _needs_approval(self) -> Self:
        if not self.decision.approved or self.decision.stage != "final":
            raise ValueError("a staged order needs an approving final risk decision")
        if self.sized.units < 1:
            raise ValueError("a staged order needs at least one unit")
        return self

    @property
    def ticker(self) -> str:
        """Underlying."""
        return self.sized.candidate.ticker

    @property
    def units(self) -> int:
        """Units of the structure."""
        return self.sized.units

    @property
    def max_loss(self) -> Decimal:
        """USD of the whole order, positive, after fees."""
        return self.sized.candidate.max_loss * self.units

    @property
    def max_profit(self) -> Decimal | None:
        """USD of the whole order; None if unbounded."""
        per_unit = self.sized.candidate.max_profit
        return None if per_unit is None else per_unit * self.units

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks of the final decision."""
        return self.decision.checks


class OrderView(Record):
    """A stored order with its present state."""

    order: StagedOrder
    state: OrderState
    changed_at: Instant
    reviewer: str | None = None
    reason: str | None = None


class LegFill(Record):
    """Execution of one leg. `quantity` is signed contracts; `price` USD per share."""

    symbol: str
    quantity: int
    price: Decimal


class Fill(Record):
    """Execution of (part of) an order. `cash` is the signed USD effect on the account, fees included."""

    fill_id: str
    order_id: str
    at: Instant
    units: int
    legs: tuple[LegFill, ...]
    fees: Decimal
    cash: Decimal
    rule: str  # how the price was found, in words
