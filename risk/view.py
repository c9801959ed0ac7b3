"""What a risk rule may look at: the desk, the market's facts about one ticker, and the order, if there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from domain.order import SizedCandidate
from domain.record import Record
from domain.regime import Regime
from domain.risk import Check, HardLimits, Stage
from risk.account import Portfolio, dollar_greeks
from risk.correlation import Correlations

__all__ = ["INDEX_SECTOR", "UNKNOWN_SECTOR", "Portfolio", "RiskView", "TickerFacts", "dollar_greeks"]

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
    closes: str | None = None  # order id of the structure that a closing order closes

    @property
    def closing(self) -> bool:
        """Whether the order only closes what is held."""
        return self.order is not None and self.order.candidate.intent == "close"

    @property
    def hedging(self) -> bool:
        """Whether the order protects what is held: rules about which trades to take do not speak of it, those about
        what may be lost do.
        """
        return self.order is not None and self.order.candidate.purpose != "trade"

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
        if not isfinite(amount):
            return self.finding(
                name, measured=None, limit=limit, unit="share of NLV", passed=False, hard=hard,
                detail=f"what may be lost has no bound: {self.portfolio.unbounded}",
            )  # fmt: skip
        share = amount / nlv
        passed = share >= limit if at_least else share <= limit
        return self.finding(
            name, measured=share, limit=limit, unit="share of NLV", passed=passed, detail=detail, hard=hard
        )
