"""`desk social`: what is fetched, what is known of it, and its way from Reddit's page into a run's picture."""

import dataclasses
import json
import logging
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import prawcore.sessions
import pytest
from rich.console import Console

from app.cli import app
from app.cli.outcome import guarded
from app.clock import FixedClock, WallClock
from app.crowd import crowd_of, read_again, tagging, with_collected
from app.screens.social import show_crowd, show_visit
from app.services.social import velocities, visit
from app.settings import Environment
from app.wiring import configuration
from domain.errors import ConfigError, DatabaseDown, DataError
from domain.market import FORUM, DataNote, MarketData, Post, hourly_mentions
from domain.sentiment import Sentiment
from domain.social import Harvest, MentionCount
from memory.social import PostgresSocialStore
from signals.sentiment import LexiconModel
from tests.support.reddit_server import Fault, comment, reddit_server, submission

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(prawcore.sessions.FiniteRetryStrategy, "_sleep_seconds", lambda self: None)
    logging.getLogger("prawcore").setLevel(logging.ERROR)
    with reddit_server() as server:
        yield server


@pytest.fixture
def own(site, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "social_feeds.yaml").write_text(
        f"reddit:\n  subreddits: [stocks]\n  oauth_url: {site.base_url}\n  reddit_url: {site.base_url}\n"
    )
    return folder


@pytest.fixture
def environment(own, desk_home):
    return Environment(
        desk_home=desk_home, desk_config=own, desk_reddit_client_id="desk", desk_reddit_client_secret="secret"
    )


@pytest.fixture
def shell(database, own, desk_home, monkeypatch):
    for name, value in {
        "DESK_HOME": desk_home, "DESK_CONFIG": own, "DESK_DATABASE_URL": database.pipeline_url,
        "DESK_DATABASE_ADMIN_URL": database.admin_url, "DESK_REDDIT_CLIENT_ID": "desk",
        "DESK_REDDIT_CLIENT_SECRET": "secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    return monkeypatch


def fill(site, at, *, hours=6):
    now = at.timestamp()
    site.posts["stocks"] = [submission(n, minutes_ago=20 * n + 1, now=now) for n in range(3 * hours)]
    site.comments["stocks"] = [comment(n, minutes_ago=n + 1, now=now, body="$AMC") for n in range(30)]


def test_a_fetch_is_one_json_document_and_show_tells_what_is_known(site, shell, capsys):
    fill(site, WallClock().now())
    assert guarded(app, ["social", "fetch", "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert [(each["source"], each["items"]) for each in told["harvests"]] == [("reddit", 48)]
    assert told["off"] == {"trends": "no trends.terms in social_feeds.yaml"}
    assert "secret" not in said.out + said.err
    assert guarded(app, ["social", "show", "gme", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["symbol"] == "GME"
    assert len(shown["posts"]) == 18
    assert {mark["channel"] for mark in shown["bookmarks"]} == {"stocks/new", "stocks/comments"}
    assert guarded(app, ["social", "show"]) == 0
    assert "all posts" in capsys.readouterr().out


def test_without_any_source_the_remedy_is_named_and_the_exit_is_bad_input(shell, capsys):
    shell.delenv("DESK_REDDIT_CLIENT_SECRET")
    assert guarded(app, ["social", "fetch"]) == 2
    said = capsys.readouterr().err
    assert "DESK_REDDIT_CLIENT_SECRET not set" in said
    assert "reddit.com/prefs/apps" in said


def test_trouble_with_a_source_is_shown_and_not_an_exit_code(site, shell, capsys):
    fill(site, WallClock().now())
    site.faults["/r/stocks/comments"] = Fault(status=403)
    assert guarded(app, ["social", "fetch"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no listing stocks/comments" in said
    assert "18 new" in said


async def test_what_reddit_said_stands_in_the_picture_of_a_live_run_and_not_in_an_earlier_one(
    site, environment, engine
):
    fill(site, NOW)
    clock = FixedClock(NOW)
    async with AsyncExitStack() as closing:
        crowd = crowd_of(environment, engine, clock, closing)
        settings = configuration(environment).graph.signals.social
        done = await visit(crowd, clock, settings)
    assert done.troubles == ()
    assert done.counted > 0

    async def history(as_of, tickers):
        return MarketData(as_of=as_of, feed="cboe", tickers=tuple(tickers), chains={}, bars={}, series={})

    read = with_collected(history, environment, engine, clock)
    market = await read(NOW, ["GME", "SPY"])
    assert len(market.posts) == 18
    assert {post.tickers for post in market.posts} == {("GME",)}
    assert market.series[hourly_mentions("GME")].value[-1] == 3.0
    assert market.series[hourly_mentions("SPY")].value.sum() == 0.0
    earlier = await read(NOW - timedelta(minutes=1), ["GME", "SPY"])
    assert (earlier.posts, dict(earlier.series)) == ((), {})


async def test_of_two_visits_at_once_one_leaves_the_source_to_the_other(site, environment, engine):
    fill(site, NOW)
    clock = FixedClock(NOW)
    async with AsyncExitStack() as closing:
        crowd = crowd_of(environment, engine, clock, closing)
        async with PostgresSocialStore(engine).alone("reddit"):
            done = await visit(crowd, clock, configuration(environment).graph.signals.social)
    assert [note.code for note in done.troubles] == ["elsewhere"]
    assert site.requests == []


def counts(last, *, days=9):
    """A forum of 40 posts an hour that speaks of GME once an hour, and 30 times in the last one."""
    hours = [NOW.replace(minute=0) - n * HOUR for n in range(1, 24 * days)]
    rows = []
    for number, hour in enumerate(hours):
        for symbol, usual in ((FORUM, 40), ("GME", 1), ("SPY", 1)):
            many = last if symbol == "GME" and number == 0 else usual
            rows.append(
                MentionCount(
                    source="reddit",
                    symbol=symbol,
                    mention_count=many + (last if symbol == FORUM and not number else 0),
                    sentiment=None,
                    timestamp=hour,
                    known_at=hour + HOUR,
                )
            )
    return tuple(rows)


def test_a_burst_in_the_last_counted_hour_has_a_high_velocity_and_a_quiet_name_has_not():
    settings = configuration(Environment()).graph.signals.social
    found = {reading.symbol: reading for reading in velocities(counts(30), NOW, settings)}
    assert set(found) == {"GME", "SPY"}
    assert found["GME"].velocity_score > 3
    assert found["GME"].z_score > 3
    assert found["SPY"].z_score < 2
    assert found["GME"].timestamp == NOW.replace(minute=0)


def test_no_velocity_comes_from_a_short_history_or_from_an_hour_long_past():
    settings = configuration(Environment()).graph.signals.social
    assert velocities(counts(30, days=1), NOW, settings) == []
    assert velocities(counts(30), NOW + 3 * HOUR, settings) == []
    assert velocities((), NOW, settings) == []


class Failing:
    """A source that fails of `fault`."""

    name = "failing"

    def __init__(self, fault):
        self.fault = fault

    async def fetch(self):
        raise self.fault


async def visited(environment, engine, *, first):
    clock = FixedClock(NOW)
    async with AsyncExitStack() as closing:
        crowd = crowd_of(environment, engine, clock, closing)
        crowd = dataclasses.replace(crowd, sources=(first, *crowd.sources))
        return await visit(crowd, clock, configuration(environment).graph.signals.social)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (DataError("There is no model folder /nowhere."), "There is no model folder /nowhere."),
        (PermissionError("not yours"), "PermissionError: not yours"),
    ],
)
async def test_a_source_that_fails_of_anything_is_a_note_and_the_next_one_is_visited(
    site, environment, engine, fault, says
):
    fill(site, NOW)
    done = await visited(environment, engine, first=Failing(fault))
    assert [(note.code, note.subject, note.detail) for note in done.troubles] == [("failed", "failing", says)]
    assert [(each.source, each.items) for each in done.harvests] == [("failing", 0), ("reddit", 48)]


async def test_without_a_database_there_is_no_visit(site, environment, engine):
    with pytest.raises(DatabaseDown):
        await visited(environment, engine, first=Failing(DatabaseDown("PostgreSQL is away.")))


async def test_a_sentiment_model_that_cannot_be_loaded_is_named_and_not_taken_for_a_missing_subreddit(
    site, own, environment, engine
):
    fill(site, NOW)
    (own / "sentiment.yaml").write_text(f"model: finbert-onnx\nfolder: {own / 'absent'}\n")
    async with AsyncExitStack() as closing:
        crowd = crowd_of(environment, engine, FixedClock(NOW), closing)
        done = await visit(crowd, FixedClock(NOW), configuration(environment).graph.signals.social)
    (note,) = done.troubles
    assert note.code == "failed"
    assert "There is no model folder" in note.detail
    assert (await crowd.store.bookmark("reddit", "stocks/new")).complete_to is None  # read again once it can be scored


def test_a_stored_post_keeps_its_text_and_gets_tickers_by_cashtag_symbol_and_company_name():
    tag = tagging(Environment())

    def tickers(text):
        post = Post(
            id="1",
            source="reddit",
            channel="stocks",
            author=None,
            published_at=NOW,
            known_at=NOW,
            text=text,
            tickers=(),
        )
        (tagged,) = tag([post])
        assert tagged.text == text
        return tagged.tickers

    assert tickers("<b>GME</b> and $amc, but not IT or ALL of it") == ("AMC", "GME")
    assert tickers("Boeing is grounded again") == ("BA",)


def test_a_run_reads_again_only_what_another_model_had_read():
    class Other(LexiconModel):
        name = "other"

        def score(self, texts):
            return tuple(Sentiment(score=0.5, model=self.name) for _ in texts)

    def stored(number, text, model):
        return Post(
            id=str(number), source="reddit", channel="stocks", author=None, published_at=NOW, known_at=NOW, text=text,
            tickers=("GME",), sentiment=-0.25, sentiment_model=model,
        )  # fmt: skip

    posts = [stored(1, "<b>up</b>", "other"), stored(2, "<i>down</i>", "optiondesk-lexicon-1"), stored(3, "x", None)]
    read = read_again(posts, model=Other())
    assert [(post.id, post.text, post.sentiment) for post in read] == [
        ("1", "up", -0.25),
        ("2", "down", 0.5),
        ("3", "x", 0.5),
    ]
    assert {post.sentiment_model for post in read} == {"other"}


def test_settings_with_a_misspelt_key_fail_with_its_path(own):
    (own / "social_feeds.yaml").write_text("reddit:\n  subredits: [stocks]\n")
    with pytest.raises(ConfigError, match=r"social_feeds\.yaml: unknown key 'reddit\.subredits'"):
        crowd_of(Environment(desk_config=own), None, FixedClock(NOW), AsyncExitStack())


def test_screens_say_what_went_wrong_and_what_is_not_asked(capsys):
    notes = (DataNote(code="hole", subject="stocks/comments", detail="goes back to [bold]", count=3),)
    harvest = Harvest(source="reddit", items=1200, notes=notes).model_dump()
    console = Console(width=100)
    show_visit(console, {"harvests": [harvest], "off": {"trends": "no terms"}, "counted": 5, "measured": 2})
    nothing = {
        "as_of": NOW.isoformat(), "hours": 24, "symbol": None, "off": {}, "posts": [], "mentions": [], "velocities": [],
        "bookmarks": [{"source": "reddit", "channel": "x", "complete_from": None, "complete_to": None, "after": "t"}],
    }  # fmt: skip
    show_crowd(console, nothing)
    said = capsys.readouterr().out
    assert "1,200 new" in said
    assert "goes back to [bold] (3)" in said
    assert "trends is not asked: no terms" in said
    assert "Nothing was counted" in said
    assert "never read to its end" in said
    many = [
        {"symbol": f"S{n}", "mention_count": n, "sentiment": 0.5, "timestamp": "", "known_at": ""} for n in range(1, 30)
    ]
    fast = {"symbol": "S29", "velocity_score": 4.0, "z_score": 5, "timestamp": NOW.isoformat()}
    show_crowd(console, nothing | {"mentions": many, "velocities": [fast]})
    said = capsys.readouterr().out
    assert "and 9 more" in said
    assert said.index("S29") < said.index("S28")
    assert "Fri 11-20 09:35" in said


def test_a_hostile_post_reaches_the_screen_as_plain_text(site, shell, capsys):
    now = WallClock().now().timestamp()
    hostile = "$GME \x1b]0;owned\x07\x1b[2J up\u202e nwod\u200b <b>bold</b> [red]x[/]"
    site.posts["stocks"] = [submission(1, 5, now, title=hostile, selftext="")]
    site.comments["stocks"] = [comment(1, 5, now)]
    assert guarded(app, ["social", "fetch", "--json"]) == 0
    capsys.readouterr()
    assert guarded(app, ["social", "show", "GME"]) == 0
    out = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\u200b"} & set(out)
    assert "up nwod bold [red]x[/]" in " ".join(out.split())
    assert guarded(app, ["social", "show", "ZZZ"]) == 0
    assert "ZZZ was not named in these hours." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [(("not a ticker",), "'NOT A TICKER' is no ticker"), (("--at", "2999-01-01T00:00:00Z"), "lies in the future")],
)
def test_what_cannot_be_shown_is_said_in_one_sentence(shell, capsys, words, says):
    assert guarded(app, ["social", "show", *words]) == 2
    assert says in capsys.readouterr().err
