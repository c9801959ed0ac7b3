"""How good were the probabilities? Scores of forecasts whose outcome is known.

Brier (1950): mean squared distance of probability and outcome, 0 best, 0.25 for always saying one half. Log score
(Good 1952): mean of −ln of the probability given to what happened, ln 2 = 0.693 for one half; it punishes certainty
that was wrong. The reliability curve (Murphy & Winkler 1977) groups forecasts by probability: a calibrated voice's
observed rate lies on its mean probability; Wilson's interval (1927) says how far chance alone would carry it.
"""

import math
from collections.abc import Sequence

from domain.record import Record
from portfolio.forecasts import Forecast

BINS = 5
CLIP = 0.001  # no probability is read as more certain than this: one miss would otherwise be infinitely bad
Z = 1.959964  # of a 95 % interval


class CurvePoint(Record):
    """Forecasts between `low` and `high`: mean probability, observed rate, and the 95 % interval of that rate."""

    low: float
    high: float
    count: int
    probability: float
    rate: float
    rate_low: float
    rate_high: float


class Calibration(Record):
    """One voice's record."""

    kind: str
    name: str
    count: int
    hits: int
    brier: float
    log_score: float
    skill: float  # 1 − Brier / Brier of always foretelling the observed rate; 0 where that is perfect
    curve: tuple[CurvePoint, ...]


def calibrate(found: Sequence[Forecast]) -> tuple[Calibration, ...]:
    """One row per voice, by kind and name."""
    voices = sorted({(item.kind, item.name) for item in found})
    return tuple(_row(kind, name, [i for i in found if (i.kind, i.name) == (kind, name)]) for kind, name in voices)


def brier(found: Sequence[Forecast]) -> float:
    """Mean squared error of the probabilities; `found` must not be empty."""
    return math.fsum((item.probability - item.happened) ** 2 for item in found) / len(found)


def log_score(found: Sequence[Forecast]) -> float:
    """Mean of −ln P(what happened), probabilities held within [CLIP, 1 − CLIP]; `found` must not be empty."""
    given = (item.probability if item.happened else 1.0 - item.probability for item in found)
    return -math.fsum(math.log(min(max(p, CLIP), 1.0 - CLIP)) for p in given) / len(found)


def curve(found: Sequence[Forecast], *, bins: int = BINS) -> tuple[CurvePoint, ...]:
    """The reliability curve over `bins` equal bins of [0, 1]; empty bins are left out. 1.0 is in the last bin."""
    points = []
    for number in range(bins):
        own = [item for item in found if min(int(item.probability * bins), bins - 1) == number]
        if own:
            hits = sum(item.happened for item in own)
            low, high = wilson(hits, len(own))
            points.append(
                CurvePoint(
                    low=number / bins,
                    high=(number + 1) / bins,
                    count=len(own),
                    probability=math.fsum(item.probability for item in own) / len(own),
                    rate=hits / len(own),
                    rate_low=low,
                    rate_high=high,
                )
            )
    return tuple(points)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate; `trials` ≥ 1."""
    rate, square = hits / trials, Z * Z / trials
    centre = (rate + square / 2.0) / (1.0 + square)
    half = Z / (1.0 + square) * math.sqrt(rate * (1.0 - rate) / trials + square / (4.0 * trials))
    return centre - half if hits else 0.0, centre + half if hits < trials else 1.0


def _row(kind: str, name: str, own: Sequence[Forecast]) -> Calibration:
    score, rate = brier(own), sum(item.happened for item in own) / len(own)
    climate = rate * (1.0 - rate)
    return Calibration(
        kind=kind,
        name=name,
        count=len(own),
        hits=sum(item.right for item in own),
        brier=score,
        log_score=log_score(own),
        skill=1.0 - score / climate if climate > 0 else 0.0,
        curve=curve(own),
    )
