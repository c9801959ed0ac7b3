"""The account as the gate sees it: everything held, staged or working, and what was measured over it once a run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from domain.contract import Leg
from domain.order import OrderState, SizedCandidate
from domain.risk import DollarGreeks, Exposure, Purpose, TradingState
from domain.sessions import NEW_YORK
from portfolio.betas import UNKNOWN as UNKNOWN_BETA
from portfolio.exposure import OPEN, ShareExposure
from portfolio.greeks import dollar_greeks as in_dollars
from risk.margins import UNKNOWN_MARGINS, BookMargins, MarginBound
from risk.measured import UNMEASURED, BookMeasures, BookPart, BookVar, bound_of
from risk.naked import Trade
from risk.ranges import Range

SPX_DELTA = "spx_delta"


@dataclass(frozen=True)
class Portfolio:
    """The desk as the gate sees it; `with_opening` counts an order as filled at its worst case."""

    as_of: datetime
    nlv: float | None  # USD; None when a position cannot be valued
    nlv_age_seconds: float | None
    baseline_nlv: float
    trading_state: TradingState
    trading_state_reason: str
    exposures: tuple[Exposure, ...]
    shares: tuple[ShareExposure, ...] = ()
    contracts_today: Mapping[str, int] = field(default_factory=dict)  # opened today and closed again, by ticker
    measures: BookMeasures = UNMEASURED
    margins: BookMargins = UNKNOWN_MARGINS

    @cached_property
    def greeks(self) -> DollarGreeks | None:
        """Dollar Greeks of everything, what is on its way filled; None if those of anything are not known."""
        known = [greeks for _, greeks, _ in self._known_greeks]
        if len(known) < len(self._everything):
            return None
        return DollarGreeks(**{name: sum(getattr(one, name) for one in known) for name in DollarGreeks.model_fields})

    def greek(self, name: str, order: SizedCandidate | None = None, *, sure: bool = False) -> Range | None:
        """One dollar Greek of the book, with `order` on its way, or filled if `sure`, whatever of what is on its way
        gets filled; None if that of any structure is not known. `spx_delta` is the USD of SPX that move as the book
        does; where a beta is not known, `UNKNOWN_BETA` stands in with the sign that hurts.
        """
        if self.greeks is None:
            return None
        if name != SPX_DELTA:
            terms = self._terms[name]
            return terms if order is None else _with(terms, getattr(dollar_greeks(order), name), sure=sure)
        deltas = dict(self._deltas)
        if order is not None:
            ticker = order.candidate.ticker
            deltas[ticker] = _with(deltas.get(ticker, Range()), dollar_greeks(order).delta, sure=sure)
        total = Range()
        for ticker, delta in sorted(deltas.items()):
            total = total.plus(delta.times(self.measures.betas.get(ticker), UNKNOWN_BETA))
        return total

    @cached_property
    def _terms(self) -> Mapping[str, Range]:
        found = dict.fromkeys(DollarGreeks.model_fields, Range())
        for _, greeks, sure in self._known_greeks:
            for name, terms in found.items():
                found[name] = _with(terms, getattr(greeks, name), sure=sure)
        return found

    @cached_property
    def _deltas(self) -> Mapping[str, Range]:
        found: dict[str, Range] = {}
        for ticker, greeks, sure in self._known_greeks:
            found[ticker] = _with(found.get(ticker, Range()), greeks.delta, sure=sure)
        return found

    @property
    def _known_greeks(self) -> Iterable[tuple[str, DollarGreeks, bool]]:
        for held in self._everything:
            if held.greeks is not None:
                yield held.ticker, held.greeks, isinstance(held, ShareExposure) or held.state == OPEN

    @property
    def _everything(self) -> tuple[Exposure | ShareExposure, ...]:
        return (*self.exposures, *self.shares)

    @cached_property
    def worst_case(self) -> float:
        """Sum of worst-case losses of everything held, staged and working, USD; infinite where one has no bound."""
        return sum(self.worst_case_by_ticker.values())

    @cached_property
    def worst_case_by_ticker(self) -> Mapping[str, float]:
        """Worst-case loss in USD of each underlying, ascending by name; infinite where it has no bound."""
        return self._worst_cases("ticker")

    @cached_property
    def worst_case_by_sector(self) -> Mapping[str, float]:
        """Worst-case loss in USD of each sector, ascending by name; infinite where it has no bound."""
        return self._worst_cases("sector")

    def _worst_cases(self, by: Literal["ticker", "sector"]) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for held in self._everything:
            name = getattr(held, by)
            found[name] = found.get(name, 0.0) + bound_of(held)
        return dict(sorted(found.items()))

    @cached_property
    def _measured(self) -> BookPart:
        return self.measures.part_of(self.exposures, self.shares)

    @cached_property
    def value_at_risk(self) -> BookVar:
        """One-day 95 % VaR, of what is on its way only the losses."""
        return self.measures.value_at_risk(self._measured)

    @cached_property
    def value_at_risk_filled(self) -> BookVar:
        """One-day 95 % VaR of what is filled and held alone."""
        return self.measures.value_at_risk(
            self.measures.part_of((e for e in self.exposures if e.state == OPEN), self.shares)
        )

    def value_at_risk_with(self, order: SizedCandidate) -> tuple[BookVar, ...]:
        """One-day 95 % VaR with 1, 2, … all units of `order` filled."""
        return self.measures.as_it_fills(self._measured, order)

    @property
    def unbounded(self) -> str:
        """What has no worst case, in words."""
        return "; ".join(f"{held.ticker}: {held.detail}" for held in self.shares if held.worst_case is None)

    def margin_bound(self, order: SizedCandidate | None) -> MarginBound:
        """Margin with everything on its way filled, and `order` too."""
        return self.margins.bound(self.exposures, order)

    @property
    def today(self) -> str:
        """New York date of the picture, ISO."""
        return self.as_of.astimezone(NEW_YORK).date().isoformat()

    def held(self, *, order_id: str | None = None, ticker: str | None = None) -> tuple[Trade, ...]:
        """Contracts filled and held by one structure, or in one underlying."""
        return tuple(
            Trade(leg, leg.quantity)
            for exposure in self.exposures
            if exposure.state == OPEN and (exposure.order_id == order_id or exposure.ticker == ticker)
            for leg in exposure.legs
        )

    def superseding(self, ticker: str, purpose: Purpose = "trade") -> "Portfolio":
        """Without openings of `ticker` for `purpose` that are only staged: staging another one takes their place."""
        ours = (ticker, purpose, OrderState.STAGED.value)
        kept = tuple(e for e in self.exposures if (e.ticker, e.purpose, e.state) != ours)
        return self if len(kept) == len(self.exposures) else replace(self, exposures=kept)

    def with_opening(self, order: SizedCandidate, order_id: str, sector: str) -> "Portfolio":
        """The portfolio once `order` is staged: later decisions of the same run must count it."""
        candidate = order.candidate
        exposure = Exposure(
            order_id=order_id,
            ticker=candidate.ticker,
            sector=sector,
            strategy=candidate.strategy,
            state=OrderState.STAGED.value,
            units=order.units,
            contracts=order.contracts,
            worst_case=candidate.max_loss * order.units,
            margin=candidate.margin * order.units,
            theta=candidate.greeks.theta * order.units,
            opened_on=self.today,
            greeks=dollar_greeks(order),
            legs=contracts_of(order),
            purpose=candidate.purpose,
        )
        kept = self.superseding(candidate.ticker, candidate.purpose)
        return replace(
            kept,
            exposures=(*kept.exposures, exposure),
            measures=self.measures.with_exposure(exposure),
            margins=self.margins.with_exposure(exposure, order),
        )


def dollar_greeks(order: SizedCandidate) -> DollarGreeks:
    """Dollar Greeks of a whole order at its candidate's spot."""
    candidate = order.candidate
    return in_dollars(candidate.greeks.scaled(order.units), spot=candidate.spot)


def contracts_of(order: SizedCandidate) -> tuple[Leg, ...]:
    """All contracts of an order: `quantity` is signed contracts."""
    legs = order.candidate.legs
    return tuple(leg.model_copy(update={"quantity": leg.quantity * order.units}) for leg in legs)


def _with(terms: Range, amount: float, *, sure: bool) -> Range:
    return terms.with_sure(amount) if sure else terms.with_possible(amount)
