"""Which tickers are worth a debate."""

from collections.abc import Iterable

from domain.signals import CompositeSignal, RankedTicker
from signals.settings import SignalSettings


def rank(composites: Iterable[CompositeSignal], settings: SignalSettings) -> tuple[RankedTicker, ...]:
    """All tickers by composite edge (conviction), best first; the first `rank.top_n` that reach
    `aggregate.conviction` go on. Ties: more evidence on both axes together, then more agreement, then by name.
    """
    ordered = sorted(composites, key=_merit)
    return tuple(_place(place, composite, settings) for place, composite in enumerate(ordered, start=1))


def _merit(composite: CompositeSignal) -> tuple[float, float, float, str]:
    both = abs(composite.price_score) + abs(composite.vol_score)
    return -composite.conviction, -both, -composite.agreement, composite.ticker


def _place(place: int, composite: CompositeSignal, settings: SignalSettings) -> RankedTicker:
    floor, top_n = settings.aggregate.conviction, settings.rank.top_n
    edge = composite.conviction
    if edge < floor:
        debated, reason = False, f"conviction {edge:.2f} is below {floor:.2f}: no edge"
    elif place > top_n:
        debated, reason = False, f"ranked {place}, and only the best {top_n} are debated"
    else:
        scores = f"price {composite.price_score:+.2f}, volatility {composite.vol_score:+.2f}"
        debated, reason = True, f"conviction {edge:.2f} ({scores}, coverage {composite.coverage:.2f})"
    return RankedTicker(ticker=composite.ticker, rank=place, edge=edge, debated=debated, reason=reason)
