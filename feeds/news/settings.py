"""`config/news.yaml`: whom to ask for headlines, how often, and how patient to be."""

from typing import Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from domain.record import Record
from feeds.fetch import FetchSettings

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _require_safe(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"{address!r} must begin with https:// (http:// only on this machine)")
    return address


class VendorSettings(Record):
    """One news service. It is asked only where its key is in the environment."""

    base_url: str
    enabled: bool = True
    cache_minutes: float = Field(default=5.0, ge=0)  # a ticker asked about more recently is not asked about again
    overlap_minutes: float = Field(default=120.0, ge=0)  # asked again each time: items appear late
    page_size: int = Field(default=50, ge=1, le=1000)
    pages: int = Field(default=5, ge=1, le=100)  # of one answer

    @field_validator("base_url")
    @classmethod
    def _safe(cls, value: str) -> str:
        return _require_safe(value)


class FeedSettings(Record):
    """One RSS or Atom feed. `{ticker}` in its address: asked once a ticker, whose items are then about it."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9-]{0,31}")
    url: str
    cache_minutes: float = Field(default=10.0, ge=0)
    time_zone: str | None = None  # of dates that name none; without it such items are left out

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str) -> str:
        return _require_safe(value)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{value!r} is no time zone; write e.g. America/New_York") from error
        return value


class NewsSettings(Record):
    """Everything in the file."""

    every_minutes: float = Field(default=10.0, gt=0)  # between two rounds of a serving desk
    lookback_hours: float = Field(default=72.0, gt=0)  # how far back a picture's headlines reach
    keep_days: float = Field(default=30.0, gt=0)  # in the cache
    failures: int = Field(default=3, ge=1)  # in a row, until a provider is left alone
    rest_minutes: float = Field(default=15.0, gt=0)  # how long it is left alone
    denied_minutes: float = Field(default=60.0, gt=0)  # the same after a refused key
    provider_seconds: float = Field(default=20.0, gt=0)  # one provider's whole turn
    fetch: FetchSettings = FetchSettings()
    finnhub: VendorSettings
    alpaca: VendorSettings
    benzinga: VendorSettings
    newsapi: VendorSettings
    gnews: VendorSettings
    feeds: tuple[FeedSettings, ...] = ()

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        names = [feed.name for feed in self.feeds]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"feeds: {', '.join(twice)} is there twice")
        return self
