"""`desk memory`: what people see of situations, lessons and vectors."""

import asyncio
import dataclasses
import io
import json

import psycopg
import pytest
from rich.console import Console

from app.cli.outcome import guarded
from app.cli.root import app
from app.clock import FixedClock
from app.embedders import situation_embedder
from app.screens.memory import show_memories, show_memory, show_stats
from app.services.memory import memory_list, memory_reembedded, memory_shown, memory_stats
from app.settings import Environment
from domain.errors import ConfigError, DataError, UsageError
from domain.order import OrderState
from feeds.embeddings.endpoint import EndpointEmbedder
from feeds.embeddings.settings import EmbedderSettings
from memory.engine import connected, conninfo
from memory.orders import PostgresOrderStore
from memory.recall import PostgresSituationMemory
from memory.recall_vectors import FeatureEmbedder
from tests.memory.test_recall import Model
from tests.support.experience import AS_OF, DAY, argued, keep, part, situation
from tests.support.orders import HOUR, fill, order

CITED = (("bull", "memory/old/SPY"),)


async def filled(engine):
    memory = PostgresSituationMemory(engine, feed="simulated")
    await keep(memory, "old", days_ago=30, known_days_ago=20, contributions=(part(),))
    await keep(memory, "lost", days_ago=12, known_days_ago=10, outcome=-1.0, importance=0.95)
    await keep(memory, "new", days_ago=8, known_days_ago=5, cites=CITED, importance=0.6)
    await keep(memory, "open", outcome=None, days_ago=2)


@pytest.fixture
async def remembering(desk, engine):
    await filled(engine)
    return dataclasses.replace(desk, clock=FixedClock(AS_OF))


def shown(screen, *arguments, width=100, **named):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    screen(console, *arguments, **named)
    return console.file.getvalue()


async def test_the_list_is_newest_first_and_says_how_vivid_each_is(remembering):
    found = await memory_list(remembering, at=AS_OF, learned=None, limit=10)
    assert [row["run_id"] for row in found["memories"]] == ["open", "new", "lost", "old"]
    by_run = {row["run_id"]: row for row in found["memories"]}
    assert (by_run["old"]["useful"], by_run["old"]["importance"]) == (1, pytest.approx(0.95))
    assert (by_run["open"]["outcome"], by_run["open"]["layer"]) == (None, None)
    assert [row["run_id"] for row in (await memory_list(remembering, at=AS_OF, learned=True, limit=2))["memories"]] == [
        "new", "lost",
    ]  # fmt: skip
    only_open = await memory_list(remembering, at=AS_OF, learned=False, limit=2)
    assert [row["run_id"] for row in only_open["memories"]] == ["open"]
    for width in (80, 100, 140):
        text = shown(show_memories, found, desk="desk", width=width)
        assert max(len(line) for line in text.splitlines()) <= width
        assert text.count("SPY") >= 4
        assert "-1.00" in text
        assert "O-lost-SPY" in text
    empty = {**found, "memories": []}
    assert "No order of a remembered situation" in shown(show_memories, {**empty, "learned": False}, desk="desk")
    assert "Nothing is remembered of simulated yet" in shown(show_memories, empty, desk="desk")


async def traded(engine):
    """Situations whose orders were rejected, ran out of time, made way, wait, are held and were closed again."""
    memory, store = PostgresSituationMemory(engine, feed="simulated"), PostgresOrderStore(engine, account="simulated")
    at = AS_OF - DAY
    ends = {
        "GDX": (OrderState.REJECTED,), "QQQ": (OrderState.EXPIRED,), "IWM": (OrderState.SUPERSEDED,), "TLT": (),
        "GLD": (OrderState.APPROVED, OrderState.SUBMITTED, OrderState.FILLED),
        "XLE": (OrderState.APPROVED, OrderState.SUBMITTED, OrderState.FILLED),
    }  # fmt: skip
    for ticker, steps in ends.items():
        await keep(memory, "ran", outcome=None, days_ago=1, ticker=ticker)
        staged = order(f"O-ran-{ticker}", at=at, ticker=ticker, run_id="ran")
        await store.stage(staged)
        for before, after in zip((OrderState.STAGED, *steps), steps, strict=False):
            await store.transition(
                staged.order_id, after, expect=before, at=at + HOUR, reviewer="ann", reason="a test's"
            )
        if OrderState.FILLED in steps:
            await store.record_fill(fill(staged, 1.5, 0.5, at=at + HOUR))
    leaving = order("O-out-XLE", at=at + 2 * HOUR, ticker="XLE", run_id="out", closes="O-ran-XLE")
    await store.stage(leaving)
    await store.record_fill(fill(leaving, 1.0, 0.5, at=at + 3 * HOUR))
    await memory.remember("ran", situation(ticker="DIA", at=at), "neutral", argued(ticker="DIA"), None)
    return at


async def test_an_order_that_came_to_nothing_is_not_open(desk, engine):
    at = await traded(engine)
    now = at + 3 * HOUR  # TLT may still be approved
    desk = dataclasses.replace(desk, clock=FixedClock(AS_OF))
    found = await memory_list(desk, at=now, learned=None, limit=10)
    assert {row["ticker"]: row["fate"] for row in found["memories"]} == {
        "GDX": "rejected", "QQQ": "expired", "IWM": "superseded", "TLT": "waiting", "GLD": "held", "XLE": "closed",
        "DIA": None,
    }  # fmt: skip
    text = shown(show_memories, found, desk="desk")
    assert all(word in text for word in ("rejected", "expired", "superseded", "waiting", "held", "not traded"))

    async def still_open(at):
        return {row["ticker"] for row in (await memory_list(desk, at=at, learned=False, limit=10))["memories"]}

    assert await still_open(now) == {"TLT", "GLD"}
    assert await still_open(at) == {"GDX", "QQQ", "IWM", "TLT", "GLD", "XLE"}  # as it was known then
    for ticker, said in (
        ("GDX", "not traded: order O-ran-GDX rejected"), ("GLD", "open: order O-ran-GLD is held"),
        ("XLE", "the next run draws the lesson"), ("DIA", "not traded: no order was staged"),
    ):  # fmt: skip
        assert said in shown(show_memory, await memory_shown(desk, f"ran/{ticker}", at=now))
    counted = await memory_stats(desk, at=now)
    assert (counted["situations"], counted["traded"]) == (7, 2)
    assert counted["orders"] == {
        "waiting": 1, "held": 1, "closed": 1, "rejected": 1, "expired": 1, "superseded": 1,
    }  # fmt: skip
    assert "1 waiting, 1 held, 1 closed, 1 rejected" in shown(show_stats, counted, desk="desk", width=80)


async def test_an_order_whose_time_is_up_waits_for_nobody_even_before_anyone_looked(desk, engine):
    lapses = await traded(engine) + 4 * HOUR
    desk = dataclasses.replace(desk, clock=FixedClock(AS_OF))
    for at, fate, said in (
        (lapses - HOUR, "waiting", "waiting: order O-ran-TLT waits for a decision or a fill"),
        (lapses, "expired", "not traded: order O-ran-TLT expired"),
    ):
        told = await memory_shown(desk, "ran/TLT", at=at)
        assert told["fate"] == fate
        assert said in shown(show_memory, told)
        still = {row["ticker"] for row in (await memory_list(desk, at=at, learned=False, limit=10))["memories"]}
        assert still == {"GLD"} | ({"TLT"} if fate == "waiting" else set())
    assert (await memory_stats(desk, at=lapses))["orders"] == {
        "held": 1, "closed": 1, "rejected": 1, "expired": 2, "superseded": 1,
    }  # fmt: skip
    assert (await PostgresOrderStore(engine, account="simulated").get("O-ran-TLT")).state is OrderState.STAGED


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_list_cuts_no_date_and_no_order(width):
    row = {
        "ticker": "GOOGL", "decided_at": "2025-04-07T14:40:00Z", "regime": "high_vol", "verdict": "inconclusive",
        "vol_view": "short", "outcome": -0.25, "fate": "closed", "finding": "unpaid", "layer": "short",
        "importance": 0.7, "recency": 0.9, "useful": 12, "useless": 3, "order_id": "O-SIUGSFQ7",
    }  # fmt: skip
    waits = {**row, "outcome": None, "fate": "superseded", "order_id": "O-WWMMWWMM", "useful": 0, "useless": 0}
    document = {"account": "simulated", "as_of": "2025-06-02T14:40:00Z", "learned": None, "memories": [row, waits]}
    text = shown(show_memories, document, desk="desk", width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.count("2025-04-07") == 2
    assert all(word in text for word in ("O-SIUGSFQ7", "O-WWMMWWMM", "GOOGL", "-0.25", "superseded", "unpaid"))
    assert "…" not in text


async def test_no_memory_is_asked_of_the_future(remembering):
    late = AS_OF + DAY
    for asked in (
        memory_list(remembering, at=late, learned=None, limit=10),
        memory_shown(remembering, "old", at=late),
        memory_stats(remembering, at=late),
    ):
        with pytest.raises(UsageError, match=r"2026-11-21 15:00 UTC lies in the future\. Give a past --at, or none"):
            await asked


async def test_a_simulated_market_ahead_of_the_clock_is_no_future(remembering, engine):
    late = AS_OF + DAY
    await PostgresOrderStore(engine, account="simulated").stage(order("O-late", at=late))
    assert (await memory_stats(remembering, at=late))["situations"] == 4
    with pytest.raises(UsageError, match="lies in the future"):
        await memory_stats(remembering, at=late + HOUR)


async def test_one_situation_is_found_by_its_id_its_order_or_a_clear_beginning(remembering):
    for which in ("memory/lost/SPY", "lost/SPY", "O-lost-SPY", "los"):
        told = await memory_shown(remembering, which, at=AS_OF)
        assert (told["run_id"], told["lesson"]["finding"]) == ("lost", "wrong")
    with pytest.raises(UsageError, match="fits 4 situations, among them lost/SPY"):
        await memory_shown(remembering, "O-", at=AS_OF)
    with pytest.raises(UsageError, match="is no situation of simulated"):
        await memory_shown(remembering, "nothing", at=AS_OF)
    for width in (80, 100, 140):
        text = shown(show_memory, await memory_shown(remembering, "new", at=AS_OF), width=width)
        assert max(len(line) for line in text.splitlines()) <= width
        for words in ("predicted", "happened", "finding", "short layer", "memory/old/SPY", "vega", "unknown"):
            assert words in text
    assert "waiting: order O-open-SPY waits" in shown(show_memory, await memory_shown(remembering, "open", at=AS_OF))


async def test_the_counts_add_up_and_lacking_vectors_are_told(remembering, monkeypatch):
    found = await memory_stats(remembering, at=AS_OF)
    assert (found["situations"], found["traded"], found["learned"], found["won"]) == (4, 3, 3, 2)
    assert found["orders"] == {"waiting": 1, "closed": 3}
    assert found["layers"] == {"long": 2, "short": 1}
    assert found["findings"] == {"right": 2, "wrong": 1}
    assert found["vectors"] == {FeatureEmbedder.name: 3}
    assert (found["citations"], found["useful"], found["without_vector"]) == (1, 1, 0)
    assert "in use" in shown(show_stats, found, desk="desk", width=80)
    monkeypatch.setitem(remembering.__dict__, "embedder", Model())
    text = shown(show_stats, await memory_stats(remembering, at=AS_OF), desk="desk", width=80)
    assert "3 lessons have no vector of model/1" in text


async def test_a_look_at_an_instant_shows_neither_later_decisions_nor_later_outcomes(remembering):
    then = AS_OF - 9 * DAY  # "old" was over and "lost" just lost; "new" and "open" were not decided on yet
    for at, finding in ((then, "wrong"), (AS_OF - 11 * DAY, None)):
        rows = (await memory_list(remembering, at=at, learned=None, limit=10))["memories"]
        assert [(row["run_id"], row["finding"], row["useful"]) for row in rows] == [
            ("lost", finding, 0), ("old", "right", 0),
        ]  # fmt: skip
        found = await memory_stats(remembering, at=at)
        learned = 1 + (finding is not None)
        assert (found["situations"], found["learned"], found["citations"], found["without_vector"]) == (
            2,
            learned,
            0,
            0,
        )
    waiting = (await memory_list(remembering, at=AS_OF - 11 * DAY, learned=False, limit=10))["memories"]
    assert [row["run_id"] for row in waiting] == ["lost"]
    told = await memory_shown(remembering, "lost", at=AS_OF - 11 * DAY)
    assert (told["lesson"], told["outcome"], told["known_at"]) == (None, None, None)
    assert "waiting: order O-lost-SPY" in shown(show_memory, told)
    with pytest.raises(UsageError, match="is no situation of simulated by 2026-11-11"):
        await memory_shown(remembering, "new", at=then)


async def test_more_memories_than_a_question_has_parameters_are_counted(remembering, superuser_url):
    lesson = '{"importance": 0.7, "finding": "right", "profit": "1.50"}'
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute(
            "INSERT INTO memories"
            " (run_id, ticker, feed, decided_at, regime, composite, debate, outcome, known_at, lesson)"
            " SELECT 'many' || n, 'SPY', 'simulated', decided_at, regime, '', '', 0.1, known_at, %s"
            " FROM memories, generate_series(1, 66000) n WHERE run_id = 'old'",
            (lesson,),
        )
    found = await memory_stats(remembering, at=AS_OF)
    assert (found["learned"], found["layers"]["mid"], found["without_vector"]) == (66_003, 66_000, 66_000)


async def test_reembedding_shows_the_past_to_the_new_model_and_prunes_only_when_asked(remembering, monkeypatch):
    monkeypatch.setitem(remembering.__dict__, "embedder", Model())
    assert await memory_reembedded(remembering, prune=False) == {
        "embedder": "model/1", "dimensions": 2, "made": 3, "dropped": 0,
    }  # fmt: skip
    assert (await memory_reembedded(remembering, prune=False))["made"] == 0
    monkeypatch.setitem(remembering.__dict__, "embedder", FeatureEmbedder())
    assert (await memory_reembedded(remembering, prune=True))["dropped"] == 3


def test_the_commands_speak_json_and_words(database, desk_home, monkeypatch, capsys):
    async def fill():
        async with connected(database.pipeline_url) as engine:
            await filled(engine)

    asyncio.run(fill())
    monkeypatch.setenv("DESK_HOME", str(desk_home))
    monkeypatch.setenv("DESK_DATABASE_URL", database.pipeline_url)
    monkeypatch.setenv("DESK_DATABASE_ADMIN_URL", database.admin_url)
    monkeypatch.setattr("app.clock.WallClock.now", lambda _: AS_OF)
    at = ["--at", AS_OF.isoformat()]
    for words, key in (
        (["list", *at, "--learned"], "memories"), (["show", "O-old-SPY", *at], "lesson"), (["stats", *at], "layers"),
        (["reembed", "--prune"], "dropped"),
    ):  # fmt: skip
        assert guarded(app, ["memory", *words, "--json"]) == 0
        assert key in json.loads(capsys.readouterr().out)
        assert guarded(app, ["memory", *words]) == 0
        assert capsys.readouterr().out.strip()
    assert guarded(app, ["memory", "show", "nothing", *at]) == 2
    assert "desk memory list" in capsys.readouterr().err
    assert guarded(app, ["memory", "list", "--at", "2030-01-02T15:00:00Z"]) == 2
    assert "lies in the future" in capsys.readouterr().err


async def test_the_configured_embedder_is_made_or_refused_with_the_remedy(desk, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    environment = Environment(desk_home=tmp_path)

    def made(**changes):
        return situation_embedder(EmbedderSettings(**changes), environment, desk.closing)

    assert isinstance(desk.embedder, FeatureEmbedder)
    with pytest.raises(DataError, match=r"memory\.yaml"):
        made(kind="local", folder=tmp_path)
    endpoint = {"kind": "endpoint", "model": "tiny", "dimensions": 4}
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        made(**endpoint)
    assert isinstance(made(**endpoint, base_url="http://127.0.0.1:9/v1"), EndpointEmbedder)
    await desk.closing.aclose()
