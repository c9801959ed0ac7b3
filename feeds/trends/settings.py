"""What is asked of Google Trends, and how rarely."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.record import Record

Term = Annotated[str, Field(min_length=1, max_length=100)]
HOURLY_UP_TO = 8  # days: windows this short are answered by the hour
DAILY_UP_TO = 269  # days: longer windows are answered by the week


class TrendsSettings(Record):
    """The section `trends` of `config/social_feeds.yaml`. Google answers at 0 to 100 of the window's own peak."""

    terms: Mapping[str, tuple[Term, ...]] = {}  # ticker → what people type who are interested in it
    geo: Annotated[str, Field(pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?)?$")] = ""  # "" world, "US"
    history_days: int = Field(default=400, ge=60)
    window_days: int = Field(default=240, gt=HOURLY_UP_TO, le=DAILY_UP_TO)
    overlap_days: int = Field(default=60, gt=HOURLY_UP_TO)
    refresh_hours: float = Field(default=12.0, gt=0)  # of the window that is still growing
    requests_a_visit: int = Field(default=12, ge=1)  # windows fetched; each takes two requests
    spacing_seconds: float = Field(default=2.0, ge=0)
    attempts: int = Field(default=2, ge=1, le=5)  # for passing faults; never for "too many requests"
    backoff_seconds: float = Field(default=2.0, ge=0)  # doubled after every failed attempt
    pause_minutes: float = Field(default=10.0, gt=0)  # after the first "too many requests", doubled after each further
    longest_pause_minutes: float = Field(default=720.0, gt=0)
    timeout_seconds: float = Field(default=15.0, gt=0)
    base_url: str = "https://trends.google.com/trends"

    @model_validator(mode="after")
    def _overlapping(self) -> Self:
        if self.overlap_days * 2 > self.window_days:
            raise ValueError("overlap_days may be at most half of window_days")
        return self
