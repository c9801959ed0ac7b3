"""How a measured figure becomes a claim: the signal, its conviction, or the abstention."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.signals import Abstention, Direction, MetaValue, Signal
from signals.history import Refusal
from signals.settings import EdgeLife, SignalSettings

STARTING_CONVICTION = 0.3


def ramp(value: float, *, start: float, full: float) -> float:
    """Conviction of a measure that starts to speak at `start` and is extreme at `full`: 0 short of `start`, then
    straight from 0.3 up to 1 at `full` and beyond. `full` may lie below `start` for measures that speak when low.
    """
    reach = (value - start) / (full - start)
    if reach < 0:
        return 0.0
    return STARTING_CONVICTION + (1.0 - STARTING_CONVICTION) * min(reach, 1.0)


def lean(value: float, *, speaks_from: float = 0.0) -> Direction:
    """Direction of a signed measure; NEUTRAL (looked, and found nothing) at 0 or within ± `speaks_from`."""
    if value == 0 or abs(value) < speaks_from:
        return Direction.NEUTRAL
    return Direction.BULLISH if value > 0 else Direction.BEARISH


def claim(
    source: str,
    ticker: str,
    edge_type: str,
    direction: Direction,
    conviction: float,
    *,
    as_of: datetime,
    evidence: Sequence[str],
    figures: Mapping[str, MetaValue],
    settings: SignalSettings,
    life: EdgeLife | None = None,
) -> Signal:
    """A signal with the horizon and half-life of its edge type, unless it has a `life` of its own. A NEUTRAL one claims
    nothing: conviction 0.
    """
    life = life or settings.edges[edge_type]
    metadata: dict[str, MetaValue] = {
        **figures,
        "horizon_days": life.horizon_days,
        "half_life_days": life.half_life_days,
        "evidence": tuple(evidence),
    }
    return Signal.model_validate(
        {
            "source": source,
            "ticker": ticker,
            "edge_type": edge_type,
            "direction": direction,
            "conviction": 0.0 if direction is Direction.NEUTRAL else min(max(conviction, 0.0), 1.0),
            "timestamp": as_of,
            "metadata": metadata,
        }
    )


def abstain(source: str, ticker: str, refusal: Refusal, *, measure: str = "") -> Abstention:
    """The refusal of a measure as an abstention; `measure` says which one when others could still speak."""
    detail = f"{measure}: {refusal.detail}" if measure else refusal.detail
    return Abstention(source=source, ticker=ticker, code=refusal.code, detail=detail, numbers=refusal.numbers)
