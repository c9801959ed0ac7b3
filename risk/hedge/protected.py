"""What a hedge protects: the book of the account, or a sum of money that moves with the index."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from domain.units import Floats
from portfolio.aggregate import IndexDelta
from risk.hedge.settings import HedgeSettings, StressTarget
from risk.revaluation import RiskBook, Scenarios, revalue

LEAST_PRICE = 0.01  # of today's, however far a beta would take it


@dataclass(frozen=True, slots=True, eq=False)
class Protected:
    """`delta` is beta-weighted: USD of SPX exposure; None where that of a holding is not known. `pnl` is USD in each
    scenario of the stress target, shape `(n_s,)`; −∞ where a holding has no bound.
    """

    value: float  # USD
    delta: float | None
    pnl: Floats
    basis: str
    notes: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """USD lost in the worst of the scenarios, positive; 0 where none loses."""
        return max(0.0, -float(self.pnl.min()))


def stress_scenarios(tickers: Iterable[str], betas: Mapping[str, float], target: StressTarget) -> Scenarios:
    """One scenario for each volatility change of `target`: every name of known beta moves by beta times the index, and
    no further than to a hundredth of its price or to twice of it; names without a beta are not covered.
    """
    known = tuple(sorted(ticker for ticker in set(tickers) if ticker in betas))
    moves = np.array([min(max(betas[ticker] * target.spot, LEAST_PRICE - 1.0), 1.0) for ticker in known])
    count = len(target.vol)
    return Scenarios(
        tickers=known,
        spot=np.tile(moves, (count, 1)),
        vol=np.repeat(np.array(target.vol)[:, None], len(known), axis=1),
        rate=np.zeros(count),
        days=np.zeros(count),
        names=tuple(f"index {target.spot:+.0%}, volatility {vol:+.0%}" for vol in target.vol),
    )


def money(value: float, settings: HedgeSettings) -> Protected:
    """A portfolio of which nothing is known but its worth: it moves with the index by `portfolio_beta`."""
    exposure = value * settings.portfolio_beta
    return Protected(
        value=value,
        delta=exposure,
        pnl=np.full(len(settings.stress.vol), max(exposure * settings.stress.spot, -value)),
        basis=f"a portfolio of {round(value):,} USD with a beta of {settings.portfolio_beta:g} to SPX",
    )


def held(
    book: RiskBook, delta: IndexDelta, *, nlv: float, betas: Mapping[str, float], settings: HedgeSettings
) -> Protected:
    """The account's own book with its beta-weighted `delta`. Holdings that cannot be revalued, or whose beta is not
    known, lose their worst case in every scenario.
    """
    scenarios = stress_scenarios(book.tickers, betas, settings.stress)
    moved = book.without(set(book.tickers) - set(scenarios.tickers), "beta to SPX not known")
    notes = [f"{name}; stands at its worst case" for name in moved.missing_names]
    if delta.assumed:
        notes.append(f"beta to SPX of {', '.join(delta.assumed)} not known: its delta counts three times, as it hurts")
    return Protected(
        value=nlv,
        delta=delta.usd,
        pnl=revalue(moved, scenarios),
        basis=f"the account's book, NLV {nlv:,.0f} USD",
        notes=tuple(notes),
    )
