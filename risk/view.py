"""What a risk rule may look at: the desk, the market's facts about one ticker, and the order, if there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from domain.order import OrderState, SizedCandidate
from domain.record import Record
from domain.regime import Regime
from domain.risk import Check, DollarGreeks, Exposure, HardLimits, Stage, TradingState
from domain.sessions import NEW_YORK
from portfolio.greeks import dollar_greeks as in_dollars
from risk.correlation import Correlations

EventStatus = Literal["none", "inside", "unknown"]
INDEX_SECTOR = "index"
UNKNOWN_SECTOR = "unknown"


class TickerFacts(Record):
    """What the snapshot says about one ticker that rules need. `None` is missing, never zero."""

    ticker: str
    sector: str
    quote_age_minutes: float | None
    earnings_in_days: float | None  # calendar days to the next known earnings
    ex_dividend_in_days: float | None
    events_known: bool

    @property
    def is_index(self) -> bool:
        """ETFs and indices share the sector `index`."""
        return self.sector == INDEX_SECTOR


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

    @property
    def greeks(self) -> DollarGreeks | None:
        """Dollar Greeks of all structures; None if those of any are not known."""
        total = DollarGreeks()
        for exposure in self.exposures:
            if exposure.greeks is None:
                return None
            total = total + exposure.greeks
        return total

    @property
    def worst_case(self) -> float:
        """Sum of worst-case losses of open, staged and working structures, USD."""
        return float(sum(exposure.worst_case for exposure in self.exposures))

    @property
    def margin(self) -> float:
        """Margin those structures bind, USD."""
        return float(sum(exposure.margin for exposure in self.exposures))

    @property
    def today(self) -> str:
        """New York date of the picture, ISO."""
        return self.as_of.astimezone(NEW_YORK).date().isoformat()

    def superseding(self, ticker: str) -> "Portfolio":
        """Without openings of `ticker` that are only staged: staging another one takes their place."""
        kept = tuple(e for e in self.exposures if e.ticker != ticker or e.state != OrderState.STAGED)
        return replace(self, exposures=kept)

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
        )
        return replace(self, exposures=(*self.superseding(candidate.ticker).exposures, exposure))


@dataclass(frozen=True)
class RiskView:
    """One question to the gate."""

    stage: Stage
    ticker: str
    regime: Regime
    hard: HardLimits
    portfolio: Portfolio
    facts: TickerFacts
    correlations: Correlations
    market_events_in_hours: Mapping[str, float]  # kind → signed hours to the nearest market-wide event
    order: SizedCandidate | None = None

    @property
    def closing(self) -> bool:
        """Whether the order only closes what is held."""
        return self.order is not None and self.order.candidate.intent == "close"

    def finding(
        self,
        name: str,
        *,
        measured: float | None,
        limit: float | None,
        unit: str,
        passed: bool,
        detail: str,
        hard: bool = False,
    ) -> Check:
        """A check of this question."""
        return Check(
            name=name,
            ticker=self.ticker,
            stage=self.stage,
            measured=measured,
            limit=limit,
            unit=unit,
            passed=passed,
            hard=hard,
            detail=detail,
        )

    def share_of_nlv(
        self, name: str, amount: float, limit: float, *, detail: str, hard: bool = False, at_least: bool = False
    ) -> Check:
        """A check that `amount` USD is at most (or at least) `limit` of NLV. Unknown or vanished NLV fails."""
        nlv = self.portfolio.nlv
        if nlv is None or nlv <= 0:
            why = "NLV is unknown: a position has no usable quote" if nlv is None else f"NLV is {nlv:,.2f} USD"
            return self.finding(
                name, measured=None, limit=limit, unit="share of NLV", passed=False, detail=why, hard=hard
            )
        share = amount / nlv
        passed = share >= limit if at_least else share <= limit
        return self.finding(
            name, measured=share, limit=limit, unit="share of NLV", passed=passed, detail=detail, hard=hard
        )


def dollar_greeks(order: SizedCandidate) -> DollarGreeks:
    """Dollar Greeks of a whole order at its candidate's spot."""
    candidate = order.candidate
    return in_dollars(candidate.greeks.scaled(order.units), spot=candidate.spot)
