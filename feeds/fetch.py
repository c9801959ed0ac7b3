"""One polite GET: spaced out, retried when the fault is passing, translated into the desk's errors when it is not."""

import asyncio
import time
from typing import Any

import httpx
from pydantic import Field

from domain.errors import DataError, FeedDown
from domain.record import Record

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class FetchSettings(Record):
    """How patient and how polite a client is."""

    timeout_seconds: float = Field(default=10.0, gt=0)
    attempts: int = Field(default=3, ge=1, le=10)
    backoff_seconds: float = Field(default=0.5, ge=0)  # doubled after every failed attempt
    longest_wait_seconds: float = Field(default=20.0, ge=0)  # a longer Retry-After is not waited for
    spacing_seconds: float = Field(default=0.25, ge=0)  # between the starts of two requests
    user_agent: str = "optiondesk"


class Fetcher:
    """GETs from one host. Close it with `aclose`."""

    def __init__(self, base_url: str, settings: FetchSettings) -> None:
        self._settings = settings
        self._base_url = base_url
        self._http: httpx.AsyncClient | None = None
        self._turn = asyncio.Lock()
        self._next_start = 0.0

    async def aclose(self) -> None:
        """Close the connections; a later `get` opens new ones."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def get(self, path: str, *, subject: str, params: dict[str, str] | None = None) -> bytes:
        """The body of a successful answer.

        Raises `FeedDown` when the source does not answer, refuses, or stays busy after all attempts, and `DataError`
        when it says that `subject` does not exist.
        """
        fault, wait = "", 0.0
        for attempt in range(self._settings.attempts):
            if attempt:
                await asyncio.sleep(max(wait, self._settings.backoff_seconds * 2 ** (attempt - 1)))
            try:
                answer = await self._send(path, params)
            except httpx.TimeoutException:
                fault, wait = f"no answer within {self._settings.timeout_seconds:g} s", 0.0
                continue
            except httpx.TransportError as error:
                fault, wait = f"{type(error).__name__}: {error}", 0.0
                continue
            if answer.is_success:
                return answer.content
            if answer.status_code == 404:
                raise DataError(f"{self._base_url} knows nothing about {subject}.", remedy="Check the spelling.")
            fault, wait = f"HTTP {answer.status_code}", _retry_after(answer)
            if answer.status_code not in _PASSING or wait > self._settings.longest_wait_seconds:
                break
        raise FeedDown(
            f"{self._base_url} did not serve {subject}: {fault}.",
            remedy="Try again later, or run on the recorded or simulated feed.",
        )

    async def _send(self, path: str, params: dict[str, str] | None) -> httpx.Response:
        async with self._turn:
            pause = self._next_start - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            self._next_start = time.monotonic() + self._settings.spacing_seconds
        if self._http is None:
            options: dict[str, Any] = {"headers": {"User-Agent": self._settings.user_agent}, "follow_redirects": True}
            self._http = httpx.AsyncClient(base_url=self._base_url, timeout=self._settings.timeout_seconds, **options)
        return await self._http.get(path, params=params)


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the answer asks to wait; 0 where it says nothing or gives a date."""
    try:
        return max(float(answer.headers.get("Retry-After", "0")), 0.0)
    except ValueError:
        return 0.0
