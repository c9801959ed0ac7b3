"""A local HTTP server that plays market-data hosts: it serves scripted replies and keeps a log of requests."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.loopback import served


@dataclass(frozen=True)
class Reply:
    """One scripted answer; `delay` seconds pass before it is sent."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0


@dataclass
class MarketServer:
    """Replies are used up in order for each path; the last one repeats. An unknown path is a 404."""

    base_url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def script(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def next_reply(self, path: str) -> Reply:
        waiting = self.replies.get(path)
        if not waiting:
            return Reply(status=404)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def market_server() -> Iterator[MarketServer]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    market = MarketServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            market.requests.append(self.path)
            reply = market.next_reply(self.path.split("?")[0])
            time.sleep(reply.delay)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except (BrokenPipeError, ConnectionResetError):
                return  # the client gave up waiting, which is what a slow reply is for

        def log_message(self, *_: Any) -> None:
            return

    with served(Handler) as address:
        market.base_url = address
        yield market


def cboe_document(
    ticker: str,
    published: datetime,
    *,
    spot: float = 600.0,
    last_trade: str = "2026-03-16T10:59:58",
    expiries: tuple[date, ...] = (date(2026, 3, 20), date(2026, 4, 17)),
    root: str | None = None,
    extra: tuple[dict[str, Any], ...] = (),
) -> bytes:
    """A document in Cboe's shape: `published` UTC without an offset, last trade in New York time without one."""
    strikes = [round(spot * share) for share in (0.9, 0.95, 1.0, 1.05, 1.1)]
    options = [
        {
            "option": f"{root or ticker}{expiry:%y%m%d}{right}{strike * 1000:08d}",
            "bid": round(max(spot - strike, 0) + 5.0, 2) if right == "C" else round(max(strike - spot, 0) + 5.0, 2),
            "bid_size": 12.0,
            "ask": round(max(spot - strike, 0) + 5.2, 2) if right == "C" else round(max(strike - spot, 0) + 5.2, 2),
            "ask_size": 9.0,
            "iv": 0.2,
            "open_interest": 1500.0,
            "volume": 120.0,
            "delta": 0.5,
            "last_trade_price": 5.1,
            "last_trade_time": "2026-03-16T10:45:00",
        }
        for expiry in expiries
        for strike in strikes
        for right in "CP"
    ]
    data = {"symbol": ticker, "current_price": spot, "last_trade_time": last_trade, "options": [*options, *extra]}
    return json.dumps({"timestamp": f"{published:%Y-%m-%d %H:%M:%S}", "symbol": ticker, "data": data}).encode()


def gamma_markets(slug: str, yes: str = "0.23", *, updated: str = "2026-03-16T14:00:00Z", **changes: Any) -> bytes:
    """A list of one market in the shape of Polymarket's Gamma API."""
    no = f"{1 - float(yes):.4f}"
    market = {
        "slug": slug,
        "question": "Will it happen?",
        "outcomes": json.dumps(["Yes", "No"]),
        "outcomePrices": json.dumps([yes, no]),
        "closed": False,
        "updatedAt": updated,
    }
    return json.dumps([{**market, **changes}]).encode()
