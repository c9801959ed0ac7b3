"""The market's regime: decided in one place, shown the same everywhere."""

from enum import StrEnum

from domain.record import Instant, Record


class Regime(StrEnum):
    """Ordered from calm to crisis."""

    LOW_VOL = "low_vol"
    NEUTRAL = "neutral"
    HIGH_VOL = "high_vol"
    CRISIS = "crisis"

    @property
    def severity(self) -> int:
        """0 (low_vol) to 3 (crisis)."""
        return list(Regime).index(self)


class RegimeReading(Record):
    """One decision of the regime with the inputs it rests on. Missing inputs are None and named in `missing`."""

    as_of: Instant
    regime: Regime
    raw: Regime  # what the thresholds alone say, before hysteresis
    held: int  # observations the raw reading has been below the current regime
    vix: float | None  # vol points
    vix_term: float | None  # VIX / VIX3M
    realised_vol: float | None  # decimal, 20-day close-to-close of SPX (or SPY)
    odds: float | None = None
    missing: tuple[str, ...] = ()
    reason: str
