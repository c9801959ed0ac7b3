"""A serving desk collects beside its runs: crowd and news each on a schedule, each failing alone, told in health."""

import asyncio
import dataclasses
import logging
from datetime import UTC, datetime, timedelta

import prawcore.sessions
import pytest
import yaml

from app.clock import FixedClock
from app.newsroom import KEYS
from app.services.collecting import collecting
from app.services.health import collected, health
from app.services.journal import Journal
from app.settings import Environment
from app.stop import Stop
from app.wiring import configuration
from domain.errors import DatabaseDown
from tests.support.news_server import KEY, Article, Fault, news_server, news_yaml
from tests.support.reddit_server import Fault as RedditFault
from tests.support.reddit_server import comment, reddit_server, submission
from tests.support.staging import desk_at

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)


class Live:
    """A feed by name only."""

    name = "cboe"


class Watched(Journal):
    """A journal that notes when each round was done: the last thing that a round does is to tell its trouble."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self, "rounds", asyncio.Semaphore(0))

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "collecting_trouble" and hasattr(self, "rounds"):
            self.rounds.release()

    async def until(self, holds):
        """Look after every round: which of the two comes first, and how often, is not said."""
        async with asyncio.timeout(60):
            while not holds():
                await self.rounds.acquire()

    @property
    def heard_and_read(self):
        return self.visit is not None and self.delivery is not None


@pytest.fixture
def reddit(monkeypatch):
    monkeypatch.setattr(prawcore.sessions.FiniteRetryStrategy, "_sleep_seconds", lambda self: None)
    logging.getLogger("prawcore").setLevel(logging.CRITICAL)
    now = NOW.timestamp()
    with reddit_server() as site:
        site.posts["stocks"] = [submission(n, 20 * n + 1, now) for n in range(18)]
        site.comments["stocks"] = [comment(n, n + 1, now) for n in range(30)]
        yield site


@pytest.fixture
def news():
    with news_server() as site:
        site.articles = [Article(1, "Apple raises its guidance", NOW - timedelta(hours=1))]
        yield site


@pytest.fixture
def minutes():
    """From one round to the next."""
    return 0.005


@pytest.fixture
def live(reddit, news, tmp_path, database, engine, desk_home, minutes):
    """A desk on the live feed's book, with an account of Reddit and a key of Finnhub."""
    own = tmp_path / "own"
    own.mkdir()
    site = {"oauth_url": reddit.base_url, "reddit_url": reddit.base_url, "subreddits": ["stocks"]}
    (own / "social_feeds.yaml").write_text(yaml.safe_dump({"every_minutes": minutes, "reddit": site}))
    (own / "news.yaml").write_text(yaml.safe_dump({**news_yaml(news.base_url), "every_minutes": minutes}))
    (own / "desk.yaml").write_text("watchlist: {cboe: [AAPL]}\n")
    environment = Environment(
        desk_home=desk_home, desk_config=own, desk_reddit_client_id="desk", desk_reddit_client_secret="secret",
        finnhub_api_key=KEY,
    )  # fmt: skip
    desk = desk_at(desk_home, database, engine, feed=Live())
    return dataclasses.replace(desk, configuration=configuration(environment), clock=FixedClock(NOW))


async def test_crowd_and_news_are_collected_again_and_again_and_health_tells_of_both(live, reddit, news):
    journal = Watched()
    assert collected(journal) == {}
    async with collecting(live, journal, Stop()):
        await journal.until(lambda: len(reddit.paths("/r/stocks/new")) > 1 and journal.heard_and_read)
        await journal.until(lambda: collected(journal)["news"].numbers["finnhub_state"] == "cached")
    found = collected(journal)
    assert {name: part.status for name, part in found.items()} == {"social": "ok", "news": "ok"}
    assert (found["social"].detail, found["news"].detail) == ("visited reddit", "asked finnhub, rss-local")
    assert news.asked("finnhub")[0].startswith("/finnhub/api/v1/company-news?symbol=AAPL")


@pytest.mark.parametrize("minutes", [60.0])
async def test_each_source_fails_alone_and_is_named_in_health(live, reddit, news):
    reddit.faults["/r/stocks/comments"] = RedditFault(status=403)
    news.faults["rss"] = [Fault(status=500)] * 9
    journal = Watched()
    async with collecting(live, journal, Stop()):
        await journal.until(lambda: journal.heard_and_read)
    journal.desk = live
    told = (await health(live.configuration, journal, "cboe")).components
    assert (told["social"].status, told["social"].numbers["reddit_items"]) == ("warn", 18)
    assert "stocks/comments" in told["social"].detail
    assert (told["news"].status, told["news"].detail) == ("warn", "rss-local: HTTP 500")
    assert (told["news"].numbers["finnhub_state"], told["news"].numbers["finnhub_new"]) == ("ok", 1)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (DatabaseDown("PostgreSQL is away."), "PostgreSQL is away."),
        (ZeroDivisionError("by us"), "ZeroDivisionError: by us"),
    ],
)
async def test_a_round_that_fails_of_anything_ends_only_itself(live, monkeypatch, fault, says):
    calls = []

    async def failing(*_):
        calls.append(1)
        raise fault

    monkeypatch.setattr("app.services.collecting.visit", failing)
    journal = Watched()
    async with collecting(live, journal, Stop()):
        await journal.until(lambda: len(calls) >= 3 and journal.delivery is not None)
    found = collected(journal)
    assert (found["social"].status, found["social"].detail) == ("warn", f"the last round failed: {says}")
    assert found["news"].status == "ok"


async def test_a_round_that_succeeds_again_clears_its_trouble(live, monkeypatch):
    journal = Watched()
    journal.collecting_trouble = {"social": "PostgreSQL is away."}
    async with collecting(live, journal, Stop()):
        await journal.until(lambda: "social" not in journal.collecting_trouble)
    assert collected(journal)["social"].status == "ok"


async def test_a_round_that_loses_its_cancellation_ends_all_the_same(live, monkeypatch):
    """As where psycopg's executemany is cancelled while it enters its pipeline: it raises an AssertionError."""
    began, lost = asyncio.Event(), []

    async def losing(*_):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.append(1)
            raise AssertionError from None

    monkeypatch.setattr("app.services.collecting.visit", losing)
    monkeypatch.setattr("app.services.collecting.PATIENCE_S", 0.05)
    async with asyncio.timeout(60):
        async with collecting(live, Journal(), Stop()):
            await began.wait()
    assert lost
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("collecting")] == []


@pytest.mark.parametrize("feed", [None, Live()])
async def test_nothing_is_collected_for_a_feed_that_does_not_read_it_or_without_a_source(
    database, engine, desk_home, feed, monkeypatch
):
    for variable in (name for names in KEYS.values() for name in names):
        monkeypatch.delenv(variable, raising=False)
    desk = desk_at(desk_home, database, engine, feed=feed)
    async with collecting(desk, Journal(), Stop()):
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("collecting")] == []
