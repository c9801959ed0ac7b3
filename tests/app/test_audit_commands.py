"""`desk audit` as a person and a program meet it."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from app.services.audit import became
from domain.record import canonical_json
from memory.audit import GENESIS

LAPSES = datetime(2026, 3, 2, 21, tzinfo=UTC)


def ordered(state, filled):
    fills = [{"units": filled}] if filled else []
    return {"order_id": "O-1", "state": state, "units": 2, "expires_at": LAPSES.isoformat(), "fills": fills}


def test_the_list_has_every_run_with_its_orders_and_the_head_of_the_chain(audited, capsys):
    code, found = audited.json(capsys, "audit", "list")
    (run,) = found["runs"]
    assert (code, run["run_id"], run["state"], run["feed"]) == (0, audited.run_id, "sealed", "simulated")
    assert run["orders"] == 2
    assert len(run["head_hash"]) == 64
    code, out, _ = audited.desk(capsys, "audit", "list")
    assert audited.run_id in out
    assert run["head_hash"][:8] in out
    assert audited.json(capsys, "audit", "list", "--feed", "recorded") == (0, {"runs": [], "switches": []})


def test_the_story_of_a_run_fits_a_screen_and_goes_from_signals_to_orders(audited, capsys):
    code, out, _ = audited.desk(capsys, "audit", "show")
    assert code == 0
    assert len(out.splitlines()) <= 45
    for word in (
        audited.run_id,
        "regime",
        "trend",
        "claims stand",
        "event blackout",
        "bull call spread",
        "half_kelly",
        "staged",
    ):
        assert word in out
    _, found = audited.json(capsys, "audit", "show", audited.run_id[:20])
    ranks = [tale["rank"]["rank"] for tale in found["tickers"]]
    assert ranks == sorted(ranks)
    assert len(ranks) == 4
    debated = [tale for tale in found["tickers"] if tale["debate"]]
    assert all(claim["evidence_ids"] for tale in debated for claim in tale["debate"]["claims"])
    assert all(
        isinstance(tale["selection"]["candidates"][0]["max_loss"], float) for tale in debated if tale["selection"]
    )
    assert found["head_hash"] == audited.json(capsys, "audit", "list")[1]["runs"][0]["head_hash"]
    assert isinstance(found["nlv"], float)


def test_the_story_of_an_order_ends_with_what_people_did_and_the_fill(twin, capsys):
    from app.services.review import approve

    _, found = twin.json(capsys, "audit", "show")
    order = next(order for order in found["orders"] if order["ticker"] == "JPM")
    twin.ask(lambda desk: approve(desk, order["order_id"], at=None, reviewer="ann", reason="looks right"))
    code, out, _ = twin.desk(capsys, "audit", "show", order["order_id"][:5].lower())
    assert code == 0
    assert "approved by ann" in out
    assert "fill" in out
    assert "XOM" not in out
    _, found = twin.json(capsys, "audit", "show", order["order_id"])
    story = next(item for item in found["orders"] if item["order_id"] == order["order_id"])
    assert [event["to_state"] for event in story["history"]][:2] == ["staged", "approved"]
    assert story["fills"]
    assert {"human", "rule"} <= {review["author"] for review in found["reviews"]}
    # What a person did lies outside the run: its replay is untouched by it.
    assert twin.json(capsys, "audit", "replay")[1]["verdict"] == "identical"


@pytest.mark.parametrize(
    ("ticker", "step", "last", "words"),
    [
        ("XOM", "staged", "stage", "XOM is not traded yet: order O-"),
        ("amd", "vetoed", "risk_gate", "event_blackout measured"),
        ("ZZZ", "not_in_watchlist", None, "ZZZ was not in the watchlist"),
    ],
)
def test_why_names_the_step_that_ended_a_path_with_its_numbers(audited, capsys, ticker, step, last, words):
    code, found = audited.json(capsys, "audit", "why", ticker)
    assert (code, found["step"]) == (0, step)
    assert found["answer"].startswith(words) or words in found["answer"]
    assert ([item["step"] for item in found["path"]] or [None])[-1] == last
    code, out, _ = audited.desk(capsys, "audit", "why", ticker, "--run", audited.run_id)
    assert code == 0
    assert words.split()[0] in out


@pytest.mark.parametrize(
    ("state", "filled", "words"),
    [
        ("staged", 0, "JPM is not traded yet: order O-1 is staged, nothing filled."),
        ("approved", 0, "JPM is not traded yet: order O-1 is approved, nothing filled."),
        ("submitted", 0, "JPM is not traded yet: order O-1 is submitted, nothing filled."),
        ("partially_filled", 1, "JPM was traded in part: order O-1 is partially filled, 1 of 2 units filled."),
        ("filled", 2, "JPM was traded: order O-1 is filled, 2 of 2 units filled."),
        ("cancelled", 1, "JPM was traded in part: order O-1 is cancelled, 1 of 2 units filled."),
        ("cancelled", 0, "JPM was not traded: order O-1 is cancelled, nothing filled."),
        ("expired", 0, "JPM was not traded: order O-1 is expired, nothing filled."),
        ("rejected", 0, "JPM was not traded: order O-1 is rejected, nothing filled."),
        ("superseded", 0, "JPM was not traded: order O-1 is superseded, nothing filled."),
        ("failed", 0, "JPM was not traded: order O-1 is failed, nothing filled."),
    ],
)
def test_why_calls_traded_only_what_was_filled(state, filled, words):
    assert became("JPM", ordered(state, filled), LAPSES - timedelta(seconds=1)) == words


def test_why_calls_a_staged_order_expired_once_its_time_is_up():
    assert "was not traded: order O-1 is expired" in became("JPM", ordered("staged", 0), LAPSES)
    assert "is not traded yet: order O-1 is approved" in became("JPM", ordered("approved", 0), LAPSES)
    assert "is not traded yet: order O-1 is staged" in became("JPM", ordered("staged", 0), None)


def test_why_of_an_order_that_ended_without_a_fill_says_that_nothing_was_traded(twin, capsys):
    twin.sql("UPDATE orders SET state = 'expired' WHERE ticker = 'XOM'")
    _, found = twin.json(capsys, "audit", "why", "XOM")
    assert found["answer"].startswith("XOM was not traded: order O-")
    assert "is expired, nothing filled" in found["answer"]


def test_why_of_one_not_debated_gives_its_rank_and_conviction(audited, capsys):
    ranking = audited.json(capsys, "audit", "show")[1]["ranking"]
    (left,) = [item["ticker"] for item in ranking if not item["debated"]]
    _, found = audited.json(capsys, "audit", "why", left)
    assert found["step"] == "not_ranked"
    assert found["path"][-1] == {**found["path"][-1], "step": "ranking", "stopped": True}
    assert {"rank", "edge", "conviction"} <= found["path"][-1]["numbers"].keys()
    assert "only the best 3 are debated" in found["answer"]


@pytest.mark.parametrize(
    "arguments", [("show", "nonsense"), ("why", "XOM", "--run", "nonsense"), ("replay", "nonsense")]
)
def test_an_unknown_run_is_bad_input_with_a_remedy(audited, capsys, arguments):
    code, out, err = audited.desk(capsys, "audit", *arguments)
    assert (code, out) == (2, "")
    assert err == "desk: There is no run 'nonsense'. See 'desk audit list'.\n"


def test_verify_counts_rows_and_speed_and_names_a_tampered_row(twin, capsys):
    code, found = twin.json(capsys, "audit", "verify")
    assert (code, found["sound"], found["seals"]) == (0, True, 1)
    assert found["rows_per_second"] > 0
    twin.sql("UPDATE decision_log SET entry = replace(entry, 'bear', 'bull') WHERE (node, ticker) = ('debate', 'XOM')")
    code, found = twin.json(capsys, "audit", "verify")
    assert (code, found["sound"]) == (1, False)
    assert f"(run {twin.run_id}, debate, XOM, debate) was changed" in found["first_fault"]
    code, out, _ = twin.desk(capsys, "audit", "verify")
    assert code == 1
    assert "not sound: row " in out


def test_exported_lines_let_anyone_check_the_chain(audited, capsys, tmp_path):
    code, out, _ = audited.desk(capsys, "audit", "export")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(hashlib.sha256(canonical_json(row["entry"]).encode()).hexdigest() == row["payload_hash"] for row in rows)
    assert [row["previous_hash"] for row in rows] == [GENESIS, *(row["hash"] for row in rows[:-1])]
    file = tmp_path / "log.jsonl"
    code, said = audited.json(capsys, "audit", "export", audited.run_id, "--out", str(file))
    assert (code, said) == (0, {"rows": len(rows), "file": str(file)})
    assert file.read_text() == out
    assert list(tmp_path.iterdir()) == [file]
    assert audited.json(capsys, "audit", "export")[1] == {"rows": rows}
    assert f"{len(rows)} rows written" in audited.desk(capsys, "audit", "export", "--out", str(file))[1]


def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(audited, capsys, tmp_path):
    code, _, err = audited.desk(capsys, "audit", "export", "--out", str(tmp_path / "no" / "log.jsonl"))
    assert code == 3
    assert err.endswith("log.jsonl cannot be written: No such file or directory. Give another --out.\n")
    assert not list(tmp_path.iterdir())


def test_a_reader_that_stops_reading_ends_the_export_quietly(audited):
    from contextlib import aclosing

    from app.services.audit import exported

    async def first(desk):
        async with aclosing(exported(desk, None)) as lines:
            return await anext(lines)

    assert json.loads(audited.ask(first))["seq"] == 1


def test_an_empty_log_is_sound_and_says_how_to_begin(database, capsys, desk_home, monkeypatch):
    from app.cli.outcome import guarded
    from app.cli.root import app

    monkeypatch.setenv("DESK_HOME", str(desk_home))
    monkeypatch.setenv("DESK_DATABASE_URL", database.pipeline_url)
    monkeypatch.setenv("DESK_DATABASE_ADMIN_URL", database.admin_url)
    assert guarded(app, ["audit", "list"]) == 0
    assert "There is no run yet" in capsys.readouterr().out
    assert guarded(app, ["audit", "show"]) == 2
    assert capsys.readouterr().err == "desk: There is no run yet. 'desk run' makes one.\n"
    assert guarded(app, ["audit", "verify"]) == 0


def test_a_run_that_was_cut_off_is_told_as_far_as_it_went(twin, capsys):
    twin.sql(
        "DELETE FROM decision_log WHERE node IN ('risk_gate', 'strategy_selector', 'allocator', 'stage', 'record')",
        "UPDATE runs SET state = 'running', head_hash = NULL",
    )
    code, out, _ = twin.desk(capsys, "audit", "show")
    assert code == 0
    assert "Cut off after debate. " in out
    assert f"run --resume {twin.run_id}" in out.replace("\n", " ")
    _, found = twin.json(capsys, "audit", "why", "XOM")
    assert (found["step"], found["path"][-1]["step"]) == ("unfinished", "debate")
    code, _, err = twin.desk(capsys, "audit", "replay")
    assert code == 2
    assert "only a run that went to its end can be replayed" in err
    twin.sql("DELETE FROM decision_log")
    assert twin.json(capsys, "audit", "why", "XOM")[1]["step"] == "unfinished"
    assert "Cut off after nothing." in twin.desk(capsys, "audit", "show")[1]
