"""Cboe's delayed quotes: what is read, what is refused, and how the client behaves when the host does not."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from domain.errors import DataError, FeedDown, UsageError
from domain.market import MarketData
from feeds.cboe.client import CboeClient, CboeFeed, CboeSettings
from feeds.cboe.parse import parse_chain, quote_instant
from feeds.fetch import FetchSettings
from tests.support.market_server import MarketServer, Reply, cboe_document, market_server

NOW = datetime(2026, 3, 16, 15, 15, tzinfo=UTC)  # Monday 11:15 New York
PUBLISHED = datetime(2026, 3, 16, 15, 14, 30, tzinfo=UTC)


class FixedClock:
    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def server():
    with market_server() as market:
        yield market


@pytest.fixture
async def client(server: MarketServer, tmp_path: Path):
    quick = FetchSettings(timeout_seconds=20, backoff_seconds=0.01, spacing_seconds=0.0)
    settings = CboeSettings(base_url=f"{server.base_url}/", universe=("SPY", "SPX"), fetch=quick)
    client = CboeClient(settings, FixedClock(), tmp_path / "cboe")
    yield client
    await client.aclose()


def spy(published: datetime = PUBLISHED, **more: object) -> Reply:
    return Reply(cboe_document("SPY", published, **more))


def test_quotes_are_fifteen_minutes_older_than_the_document():
    found = parse_chain(cboe_document("SPY", PUBLISHED), "SPY")
    assert found.known_at == PUBLISHED
    assert found.chain.as_of == PUBLISHED - timedelta(minutes=15)
    assert found.chain.spot == 600.0
    assert len(found.chain) == 20
    assert found.chain.symbol[0] == "SPY   260320C00540000"
    assert not found.chain.european.any()
    assert (found.chain.multiplier == 100).all()
    assert found.chain.expires_at[0] == np.datetime64("2026-03-20T20:00:00")


@pytest.mark.parametrize(
    ("published", "last_trade", "taken"),
    [
        # Saturday: the document is new, its quotes are Friday's close
        (datetime(2026, 3, 14, 17, 0, tzinfo=UTC), "2026-03-13T16:14:59", datetime(2026, 3, 13, 20, 0, tzinfo=UTC)),
        # before the open
        (datetime(2026, 3, 16, 13, 40, tzinfo=UTC), "2026-03-13T15:59:00", datetime(2026, 3, 13, 19, 59, tzinfo=UTC)),
        # shortly after the close, no last trade given: outside the session, so hygiene refuses it
        (datetime(2026, 3, 16, 20, 45, tzinfo=UTC), None, datetime(2026, 3, 16, 20, 0, tzinfo=UTC)),
        # pre-market trade of the same day: the quotes are still Friday's
        (datetime(2026, 3, 16, 13, 0, tzinfo=UTC), "2026-03-16T08:30:00", datetime(2026, 3, 13, 20, 0, tzinfo=UTC)),
    ],
)
def test_a_document_published_outside_the_session_does_not_make_its_quotes_fresh(published, last_trade, taken):
    assert quote_instant(published, last_trade) == taken


def test_spx_has_two_roots_that_settle_differently():
    monthly = json.loads(cboe_document("SPX", PUBLISHED, spot=6000.0, root="SPX"))
    weekly = json.loads(cboe_document("SPX", PUBLISHED, spot=6000.0, root="SPXW"))
    monthly["data"]["options"] += weekly["data"]["options"]
    chain = parse_chain(json.dumps(monthly).encode(), "SPX").chain
    assert chain.european.all()
    assert (chain.am_settled == (chain.root == "SPX")).all()
    third_friday = chain.expiry == np.datetime64("2026-04-17")
    assert set(chain.expires_at[third_friday & chain.am_settled]) == {np.datetime64("2026-04-17T13:30:00")}
    assert set(chain.expires_at[third_friday & ~chain.am_settled]) == {np.datetime64("2026-04-17T20:00:00")}


def test_unreadable_contracts_are_counted_and_adjusted_ones_never_tradeable():
    bad = ({"option": "SPY26032XC1"}, {"option": "SPY1260320C00600000", "bid": -1, "ask": "x", "iv": 0}, "no row")
    found = parse_chain(cboe_document("SPY", PUBLISHED, extra=bad), "SPY")
    assert [(note.code, note.count) for note in found.notes] == [("bad_symbol", 2)]
    adjusted = found.chain.rows(found.chain.root == "SPY1")
    assert not adjusted.standard.any()
    assert all(math.isnan(getattr(adjusted, name)[0]) for name in ("multiplier", "bid", "ask", "vendor_iv", "last"))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (cboe_document("SPY", PUBLISHED)[:500], "not whole JSON"),
        (b"[]", "no data.options list"),
        (b'{"data": {"options": []}}', "no readable timestamp"),
        (b'{"timestamp": "2026-03-16 15:00:00", "data": {"options": [], "current_price": 0}}', "current price"),
        (b'{"timestamp": "2026-03-16 15:00:00", "data": {"options": [], "current_price": 5}}', "no readable contract"),
    ],
)
def test_a_broken_document_is_one_clear_error(body: bytes, says: str):
    with pytest.raises(DataError, match=says):
        parse_chain(body, "SPY")


async def test_the_cache_spares_the_host_until_it_is_too_old(server: MarketServer, client: CboeClient):
    server.script("/SPY.json", spy())
    feed, clock = CboeFeed(client, client._clock), client._clock
    for _ in range(3):
        assert "SPY" in (await feed.quotes(NOW, ["SPY"]))
    assert server.requests == ["/SPY.json"]
    clock.at = NOW + timedelta(seconds=61)
    await feed.quotes(clock.at, ["SPY"])
    assert len(server.requests) == 2


async def test_passing_faults_are_retried_and_retry_after_is_honoured(server: MarketServer, client: CboeClient):
    server.script("/SPY.json", Reply(status=500), Reply(status=429, headers=(("Retry-After", "0.05"),)), spy())
    assert len((await client.delayed("SPY")).chain) == 20
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("reply", "asked", "says"),
    [
        (Reply(status=403), 1, "HTTP 403"),
        (Reply(status=429, headers=(("Retry-After", "3600"),)), 1, "HTTP 429"),
        (Reply(status=429, headers=(("Retry-After", "Mon, 16 Mar 2026 15:20:00 GMT"),)), 3, "HTTP 429"),
        (Reply(status=503), 3, "HTTP 503"),
    ],
)
async def test_a_host_that_stays_down_is_named_after_bounded_attempts(server, client, reply, asked, says):
    server.script("/SPY.json", reply)
    with pytest.raises(FeedDown, match=says):
        await client.delayed("SPY")
    assert len(server.requests) == asked


async def test_a_host_that_says_nothing_is_left_after_its_time(server: MarketServer, tmp_path: Path):
    hasty = FetchSettings(timeout_seconds=0.3, backoff_seconds=0.01, spacing_seconds=0.0)
    settings = CboeSettings(base_url=f"{server.base_url}/", fetch=hasty)
    client = CboeClient(settings, FixedClock(), tmp_path / "hasty")
    server.script("/SPY.json", Reply(delay=0.5))
    with pytest.raises(FeedDown, match=r"no answer within 0\.3 s"):
        await client.delayed("SPY")
    assert len(server.requests) == 3
    await client.aclose()


async def test_a_refused_connection_is_a_feed_that_is_down(tmp_path: Path):
    quick = FetchSettings(attempts=1, timeout_seconds=20)
    client = CboeClient(CboeSettings(base_url="http://127.0.0.1:9/", fetch=quick), FixedClock(), tmp_path)
    with pytest.raises(FeedDown, match="ConnectError"):
        await client.delayed("SPY")
    await client.aclose()


async def test_requests_are_spaced(server: MarketServer, tmp_path: Path):
    import time

    server.script("/SPY.json", spy())
    server.script("/QQQ.json", Reply(cboe_document("QQQ", PUBLISHED)))
    settings = CboeSettings(base_url=f"{server.base_url}/", fetch=FetchSettings(spacing_seconds=0.15))
    client = CboeClient(settings, FixedClock(), tmp_path)
    start = time.monotonic()
    await CboeFeed(client, FixedClock()).quotes(NOW, ["SPY", "QQQ"])
    assert time.monotonic() - start >= 0.15
    await client.aclose()


async def test_one_bad_ticker_does_not_cost_the_others(server: MarketServer, client: CboeClient):
    server.script("/SPY.json", spy())
    server.script("/QQQ.json", Reply(cboe_document("QQQ", PUBLISHED)[:300]))
    server.script("/_SPX.json", Reply(status=403))
    data = await CboeFeed(client, client._clock).gather(NOW, ["SPY", "NOPE", "QQQ", "SPX"])
    assert list(data.chains) == ["SPY"]
    assert {note.subject: note.code for note in data.notes} == {
        "NOPE": "unreadable",
        "QQQ": "unreadable",
        "SPX": "feed_down",
    }
    assert data.bars == {}
    assert data.tickers == ("NOPE", "QQQ", "SPX", "SPY")
    assert not list((client._cache).glob("QQQ*")), "an unreadable answer must not be cached"


async def test_the_whole_host_down_is_raised(server: MarketServer, client: CboeClient):
    server.script("/SPY.json", Reply(status=403))
    with pytest.raises(FeedDown):
        await CboeFeed(client, client._clock).gather(NOW, ["SPY"])


async def test_a_document_published_after_the_run_is_invisible(server: MarketServer, client: CboeClient):
    server.script("/SPY.json", spy(NOW + timedelta(seconds=1)))
    data = await CboeFeed(client, client._clock).gather(NOW, ["SPY"])
    assert data.chains == {}
    assert [note.code for note in data.notes] == ["not_yet_known"]


async def test_stale_quotes_are_not_in_the_universe(server: MarketServer, client: CboeClient):
    server.script("/SPY.json", spy(PUBLISHED - timedelta(minutes=20)))
    server.script("/_SPX.json", Reply(cboe_document("SPX", PUBLISHED, spot=6000.0, root="SPXW")))
    assert await CboeFeed(client, client._clock).universe(NOW) == ("SPX",)


@pytest.mark.parametrize("away", [timedelta(hours=-1), timedelta(seconds=1)])
async def test_past_and_future_runs_are_refused(client: CboeClient, away: timedelta):
    with pytest.raises(UsageError, match="show the present"):
        await CboeFeed(client, client._clock).gather(NOW + away, ["SPY"])


async def test_history_comes_from_the_companion_and_its_absence_is_noted(server: MarketServer, client: CboeClient):
    server.script("/SPY.json", spy())

    async def companion(as_of: datetime, tickers) -> MarketData:
        return MarketData(
            as_of=as_of, feed="recorded", tickers=("SPY",), chains={}, bars={}, series={}, sectors={"SPY": "index"}
        )

    async def nothing(as_of: datetime, tickers) -> MarketData:
        raise UsageError("Nothing is known at that time.")

    data = await CboeFeed(client, client._clock, history=companion).gather(NOW, ["SPY"])
    assert (data.feed, data.sectors, list(data.chains)) == ("cboe", {"SPY": "index"}, ["SPY"])
    data = await CboeFeed(client, client._clock, history=nothing).gather(NOW, ["SPY"])
    assert [note.code for note in data.notes] == ["no_history"]
    assert list(data.chains) == ["SPY"]
