"""Portfolio margin: the greatest loss over a grid of prices, after the OCC's TIMS, and a floor for each contract.

FINRA Rule 4210(g) takes the scenarios of SEC Rule 15c3-1a: ten equidistant moves of the underlying, volatility
unchanged; whatever is held in one underlying offsets in full at each move. How positions are valued is not known here:
the caller hands in the repricing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal

import numpy as np

from domain.errors import DataError
from domain.record import Record
from domain.units import CENT, Floats

Group = Literal["equity", "narrow_index", "broad_index", "small_cap_index"]
Reprice = Callable[[str, Floats, Floats], Floats]
"""P&L in USD, `(n,)`, of all that is held in a ticker, at relative moves of its price and of its volatility, both
`(n,)`.
"""

STEPS = 5  # on either side of the present price, which itself is not one
MOVES: dict[Group, tuple[float, float]] = {  # relative fall and rise, SEC Rule 15c3-1a(b)(1)
    "equity": (-0.15, 0.15),
    "narrow_index": (-0.15, 0.15),
    "broad_index": (-0.08, 0.06),
    "small_cap_index": (-0.10, 0.10),
}
OFFSETS: dict[Group, float] = {  # share of one class's gain that counts against another's loss at the same move
    "equity": 0.0,
    "narrow_index": 0.0,
    "broad_index": 0.90,
    "small_cap_index": 0.75,
}
NOISE = 1e-7  # USD; binary noise that must not cost a cent
LEAST_PER_SHARE = Decimal("0.375")  # USD, times the multiplier: 37.50 for a standard contract, Rule 4210(g)


class PortfolioClass(Record):
    """Everything held in one underlying. `least` is its floor in USD: see `least_of`."""

    ticker: str
    group: Group
    least: Decimal


class ScenarioLoss(Record):
    """What a product group, or a class on its own, is charged, and where: relative moves, decimals; USD, positive."""

    group: Group
    tickers: tuple[str, ...]
    requirement: Decimal
    loss: Decimal  # the greatest over the grid, before the floor; 0 where nothing is lost
    least: Decimal
    price_move: float
    vol_move: float


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioMargin:
    """`total` is USD of NLV that must be there. `pnl` has shape `(classes, vol moves, price moves)`, USD, in the order
    of `tickers`; `price_moves` `(classes, 10)`, ascending, and `vol_moves` are relative, decimals.
    """

    total: Decimal
    charges: tuple[ScenarioLoss, ...]
    tickers: tuple[str, ...]
    price_moves: Floats
    vol_moves: tuple[float, ...]
    pnl: Floats

    @property
    def worst(self) -> ScenarioLoss | None:
        """The charge that weighs most; None for an empty account."""
        return max(self.charges, key=lambda charge: charge.requirement, default=None)


def price_moves(group: Group) -> Floats:
    """Ten relative moves, ascending: five even steps down and five up; the present price is none of them."""
    down, up = MOVES[group]
    steps = np.arange(1, STEPS + 1) / STEPS
    return np.concatenate([down * steps[::-1], up * steps])


def least_of(contracts: Iterable[tuple[int, int, Decimal | None]]) -> Decimal:
    """Floor of a class, USD, from (signed contracts, multiplier, USD a share or None if unknown): 0.375 a share of each
    contract, but for a long one no more than it is worth.
    """
    total = Decimal(0)
    for count, multiplier, value in contracts:
        each = LEAST_PER_SHARE if count < 0 or value is None else min(LEAST_PER_SHARE, value)
        total += each * abs(count) * multiplier
    return total


def portfolio_margin(
    classes: Iterable[PortfolioClass], reprice: Reprice, *, vol_moves: tuple[float, ...] = (0.0,)
) -> PortfolioMargin:
    """Charge each product group what it loses at the worst of its moves, and not less than its classes' floors.

    Shares and narrow indices are charged each on its own. In a group of broad indices a class that gains at a move pays
    for one that loses there, up to the group's share of the gain (Rule 15c3-1a(b)(1)); groups pay nothing for each
    other. `vol_moves` beyond (0.0,) ask more than the OCC does. Raises `DataError` where a position cannot be repriced:
    an unknown loss is no small one.
    """
    held = sorted(classes, key=lambda item: item.ticker)
    if len({item.ticker for item in held}) < len(held) or not vol_moves:
        raise DataError("Portfolio margin takes each ticker once and at least one volatility move.")
    moves = np.array([price_moves(item.group) for item in held]).reshape(len(held), 2 * STEPS)
    pnl = np.array([_grid(item.ticker, own, vol_moves, reprice) for item, own in zip(held, moves, strict=True)])
    pnl = pnl.reshape(len(held), len(vol_moves), 2 * STEPS)
    together: dict[tuple[Group, str], list[int]] = defaultdict(list)
    for row, item in enumerate(held):
        together[item.group, "" if OFFSETS[item.group] else item.ticker].append(row)
    charges = tuple(_charge(held, rows, moves, vol_moves, pnl) for _, rows in sorted(together.items()))
    total = sum((charge.requirement for charge in charges), Decimal(0))
    return PortfolioMargin(total, charges, tuple(item.ticker for item in held), moves, vol_moves, pnl)


def _grid(ticker: str, moves: Floats, vol_moves: tuple[float, ...], reprice: Reprice) -> Floats:
    """P&L of one class, `(vol moves, price moves)`."""
    vols = np.repeat(np.array(vol_moves), len(moves))
    pnl = np.asarray(reprice(ticker, np.tile(moves, len(vol_moves)), vols), dtype=np.float64)
    if pnl.shape != vols.shape or not np.isfinite(pnl).all():
        raise DataError(
            f"What is held in {ticker} cannot be repriced at every move.",
            remedy="Use the strategy rules where quotes are missing.",
        )
    return pnl.reshape(len(vol_moves), len(moves))


def _charge(
    held: list[PortfolioClass], rows: list[int], moves: Floats, vol_moves: tuple[float, ...], pnl: Floats
) -> ScenarioLoss:
    group = held[rows[0]].group
    own = pnl[rows]
    losses = -(np.minimum(own, 0.0).sum(axis=0) + OFFSETS[group] * np.maximum(own, 0.0).sum(axis=0))
    vol, price = np.unravel_index(int(np.argmax(losses)), losses.shape)
    loss = Decimal(repr(float(max(losses[vol, price] - NOISE, 0.0)))).quantize(CENT, rounding=ROUND_CEILING)
    least = sum((held[row].least for row in rows), Decimal(0))
    return ScenarioLoss(
        group=group,
        tickers=tuple(held[row].ticker for row in rows),
        requirement=max(loss, least),
        loss=loss,
        least=least,
        price_move=float(moves[rows[0], price]),
        vol_move=vol_moves[int(vol)],
    )
