"""What closed structures say: the record of each strategy type."""

from collections.abc import Mapping
from statistics import fmean

from domain.book import StrategyRecord
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
