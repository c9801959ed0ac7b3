"""What was foretold about each closed structure, and whether it came true.

A directional verdict is a view on price; an inconclusive one with a volatility view is a bet on volatility. The trade
then says which way its axis went: a bull structure that made money counts as "up", one that lost as "down". That is
coarser than the price itself, but it is the outcome that the desk was paid for, fees included.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from domain.debate import Verdict
from domain.order import Thesis
from domain.record import Instant, Record
from domain.signals import SOURCES, Axis, Reliability, Signal
from portfolio.ledger import Structure


class Forecast(Record):
    """One voice's probability that something happens, and whether it did. `name` is a source or a debate engine."""

    kind: str  # source, engine
    name: str
    order_id: str
    probability: float  # of the outcome, in [0, 1]
    happened: bool
    known_at: Instant  # when the structure was closed

    @property
    def right(self) -> bool:
        """Whether it leaned to the side that came true."""
        return (self.probability > 0.5) == self.happened


def forecasts(structures: Mapping[str, Structure], signals: Iterable[Signal]) -> tuple[Forecast, ...]:
    """Forecasts on every closed structure, by kind, name and time. Of `signals` those that a thesis cites count.

    An engine with confidence c in its verdict foretold success with (1 + c) / 2. A source foretold "up" on the axis of
    the trade with (1 + tanh Σ conviction · sign) / 2 over its cited signals of that axis, so its opposition counts for
    it when the trade fails; one without a stance on that axis foretold nothing.
    """
    known = {signal.id: signal for signal in signals}
    found: list[Forecast] = []
    for _, structure in sorted(structures.items()):
        if structure.closed:
            found += _of(structure, known)
    return tuple(sorted(found, key=lambda item: (item.kind, item.name, item.known_at, item.order_id)))


def reliability(found: Sequence[Forecast]) -> tuple[Reliability, ...]:
    """How often each registered source leaned to the side that came true."""
    rows = []
    for source in SOURCES:
        own = [item for item in found if item.kind == "source" and item.name == source]
        if own:
            rows.append(Reliability(source=source, closed=len(own), hits=sum(item.right for item in own)))
    return tuple(rows)


def _of(structure: Structure, known: Mapping[str, Signal]) -> list[Forecast]:
    thesis, won = structure.order.thesis, structure.profit > 0
    bet = _bet(thesis)
    if bet is None:
        return []
    axis, side = bet

    def forecast(kind: str, name: str, probability: float, *, happened: bool) -> Forecast:
        return Forecast(
            kind=kind,
            name=name,
            order_id=structure.order.order_id,
            probability=probability,
            happened=happened,
            known_at=structure.last_at,
        )

    cited = [known[name] for name in thesis.signal_ids if name in known]
    found = []
    for source in sorted({signal.source for signal in cited}):
        claims = [s.conviction * s.direction.sign for s in cited if s.source == source and s.axis is axis]
        if (stance := math.fsum(claims)) != 0.0:
            probability = (1.0 + math.tanh(stance)) / 2.0
            found.append(forecast("source", source, probability, happened=won == (side > 0)))
    if axis is Axis.PRICE:
        found.append(forecast("engine", thesis.engine, (1.0 + thesis.confidence) / 2.0, happened=won))
    return found


def _bet(thesis: Thesis) -> tuple[Axis, int] | None:
    """The axis that the trade was on, and its side."""
    if thesis.verdict is not Verdict.INCONCLUSIVE:
        return Axis.PRICE, 1 if thesis.verdict is Verdict.BULL else -1
    return None if thesis.vol_view == "none" else (Axis.VOLATILITY, 1 if thesis.vol_view == "long" else -1)
