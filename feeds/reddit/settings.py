"""What is read of Reddit, and how politely."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from domain.record import Record

Subreddit = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{2,21}$")]


class RedditCredentials(Record):
    """A script application of reddit.com/prefs/apps; never logged, never in a run's record."""

    client_id: SecretStr
    client_secret: SecretStr
    user_agent: str = Field(default="linux:optiondesk:0.1 (reads listings)", min_length=7)


class RedditSettings(Record):
    """The section `reddit` of `config/social_feeds.yaml`. Reddit lists at most 1,000 items of anything, 100 a page."""

    subreddits: tuple[Subreddit, ...] = ()
    comments: bool = True  # also the newest comments of each
    first_hours: int = Field(default=24, ge=1)  # how far back the first visit reads
    overlap_minutes: int = Field(default=10, ge=0)  # read again at each visit: the spam filter releases late
    max_pages: int = Field(default=10, ge=1, le=10)  # of each listing a visit
    recheck_hours: tuple[float, ...] = (1.0, 6.0, 24.0)  # ages at which items are looked at again
    rechecks: int = Field(default=500, ge=0)  # items looked at again in one visit, 100 a request
    account_ages: bool = True  # of authors seen for the first time, 100 a request
    mended_threads: int = Field(default=2, ge=0)  # read in full where a comment listing has a hole
    more_comments: int = Field(default=8, ge=0)  # folded branches opened in each of them, one request each
    reserve: int = Field(default=10, ge=0)  # requests of the allowance that are left for others
    longest_wait_seconds: float = Field(default=30.0, ge=0)  # for an allowance to be renewed; longer: later
    timeout_seconds: float = Field(default=16.0, gt=0)
    oauth_url: str = "https://oauth.reddit.com"
    reddit_url: str = "https://www.reddit.com"

    @field_validator("subreddits")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lowered = [name.lower() for name in value]
        if len(set(lowered)) != len(lowered):
            raise ValueError("a subreddit is named twice (case does not matter)")
        return tuple(lowered)
