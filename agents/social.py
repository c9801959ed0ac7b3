"""The social analyst: mention velocity, the crowd's mood, the news' mood.

Convictions. `mention_velocity` speaks when velocity, z-score and count all pass their thresholds, and rises with the
z-score. With a mood beyond `strong_sentiment` it takes the mood's side ("velocity > 3 and sentiment > 0.3 = strong
bullish"); without one attention alone leans bullish, since retail attention buys (Barber & Odean 2008; Da, Engelberg &
Gao 2011), at most at `attention_cap`. The moods speak with the size of their shrunk mean. A burst of few authors is
discounted by their share. Texts were scored when collected; none is read here.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from agents.contract import AnalystContext
from domain.market import Headline, Post, mentions
from domain.signals import Abstention, Direction, MetaValue, Signal
from domain.snapshot import MarketSnapshot
from signals.claim import abstain, claim, lean, ramp
from signals.history import Refusal, recent_series
from signals.settings import SignalSettings, SocialSettings
from signals.social import Mood, Velocity, author_share, daily_velocity, distinct, hourly_velocity, mood

NAME = "social"


class Social:
    """Reads posts, headlines and mention counts; each measure that has no data abstains by itself."""

    name = NAME

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Signal | Abstention]:
        """See `agents.contract.Analyst`."""
        settings = context.settings
        posts = distinct([p for p in snapshot.market.posts_about(ticker) if p.known_at <= snapshot.as_of])
        headlines = [h for h in snapshot.market.headlines if ticker in h.tickers and h.known_at <= snapshot.as_of]
        recent_posts = _last(posts, snapshot, settings.social.sentiment_hours)
        recent_news = _last(headlines, snapshot, settings.social.news_hours)
        crowd = mood(recent_posts, shrink_texts=settings.social.shrink_texts)
        news = mood(recent_news, shrink_texts=settings.social.shrink_texts)
        return [
            _mention_velocity(snapshot, ticker, posts, crowd, settings),
            _mood_claim(snapshot, ticker, "crowd_sentiment", "posts", crowd, _models(recent_posts), settings),
            _mood_claim(snapshot, ticker, "news_sentiment", "headlines", news, _models(recent_news), settings),
        ]


def _mention_velocity(
    snapshot: MarketSnapshot, ticker: str, posts: Sequence[Post], crowd: Mood, settings: SignalSettings
) -> Signal | Abstention:
    chosen = settings.social
    measured, evidence = _measure(snapshot, ticker, posts, chosen)
    if isinstance(measured, Refusal):
        return abstain(NAME, ticker, measured, measure="mention velocity")
    voices = author_share(_last(posts, snapshot, chosen.sentiment_hours))
    side, conviction = _spike(measured, crowd, chosen)
    few = voices is not None and voices < chosen.min_author_share
    figures: dict[str, MetaValue] = {
        "mentions": measured.observed,
        "mentions_expected": measured.expected,
        "mentions_unit": measured.unit,
        "velocity_ratio": measured.velocity,
        "z_score": measured.z_score,
        "sentiment_mean": crowd.mean if crowd.texts >= chosen.min_texts else None,
        "sentiment_texts": crowd.texts,
        "author_share": voices,
        "burst_of_few": few,
    }
    return claim(
        NAME,
        ticker,
        "mention_velocity",
        side,
        conviction * (voices if few and voices is not None else 1.0),
        as_of=snapshot.as_of,
        evidence=evidence,
        figures=figures,
        settings=settings,
    )


def _measure(
    snapshot: MarketSnapshot, ticker: str, posts: Sequence[Post], settings: SocialSettings
) -> tuple[Velocity | Refusal, tuple[str, ...]]:
    """By the hour from posts that reach back far enough, else by the day from the ticker's mention series."""
    by_hour: Velocity | Refusal = Refusal("no_posts", "the snapshot has no posts at all")
    since = snapshot.market.first_post_at
    if since is not None:
        by_hour = hourly_velocity(
            posts,
            snapshot.as_of,
            since=since,
            baseline_days=settings.baseline_days,
            window_hours=settings.window_hours,
        )
        if isinstance(by_hour, Velocity):
            window = [p for p in posts if p.published_at > snapshot.as_of - timedelta(hours=settings.window_hours)]
            return by_hour, tuple(f"post:{post.id}" for post in window[:10])
    name = mentions(ticker)
    series = recent_series(
        snapshot.market.series.get(name),
        name,
        snapshot.as_of,
        max_gap_days=10_000,  # a day without mentions is absent from such a series: a hole is silence
        max_age_days=settings.max_age_days,
    )
    if isinstance(series, Refusal):
        return (by_hour if series.code == "no_history" else series), ()
    return daily_velocity(series, baseline_days=settings.baseline_days), (f"series:{name}",)


def _spike(measured: Velocity, crowd: Mood, settings: SocialSettings) -> tuple[Direction, float]:
    burst = (
        measured.velocity > settings.velocity_spike
        and measured.z_score > settings.z_spike
        and measured.observed >= settings.min_mentions
    )
    if not burst:
        return Direction.NEUTRAL, 0.0
    conviction = ramp(measured.z_score, start=settings.z_spike, full=settings.z_full)
    if crowd.texts >= settings.min_texts and abs(crowd.mean) > settings.strong_sentiment:
        return lean(crowd.mean), conviction
    return Direction.BULLISH, conviction * settings.attention_cap


def _mood_claim(
    snapshot: MarketSnapshot,
    ticker: str,
    edge: str,
    kind: str,
    found: Mood,
    models: str,
    settings: SignalSettings,
) -> Signal | Abstention:
    chosen = settings.social
    if found.texts < chosen.min_texts:
        numbers = {"texts": float(found.texts), "texts_needed": float(chosen.min_texts)}
        detail = f"{found.texts} scored {kind} on {ticker}, {chosen.min_texts} needed"
        return abstain(NAME, ticker, Refusal("too_few_texts", detail, numbers), measure=edge.replace("_", " "))
    figures: dict[str, MetaValue] = {
        "sentiment_mean": found.mean,
        "sentiment_texts": found.texts,
        "sentiment_model": models,
    }
    prefix = "post" if kind == "posts" else "headline"
    return claim(
        NAME,
        ticker,
        edge,
        lean(found.mean, speaks_from=chosen.speaks_from),
        abs(found.mean),
        as_of=snapshot.as_of,
        evidence=[f"{prefix}:{item}" for item in found.evidence],
        figures=figures,
        settings=settings,
    )


_Item = TypeVar("_Item", Post, Headline)


def _last(items: Sequence[_Item], snapshot: MarketSnapshot, hours: int) -> list[_Item]:
    start = snapshot.as_of - timedelta(hours=hours)
    return [item for item in items if start < item.published_at <= snapshot.as_of]


def _models(items: Sequence[Post] | Sequence[Headline]) -> str:
    return ", ".join(sorted({item.sentiment_model for item in items if item.sentiment_model}))
