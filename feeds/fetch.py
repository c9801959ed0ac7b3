"""One polite GET: spaced out, bounded, retried while the fault is passing, else translated into the desk's errors."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import Field

from domain.errors import DataError, FeedDown
from domain.record import Record

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = 3
_MIB = 1 << 20
_UNPACKED = frozenset({"identity", "gzip", "deflate"})  # others pack a gigabyte into one piece, before it is counted


class FetchSettings(Record):
    """How patient and how polite a client is."""

    timeout_seconds: float = Field(default=10.0, gt=0)  # without a byte
    total_seconds: float = Field(default=60.0, gt=0)  # one whole answer, however slowly it drips
    attempts: int = Field(default=3, ge=1, le=10)
    backoff_seconds: float = Field(default=0.5, ge=0)  # doubled after every failed attempt
    longest_wait_seconds: float = Field(default=20.0, ge=0)  # a longer Retry-After is not waited for
    spacing_seconds: float = Field(default=0.25, ge=0)  # between the starts of two requests
    largest_mib: float = Field(default=64.0, gt=0)  # unpacked; a larger answer is refused
    user_agent: str = "optiondesk"


class Unserved(FeedDown):
    """A request that failed for good: `reason` in a few words, `status` of the last answer (None without one), and the
    seconds after which it wants to be asked again.
    """

    def __init__(self, message: str, *, remedy: str, reason: str, status: int | None, retry_after: float) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class Answer:
    """A successful answer. `status` is 304 where the document is still the one that the asker's validators name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Fault(Exception):
    """What one attempt failed of, in a few words that name no address: an address may hold a key."""

    def __init__(self, words: str, *, passing: bool, status: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(words)
        self.passing = passing
        self.status = status
        self.retry_after = retry_after


class Fetcher:
    """GETs from one host. Close it with `aclose`.

    `secret_headers` go with every request and with none to another host. A redirect is followed on the same host, and
    without secrets also to another one over https.
    """

    def __init__(self, base_url: str, settings: FetchSettings, secret_headers: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._base_url = base_url
        self._secret = dict(secret_headers or {})
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

        Raises `Unserved` (a `FeedDown`) when the source does not answer, refuses, or stays busy after all attempts, and
        `DataError` when it says that `subject` does not exist.
        """
        return (await self.ask(path, subject=subject, params=params)).body

    async def ask(
        self,
        path: str,
        *,
        subject: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """As `get`, with the answer's headers; `headers` may hold validators (If-None-Match, If-Modified-Since)."""
        fault = _Fault("not asked", passing=True)
        for attempt in range(self._settings.attempts):
            if attempt:
                pause = self._settings.backoff_seconds * 2 ** (attempt - 1)
                await asyncio.sleep(max(fault.retry_after, pause))
            try:
                return await self._attempt(path, params, headers)
            except _Fault as found:
                fault = found
            if fault.status == 404:
                raise DataError(f"{self._base_url} knows nothing about {subject}.", remedy="Check the spelling.")
            if not fault.passing or fault.retry_after > self._settings.longest_wait_seconds:
                break
        raise Unserved(
            f"{self._base_url} did not serve {subject}: {fault}.",
            remedy="Try again later, or run on the recorded or simulated feed.",
            reason=str(fault),
            status=fault.status,
            retry_after=fault.retry_after,
        )

    async def _attempt(self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None) -> Answer:
        await self._my_turn()
        try:
            async with asyncio.timeout(self._settings.total_seconds):
                return await self._send(path, params, headers)
        except TimeoutError as error:
            raise _Fault(f"no whole answer within {self._settings.total_seconds:g} s", passing=True) from error
        except httpx.TimeoutException as error:
            raise _Fault(f"no answer within {self._settings.timeout_seconds:g} s", passing=True) from error
        except httpx.RequestError as error:
            raise _Fault(f"{type(error).__name__}: {error}", passing=True) from error

    async def _my_turn(self) -> None:
        async with self._turn:
            pause = self._next_start - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            self._next_start = time.monotonic() + self._settings.spacing_seconds

    async def _send(self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None) -> Answer:
        if self._http is None:
            ours = {"User-Agent": self._settings.user_agent, "Accept-Encoding": "gzip, deflate"}
            options: dict[str, Any] = {"headers": {**ours, **self._secret}}
            self._http = httpx.AsyncClient(base_url=self._base_url, timeout=self._settings.timeout_seconds, **options)
        request = self._http.build_request("GET", path, params=params, headers=headers)
        origin = request.url
        for _ in range(1 + _REDIRECTS):
            answer = await self._http.send(request, stream=True)
            try:
                if answer.next_request is None:
                    return await self._read(answer)
            finally:
                await answer.aclose()
            request = answer.next_request
            if not self._may_follow(origin, request.url):
                raise _Fault(f"redirected to {request.url.scheme}://{request.url.host}, not followed", passing=False)
        raise _Fault(f"more than {_REDIRECTS} redirects", passing=False)

    def _may_follow(self, origin: httpx.URL, target: httpx.URL) -> bool:
        safer = target.scheme == "https"
        if target.host == origin.host:
            return safer or (target.scheme, target.port) == (origin.scheme, origin.port)
        return safer and not self._secret

    async def _read(self, answer: httpx.Response) -> Answer:
        status = answer.status_code
        if not answer.is_success and status != 304:
            raise _Fault(
                f"HTTP {status}", passing=status in _PASSING, status=status, retry_after=_retry_after(answer.headers)
            )
        if (packed := answer.headers.get("Content-Encoding", "identity").lower()) not in _UNPACKED:
            raise _Fault(f"packed as {packed[:40]!r}, which it was not asked for", passing=False)
        body, most = bytearray(), self._settings.largest_mib * _MIB
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > most:
                raise _Fault(f"an answer of more than {self._settings.largest_mib:g} MiB", passing=False)
        return Answer(status=status, headers=answer.headers, body=bytes(body))


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the answer asks to wait; 0 where it says nothing or gives a date."""
    try:
        return max(float(headers.get("Retry-After", "0")), 0.0)
    except ValueError:
        return 0.0
