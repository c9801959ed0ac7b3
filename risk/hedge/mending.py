"""What the breach proposer is told of an account: its limits in dollars, what is held, and what closing would cost."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import NamedTuple

from domain.contract import Leg
from domain.order import Candidate
from domain.regime import Regime
from domain.risk import DollarGreeks, Exposure
from options.priced import PricedChain
from portfolio.exposure import OPEN
from risk.account import SPX_DELTA, Portfolio
from risk.hedge.breach import BreachedBook, Limit, Measured, NoProposal, Proposal, propose
from risk.hedge.flatten import Flattening, flatten
from risk.hedge.repairs import Holding
from risk.hedge.settings import BreachSettings
from risk.margins import key_of
from risk.rules.portfolio_greeks import Greek, PortfolioGreekRule
from risk.rules.var_budget import VarBudgetRule
from risk.settings import RiskSettings

MEASURES: Mapping[Greek, Measured] = {
    "delta": "delta",
    "gamma": "gamma",
    "vega": "vega",
    "theta": "theta",
    "spx_delta": "beta_delta",
}
"""What the search calls each Greek that is limited."""


class WayOut(NamedTuple):
    """How one held structure could be closed: its contracts per unit as held, the units, and the order for one."""

    legs: tuple[Leg, ...]
    units: int
    closing: Candidate


def mend(
    portfolio: Portfolio,
    ways_out: Mapping[str, WayOut],
    chains: Mapping[str, PricedChain],
    *,
    regime: Regime,
    settings: RiskSettings,
    search: BreachSettings,
) -> Proposal | NoProposal:
    """The smallest trade that brings the book back within its Greek and VaR limits.

    Only what is filled and held counts: what is on its way may never be there, and an older proposal is replaced by
    this one. `ways_out` are by order id; `chains` are where new trades are looked for.
    """
    held = replace(portfolio, exposures=tuple(e for e in portfolio.exposures if e.state == OPEN))
    book = _breached(held, ways_out, settings.families(regime))
    return propose(limits_of(held, settings, regime), book, chains, search)


def once_closed(portfolio: Portfolio, leaving: Mapping[str, int]) -> Portfolio:
    """The book when of each structure that is filled and held so many units are gone (`leaving`, by order id), as far
    as it is measured here.
    """
    exposures, measures = [], portfolio.measures
    pnl, gains = dict(measures.pnl), dict(measures.gains)
    for exposure in portfolio.exposures:
        gone = leaving.get(exposure.order_id, 0) if exposure.state == OPEN else 0
        share = max(exposure.units - gone, 0) / exposure.units
        if share == 1:
            exposures.append(exposure)
        elif share:
            exposures.append(_part(exposure, exposure.units - gone, share))
            key, order_id = key_of(exposure), exposure.order_id
            pnl |= {key: share * pnl[key]} if key in pnl else {}
            gains |= {order_id: share * gains[order_id]} if order_id in gains else {}
    return replace(portfolio, exposures=tuple(exposures), measures=replace(measures, pnl=pnl, gains=gains))


def _part(exposure: Exposure, units: int, share: float) -> Exposure:
    greeks = exposure.greeks
    return exposure.model_copy(
        update={
            "units": units,
            "worst_case": exposure.worst_case * units / exposure.units,
            "greeks": greeks
            and DollarGreeks(**{name: share * getattr(greeks, name) for name in DollarGreeks.model_fields}),
        }
    )


def flattened(
    portfolio: Portfolio, ways_out: Mapping[str, WayOut], *, search: BreachSettings
) -> Flattening | NoProposal:
    """The closings that take the direction out of what is filled and held. `ways_out` are by order id."""
    held = replace(portfolio, exposures=tuple(e for e in portfolio.exposures if e.state == OPEN))
    delta = held.greek(SPX_DELTA)
    if delta is None or held.nlv is None:
        return NoProposal(code="unknown", reason="The delta of something that is held is not known: close it by hand.")
    return flatten(delta, _holdings(held, ways_out), limit=search.flat * held.nlv)


def limits_of(held: Portfolio, settings: RiskSettings, regime: Regime) -> tuple[Limit, ...]:
    """The limits that a trade can mend, in USD. What is not known, or has no limit, cannot be mended and is left out:
    the gate vetoes new risk meanwhile.
    """
    nlv = held.nlv
    if nlv is None or nlv <= 0:
        return ()
    found = []
    for rule in settings.soft:
        if isinstance(rule, PortfolioGreekRule) and regime in rule.limit:
            terms = held.greek(rule.greek)
            if terms is not None:
                measured = terms.low if abs(terms.low) > abs(terms.high) else terms.high
                found.append(Limit(measure=MEASURES[rule.greek], measured=measured, limit=rule.limit[regime] * nlv))
        elif isinstance(rule, VarBudgetRule) and regime in rule.budget:
            usd = held.value_at_risk.usd
            if isfinite(usd) and held.measures.observations:
                found.append(Limit(measure="var", measured=usd, limit=rule.budget[regime] * nlv))
    return tuple(found)


def _breached(held: Portfolio, ways_out: Mapping[str, WayOut], families: frozenset[str]) -> BreachedBook:
    part = held.measures.part_of(held.exposures, held.shares)
    return BreachedBook(
        holdings=_holdings(held, ways_out),
        pnl=part.pnl,
        stand_in=part.stand_in,
        scenarios=held.measures.scenarios,
        betas=held.measures.betas,
        families=families,
    )


def _holdings(held: Portfolio, ways_out: Mapping[str, WayOut]) -> tuple[Holding, ...]:
    """What can be closed, with what closing one unit of it does."""
    holdings = []
    for exposure in held.exposures:
        way_out, greeks = ways_out.get(exposure.order_id), exposure.greeks
        if way_out is not None and greeks is not None:
            holdings.append(_holding(exposure, greeks, way_out, held))
    return tuple(holdings)


def _holding(exposure: Exposure, greeks: DollarGreeks, way_out: WayOut, held: Portfolio) -> Holding:
    units, pnl = way_out.units, held.measures.pnl.get(key_of(exposure))
    per_unit = DollarGreeks(**{name: getattr(greeks, name) / units for name in DollarGreeks.model_fields})
    return Holding(
        order_id=exposure.order_id,
        ticker=exposure.ticker,
        strategy=exposure.strategy,
        legs=way_out.legs,
        units=units,
        greeks=per_unit,
        beta=held.measures.betas.get(exposure.ticker),
        pnl=None if pnl is None else pnl / units,
        worst_case=float(exposure.worst_case) / units,
        closing_cost=float(way_out.closing.fees - way_out.closing.natural_per_share * way_out.legs[0].multiplier),
    )
