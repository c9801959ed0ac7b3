"""pytrends with a transport of our own, so that nothing of it has to be patched.

pytrends 4.9.2 cannot retry (it passes urllib3 an argument that was renamed), cannot be pointed elsewhere (its
addresses are constants), cuts a fixed number of characters off each answer (Google's junk varies), and keeps the
former term's time series when an answer brings none. What it knows of Google's questions and answers is used as it is.
Imports pandas: import this module only when Trends is really asked.
"""

import json
from collections.abc import Mapping
from typing import Any

import requests
from pytrends.request import BASE_TRENDS_URL, TrendReq
from typing_extensions import override

from domain.errors import DataError, FeedDown

MAX_BODY = 5_000_000


class TooManyRequests(FeedDown):
    """Google asks to be left alone; `wait_s` is what it says, 0 where it says nothing."""

    def __init__(self, message: str, *, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class TrendsSession(TrendReq):  # type: ignore[misc]  # pytrends is untyped
    """One visit with one cookie; UTC days. The constructor asks for the cookie, so it can fail like any question."""

    def __init__(self, base_url: str, *, timeout_s: float) -> None:
        self._base = base_url.rstrip("/")
        self._timeout = timeout_s
        self._http = requests.Session()
        self.sent = 0
        super().__init__(hl="en-US", tz=0, timeout=timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, term: str, timeframe: str, geo: str) -> Mapping[str, Any]:
        """Google's time line for one term: its rows as JSON.

        Raises `TooManyRequests`, `FeedDown` for a passing fault, `DataError` for an answer that cannot be trusted.
        """
        self.interest_over_time_widget: dict[str, Any] = {}  # pytrends leaves the former term's here
        try:
            self.build_payload([term], timeframe=timeframe, geo=geo)
            widget = self.interest_over_time_widget
            question = {"req": json.dumps(widget["request"]), "token": widget["token"], "tz": self.tz}
            answer = self._get_data(TrendReq.INTEREST_OVER_TIME_URL, params=question)
        except (KeyError, TypeError) as error:
            raise DataError(f"Google Trends' answer for {term!r} has no time series ({error}).") from error
        return dict(answer)

    @override
    def GetGoogleCookie(self) -> dict[str, str]:
        self._send("get", f"{self._base}/explore/", params={"geo": "US"})
        return {name: value for name, value in self._http.cookies.items() if name == "NID" and value}

    @override
    def _get_data(self, url: str, method: str = "get", trim_chars: int = 0, **question: Any) -> Any:
        answer = self._send(method, url.replace(BASE_TRENDS_URL, self._base), **question)
        body = answer.text
        try:
            return json.loads(body[body.index("{") :])  # junk such as )]}', comes first
        except ValueError as error:
            raise DataError("Google Trends' answer is no whole JSON.") from error

    def _send(self, method: str, url: str, **question: Any) -> requests.Response:
        self.sent += 1
        try:
            answer = self._http.request(method, url, timeout=self._timeout, **question)
        except requests.RequestException as error:
            raise FeedDown(f"Google Trends did not answer: {type(error).__name__}.") from error
        if answer.status_code == 429:
            wait = answer.headers.get("Retry-After", "0")
            wait_s = float(wait) if wait.isdigit() else 0.0
            raise TooManyRequests("Google Trends asks for fewer requests (HTTP 429).", wait_s=wait_s)
        if answer.status_code != 200:
            raise FeedDown(f"Google Trends answered HTTP {answer.status_code}.")
        if len(answer.content) > MAX_BODY:
            raise DataError(f"Google Trends' answer has {len(answer.content):,} bytes; {MAX_BODY:,} are the most read.")
        return answer
