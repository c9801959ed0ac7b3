"""A local server that speaks like five news services and a feed: keys, filters, pages, and scripted faults.

Routes: /finnhub, /alpaca, /benzinga, /newsapi, /gnews (each followed by the service's own path) and /rss/NAME.xml.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from tests.support.loopback import served

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Article:
    """One article as every service knows it."""

    id: int
    title: str
    published: datetime
    tickers: tuple[str, ...] = ("AAPL",)
    updated: datetime | None = None
    source: str = "Reuters"
    address: str = ""

    @property
    def url(self) -> str:
        return self.address or f"https://news.example/{self.id}"

    @property
    def changed(self) -> datetime:
        return self.updated or self.published


@dataclass(frozen=True)
class Fault:
    """What goes wrong once: a status with headers and body, a body shorter than announced, or one that drips."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None  # None: what the service would have said
    cut: int = 0  # bytes that are announced and never sent
    lines: int = 1  # how often the body is sent
    pause: float = 0.0  # between the lines, and before the first


@dataclass
class NewsServer:
    """`faults` are used up in order, by service; `requests` keeps (service, path and query, headers)."""

    base_url: str = ""
    articles: list[Article] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def asked(self, service: str) -> list[str]:
        return [path for name, path, _ in self.requests if name == service]

    def answer(self, service: str, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        answers = {
            "finnhub": self._finnhub, "alpaca": self._alpaca, "benzinga": self._benzinga,
            "newsapi": self._newsapi, "gnews": self._gnews,
        }  # fmt: skip
        return answers[service](path, query, headers)

    def _about(self, tickers: str) -> list[Article]:
        wanted = set(tickers.split(","))
        return [article for article in self.articles if wanted & set(article.tickers)]

    def _finnhub(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        assert path == "/api/v1/company-news"
        if headers.get("x-finnhub-token") != KEY:
            return 401, {"error": "Invalid API key"}
        days = query["from"], query["to"]
        rows = [a for a in self._about(query["symbol"]) if days[0] <= f"{a.published:%Y-%m-%d}" <= days[1]]
        return 200, [
            {"category": "company", "datetime": int(a.published.timestamp()), "headline": a.title, "id": a.id,
             "image": "", "related": query["symbol"], "source": a.source, "summary": "", "url": a.url}
            for a in reversed(rows)
        ]  # fmt: skip

    def _alpaca(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        assert path == "/v1beta1/news"
        if (headers.get("apca-api-key-id"), headers.get("apca-api-secret-key")) != (KEY, SECRET):
            return 403, {"message": "forbidden."}
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        rows = sorted((a for a in self._about(query["symbols"]) if start <= a.changed <= end), key=lambda a: a.changed)
        assert query["sort"] == "asc"
        first, limit = int(query.get("page_token", "0").removeprefix("t")), int(query["limit"])
        assert limit <= 50, "limit must be at most 50"
        more = first + limit < len(rows)
        news = [
            {"author": "", "content": "", "created_at": f"{a.published:%Y-%m-%dT%H:%M:%SZ}", "headline": a.title,
             "id": a.id, "images": [], "source": "benzinga", "summary": "", "symbols": list(a.tickers),
             "updated_at": f"{a.changed:%Y-%m-%dT%H:%M:%SZ}", "url": a.url}
            for a in rows[first : first + limit]
        ]  # fmt: skip
        return 200, {"news": news, "next_page_token": f"t{first + limit}" if more else None}

    def _benzinga(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        assert path == "/api/v2/news"
        if query.get("token") != KEY:
            return 401, {"ok": False, "errors": [{"code": "auth_failed"}]}
        if headers.get("accept") != "application/json":
            return 200, "<result is_array='true'></result>"
        since, size, page = int(query["updatedSince"]), int(query["pageSize"]), int(query["page"])
        assert query["sort"] == "updated:asc"
        rows = sorted(
            (a for a in self._about(query["tickers"]) if a.changed.timestamp() >= since), key=lambda a: a.changed
        )
        return 200, [
            {"id": a.id, "author": "", "created": format_datetime(a.published.astimezone(NEW_YORK)),
             "updated": format_datetime(a.changed.astimezone(NEW_YORK)), "title": a.title, "teaser": "", "body": "",
             "url": a.url, "image": [], "channels": [], "stocks": [{"name": name} for name in a.tickers], "tags": []}
            for a in rows[page * size : (page + 1) * size]
        ]  # fmt: skip

    def _newsapi(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        assert path == "/v2/everything"
        if headers.get("x-api-key") != KEY:
            return 401, {"status": "error", "code": "apiKeyInvalid", "message": f"Your key {KEY} is wrong."}
        size, page = int(query["pageSize"]), int(query["page"])
        if size * page > 100:
            return 426, {"status": "error", "code": "maximumResultsReached", "message": "Upgrade."}
        start, end = (datetime.fromisoformat(query[name]).replace(tzinfo=UTC) for name in ("from", "to"))
        rows = self._matching(query["q"], start, end)
        articles = [
            {"source": {"id": None, "name": a.source}, "author": None, "title": a.title, "description": "",
             "url": a.url, "urlToImage": None, "publishedAt": f"{a.published:%Y-%m-%dT%H:%M:%SZ}", "content": ""}
            for a in rows[(page - 1) * size : page * size]
        ]  # fmt: skip
        return 200, {"status": "ok", "totalResults": len(rows), "articles": articles}

    def _gnews(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        assert path == "/api/v4/search"
        if query.get("apikey") != KEY:
            return 401, {"errors": ["Your API key is invalid."]}
        start, end = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
        rows, size, page = self._matching(query["q"], start, end), int(query["max"]), int(query["page"])
        articles = [
            {"title": a.title, "description": "", "content": "", "url": a.url, "image": "",
             "publishedAt": f"{a.published:%Y-%m-%dT%H:%M:%SZ}", "source": {"name": a.source, "url": "https://x.example"}}
            for a in rows[(page - 1) * size : page * size]
        ]  # fmt: skip
        return 200, {"totalArticles": len(rows), "articles": articles}

    def _matching(self, query: str, start: datetime, end: datetime) -> list[Article]:
        phrases = [phrase.strip('"').lower() for phrase in query.split(" OR ")]
        rows = [a for a in self.articles if start <= a.published <= end and any(p in a.title.lower() for p in phrases)]
        return sorted(rows, key=lambda a: a.published, reverse=True)

    def feed(self) -> bytes:
        """All articles as RSS 2.0."""
        items = "".join(
            f"<item><title>{a.title}</title><link>{a.url}</link><guid>{a.url}</guid>"
            f"<pubDate>{format_datetime(a.published)}</pubDate></item>"
            for a in self.articles
        )
        return f'<rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'.encode()


@contextmanager
def news_server() -> Iterator[NewsServer]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    news = NewsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            service, _, rest = parts.path.removeprefix("/").partition("/")
            headers = {name.lower(): value for name, value in self.headers.items()}
            news.requests.append((service, self.path, headers))
            waiting = news.faults.get(service, [])
            fault = waiting.pop(0) if waiting else Fault()
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            extra: tuple[tuple[str, str], ...] = ()
            if fault.body is not None or fault.status >= 300:
                status, body = fault.status, fault.body or b""
            elif service == "rss":
                body = news.feed()
                tag = f'"{len(news.articles)}"'
                extra = (("ETag", tag), ("Content-Type", "application/rss+xml; charset=utf-8"))
                status, body = (304, b"") if headers.get("if-none-match") == tag else (200, body)
            else:
                status, answer = news.answer(service, f"/{rest}", query, headers)
                body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self._send(status, (*fault.headers, *extra), body, fault)

        def _send(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes, fault: Fault) -> None:
            try:
                time.sleep(fault.pause)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) * fault.lines + fault.cut))
                self.end_headers()
                for _ in range(fault.lines):
                    self.wfile.write(body)
                    time.sleep(fault.pause)
                if fault.cut:
                    self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the client gave up, which is what the fault is for

        def log_message(self, *_: Any) -> None:
            return

    with served(Handler) as address:
        news.base_url = address
        yield news


def news_yaml(base_url: str) -> dict[str, Any]:
    """`news.yaml` for this server: so patient that nothing is slow on a busy machine that is not slow on purpose."""
    return {
        "fetch": {"timeout_seconds": 20, "total_seconds": 40, "attempts": 2, "backoff_seconds": 0.01,
                  "longest_wait_seconds": 1, "spacing_seconds": 0, "largest_mib": 0.25},
        "provider_seconds": 60,
        "finnhub": {"base_url": f"{base_url}/finnhub/api/v1"},
        "alpaca": {"base_url": f"{base_url}/alpaca", "page_size": 3, "pages": 4},
        "benzinga": {"base_url": f"{base_url}/benzinga", "page_size": 3, "pages": 4},
        "newsapi": {"base_url": f"{base_url}/newsapi", "page_size": 50, "pages": 2},
        "gnews": {"base_url": f"{base_url}/gnews", "page_size": 2, "pages": 3},
        "feeds": [{"name": "local", "url": f"{base_url}/rss/all.xml"}],
    }  # fmt: skip
