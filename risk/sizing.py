"""How many units: every cap is computed and recorded, the smallest wins."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from domain.book import StrategyRecord
from domain.order import Candidate, Sizing, SizingCap
from domain.regime import Regime
from domain.units import dollars
from risk.settings import RiskSettings, SizingSettings
from risk.view import RiskView

MAX_STAKE = 0.999


def kelly_stake(outcomes: Sequence[tuple[float, float]], max_loss: float) -> float:
    """Share of wealth to put at risk that maximises expected log growth, in [0, 0.999].

    `outcomes` are (probability, P&L in USD per unit); the stake loses entirely when P&L = −`max_loss`.
    Kelly (1956), for many outcomes: argmax over f of Σ pᵢ ln(1 + f·pnlᵢ/max_loss). Zero when the expected
    value is not positive.
    """
    probability = np.array([p for p, _ in outcomes])
    payoff = np.maximum(np.array([pnl for _, pnl in outcomes]) / max_loss, -1.0)
    if float(probability @ payoff) <= 0:
        return 0.0
    best = minimize_scalar(
        lambda f: -float(probability @ np.log1p(f * payoff)), bounds=(0.0, MAX_STAKE), method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    return float(best.x)


def record_stake(record: StrategyRecord, settings: SizingSettings) -> float:
    """Kelly stake of the live record: win rate with a Beta prior, so that three lucky trades do not bet the house."""
    prior = settings.prior_wins + settings.prior_losses
    win_rate = (record.wins + settings.prior_wins) / (record.closed + prior)
    if record.average_win <= 0:
        return 0.0
    if record.average_loss <= 0:
        return win_rate
    odds = record.average_win / record.average_loss
    return max(0.0, win_rate - (1 - win_rate) / odds)


class UnitBudget(NamedTuple):
    """The most that one unit may lose, USD, and the limit that says so."""

    usd: float
    limit: str


def unit_budget(view: RiskView, settings: RiskSettings) -> UnitBudget:
    """What one unit may lose before some worst-case limit would refuse it; 0 when NLV is unknown.

    The leg optimiser looks only below: a structure above it could never be staged.
    """
    nlv = view.portfolio.nlv
    if nlv is None or nlv <= 0:
        return UnitBudget(0.0, "unknown NLV")
    held = view.portfolio.exposures
    in_ticker = sum(float(e.worst_case) for e in held if e.ticker == view.ticker)
    in_sector = sum(float(e.worst_case) for e in held if e.sector == view.facts.sector)
    budgets = [
        UnitBudget(settings.sizing.regime_cap.get(view.regime, 0.0) * nlv, "regime cap"),
        UnitBudget(position_limit(view, settings) * nlv - in_ticker, "position at risk"),
        UnitBudget(settings.hard.sector_exposure * nlv - in_sector, "sector exposure"),
        *(
            UnitBudget(rule.budget.get(view.regime, 0.0) * nlv - view.portfolio.worst_case, "VaR budget")
            for rule in settings.soft
            if rule.rule == "var_budget"
        ),
    ]
    tightest = min(budgets)
    return tightest._replace(usd=max(0.0, tightest.usd))


def position_limit(view: RiskView, settings: RiskSettings) -> float:
    """Share of NLV that one underlying may lose."""
    hard = settings.hard
    return hard.position_at_risk_crisis if view.regime is Regime.CRISIS else hard.position_at_risk


def size(view: RiskView, candidate: Candidate, records: Iterable[StrategyRecord], settings: RiskSettings) -> Sizing:
    """Units of `candidate` that every cap allows; zero where one allows none."""
    nlv = view.portfolio.nlv
    max_loss = float(candidate.max_loss)
    if nlv is None or nlv <= 0:
        unknown = SizingCap(name="nlv", units=0, detail="NLV is unknown or gone: no size can be a share of it")
        return Sizing(units=0, binding="nlv", caps=(unknown,), budget=dollars(0))

    def by_risk(name: str, budget: float, detail: str) -> SizingCap:
        units = max(0, math.floor(budget / max_loss + 1e-9))
        return SizingCap(name=name, units=units, detail=f"{detail} = {budget:,.2f} USD ÷ {max_loss:,.2f} USD")

    sizing, exposures = settings.sizing, view.portfolio.exposures
    held = {e.ticker for e in exposures} - {view.ticker}
    rho = (
        max(0.0, float(np.mean([view.correlations.between(view.ticker, name) for name in sorted(held)])))
        if held
        else 0.0
    )
    penalty = 1 - sizing.correlation_penalty * rho
    stake = kelly_stake(candidate.outcomes, max_loss)
    fraction = sizing.kelly_fraction * stake * penalty
    caps = [
        by_risk(
            "half_kelly", fraction * nlv, f"{sizing.kelly_fraction:g} × Kelly {stake:.3f} × {penalty:.2f} (ρ {rho:.2f})"
        )
    ]
    record = next((r for r in records if r.strategy == candidate.strategy and r.closed > 0), None)
    if record is None:
        caps.append(SizingCap(name="live_record", units=1, detail=f"no closed {candidate.strategy} yet: one unit"))
    else:
        own = sizing.kelly_fraction * record_stake(record, sizing)
        caps.append(by_risk("live_record", own * nlv, f"{record.wins} of {record.closed} won, half-Kelly {own:.3f}"))
    share = sizing.regime_cap.get(view.regime, 0.0)
    caps.append(by_risk("regime", share * nlv, f"{share:.1%} of NLV in {view.regime}"))
    limit = position_limit(view, settings)
    in_ticker = sum(float(e.worst_case) for e in exposures if e.ticker == view.ticker)
    caps.append(by_risk("position_at_risk", limit * nlv - in_ticker, f"{limit:.1%} of NLV − {in_ticker:,.2f} held"))
    in_sector = sum(float(e.worst_case) for e in exposures if e.sector == view.facts.sector)
    room = settings.hard.sector_exposure * nlv - in_sector
    caps.append(
        by_risk("sector", room, f"{settings.hard.sector_exposure:.0%} of NLV − {in_sector:,.2f} in {view.facts.sector}")
    )
    contracts = settings.hard.contracts_per_order // candidate.contracts_per_unit
    caps.append(
        SizingCap(
            name="contracts", units=contracts,
            detail=f"{settings.hard.contracts_per_order} contracts ÷ {candidate.contracts_per_unit} per unit",
        )
    )  # fmt: skip
    caps.append(SizingCap(name="liquidity", units=candidate.liquidity, detail="units executable at quoted size"))
    binding = min(caps, key=lambda cap: cap.units)
    return Sizing(units=binding.units, binding=binding.name, caps=tuple(caps), budget=dollars(max_loss * binding.units))
