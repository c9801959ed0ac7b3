"""Items of the crowd as known at an instant, counted by the hour once read completely."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import DataError
from domain.market import Post
from domain.social import Bookmark, Sighting, VelocityReading
from memory.social import PostgresSocialStore

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def look(number, published, *, seen=NOW, tickers=("GME",), gone=False, **changes):
    post = Post(
        id=f"t3_{number}",
        source="reddit",
        channel="stocks",
        author=None,
        published_at=published,
        known_at=seen,
        text=changes.pop("text", f"text {number}"),
        tickers=tickers,
        **changes,
    )
    return Sighting(source="reddit", id=post.id, published_at=published, seen_at=seen, post=None if gone else post)


@pytest.fixture
def store(engine):
    return PostgresSocialStore(engine)


def mark(channel, start, end):
    return Bookmark(source="reddit", channel=channel, complete_from=start, complete_to=end)


async def named(store, as_of, **since):
    found = await store.posts({"GME"}, since=since.get("since", NINE - HOUR), as_of=as_of)
    return [(post.id, post.text, post.score) for post in found]


async def test_an_item_is_known_from_its_first_look_and_each_change_from_the_look_that_found_it(store):
    assert await store.keep([look(1, NINE, score=1)]) == (1, 0)
    assert await store.keep([look(1, NINE, seen=NOW + MINUTE, score=5)]) == (0, 1)
    assert await store.keep([look(1, NINE, seen=NOW + 2 * MINUTE, score=5, text="edited")]) == (0, 1)
    assert await store.keep([look(1, NINE, seen=NOW + 3 * MINUTE, gone=True)]) == (0, 1)
    assert await store.keep([look(1, NINE, seen=NOW + 4 * MINUTE, gone=True)]) == (0, 0)
    assert await named(store, NOW - MINUTE) == []
    assert await named(store, NOW) == [("t3_1", "text 1", 1)]
    assert await named(store, NOW + MINUTE) == [("t3_1", "text 1", 5)]
    assert await named(store, NOW + 2 * MINUTE) == [("t3_1", "edited", 5)]
    assert await named(store, NOW + 3 * MINUTE) == []
    assert await store.keep([look(1, NINE, seen=NOW + 5 * MINUTE, score=6)]) == (0, 1)  # reinstated
    assert await named(store, NOW + 5 * MINUTE) == [("t3_1", "text 1", 6)]


async def test_an_edit_that_brings_or_takes_a_ticker_is_found_under_the_new_one_only_from_then_on(store):
    await store.keep([look(1, NINE, tickers=()), look(2, NINE, tickers=("GME",))])
    later = NOW + MINUTE
    await store.keep(
        [look(1, NINE, seen=later, text="a", tickers=("GME",)), look(2, NINE, seen=later, text="b", tickers=())]
    )
    assert [row[0] for row in await named(store, NOW)] == ["t3_2"]
    assert [row[0] for row in await named(store, later)] == ["t3_1"]


async def test_the_same_page_stored_twice_by_two_processes_is_stored_once(store, engine):
    page = [look(number, NINE) for number in range(5)]
    assert await store.keep([*page, page[0]]) == (5, 0)
    assert await PostgresSocialStore(engine).keep(page) == (0, 0)
    assert len(await named(store, NOW)) == 5
    assert await store.keep([look(99, NINE, gone=True)]) == (0, 0)  # gone before we ever saw it


async def test_page_and_bookmark_are_stored_together_or_not_at_all(store):
    wrong = look(2, NOW + HOUR)  # known before it was published
    with pytest.raises(DataError, match="before it was published"):
        await store.keep([look(1, NINE), wrong], mark("stocks/new", NINE, NOW))
    assert await named(store, NOW) == []
    assert (await store.bookmark("reddit", "stocks/new")).complete_to is None
    await store.keep([look(1, NINE)], mark("stocks/new", NINE, NOW))
    assert await store.bookmark("reddit", "stocks/new") == mark("stocks/new", NINE, NOW)
    assert await store.bookmarks() == (mark("stocks/new", NINE, NOW),)


async def test_an_item_is_due_once_for_every_age_it_passes(store):
    ages = (HOUR, 6 * HOUR)
    await store.keep([look(1, NOW - 50 * MINUTE), look(2, NOW - 20 * HOUR), look(3, NOW - 2 * HOUR)])

    async def due(at):
        return await store.due("reddit", at=at, ages=ages, limit=10)

    assert await due(NOW) == ()
    assert await due(NOW + 10 * MINUTE) == ("t3_1",)
    await store.keep([look(1, NOW - 50 * MINUTE, seen=NOW + 10 * MINUTE)])
    assert await due(NOW + 11 * MINUTE) == ()
    assert await due(NOW + 4 * HOUR) == ("t3_3",)
    assert await store.due("reddit", at=NOW, ages=(), limit=10) == ()


async def test_only_hours_that_every_channel_covers_are_counted_and_silence_is_a_zero(store):
    items = [
        look(1, NINE + 5 * MINUTE, sentiment=0.5), look(2, NINE + 6 * MINUTE, sentiment=None),
        look(3, NINE + 7 * MINUTE, tickers=("AMC", "GME"), sentiment=-0.1), look(4, NINE + 2 * HOUR, tickers=()),
    ]  # fmt: skip
    await store.keep(items, mark("stocks/new", NINE - HOUR, NOW))
    await store.keep([], mark("stocks/comments", NINE, NINE + 3 * HOUR + 59 * MINUTE))
    channels = ("stocks/new", "stocks/comments")
    assert await store.settle("reddit", channels, since=NINE - 9 * HOUR, at=NOW) == 5
    counts = await store.mention_counts(since=NINE - HOUR, as_of=NOW)
    assert [(c.symbol, c.timestamp.hour, c.mention_count, c.sentiment) for c in counts] == [
        ("*", 9, 3, 0.2), ("*", 10, 0, None), ("*", 11, 1, None), ("AMC", 9, 1, -0.1), ("GME", 9, 3, 0.2),
    ]  # fmt: skip
    assert await store.settle("reddit", channels, since=NINE - 9 * HOUR, at=NOW) == 0
    assert await store.mention_counts(since=NINE, as_of=NOW - MINUTE) == ()


async def test_deleted_items_stop_counting_and_what_was_counted_before_stays_to_be_read(store):
    await store.keep([look(1, NINE), look(2, NINE)], mark("stocks/new", NINE, NINE + HOUR))
    await store.settle("reddit", ["stocks/new"], since=NINE, at=NOW)
    later = NOW + HOUR
    await store.keep([look(n, NINE, seen=later, gone=True) for n in (1, 2)])
    assert await store.settle("reddit", ["stocks/new"], since=NINE, at=later) == 2

    async def gme(as_of):
        found = await store.mention_counts(since=NINE, as_of=as_of, symbols={"GME"})
        return [count.mention_count for count in found]

    assert (await gme(NOW), await gme(later)) == ([2], [0])


async def test_after_an_outage_the_hours_between_are_counted_too_however_old_they_are(store):
    await store.keep([look(1, NINE, seen=NINE)], mark("stocks/new", NINE, NINE + HOUR))
    await store.settle("reddit", ["stocks/new"], since=NINE, at=NINE + HOUR)
    back = NINE + timedelta(days=3)
    await store.keep([look(2, NINE + 5 * HOUR, seen=back)], mark("stocks/new", NINE, back))
    await store.settle("reddit", ["stocks/new"], since=back - HOUR, at=back)
    counts = await store.mention_counts(since=NINE, as_of=back, symbols={"*"})
    assert len(counts) == 72
    assert [count.timestamp - NINE for count in counts if count.mention_count] == [0 * HOUR, 5 * HOUR]


@pytest.mark.parametrize("channels", [(), ("stocks/new", "never/read")])
async def test_nothing_is_counted_where_a_channel_was_never_read(store, channels):
    await store.keep([look(1, NINE)], mark("stocks/new", NINE, NOW))
    assert await store.settle("reddit", channels, since=NINE, at=NOW) == 0


async def test_the_first_velocity_of_an_hour_stands_and_is_known_from_when_it_was_measured(store):
    first = VelocityReading(symbol="GME", velocity_score=4.0, z_score=5.0, timestamp=NINE, known_at=NOW)
    assert await store.publish_velocity([first]) == 1
    again = first.model_copy(update={"z_score": 9.0})
    assert await store.publish_velocity([again]) == 0
    assert await store.publish_velocity([]) == 0
    assert await store.velocities(since=NINE - HOUR, as_of=NOW) == (first,)
    assert await store.velocities(since=NINE - HOUR, as_of=NOW - MINUTE) == ()


async def test_of_two_processes_one_fetches_a_source_and_another_source_is_free(store, engine):
    other = PostgresSocialStore(engine)
    async with store.alone("reddit") as first, other.alone("reddit") as second, other.alone("trends") as third:
        assert (first, second, third) == (True, False, True)
    async with other.alone("reddit") as again:
        assert again
    assert await store.posts(set(), since=NINE, as_of=NOW) == ()
