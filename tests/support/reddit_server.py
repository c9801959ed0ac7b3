"""A local stand-in for Reddit: token, listings with `after`, threads with folded comments, items by name, accounts."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from feeds.reddit.settings import RedditCredentials, RedditSettings
from tests.support.loopback import served

BEGINNING = 1_763_600_000  # some seconds since 1970 in November 2025


@dataclass(frozen=True)
class Fault:
    """One scripted answer instead of the real one; it stays until `times` answers were spoilt."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    times: int = 10_000
    delay: float = 0.0


@dataclass
class RedditServer:
    """What it holds can be changed between two requests. Newest items last in `posts` and `comments`."""

    base_url: str = ""
    posts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by subreddit
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    threads: dict[str, list[Any]] = field(default_factory=dict)  # by id of the submission
    folded: dict[str, dict[str, Any]] = field(default_factory=dict)  # comments behind "more", by id
    accounts: dict[str, float] = field(default_factory=dict)  # fullname → made at
    faults: dict[str, Fault] = field(default_factory=dict)  # by path
    requests: list[str] = field(default_factory=list)
    allowance: float = 590.0
    renewal: int = 300
    secret: str = "secret"
    on_request: Any = None  # called with each path before it is answered

    def paths(self, part: str) -> list[str]:
        return [request for request in self.requests if part in request]

    def settings(self, *names: str, **changes: Any) -> RedditSettings:
        values = {"subreddits": names, "account_ages": False, "oauth_url": self.base_url, "reddit_url": self.base_url}
        return RedditSettings(**{**values, "timeout_seconds": 2.0, **changes})

    def credentials(self) -> RedditCredentials:
        return RedditCredentials(client_id="desk", client_secret=self.secret, user_agent="tests of optiondesk")


def submission(
    number: int, minutes_ago: float, now: float, subreddit: str = "stocks", **changes: Any
) -> dict[str, Any]:
    """A submission in the shape of the API, abridged."""
    fields = {
        "id": f"p{number}", "name": f"t3_p{number}", "title": f"GME calls {number}", "selftext": "to the moon",
        "subreddit": subreddit, "author": f"user{number}", "author_fullname": f"t2_u{number}", "score": number,
        "num_comments": 2, "created_utc": now - 60 * minutes_ago, "removed_by_category": None,
        "permalink": f"/r/{subreddit}/comments/p{number}/x/", "url": "http://127.0.0.1/x", "is_self": True,
    }  # fmt: skip
    return fields | changes


def comment(number: int, minutes_ago: float, now: float, thread: str = "p1", **changes: Any) -> dict[str, Any]:
    """A comment in the shape of the API, abridged."""
    fields = {
        "id": f"c{number}", "name": f"t1_c{number}", "body": f"I bought $GME {number}", "subreddit": "stocks",
        "author": f"user{number}", "author_fullname": f"t2_u{number}", "score": 1, "replies": "",
        "created_utc": now - 60 * minutes_ago, "link_id": f"t3_{thread}", "parent_id": f"t3_{thread}",
    }  # fmt: skip
    return fields | changes


def things(kind: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"kind": kind, "data": item} for item in items]


def listing(children: list[Any], after: str | None = None) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"children": children, "after": after, "before": None, "dist": len(children)}}


@contextmanager
def reddit_server() -> Iterator[RedditServer]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    site = RedditServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._answer(self.rfile.read(length).decode())

        def _answer(self, body: str = "") -> None:
            split = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(split.query + "&" + body).items()}
            site.requests.append(self.path + (f" {body}" if body else ""))
            if site.on_request:
                site.on_request(split.path)
            fault = site.faults.get(split.path)
            if fault:
                site.faults[split.path] = Fault(**{**fault.__dict__, "times": fault.times - 1})
                if fault.times <= 1:
                    del site.faults[split.path]
                time.sleep(fault.delay)
                self._send(fault.status, fault.body, dict(fault.headers))
                return
            status, document = answer(site, split.path, query, self.headers)
            self._send(status, json.dumps(document).encode(), {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            site.allowance -= 1
            try:
                self.send_response(status)
                self.send_header("x-ratelimit-remaining", str(site.allowance))
                self.send_header("x-ratelimit-used", "10")
                self.send_header("x-ratelimit-reset", str(site.renewal))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                return

        def log_message(self, *_: Any) -> None:
            return

    with served(Handler) as address:
        site.base_url = address
        yield site


def answer(site: RedditServer, path: str, query: dict[str, str], headers: Any) -> tuple[int, Any]:
    """What Reddit would say."""
    parts = path.strip("/").split("/")
    if path == "/api/v1/access_token":
        import base64

        said = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if said != f"desk:{site.secret}":
            return 401, {"message": "Unauthorized", "error": 401}
        return 200, {"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600, "scope": "*"}
    if headers.get("Authorization") != "bearer t0ken":
        return 401, {"message": "Unauthorized", "error": 401}
    everything = {f"t3_{item['id']}": ("t3", item) for items in site.posts.values() for item in items}
    everything |= {f"t1_{item['id']}": ("t1", item) for items in site.comments.values() for item in items}
    if path == "/api/info/":
        found = [everything[name] for name in query["id"].split(",") if name in everything]
        return 200, listing([{"kind": kind, "data": item} for kind, item in found])
    if path == "/api/user_data_by_account_ids":
        known = [name for name in query["ids"].split(",") if name in site.accounts]
        if not known:
            return 404, {"message": "Not Found", "error": 404}
        made = {name: {"name": name[3:], "created_utc": site.accounts[name], "comment_karma": 1, "link_karma": 1,
                       "profile_img": "", "profile_color": "", "profile_over_18": False} for name in known}  # fmt: skip
        return 200, made
    if path == "/api/morechildren/":
        found = [site.folded[name] for name in query["children"].split(",") if name in site.folded]
        return 200, {"json": {"errors": [], "data": {"things": things("t1", found)}}}
    if parts[0] == "comments":
        post = everything[f"t3_{parts[1]}"][1]
        return 200, [listing(things("t3", [post])), listing(site.threads.get(parts[1], []))]
    if parts[0] == "r" and parts[2] in ("new", "comments"):
        kind, held = ("t3", site.posts) if parts[2] == "new" else ("t1", site.comments)
        if parts[1] not in site.posts:
            return 404, {"message": "Not Found", "error": 404}
        newest = sorted(held.get(parts[1], []), key=lambda item: -item["created_utc"])
        names = [f"{kind}_{item['id']}" for item in newest]
        after = query.get("after")
        begin = 0 if after is None else names.index(after) + 1 if after in names else len(names)
        end = begin + int(query["limit"])
        more = names[end - 1] if end < len(names) else None
        return 200, listing(things(kind, newest[begin:end]), more)
    return 404, {"message": "Not Found", "error": 404}
