"""Open hedges, which of them are due, and what each would be rolled into."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import numpy as np

from domain.book import Book, Position
from domain.contract import Leg, Settlement
from domain.order import OrderView
from domain.record import Record
from domain.sessions import expiry_instant
from domain.units import DAYS_PER_YEAR, SECONDS_PER_YEAR, Floats
from options.priced import ChainRefusal, PricedChain
from portfolio.valuation import unrealised, worth_of
from risk.hedge.instruments import NO_LEG, bounded, legs_of, structures, unit_costs
from risk.hedge.settings import HedgeSettings
from risk.hedge.window import Rows, out_of_the_money


class Successor(Record):
    """What a hedge would be rolled into. `net_cost` is USD to pay for all contracts (negative: received): the old sold
    at its bid, the new bought at its ask, all fees.
    """

    strategy: str
    legs: tuple[Leg, ...]  # per unit
    dte: float
    otm: float  # share of spot
    cost: Decimal  # of the new alone
    proceeds: Decimal  # of the old alone
    net_cost: Decimal


class OpenHedge(Record):
    """One structure held as a hedge. `delta` is in shares; None where a quote is missing, as `value` and `profit` (USD,
    before fees). `due` says that its days to expiry are inside the roll window; `note` why there is no successor.
    """

    order_id: str
    ticker: str
    strategy: str
    positions: tuple[Position, ...]
    units: int
    dte: float  # calendar days to the first expiry
    delta: float | None
    value: Decimal | None
    profit: Decimal | None
    due: bool
    successor: Successor | None = None
    note: str = ""


def open_hedges(
    book: Book,
    orders: Iterable[OrderView],
    chains: Mapping[str, PricedChain | ChainRefusal],
    settings: HedgeSettings,
    *,
    as_of: datetime,
) -> tuple[OpenHedge, ...]:
    """Structures in `book` that were opened as hedges, by days to expiry, then order id.

    Told apart by the order that opened them, never by ticker: two hedges of one underlying are two. Due is what has
    `roll_dte` calendar days left or fewer.
    """
    hedging = {view.order.order_id for view in orders if view.order.sized.candidate.purpose == "hedge"}
    held: dict[str, list[Position]] = {}
    for position in book.positions:
        if position.order_id in hedging:
            held.setdefault(position.order_id, []).append(position)
    found = [_hedge(tuple(positions), chains.get(positions[0].ticker), settings, as_of) for positions in held.values()]
    return tuple(sorted(found, key=lambda hedge: (hedge.dte, hedge.order_id)))


def _hedge(
    positions: tuple[Position, ...], chain: PricedChain | ChainRefusal | None, settings: HedgeSettings, as_of: datetime
) -> OpenHedge:
    first = positions[0]
    dte = min(_days_left(position.leg, as_of) for position in positions)
    worth = [worth_of(position) for position in positions]
    gains = [unrealised(position) for position in positions]
    hedge = OpenHedge(
        order_id=first.order_id,
        ticker=first.ticker,
        strategy=first.strategy,
        positions=positions,
        units=max(abs(position.quantity) // abs(position.leg.quantity) for position in positions),
        dte=dte,
        delta=_delta(positions, chain),
        value=None if None in worth else sum((one for one in worth if one is not None), Decimal(0)),
        profit=None if None in gains else sum((one for one in gains if one is not None), Decimal(0)),
        due=dte <= settings.roll_dte,
    )
    if not hedge.due:
        return hedge
    successor = _successor(hedge, chain, settings)
    if isinstance(successor, str):
        return hedge.model_copy(update={"note": successor})
    return hedge.model_copy(update={"successor": successor})


def _successor(hedge: OpenHedge, chain: PricedChain | ChainRefusal | None, settings: HedgeSettings) -> Successor | str:
    """The structure of the same kind nearest to the middle of the OTM and DTE windows (a spread also to the width of
    the old one) that lives longer than the old; of equals the first symbols. Or why there is none.
    """
    if not isinstance(chain, PricedChain):
        return f"there is no option chain of {hedge.ticker}" if chain is None else chain.detail
    proceeds = _proceeds(hedge, chain, settings)
    if proceeds is None:
        return "a leg of it has no quote to be sold at"
    width = _width(hedge.positions, chain.spot)
    rows = structures(chain, settings.model_copy(update={"least_delta": 0.0}))
    rows = rows[(rows[:, 1] != NO_LEG) == (width is not None)]
    rows = rows[chain.tau[rows[:, 0]] * DAYS_PER_YEAR > hedge.dte]
    if not len(rows):
        kind = "put" if width is None else "put spread"
        return (
            f"{hedge.ticker} quotes no longer-lived {kind} {settings.otm[0]:.0%} to {settings.otm[1]:.0%} below "
            f"spot with {settings.dte[0]:g} to {settings.dte[1]:g} days to go"
        )
    symbols = chain.chain.symbol
    distance = _distance(rows, chain, settings, width)
    row = rows[min(range(len(rows)), key=lambda i: (distance[i], tuple(symbols[rows[i]])))]
    cost = bounded(float(unit_costs(chain, row[None, :], settings.fee_per_contract)[0]) * hedge.units)
    return Successor(
        strategy=hedge.strategy,
        legs=legs_of(chain, row),
        dte=float(chain.tau[row[0]]) * DAYS_PER_YEAR,
        otm=float(out_of_the_money(chain)[row[0]]),
        cost=cost,
        proceeds=proceeds,
        net_cost=cost - proceeds,
    )


def _distance(rows: Rows, chain: PricedChain, settings: HedgeSettings, width: float | None) -> list[float]:
    """How far from the middle of each window, in half-windows, added up."""

    def off(values: Floats, window: tuple[float, float], aim: float | None = None) -> Floats:
        middle = (window[0] + window[1]) / 2 if aim is None else aim
        return np.abs(values - middle) / max((window[1] - window[0]) / 2, 1e-12)

    total = off(out_of_the_money(chain)[rows[:, 0]], settings.otm)
    total = total + off(chain.tau[rows[:, 0]] * DAYS_PER_YEAR, settings.dte)
    if width is not None:
        strike = chain.chain.strike
        total = total + off((strike[rows[:, 0]] - strike[rows[:, 1]]) / chain.spot, settings.spread_width, width)
    return [round(float(value), 9) for value in total]


def _proceeds(hedge: OpenHedge, chain: PricedChain, settings: HedgeSettings) -> Decimal | None:
    """USD that selling the old brings: longs at the bid, shorts bought back at the ask, less fees."""
    place = {str(symbol): row for row, symbol in enumerate(chain.chain.symbol)}
    total = Decimal(0)
    for position in hedge.positions:
        row = place.get(position.leg.symbol)
        price = np.nan if row is None else (chain.chain.bid if position.quantity > 0 else chain.chain.ask)[row]
        if not np.isfinite(price):
            return None
        contracts = abs(position.quantity)
        total += bounded(float(price)) * position.quantity * position.leg.multiplier
        total -= settings.fee_per_contract * contracts
    return total


def _delta(positions: Iterable[Position], chain: PricedChain | ChainRefusal | None) -> float | None:
    if not isinstance(chain, PricedChain):
        return None
    place = {str(symbol): row for row, symbol in enumerate(chain.chain.symbol)}
    total = 0.0
    for position in positions:
        row = place.get(position.leg.symbol)
        delta = np.nan if row is None else float(chain.delta[row])
        if not np.isfinite(delta):
            return None
        total += delta * position.quantity * position.leg.multiplier
    return total


def _width(positions: Iterable[Position], spot: float) -> float | None:
    """Bought less sold strike as a share of spot; None for a structure that sold nothing."""
    bought = max(float(position.leg.strike) for position in positions)
    sold = [float(position.leg.strike) for position in positions if position.quantity < 0]
    return (bought - min(sold)) / spot if sold else None


def _days_left(leg: Leg, as_of: datetime) -> float:
    expires = expiry_instant(leg.expiry, am_settled=leg.settlement is Settlement.AM)
    return (expires - as_of).total_seconds() / SECONDS_PER_YEAR * DAYS_PER_YEAR
