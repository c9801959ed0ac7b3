"""Composition of what is collected of the crowd: which sources, with which credentials, into which store."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from app.mood import desk_sentiment, sentiment_settings
from app.settings import DeskSettings, Environment, load
from domain.errors import ConfigError
from domain.ports import Clock, SentimentModel
from domain.record import Record
from domain.social import SocialSource
from feeds.reddit.settings import RedditCredentials, RedditSettings
from feeds.trends.settings import TrendsSettings
from signals.social.extraction import Listings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from domain.market import Post
    from feeds.collected import History
    from feeds.trends.source import TrendsSource
    from memory.social import PostgresSocialStore

REMEDY = "Create a script app at reddit.com/prefs/apps."
ASIDE = frozenset({"unreadable", "no_interest"})
"""Codes of notes that are said and need no mending: items without a date, terms that hardly anybody searches for."""


class CrowdSettings(Record):
    """The whole of `config/social_feeds.yaml`."""

    every_minutes: float = Field(default=10.0, gt=0)
    post_days: int = Field(default=8, ge=1)
    reddit: RedditSettings = RedditSettings()
    trends: TrendsSettings = TrendsSettings()


@dataclass(frozen=True)
class Crowd:
    """Everything a visit needs. `off` says of each source that is not asked why."""

    settings: CrowdSettings
    store: "PostgresSocialStore"
    sources: tuple[SocialSource, ...]
    off: dict[str, str]


def crowd_settings(environment: Environment) -> CrowdSettings:
    """`social_feeds.yaml`, validated."""
    return load(CrowdSettings, "social_feeds", environment.desk_config)


def crowd_of(environment: Environment, engine: "AsyncEngine", clock: Clock, closing: AsyncExitStack) -> Crowd:
    """The sources that are configured; their connections are closed with `closing`."""
    from memory.social import PostgresSocialStore

    settings, store = crowd_settings(environment), PostgresSocialStore(engine)
    off = sources_off(environment, settings)
    sources: list[SocialSource] = []
    if "reddit" not in off:
        from feeds.reddit.client import RedditClient
        from feeds.reddit.source import RedditSource

        client = RedditClient(settings.reddit, credentials(environment), clock)
        closing.push_async_callback(client.aclose)
        sources.append(RedditSource(client, store, clock, tag=tagging(environment)))
    if "trends" not in off:
        sources.append(trends_source(environment, clock))
    return Crowd(settings, store, tuple(sources), off)


def with_collected(history: "History", environment: Environment, engine: "AsyncEngine", clock: Clock) -> "History":
    """`history` with what was collected, as known at the run's instant. Asks no source."""
    from feeds.collected import with_crowd
    from memory.social import PostgresSocialStore

    settings = crowd_settings(environment)
    interest = trends_source(environment, clock).series if settings.trends.terms else None
    store = PostgresSocialStore(engine)
    return with_crowd(
        history,
        store,
        interest=interest,
        days=settings.post_days,
        tag=partial(read_again, model=desk_sentiment(sentiment_settings(environment))),
    )


def trends_source(environment: Environment, clock: Clock) -> "TrendsSource":
    """Google Trends over the cache under DESK_HOME."""
    from feeds.trends.cache import TrendsCache
    from feeds.trends.source import TrendsSource

    cache = TrendsCache(environment.desk_home / "cache" / "trends")
    return TrendsSource(crowd_settings(environment).trends, cache, clock)


def credentials(environment: Environment) -> RedditCredentials:
    """Reddit's credentials. Raises `ConfigError` naming what is missing."""
    identity, secret = environment.desk_reddit_client_id, environment.desk_reddit_client_secret
    if identity is None or secret is None:
        raise ConfigError(f"{' and '.join(missing(environment))} not set.", remedy=REMEDY)
    agent = {"user_agent": environment.desk_reddit_user_agent} if environment.desk_reddit_user_agent else {}
    return RedditCredentials(client_id=identity, client_secret=secret, **agent)


def missing(environment: Environment) -> tuple[str, ...]:
    """Environment variables that Reddit needs and that are not set."""
    needed = ("DESK_REDDIT_CLIENT_ID", "DESK_REDDIT_CLIENT_SECRET")
    return tuple(name for name in needed if getattr(environment, name.lower()) is None)


def sources_off(environment: Environment, settings: CrowdSettings) -> dict[str, str]:
    """Sources that are not asked, and why."""
    off = {}
    if not settings.reddit.subreddits:
        off["reddit"] = "no subreddits in social_feeds.yaml"
    elif lacking := missing(environment):
        off["reddit"] = f"{' and '.join(lacking)} not set (a script app of reddit.com/prefs/apps has them)"
    if not settings.trends.terms:
        off["trends"] = "no trends.terms in social_feeds.yaml"
    return off


def read_again(posts: "Sequence[Post]", *, model: SentimentModel) -> "list[Post]":
    """Stored posts as a run takes them: cleaned; scored anew only where another model than today's had scored them."""
    from feeds.text import clean, tag_and_score_all

    others = [post for post in posts if post.sentiment_model != model.name]
    scored = {(post.source, post.id): post for post in tag_and_score_all(others, model=model)}
    return [scored.get((post.source, post.id)) or post.model_copy(update={"text": clean(post.text)}) for post in posts]


def tagging(environment: Environment) -> "Callable[[Sequence[Post]], list[Post]]":
    """Adds tickers and sentiment to posts before they are stored; their text stays as it came, to be cleaned when a run
    collects it.
    """
    from feeds.text import tag_and_score_all
    from signals.social.extraction import name_index, tickers_in

    listings = load(Listings, "tickers", environment.desk_config)
    names, watched = name_index(listings), load(DeskSettings, "desk", environment.desk_config).watchlist
    universe = frozenset(listings.listings) | {ticker for named in watched.values() for ticker in named}

    model = desk_sentiment(sentiment_settings(environment))

    def tag(posts: "Sequence[Post]") -> "list[Post]":
        return [
            scored.model_copy(update={"text": post.text, "tickers": tickers_in(scored.text, universe, names)})
            for post, scored in zip(posts, tag_and_score_all(posts, model=model), strict=True)
        ]

    return tag
