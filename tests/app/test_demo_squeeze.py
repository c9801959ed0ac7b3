"""`desk demo squeeze`, played once: its six facts read from the database it leaves, not from what it says."""

import contextlib
import io
import json

import psycopg
import pytest
from rich.console import Console

from app.cli.outcome import guarded
from app.cli.root import app
from app.screens.demo import show_squeeze
from app.services.demo_facts import Thread, facts
from app.services.demo_home import MARK, demo_configuration
from app.services.demo_record import Usual, lives, looks
from app.services.demo_squeeze import FIRES, FIRST, NEXT, slots
from app.settings import Environment
from app.wiring import configuration, open_desk
from domain.errors import Refused, UsageError
from memory.engine import conninfo
from memory.postgres import EmbeddedPostgres

pytestmark = pytest.mark.slow

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"  # the reader's own database: the demonstration must not reach for it


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Exit code, document, what was said on stderr, and the home."""
    home = tmp_path_factory.mktemp("demo") / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DESK_CONFIG", "DESK_DEBUG", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("DESK_HOME", str(home))
        patch.setenv("DESK_DATABASE_URL", NOWHERE)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = guarded(app, ("demo", "squeeze", "--json"))
    return code, json.loads(out.getvalue()), err.getvalue(), home


@pytest.fixture(scope="module")
def told(played):
    return played[1]


@pytest.fixture(scope="module")
def query(played):
    """Rows of the demonstration's database, asked as any reader of it would."""
    with EmbeddedPostgres(played[3] / "demo" / "postgres") as server, psycopg.connect(conninfo(server.url())) as link:
        yield lambda sql, *values: link.execute(sql, values).fetchall()


def outputs(query, node, kind, ticker):
    """(run's instant, run, output) of one step over all runs, ascending."""
    return query(
        "SELECT r.as_of, d.run_id, d.entry::json->'output' FROM decision_log d JOIN runs r USING (run_id)"
        " WHERE d.node = %s AND d.kind = %s AND d.ticker = %s ORDER BY r.as_of",
        node, kind, ticker,
    )  # fmt: skip


def fires(query, ticker):
    """(instant, run, signal) wherever the talk's conviction passes the mark."""
    return [
        (at, run, signal)
        for at, run, output in outputs(query, "social", "reading", ticker)
        for signal in output["signals"]
        if signal["edge_type"] == "mention_velocity"
        and signal["direction"] == "bullish"
        and signal["conviction"] > FIRES
    ]


def trade(query):
    """(opening order, its run, closing order, its run) of the one trade."""
    ((opening, run),) = query("SELECT o.order_id, o.run_id FROM orders o WHERE o.state = 'filled' AND o.closes IS NULL")
    ((closing, by),) = query("SELECT order_id, run_id FROM orders WHERE closes = %s AND state = 'filled'", opening)
    return opening, run, closing, by


def test_it_ends_well_and_says_so_in_one_document(played):
    code, document, said, home = played
    assert (code, said) == (0, "")
    assert document["holds"]
    assert [fact["name"] for fact in document["facts"] if fact["holds"]] == [
        "talk first", "cited", "approved", "closed", "lesson", "recalled",
    ]  # fmt: skip
    assert document["prefix"] == f"DESK_HOME={home / 'demo'} DESK_DATABASE_URL="
    assert [item.name for item in home.iterdir()] == ["demo"], "nothing of the reader's is touched"


def test_the_talk_fires_days_before_the_price_moves(query, told):
    at, run, _ = fires(query, FIRST)[0]
    prices = [(look["as_of"], look[FIRST]["price"]) for look in told["looks"]]
    before = [price for when, price in prices if when <= at.isoformat()]
    assert at.date().isoformat() == "2025-03-28"
    assert max(before) < 1.03 * min(before), "the price is quiet until then"
    rose = next(when for when, price in prices if price > 1.05 * prices[0][1])
    assert rose[:10] == "2025-04-03"
    assert told["runs"]["fired"] == run


def test_the_debate_cites_the_signal_and_the_order_rests_on_it(query):
    _, run, signal = fires(query, FIRST)[0]
    debates = {found: output for _, found, output in outputs(query, "debate", "debate", FIRST)}
    cited = [claim for claim in debates[run]["claims"] if signal["id"] in claim["evidence_ids"]]
    assert [claim["struck"] for claim in cited] == [None]
    opening, by, _, _ = trade(query)
    assert by == run
    ((payload,),) = query("SELECT payload FROM order_events WHERE order_id = %s AND from_state IS NULL", opening)
    order = payload if isinstance(payload, dict) else json.loads(payload)
    assert signal["id"] in order["thesis"]["signal_ids"]


def test_what_the_talk_was_worth_is_told_and_is_no_tick(told):
    heard, unheard = told["without_talk"]["with"], told["without_talk"]["without"]
    assert heard["confidence"] == told["debate"]["confidence"]
    assert unheard["verdict"] == heard["verdict"] == "bull", "the others would have asked for it too"
    assert 0.7 < unheard["price"] < heard["price"]
    assert unheard["confidence"] < heard["confidence"]
    console = Console(file=io.StringIO(), width=140, color_system=None)
    show_squeeze(console, told, desk="desk")
    assert "The same picture without the talk: the same verdict, price score +0.81" in console.file.getvalue()


def test_the_demonstration_approved_both_orders_and_the_audit_log_says_so(query):
    opening, _, closing, _ = trade(query)
    for order in (opening, closing):
        ((said,),) = query(
            "SELECT entry::json->'output' FROM decision_log WHERE ticker = %s AND kind LIKE 'approve%%'",
            order,
        )
        assert said["reviewer"] == "demonstration"
        assert "the demonstration plays the reviewer" in said["reason"]
        assert said["recheck"]["checks"]
        assert all(check["passed"] for check in said["recheck"]["checks"])
        ((reviewer,),) = query("SELECT reviewer FROM order_events WHERE order_id = %s AND to_state = 'approved'", order)
        assert reviewer == "demonstration"
    assert {row[0] for row in query("SELECT DISTINCT order_id FROM fills")} == {opening, closing}


def test_the_position_rules_closed_it(query):
    opening, _, _, by = trade(query)
    found = {run: output for _, run, output in outputs(query, "manage", "position", f"{FIRST} {opening}")}
    assert found[by]["reason"]["rule"] in ("take_profit", "stop_loss", "exit_dte")
    assert all(isinstance(output, str) for run, output in found.items() if run != by), "kept until then"


def test_the_lesson_is_written_and_the_next_squeeze_recalls_it(query):
    opening, run, closing, by = trade(query)
    ((learned_at, _, lesson),) = outputs(query, "recall", "lesson", f"{FIRST} {opening}")
    ((closed_at,),) = query("SELECT as_of FROM runs WHERE run_id = %s", by)
    assert learned_at > closed_at
    assert {opening, closing, fires(query, FIRST)[0][2]["id"]} <= set(lesson["evidence"])
    at, later, recalled = outputs(query, "recall", "memories", NEXT)[-1]
    memory = f"memory/{run}/{FIRST}"
    assert memory in [item["id"] for item in recalled]
    assert at > learned_at
    debate = next(output for _, found, output in outputs(query, "debate", "debate", NEXT) if found == later)
    cited = {evidence for claim in debate["claims"] if claim["struck"] is None for evidence in claim["evidence_ids"]}
    assert memory in cited
    assert any(evidence.startswith(f"social/{NEXT}/mention_velocity@") for evidence in cited)
    assert fires(query, NEXT)[0][1] == later


def test_the_chain_holds_and_every_run_of_the_thread_comes_out_alike(told):
    assert told["audit"]["verified"]["sound"]
    assert len(told["audit"]["replays"]) == 4
    assert {item["verdict"] for item in told["audit"]["replays"]} == {"identical"}


async def test_a_price_that_moves_first_fails_the_fact_and_the_screen_says_what_was_expected(played, told):
    config = configuration(Environment(desk_home=played[3] / "demo", desk_database_url=None))
    async with open_desk(config, feed="simulated", debate="rules") as desk:
        seen, orders = await looks(desk, (FIRST, NEXT)), await lives(desk)
    early = facts(Thread(seen, orders, Usual(ticker=FIRST, close=300.0, deviation=0.001)))
    assert [fact.holds for fact in early] == [False, True, True, True, True, True]
    nothing = facts(Thread(seen[:2], [], Usual(ticker=FIRST, close=353.57, deviation=0.01)))
    assert not any(fact.holds for fact in nothing)
    console = Console(file=io.StringIO(), width=100, color_system=None)
    show_squeeze(console, {**told, "facts": [fact.model_dump() for fact in early], "holds": False}, desk="desk")
    text = console.file.getvalue()
    assert "✗ talk first" in text
    assert "expected" in text


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_timeline_keeps_every_figure_whole(told, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show_squeeze(console, told, desk="desk")
    text = console.file.getvalue()
    table = text[: text.index("The talk, and the price")]
    assert max(len(line) for line in table.splitlines()) <= width
    assert "…" not in text
    for words in ("Fri 28 Mar", "395.61", "+0.90", "take_profit", "lesson written", "recalls META", "audit show"):
        assert words in text


def test_the_commands_it_names_can_be_typed(played, monkeypatch):
    _, document, _, home = played
    monkeypatch.setenv("DESK_HOME", str(home / "demo"))
    monkeypatch.setenv("DESK_DATABASE_URL", "")
    runs = document["runs"]
    for command in (
        ("audit", "show", runs["bought"]),
        ("memory", "show", document["opening"]["order_id"]),
        ("audit", "why", NEXT, "--run", runs["recalled"]),
        ("review", "list"),
    ):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert guarded(app, command) == 0
        assert out.getvalue().strip()
    assert document["waiting"][0] in out.getvalue()


def test_a_folder_that_no_demonstration_made_is_left_alone(tmp_path):
    kept = tmp_path / "demo" / "letters.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(UsageError, match="not a folder that a demonstration made"):
        demo_configuration(Environment(desk_home=tmp_path))
    assert kept.read_text() == "mine"
    kept.unlink()
    demo_configuration(Environment(desk_home=tmp_path))
    assert (tmp_path / "demo" / MARK).exists()


def test_a_home_that_somebody_reads_is_not_emptied(played, query):
    with pytest.raises(Refused, match="Another process works in"):
        demo_configuration(Environment(desk_home=played[3]))
    assert query("SELECT count(*) FROM runs")[0][0] == len(played[1]["looks"])


def test_slots_are_sessions_in_order():
    instants = list(slots())
    assert instants == sorted(set(instants))
    assert len(instants) == 20
