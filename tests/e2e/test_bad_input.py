"""What bad input gets: one clear sentence with the remedy or an abstention with code and numbers, an exit status that
says so, no traceback, and no half-written state.
"""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest

import app.clock
import app.progress
import graph.step
import memory.checkpoints
from app.clock import WallClock
from app.services.runs import execute, new_request
from app.settings import Environment
from app.wiring import configuration, open_desk
from domain.errors import Refused
from memory.engine import conninfo
from tests.support.market_files import chain_file, chain_rows

ROOT = Path(__file__).parents[2]
AT = "2026-02-12T15:10:00Z"


def runs_in(database) -> list[tuple[str, str]]:
    """(run id, state) of every run in the database."""
    with psycopg.connect(conninfo(database.pipeline_url)) as link:
        return link.execute("SELECT run_id, state FROM runs ORDER BY run_id").fetchall()


def rows_in(database, table: str) -> int:
    with psycopg.connect(conninfo(database.pipeline_url)) as link:
        return link.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def nothing_left(database) -> None:
    assert [rows_in(database, table) for table in ("decision_log", "orders", "snapshots", "signals")] == [0, 0, 0, 0]


@pytest.fixture
def imported(desk, tmp_path):
    """Imports chains made of these frames."""

    def take(*frames) -> None:
        ended = desk("data", "import", str(chain_file(tmp_path, *frames)), "--json")
        assert ended.code == 0, ended.err

    return take


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--watchlist", "NOPE"], ["lists none of NOPE", "It lists AAPL"]),
        (["--watchlist", ","], ["--watchlist names no ticker", "--watchlist SPY,QQQ"]),
        (["--at", "2025-01-20T15:00:00Z"], ["2025-01-20", "2025-01-21"]),
        (["--at", "2025-01-04T15:00:00Z"], ["2025-01-04", "2025-01-06"]),
        (["--at", "2019-06-20T15:00:00Z"], ["2025-01-02"]),
        (["--at", "2030-06-19T15:00:00Z"], ["ends on 2028", "earlier instant"]),
        (["--at", "yesterday"], ["'yesterday' is no ISO 8601 instant", "2026-02-12T15:10:00Z"]),
        (["--at", "2025-01-02T15:00:00"], ["no UTC offset", "Add Z"]),
        (["--feed", "nonsense"], ["nonsense", "simulated"]),
        (["--debate", "llm"], ["OPENAI_API_KEY"]),
        (["--resume", "last"], ["no such unfinished run", "desk audit list"]),
    ],
    ids=[
        "unknown ticker", "empty watchlist", "holiday", "weekend", "before any data", "past the end", "no instant",
        "naive instant", "unknown feed", "no model", "nothing to resume",
    ],
)  # fmt: skip
def test_a_simulated_run_that_cannot_be_says_why_and_begins_nothing(desk, on_database, arguments, words):
    ended = desk("run", *arguments, "--json")
    assert ended.code == 2
    assert all(word in ended.sentence for word in words), ended.sentence
    assert ended.document["error"]["exit_code"] == 2
    assert ended.document["error"]["message"] == ended.sentence
    nothing_left(on_database)
    assert [state for _, state in runs_in(on_database)] in ([], ["failed"])


def test_an_unknown_ticker_among_known_ones_is_named_and_the_others_are_decided(desk, on_database):
    ended = desk("run", "--watchlist", "XOM,NOPE", "--json")
    assert ended.code == 0
    assert [item["ticker"] for item in ended.document["ranking"]] == ["XOM"]
    (note,) = [note for note in ended.document["notes"] if note["code"] == "unknown_ticker"]
    assert note["subject"] == "NOPE"


def test_recorded_runs_need_an_instant_and_data(desk, on_database, imported):
    ended = desk("run", "--feed", "recorded", "--json")
    assert (ended.code, "Add --at" in ended.sentence) == (2, True)
    ended = desk("run", "--feed", "recorded", "--at", AT, "--json")
    assert (ended.code, "desk data import" in ended.sentence) == (2, True)
    imported(chain_rows())
    for at, words in (
        ("2026-02-10T15:10:00Z", ["2026-02-12"]),
        ("2099-02-12T15:10:00Z", ["2099-02-12", "future"]),
        ("2026-02-16T15:10:00Z", ["2026-02-16", "2026-02-17"]),
        ("2026-02-12T15:41:00Z", ["30 minutes old", "2026-02-12 10:10"]),
    ):
        ended = desk("run", "--feed", "recorded", "--at", at, "--json")
        assert ended.code == 2, at
        assert all(word in ended.sentence for word in words), ended.sentence
    ended = desk("run", "--feed", "recorded", "--at", AT, "--watchlist", "QQQ", "--json")
    assert (ended.code, "It has SPY" in ended.sentence) == (2, True)
    nothing_left(on_database)


CALLS_ONLY = chain_rows().assign(ticker="KO").query("type == 'call'")
CROSSED = chain_rows().assign(ticker="KO", bid=lambda rows: rows.ask + 0.5)
UNQUOTED = chain_rows().assign(ticker="KO", bid=0.0, ask=0.0)
NANS = chain_rows().assign(ticker="KO", bid=np.nan, ask=np.nan, last=np.nan)
EXPIRED = chain_rows().assign(ticker="KO", expiration="2026-02-06")


@pytest.mark.parametrize(
    ("frame", "code", "numbers"),
    [
        (CALLS_ONLY, "one_sided_chain", {"puts"}),
        (CROSSED, "all_crossed", {"crossed", "quoted"}),
        (UNQUOTED, "one_sided_chain", {"calls", "puts"}),
        (NANS, "one_sided_chain", {"calls", "puts"}),
        (EXPIRED, "expired", {"rows"}),
    ],
    ids=["one-sided", "crossed", "unquoted", "NaN quotes", "expired"],
)
def test_a_hopeless_chain_abstains_with_code_and_numbers_and_its_neighbour_is_decided(
    desk, on_database, imported, frame, code, numbers
):
    frame = frame.assign(contract=frame.contract.str.replace("SPY", "KO"))
    imported(chain_rows(), frame)
    ended = desk("run", "--feed", "recorded", "--at", AT, "--watchlist", "SPY,KO", "--json")
    assert ended.code == 0, ended.err
    document = ended.document
    abstained = {(item["ticker"], item["source"]): item for item in document["abstentions"]}
    said = abstained["KO", "vol_surface"]
    assert said["code"] == code
    assert numbers <= said["numbers"].keys()
    fate = {item["ticker"]: item["step"] for item in document["outcomes"]}
    assert fate["KO"] in ("not_ranked", "no_candidate", "vetoed")
    assert {item["ticker"] for item in document["signals"] if item["source"] == "vol_surface"} >= {"SPY"}
    assert "NaN" not in ended.out
    assert json.dumps(document, allow_nan=False)


def test_a_spot_that_is_not_a_number_is_implied_from_parity_and_that_is_noted(desk, on_database, imported):
    imported(chain_rows().assign(underlying_price=np.nan))
    ended = desk("run", "--feed", "recorded", "--at", AT, "--json")
    assert ended.code == 0, ended.err
    assert "parity" in {word for note in ended.document["notes"] for word in note["code"].split("_")}
    assert {item["ticker"] for item in ended.document["signals"]} == {"SPY"}


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (chain_rows().assign(strike=np.nan), "a strike is missing, not positive or absurd"),
        (chain_rows().iloc[:0], "no"),
        (chain_rows().drop(columns=["strike", "ask"]), "ask"),
    ],
    ids=["NaN strikes", "no rows", "missing columns"],
)
def test_a_file_that_no_chain_can_be_read_from_is_refused_whole(desk, home, tmp_path, frame, words):
    ended = desk("data", "import", str(chain_file(tmp_path, frame)))
    assert ended.code == 2
    assert "chains.csv" in ended.sentence
    assert words in ended.sentence
    assert desk("data", "list", "--json").document == {"sources": [], "captures": []}


def test_a_refused_run_leaves_the_simulated_calendar_where_it_was(desk, on_database):
    assert desk("run", "--at", "2030-06-19T15:00:00Z").code == 2
    ended = desk("run", "--watchlist", "XOM", "--json")
    assert (ended.code, ended.document["as_of"]) == (0, "2025-01-02T14:35:00Z")
    assert [state for _, state in runs_in(on_database)] == ["sealed", "failed"]


@pytest.mark.parametrize(
    "spoil",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"PAR1" + bytes(100)],
    ids=["truncated", "empty", "garbage"],
)
def test_a_damaged_parquet_file_is_refused_whole(desk, home, tmp_path, spoil):
    path = chain_file(tmp_path, chain_rows(), name="chains.parquet")
    path.write_bytes(spoil(path.read_bytes()))
    ended = desk("data", "import", str(path))
    assert ended.code == 2
    assert "chains.parquet: not a whole Parquet file" in ended.sentence
    assert ended.sentence.endswith("Fetch it again.")
    listed = desk("data", "list", "--json").document
    assert listed == {"sources": [], "captures": []}


def test_a_library_file_damaged_later_is_noticed_when_it_is_read(desk, on_database, imported, home):
    imported(chain_rows())
    largest = max((home / "library").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-100])
    ended = desk("run", "--feed", "recorded", "--at", AT, "--json")
    assert ended.code in (1, 2)
    assert ended.sentence
    nothing_left(on_database)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("risk_matrix.yaml", "sofft: []", ["risk_matrix.yaml", "unknown key 'sofft'", "soft"]),
        ("risk_matrix.yaml", "hard: {daily_loss: 0.10}", ["hard.daily_loss", "0.03"]),
        ("risk_matrix.yaml", "hard: {contracts_per_order: 11}", ["hard.contracts_per_order", "10"]),
        ("risk_matrix.yaml", "hard: {free_margin: 0.05}", ["hard.free_margin", "0.2"]),
        ("risk_matrix.yaml", "hard: {naked_short_options: 1}", ["hard.naked_short_options"]),
        ("risk_matrix.yaml", "soft: []", ["risk_matrix.yaml", "data_freshness"]),
        ("risk_matrix.yaml", "correlation_window: .nan", ["correlation_window"]),
        ("desk.yaml", "starting_cash: .nan", ["desk.yaml", "starting_cash"]),
        ("desk.yaml", "auto_execute: true", ["auto_execute"]),
        ("desk.yaml", "feed: [", ["desk.yaml", "not readable YAML"]),
        ("signals.yaml", "aggregate: {weights: {price: {flow: 2}}}", ["signals.yaml"]),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_with_file_and_key(
    desk, on_database, monkeypatch, tmp_path, file, text, words
):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / file).write_text(text)
    monkeypatch.setenv("DESK_CONFIG", str(tmp_path / "own"))
    ended = desk("run", "--json")
    assert ended.code == 2
    assert all(word in ended.sentence for word in words), ended.sentence
    assert runs_in(on_database) == []


def test_a_database_that_is_down_at_start_is_named_with_the_remedy(desk, home, monkeypatch):
    monkeypatch.setenv("DESK_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/desk")
    for command in (["run"], ["run", "--json"], ["book"]):
        ended = desk(*command)
        assert ended.code == 3
        assert "127.0.0.1" in ended.sentence
        assert "desk db start" in ended.sentence
        assert "hush" not in ended.out + ended.err
    monkeypatch.setenv("DESK_DATABASE_URL", "mysql://localhost/desk")
    ended = desk("run")
    assert (ended.code, "needs PostgreSQL" in ended.sentence) == (2, True)


def test_a_traceback_is_shown_to_whoever_asks_for_it(home, monkeypatch, desk):
    monkeypatch.setenv("DESK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/desk")
    with pytest.raises(Exception, match="cannot be reached"):
        desk("run", "--debug")


def test_a_database_that_goes_away_mid_run_stops_it_and_the_run_is_resumed(
    desk, on_database, superuser_url, monkeypatch
):
    monkeypatch.setattr(graph.step, "BACKOFF_S", 0.01)
    monkeypatch.setattr(memory.checkpoints, "PATIENCE_S", 0.5)
    name = on_database.pipeline_url.split("?")[0].rsplit("/", 1)[1]
    server = conninfo(superuser_url.replace(f"/{name}?", "/postgres?"))

    def allow(whether: bool) -> None:
        with psycopg.connect(server, autocommit=True) as link:
            link.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {whether}')
            if not whether:
                link.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    def cut_at(node: str):
        def started(self, run_id: str, at: str, ticker: str) -> None:
            if at == node:
                allow(False)

        return started

    with monkeypatch.context() as patch:
        patch.setattr(app.progress.Timings, "started", cut_at("aggregate"))
        ended = desk("run", "--watchlist", "NVDA,XOM", "--json")
    allow(True)
    assert ended.code == 3
    assert ended.document["error"]["kind"] == "DatabaseDown"
    assert ended.sentence
    ((run_id, state),) = runs_in(on_database)
    assert state == "running"
    assert rows_in(on_database, "orders") == 0
    resumed = desk("run", "--resume", "last", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.document["run_id"] == run_id
    assert len(resumed.document["orders"]) == rows_in(on_database, "orders") == 2
    assert runs_in(on_database) == [(run_id, "sealed")]


TIGHT_THEN_ROOMY = """
import resource, sys
from app.cli.outcome import guarded
from app.cli.root import app
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited[1]))  # no file may grow beyond it, as on a full disk
tight = guarded(app, ["run", "--watchlist", "XOM", "--json"])
sys.stdout.write("\\0")
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
sys.exit(10 * tight + guarded(app, ["run", "--resume", "last", "--json"]))
"""


def test_a_full_disk_leaves_no_snapshot_and_the_run_goes_on_when_there_is_room(on_database, home):
    ended = subprocess.run(
        [sys.executable, "-c", TIGHT_THEN_ROOMY], cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 30, ended.stderr
    refused, resumed = (json.loads(told) for told in ended.stdout.split("\0"))
    assert refused["error"]["kind"] == "StorageFull"
    assert "nothing half-written" in refused["error"]["message"]
    assert "Traceback" not in ended.stderr
    assert not list((home / "snapshots").rglob(".writing-*"))
    (manifest,) = (home / "snapshots" / "manifests").iterdir()
    assert manifest.stem == resumed["snapshot_id"]
    assert rows_in(on_database, "snapshots") == 1
    assert [state for _, state in runs_in(on_database)] == ["sealed"]


def test_of_two_runs_of_one_slot_at_once_exactly_one_happens(on_database, home):
    config = configuration(Environment())

    async def one(at: datetime) -> str:
        async with open_desk(config, feed="simulated", debate="rules") as desk:
            request = await new_request(desk, at=at, watchlist=("XOM",), slot="2025-01-02T09:35")
            try:
                return (await execute(desk, request, app.progress.Timings())).document["run_id"]
            except Refused as refusal:
                return refusal.code

    async def both() -> list[str]:
        first = datetime(2025, 1, 2, 14, 35, tzinfo=UTC)
        return sorted(await asyncio.gather(one(first), one(first), one(first + timedelta(minutes=1))))

    told = asyncio.run(both())
    ((run_id, state),) = runs_in(on_database)
    assert state == "sealed"
    assert [code for code in told if code != run_id] == [code for code in told if code in ("slot_taken", "run_busy")]
    assert told.count(run_id) == 1


def test_a_clock_that_jumps_back_stands_still_and_the_jump_is_measured(monkeypatch):
    class Wall:
        stands = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)

        @classmethod
        def now(cls, zone):
            return cls.stands

    monkeypatch.setattr(app.clock, "datetime", Wall)
    clock = WallClock()
    before = clock.now()
    Wall.stands -= timedelta(hours=2)
    assert clock.now() == before, "an instant never lies before one already handed out"
    assert clock.jump_seconds() == pytest.approx(-7200, abs=1)
    Wall.stands += timedelta(hours=5)
    assert clock.now() == before + timedelta(hours=3)
    assert clock.jump_seconds() == pytest.approx(10_800, abs=1)
