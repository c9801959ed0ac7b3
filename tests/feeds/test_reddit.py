"""Reddit against a local server that speaks its wire format: pages, crashes between them, holes, deletions, faults."""

import logging
from datetime import UTC, datetime, timedelta

import prawcore.sessions
import pytest

from domain.errors import DataError, FeedDown
from feeds.reddit.client import RedditClient, SourceClosed, Unreachable, retry_after_s
from feeds.reddit.parse import account_age_days, read_thing
from feeds.reddit.settings import RedditCredentials, RedditSettings
from feeds.reddit.source import RedditSource
from memory.social import PostgresSocialStore
from tests.support.reddit_server import Fault, comment, listing, reddit_server, submission, things

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
T = NOW.timestamp()
MINUTE = timedelta(minutes=1)


class HandClock:
    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at


@pytest.fixture
def impatient(monkeypatch):
    """PRAW as if it had used up its retries."""
    monkeypatch.setattr(prawcore.sessions.FiniteRetryStrategy, "should_retry_on_failure", lambda self: False)


@pytest.fixture
def site(monkeypatch):
    # PRAW pauses for seconds before it retries a passing fault.
    monkeypatch.setattr(prawcore.sessions.FiniteRetryStrategy, "_sleep_seconds", lambda self: None)
    logging.getLogger("prawcore").setLevel(logging.ERROR)
    with reddit_server() as server:
        yield server


class Desk:
    """A source over a real database, opened anew as often as a test wants to crash it."""

    def __init__(self, site, engine):
        self.site, self.store, self.clock = site, PostgresSocialStore(engine), HandClock()
        self.clients = []

    def source(self, *names, **changes):
        client = RedditClient(
            self.site.settings(*(names or ("stocks",)), **changes), self.site.credentials(), self.clock
        )
        self.clients.append(client)
        return RedditSource(client, self.store, self.clock, tag=self.tag)

    @staticmethod
    def tag(posts):
        return [post.model_copy(update={"tickers": ("GME",) if "GME" in post.text else ()}) for post in posts]

    async def posts(self, as_of=None):
        at = as_of or self.clock.now()
        return [post.id for post in await self.store.posts({"GME"}, since=at - timedelta(days=9), as_of=at)]


@pytest.fixture
async def desk(site, engine):
    made = Desk(site, engine)
    yield made
    for client in made.clients:
        await client.aclose()


def codes(harvest):
    return [(note.code, note.subject) for note in harvest.notes]


async def test_a_first_visit_reads_both_listings_back_to_the_wanted_hour_and_a_second_brings_only_what_is_new(
    desk, site
):
    site.posts["stocks"] = [submission(n, minutes_ago=30 * n, now=T) for n in range(120)]
    site.comments["stocks"] = [comment(n, minutes_ago=n, now=T) for n in range(1, 4)]
    source = desk.source(first_hours=24)
    first = await source.fetch()
    assert (first.items, first.changed, first.notes) == (103, 0, ())
    assert first.complete == ("stocks/new", "stocks/comments")
    assert len(site.paths("/r/stocks/new")) == 1  # the first page of 100 reaches back 50 hours
    desk.clock.at = NOW + 5 * MINUTE
    site.posts["stocks"].append(submission(500, minutes_ago=-1, now=T))
    second = await source.fetch()
    assert (second.items, second.notes) == (1, ())
    assert (await desk.posts())[-1] == "t3_p500"


async def test_nothing_is_known_before_it_was_fetched(desk, site):
    site.posts["stocks"] = [submission(1, minutes_ago=90, now=T)]
    await desk.source().fetch()
    assert await desk.posts(NOW - MINUTE) == []
    assert await desk.posts(NOW) == ["t3_p1"]
    (post,) = await desk.store.posts({"GME"}, since=NOW - timedelta(days=1), as_of=NOW)
    assert (post.published_at, post.known_at) == (NOW - 90 * MINUTE, NOW)
    assert (post.author, post.thread, post.channel) == (post.author, "t3_p1", "stocks")
    assert "user" not in post.model_dump_json().replace("author", "")


async def test_a_crash_between_two_pages_loses_nothing_and_the_next_process_goes_on_where_it_was(desk, site):
    site.posts["stocks"] = [submission(n, minutes_ago=n, now=T) for n in range(250)]
    site.on_request = lambda path: (
        site.faults.update({path: Fault(status=503)}) if len(site.paths("/r/stocks/new")) == 2 else None
    )
    cut = await desk.source(comments=False).fetch()
    assert (cut.items, codes(cut)) == (100, [("feed_down", "stocks/new")])
    site.on_request = None
    site.faults.clear()
    site.requests.clear()
    desk.clock.at = NOW + MINUTE
    site.posts["stocks"].append(submission(900, minutes_ago=-0.5, now=T))
    healed = await desk.source(comments=False).fetch()
    assert healed.items == 151
    assert site.paths("/r/stocks/new")[0].startswith("/r/stocks/new?limit=100&after=t3_p99")
    assert len(await desk.posts()) == 251
    mark = await desk.store.bookmark("reddit", "stocks/new")
    assert (mark.after, mark.complete_to) == (None, NOW + MINUTE)


async def test_a_walk_whose_place_was_deleted_begins_again_at_the_top(desk, site):
    site.posts["stocks"] = [submission(n, minutes_ago=n, now=T) for n in range(250)]
    site.on_request = lambda path: (
        site.faults.update({path: Fault(status=503)}) if len(site.paths("/r/stocks/new")) == 2 else None
    )
    await desk.source(comments=False).fetch()
    site.on_request = None
    site.faults.clear()
    site.posts["stocks"] = [post for post in site.posts["stocks"] if post["id"] != "p99"]
    assert (await desk.source(comments=False).fetch()).items == 150
    assert len(await desk.posts()) == 250


async def test_a_listing_that_shows_nothing_is_a_fault_and_not_the_end(desk, site):
    site.posts["stocks"] = []
    assert codes(await desk.source(comments=False).fetch()) == [("feed_down", "stocks/new")]
    assert (await desk.store.bookmark("reddit", "stocks/new")).complete_to is None


async def test_an_item_deleted_after_the_last_visit_does_not_hide_what_is_newer(desk, site):
    site.posts["stocks"] = [submission(n, minutes_ago=n, now=T) for n in range(5)]
    source = desk.source(comments=False)
    await source.fetch()
    desk.clock.at = NOW + 5 * MINUTE
    site.posts["stocks"] = [post for post in site.posts["stocks"] if post["id"] != "p0"]  # the newest, our bookmark
    site.posts["stocks"].append(submission(77, minutes_ago=-2, now=T))
    assert (await source.fetch()).items == 1


async def test_a_listing_that_ends_too_early_is_said_to_have_a_hole_and_busy_threads_are_read_in_full(desk, site):
    site.posts["stocks"] = [submission(1, minutes_ago=60, now=T)]
    replies = listing(things("t1", [comment(2, minutes_ago=50, now=T, parent_id="t1_c1")]))
    folded = {"count": 2, "name": "t1_x", "id": "x", "parent_id": "t3_p1", "depth": 0, "children": ["c8", "c9"]}
    site.threads["p1"] = [
        *things("t1", [comment(1, minutes_ago=55, now=T, replies=replies)]),
        {"kind": "more", "data": folded},
    ]
    site.folded = {"c8": comment(8, minutes_ago=40, now=T), "c9": comment(9, minutes_ago=3000, now=T)}
    site.comments["stocks"] = [comment(n, minutes_ago=n / 10, now=T) for n in range(100, 250)]
    harvest = await desk.source(max_pages=1).fetch()
    assert codes(harvest) == [("hole", "stocks/comments")]
    mended = {"t3_p1", "t1_c1", "t1_c2", "t1_c8"}  # c9 lies before what is wanted
    assert set(await desk.posts()) == mended | {f"t1_c{n}" for n in range(100, 200)}
    assert len(site.paths("/api/morechildren/")) == 1
    oldest = (await desk.store.bookmark("reddit", "stocks/comments")).complete_from
    assert abs(oldest - (NOW - 19.9 * MINUTE)) < timedelta(seconds=1)


async def test_a_deleted_item_stops_counting_from_when_it_was_noticed_and_an_edit_counts_from_then(desk, site):
    site.posts["stocks"] = [submission(n, minutes_ago=50 + n, now=T) for n in range(4)]
    source = desk.source(comments=False, recheck_hours=(1.0,))
    await source.fetch()
    desk.clock.at = NOW + 15 * MINUTE
    kept, edited, removed, vanished = site.posts["stocks"]
    edited |= {"title": "sold it all", "score": 99}
    removed |= {"selftext": "[removed]", "removed_by_category": "moderator"}
    site.posts["stocks"] = [kept, edited, removed]
    again = await source.fetch()
    assert len(site.paths("/api/info/")) == 1
    assert again.changed == 3
    assert vanished["id"] == "p3"
    assert await desk.posts() == ["t3_p0"]  # the edited one names no ticker any more
    assert await desk.posts(NOW + 14 * MINUTE) == ["t3_p3", "t3_p2", "t3_p1", "t3_p0"]
    site.requests.clear()
    await source.fetch()
    assert site.paths("/api/info/") == []  # each age is passed once


async def test_the_same_item_fetched_twice_is_one_item(desk, site):
    site.posts["stocks"] = [submission(n, minutes_ago=n, now=T) for n in range(3)]
    source = desk.source(comments=False, overlap_minutes=30)
    assert (await source.fetch()).items == 3
    again = await source.fetch()
    assert (again.items, again.changed) == (0, 0)
    assert len(await desk.posts()) == 3


FAULTS = {
    "private": (Fault(status=403, body=b'{"reason": "private"}'), "no_listing"),
    "absent": (Fault(status=404), "no_listing"),
    "misspelt": (Fault(status=302, headers=(("Location", "/subreddits/search?q=x"),)), "no_listing"),
    "withheld": (Fault(status=451), "no_listing"),
    "broken": (Fault(status=500), "feed_down"),
    "overloaded": (Fault(status=503), "feed_down"),
    "odd": (Fault(status=418), "feed_down"),
    "truncated": (Fault(body=b'{"kind": "Listing", "data": {"chil'), "feed_down"),
    "html": (Fault(body=b"<html>are you human?</html>"), "feed_down"),
    "childless": (Fault(body=b'{"kind": "Listing", "data": {}}'), "feed_down"),
    "surprising": (Fault(body=b'{"surprise": 1}'), "feed_down"),
    "slow": (Fault(delay=0.5), "unreachable"),
}


async def test_subreddits_that_are_down_in_every_way_never_stop_the_others(desk, site, impatient):
    names = [*FAULTS, "healthy"]
    for number, name in enumerate(names):
        site.posts[name] = [submission(number, minutes_ago=1, now=T, subreddit=name)]
    site.faults = {f"/r/{name}/new": fault for name, (fault, _) in FAULTS.items()}
    harvest = await desk.source(*names, comments=False, timeout_seconds=0.2).fetch()
    assert codes(harvest) == [(code, f"{name}/new") for name, (_, code) in FAULTS.items()]
    assert (harvest.items, harvest.complete) == (1, ("healthy/new",))
    assert await desk.posts() == [f"t3_p{len(FAULTS)}"]


async def test_a_passing_fault_is_tried_again_before_it_is_called_one(desk, site):
    site.posts["stocks"] = [submission(1, minutes_ago=1, now=T)]
    site.faults["/r/stocks/new"] = Fault(status=502, times=2)
    assert (await desk.source(comments=False).fetch()).notes == ()


async def test_too_many_requests_closes_the_source_for_as_long_as_reddit_asks(desk, site):
    wait = "Fri, 20 Nov 2026 14:37:00 GMT"  # in two minutes; PRAW alone falls over a date
    for name in ("aaa", "bbb"):
        site.posts[name] = [submission(1, minutes_ago=1, now=T, subreddit=name)]
    site.faults["/r/aaa/new"] = Fault(status=429, headers=(("Retry-After", wait),), times=1)
    source = desk.source("aaa", "bbb", comments=False)
    assert codes(await source.fetch()) == [("closed", "reddit")]
    assert site.paths("/r/bbb") == []
    desk.clock.at = NOW + timedelta(seconds=119)
    assert codes(await source.fetch()) == [("closed", "reddit")]
    desk.clock.at = NOW + timedelta(seconds=120)
    assert (await source.fetch()).notes == ()


async def test_the_last_requests_of_the_allowance_are_left_unless_it_is_renewed_soon(desk, site, monkeypatch):
    site.posts["stocks"] = [submission(1, minutes_ago=1, now=T)]
    site.comments["stocks"] = [comment(1, minutes_ago=1, now=T)]
    site.allowance, site.renewal = 7, 400
    monkeypatch.setattr("prawcore.rate_limit.time.sleep", lambda _: None)
    source = desk.source(reserve=10)
    harvest = await source.fetch()
    assert codes(harvest) == [("closed", "reddit")]
    assert "more requests in the next 400 s" in harvest.notes[0].detail
    assert site.paths("/r/stocks/comments") == []
    desk.clock.at = NOW + timedelta(seconds=401)
    site.allowance = 600
    assert (await source.fetch()).complete == ("stocks/new", "stocks/comments")


async def test_a_short_wait_for_the_allowance_is_waited_for(desk, site, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)
        site.allowance = 600

    monkeypatch.setattr("feeds.reddit.client.asyncio.sleep", sleep)
    site.posts["stocks"] = [submission(1, minutes_ago=1, now=T)]
    site.comments["stocks"] = [comment(1, minutes_ago=1, now=T)]
    site.allowance, site.renewal = 7, 3
    assert (await desk.source(comments=True).fetch()).notes == ()
    assert waited == [3.0]


async def test_refused_credentials_close_the_source_and_name_the_variables_but_not_the_secret(desk, site):
    site.posts["stocks"] = []
    client = RedditClient(
        site.settings("stocks"),
        RedditCredentials(client_id="desk", client_secret="wr0ng-s3cret", user_agent="tests of optiondesk"),
        desk.clock,
    )
    desk.clients.append(client)
    source = RedditSource(client, desk.store, desk.clock, tag=desk.tag)
    harvest = await source.fetch()
    assert codes(harvest) == [("closed", "reddit")]
    assert "DESK_REDDIT_CLIENT_ID" in harvest.notes[0].detail
    assert "wr0ng" not in harvest.model_dump_json() + repr(client.__dict__)
    assert len(site.requests) == 1  # not once for each listing


async def test_an_expired_token_is_renewed_without_anybody_noticing(desk, site):
    site.posts["stocks"] = [submission(1, minutes_ago=1, now=T)]
    site.faults["/r/stocks/new"] = Fault(status=401, times=1)
    assert (await desk.source(comments=False).fetch()).items == 1
    assert len(site.paths("access_token")) == 2


async def test_a_host_that_does_not_answer_is_asked_twice_and_not_for_every_listing(desk):
    settings = RedditSettings(
        subreddits=("aaa", "bbb", "ccc"),
        comments=False,
        oauth_url="http://127.0.0.1:9",
        reddit_url="http://127.0.0.1:9",
    )
    client = RedditClient(settings, desk.site.credentials(), desk.clock)
    desk.clients.append(client)
    harvest = await RedditSource(client, desk.store, desk.clock, tag=desk.tag).fetch()
    assert [code for code, _ in codes(harvest)] == ["unreachable", "unreachable", "closed"]


async def test_accounts_are_aged_in_one_request_and_only_once(desk, site):
    site.posts["stocks"] = [submission(n, minutes_ago=n, now=T) for n in (1, 2)]
    site.accounts = {"t2_u1": T - 3 * 86_400 - 60}
    source = desk.source(account_ages=True, comments=False)
    await source.fetch()
    posts = await desk.store.posts({"GME"}, since=NOW - timedelta(days=1), as_of=NOW)
    assert [post.author_age_days for post in posts] == [None, 3.0]
    asked = len(site.paths("user_data_by_account_ids"))
    await source.fetch()
    assert asked == 1
    assert all("t2_u1" not in path for path in site.paths("user_data_by_account_ids")[1:])


async def test_ages_that_cannot_be_learned_cost_nothing_but_themselves(desk, site):
    site.posts["stocks"] = [submission(1, minutes_ago=1, now=T)]
    site.faults["/api/user_data_by_account_ids"] = Fault(status=500)
    harvest = await desk.source(account_ages=True, comments=False).fetch()
    assert (harvest.items, harvest.notes) == (1, ())


async def test_a_thread_or_a_second_look_that_fails_is_a_note(desk, site):
    site.posts["stocks"] = [submission(1, minutes_ago=30, now=T)]
    site.comments["stocks"] = [comment(n, minutes_ago=n / 10, now=T) for n in range(1, 150)]
    site.faults["/comments/p1/"] = Fault(status=404)
    site.faults["/api/info/"] = Fault(status=500)
    source = desk.source(recheck_hours=(1.0,), max_pages=1)
    first = await source.fetch()
    assert ("no_thread", "t3_p1") in codes(first)
    desk.clock.at = NOW + 62 * MINUTE
    site.posts["stocks"] = [submission(2, minutes_ago=-60, now=T)]  # the first is listed no more: asked for by name
    assert ("no_recheck", "reddit") in codes(await source.fetch())


HOSTILE = [
    {"id": None},
    {"id": "../../x"},
    {"created_utc": None},
    {"created_utc": True},
    {"created_utc": float("nan")},
    {"created_utc": 1e300},
    {"created_utc": 0},
    {"created_utc": T + 3600},
]


@pytest.mark.parametrize("change", HOSTILE)
def test_an_item_without_a_usable_id_or_time_is_passed_over(change):
    assert read_thing(submission(1, 1, T) | change, "t3", seen_at=NOW) is None


async def test_passed_over_items_are_counted_and_the_rest_of_the_page_is_kept(desk, site):
    odd = submission(2, minutes_ago=2, now=T) | {"id": "p-2"}
    site.posts["stocks"] = [submission(1, minutes_ago=1, now=T), odd]
    harvest = await desk.source(comments=False).fetch()
    assert harvest.items == 1
    assert ("unreadable", "stocks/new") in codes(harvest)


async def test_text_that_no_database_can_hold_is_mended_and_does_not_cost_the_page(desk, site):
    body = "GME \x00 \ud800 half a pair " + "x" * 50_000
    site.posts["stocks"] = [
        submission(1, minutes_ago=1, now=T, title=body, selftext=None, score="many", num_comments=2.5)
    ]
    assert (await desk.source(comments=False).fetch()).items == 1
    (post,) = await desk.store.posts({"GME"}, since=NOW - timedelta(days=1), as_of=NOW)
    assert post.text.startswith("GME  ? half a pair x")
    assert (len(post.text), post.score, post.comments) == (4_000, None, None)


def test_a_deleted_account_leaves_a_text_that_counts_and_a_deleted_text_does_not():
    nameless = submission(1, 1, T) | {"author": None, "author_fullname": None}
    assert read_thing(nameless, "t3", seen_at=NOW).post.author is None
    for text in ("[deleted]", "[removed]"):
        assert read_thing(submission(1, 1, T, selftext=text), "t3", seen_at=NOW).post is None
        assert read_thing(comment(1, 1, T, body=text), "t1", seen_at=NOW).post is None


def test_a_host_clock_slightly_ahead_does_not_make_an_item_known_before_it_was_written():
    ahead = read_thing(submission(1, -2, T), "t3", seen_at=NOW)
    assert ahead.post.known_at == ahead.published_at == NOW + 2 * MINUTE
    assert account_age_days(T + 9_999, NOW) is None


def test_a_wait_is_read_as_seconds_or_as_a_date_and_nonsense_is_no_wait():
    assert retry_after_s("90", NOW) == 90.0
    assert retry_after_s("Fri, 20 Nov 2026 14:36:00 GMT", NOW) == 60.0
    assert retry_after_s("Fri, 20 Nov 2026 14:30:00 GMT", NOW) == 0.0
    assert retry_after_s("soon", NOW) == 0.0


async def test_each_fault_has_its_own_error_and_the_client_goes_on_after_it(site, impatient):
    site.posts["stocks"] = [submission(1, minutes_ago=1, now=T)]
    client = RedditClient(site.settings("stocks", timeout_seconds=0.2), site.credentials(), HandClock())
    for fault, error in (
        (Fault(status=403), DataError),
        (Fault(status=500), FeedDown),
        (Fault(status=429), SourceClosed),
        (Fault(delay=0.5), Unreachable),
    ):
        site.faults["/r/stocks/new"] = fault
        with pytest.raises(error):
            await client.page("r/stocks/new", None)
        site.faults.clear()
        assert len((await client.page("r/stocks/new", None)).sightings) == 1
    await client.aclose()


def test_settings_refuse_a_subreddit_named_twice_or_as_a_path():
    assert RedditSettings(subreddits=("WallStreetBets",)).subreddits == ("wallstreetbets",)
    for names in (("stocks", "Stocks"), ("../api",)):
        with pytest.raises(ValueError, match="subreddits"):
            RedditSettings(subreddits=names)
