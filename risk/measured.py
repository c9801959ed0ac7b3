"""One-day value at risk of the book, measured once a run, so that each order only adds its own part.

An order on its way may fill, in part, or never: of what it would do in a scenario only a loss counts, so that nothing
leans on a gain that may not come, and no fill or cancellation of what was accepted can lift the measure. The order that
is asked about is measured exactly, at every number of units that may come of it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from domain.order import Candidate, SizedCandidate
from domain.risk import Exposure
from domain.units import Floats
from options.priced import PricedChain
from portfolio.exposure import OPEN, ShareExposure
from risk.margins import Key, key_of

if TYPE_CHECKING:  # compiled code: loaded by those who measure, not by those who only ask
    from risk.revaluation import Line, Scenarios

CONFIDENCE = 0.95
Structure = tuple[tuple[str, int], ...]  # symbols and ratios


class BookVar(NamedTuple):
    """One-day 95 % value at risk in USD. Structures without a measure count at their worst case, their tickers are in
    `assumed`; the sum of all worst cases bounds it, and is it where `capped`.
    """

    usd: float
    observations: int
    assumed: tuple[str, ...]
    capped: bool


class BookPart(NamedTuple):
    """P&L of what is measured in each scenario, all worst cases, and those that stand in for a measure, USD."""

    pnl: Floats
    worst_case: float
    stand_in: float
    assumed: frozenset[str]

    def plus(self, pnl: Floats | None, worst_case: float, ticker: str, *, sure: bool) -> "BookPart":
        """With one more structure; `pnl` None: its worst case stands in. Unless it is `sure`, only losses count."""
        bound = self.worst_case + worst_case
        if pnl is None:
            return BookPart(self.pnl, bound, self.stand_in + worst_case, self.assumed | {ticker})
        return BookPart(self.pnl + (pnl if sure else np.minimum(pnl, 0.0)), bound, self.stand_in, self.assumed)


@dataclass(frozen=True, eq=False)
class BookMeasures:
    """P&L of each structure in the joint scenarios, and betas. A structure without an entry has no measure."""

    scenarios: "Scenarios | None"
    priced: Mapping[str, PricedChain]
    pnl: Mapping[Key, Floats]  # whole structure, USD, shape (n_scenarios,)
    betas: Mapping[str, float] = field(default_factory=dict)  # to SPX, by ticker; absent: not known
    _units: dict[Structure, Floats | None] = field(default_factory=dict, repr=False)  # of a unit, worked out once
    gains: Mapping[str, float] = field(default_factory=dict)  # USD made since entry by what is held, by order id

    def with_exposure(self, exposure: Exposure) -> "BookMeasures":
        """Also the measure of `exposure`, where it can be had."""
        return replace(self, pnl={**self.pnl, **structure_pnl((exposure,), self.scenarios, self.priced)})

    def unit_pnl(self, candidate: Candidate) -> Floats | None:
        """P&L of one unit in each scenario, USD, shape `(n_scenarios,)`; None where it cannot be revalued."""
        from risk.revaluation import Line

        key = tuple((leg.symbol, leg.quantity) for leg in candidate.legs)
        if key not in self._units:
            lines = [Line("unit", candidate.ticker, leg, leg.quantity, None) for leg in candidate.legs]
            self._units[key] = _pnl_by_key(lines, self.scenarios, self.priced).get("unit")
        return self._units[key]

    def part_of(self, exposures: Iterable[Exposure], shares: Iterable[ShareExposure]) -> BookPart:
        """What `exposures` and `shares` are to every order's VaR."""
        part = BookPart(np.zeros(self.observations), 0.0, 0.0, frozenset())
        for exposure in exposures:
            pnl, sure = self.pnl.get(key_of(exposure)), exposure.state == OPEN
            part = part.plus(pnl, self._from_now(exposure) if sure else bound_of(exposure), exposure.ticker, sure=sure)
        for held in shares:
            part = part.plus(self._of_shares(held), bound_of(held), held.ticker, sure=True)
        return part

    def _from_now(self, exposure: Exposure) -> float:
        """What a held structure can still lose, USD: what it was opened with, and what it has gained since."""
        return max(0.0, bound_of(exposure) + self.gains.get(exposure.order_id, 0.0))

    def _of_shares(self, held: ShareExposure) -> Floats | None:
        if self.scenarios is None or held.greeks is None or held.ticker not in self.scenarios.tickers:
            return None
        return held.greeks.delta * self.scenarios.spot[:, self.scenarios.tickers.index(held.ticker)]

    def value_at_risk(self, book: BookPart) -> BookVar:
        """VaR of `book`."""
        measured = book.stand_in + (_loss(book.pnl) if self.observations else 0.0)
        capped = measured > book.worst_case
        return BookVar(min(measured, book.worst_case), self.observations, tuple(sorted(book.assumed)), capped)

    def as_it_fills(self, book: BookPart, order: SizedCandidate) -> tuple[BookVar, ...]:
        """VaR of `book` with 1, 2, … all units of `order` filled."""
        candidate, unit = order.candidate, self.unit_pnl(order.candidate)
        found = []
        for filled in range(1, order.units + 1):
            pnl, worst = None if unit is None else filled * unit, float(candidate.max_loss) * filled
            found.append(self.value_at_risk(book.plus(pnl, worst, candidate.ticker, sure=True)))
        return tuple(found)

    @property
    def observations(self) -> int:
        """Number of joint scenarios."""
        return 0 if self.scenarios is None else len(self.scenarios)


def structure_pnl(
    exposures: Iterable[Exposure], scenarios: "Scenarios | None", priced: Mapping[str, PricedChain]
) -> dict[Key, Floats]:
    """P&L of each structure in each scenario, of those that can be revalued."""
    from risk.revaluation import Line

    keys = {"/".join(key_of(exposure)): exposure for exposure in exposures if exposure.legs}
    lines = [Line(key, e.ticker, leg, leg.quantity, float(e.worst_case)) for key, e in keys.items() for leg in e.legs]
    return {key_of(keys[key]): pnl for key, pnl in _pnl_by_key(lines, scenarios, priced).items()}


def _pnl_by_key(
    lines: "Iterable[Line]", scenarios: "Scenarios | None", priced: Mapping[str, PricedChain]
) -> dict[str, Floats]:
    from risk.revaluation import revalue_lines, risk_book

    if scenarios is None:
        return {}
    known = set(scenarios.tickers)
    book = risk_book([line for line in lines if line.ticker in known], priced)
    each, found = revalue_lines(book, scenarios), dict[str, Floats]()
    for column, key in enumerate(book.keys):
        found[key] = found[key] + each[:, column] if key in found else each[:, column]
    return found


def bound_of(held: Exposure | ShareExposure) -> float:
    """Worst-case loss in USD; infinite where it has no bound."""
    return math.inf if held.worst_case is None else float(held.worst_case)


def _loss(pnl: Floats) -> float:
    from risk.var import var_of

    return max(0.0, var_of(pnl, CONFIDENCE).var)


UNMEASURED = BookMeasures(scenarios=None, priced={}, pnl={})
