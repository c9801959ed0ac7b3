"""The whole book before and after one order: what a reviewer weighs beside the order's own figures."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.documents import plain
from app.services.risk_picture import RiskPicture, risk_picture
from app.services.stress import stress_book
from app.wiring import Desk
from domain.errors import DeskError
from domain.order import WORKING, OrderState, OrderView, StagedOrder
from domain.regime import Regime
from domain.risk import Exposure
from portfolio.aggregate import index_delta
from portfolio.betas import Betas
from portfolio.exposure import concentration
from risk.settings import RiskSettings
from risk.stress.named import index_move, named
from risk.stress.settings import StressSettings
from risk.var import full_revaluation
from risk.view import Portfolio

CONFIDENCE = 0.95
CRASH = -0.20
GREEKS = ("delta", "gamma", "vega", "theta")


@dataclass(frozen=True, slots=True)
class Limit:
    """`value` in the unit of its row; `least`: the row must stay above."""

    value: float
    name: str
    hard: bool
    least: bool = False


async def aftermath(desk: Desk, view: OrderView, at: datetime) -> dict[str, Any]:
    """Rows of the whole book without the order and with it filled, on a fresh picture at `at`; everything held, staged
    or working counts. `rows` is empty and `unavailable` says why where there is nothing to compare or no picture.
    """
    order = view.order
    if view.state not in WORKING:
        return {"rows": [], "unavailable": f"the order is {view.state.value}"}
    if view.state is OrderState.STAGED and at >= order.expires_at:
        return {"rows": [], "unavailable": "its time is up"}
    try:
        picture = await risk_picture(desk, at, (order.ticker,))
        return await asyncio.to_thread(
            _compared, picture, order, desk.configuration.graph.risk, desk.configuration.stress
        )
    except DeskError as error:  # a look at an order must not fail because the market cannot be read now
        return {"rows": [], "unavailable": error.message}


def _compared(picture: RiskPicture, order: StagedOrder, risk: RiskSettings, stress: StressSettings) -> dict[str, Any]:
    sector = next((e.sector for e in picture.portfolio.exposures if e.ticker == order.ticker), "unknown")
    before, after = without_and_with(picture.portfolio, order)
    one, other = (_figures(picture, portfolio, order.ticker, sector, stress) for portfolio in (before, after))
    limits = _limits(risk, picture.regime.regime, picture.portfolio.nlv)
    rows = [_row(name, one[name], other[name], limits.get(name)) for name in one]
    return {
        "at": plain(picture.at),
        "regime": picture.regime.regime.value,
        "nlv": picture.portfolio.nlv,
        "ticker": order.ticker,
        "sector": sector,
        "rows": rows,
        "unavailable": None,
    }


def without_and_with(portfolio: Portfolio, order: StagedOrder) -> tuple[Portfolio, Portfolio]:
    """The portfolio without `order`, and with it filled: an opening counts with all that is not held of it yet, a
    closing takes away the contracts that it trades.
    """
    if order.sized.candidate.intent == "open":
        others = tuple(e for e in portfolio.exposures if e.order_id != order.order_id)
        return replace(portfolio, exposures=others), portfolio
    closed = (_closed(e, order) if e.order_id == order.closes else e for e in portfolio.exposures)
    return portfolio, replace(portfolio, exposures=tuple(e for e in closed if e.units > 0))


def _closed(exposure: Exposure, order: StagedOrder) -> Exposure:
    left = max(0, exposure.units - order.units)
    share = Decimal(left) / exposure.units
    greeks = exposure.greeks
    return exposure.model_copy(
        update={
            "units": left,
            "contracts": int(exposure.contracts * share),
            "worst_case": exposure.worst_case * share,
            "margin": exposure.margin * share,
            "theta": exposure.theta * float(share),
            "greeks": None
            if greeks is None
            else type(greeks)(**{g: getattr(greeks, g) * float(share) for g in GREEKS}),
            "legs": tuple(
                leg.model_copy(update={"quantity": int(leg.quantity * share)}) for leg in exposure.legs if left
            ),
        }
    )


def _figures(
    picture: RiskPicture, portfolio: Portfolio, ticker: str, sector: str, stress: StressSettings
) -> dict[str, float | None]:
    book, betas = stress_book(picture, portfolio.exposures), picture.betas.by_ticker
    greeks, nlv = portfolio.greeks, portfolio.nlv
    scenarios = portfolio.measures.scenarios
    tail = None if scenarios is None else full_revaluation(book, scenarios, confidence=CONFIDENCE)
    margin = portfolio.margin_bound(None).usd
    found: dict[str, float | None] = {name: None if greeks is None else getattr(greeks, name) for name in GREEKS}
    by_sector, by_ticker = concentration(portfolio.exposures, "sector"), concentration(portfolio.exposures, "ticker")
    return {
        **found,
        "spx_delta": _spx_delta(portfolio, picture.betas),
        "var_95": None if tail is None else tail.var,
        "cvar_95": None if tail is None else tail.cvar,
        "margin": margin,
        "free_margin": None if margin is None or nlv is None or nlv <= 0 else (nlv - margin) / nlv,
        "worst_case": portfolio.worst_case,
        "position": float(by_ticker.get(ticker, Decimal(0))),
        "sector": float(by_sector.get(sector, Decimal(0))),
        "worst_stress": min(result.at_once for result in named(book, betas, stress)),
        "crash": index_move(book, betas, stress, CRASH),
    }


def _spx_delta(portfolio: Portfolio, betas: Betas) -> float | None:
    """Dollar delta in index terms, an unknown beta counted at its worst; None where a Greek is unknown."""
    deltas: dict[str, float | None] = {}
    for exposure in portfolio.exposures:
        if exposure.greeks is None:
            return None
        deltas[exposure.ticker] = (deltas.get(exposure.ticker) or 0.0) + exposure.greeks.delta
    return index_delta(deltas, betas).usd


def _limits(risk: RiskSettings, regime: Regime, nlv: float | None) -> dict[str, Limit]:
    """Limits in the rows' units; none in dollars while NLV is unknown."""
    hard = risk.hard
    found = {"free_margin": Limit(hard.free_margin, "free margin", hard=True, least=True)}
    if nlv is None:
        return found
    share = hard.position_at_risk_crisis if regime is Regime.CRISIS else hard.position_at_risk
    found["position"] = Limit(share * nlv, "position at risk", hard=True)
    found["sector"] = Limit(hard.sector_exposure * nlv, "sector exposure", hard=True)
    for rule in risk.soft:
        if rule.rule == "portfolio_greek" and regime in rule.limit:
            found[rule.greek] = Limit(rule.limit[regime] * nlv, "portfolio Greek", hard=False)
        if rule.rule == "var_budget" and regime in rule.budget:
            found["var_95"] = Limit(rule.budget[regime] * nlv, "VaR budget", hard=False)
    return found


def _row(name: str, before: float | None, after: float | None, limit: Limit | None) -> dict[str, Any]:
    passed = None
    if limit is not None:
        passed = after is not None and (after >= limit.value if limit.least else abs(after) <= limit.value)
    return {
        "name": name,
        "before": before,
        "after": after,
        "limit": None if limit is None else limit.value,
        "hard": limit is not None and limit.hard,
        "passed": passed,
    }
