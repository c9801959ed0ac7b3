"""Three ways to size a hedge, side by side: by the ratio, by delta, by what a stress may cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from functools import cached_property
from typing import Literal

import numpy as np

from domain.contract import Leg
from domain.record import Record
from domain.units import Floats
from options.priced import ChainRefusal, PricedChain
from risk.hedge.budget import HedgeBudget
from risk.hedge.instruments import NO_LEG, Instruments, bounded, cheapest, instruments, structures
from risk.hedge.protected import Protected, stress_scenarios
from risk.hedge.settings import HedgeSettings
from risk.hedge.sizer import HedgeSize
from risk.hedge.window import put_window, representative_put
from risk.revaluation import Line, Scenarios, revalue, risk_book

Method = Literal["ratio", "delta", "stress"]
Effects = Callable[[Instruments], Floats]
"""What one unit of each instrument brings, `(m, n)`."""


class HedgeLine(Record):
    """What one underlying contributes. `cost` crosses the spread and pays opening fees; USD of all contracts."""

    ticker: str
    strategy: str
    legs: tuple[Leg, ...]  # per unit
    contracts: int
    dte: float
    otm: float  # share of spot
    cost: Decimal
    mid: Decimal
    delta: float  # beta-weighted, USD


class HedgePlan(Record):
    """A hedge by one method. Unavailable: `reason` says why, and the figures are None.

    Losses are USD in the worst scenario of the stress target, positive; deltas are beta-weighted USD. `meets` says
    whether the method's own target is reached (None: it has none), `within` whether the cost fits what is left of the
    month; `loss_in_budget` is what would still be lost if the same structures were bought only as far as it goes.
    """

    method: Method
    target: str
    available: bool
    reason: str = ""
    lines: tuple[HedgeLine, ...] = ()
    contracts: int = 0
    cost: Decimal | None = None
    delta_before: float | None = None
    delta_after: float | None = None
    loss_before: float | None = None
    loss_after: float | None = None
    meets: bool | None = None
    within: bool | None = None
    utilisation: float | None = None
    loss_in_budget: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class HedgePlanner:
    """Sizes hedges of `protected` on `chains`. `betas` to SPX must hold every underlying that may be bought."""

    protected: Protected
    chains: Mapping[str, PricedChain | ChainRefusal]
    betas: Mapping[str, float]
    budget: HedgeBudget
    settings: HedgeSettings

    def plans(self, size: HedgeSize) -> tuple[HedgePlan, ...]:
        """By ratio, by delta, by stress, in that order; all share `size`'s underlyings and weights."""
        return self.by_ratio(size), self.by_delta(size), self.by_stress(size)

    def by_ratio(self, size: HedgeSize) -> HedgePlan:
        """`size`'s contracts in the put that costs the window's median: what the baseline stands for."""
        target = (
            f"one contract for each {size.ratio_per_contract:,.0f} USD"
            if size.basis == "ratio"
            else f"{size.contracts} contracts, as asked"
        )
        lines = []
        for share in size.shares:
            if share.contracts == 0:
                continue
            found = self._instruments(share.ticker, only_representative=True)
            if isinstance(found, str):
                return _unavailable("ratio", target, found)
            lines.append(_line(found, 0, share.contracts))
        return self._judged("ratio", target, lines, meets=None)

    def by_delta(self, size: HedgeSize) -> HedgePlan:
        """The structures, cheapest by the day, that take `delta_share` of the beta-weighted SPX delta away."""
        share, delta = self.settings.delta_share, self.protected.delta
        target = f"{share:.0%} of the beta-weighted SPX delta taken away"
        if delta is None:
            return _unavailable("delta", target, "the delta of a holding is not known")
        if delta <= 0:
            return _unavailable(
                "delta", target, f"the delta is {round(delta):,} USD: there is no long exposure to take away"
            )
        need = share * delta
        lines = self._bought(size, np.array([need]), lambda found: -found.delta[None, :])
        if isinstance(lines, str):
            return _unavailable("delta", target, lines)
        after = delta + sum(line.delta for line in lines)
        return self._judged("delta", target, lines, meets=after <= delta - need + 1e-6 * delta)

    def by_stress(self, size: HedgeSize) -> HedgePlan:
        """The structures, cheapest by the day, with which the stress costs at most its target, proven afterwards."""
        stress, value = self.settings.stress, self.protected.value
        limit = max(stress.max_loss * value, 0.0)
        target = f"lose at most {stress.max_loss:.0%} ({limit:,.0f} USD) if SPX moves by {stress.spot:+.0%}"
        if value <= 0:
            return _unavailable("stress", target, f"there is no value to lose a share of: {round(value):,} USD")
        if not np.isfinite(self.protected.pnl).all():
            return _unavailable("stress", target, "a holding has no bound on its loss")
        needs = np.maximum(-limit - self.protected.pnl, 0.0)
        lines = self._bought(size, needs, lambda found: found.pnl)
        if isinstance(lines, str):
            return _unavailable("stress", target, lines)
        return self._judged("stress", target, lines, meets=self._loss(lines) <= limit + 0.005)

    @cached_property
    def scenarios(self) -> Scenarios:
        """The stress of the underlyings that may be bought."""
        return stress_scenarios(self.betas, self.betas, self.settings.stress)

    def _bought(self, size: HedgeSize, needs: Floats, effects: Effects) -> list[HedgeLine] | str:
        """Lines that bring `needs` together, each underlying its weight's share; or why one of them cannot."""
        lines = []
        for share in size.shares:
            if share.weight == 0 or not (needs > 0).any():
                continue
            found = self._instruments(share.ticker)
            if isinstance(found, str):
                return found
            choice = cheapest(found, needs * share.weight, effects(found))
            if choice is None:
                return f"no put or put spread of {share.ticker} in the window helps here"
            lines.append(_line(found, choice.place, choice.units))
        return lines

    def _instruments(self, ticker: str, *, only_representative: bool = False) -> Instruments | str:
        chain = self.chains.get(ticker)
        if not isinstance(chain, PricedChain):
            return f"there is no option chain of {ticker}" if chain is None else chain.detail
        if ticker not in self.betas:
            return f"the beta of {ticker} to SPX is not known"
        window = put_window(chain, self.settings)
        if isinstance(window, str):
            return window
        if only_representative:
            rows = np.array([[representative_put(chain, self.settings), NO_LEG]])
        else:
            rows = structures(chain, self.settings)
        return instruments(chain, rows, beta=self.betas[ticker], scenarios=self.scenarios, settings=self.settings)

    def _judged(self, method: Method, target: str, lines: Sequence[HedgeLine], *, meets: bool | None) -> HedgePlan:
        cost = sum((line.cost for line in lines), Decimal(0))
        delta, before = self.protected.delta, self.protected.loss
        within = cost <= self.budget.remaining
        left = max(self.budget.remaining, Decimal(0))
        note = "nothing needs to be bought: the target holds as it is" if not lines and method != "ratio" else ""
        if not within:
            note = f"costs {cost:,.2f} USD, {left:,.2f} USD are left this month" + (
                ": the target cannot be met within the budget" if method != "ratio" else ""
            )
        bounded_before = before if np.isfinite(before) else None
        return HedgePlan(
            method=method,
            target=target,
            available=True,
            lines=tuple(lines),
            contracts=sum(line.contracts for line in lines),
            cost=cost,
            delta_before=delta,
            delta_after=None if delta is None else delta + sum(line.delta for line in lines),
            loss_before=bounded_before,
            loss_after=None if bounded_before is None else self._loss(lines),
            meets=meets,
            within=within,
            utilisation=float((self.budget.spent + cost) / self.budget.limit) if self.budget.limit > 0 else None,
            loss_in_budget=None if within or bounded_before is None else self._loss(_affordable(lines, left)),
            note=note,
        )

    def _loss(self, lines: Sequence[HedgeLine]) -> float:
        """USD lost in the worst scenario by what is protected and `lines` together: revalued, entry costs included."""
        held = [
            Line(f"hedge {number}", line.ticker, leg, leg.quantity * line.contracts, None)
            for number, line in enumerate(lines)
            for leg in line.legs
        ]
        chains = {ticker: chain for ticker, chain in self.chains.items() if isinstance(chain, PricedChain)}
        spent = float(sum((line.cost - line.mid for line in lines), Decimal(0)))
        hedged = self.protected.pnl + revalue(risk_book(held, chains), self.scenarios) - spent
        return max(0.0, -float(hedged.min()))


def _line(found: Instruments, index: int, units: int) -> HedgeLine:
    return HedgeLine(
        ticker=found.priced.ticker,
        strategy=found.strategy(index),
        legs=found.legs(index),
        contracts=units,
        dte=float(found.dte[index]),
        otm=float(found.otm[index]),
        cost=bounded(float(found.cost[index]) * units),
        mid=bounded(float(found.mid[index]) * units),
        delta=float(found.delta[index]) * units,
    )


def _affordable(lines: Sequence[HedgeLine], left: Decimal) -> list[HedgeLine]:
    """The same structures in whole contracts, as many of each as its share of `left` USD buys."""
    total = sum((line.cost for line in lines), Decimal(0))
    bought = []
    for line in lines:
        contracts = int((line.contracts * left / total).to_integral_value(ROUND_DOWN))
        part = Decimal(contracts) / line.contracts
        bought.append(
            line.model_copy(update={"contracts": contracts, "cost": line.cost * part, "mid": line.mid * part})
        )
    return [line for line in bought if line.contracts]


def _unavailable(method: Method, target: str, reason: str) -> HedgePlan:
    return HedgePlan(method=method, target=target, available=False, reason=reason)
