"""How much an underlying moves with the index, from daily returns."""

from collections.abc import Iterable, Mapping

import numpy as np

from domain.market import Bars
from domain.record import Record
from portfolio.returns import joint_returns

INDICES = ("SPX", "SPY")  # the first with a usable history is the yardstick
THE_INDEX = frozenset({"SPX", "SPXW", "XSP", "SPY"})  # move one for one with it by construction
UNKNOWN = 3.0  # stands in for a beta that is not known, by size; the sign is the one that hurts


class Betas(Record):
    """Betas to the S&P 500 by ticker. `missing` have too few returns in common with it, ascending."""

    index: str | None  # whose returns were used; None: no index had a history
    window: int  # returns at most
    minimum: int
    by_ticker: dict[str, float]
    missing: tuple[str, ...]


def betas(
    bars: Mapping[str, Bars],
    tickers: Iterable[str],
    *,
    window: int = 250,
    minimum: int = 60,
    indices: tuple[str, ...] = INDICES,
) -> Betas:
    """Slope of each ticker's daily returns on the index's, least squares over the last `window` days both have.

    Bars must already be cut at the run's instant. SPX, XSP and SPY are 1 without data. Fewer than `minimum` returns in
    common leave a ticker missing.
    """
    asked = sorted(set(tickers))
    index = next((name for name in indices if _varies(bars, name, window, minimum)), None)
    found: dict[str, float] = {}
    for ticker in asked:
        if ticker in THE_INDEX:
            found[ticker] = 1.0
        elif index is not None:
            joint = joint_returns(bars, (ticker, index), window=window, minimum=minimum)
            if len(joint.tickers) == 2:
                own, market = (joint.values[:, joint.tickers.index(name)] for name in (ticker, index))
                variance = float(market.var())
                if variance > 0.0:
                    found[ticker] = float(np.mean((own - own.mean()) * (market - market.mean()))) / variance
    return Betas(
        index=index,
        window=window,
        minimum=minimum,
        by_ticker=found,
        missing=tuple(ticker for ticker in asked if ticker not in found),
    )


def _varies(bars: Mapping[str, Bars], name: str, window: int, minimum: int) -> bool:
    values = joint_returns(bars, (name,), window=window, minimum=minimum).values
    return bool(values.size) and float(values.var()) > 0.0
