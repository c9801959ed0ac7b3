"""What was collected joins a live feed's history as it was known, and its absence is not an outage."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.errors import DatabaseDown, DataError, MachineError
from domain.market import FORUM, MarketData, Post, Series, hourly_mentions, search_interest
from domain.social import MentionCount
from domain.units import to_datetime64
from feeds.collected import hourly_series, with_crowd
from feeds.text import tag_and_score_all

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def post(number, text="$GME to the <b>moon</b>", **changes):
    values = {
        "id": f"t3_{number}", "source": "reddit", "channel": "stocks", "author": None, "published_at": NINE,
        "known_at": NINE + HOUR, "text": text, "tickers": ("GME",),
    }  # fmt: skip
    return Post(**(values | changes))


def count(symbol, hours, mentions, *, known=2, source="reddit"):
    return MentionCount(
        source=source, symbol=symbol, mention_count=mentions, sentiment=None,
        timestamp=NINE + hours * HOUR, known_at=NINE + (hours + known) * HOUR,
    )  # fmt: skip


class Kept:
    """A store that holds what it is given and remembers what it was asked."""

    def __init__(self, posts=(), counts=(), fault=None):
        self.held, self.counts, self.fault, self.asked = posts, counts, fault, []

    async def posts(self, tickers, *, since, as_of):
        if self.fault:
            raise self.fault
        self.asked.append((tuple(tickers), since, as_of))
        return self.held

    async def mention_counts(self, *, since, as_of, symbols):
        self.asked.append((tuple(sorted(symbols)), since, as_of))
        return self.counts


async def history(as_of, tickers):
    old = post(7, known_at=NINE, text="recorded")
    return MarketData(
        as_of=as_of, feed="recorded", tickers=tuple(tickers), chains={}, bars={}, series={}, posts=(old,),
        provenance={"bars": "recorded"},
    )  # fmt: skip


def searches(tickers, as_of):
    days = np.array(["2026-11-19"], dtype="datetime64[D]")
    known = np.array([to_datetime64(as_of)])
    return {
        search_interest(ticker): Series(search_interest(ticker), "%", days, known, np.ones(1)) for ticker in tickers
    }


async def test_posts_are_cleaned_and_scored_counts_and_searches_join_and_nothing_else_is_touched():
    store = Kept((post(1),), (count(FORUM, 0, 9), count("GME", 0, 2)))
    read = with_crowd(history, store, interest=searches, days=8, tag=tag_and_score_all)
    market = await read(NOW, ["GME"])
    assert [item.id for item in market.posts] == ["t3_7", "t3_1"]
    assert market.posts[1].text == "$GME to the moon"
    assert market.posts[1].sentiment_model
    assert sorted(market.series) == [hourly_mentions(FORUM), hourly_mentions("GME"), search_interest("GME")]
    assert market.provenance["bars"] == "recorded"
    assert market.provenance["posts"].startswith("1 collected posts of the last 8 days")
    assert {asked[1:] for asked in store.asked} == {(NOW - timedelta(days=8), NOW)}


async def test_a_desk_that_never_collected_says_nothing_and_a_database_that_is_down_is_a_note():
    quiet = await with_crowd(history, Kept(), interest=None, days=8, tag=tag_and_score_all)(NOW, ["GME"])
    assert (len(quiet.posts), dict(quiet.series), quiet.notes) == (1, {}, ())
    broken = Kept(fault=DatabaseDown("PostgreSQL is away."))
    down = await with_crowd(history, broken, interest=None, days=8, tag=tag_and_score_all)(NOW, ["GME"])
    assert [note.code for note in down.notes] == ["no_posts"]
    assert len(down.posts) == 1


@pytest.mark.parametrize("fault", [DataError("There is no model folder /x."), MachineError("It needs torch.")])
async def test_a_model_that_cannot_be_loaded_costs_the_posts_and_neither_counts_nor_searches_nor_the_rest(fault):
    def tag(_):
        raise fault

    store = Kept((post(1),), (count(FORUM, 0, 9), count("GME", 0, 2)))
    market = await with_crowd(history, store, interest=searches, days=8, tag=tag)(NOW, ["GME"])
    assert [(note.code, note.detail) for note in market.notes] == [("no_posts", str(fault))]
    assert [item.id for item in market.posts] == ["t3_7"]
    assert sorted(market.series) == [hourly_mentions(FORUM), hourly_mentions("GME"), search_interest("GME")]


async def test_a_database_that_is_down_does_not_cost_the_searches():
    broken = Kept(fault=DatabaseDown("PostgreSQL is away."))
    market = await with_crowd(history, broken, interest=searches, days=8, tag=tag_and_score_all)(NOW, ["GME"])
    assert [note.code for note in market.notes] == ["no_posts"]
    assert list(market.series) == [search_interest("GME")]


def test_an_hour_that_was_counted_without_a_mention_is_a_zero_and_one_that_was_not_counted_is_absent():
    counts = [count(FORUM, 0, 5), count(FORUM, 3, 0, known=4), count("GME", 0, 2, known=3), count("GME", 2, 7)]
    series = hourly_series(counts, ["GME"])[hourly_mentions("GME")]
    assert series.value.tolist() == [2.0, 0.0]
    assert [str(hour)[:13] for hour in series.day] == ["2026-11-20T09", "2026-11-20T12"]
    assert series.known_at.tolist() == [to_datetime64(NINE + h * HOUR).astype(object) for h in (3, 7)]
    assert hourly_series([count("GME", 0, 2)], ["GME"]) == {}


def test_sources_are_added_up():
    counts = [count(FORUM, 0, 5), count(FORUM, 0, 3, source="other"), count("GME", 0, 1, source="other")]
    found = hourly_series(counts, ["GME"])
    assert [found[hourly_mentions(name)].value.tolist() for name in (FORUM, "GME")] == [[8.0], [1.0]]


@pytest.mark.parametrize("tickers", [(), ("GME",)])
async def test_a_count_is_never_younger_than_the_run(tickers):
    counts = tuple(count(FORUM, hours, 1) for hours in range(4))
    for series in hourly_series(counts, tickers).values():
        assert len(series.known_by(NINE + 3 * HOUR)) == 2
