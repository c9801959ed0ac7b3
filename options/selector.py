"""Which types of structure suit a view: a table read from YAML, and the few rules no table may overrule."""

from typing import Literal, Self

from pydantic import Field, model_validator

from domain.debate import Verdict
from domain.record import Record
from domain.regime import Regime
from domain.signals import VolView
from options.strategies import ARBITRAGE, DEFAULTS, FAMILIES, Family, structure_named

Term = Literal["contango", "backwardation", "flat"]
Skew = Literal["puts_rich", "calls_rich", "normal"]
Event = Literal["none", "inside", "unknown"]
IvLevel = Literal["low", "middle", "high", "unknown"]

CRISIS_FAMILIES: frozenset[Family] = frozenset({"long_option", "debit_vertical", "long_volatility", "backspread"})
"""Long volatility, paid-for or hedged: all that a crisis allows."""
SHORT_VOLATILITY: frozenset[Family] = frozenset({"short_volatility", "credit_vertical", "butterfly"})
"""Paid for standing still: barred for single names whose events are unknown, and over a known event."""
EVENT_SENSITIVE: frozenset[Family] = SHORT_VOLATILITY | {"calendar"}
"""Short gamma in front: barred where an event is known to lie inside the horizon."""


class StrategyChoice(Record):
    """A type to look for, `priority` 1 first, and why."""

    strategy: str
    family: Family
    priority: int = Field(ge=1)
    reason: str


class NoStrategy(Record):
    """Why no type suits: `no_edge`, `no_row`, or the rule that took the last one away."""

    code: str
    reason: str
    removed: dict[str, str] = {}  # strategy → rule that barred it


class StrategyRow(Record):
    """One line of the table. An empty condition matches everything; `strategies` are best first."""

    verdicts: tuple[Verdict, ...] = ()
    vol_views: tuple[VolView, ...] = ()
    regimes: tuple[Regime, ...] = ()
    iv_ranks: tuple[IvLevel, ...] = ()
    terms: tuple[Term, ...] = ()
    skews: tuple[Skew, ...] = ()
    events: tuple[Event, ...] = ()
    strategies: tuple[str, ...] = Field(min_length=1)
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _suits_its_structures(self) -> Self:
        for name in self.strategies:
            if name not in FAMILIES:
                raise ValueError(f"no structure is called {name!r}; known are {', '.join(FAMILIES)}")
            structure = structure_named(name)
            if structure.family not in CRISIS_FAMILIES and Regime.CRISIS in self.regimes:
                raise ValueError(f"{name} is no structure for a crisis")
            if not set(self.verdicts or Verdict) <= structure.directions:
                raise ValueError(f"{name} does not suit every verdict of its row: {self.reason}")
        return self


class StrategyTable(Record):
    """The `selector` section of config/strategies.yaml. Rows are tried in order; all that match contribute."""

    rows: tuple[StrategyRow, ...] = Field(min_length=1)
    low_iv_rank: float = Field(default=0.30, ge=0, le=1)
    high_iv_rank: float = Field(default=0.60, ge=0, le=1)
    min_iv_premium: float = 0.0  # ATM IV less forecast vol, decimal; short volatility needs more than this
    front_over_forward: tuple[float, float] = (0.85, 1.20)  # calendars: front IV over the forward vol bought

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low_iv_rank >= self.high_iv_rank:
            raise ValueError("low_iv_rank must lie below high_iv_rank")
        return self

    def level(self, iv_rank: float | None) -> IvLevel:
        """IV rank (0 to 1) in words."""
        if iv_rank is None:
            return "unknown"
        if iv_rank <= self.low_iv_rank:
            return "low"
        return "high" if iv_rank >= self.high_iv_rank else "middle"


class _Picture(Record):
    """What the rules look at."""

    regime: Regime
    vol_view: VolView
    event: Event
    is_index: bool
    iv_premium: float | None
    front_over_forward: float | None
    allowed_families: frozenset[str] | None


def select(
    *,
    verdict: Verdict,
    vol_view: VolView,
    regime: Regime,
    iv_rank: float | None,
    term: Term | None,
    skew: Skew | None,
    event: Event,
    is_index: bool,
    iv_premium: float | None,
    front_over_forward: float | None,
    allowed_families: frozenset[str] | None,
    table: StrategyTable,
) -> tuple[StrategyChoice, ...] | NoStrategy:
    """Types that suit the view, best first; never an empty tuple.

    `verdict` INCONCLUSIVE means a weak price view (a conflicted one never gets here). `iv_rank` in [0, 1];
    `iv_premium` is 30-day ATM IV less forecast volatility (decimal); `front_over_forward` the front expiry's ATM IV
    over the forward volatility up to the back one; `event` says whether a known event falls inside the horizon.
    Unknown figures (None) match only rows without that condition and satisfy no rule that needs them.
    `allowed_families` None leaves families to the risk gate.
    """
    if verdict is Verdict.INCONCLUSIVE and vol_view == "none":
        return NoStrategy(code="no_edge", reason="Neither a view on price nor one on volatility.")
    facts: dict[str, object] = {
        "verdicts": verdict,
        "vol_views": vol_view,
        "regimes": regime,
        "iv_ranks": table.level(iv_rank),
        "terms": term,
        "skews": skew,
        "events": event,
    }
    picture = _Picture(
        regime=regime,
        vol_view=vol_view,
        event=event,
        is_index=is_index,
        iv_premium=iv_premium,
        front_over_forward=front_over_forward,
        allowed_families=allowed_families,
    )
    reasons: dict[str, str] = {}
    for row in table.rows:
        if all(not getattr(row, name) or value in getattr(row, name) for name, value in facts.items()):
            for name in row.strategies:
                reasons.setdefault(name, row.reason)
    if not reasons:
        return NoStrategy(code="no_row", reason=f"The table has no row for {verdict}, vol {vol_view}, {regime}.")
    removed = {name: code for name in reasons if (code := _barred(name, picture, table))}
    kept = [name for name in reasons if name not in removed]
    if not kept:
        last = removed[next(reversed(removed))]
        listed = ", ".join(f"{name} ({code})" for name, code in removed.items())
        return NoStrategy(code=last, reason=f"Every suitable structure is barred: {listed}.", removed=removed)
    return tuple(
        StrategyChoice(strategy=name, family=structure_named(name).family, priority=place, reason=reasons[name])
        for place, name in enumerate(kept, start=1)
    )


def select_arbitrage(*, signalled: bool, european: bool) -> tuple[StrategyChoice, ...] | NoStrategy:
    """Boxes, where an arbitrage signal (`signalled`) says that quotes miss parity and the options are `european`.

    No view on price or volatility leads to a box, and none is asked for: it pays the same at every price. Early
    exercise would break it. Whether it pays after costs is for the leg search to say.
    """
    if not signalled:
        return NoStrategy(code="no_edge", reason="No signal says that the quotes miss put-call parity.")
    if not european:
        return NoStrategy(code="early_exercise", reason="A box of American options can be exercised apart.")
    reason = "Quotes miss put-call parity: lend or borrow through options, whatever the price does."
    return tuple(
        StrategyChoice(strategy=box.strategy, family=box.family, priority=place, reason=reason)
        for place, box in enumerate(ARBITRAGE, start=1)
    )


def families_for(regime: Regime) -> frozenset[Family]:
    """Families that suit a regime by what the structures say of themselves, crisis rule included."""
    suited = {structure.family for structure in DEFAULTS if regime in structure.regimes}
    return frozenset(suited & CRISIS_FAMILIES if regime is Regime.CRISIS else suited)


def _barred(name: str, picture: _Picture, table: StrategyTable) -> str | None:
    """Code of the first rule that bars a structure, or None."""
    structure = structure_named(name)
    family = structure.family
    low, high = table.front_over_forward
    front, premium = picture.front_over_forward, picture.iv_premium
    rules = {
        "family_not_allowed": picture.allowed_families is not None and family not in picture.allowed_families,
        "crisis": picture.regime is Regime.CRISIS and family not in CRISIS_FAMILIES,
        "regime_unsuited": picture.regime not in structure.regimes,
        "vol_view_unsuited": picture.vol_view not in structure.vol_views,
        "event_inside": picture.event == "inside" and family in EVENT_SENSITIVE,
        "event_unknown": picture.event == "unknown" and not picture.is_index and family in SHORT_VOLATILITY,
        "iv_not_above_forecast": family == "short_volatility" and (premium is None or premium <= table.min_iv_premium),
        "forward_vol_dear": family == "calendar" and (front is None or front < low),
        "front_under_stress": family == "calendar" and front is not None and front > high,
    }
    return next((code for code, applies in rules.items() if applies), None)
