"""Polymarket odds: one price of Yes, or a note that says why there is none."""

import json
from datetime import UTC, datetime

import pytest

from domain.errors import DataError
from domain.market import MarketData
from feeds.fetch import FetchSettings
from feeds.polymarket.client import PolymarketOdds, PolymarketSettings, with_odds
from feeds.polymarket.parse import parse_odds
from tests.support.market_server import Reply, gamma_markets, market_server

NOW = datetime(2026, 3, 16, 14, 30, tzinfo=UTC)
SLUG = "us-recession-in-2026"


def test_lists_inside_strings_and_plain_lists_are_read_alike():
    plain = gamma_markets(SLUG, outcomes=["Yes", "No"], outcomePrices=[0.23, 0.77])
    for body in (gamma_markets(SLUG), plain):
        reading = parse_odds(body, SLUG)
        assert reading.probability == 0.23
        assert reading.known_at == datetime(2026, 3, 16, 14, 0, tzinfo=UTC)


def test_a_yes_listed_second_is_not_mistaken_for_the_first_price():
    swapped = gamma_markets(SLUG, outcomes='["No", "Yes"]', outcomePrices='["0.9", "0.1"]')
    assert parse_odds(swapped, SLUG).probability == 0.1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (gamma_markets(SLUG)[:40], "not whole JSON"),
        (b"[]", "no market"),
        (b'{"slug": "x"}', "no market"),
        (gamma_markets("another"), "no market"),
        (gamma_markets(SLUG, closed=True), "closed"),
        (gamma_markets(SLUG, outcomePrices='["0.6"]'), "cannot be read"),
        (gamma_markets(SLUG, outcomePrices='["0.6", "x"]'), "cannot be read"),
        (gamma_markets(SLUG, outcomePrices="[0.6,"), "no list of outcomePrices"),
        (gamma_markets(SLUG, outcomePrices='["0.6", "0.6"]'), "add up to 1.200"),
        (gamma_markets(SLUG, outcomePrices='["1.5", "-0.5"]'), "no usable price"),
        (gamma_markets(SLUG, outcomes='["Up", "Down"]'), "no usable price"),
        (gamma_markets(SLUG, updatedAt=None), "cannot be read"),
    ],
)
def test_absurd_markets_are_refused(body: bytes, says: str):
    with pytest.raises(DataError, match=says):
        parse_odds(body, SLUG)


async def test_an_outage_or_a_later_update_costs_that_reading_only():
    with market_server() as server:
        late = gamma_markets("late", updated="2026-03-16T14:30:01Z")
        quick = FetchSettings(attempts=2, backoff_seconds=0.01, spacing_seconds=0.0)
        client = PolymarketOdds(
            PolymarketSettings(base_url=server.base_url, slugs=("good", "late", "broken"), fetch=quick)
        )
        # asked in the order broken, good, late; "broken" is tried twice
        server.script(
            "/markets", Reply(status=500), Reply(status=500), Reply(gamma_markets("good", "0.4")), Reply(late)
        )
        readings, notes = await client.odds(NOW)
        await client.aclose()
    assert [(reading.market, reading.probability) for reading in readings] == [("good", 0.4)]
    assert [(note.subject, note.code) for note in notes] == [("broken", "no_odds"), ("late", "not_yet_known")]
    assert server.requests[-1] == "/markets?slug=late"


def test_the_stand_in_speaks_in_lists_within_strings():
    assert isinstance(json.loads(gamma_markets(SLUG))[0]["outcomePrices"], str)


async def test_odds_join_the_history_of_a_live_feed_and_an_outage_is_a_note():
    async def history(as_of, tickers):
        return MarketData(as_of=as_of, feed="recorded", tickers=tuple(tickers), chains={}, bars={}, series={})

    silent = PolymarketOdds(PolymarketSettings())
    assert (await with_odds(history, silent)(NOW, ["SPY"])).odds == ()
    down = PolymarketSettings(base_url="http://127.0.0.1:9", slugs=("stress",), fetch=FetchSettings(attempts=1))
    source = PolymarketOdds(down)
    past = await with_odds(history, source)(NOW, ["SPY"])
    await source.aclose()
    assert past.odds == ()
    assert [(note.code, note.subject) for note in past.notes] == [("no_odds", "stress")]
