"""Every trade that might mend a broken limit: closing what is held, long options and verticals of given chains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.contract import Leg
from domain.risk import DollarGreeks
from domain.units import DAYS_PER_YEAR, Floats
from options.priced import PricedChain
from options.strategies.enumeration import expiries, singles, verticals
from risk.hedge.instruments import NO_LEG, legs_of, net, row_pnl, unit_costs
from risk.hedge.settings import BreachSettings
from risk.hedge.window import Rows
from risk.revaluation import Scenarios

GREEKS = ("delta", "gamma", "vega", "theta", "beta_delta")
"""The measures that grow in proportion to the size of a trade."""


class Holding(NamedTuple):
    """One structure that may be closed; figures are per unit, signed for what is held. USD."""

    order_id: str
    ticker: str
    strategy: str
    legs: tuple[Leg, ...]
    units: int
    greeks: DollarGreeks
    beta: float | None  # of the underlying to SPX
    pnl: Floats | None  # (n_s,) in each scenario; None: its worst case stands in
    worst_case: float
    closing_cost: float  # negative: closing brings cash


@dataclass(frozen=True, slots=True, eq=False)
class Repairs:
    """Trades, one a row; arrays `(n,)` per unit, USD. `effect` `(n, 5)` are the changes of `GREEKS`, NaN where not
    known; `pnl` `(n_s, n)`, NaN where a trade has none. `stand_in` is what it takes off the worst cases that stand in
    for a measure.
    """

    effect: Floats
    pnl: Floats
    stand_in: Floats
    worst_case: Floats  # at stake anew; 0 for closings
    cost: Floats
    most: NDArray[np.int64]  # units
    holdings: tuple[Holding, ...] = ()
    priced: PricedChain | None = None
    rows: Rows | None = None
    strategies: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cost)

    def symbols(self, place: int) -> tuple[str, ...]:
        """By which equals are ordered."""
        return tuple(leg.symbol for leg in self.legs(place))

    def legs(self, place: int) -> tuple[Leg, ...]:
        """Contracts of one unit as they would be traded."""
        if self.priced is None or self.rows is None:
            held = self.holdings[place].legs
            return tuple(leg.model_copy(update={"quantity": -leg.quantity}) for leg in held)
        return legs_of(self.priced, self.rows[place])


def closings(holdings: Sequence[Holding], *, observations: int) -> Repairs:
    """Taking back each of `holdings`, in the order of their ids."""
    held = tuple(sorted(holdings, key=lambda holding: holding.order_id))
    pnl = np.zeros((observations, len(held)))
    for column, holding in enumerate(held):
        if holding.pnl is not None:
            pnl[:, column] = -holding.pnl
    greeks = [[-getattr(holding.greeks, name) for name in GREEKS[:4]] for holding in held]
    beta = [np.nan if holding.beta is None else -holding.beta * holding.greeks.delta for holding in held]
    return Repairs(
        effect=np.column_stack([np.array(greeks).reshape(len(held), 4), np.array(beta, dtype=np.float64)]),
        pnl=pnl,
        stand_in=np.array([holding.worst_case if holding.pnl is None else 0.0 for holding in held]),
        worst_case=np.zeros(len(held)),
        cost=np.array([holding.closing_cost for holding in held], dtype=np.float64),
        most=np.array([holding.units for holding in held], dtype=np.int64),
        holdings=held,
    )


def openings(
    chains: Mapping[str, PricedChain],
    betas: Mapping[str, float],
    scenarios: Scenarios | None,
    settings: BreachSettings,
    families: frozenset[str] | None,
) -> Iterator[Repairs]:
    """Long options and verticals of each chain, ticker by ticker; only of `families`, if given."""
    for ticker in sorted(chains):
        found = list(_structures(chains[ticker], settings, families))
        if found:
            yield _measured(chains[ticker], found, betas.get(ticker), scenarios, settings)


class _Kind(NamedTuple):
    strategy: str
    family: str
    call: bool
    rise: int  # the sold strike above (1) or below (-1) the bought one; 0: nothing is sold


_KINDS = (
    _Kind("long_call", "long_option", call=True, rise=0),
    _Kind("long_put", "long_option", call=False, rise=0),
    _Kind("bull_call_spread", "debit_vertical", call=True, rise=1),
    _Kind("bear_put_spread", "debit_vertical", call=False, rise=-1),
    _Kind("bull_put_spread", "credit_vertical", call=False, rise=1),
    _Kind("bear_call_spread", "credit_vertical", call=True, rise=-1),
)


def _structures(
    priced: PricedChain, settings: BreachSettings, families: frozenset[str] | None
) -> Iterator[tuple[_Kind, Rows]]:
    width = (settings.width[0] * priced.spot, settings.width[1] * priced.spot)
    for at in expiries(priced, settings.dte):
        for kind in _KINDS:
            if families is not None and kind.family not in families:
                continue
            side = at.calls if kind.call else at.puts
            if kind.rise == 0:
                single = singles(side, settings.delta)
                rows = np.column_stack([single, np.full(len(single), NO_LEG)])
            else:
                rows = verticals(
                    side, side, rise=kind.rise, width=width, bought_delta=settings.delta, sold_delta=settings.delta
                )
                size = priced.chain.multiplier
                rows = rows[size[rows[:, 0]] == size[rows[:, 1]]]
            if len(rows):
                yield kind, rows


def _measured(
    priced: PricedChain,
    found: list[tuple[_Kind, Rows]],
    beta: float | None,
    scenarios: Scenarios | None,
    settings: BreachSettings,
) -> Repairs:
    rows = np.concatenate([part for _, part in found])
    names = tuple(kind.strategy for kind, part in found for _ in range(len(part)))
    spot, delta = priced.spot, net(priced, rows, priced.delta, priced.delta) * priced.spot
    effect = np.column_stack(
        [
            delta,
            net(priced, rows, priced.gamma, priced.gamma) * spot * spot * 0.01,
            net(priced, rows, priced.vega, priced.vega) / 100.0,
            net(priced, rows, priced.theta, priced.theta) / DAYS_PER_YEAR,
            delta * (np.nan if beta is None else beta),
        ]
    )
    cost = unit_costs(priced, rows, settings.fee_per_contract)
    fees = float(settings.fee_per_contract) * np.where(rows[:, 1] != NO_LEG, 2, 1)
    worst = cost + _width_at_risk(priced, rows) + fees  # both sides' fees
    sound = (worst > 0) & np.isfinite(effect[:, :4]).all(axis=1)
    rows = rows[sound]
    return Repairs(
        effect=effect[sound],
        pnl=_pnl(priced, rows, scenarios),
        stand_in=np.zeros(len(rows)),
        worst_case=worst[sound],
        cost=cost[sound],
        most=np.full(len(rows), settings.max_units),
        priced=priced,
        rows=rows,
        strategies=tuple(name for name, kept in zip(names, sound, strict=True) if kept),
    )


def _width_at_risk(priced: PricedChain, rows: Rows) -> Floats:
    """USD that the strikes can cost at expiry: the gap where the sold option is the dearer one, else nothing."""
    chain, bought, sold = priced.chain, rows[:, 0], rows[:, 1]
    rise = np.where(chain.is_call[bought], 1.0, -1.0) * (chain.strike[bought] - chain.strike[sold])
    return np.asarray(np.where(sold != NO_LEG, np.maximum(rise, 0.0), 0.0) * chain.multiplier[bought])


def _pnl(priced: PricedChain, rows: Rows, scenarios: Scenarios | None) -> Floats:
    if scenarios is None or priced.ticker not in scenarios.tickers:
        return np.full((0 if scenarios is None else len(scenarios), len(rows)), np.nan)
    each = row_pnl(priced, np.unique(rows[rows != NO_LEG]), scenarios)
    sold = np.where(rows[:, 1] != NO_LEG, each[:, rows[:, 1]], 0.0)
    return np.asarray(each[:, rows[:, 0]] - sold)
