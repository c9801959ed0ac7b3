"""A book over its limits gets the smallest defined-risk trade that restores them all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.contract import Leg
from domain.order import Intent
from domain.record import Record
from domain.units import Bools, Floats
from options.priced import PricedChain
from options.strategies import FAMILIES
from risk.hedge.instruments import bounded
from risk.hedge.repairs import GREEKS, Holding, Repairs, closings, openings
from risk.hedge.settings import BreachSettings
from risk.revaluation import Scenarios
from risk.var import var_of

Measured = Literal["delta", "gamma", "vega", "theta", "beta_delta", "var"]
SLACK = 1e-9  # of a limit: rounding, not risk
AT_ONCE = 2_000  # trades whose VaR is worked out together


class Limit(Record):
    """One limit of the book and where the book stands: USD as in `domain.risk.DollarGreeks`, signed; `beta_delta` is
    USD of SPX exposure, `var` a positive loss. `limit` bounds the absolute value.
    """

    measure: Measured
    measured: float
    limit: float

    @property
    def broken(self) -> bool:
        """Whether the book is beyond it."""
        return abs(self.measured) > self.limit * (1 + SLACK)


@dataclass(frozen=True, slots=True, eq=False)
class BreachedBook:
    """What the search needs to know of the book. `pnl` `(n_s,)` is what is measured of it in each of `scenarios`;
    `stand_in` the worst cases (USD) of what is not, which count in full: VaR is the quantile of the one plus the other.
    """

    holdings: tuple[Holding, ...]
    pnl: Floats
    stand_in: float
    scenarios: Scenarios | None
    betas: Mapping[str, float]
    families: frozenset[str] | None = None  # that the regime permits; None: all


class Proposal(Record):
    """The trade, and the limits as they stand after it. `cost` is USD to pay at the quotes with fees (negative: cash
    received), `worst_case` USD newly at stake; both of all units. A closing names the order that it closes.
    """

    intent: Intent
    ticker: str
    strategy: str
    family: str
    legs: tuple[Leg, ...]  # per unit, as traded
    units: int
    cost: Decimal
    worst_case: Decimal
    closes: str | None
    before: tuple[Limit, ...]
    after: tuple[Limit, ...]
    reason: str


class NoProposal(Record):
    """Why there is no trade: `nothing_broken`, `unknown` (a Greek), `no_scenarios` (a VaR limit without any),
    `none_restores`, `unsolved` (no search ends without an answer; should one, it says so).
    """

    code: str
    reason: str


class _Found(NamedTuple):
    trades: Repairs
    place: int
    units: int


def propose(
    limits: Sequence[Limit], book: BreachedBook, chains: Mapping[str, PricedChain], settings: BreachSettings
) -> Proposal | NoProposal:
    """The smallest trade after which every one of `limits` holds, those that held before included.

    Closing comes first: it restores at no new risk. Among closings, and then among openings, the fewest units win, then
    the least loss newly at stake, then the least cost, then the first symbols. One structure only, whole units only.
    """
    broken = [limit for limit in limits if limit.broken]
    if not broken:
        return NoProposal(code="nothing_broken", reason="Every limit holds.")
    if any(limit.measure == "var" for limit in limits) and not len(book.pnl):
        return NoProposal(
            code="no_scenarios", reason="VaR is limited, but no scenarios say what a trade would do to it."
        )
    own = closings(book.holdings, observations=len(book.pnl))
    found = _smallest([own], limits, book, settings)
    if found is None:
        opened = openings(chains, book.betas, book.scenarios, settings, book.families)
        found = _smallest(opened, limits, book, settings)
    if found is None:
        said = ", ".join(f"{one.measure} {one.measured:,.0f} of {one.limit:,.0f} USD" for one in broken)
        return NoProposal(
            code="none_restores",
            reason=f"No single closing, long option or vertical of at most {settings.max_units} units restores {said}.",
        )
    return _proposal(found, limits, book, settings)


def _smallest(
    groups: Iterable[Repairs], limits: Sequence[Limit], book: BreachedBook, settings: BreachSettings
) -> _Found | None:
    best: tuple[tuple[object, ...], _Found] | None = None
    for trades in groups:
        first, last = feasible_units(trades, limits)
        top = int(trades.most.max(initial=0)) if best is None else best[1].units
        for units in range(1, top + 1):
            able = np.flatnonzero((first <= units) & (units <= last))
            place = _least(trades, able, units, limits, book, settings)
            if place is not None:
                found = _Found(trades, place, units)
                key = (units, *_rank(trades, place))
                if best is None or key < best[0]:
                    best = key, found
                break
    return None if best is None else best[1]


def feasible_units(trades: Repairs, limits: Sequence[Limit]) -> tuple[Floats, Floats]:
    """Fewest and most units of each trade, each `(n,)`, with which every Greek limit holds: |m + units·effect| ≤ limit
    is an interval. Fewest is infinite where none does.
    """
    low, high = np.ones(len(trades)), trades.most.astype(np.float64)
    for limit in limits:
        if limit.measure == "var":
            continue
        effect, bound = trades.effect[:, GREEKS.index(limit.measure)], limit.limit * (1 + SLACK)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.stack([(-bound - limit.measured) / effect, (bound - limit.measured) / effect])
        still = (effect == 0) & (abs(limit.measured) <= bound)
        usable = np.isfinite(ends).all(axis=0)
        low = np.where(usable, np.maximum(low, np.ceil(ends.min(axis=0) - SLACK)), np.where(still, low, np.inf))
        high = np.where(usable, np.minimum(high, np.floor(ends.max(axis=0) + SLACK)), high)
    return np.where(low > high, np.inf, low), high


def _least(
    trades: Repairs,
    able: NDArray[np.int64],
    units: int,
    limits: Sequence[Limit],
    book: BreachedBook,
    settings: BreachSettings,
) -> int | None:
    """Of the `able` trades the first in rank whose VaR holds at so many `units`."""
    budget = next((limit.limit for limit in limits if limit.measure == "var"), None)
    order = able[np.lexsort((trades.cost[able], trades.worst_case[able]))]
    if budget is None:
        return _first(trades, order)
    for start in range(0, len(order), AT_ONCE):
        part = order[start : start + AT_ONCE]
        kept = part[_var_after(trades, part, units, book, settings) <= budget * (1 + SLACK)]
        if len(kept):
            return _first(trades, kept)
    return None


def _var_after(
    trades: Repairs, places: NDArray[np.int64], units: int, book: BreachedBook, settings: BreachSettings
) -> Floats:
    """VaR of the book with `units` of each trade, USD, `(len(places),)`; NaN where a trade has no P&L."""
    pnl = book.pnl[:, None] + units * trades.pnl[:, places]
    stand_in = np.maximum(book.stand_in - units * trades.stand_in[places], 0.0)
    found = np.full(len(places), np.nan)
    for column in np.flatnonzero(_known(pnl)):
        found[column] = max(0.0, var_of(pnl[:, column], settings.confidence).var) + stand_in[column]
    return found


def _known(pnl: Floats) -> Bools:
    return np.asarray(np.isfinite(pnl).all(axis=0))


def _first(trades: Repairs, ranked: NDArray[np.int64]) -> int | None:
    """The first of `ranked` (by loss at stake, then cost), equals by symbols."""
    if not len(ranked):
        return None
    head = ranked[0]
    same = (trades.worst_case[ranked] == trades.worst_case[head]) & (trades.cost[ranked] == trades.cost[head])
    return min((int(place) for place in ranked[same]), key=trades.symbols)


def _rank(trades: Repairs, place: int) -> tuple[object, ...]:
    return float(trades.worst_case[place]), float(trades.cost[place]), trades.symbols(place)


def _proposal(found: _Found, limits: Sequence[Limit], book: BreachedBook, settings: BreachSettings) -> Proposal:
    trades, place, units = found
    held = trades.holdings[place] if trades.holdings else None
    ticker = trades.priced.ticker if trades.priced is not None else trades.holdings[place].ticker
    strategy = trades.strategies[place] if held is None else held.strategy
    after = tuple(_after(limit, found, book, settings) for limit in limits)
    mended = ", ".join(
        f"{one.measure} {one.measured:+,.0f} → {then.measured:+,.0f} (limit {one.limit:,.0f})"
        for one, then in zip(limits, after, strict=True)
        if one.broken
    )
    return Proposal(
        intent="open" if held is None else "close",
        ticker=ticker,
        strategy=strategy,
        family=FAMILIES.get(strategy, "none"),
        legs=trades.legs(place),
        units=units,
        cost=bounded(float(trades.cost[place]) * units),
        worst_case=bounded(float(trades.worst_case[place]) * units),
        closes=None if held is None else held.order_id,
        before=tuple(limits),
        after=after,
        reason=f"Restores {mended}.",
    )


def _after(limit: Limit, found: _Found, book: BreachedBook, settings: BreachSettings) -> Limit:
    trades, place, units = found
    if limit.measure == "var":
        measured = float(_var_after(trades, np.array([place]), units, book, settings)[0])
    else:
        measured = limit.measured + units * float(trades.effect[place, GREEKS.index(limit.measure)])
    return limit.model_copy(update={"measured": measured})
