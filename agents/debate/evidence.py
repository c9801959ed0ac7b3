"""What may be cited: the signals behind a composite with their figures, and recalled situations."""

from collections.abc import Sequence
from datetime import datetime

from domain.debate import Evidence, Memory
from domain.errors import DataError
from domain.signals import Axis, CompositeSignal, Contribution, MetaValue, Signal

SPANS = ("horizon_days", "half_life_days")  # how long a signal lives says nothing about direction


def gather(
    composite: CompositeSignal, signals: Sequence[Signal], memories: Sequence[Memory], *, as_of: datetime
) -> tuple[Evidence, ...]:
    """Evidence ascending by id. Weights of signals add up to `composite.price_score`; memories weigh nothing.

    Only numbers become figures: text in a signal's metadata may come from strangers and goes no further. Raises
    `DataError` for a contribution whose signal is missing, is another ticker's, or is stamped after `as_of`.
    """
    known = {signal.id: signal for signal in signals}
    found = [_from_contribution(item, known.get(item.signal_id), composite, as_of) for item in composite.contributions]
    found += [_from_memory(memory) for memory in memories]
    by_id = {item.id: item for item in found}
    if len(by_id) != len(found):
        raise DataError(f"Two pieces of evidence on {composite.ticker} share one id, so neither can be cited.")
    return tuple(by_id[key] for key in sorted(by_id))


def _from_contribution(
    part: Contribution, signal: Signal | None, composite: CompositeSignal, as_of: datetime
) -> Evidence:
    if signal is None or signal.ticker != composite.ticker:
        raise DataError(f"Signal {part.signal_id} counts towards {composite.ticker} but is not among its signals.")
    if signal.timestamp > as_of:
        raise DataError(f"Signal {signal.id} is stamped after the run's instant {as_of:%Y-%m-%d %H:%M:%S %Z}.")
    on_price = part.axis is Axis.PRICE
    weight = part.value if on_price else 0.0
    told = f"adds {weight:+.4f} to the price score" if on_price else "speaks of volatility, not of price"
    return Evidence(
        id=signal.id,
        kind="signal",
        text=f"{signal.source} {signal.edge_type}: {signal.direction.value}, {told}",
        direction=(weight > 0) - (weight < 0),
        weight=weight,
        figures={"conviction": signal.conviction, **_numbers(signal.metadata)},
    )


def _from_memory(memory: Memory) -> Evidence:
    """A past bull case that lost money speaks against the bull: direction is the decision's times its outcome's."""
    outcome = memory.outcome or 0.0
    side = {1: "bull", -1: "bear", 0: "undirected"}[memory.direction]
    ended = {1: "made money", -1: "lost money", 0: "came out even or is unknown"}[(outcome > 0) - (outcome < 0)]
    return Evidence(
        id=memory.id,
        kind="memory",
        text=f"a similar {side} case on {memory.ticker} {ended}",
        direction=memory.direction * ((outcome > 0) - (outcome < 0)),
        weight=0.0,
        figures=dict(sorted({**_numbers(memory.figures), "similarity": memory.similarity, "outcome": outcome}.items())),
    )


def _numbers(metadata: dict[str, MetaValue]) -> dict[str, MetaValue]:
    return {
        name: value
        for name, value in sorted(metadata.items())
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in SPANS
    }
