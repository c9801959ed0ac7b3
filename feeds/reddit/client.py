"""Reddit's API through PRAW: one page, one thread, one batch at a time, its faults in the desk's words.

PRAW spaces its requests by the allowance that Reddit's answers state. Left alone it would sleep for up to ten minutes
when the allowance is used up, and it retries passing faults twice by itself.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from domain.errors import DataError, FeedDown
from domain.ports import Clock
from domain.social import Sighting
from feeds.reddit.parse import Kind, account_age_days, author_digest, author_id, read_thing
from feeds.reddit.settings import RedditCredentials, RedditSettings

if TYPE_CHECKING:
    import praw
    from requests import Response, Session

PAGE = 100
RENEWAL_S = 600.0  # Reddit renews an allowance every ten minutes
_KINDS: Mapping[str, Kind] = {"Submission": "t3", "Comment": "t1"}

T = TypeVar("T")


class SourceClosed(FeedDown):
    """Nothing more may be asked of this source for `wait_s` seconds; inf: until someone mends the credentials."""

    def __init__(self, message: str, *, wait_s: float, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.wait_s = wait_s


class NoListing(DataError):
    """There is no such listing, or no right to it."""


class Unreachable(FeedDown):
    """No answer at all: the next question will most likely fare no better."""


@dataclass(frozen=True)
class Page:
    """One page of a listing, as listed. `after` is where the next one begins, None at the end."""

    sightings: tuple[Sighting, ...]
    unreadable: int
    after: str | None


class RedditClient:
    """Asks one thing at a time: PRAW is not safe for threads. Close it with `aclose`."""

    def __init__(self, settings: RedditSettings, credentials: RedditCredentials, clock: Clock) -> None:
        self.settings = settings
        self.requests = 0  # sent so far
        self._credentials = credentials
        self._clock = clock
        self._reddit: praw.Reddit | None = None
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        self._ages: dict[str, float] = {}  # account digest → when it was made, seconds since 1970
        self._renewal_s = 0.0

    async def aclose(self) -> None:
        """Close the connections; a later question opens new ones."""
        if self._session is not None:
            self._session.close()
            self._session = self._reddit = None

    async def page(self, path: str, after: str | None) -> Page:
        """A page of the listing at `path` (e.g. "r/stocks/new"), newest first.

        Raises `NoListing` where there is none or no right to it, `FeedDown` where it is broken now,
        `Unreachable` without an answer, `SourceClosed` when Reddit as a whole is not to be asked any more.
        """

        def ask(reddit: "praw.Reddit") -> Page:
            params: dict[str, str | int] = {"limit": PAGE} | ({"after": after} if after else {})
            listing = reddit.get(path, params=params)
            children = getattr(listing, "children", None)
            if children is None:
                raise FeedDown(f"Reddit's answer for {path} is no listing.")
            sightings = self._sightings(children)
            return Page(sightings, len(children) - len(sightings), listing.after)

        return await self._ask(path, ask)

    async def again(self, names: Sequence[str]) -> tuple[Sighting, ...]:
        """Items by fullname, at most 100, as they stand now. What is not returned does not exist any more."""

        def ask(reddit: "praw.Reddit") -> tuple[Sighting, ...]:
            return self._sightings(reddit.info(fullnames=list(names)))

        return await self._ask(f"{len(names)} items", ask)

    async def thread(self, name: str) -> tuple[Sighting, ...]:
        """Comments of a submission (`t3_…`), folded branches opened as far as the settings allow."""

        def ask(reddit: "praw.Reddit") -> tuple[Sighting, ...]:
            submission = reddit.submission(name.removeprefix("t3_"))
            submission.comment_sort = "new"
            submission.comments.replace_more(limit=self.settings.more_comments)
            return self._sightings(submission.comments.list())

        return await self._ask(f"the comments of {name}", ask)

    async def _ask(self, subject: str, question: "Callable[[praw.Reddit], T]") -> T:
        async with self._turn:
            await self._await_allowance()
            return await asyncio.to_thread(self._asked, subject, question)

    def _asked(self, subject: str, question: "Callable[[praw.Reddit], T]") -> T:
        with translated(subject):
            return question(self._connected())

    async def _await_allowance(self) -> None:
        remaining = self._reddit.auth.limits["remaining"] if self._reddit else None
        if not isinstance(remaining, int) or remaining > self.settings.reserve or not self._renewal_s:
            return
        wait, self._renewal_s = self._renewal_s, 0.0  # after the wait the old figure says nothing any more
        if wait > self.settings.longest_wait_seconds:
            raise SourceClosed(f"Reddit allows {remaining} more requests in the next {wait:.0f} s.", wait_s=wait)
        await asyncio.sleep(wait)

    def _connected(self) -> "praw.Reddit":
        if self._reddit is None:
            import praw
            import requests

            from feeds.reddit.session import TimedRequestor

            self._session = requests.Session()
            self._session.hooks["response"].append(self._note)
            self._reddit = praw.Reddit(
                client_id=self._credentials.client_id.get_secret_value(),
                client_secret=self._credentials.client_secret.get_secret_value(),
                user_agent=self._credentials.user_agent,
                oauth_url=self.settings.oauth_url,
                reddit_url=self.settings.reddit_url,
                check_for_updates=False,
                requestor_class=TimedRequestor,
                requestor_kwargs={"session": self._session, "timeout": self.settings.timeout_seconds},
            )
            self._reddit.read_only = True
        return self._reddit

    def _note(self, answer: "Response", **_: Any) -> None:
        self.requests += 1
        if "x-ratelimit-reset" in answer.headers:
            self._renewal_s = _seconds(answer.headers["x-ratelimit-reset"]) or RENEWAL_S
        if "retry-after" in answer.headers:  # PRAW reads it as a number and falls over a date
            answer.headers["retry-after"] = str(retry_after_s(answer.headers["retry-after"], self._clock.now()))

    def _sightings(self, things: "Any") -> tuple[Sighting, ...]:
        # The fields as they came: asking a PRAW object for one that is missing would send another request.
        seen_at = self._clock.now()
        fields = [(vars(thing), _KINDS.get(type(thing).__name__)) for thing in things]
        read = [(each, read_thing(each, kind, seen_at=seen_at)) for each, kind in fields if kind]
        ages = self._account_ages([each for each, look in read if look and look.post])
        return tuple(_aged(look, each, ages) for each, look in read if look is not None)

    def _account_ages(self, things: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
        """When accounts were made, as far as it can be learned: a failure costs only that."""
        if not self.settings.account_ages:
            return {}
        import prawcore

        unknown = {digest: account for each in things if (account := author_id(each))
                   and (digest := author_digest(each)) not in self._ages and digest}  # fmt: skip
        if unknown:
            if len(self._ages) > 200_000:
                self._ages.clear()
            by_name = {account: digest for digest, account in unknown.items()}
            try:
                for found in self._connected().redditors.partial_redditors(sorted(by_name)):
                    self._ages[by_name[found.fullname]] = found.created_utc
            except (prawcore.PrawcoreException, KeyError, TypeError, ValueError):
                return self._ages
        return self._ages


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Exceptions of PRAW, in the desk's words."""
    import prawcore
    from praw.exceptions import PRAWException

    try:
        yield
    except prawcore.TooManyRequests as error:
        wait = _seconds(error.retry_after)
        raise SourceClosed("Reddit asks for fewer requests (HTTP 429).", wait_s=wait or RENEWAL_S) from error
    except prawcore.OAuthException as error:
        raise _denied(str(error.error)) from error
    except prawcore.RequestException as error:
        fault = type(error.original_exception).__name__
        raise Unreachable(f"Reddit did not answer for {subject}: {fault}.") from error
    except (prawcore.Forbidden, prawcore.NotFound, prawcore.Redirect, prawcore.UnavailableForLegalReasons) as error:
        reason = f"HTTP {error.response.status_code}"
        raise NoListing(
            f"Reddit does not show {subject} ({reason}): private, banned, misspelt, or withheld.",
            remedy="Correct or remove it in social_feeds.yaml.",
        ) from error
    except prawcore.ResponseException as error:
        status = error.response.status_code
        if status == 401:
            raise _denied("HTTP 401") from error
        reason = "an answer that is no whole JSON" if isinstance(error, prawcore.BadJSON) else f"HTTP {status}"
        raise FeedDown(f"Reddit did not serve {subject}: {reason}.") from error
    except (prawcore.PrawcoreException, PRAWException, AssertionError, ValueError, KeyError, TypeError) as error:
        # PRAW asserts and indexes its way through answers.
        raise FeedDown(f"Reddit's answer for {subject} cannot be read ({type(error).__name__}: {error}).") from error


def _denied(reason: str) -> SourceClosed:
    return SourceClosed(
        f"Reddit refuses the credentials ({reason}).",
        wait_s=float("inf"),
        remedy="Check DESK_REDDIT_CLIENT_ID and DESK_REDDIT_CLIENT_SECRET (a script app of reddit.com/prefs/apps).",
    )


def retry_after_s(value: str, now: datetime) -> float:
    """Seconds that a Retry-After asks to wait, given as a number or as a date; 0 where it is neither."""
    try:
        return max((parsedate_to_datetime(value) - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return _seconds(value)


def _aged(look: Sighting, fields: Mapping[str, Any], ages: Mapping[str, float]) -> Sighting:
    digest = author_digest(fields)
    if look.post is None or digest is None or digest not in ages:
        return look
    age = account_age_days(ages[digest], look.published_at)
    return look.model_copy(update={"post": look.post.model_copy(update={"author_age_days": age})})


def _seconds(value: Any) -> float:
    try:
        return max(float(value), 0.0)
    except (TypeError, ValueError):
        return 0.0
