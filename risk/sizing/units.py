"""From budgets to whole units: what each cap allows, and which one binds."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from domain.book import StrategyRecord
from domain.order import Candidate, Sizing, SizingCap
from domain.regime import Regime
from domain.units import dollars
from risk.sizing.settings import SizingSettings
from risk.view import RiskView

ROUNDING = 1e-9  # of a unit: a budget that is whole units but for the last bit buys them all


class UnitBudget(NamedTuple):
    """The most that one unit may lose, USD, and the limit that says so."""

    usd: float
    limit: str


def unit_budget(view: RiskView, settings: SizingSettings) -> UnitBudget:
    """What one unit may lose before some worst-case limit would refuse it; 0 when NLV is unknown.

    The leg optimiser looks only below: a structure above it could never be staged.
    """
    nlv = view.portfolio.nlv
    if nlv is None or nlv <= 0:
        return UnitBudget(0.0, "unknown NLV")
    tightest = min(
        UnitBudget(settings.regime_cap[view.regime] * nlv, "regime cap"),
        UnitBudget(position_limit(view) * nlv - _in_ticker(view), "position at risk"),
        UnitBudget(view.hard.sector_exposure * nlv - _in_sector(view), "sector exposure"),
    )
    return tightest._replace(usd=max(0.0, tightest.usd))


def position_limit(view: RiskView) -> float:
    """Share of NLV that one underlying may lose."""
    return view.hard.position_at_risk_crisis if view.regime is Regime.CRISIS else view.hard.position_at_risk


def size(
    view: RiskView,
    candidate: Candidate,
    records: Iterable[StrategyRecord],
    settings: SizingSettings,
    *,
    conviction: float | None = None,
    shares: Mapping[str, float] | None = None,
) -> Sizing:
    """Units of `candidate` that every cap allows; zero where one allows none.

    `conviction` is the signal's strength in [0, 1], which `settings.dynamic` asks for; `shares` are those of
    `parity_shares`, which `settings.risk_parity` asks for: a cap that lacks what it needs allows nothing.
    """
    nlv = view.portfolio.nlv
    if nlv is None or nlv <= 0:
        unknown = SizingCap(name="nlv", units=0, detail="NLV is unknown or gone: no size can be a share of it")
        return Sizing(units=0, binding="nlv", caps=(unknown,), budget=dollars(0))
    caps = [
        _by_its_own_odds(view, candidate, settings, nlv, shares or {}),
        _live_record(view, candidate, records, settings, nlv),
        *_worst_case_limits(view, candidate, settings, nlv),
    ]
    if settings.dynamic is not None:
        caps.append(_dynamic(view, candidate, settings, conviction))
    contracts = view.hard.contracts_per_order
    per_unit = candidate.contracts_per_unit
    caps += [
        SizingCap(name="contracts", units=contracts // per_unit, detail=f"{contracts} contracts ÷ {per_unit} per unit"),
        SizingCap(name="liquidity", units=candidate.liquidity, detail="units executable at quoted size"),
    ]
    binding = min(caps, key=lambda cap: cap.units)
    units = binding.units
    return Sizing(units=units, binding=binding.name, caps=tuple(caps), budget=candidate.max_loss * units)


def _by_its_own_odds(
    view: RiskView, candidate: Candidate, settings: SizingSettings, nlv: float, shares: Mapping[str, float]
) -> SizingCap:
    """Half-Kelly of the candidate's own outcomes, or its type's share under risk parity; nothing without an edge."""
    name = "half_kelly" if settings.risk_parity is None else "risk_parity"
    if candidate.expected_value <= 0:
        detail = f"expected value {candidate.expected_value:,.2f} USD per unit after costs is not positive"
        return SizingCap(name=name, units=0, detail=detail)
    if settings.risk_parity is not None:
        return _parity(view, candidate, settings.risk_parity.budget[view.regime] * nlv, shares)
    kelly, rho, max_loss = settings.kelly, mean_correlation(view), float(candidate.max_loss)
    share = kelly.own_share(candidate.outcomes, max_loss, mean_correlation=rho)
    detail = f"{kelly.fraction:g} × Kelly × {kelly.penalty(rho):.2f} (ρ {rho:.2f}) = {share:.4f} of NLV"
    return _by_risk(name, share * nlv, max_loss, detail)


def _live_record(
    view: RiskView,
    candidate: Candidate,
    records: Iterable[StrategyRecord],
    settings: SizingSettings,
    nlv: float,
) -> SizingCap:
    """What the strategy type has earned: one unit before its first closed trade and while its odds are good, none once
    they are bad.
    """
    name, max_loss, rho = "live_record", float(candidate.max_loss), mean_correlation(view)
    record = next((r for r in records if r.strategy == candidate.strategy and r.closed > 0), None)
    if record is None:
        return SizingCap(name=name, units=1, detail=f"no closed {candidate.strategy} yet: one unit")
    share = settings.kelly.record_share(record, candidate.outcomes, max_loss, mean_correlation=rho)
    said = f"{record.wins} of {record.closed} won, half-Kelly {share:.4f} of NLV"
    if share <= 0:
        return SizingCap(name=name, units=0, detail=f"{said}: the record has no edge")
    cap = _by_risk(name, share * nlv, max_loss, said)
    return cap if cap.units >= 1 else cap.model_copy(update={"units": 1, "detail": f"{cap.detail}, at least one unit"})


def _worst_case_limits(
    view: RiskView, candidate: Candidate, settings: SizingSettings, nlv: float
) -> tuple[SizingCap, ...]:
    max_loss = float(candidate.max_loss)
    share, limit, sector = settings.regime_cap[view.regime], position_limit(view), view.hard.sector_exposure
    in_ticker, in_sector = _in_ticker(view), _in_sector(view)
    return (
        _by_risk("regime", share * nlv, max_loss, f"{share:.1%} of NLV in {view.regime}"),
        _by_risk(
            "position_at_risk", limit * nlv - in_ticker, max_loss, f"{limit:.1%} of NLV − {in_ticker:,.2f} at risk"
        ),
        _by_risk(
            "sector", sector * nlv - in_sector, max_loss,
            f"{sector:.0%} of NLV − {in_sector:,.2f} in {view.facts.sector}",
        ),
    )  # fmt: skip


def _parity(view: RiskView, candidate: Candidate, budget: float, shares: Mapping[str, float]) -> SizingCap:
    """The strategy type's share of what may be lost in all; types without a share keep what they hold."""
    held = {e.strategy: 0.0 for e in view.portfolio.exposures}
    for exposure in view.portfolio.exposures:
        held[exposure.strategy] += float(exposure.worst_case)
    others = sum(worst_case for strategy, worst_case in held.items() if strategy not in shares)
    share, own = shares.get(candidate.strategy, 0.0), held.get(candidate.strategy, 0.0)
    detail = f"{share:.1%} of {budget - others:,.2f} USD − {own:,.2f} held"
    return _by_risk("risk_parity", share * (budget - others) - own, float(candidate.max_loss), detail)


def _dynamic(view: RiskView, candidate: Candidate, settings: SizingSettings, conviction: float | None) -> SizingCap:
    if settings.dynamic is None or conviction is None:
        return SizingCap(name="dynamic", units=0, detail="the signal's conviction is not known")
    if not math.isfinite(view.portfolio.worst_case):
        detail = f"what may be lost has no bound: {view.portfolio.unbounded}"
        return SizingCap(name="dynamic", units=0, detail=detail)
    budget = settings.dynamic.compute_signal_budget(conviction, view.portfolio.worst_case)
    if budget is None:
        detail = f"nothing left of {settings.dynamic.max_portfolio_exposure:,.2f} USD"
        return SizingCap(name="dynamic", units=0, detail=detail)
    return _by_risk("dynamic", float(budget), float(candidate.max_loss), f"conviction {conviction:.2f}")


def mean_correlation(view: RiskView) -> float:
    """Mean ρ between the ticker and every other underlying at risk; 0 with none, 1 for a pair that is not known."""
    others = {e.ticker for e in view.portfolio.exposures} - {view.ticker}
    return float(np.mean([view.correlations.between(view.ticker, name) for name in sorted(others)])) if others else 0.0


def _by_risk(name: str, budget: float, max_loss: float, detail: str) -> SizingCap:
    units = math.floor(budget / max_loss + ROUNDING) if budget > 0 else 0
    return SizingCap(name=name, units=units, detail=f"{detail} = {budget:,.2f} USD ÷ {max_loss:,.2f} USD")


def _in_ticker(view: RiskView) -> float:
    """USD that the underlying may lose already, shares included; infinite where that has no bound."""
    return view.portfolio.worst_case_by_ticker.get(view.ticker, 0.0)


def _in_sector(view: RiskView) -> float:
    return view.portfolio.worst_case_by_sector.get(view.facts.sector, 0.0)
