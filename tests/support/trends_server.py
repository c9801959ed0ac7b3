"""A local stand-in for Google Trends: cookie, widgets, and time lines scaled to the peak of the window asked for."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback import served

Answer = tuple[int, bytes, dict[str, str]]
JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass
class TrendsServer:
    """`searches` says how much a term was searched for on a day; `today` is still running."""

    base_url: str = ""
    today: date = date(2026, 11, 20)
    searches: dict[str, Callable[[date], float]] = field(default_factory=dict)
    faults: dict[str, list[Answer]] = field(default_factory=dict)  # by the last part of the path, used up in order
    without_series: set[str] = field(default_factory=set)  # terms whose answer has no TIMESERIES widget
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # path, term and window, cookie

    def asked(self, part: str) -> list[str]:
        return [subject for path, subject, _ in self.requests if path.endswith(part)]


def junk(document: Any, characters: int) -> bytes:
    return (")]}',\n"[:characters] + json.dumps(document)).encode()


def time_line(site: TrendsServer, term: str, window: str) -> list[dict[str, Any]]:
    """Whole numbers, 100 at the window's own peak; the running day is partial."""
    first, last = (date.fromisoformat(part) for part in window.split())
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    raw = [site.searches[term](day) for day in days]
    peak = max(raw)
    if not peak:
        return []
    rows = []
    for day, value in zip(days, raw, strict=True):
        instant = int(datetime.combine(day, time(), tzinfo=UTC).timestamp())
        row = {"time": str(instant), "value": [round(100 * value / peak)], "hasData": [value > 0]}
        rows.append(row | ({"isPartial": True} if day >= site.today else {}))
    return rows


@contextmanager
def trends_server() -> Iterator[TrendsServer]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    site = TrendsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer()

        def _answer(self) -> None:
            split = urlsplit(self.path)
            part = split.path.rstrip("/").rsplit("/", 1)[-1] + ("/api" if "/api/explore" in split.path else "")
            asked = json.loads(parse_qs(split.query).get("req", ["{}"])[0])
            item = (asked.get("comparisonItem") or [{}])[0]
            subject = f"{item.get('keyword', '')} {item.get('time', '')}".strip()
            site.requests.append((split.path, subject, self.headers.get("Cookie", "")))
            if site.faults.get(part):
                self._send(*site.faults[part].pop(0))
            elif part == "explore":
                self._send(200, b"<html></html>", {"Content-Type": "text/html", "Set-Cookie": "NID=5; Path=/"})
            elif part == "explore/api":
                series = {"id": "TIMESERIES", "token": "tk", "request": asked}
                widgets = [{"id": "GEO_MAP", "token": "tk", "request": {}}]
                self._send(
                    200,
                    junk({"widgets": widgets + ([series] if item["keyword"] not in site.without_series else [])}, 4),
                    JSON,
                )
            else:
                rows = time_line(site, item["keyword"], item["time"])
                self._send(200, junk({"default": {"timelineData": rows, "averages": []}}, 5), JSON)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with served(Handler) as address:
        site.base_url = f"{address}/trends"
        yield site
