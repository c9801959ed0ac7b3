"""What bad input gets: one clear sentence with the remedy or an abstention with code and numbers, an exit status that
says so, no traceback, and no half-written state.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import rows_in, runs_in
from tests.support.market_files import chain_file, chain_rows

ROOT = Path(__file__).parents[2]
AT = "2026-02-12T15:10:00Z"


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
