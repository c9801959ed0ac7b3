"""From the servers of Reddit, Trends and news into a live run, its record, and its replay without a network."""

import dataclasses
import logging
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta

import prawcore.sessions
import pytest
import yaml

from app.clock import FixedClock
from app.crowd import crowd_of
from app.progress import Timings
from app.services.audit import find_run
from app.services.replay import replay
from app.services.runs import execute, new_request
from app.services.social import shown, visit
from app.settings import Environment
from app.wiring import Desk, configuration, market_feed
from domain.market import hourly_mentions, search_interest
from tests.support.llm_server import LlmServer, says
from tests.support.market_server import Reply, cboe_document, market_server
from tests.support.news_server import KEY, Article, news_server, news_yaml
from tests.support.reddit_server import reddit_server, submission
from tests.support.trends_server import trends_server

NOW = datetime(2026, 11, 20, 16, 5, tzinfo=UTC)  # Friday 11:05 New York
SOLD_OUT = "Bullish: $GME in town{n} sold out at shop{n}, crowd{n} buys each{n} with joy{n} and luck{n}"  # no copies


@pytest.fixture
def reddit(monkeypatch):
    """Nine days of a forum: others hourly, GME four times a day, and in the last twelve hours forty times."""
    monkeypatch.setattr(prawcore.sessions.FiniteRetryStrategy, "_sleep_seconds", lambda self: None)
    logging.getLogger("prawcore").setLevel(logging.ERROR)
    seconds = NOW.timestamp()
    with reddit_server() as site:
        usual = [submission(n, 60 * n + 65, seconds, title=f"$SPY thoughts of hour {n}") for n in range(215)]
        quiet = [submission(300 + n, 360 * n + 800, seconds, title=f"$GME again, part {n}") for n in range(33)]
        loud = [submission(400 + n, 6 + 17 * n, seconds, title=SOLD_OUT.format(n=n), score=9) for n in range(40)]
        site.posts["stocks"] = [*usual, *quiet, *loud]
        yield site


@pytest.fixture
def trends():
    with trends_server() as site:
        site.searches["gamestop"] = lambda day: 100.0 if day >= date(2026, 11, 19) else 20.0 + day.day % 3
        yield site


@pytest.fixture
def news():
    with news_server() as site:
        site.articles = [
            Article(1, "GameStop stores are sold out, sales rise sharply", NOW - timedelta(hours=5), ("GME",)),
            Article(2, "Analysts raise GameStop to buy as demand surges", NOW - timedelta(hours=3), ("GME",)),
            Article(3, "GameStop tomorrow", NOW + timedelta(hours=20), ("GME",)),
        ]
        yield site


@pytest.fixture
def cboe():
    with market_server() as site:
        fresh = {"last_trade": "2026-11-20T11:04:30", "expiries": (date(2026, 12, 18), date(2027, 1, 15))}
        site.script("/GME.json", Reply(cboe_document("GME", NOW - timedelta(seconds=30), spot=40.0, **fresh)))
        yield site


@pytest.fixture
def reader():
    """A reading model that calls the first text a scandal and says nothing of the others."""
    answer = {"source_id": "q1", "stance": "bearish", "context": "scandal", "relevance": 1.0, "certainty": 1.0}
    with LlmServer({"reader": [says({"readings": [answer]})]}) as server:
        yield server


@pytest.fixture
async def desk(tmp_path, desk_home, database, engine, reddit, trends, news, cboe, reader):
    own = tmp_path / "own"
    own.mkdir()
    listing = {"subreddits": ["stocks"], "comments": False, "first_hours": 214, "account_ages": False}
    texts = {
        "social_feeds": {
            "reddit": {**listing, "oauth_url": reddit.base_url, "reddit_url": reddit.base_url},
            "trends": {"terms": {"GME": ["gamestop"]}, "base_url": trends.base_url, "spacing_seconds": 0,
                       "history_days": 60, "backoff_seconds": 0},
        },
        "news": news_yaml(news.base_url),
        "feeds": {"cboe": {"base_url": f"{cboe.base_url}/"}},
        "debate": {"models": {"reader": "gpt-4.1-nano"}},
    }  # fmt: skip
    for name, content in texts.items():
        (own / f"{name}.yaml").write_text(yaml.safe_dump(content))
    environment = Environment(
        desk_home=desk_home, desk_config=own, desk_reddit_client_id="desk", desk_reddit_client_secret="secret",
        finnhub_api_key=KEY, openai_base_url=reader.url, openai_api_key="key",
    )  # fmt: skip
    config, clock = configuration(environment), FixedClock(NOW)
    async with AsyncExitStack() as closing:
        feed = market_feed(config, "cboe", clock, closing, engine)
        yield Desk(config, database, engine, feed, clock, "llm", closing)


async def test_a_live_run_sees_the_crowd_the_searches_and_the_wires_and_replays_when_all_are_gone(
    desk, reddit, trends, news, cboe, reader
):
    async with AsyncExitStack() as closing:
        crowd = crowd_of(desk.configuration.environment, desk.engine, desk.clock, closing)
        done = await visit(crowd, desk.clock, desk.configuration.graph.signals.social)
    assert done.troubles == ()
    assert {each.source: each.items for each in done.harvests} == {"reddit": 288, "trends": 1}
    fastest = max((await shown(desk, 24, "GME", None))["velocities"], key=lambda row: row["z_score"])
    assert fastest["velocity_score"] > 3

    request = await new_request(desk, at=None, watchlist=("GME",))
    asked = len(reddit.requests), len(trends.requests)
    finished = await execute(desk, request, Timings())
    assert (len(reddit.requests), len(trends.requests)) == asked, "a run asks neither: it reads what was collected"

    market = (await desk.snapshots.get(finished.document["snapshot_id"])).market
    about = [post for post in market.posts if "GME" in post.tickers]
    assert len(about) == 70
    assert {post.sentiment_model for post in about} == {"optiondesk-lexicon-2"}
    assert [item.id for item in market.headlines] == ["finnhub:1", "finnhub:2"]
    assert market.series[search_interest("GME")].value[-1] == 100.0
    assert market.series[hourly_mentions("GME")].value[-12:].sum() >= 35
    assert [post.context for post in about if post.context] == ["scandal"]
    assert "gpt-4.1-nano" in " ".join(market.provenance.values())

    (signal,) = [each for each in finished.document["signals"] if each["edge_type"] == "mention_velocity"]
    told = signal["metadata"]
    assert signal["direction"] == "bullish"
    assert signal["conviction"] > 0.7
    assert (told["context"], told["sources"]) == ("sold_out", ["news", "reddit", "trends"])
    assert told["alpha_decay_days"] == 15

    before = [len(site.requests) for site in (reddit, trends, news, cboe, reader)]
    gone = desk.configuration.environment.model_copy(update={"openai_base_url": None, "openai_api_key": None})
    alone = dataclasses.replace(desk, configuration=dataclasses.replace(desk.configuration, environment=gone))
    report = await replay(alone, await find_run(desk, request.run_id))
    assert (report.reproduced, report.differing, report.missing_calls) == (True, 0, ())
    assert [len(site.requests) for site in (reddit, trends, news, cboe, reader)] == before
