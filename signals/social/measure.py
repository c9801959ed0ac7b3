"""What a snapshot tells about one ticker's talk: its velocity by the hour or day, and the tone that counts bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from domain.market import FORUM, MarketData, Post, Series, hourly_mentions, hourly_tone, mentions, search_interest
from domain.units import Floats
from signals.history import Refusal, recent_series
from signals.social.mood import placed_at
from signals.social.settings import SocialSettings
from signals.social.velocity import Velocity, daily_velocity, hourly_velocity, hours_back, series_back

MIN_SEARCH_DAYS = 14


@dataclass(frozen=True, slots=True)
class Talk:
    """Velocities of one ticker, one for each window that could be measured, and where the counts came from. `tone` and
    `texts` are set where the counts bring their own mood.
    """

    velocities: tuple[Velocity, ...]
    evidence: tuple[str, ...]
    tone: float | None = None
    texts: int = 0


def talk(market: MarketData, ticker: str, posts: Sequence[Post], settings: SocialSettings) -> Talk | Refusal:
    """Measure from stored hourly counts, else from the posts themselves (distinct ones, known at `market.as_of`), else
    from daily counts; refuses with the reason of the posts when nothing reaches back far enough.
    """
    stored = market.series.get(hourly_mentions(ticker))
    forum = market.series.get(hourly_mentions(FORUM))
    if stored is not None and forum is not None:
        return _from_counts(market, ticker, stored, forum, settings)
    by_post = _from_posts(market, ticker, posts, settings)
    if isinstance(by_post, Talk):
        return by_post
    name, chosen = mentions(ticker), settings.spike
    series = recent_series(
        market.series.get(name),
        name,
        market.as_of,
        max_gap_days=10_000,  # a day without mentions is absent from such a series: a hole is silence
        max_age_days=chosen.max_age_days,
    )
    if isinstance(series, Refusal):
        return by_post if series.code == "no_history" else series
    others = [
        known
        for key, other in sorted(market.series.items())
        if key.startswith(mentions("")) and not key.startswith(hourly_mentions("")) and key != name
        if len(known := other.known_by(market.as_of))
    ]
    found = daily_velocity(series, others, baseline_days=chosen.baseline_days, tide_prior=chosen.tide_prior)
    return found if isinstance(found, Refusal) else Talk((found,), (f"series:{name}",))


def searched_for(market: MarketData, ticker: str, settings: SocialSettings) -> bool:
    """Whether search interest, on its last known day, lies `trends_sigma` deviations above the mean of the 30 days
    before (a deviation of less than one point of 100 is read as one). False where it is unknown, stale or short.
    """
    name = search_interest(ticker)
    interest = recent_series(
        market.series.get(name), name, market.as_of, max_gap_days=10, max_age_days=settings.spike.max_age_days
    )
    if isinstance(interest, Refusal):
        return False
    before = interest.value[(interest.day >= interest.day[-1] - 30) & (interest.day < interest.day[-1])]
    if len(before) < MIN_SEARCH_DAYS:
        return False
    usual, deviation = float(before.mean()), max(float(before.std(ddof=1)), 1.0)
    return bool(interest.value[-1] > usual + settings.trends_sigma * deviation)


def _from_counts(
    market: MarketData, ticker: str, stored: Series, forum: Series, settings: SocialSettings
) -> Talk | Refusal:
    reach = _reach(settings)
    own = series_back(stored.known_by(market.as_of), market.as_of, reach)
    everyone = series_back(forum.known_by(market.as_of), market.as_of, reach)
    own = np.where(np.isfinite(everyone), own, np.nan)
    found = _windows(own, everyone - own, settings)
    if isinstance(found, Refusal):
        return found
    name = hourly_tone(ticker)
    moods = market.series.get(name)
    evidence = [f"series:{stored.name}", f"series:{forum.name}"]
    if moods is None:
        return Talk(found, tuple(evidence))
    tones = series_back(moods.known_by(market.as_of), market.as_of, settings.sentiment_hours)
    weights = np.where(np.isfinite(tones), np.nan_to_num(own[: len(tones)]), 0.0)
    texts = float(weights.sum())
    tone = float(np.sum(np.nan_to_num(tones) * weights)) / texts if texts else 0.0
    shrunk = tone * texts / (texts + settings.shrink_texts)
    return Talk(found, (*evidence, f"series:{name}"), tone=shrunk, texts=round(texts))


def _from_posts(market: MarketData, ticker: str, posts: Sequence[Post], settings: SocialSettings) -> Talk | Refusal:
    reach, as_of = _reach(settings), market.as_of
    if market.first_post_at is None:
        return Refusal("no_posts", "the snapshot has no posts at all")
    own = hours_back([placed_at(post) for post in posts], as_of, reach)
    known = [post for post in market.posts if post.known_at <= as_of and ticker not in post.tickers]
    others = hours_back([placed_at(post) for post in known], as_of, reach)
    since = min((placed_at(post) for post in market.posts), default=as_of)
    unseen = int(max((as_of - since).total_seconds(), 0) // 3600) + 1
    own[unseen:] = np.nan
    found = _windows(own, others, settings)
    if isinstance(found, Refusal):
        days = (as_of - since).total_seconds() / 86_400
        numbers = {"days": days, "days_needed": settings.spike.baseline_days * settings.spike.min_known_share}
        return Refusal("short_history", f"posts reach back {days:.1f} days", numbers)
    start = as_of - timedelta(hours=max(settings.spike.windows_hours))
    recent = [post for post in posts if placed_at(post) > start]
    return Talk(found, tuple(f"post:{post.id}" for post in recent[-10:]))


def _windows(own: Floats, others: Floats, settings: SocialSettings) -> tuple[Velocity, ...] | Refusal:
    chosen = settings.spike
    found = [
        hourly_velocity(
            own,
            others,
            window_hours=hours,
            baseline_days=chosen.baseline_days,
            tide_prior=chosen.tide_prior,
            min_known_share=chosen.min_known_share,
        )
        for hours in chosen.windows_hours
    ]
    measured = tuple(one for one in found if isinstance(one, Velocity))
    refusals = [one for one in found if isinstance(one, Refusal)]
    return measured or refusals[-1]


def _reach(settings: SocialSettings) -> int:
    return max(settings.spike.windows_hours) + 24 * settings.spike.baseline_days
