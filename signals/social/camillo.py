"""The Camillo score: is there a burst of talk worth acting on, which way, how sure, and for how long.

After Chris Camillo's social arbitrage (Laughing at Wall Street, 2011): a change in what people do shows in their talk
before it shows in reports; its worth is the distance between the two and lasts until the market has noticed.

    conviction = kept × (c + (1 − c) × confirmation × (1 − ½ᵏ)),   c = strength(z) × quality of the reason

`strength` rises straight from 0.3 at the threshold of z to 1 at `z_full`; without a tone beyond `strong_sentiment` c
is at most `attention_cap`, for attention alone leans bullish only a little (Barber & Odean 2008; Da, Engelberg & Gao
2011). k counts the independent sources beyond the first: each closes half of what the one before left. `kept` is what
doubts about the crowd leave.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.signals import Direction
from signals.claim import lean, ramp
from signals.settings import EdgeLife
from signals.social.context import ContextMix
from signals.social.settings import SocialSettings, SpikeSettings
from signals.social.velocity import Velocity


@dataclass(frozen=True, slots=True)
class CamilloScore:
    """`life` says how long the edge lasts; the parts multiply to `conviction` as the module's head says."""

    direction: Direction
    conviction: float
    strength: float
    quality: float
    kept: float
    confirmations: int
    life: EdgeLife


def camillo_score(
    velocity: Velocity,
    *,
    tone: float | None,
    context: ContextMix,
    confirmations: int,
    kept: float,
    settings: SocialSettings,
) -> CamilloScore:
    """Score a velocity. `tone` in [−1, 1] is the crowd's, None with too few texts to tell; `confirmations` ≥ 0 are
    sources beyond the first; `kept` in (0, 1] is what doubts leave. No burst: NEUTRAL with conviction 0.
    """
    strength = burst_strength(velocity, settings.spike)
    strong = tone is not None and abs(tone) > settings.strong_sentiment
    quality = context.mean({name: life.quality for name, life in settings.contexts.items()})
    sure = strength * quality
    if not strong:
        sure = min(sure, settings.attention_cap)
    sure += (1.0 - sure) * settings.confirmation * (1.0 - 0.5**confirmations)
    life = settings.contexts[context.main]
    direction = lean(tone) if strong and tone is not None else Direction.BULLISH
    if strength == 0:
        direction = Direction.NEUTRAL
    return CamilloScore(
        direction=direction,
        conviction=0.0 if direction is Direction.NEUTRAL else min(sure, 1.0) * kept,
        strength=strength,
        quality=quality,
        kept=kept,
        confirmations=confirmations,
        life=EdgeLife(horizon_days=life.horizon_days, half_life_days=life.half_life_days),
    )


def burst_strength(velocity: Velocity, settings: SpikeSettings) -> float:
    """0 unless ratio, z-score and count all pass; then 0.3 at the threshold of z, rising to 1 at `z_full`."""
    burst = (
        velocity.velocity > settings.velocity
        and velocity.z_score > settings.z
        and velocity.observed >= settings.min_mentions
    )
    return ramp(velocity.z_score, start=settings.z, full=settings.z_full) if burst else 0.0


def confirming(sources: Mapping[str, float], tone: float | None, *, speaks_from: float) -> int:
    """How many sources beyond the first confirm. `sources` maps each that tells the story in its own words to its mean
    sentiment; one that plainly says the opposite of the crowd's `tone` does not confirm.
    """
    side = 0.0 if tone is None else tone
    heard = [mean for mean in sources.values() if abs(mean) < speaks_from or mean * side >= 0]
    return max(len(heard) - 1, 0)
