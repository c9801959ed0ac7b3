"""In which mood a ticker is talked about: the mean of scored texts, and the balance of those that have an opinion."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.market import Headline, Post
from signals.social.influence import InfluenceSettings, held_back

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Mood:
    """Moods of scored texts, weighted by engagement, each shrunk towards 0 when its texts are few. Both in [−1, 1].

    `mean` is the mean sentiment. `tone` is (bullish − bearish) / (bullish + bearish) over texts with an opinion, the
    bullishness of Antweiler & Frank (2004): most posts of a forum hold none, and would dilute any mean.
    """

    mean: float
    tone: float
    texts: int
    opinions: int
    evidence: tuple[str, ...]  # ids of the weightiest, heaviest first


def mood(
    items: Sequence[Post] | Sequence[Headline],
    *,
    shrink_texts: float,
    opinion_from: float = 0.15,
    cite: int = 10,
    influence: InfluenceSettings | None = None,
) -> Mood:
    """Mood of the scored items. Unscored ones are left out, not read as neutral; |sentiment| < `opinion_from` is none.
    `influence` bounds what one author and one channel may weigh.
    """
    scored = sorted(
        ((engagement(item), item.id, item.sentiment, item) for item in items if item.sentiment is not None),
        key=lambda row: (-row[0], row[1]),
    )
    mean = _mean([row[3] for row in scored], [row[2] for row in scored], influence)
    voices = [(row[3], math.copysign(1.0, row[2])) for row in scored if abs(row[2]) >= opinion_from]
    tone = _mean([item for item, _ in voices], [side for _, side in voices], influence)
    return Mood(
        mean=mean * len(scored) / (len(scored) + shrink_texts),
        tone=tone * len(voices) / (len(voices) + shrink_texts),
        texts=len(scored),
        opinions=len(voices),
        evidence=tuple(row[1] for row in scored[:cite]),
    )


def _mean(items: Sequence[Post | Headline], values: Sequence[float], influence: InfluenceSettings | None) -> float:
    """Mean of `values` by engagement, no voice above its share; 0 of nothing."""
    if not items:
        return 0.0
    sizes = [engagement(item) for item in items]
    total = math.fsum(sizes)
    if influence is not None:
        sizes, total = held_back(items, sizes, influence)
    return math.fsum(size * value for size, value in zip(sizes, values, strict=True)) / total


def engagement(item: Post | Headline) -> float:
    """Weight of a text: 1 + ln(1 + score) + ln(1 + comments), so that a thousand upvotes are not a thousand votes."""
    if isinstance(item, Headline):
        return 1.0
    return 1.0 + math.log1p(max(item.score or 0, 0)) + math.log1p(max(item.comments or 0, 0))


def placed_at(item: Post | Headline) -> datetime:
    """The instant an item is counted at: its publication; where its source tells only the day (known a full day after
    a stamp on the hour), the instant it became known, for then a whole day's items arrive at once.
    """
    by_day = item.known_at - item.published_at == A_DAY and item.published_at.minute == item.published_at.second == 0
    return item.known_at if by_day else item.published_at
