"""How memories fade, and how some do not: three layers, promotion by what proved useful. Pure functions of instants.

After FinMem (Yu et al. 2023, "FinMem: a performance-enhanced LLM trading agent with layered memory"): a score of
similarity × recency × importance, with recency = exp(−age / S) and S of 14, 90 and 365 days for short, mid and long.
Unlike there nothing is written when time passes: layer, age and importance at an instant are a fold over what was known
before it, so that a look back sees what a look then would have seen.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.debate import Layer

STABILITY_DAYS: Mapping[Layer, float] = {"short": 14.0, "mid": 90.0, "long": 365.0}
ENTRY: tuple[tuple[float, Layer], ...] = ((0.85, "long"), (0.65, "mid"), (0.0, "short"))
"""Importance from which a memory belongs to a layer: 0.65 is a surprise of half a standard deviation, 0.85 one of 1.7
(see `portfolio.reflection.importance`)."""
USEFUL_STEP = 0.05
"""Importance gained by a memory that was cited for what then came about, lost by one cited for what did not."""
LEAST, MOST = 0.25, 1.0
DAY = timedelta(days=1)
DEPTH: Mapping[Layer, int] = {"short": 0, "mid": 1, "long": 2}


class Feedback(NamedTuple):
    """What a trade told about a memory that was cited for it."""

    known_at: datetime
    by: str  # id of the citing situation: breaks ties
    useful: bool


class Standing(NamedTuple):
    """A memory at an instant. `since` is its birth or its last promotion: age counts from there."""

    layer: Layer
    importance: float
    since: datetime
    recency: float


def standing(importance: float, known_at: datetime, feedback: Iterable[Feedback], *, as_of: datetime) -> Standing:
    """Fold what was known strictly before `as_of`. Promotion begins the age anew; demotion does not."""
    layer, since = layer_of(importance), known_at
    for told in sorted(one for one in feedback if one.known_at < as_of):
        importance = min(max(importance + (USEFUL_STEP if told.useful else -USEFUL_STEP), LEAST), MOST)
        new = layer_of(importance)
        if DEPTH[new] > DEPTH[layer]:
            since = told.known_at
        layer = new
    days = (as_of - since) / DAY
    return Standing(layer, importance, since, math.exp(-days / STABILITY_DAYS[layer]))


def layer_of(importance: float) -> Layer:
    """The deepest layer that takes it."""
    importance = round(importance, 9)  # sums of steps, not their last bits
    for least, layer in ENTRY[:-1]:
        if importance >= least:
            return layer
    return ENTRY[-1][1]
