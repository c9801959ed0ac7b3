"""What history's shocks would do to the book."""

from collections.abc import Mapping

import numpy as np

from domain.record import Record
from risk.revaluation import RiskBook
from risk.stress.moves import Shocks, profits, total
from risk.stress.settings import NamedShock, StressSettings


class ShockResult(Record):
    """P&L of one shock, USD. `at_once`: the whole move in no time; `held`: after the days that it took then."""

    shock: NamedShock
    at_once: float
    held: float
    by_ticker: dict[str, float]  # at once

    @property
    def worst(self) -> float:
        """The lower of the two."""
        return min(self.at_once, self.held)


def named(book: RiskBook, betas: Mapping[str, float], settings: StressSettings) -> tuple[ShockResult, ...]:
    """Every shock of `settings` on the book, in their order there."""
    count = len(settings.shocks)
    spot, vol, rate, days = (
        np.array([getattr(shock, name) for shock in settings.shocks], dtype=np.float64)
        for name in ("spot", "vol", "rate", "days")
    )
    twice = Shocks(
        spot=np.tile(spot, 2), vol=np.tile(vol, 2), rate=np.tile(rate, 2), days=np.concatenate([np.zeros(count), days])
    )
    found = profits(book, twice, betas, stand_ins=settings.stand_in_betas)
    sums = total(found, 2 * count)
    return tuple(
        ShockResult(
            shock=shock,
            at_once=float(sums[row]),
            held=float(sums[count + row]),
            by_ticker={ticker: float(profit[row]) for ticker, profit in found.items()},
        )
        for row, shock in enumerate(settings.shocks)
    )


def index_move(book: RiskBook, betas: Mapping[str, float], settings: StressSettings, spot: float) -> float:
    """P&L in USD if the index moves by `spot` (relative) at once and volatility stands still."""
    still = np.zeros(1)
    found = profits(book, Shocks(np.array([spot]), still, still, still), betas, stand_ins=settings.stand_in_betas)
    return float(total(found, 1)[0])
