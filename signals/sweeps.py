"""Sweeps: one hidden order taken from several exchanges at once, read off option trades as printed."""

from typing import NamedTuple

import numpy as np

from domain.market import Prints


class Sweep(NamedTuple):
    """A cluster of prints in one contract, all at the ask or better for the seller (`bought`) or at the bid (sold)."""

    symbol: str
    bought: bool
    start: np.datetime64  # UTC
    end: np.datetime64
    contracts: float
    premium: float  # USD
    prints: int
    exchanges: int


def sweeps(prints: Prints, *, window_ms: int, min_exchanges: int, min_premium: float) -> tuple[Sweep, ...]:
    """Clusters of prints of one contract and one side, each within `window_ms` milliseconds of the one before, on at
    least `min_exchanges` exchanges and worth at least `min_premium` USD; the most premium first.

    The side is the quote rule's (Lee & Ready 1991): at or above the ask bought, at or below the bid sold. Prints inside
    the quote, at a locked or crossed one, or without a quote belong to no sweep and break none. An intermarket sweep
    order takes every protected quote at once (Regulation NMS, rule 600(b)(31)), which is what the clusters look like.
    """
    quoted = prints.ask > prints.bid
    side = np.where(quoted & (prints.price >= prints.ask), 1, np.where(quoted & (prints.price <= prints.bid), -1, 0))
    sided = np.flatnonzero(side)
    if not len(sided):
        return ()
    at = prints.at.astype("datetime64[ms]")
    order = sided[np.lexsort((prints.exchange[sided], at[sided], side[sided], prints.symbol[sided]))]
    symbol, sign, when = prints.symbol[order], side[order], at[order]
    apart = np.diff(when).astype(np.int64) > window_ms
    starts = np.flatnonzero(np.r_[True, (symbol[1:] != symbol[:-1]) | (sign[1:] != sign[:-1]) | apart])
    stops = np.r_[starts[1:], len(order)]
    contracts = np.add.reduceat(prints.size[order], starts)
    premium = np.add.reduceat((prints.price * prints.size * prints.multiplier)[order], starts)
    found = [
        Sweep(
            symbol=str(symbol[start]),
            bought=bool(sign[start] > 0),
            start=when[start],
            end=when[stop - 1],
            contracts=float(contracts[cluster]),
            premium=float(premium[cluster]),
            prints=int(stop - start),
            exchanges=exchanges,
        )
        for cluster, (start, stop) in enumerate(zip(starts, stops, strict=True))
        if premium[cluster] >= min_premium
        and (exchanges := len(np.unique(prints.exchange[order[start:stop]]))) >= min_exchanges
    ]
    return tuple(sorted(found, key=lambda sweep: (-sweep.premium, sweep.symbol, sweep.start, sweep.bought)))
