"""Kelly (1956): the share of wealth at risk that maximises expected log growth, and why we stake only part of it."""

import math
from collections.abc import Sequence

from pydantic import Field

from domain.book import StrategyRecord
from domain.record import Record

MAX_STAKE = 0.999


def kelly_stake(outcomes: Sequence[tuple[float, float]], max_loss: float) -> float:
    """Share of wealth to put at risk that maximises expected log growth, in [0, 0.999].

    `outcomes` are (probability, P&L in USD per unit); the stake is lost entirely when P&L = −`max_loss` USD. Many
    outcomes: the root in f of Σ pᵢxᵢ/(1 + f·xᵢ) with xᵢ = P&Lᵢ/`max_loss`, which falls as f grows; for two it is
    p/l − q/w. Zero when the expected value is not positive. Kelly (1956); Thorp, "The Kelly criterion" (2006).
    """
    from scipy.optimize import brentq

    bets = [(p, max(pnl / max_loss, -1.0)) for p, pnl in outcomes]

    def growth(stake: float) -> float:
        return math.fsum(p * x / (1 + stake * x) for p, x in bets)

    if growth(0.0) <= 0:
        return 0.0
    if growth(MAX_STAKE) >= 0:
        return MAX_STAKE
    return float(brentq(growth, 0.0, MAX_STAKE, xtol=1e-12))


def record_stake(
    record: StrategyRecord, outcomes: Sequence[tuple[float, float]], max_loss: float, *, prior_trades: float
) -> float:
    """Kelly stake of a strategy type's live record, in [0, 0.999].

    The win rate has a Beta prior, and average win and loss are weighed in the same way: the candidate's own odds count
    as `prior_trades` trades seen before the first. A loss is staked as if it were total: the next may be worse than
    the average one. Trust grows with evidence, the stake being scaled by n/(n + `prior_trades`), so that three lucky
    trades do not bet the house.
    """
    own_wins = [(p, pnl / max_loss) for p, pnl in outcomes if pnl > 0]
    own_losses = [(p, -pnl / max_loss) for p, pnl in outcomes if pnl <= 0]
    own_rate = math.fsum(p for p, _ in own_wins)
    losses = record.closed - record.wins
    win_rate = (record.wins + prior_trades * own_rate) / (record.closed + prior_trades)
    win = _weighed(record.average_win, record.wins, own_wins, prior_trades)
    loss = _weighed(record.average_loss, losses, own_losses, prior_trades)
    if win <= 0:
        return 0.0
    stake = win_rate - (1 - win_rate) * loss / win
    return min(MAX_STAKE, max(0.0, stake)) * record.closed / (record.closed + prior_trades)


def _weighed(average: float, trades: int, own: Sequence[tuple[float, float]], prior_trades: float) -> float:
    """Mean size of `trades` trades averaging `average` and of the prior's share of `own` (probability, size)."""
    weight = prior_trades * math.fsum(p for p, _ in own)
    total = prior_trades * math.fsum(p * size for p, size in own)
    return (trades * average + total) / (trades + weight) if trades + weight > 0 else 0.0


class KellySizer(Record):
    """Half-Kelly, bounded by the candidate's own distribution and by what the strategy type has shown live."""

    fraction: float = Field(default=0.5, gt=0, le=0.5)  # of the full Kelly stake
    prior_trades: float = Field(default=10.0, gt=0)  # the candidate's own odds count as so many trades
    correlation_penalty: float = Field(default=0.5, ge=0, le=1)  # share of the stake lost at mean ρ = 1

    def penalty(self, mean_correlation: float) -> float:
        """Factor on every stake: 1 without correlation to what is held, 1 − `correlation_penalty` at ρ = 1. Negative
        correlation earns nothing.
        """
        return 1 - self.correlation_penalty * min(1.0, max(0.0, mean_correlation))

    def own_share(
        self, outcomes: Sequence[tuple[float, float]], max_loss: float, *, mean_correlation: float = 0.0
    ) -> float:
        """Share of NLV to put at risk by the candidate's own distribution."""
        return self.fraction * kelly_stake(outcomes, max_loss) * self.penalty(mean_correlation)

    def record_share(
        self,
        record: StrategyRecord,
        outcomes: Sequence[tuple[float, float]],
        max_loss: float,
        *,
        mean_correlation: float = 0.0,
    ) -> float:
        """Share of NLV to put at risk by the strategy type's live record."""
        stake = record_stake(record, outcomes, max_loss, prior_trades=self.prior_trades)
        return self.fraction * stake * self.penalty(mean_correlation)
