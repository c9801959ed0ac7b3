"""`desk demo january-2021` on the recorded talk: in time, cited, quiet names quiet, and blind to what came later."""

import contextlib
import io
import json
import shutil
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from app.cli.outcome import guarded
from app.cli.root import app
from app.clock import FixedClock
from app.screens.demo_january import show_january
from app.services.demo_january import NAME, QUIET, _counted, _look, _plain_rule, _quiet, slots
from app.settings import Environment
from app.wiring import configuration
from domain.market import Series
from domain.sessions import new_york, next_midnight_known_at
from feeds.library import MarketLibrary
from feeds.recorded.feed import RecordedFeed

HOURLY = "gme_hourly_activity_2020_04_2021_02.csv.gz"


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """A DESK_HOME of the test's own."""
    for name in ("DESK_CONFIG", "DESK_DEBUG", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def library(shared_data, tmp_path_factory):
    """A home whose library holds the talk by the hour and day, and the bars; no posts, which only cost time."""
    home = tmp_path_factory.mktemp("january")
    talk = shared_data / "reddit_wsb"
    made = MarketLibrary(home / "library")
    for file in (
        talk / HOURLY,
        talk / "mention_counts_2018_2025.csv",
        shared_data / "daily_bars" / "us_daily_2015_2024.csv.gz",
    ):
        made.import_path(file)
    return home


@pytest.fixture(scope="module")
def told(library):
    """The command's document, and its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DESK_CONFIG", raising=False)
        patch.setenv("DESK_HOME", str(library))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = guarded(app, ("demo", "january-2021", "--json"))
    return code, json.loads(out.getvalue())


@pytest.mark.shared_data
def test_gme_fires_on_the_thirteenth_two_weeks_before_its_highest_close(told):
    code, document = told
    assert code == 0
    first = document["first"]
    assert (first["day"], first["close"]) == ("2021-01-13", 31.40)
    assert first["loudest"]["as_of"] == "2021-01-13T17:00:00Z"
    assert first["loudest"]["conviction"] > 0.7
    assert document["peak"] == {"day": "2021-01-27", "close": 347.51}
    assert document["days"][0]["day"] == "2021-01-04"
    assert document["days"][-1]["day"] == "2021-02-05"
    assert len(document["days"]) == 24


@pytest.mark.shared_data
def test_the_debate_cites_the_signal_and_who_needs_chains_says_so(told):
    look = told[1]["first"]["loudest"]
    standing = [claim for claim in look["debate"]["claims"] if claim["struck"] is None]
    assert any(look["fired"] in claim["evidence_ids"] for claim in standing)
    silent = {(item["source"], item["code"]) for item in look["abstentions"]}
    assert {("vol_surface", "no_chain"), ("flow", "no_chain"), ("technical", "no_history")} <= silent
    assert [note["code"] for note in look["notes"]] == ["units_unknown"]


@pytest.mark.shared_data
def test_the_price_had_jumped_that_day_already_and_the_screen_says_so(told):
    assert told[1]["first"]["loudest"]["price"] == 31.75, "the hour from 16:00 to 17:00 UTC"
    fact = next(fact for fact in told[1]["facts"] if fact["name"] == "price then")
    assert fact["holds"] is None, "told, not ticked"
    assert fact["numbers"]["close_before"] == 19.95
    assert fact["numbers"]["gone"] == pytest.approx(0.5915, abs=1e-4)
    assert fact["numbers"]["high"] == 38.65
    assert "late for that day's jump" in fact["found"]


@pytest.mark.shared_data
def test_quiet_names_are_judged_by_counts_since_no_mood_of_theirs_is_recorded(told):
    days = told[1]["quiet_days"]
    assert {name: days[name]["fires"] for name in QUIET} == {name: [] for name in QUIET}
    assert [len(days[name]["plain"]) for name in QUIET] == [2, 0, 1]
    assert not any(days[name]["mood"] for name in QUIET)
    heard = [look["quiet"][name]["conviction"] for look in told[1]["looks"] for name in QUIET]
    assert len([one for one in heard if one is not None]) > 200


@pytest.mark.shared_data
def test_days_on_which_the_source_all_but_stopped_are_no_silence(told):
    document = told[1]
    assert document["thin"] == ["2021-01-25", "2021-01-26", "2021-01-27", "2021-02-05"]
    forum = {day["day"]: day["loudest"]["forum"] for day in document["days"]}
    assert [forum[day] for day in document["thin"]] == [37, 137, 395, 108]
    assert document["forum_usual"] > 5_000
    console = Console(file=io.StringIO(), width=140, color_system=None)
    show_january(console, document)
    text = " ".join(console.file.getvalue().split())
    assert "before the slot: 37 on 25 Jan, 137 on 26 Jan, 395 on 27 Jan, 108 on 05 Feb, usually " in text


@pytest.mark.shared_data
@pytest.mark.parametrize(("width", "shown"), [(80, False), (100, False), (140, True)])
def test_the_legend_explains_only_the_columns_shown(told, width, shown):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show_january(console, told[1])
    text = console.file.getvalue()
    heads = next(line for line in text.splitlines() if "session" in line).split()
    for column in ("usual", "tone"):
        assert (column in heads, f"{column}:" in text) == (shown, shown)


@pytest.mark.shared_data
async def test_the_page_tells_the_conviction_of_counts_and_of_the_full_import(shared_data, tmp_path):
    at, talk = new_york(date(2021, 1, 13), time(12)), shared_data / "reddit_wsb"
    settings = configuration(Environment(desk_home=tmp_path, desk_config=None)).graph
    library = MarketLibrary(tmp_path / "library")
    found = []
    for files in (
        (HOURLY, "mention_counts_2018_2025.csv"),
        ("gme_posts_2021q1.csv.gz", "wsb_posts_2021_01_02.csv.gz"),
    ):
        for file in files:
            library.import_path(talk / file)
        market = await RecordedFeed(library, FixedClock(at)).histories(at, (NAME, *QUIET))
        found.append((await _look(market, settings))["conviction"])
    page = " ".join((Path(__file__).parents[2] / "docs" / "social.md").read_text(encoding="utf-8").split())
    assert f"with {found[1]:.2f} on the hour before ({found[0]:.2f} without the posts" in page


def test_a_quiet_name_whose_counts_would_fire_fails_the_fact():
    """With its own conviction, capped for want of a mood, it never could."""

    def look(day, strong, conviction, plain):
        burst = {"strong": strong, "conviction": conviction, "plain": plain, "tone": None}
        return {"as_of": f"2021-01-{day:02d}T17:00:00Z", "quiet": {"NVDA": burst}}

    capped = _counted("NVDA", [look(5, 0.9, 0.3, True), look(6, 0.2, 0.2, True), look(6, 0.2, 0.2, True)])
    assert (capped["fires"], capped["plain"]) == (["2021-01-05"], ["2021-01-05", "2021-01-06"])
    assert not _quiet({"NVDA": capped}).holds
    assert "No mood is recorded of NVDA" in _quiet({"NVDA": capped}).found
    assert _quiet({"NVDA": {**capped, "plain": ["a", "b", "c"]}}).holds


def test_the_plain_rule_counts_days_without_mentions_as_none():
    def last(count):
        day = np.array(["2021-01-01", "2021-01-05", "2021-01-08"], dtype="datetime64[D]")
        return Series("m", "posts a day", day, next_midnight_known_at(day), np.array([7.0, 7.0, count]))

    assert not _plain_rule(last(6.0))
    assert _plain_rule(last(6.1))


@pytest.mark.shared_data
@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_screen_keeps_every_figure_whole(told, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show_january(console, told[1])
    text = console.file.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for words in (
        "31.40",
        "347.51",
        "fires",
        "highest",
        "no option chain of GME",
        "✓ early",
        "31.75",
        "38.65",
        "+59%",
        "VADER",
    ):
        assert words in text


@pytest.mark.shared_data
async def test_what_came_after_the_slot_changes_nothing(shared_data, library, tmp_path):
    at = new_york(date(2021, 1, 13), time(12))
    table = pd.read_csv(shared_data / "reddit_wsb" / HOURLY)
    past = table[pd.to_datetime(table["hour"]) < pd.Timestamp(at).tz_localize(None)]
    assert 0 < len(past) < len(table)
    past.to_csv(tmp_path / "h.csv", index=False)
    short = MarketLibrary(tmp_path / "library")
    short.import_path(tmp_path / "h.csv")
    short.import_path(shared_data / "reddit_wsb" / "mention_counts_2018_2025.csv")
    settings = configuration(Environment(desk_home=tmp_path, desk_config=None)).graph
    looks = []
    for held in (MarketLibrary(library / "library"), short):
        market = await RecordedFeed(held, FixedClock(at)).histories(at, (NAME, *QUIET))
        look = await _look(market, settings)
        looks.append({key: value for key, value in look.items() if key != "notes"})
    assert looks[0] == looks[1]
    assert looks[0]["fired"]


def test_a_library_without_the_talk_says_how_to_import_it(at_home):
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert guarded(app, ("demo", "january-2021")) == 2
    assert "holds no hourly talk about GME" in err.getvalue()
    assert "desk data import" in err.getvalue()


@pytest.mark.parametrize("command", ["january-2021", "squeeze"])
def test_a_home_that_cannot_be_made_is_the_machines_fault_in_both(monkeypatch, at_home, command):
    (at_home / "file").write_text("in the way")
    monkeypatch.setenv("DESK_HOME", str(at_home / "file" / "home"))
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert guarded(app, ("demo", command)) == 3
    assert "Check DESK_HOME" in err.getvalue()


@pytest.mark.parametrize(("command", "work"), [("january-2021", "demo_january.january"), ("squeeze", "demo.squeeze")])
def test_an_interrupted_demonstration_says_what_is_left_and_how_to_begin_anew(monkeypatch, at_home, command, work):
    async def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"app.services.{work}", interrupted)
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert guarded(app, ("demo", command)) == 130
    assert "Interrupted" in err.getvalue()
    assert f"demo {command}' begins anew" in err.getvalue()


@pytest.mark.shared_data
def test_a_library_without_the_closes_says_so_before_it_reads_anything(at_home, library):
    kept = at_home / "library"
    kept.mkdir()
    for source in (library / "library").iterdir():
        if not source.name.startswith("daily_bars"):
            shutil.copytree(source, kept / source.name)
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert guarded(app, ("demo", "january-2021")) == 2
    assert "no closes of GME" in err.getvalue()


def test_slots_are_the_desks_own_on_sessions_only():
    found = list(slots((time(9, 35), time(15, 30))))
    assert found[0] == datetime.fromisoformat("2021-01-04T14:35:00+00:00")
    assert len(found) == 2 * 24
    assert not any(at.date() == date(2021, 1, 18) for at in found), "a holiday"
