"""What a book is exposed to, from every side: Greeks by position, underlying, sector and strategy, SPX delta, notional.

Unknown stays unknown: a sum with an unknown part is None, the part is named, and the sum of what is known stands beside
it.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from domain.book import Book
from domain.record import Record
from domain.risk import DollarGreeks
from options.priced import PricedChain
from portfolio.betas import UNKNOWN, Betas
from portfolio.exposure import UNKNOWN_SECTOR
from portfolio.greeks import book_greeks, dollar_greeks

SHARES = "shares"


class Item(Record):
    """One position, or the shares of one underlying."""

    key: str  # order id; for shares the ticker
    ticker: str
    sector: str
    strategy: str
    name: str  # OCC symbol, or "shares"
    quantity: int
    notional: float | None  # USD of underlying, signed: contracts × multiplier × spot; None: no spot
    greeks: DollarGreeks | None


class Group(Record):
    """Dollar Greeks of several items; None where those of `unknown` are not known. `known` is the sum of the rest."""

    name: str
    greeks: DollarGreeks | None
    known: DollarGreeks
    unknown: tuple[str, ...]


class IndexDelta(Record):
    """Delta in S&P 500 terms, Σ β·delta, USD of the index.

    `usd` counts a name without a beta at ±3, whichever makes it larger; `known` leaves those names, `assumed`, out.
    `usd` is None where a delta is not known.
    """

    usd: float | None
    known: float
    assumed: tuple[str, ...]
    index: str | None  # whose returns gave the betas
    window: int


class Notional(Record):
    """USD of underlying. Options count at contracts × multiplier × spot in `face`, and at their delta in `gross`, the
    sum of sizes over underlyings, and `net`; `leverage` is gross over NLV (the commitment method of Regulation (EU)
    231/2013). None: not known.
    """

    face: float | None
    gross: float | None
    net: float | None
    leverage: float | None


class ExposureViews(Record):
    """All of it at the book's instant. Groups ascend by name."""

    items: tuple[Item, ...]
    by_ticker: tuple[Group, ...]
    by_sector: tuple[Group, ...]
    by_strategy: tuple[Group, ...]
    total: Group
    index_delta: IndexDelta
    notional: Notional
    theta_shares: dict[str, float] | None  # by strategy; None where a theta is not known


def exposure_views(
    book: Book,
    priced: Mapping[str, PricedChain],
    *,
    sectors: Mapping[str, str],
    betas: Betas,
    spots: Mapping[str, float] | None = None,
    theta_limit: float = 0.0,
) -> ExposureViews:
    """The views of what `book` holds, options on `priced` chains, shares at the chain's spot, `spots` or their mark.

    `theta_limit` is the regime's, USD per day: `theta_shares` are measured against it while the book decays by less.
    """
    items = _items(book, priced, sectors, spots or {})
    by_ticker, total = _groups(items, lambda item: item.ticker), _group("total", items)
    by_strategy = _groups(items, lambda item: item.strategy)
    return ExposureViews(
        items=items,
        by_ticker=by_ticker,
        by_sector=_groups(items, lambda item: item.sector),
        by_strategy=by_strategy,
        total=total,
        index_delta=index_delta({group.name: _delta(group) for group in by_ticker}, betas),
        notional=_notional(items, by_ticker, None if book.nlv is None else float(book.nlv)),
        theta_shares=theta_shares({group.name: _theta(group) for group in by_strategy}, theta_limit),
    )


def index_delta(deltas: Mapping[str, float | None], betas: Betas) -> IndexDelta:
    """Delta in index terms from dollar deltas by ticker; None: not known."""
    known = math.fsum(
        delta * betas.by_ticker[ticker] for ticker, delta in deltas.items() if delta and ticker in betas.by_ticker
    )
    assumed = {ticker: abs(delta) for ticker, delta in deltas.items() if delta and ticker not in betas.by_ticker}
    worst = known + math.copysign(UNKNOWN * math.fsum(assumed.values()), known)
    return IndexDelta(
        usd=None if None in deltas.values() else worst,
        known=known,
        assumed=tuple(sorted(assumed)),
        index=betas.index,
        window=betas.window,
    )


def theta_shares(thetas: Mapping[str, float | None], limit: float) -> dict[str, float] | None:
    """Each strategy's |θ| ÷ max(Σ|θ|, limit), USD per day; None where one is not known.

    Against the limit, so that a first trade is not the whole of next to nothing.
    """
    known = {name: abs(theta) for name, theta in thetas.items() if theta is not None}
    if len(known) < len(thetas):
        return None
    whole = max(math.fsum(known.values()), limit)
    return {name: theta / whole if whole > 0.0 else 0.0 for name, theta in sorted(known.items())}


def _items(
    book: Book, priced: Mapping[str, PricedChain], sectors: Mapping[str, str], spots: Mapping[str, float]
) -> tuple[Item, ...]:
    found = book_greeks(book, priced).positions
    options = [
        Item(
            key=position.order_id,
            ticker=position.ticker,
            sector=sectors.get(position.ticker, UNKNOWN_SECTOR),
            strategy=position.strategy,
            name=position.leg.symbol,
            quantity=position.quantity,
            notional=None if held.spot is None else position.quantity * position.leg.multiplier * held.spot,
            greeks=None if held.greeks is None or held.spot is None else dollar_greeks(held.greeks, spot=held.spot),
        )
        for position, held in zip(book.positions, found, strict=True)
    ]
    shares = []
    for lot in book.shares:
        spot = priced[lot.ticker].spot if lot.ticker in priced else spots.get(lot.ticker, lot.mark)
        worth = None if spot is None or not math.isfinite(spot) else lot.quantity * spot
        shares.append(
            Item(
                key=lot.ticker,
                ticker=lot.ticker,
                sector=sectors.get(lot.ticker, UNKNOWN_SECTOR),
                strategy=SHARES,
                name=SHARES,
                quantity=lot.quantity,
                notional=worth,
                greeks=None if worth is None else DollarGreeks(delta=worth),
            )
        )
    return tuple(sorted((*options, *shares), key=lambda item: (item.ticker, item.key, item.name)))


def _groups(items: Iterable[Item], key: Callable[[Item], str]) -> tuple[Group, ...]:
    members: dict[str, list[Item]] = {}
    for item in items:
        members.setdefault(key(item), []).append(item)
    return tuple(_group(name, members[name]) for name in sorted(members))


def _group(name: str, items: Iterable[Item]) -> Group:
    known, unknown = DollarGreeks(), []
    for item in items:
        if item.greeks is None:
            unknown.append(f"{item.ticker} {item.name}")
        else:
            known += item.greeks
    return Group(name=name, greeks=None if unknown else known, known=known, unknown=tuple(unknown))


def _notional(items: Iterable[Item], by_ticker: Iterable[Group], nlv: float | None) -> Notional:
    faces = [item.notional for item in items]
    known = [abs(face) for face in faces if face is not None]
    deltas = [_delta(group) for group in by_ticker]
    sizes = [delta for delta in deltas if delta is not None]
    whole = len(sizes) == len(deltas)
    gross = math.fsum(abs(delta) for delta in sizes) if whole else None
    return Notional(
        face=math.fsum(known) if len(known) == len(faces) else None,
        gross=gross,
        net=math.fsum(sizes) if whole else None,
        leverage=gross / nlv if gross is not None and nlv is not None and nlv > 0.0 else None,
    )


def _delta(group: Group) -> float | None:
    return None if group.greeks is None else group.greeks.delta


def _theta(group: Group) -> float | None:
    return None if group.greeks is None else group.greeks.theta
