"""What closed structures say: the record of each strategy type, and how often each signal source was right."""

from collections.abc import Mapping
from statistics import fmean

from domain.book import StrategyRecord
from domain.signals import SOURCES, Reliability
from portfolio.ledger import Structure


def strategy_records(structures: Mapping[str, Structure]) -> tuple[StrategyRecord, ...]:
    """Record of every strategy type with a closed structure, by name.

    A result is profit after fees over the worst-case loss of the units opened; a result of exactly zero is a loss
    of nothing. Averages are 0 where there is nothing to average.
    """
    results: dict[str, list[float]] = {}
    for _, structure in sorted(structures.items()):
        if structure.closed:
            candidate = structure.order.sized.candidate
            at_risk = candidate.max_loss * structure.opened_units
            results.setdefault(candidate.strategy, []).append(float(structure.profit / at_risk))
    return tuple(_record(strategy, found) for strategy, found in sorted(results.items()))


def reliability(structures: Mapping[str, Structure]) -> tuple[Reliability, ...]:
    """Hit rate of each registered signal source: of the closed structures whose thesis cites it, the profitable ones.

    The source is the first part of a signal's id. One structure counts once for a source, however many of its
    signals it cites.
    """
    closed, hits = dict.fromkeys(SOURCES, 0), dict.fromkeys(SOURCES, 0)
    for structure in structures.values():
        if structure.closed:
            cited = {signal_id.split("/", 1)[0] for signal_id in structure.order.thesis.signal_ids}
            for source in cited & closed.keys():
                closed[source] += 1
                hits[source] += structure.profit > 0
    return tuple(
        Reliability(source=source, closed=closed[source], hits=hits[source]) for source in SOURCES if closed[source]
    )


def _record(strategy: str, results: list[float]) -> StrategyRecord:
    wins = [result for result in results if result > 0]
    losses = [-result for result in results if result <= 0]
    return StrategyRecord(
        strategy=strategy,
        closed=len(results),
        wins=len(wins),
        average_win=fmean(wins) if wins else 0.0,
        average_loss=fmean(losses) if losses else 0.0,
    )
