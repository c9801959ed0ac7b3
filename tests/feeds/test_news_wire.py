"""The wire against a server that speaks like the services: pages, keys, faults, caches, circuits, knowledge time."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from domain.errors import MachineError
from domain.market import MarketData
from feeds.news.alpaca import Alpaca
from feeds.news.benzinga import Benzinga
from feeds.news.finnhub import Finnhub
from feeds.news.join import Reading, headlines_at, with_news
from feeds.news.rss import Rss
from feeds.news.search import GNews, NewsApi
from feeds.news.settings import NewsSettings
from feeds.news.store import NewsStore
from feeds.news.wire import NewsWire
from signals.sentiment import LexiconModel
from signals.social.extraction import Listings, Names, name_index
from tests.support.news_server import KEY, SECRET, Article, Fault, NewsServer, news_server, news_yaml

NOW = datetime(2026, 3, 16, 15, 0, tzinfo=UTC)  # Monday 11:00 New York
ALL = ("alpaca", "benzinga", "finnhub", "gnews", "newsapi", "rss-local")
JSON = ALL[:-1]
NAMES = {"AAPL": ("Apple",), "NVDA": ("Nvidia",)}
READING = Reading(
    LexiconModel(), name_index(Listings(listings={ticker: Names(names=names) for ticker, names in NAMES.items()}))
)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, **step: float) -> None:
        self.at += timedelta(**step)


def minutes_ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture
def server():
    with news_server() as news:
        news.articles = [
            Article(number, f"Apple story number {number}", minutes_ago(100 - number)) for number in range(8)
        ]
        yield news


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shipped() -> dict[str, object]:
    return yaml.safe_load((Path(__file__).parents[2] / "config" / "news.yaml").read_text())


def settings(server: NewsServer, **changes: object) -> NewsSettings:
    ours = {**news_yaml(server.base_url), **changes}
    base = shipped()
    merged = {key: {**base[key], **value} if isinstance(base.get(key), dict) else value for key, value in ours.items()}
    return NewsSettings.model_validate({**base, **merged})


@pytest.fixture
async def make(server: NewsServer, clock: Clock, tmp_path: Path):
    made: list[NewsWire] = []

    def build(*names: str, key: str = KEY, **changes: object) -> NewsWire:
        chosen = settings(server, **changes)
        every = {
            "alpaca": lambda: Alpaca(chosen.alpaca, key, SECRET),
            "benzinga": lambda: Benzinga(chosen.benzinga, key),
            "finnhub": lambda: Finnhub(chosen.finnhub, key),
            "gnews": lambda: GNews(chosen.gnews, key, NAMES),
            "newsapi": lambda: NewsApi(chosen.newsapi, key, NAMES),
            "rss-local": lambda: Rss(chosen.feeds[0]),
        }
        vendors = [every[name]() for name in names or ALL]
        wire = NewsWire(vendors, NewsStore(tmp_path / "cache" / "news.sqlite"), chosen, clock)
        made.append(wire)
        return wire

    yield build
    for wire in made:
        await wire.aclose()


async def refreshed(wire: NewsWire, *tickers: str, anew: bool = False):
    return {report.provider: report for report in await wire.refresh(tickers or ("AAPL",), anew=anew)}


async def test_every_service_gives_every_article_through_all_its_pages_and_each_is_one_headline(server, make):
    wire = make()
    reports = await refreshed(wire)
    # GNews: 3 pages of 2 are allowed; the newest 6 come
    assert {name: (r.state, r.received, r.cut_short) for name, r in reports.items()} == {
        name: ("ok", 6 if name == "gnews" else 8, name == "gnews") for name in ALL
    }
    assert [len(server.asked(name)) for name in ("alpaca", "benzinga", "gnews", "finnhub")] == [3, 3, 3, 1]
    known = await wire.known(NOW)
    assert [item.title for item in known] == [f"Apple story number {number}" for number in range(8)]
    assert {item.tickers for item in known} == {("AAPL",)}


async def test_the_same_fetched_twice_is_new_once_and_nobody_is_asked_again_too_soon(server, make, clock):
    wire = make()
    first = await refreshed(wire)
    assert sum(r.new for r in first.values()) == 7 * 6 + 4 * 1  # 8 from five, 6 from GNews
    assert {r.state for r in (await refreshed(wire)).values()} == {"cached"}
    asked = len(server.requests)
    clock.advance(minutes=300)
    again = await refreshed(make())  # another process
    assert {name: (r.state, r.new) for name, r in again.items()} == dict.fromkeys(ALL, ("ok", 0))
    assert len(server.requests) > asked


async def test_the_next_question_begins_shortly_before_where_the_last_answer_ended(server, make, clock):
    wire = make("alpaca", "benzinga", "newsapi")
    await refreshed(wire)
    clock.advance(minutes=300)
    server.articles.append(Article(99, "Apple again", NOW + timedelta(minutes=299)))
    server.requests.clear()
    reports = await refreshed(wire)
    assert {name: r.new for name, r in reports.items()} == {"alpaca": 1, "benzinga": 1, "newsapi": 1}
    assert "start=2026-03-16T14%3A30%3A00Z" in server.asked("alpaca")[0]
    assert f"updatedSince={int((NOW - timedelta(minutes=30)).timestamp()) - 5}" in server.asked("benzinga")[0]
    assert "from=2026-03-15T13%3A00%3A00" in server.asked("newsapi")[0], "NewsAPI's free articles come a day late"


async def test_a_ticker_that_joins_later_is_asked_about_from_the_look_back_on(server, make, clock):
    wire = make("finnhub", "alpaca")
    await refreshed(wire, "AAPL")
    server.requests.clear()
    server.articles.append(Article(50, "Nvidia yesterday", minutes_ago(60 * 24), tickers=("NVDA",)))
    reports = await refreshed(wire, "AAPL", "NVDA")
    assert {name: r.new for name, r in reports.items()} == {"finnhub": 1, "alpaca": 1}
    assert ["symbol=NVDA" in path for path in server.asked("finnhub")] == [True]
    assert ["symbols=NVDA&" in path for path in server.asked("alpaca")] == [True]


async def test_answers_cut_short_oldest_first_go_on_where_they_ended(server, make, clock):
    server.articles = [Article(n, f"Apple {n}", NOW - timedelta(hours=60 - n)) for n in range(20)]
    wire = make("alpaca")
    first = (await refreshed(wire))["alpaca"]
    assert (first.received, first.cut_short) == (12, True)
    clock.advance(minutes=5)
    second = (await refreshed(wire))["alpaca"]
    assert (second.new, second.cut_short) == (8, False)


async def test_an_article_about_two_tickers_is_one_whoever_finds_it(server, make):
    server.articles = [Article(1, "Apple and Nvidia", minutes_ago(10), tickers=("AAPL", "NVDA"))]
    wire = make("finnhub", "rss-local")
    await refreshed(wire, "AAPL", "NVDA")
    assert [item.tickers for item in await wire.known(NOW)] == [("AAPL", "NVDA")]


async def test_an_edit_is_a_version_that_is_known_from_then_on(server, make, clock):
    server.articles = [Article(1, "Apple to merge", minutes_ago(30))]
    wire = make("alpaca")
    await refreshed(wire)
    clock.advance(minutes=10)
    server.articles = [Article(1, "CORRECTED: Apple not to merge", minutes_ago(30), updated=NOW + timedelta(minutes=5))]
    await refreshed(wire)
    assert [i.title for i in await wire.known(NOW + timedelta(minutes=4, seconds=59))] == ["Apple to merge"]
    assert [i.title for i in await wire.known(NOW + timedelta(minutes=5))] == ["CORRECTED: Apple not to merge"]


async def test_an_item_from_the_future_is_invisible_until_then(server, make):
    server.articles = [Article(1, "Apple tomorrow", NOW + timedelta(hours=2)), Article(2, "Apple today", NOW)]
    wire = make("finnhub", "rss-local")
    await refreshed(wire)
    assert [i.title for i in await wire.known(NOW)] == ["Apple today"]
    assert [i.title for i in await wire.known(NOW + timedelta(hours=2))] == ["Apple today", "Apple tomorrow"]


async def test_a_refused_key_rests_that_provider_across_restarts_and_says_so_without_the_key(server, make, clock):
    wire = make(*JSON, key="wrong-key")
    reports = await refreshed(wire)
    assert {r.state for r in reports.values()} == {"denied"}
    assert not any("wrong-key" in r.detail for r in reports.values())
    asked = len(server.requests)
    assert asked == 5, "a refused key is not tried twice"
    rested = await refreshed(make(*JSON))
    assert {r.state for r in rested.values()} == {"resting"}
    assert all("until 16:00 UTC: the key was refused" in r.detail for r in rested.values())
    assert len(server.requests) == asked
    assert {r.state for r in (await refreshed(make(*JSON), anew=True)).values()} == {"ok"}
    assert {r.state for r in (await refreshed(make(*JSON))).values()} == {"cached"}, "one success closes the circuit"


@pytest.mark.parametrize(("retry_after", "minutes"), [("1800", 30), ("2", 15), ("soon", 15), ("1e12", 1440)])
async def test_a_rate_limit_rests_as_long_as_it_asks_within_reason(server, make, clock, retry_after, minutes):
    fault = Fault(status=429, headers=(("Retry-After", retry_after),), body=b'{"error": "limit"}')
    server.faults["finnhub"] = [fault, fault]
    report = (await refreshed(make("finnhub")))["finnhub"]
    assert (report.state, report.resting_until) == ("limited", NOW + timedelta(minutes=minutes))


async def test_a_short_retry_after_is_waited_for(server, make):
    server.faults["finnhub"] = [Fault(status=429, headers=(("Retry-After", "0.05"),))]
    assert (await refreshed(make("finnhub")))["finnhub"].state == "ok"


HTML = b"<html><body>Service temporarily unavailable</body></html>"
FAULTS = {
    "500": (Fault(status=500, body=HTML), "down", "HTTP 500"),
    "404": (Fault(status=404, body=HTML), "unreadable", "knows nothing"),
    "426": (Fault(status=426, body=b"{}"), "down", "HTTP 426"),
    "web page": (Fault(body=HTML, headers=(("Content-Type", "text/html"),)), "unreadable", "a web page|no RSS"),
    "truncated": (Fault(body=b'{"news": [{"id": 1, "headli'), "unreadable", "not whole|no RSS"),
    "cut connection": (Fault(body=b"[", cut=100), "down", "RemoteProtocolError|ReadError"),
    "bad gzip": (Fault(body=b"[]", headers=(("Content-Encoding", "gzip"),)), "down", "DecodingError"),
    "bomb": (Fault(body=b"[]", headers=(("Content-Encoding", "zstd"),)), "down", "packed as 'zstd'"),
    "bomb in a box": (Fault(body=b"[]", headers=(("Content-Encoding", "gzip, gzip"),)), "down", "packed as"),
    "huge": (Fault(body=b" " * 1024, lines=300), "down", "more than 0.25 MiB"),
    "drip": (Fault(body=b" ", lines=100, pause=0.1), "down", "no whole answer within 3 s"),
    "silence": (Fault(body=b"[]", pause=3), "down", "no answer within 1.5 s"),
    "elsewhere": (Fault(status=302, headers=(("Location", "http://localhost:9/x"),)), "down", "redirected to http://localh"),
    "circle": (Fault(status=302, headers=(("Location", "?"),)), "down", "more than 3 redirects"),
    "nowhere": (Fault(status=302, headers=(("Location", "ftp://x/y"),)), "down", "redirected to ftp"),
}  # fmt: skip
IMPATIENT = {"timeout_seconds": 1.5, "total_seconds": 3}


@pytest.mark.parametrize("kind", FAULTS)
async def test_one_that_fails_costs_the_others_nothing(server, make, kind: str):
    fault, state, says = FAULTS[kind]
    for name in ("alpaca", "rss"):
        server.faults[name] = [fault] * 8
    fetch = news_yaml("")["fetch"] | (IMPATIENT if kind in ("drip", "silence") else {})
    reports = await refreshed(make("alpaca", "finnhub", "rss-local", fetch=fetch))
    assert (reports["finnhub"].state, reports["finnhub"].received) == ("ok", 8)
    import re

    for name in ("alpaca", "rss-local"):
        assert reports[name].state == state, reports[name]
        assert re.search(says, reports[name].detail), reports[name]
        assert reports[name].resting_until is None, "one failure is no reason to stop asking"


async def test_a_provider_that_keeps_failing_is_left_alone_then_tried_once(server, make, clock):
    wire = make("alpaca", "finnhub")
    server.faults["alpaca"] = [Fault(status=503)] * 8
    for _ in range(2):
        assert (await refreshed(wire, anew=True))["alpaca"].resting_until is None
    opened = (await refreshed(wire))["alpaca"]
    assert opened.resting_until == NOW + timedelta(minutes=15)
    asked = len(server.asked("alpaca"))
    reports = await refreshed(wire)
    assert reports["alpaca"].state == "resting"
    assert len(server.asked("alpaca")) == asked
    clock.advance(minutes=15)
    assert (await refreshed(wire))["alpaca"].resting_until == NOW + timedelta(minutes=30), "one more failure reopens it"
    clock.advance(minutes=16)
    assert (await refreshed(wire))["alpaca"].state == "ok"


async def test_one_unreadable_ticker_does_not_cost_the_next_one(server, make):
    server.articles.append(Article(60, "Nvidia", minutes_ago(5), tickers=("NVDA",)))
    server.faults["finnhub"] = [Fault(body=HTML)]
    wire = make("finnhub")
    report = (await refreshed(wire, "AAPL", "NVDA"))["finnhub"]
    assert (report.state, report.new) == ("unreadable", 1)
    server.requests.clear()
    assert (await refreshed(wire, "AAPL", "NVDA"))["finnhub"].new == 8
    assert ["symbol=AAPL" in path for path in server.asked("finnhub")] == [True], "only what failed is asked again"


async def test_pages_before_a_failure_are_kept(server, make):
    wire = make("alpaca")
    server.faults["alpaca"] = [Fault(), Fault(status=500), Fault(status=500)]
    report = (await refreshed(wire))["alpaca"]
    assert (report.state, report.new) == ("down", 3)
    assert len(await wire.known(NOW)) == 3
    assert (await refreshed(wire))["alpaca"].new == 5, "and the failed conversation is held again"


async def test_a_provider_that_dawdles_is_cut_off_without_holding_up_the_run(server, make):
    server.faults["alpaca"] = [Fault(pause=2)] * 20
    wire = make("alpaca", "finnhub", provider_seconds=3)
    reports = await refreshed(wire)
    assert (reports["alpaca"].state, reports["alpaca"].detail) == ("down", "not done in 3 s")
    assert reports["finnhub"].state == "ok"


async def test_a_redirect_on_the_same_host_is_followed_and_keys_go_nowhere_else(server, make):
    there = f"{server.base_url}/finnhub/api/v1/company-news?symbol=AAPL&from=2026-03-13&to=2026-03-16"
    server.faults["finnhub"] = [Fault(status=307, headers=(("Location", there),))]
    assert (await refreshed(make("finnhub")))["finnhub"].received == 8
    with news_server() as other:
        away = (("Location", f"{other.base_url}/finnhub/api/v1/company-news"),)
        server.faults["finnhub"] = [Fault(status=302, headers=away)]
        assert (await refreshed(make("finnhub"), anew=True))["finnhub"].state == "down"
        assert other.requests == []


async def test_only_a_request_without_a_key_follows_to_another_host_and_only_over_https(server, make):
    away = (Fault(status=302, headers=(("Location", "https://localhost:9/x"),)),)
    server.faults = {"finnhub": [*away], "rss": [*away, *away]}
    reports = await refreshed(make("finnhub", "rss-local"))
    assert reports["finnhub"].detail == "redirected to https://localhost, not followed"
    assert reports["rss-local"].detail.startswith("ConnectError")


async def test_keys_travel_as_documented(server, make):
    await refreshed(make())
    headers = {name: sent for name, _, sent in server.requests}
    assert headers["finnhub"]["x-finnhub-token"] == KEY
    assert headers["newsapi"]["x-api-key"] == KEY
    assert (headers["alpaca"]["apca-api-key-id"], headers["alpaca"]["apca-api-secret-key"]) == (KEY, SECRET)
    for name in ("finnhub", "newsapi", "alpaca", "rss"):
        assert all(KEY not in path for path in server.asked(name))


async def test_an_unchanged_feed_is_not_served_twice(server, make, clock):
    wire = make("rss-local")
    assert (await refreshed(wire))["rss-local"].received == 8
    for _ in range(2):  # the validators outlive an unchanged answer
        clock.advance(minutes=11)
        report = (await refreshed(wire))["rss-local"]
        assert (report.state, report.received, report.questions) == ("ok", 0, 1)
    assert server.requests[-1][2]["if-none-match"] == '"8"'
    server.articles.append(Article(9, "One more about Apple", NOW))
    clock.advance(minutes=11)
    assert (await refreshed(wire))["rss-local"].new == 1


async def test_two_processes_at_once_store_each_item_once(server, make):
    reports = await asyncio.gather(refreshed(make("finnhub")), refreshed(make("finnhub")))
    assert sum(found["finnhub"].new for found in reports) == 8
    assert len(await make("finnhub").known(NOW)) == 8


async def test_old_items_are_forgotten(server, make, clock):
    wire = make("finnhub")
    await refreshed(wire)
    clock.advance(days=29)
    server.articles = []
    await refreshed(wire)
    assert len(await wire.known(NOW)) == 8
    clock.advance(days=2)
    await refreshed(wire)
    assert await wire.known(NOW) == ()


async def nothing(as_of: datetime, tickers) -> MarketData:
    return MarketData(as_of=as_of, feed="recorded", tickers=tuple(tickers), chains={}, bars={}, series={})


async def test_headlines_join_the_picture_scored_and_an_outage_is_a_note(server, make):
    server.articles = [
        Article(1, "Apple raises its full-year guidance", minutes_ago(90)),
        Article(2, "Markets wait for the Fed", minutes_ago(80), tickers=()),
        Article(3, "$NVDA misses estimates, shares fall", minutes_ago(70), tickers=()),
        Article(6, "Pineapple prices rise, says Nvidia of all people", minutes_ago(60), tickers=()),
        Article(4, "Apple four days ago", minutes_ago(60 * 24 * 4)),
        Article(5, "Apple in a minute", NOW + timedelta(minutes=1)),
    ]
    server.faults["alpaca"] = [Fault(status=500)] * 2
    wire = make("alpaca", "finnhub", "rss-local", "newsapi")
    data = await with_news(nothing, wire, READING)(NOW, ["AAPL", "NVDA"])
    assert [(h.text, h.tickers, h.source) for h in data.headlines] == [
        ("Apple raises its full-year guidance", ("AAPL",), "finnhub"),
        ("$NVDA misses estimates, shares fall", ("NVDA",), "rss-local"),
        ("Pineapple prices rise, says Nvidia of all people", ("NVDA",), "newsapi"),
    ]
    good, bad, _ = (headline.sentiment for headline in data.headlines)
    assert good > 0 > bad
    assert all(h.sentiment_model and h.known_at <= NOW for h in data.headlines)
    assert [(note.code, note.subject) for note in data.notes] == [("news_down", "alpaca")]
    assert data.provenance["headlines"].startswith("alpaca, finnhub, newsapi, rss-local: 3 headlines of the last 72 h")


async def test_without_any_service_the_picture_is_as_before(make, tmp_path):
    wire = NewsWire([], NewsStore(tmp_path / "none.sqlite"), NewsSettings.model_validate(shipped()), Clock())
    assert with_news(nothing, wire, READING) is nothing
    assert not (tmp_path / "none.sqlite").exists()


async def test_more_than_the_allowed_pages_is_noted(server, make):
    _, notes = await headlines_at(make("gnews"), NOW, ["AAPL"], READING)
    assert [(note.code, note.subject) for note in notes] == [("news_cut_short", "gnews")]


async def test_a_cache_that_cannot_be_used_costs_the_headlines_and_not_the_run(make, tmp_path):
    broken = tmp_path / "cache" / "news.sqlite"
    broken.parent.mkdir()
    broken.write_bytes(b"this is no database" * 100)
    headlines, notes = await headlines_at(make("finnhub"), NOW, ["AAPL"], READING)
    assert headlines == ()
    assert [(note.code, "may be deleted" in note.detail) for note in notes] == [("no_news", True)]
    with pytest.raises(MachineError, match="cannot be used"):
        await make("finnhub").known(NOW)


async def test_a_search_service_without_names_is_not_asked(server, make):
    report = (await refreshed(make("gnews"), "ZZZZ"))["gnews"]
    assert (report.state, server.requests) == ("nothing_to_ask", [])


async def test_the_same_answers_give_the_same_headlines_whoever_answers_first(server, make, tmp_path):
    async def told(*slow: str) -> str:
        (tmp_path / "cache" / "news.sqlite").unlink(missing_ok=True)
        server.faults = {name: [Fault(pause=0.1)] for name in slow}
        headlines, _ = await headlines_at(make(), NOW, ["AAPL"], READING)
        return json.dumps([headline.model_dump(mode="json") for headline in headlines])

    assert await told("alpaca", "rss") == await told("finnhub", "gnews") != "[]"


async def test_neither_the_cache_nor_any_report_holds_a_key(server, make, tmp_path):
    server.faults = {name: [Fault(status=500)] * 2 for name in ("benzinga", "gnews")}  # their keys are in the address
    reports = await refreshed(make())
    assert {name for name, report in reports.items() if report.state == "down"} == {"benzinga", "gnews"}
    told = json.dumps([report.model_dump(mode="json") for report in reports.values()])
    kept = (tmp_path / "cache" / "news.sqlite").read_bytes()
    assert KEY not in told
    assert KEY.encode() not in kept
    assert b"Apple story" in kept
