"""Composition of the news: which services are asked, with which keys, through which cache."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from app.settings import Environment, load
from domain.ports import Clock

if TYPE_CHECKING:
    from pydantic import SecretStr

    from feeds.news.join import History, Reading
    from feeds.news.settings import NewsSettings
    from feeds.news.vendor import Vendor
    from feeds.news.wire import NewsWire
    from signals.social.extraction import Listings

KEYS = {
    "alpaca": ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"),
    "benzinga": ("BENZINGA_API_KEY",),
    "finnhub": ("FINNHUB_API_KEY",),
    "gnews": ("GNEWS_API_KEY",),
    "newsapi": ("NEWSAPI_API_KEY",),
}
"""Service → environment variables (or secret files) that it needs."""


def news_settings(environment: Environment) -> "NewsSettings":
    """`news.yaml`, validated."""
    from feeds.news.settings import NewsSettings

    return load(NewsSettings, "news", environment.desk_config)


def listings(environment: Environment) -> "Listings":
    """`tickers.yaml`, validated: what companies are called."""
    from signals.social.extraction import Listings

    return load(Listings, "tickers", environment.desk_config)


def reading(environment: Environment) -> "Reading":
    """How titles are read: by the names of `tickers.yaml` and the desk's sentiment model."""
    from app.mood import desk_sentiment, sentiment_settings
    from feeds.news.join import Reading
    from signals.social.extraction import name_index

    return Reading(names=name_index(listings(environment)), model=desk_sentiment(sentiment_settings(environment)))


def with_headlines(history: "History", environment: Environment, clock: Clock, closing: AsyncExitStack) -> "History":
    """`history` with the headlines of everything that is configured."""
    from feeds.news.join import with_news

    return with_news(history, news_wire(environment, clock, closing), reading(environment))


def news_wire(environment: Environment, clock: Clock, closing: AsyncExitStack) -> "NewsWire":
    """The wire over everything that is configured; its connections are closed with `closing`."""
    from feeds.news.store import NewsStore
    from feeds.news.wire import NewsWire

    settings = news_settings(environment)
    store = NewsStore(environment.desk_home / "cache" / "news.sqlite")
    wire = NewsWire(vendors(environment, settings), store, settings, clock)
    closing.push_async_callback(wire.aclose)
    return wire


def vendors(environment: Environment, settings: "NewsSettings") -> "tuple[Vendor, ...]":
    """Every service that is enabled and has its key, and every feed."""
    from feeds.news.alpaca import Alpaca
    from feeds.news.benzinga import Benzinga
    from feeds.news.finnhub import Finnhub
    from feeds.news.rss import Rss
    from feeds.news.search import GNews, NewsApi

    off = services_off(environment, settings)
    keys = {name: [_key(environment, variable) for variable in KEYS[name]] for name in KEYS if name not in off}
    called = {
        ticker: (*known.names, *known.words, *known.brands) for ticker, known in listings(environment).listings.items()
    }
    found: list[Vendor] = [Rss(feed) for feed in settings.feeds]
    if key := keys.get("alpaca"):
        found.append(Alpaca(settings.alpaca, *key))
    if key := keys.get("benzinga"):
        found.append(Benzinga(settings.benzinga, *key))
    if key := keys.get("finnhub"):
        found.append(Finnhub(settings.finnhub, *key))
    if key := keys.get("gnews"):
        found.append(GNews(settings.gnews, key[0], called))
    if key := keys.get("newsapi"):
        found.append(NewsApi(settings.newsapi, key[0], called))
    return tuple(found)


def services_off(environment: Environment, settings: "NewsSettings") -> dict[str, str]:
    """Services that are not asked, and why."""
    off = {name: f"{' and '.join(missing)} not set" for name, missing in missing_keys(environment).items()}
    return off | {name: "switched off in news.yaml" for name in KEYS if not getattr(settings, name).enabled}


def missing_keys(environment: Environment) -> dict[str, tuple[str, ...]]:
    """Services that cannot be asked → the variables that are not set."""
    missing = {name: tuple(key for key in keys if not _key(environment, key)) for name, keys in KEYS.items()}
    return {name: keys for name, keys in missing.items() if keys}


def _key(environment: Environment, variable: str) -> str:
    secret: SecretStr | None = getattr(environment, variable.lower())
    return secret.get_secret_value().strip() if secret is not None else ""
