"""The decision log: one chain, appended once, and every way to tamper with it is found and named."""

import asyncio
import json
import math
import re

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.errors import DatabaseDown, StorageFull, TamperError, UsageError
from domain.record import canonical_json, digest
from memory.audit import GENESIS, Link, PostgresAuditLog, link_hash, payload_hash, stamp
from memory.engine import conninfo
from memory.seals import append_seal, read_seals
from memory.verify import Stored, verify


@pytest.fixture
def seal_path(desk_home):
    return desk_home / "audit" / "seals.jsonl"


@pytest.fixture
def log(engine, clock, seal_path):
    return PostgresAuditLog(engine, clock, "0.1.0+abc", seal_path)


@pytest.fixture
async def ten_rows(log, entry):
    """Ten rows, all of one sealed run."""
    await log.append([entry(ticker=f"T{number:02d}") for number in range(10)])
    await log.seal("r1")
    return log


@pytest.fixture
def tamper(superuser_url):
    """Runs SQL as the one login that can switch the triggers off."""

    def run(*statements):
        with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
            for table in ("decision_log", "seals"):
                link.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            for statement in statements:
                link.execute(statement)

    return run


def forge(superuser_url, seq, **changes):
    """Rewrite a row with its hashes made right again, as a forger would."""
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER TABLE decision_log DISABLE TRIGGER ALL")
        row = link.execute(f"SELECT {', '.join(Stored._fields)} FROM decision_log WHERE seq = %s", (seq,)).fetchone()
        values = dict(zip(Stored._fields, row, strict=True)) | changes
        values["payload_hash"] = payload_hash(values["entry"])
        values["hash"] = link_hash(Link(**{**{n: values[n] for n in Link._fields}, "logged_at": stamp(row[1])}))
        link.execute(
            "UPDATE decision_log SET entry = %(entry)s, payload_hash = %(payload_hash)s, "
            "previous_hash = %(previous_hash)s, hash = %(hash)s WHERE seq = %(seq)s",
            values,
        )
        return values["hash"]


async def test_rows_come_back_as_they_were_written_in_one_chain_without_gaps(log, entry, clock):
    first = [entry(ticker="*", kind="begun"), entry(output={"π": 0.1, "none": None, "list": [1, 2.5, "x"]})]
    await log.append(first)
    clock.advance(seconds=5)
    await log.append([entry(run_id="r2")])
    rows = [row async for row in log.export()]
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.entry for row in rows[:2]] == first
    assert [row.previous_hash for row in rows] == [GENESIS, rows[0].hash, rows[1].hash]
    assert rows[1].payload_hash == digest(first[1])
    assert rows[2].logged_at == clock.now()
    assert (await log.verify()).model_dump() == {
        "rows": 3,
        "seals": 0,
        "sound": True,
        "first_fault": None,
        "faults": (),
    }


@given(st.integers(1, 2**63), st.lists(st.text(), min_size=9, max_size=9))
def test_the_quick_hash_of_a_row_is_the_hash_of_its_canonical_json(seq, columns):
    assert link_hash(Link(seq, *columns)) == digest([seq, *columns])


async def test_a_repeated_step_is_logged_once_and_a_different_one_is_refused(log, entry):
    await log.append([entry(), entry(ticker="QQQ"), entry()])
    await log.append([entry(ticker="QQQ"), entry(ticker="IWM")])
    await log.append([])
    assert [row.entry.ticker for row in await log.rows("r1")] == ["SPY", "QQQ", "IWM"]
    with pytest.raises(TamperError, match="'verdict' of debate for SPY"):
        await log.append([entry(ticker="DIA"), entry(output={"score": math.nextafter(0.1, 1)})])
    assert len(await log.rows("r1")) == 3  # all or none: DIA was not kept either


async def test_many_writers_at_once_make_one_chain(log, entry):
    await asyncio.gather(*(log.append([entry(run_id=f"r{n}", ticker=t) for t in "ABC"]) for n in range(20)))
    report = await log.verify()
    assert (report.rows, report.sound) == (60, True)


@pytest.mark.parametrize("login", ["pipeline", "owner", "superuser"])
async def test_no_role_can_change_or_remove_a_row(ten_rows, database, superuser_url, login):
    url = {"pipeline": database.pipeline_url, "owner": database.admin_url, "superuser": superuser_url}[login]
    with psycopg.connect(conninfo(url), autocommit=True) as link:
        for table in ("decision_log", "seals"):
            for verb in ("UPDATE {} SET run_id = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    link.execute(verb.format(table))


async def test_the_triggers_hold_even_where_replication_would_switch_them_off(ten_rows, superuser_url):
    with psycopg.connect(conninfo(superuser_url)) as link:
        link.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            link.execute("DELETE FROM decision_log")


async def test_the_pipeline_cannot_switch_the_triggers_off_or_reset_its_role(ten_rows, database):
    for statement in ("ALTER TABLE decision_log DISABLE TRIGGER ALL", "DROP TABLE decision_log", "SET ROLE desk_owner"):
        with (
            psycopg.connect(conninfo(database.pipeline_url)) as link,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            link.execute(statement)


SWAP = (
    "UPDATE decision_log SET seq = 99 WHERE seq = 5",
    "UPDATE decision_log SET seq = 5 WHERE seq = 6",
    "UPDATE decision_log SET seq = 6 WHERE seq = 99",
)
MAKE_ROOM = (
    "UPDATE decision_log SET seq = seq + 100 WHERE seq >= 5",
    "UPDATE decision_log SET seq = seq - 99 WHERE seq >= 105",
)
CLOSE_UP = (
    "DELETE FROM decision_log WHERE seq = 5",
    "UPDATE decision_log SET seq = seq + 100 WHERE seq > 5",
    "UPDATE decision_log SET seq = seq - 101 WHERE seq > 105",
)
COPY_OF_4 = (
    "INSERT INTO decision_log SELECT {seq}, logged_at, code_version, run_id, node, 'NEW', kind, author, entry,"
    " payload_hash, {previous}, hash FROM decision_log WHERE seq = 4"
)


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            ["UPDATE decision_log SET entry = replace(entry, '0.1', '0.2') WHERE seq = 5"],
            "row 5 .* was changed: its ent",
        ),
        (["UPDATE decision_log SET ticker = 'X' WHERE seq = 5"], "row 5 .* was changed or added"),
        (["UPDATE decision_log SET logged_at = logged_at + interval '1 us' WHERE seq = 5"], "row 5 .* was changed"),
        (["UPDATE decision_log SET code_version = 'x' WHERE seq = 5"], "row 5 .* was changed"),
        (["UPDATE decision_log SET author = 'human' WHERE seq = 5"], "row 5 .* was changed"),
        (["DELETE FROM decision_log WHERE seq = 5"], r"row 5 is missing\."),
        (["DELETE FROM decision_log WHERE seq BETWEEN 1 AND 3"], r"rows 1 to 3 are missing\."),
        (CLOSE_UP, "row 5 is missing: what stands there, .*, was written as row 6"),
        (SWAP, "row 5 .* was written as row 6; row 5 now stands at 6: rows were re-ordered"),
        ([*MAKE_ROOM, COPY_OF_4.format(seq=5, previous="previous_hash")], "row 5 .* was added: the row .* stands at 6"),
        ([COPY_OF_4.format(seq=11, previous="hash")], "row 11 .* was changed or added"),
        (["DELETE FROM decision_log WHERE seq > 8"], "rows 9 to 10 were cut off: the seal of run r1 counts 10"),
        (["DELETE FROM decision_log WHERE seq > 8", "DELETE FROM seals"], "rows 9 to 10 were cut off"),
        (["DELETE FROM decision_log", "DELETE FROM seals"], "rows 1 to 10 were cut off"),
        (["DELETE FROM seals"], "seal of run r1 is missing from the database"),
        (["UPDATE seals SET sealed_at = sealed_at + interval '1 h'"], "differs between the database and the file"),
    ],
)
async def test_tampering_is_found_and_the_row_is_named(ten_rows, tamper, statements, said):
    assert (await ten_rows.verify()).sound
    tamper(*statements)
    report = await ten_rows.verify()
    assert not report.sound
    assert re.search(said, report.first_fault), report.faults


async def test_a_row_forged_with_right_hashes_is_found_at_the_next_link(ten_rows, superuser_url):
    forge(superuser_url, 5, entry='{"forged":1}')
    assert (await ten_rows.verify()).first_fault.startswith("row 5 was changed and hashed anew: row 6")


async def test_a_row_put_in_with_right_hashes_is_found_as_added(ten_rows, tamper, superuser_url):
    tamper(*MAKE_ROOM, COPY_OF_4.format(seq=5, previous="hash"))
    forge(superuser_url, 5)
    assert (await ten_rows.verify()).first_fault.startswith("row 5 was added: row 6")


async def test_a_history_rewritten_to_the_end_is_caught_by_the_seals(ten_rows, superuser_url):
    previous = forge(superuser_url, 5, entry='{"forged":1}')
    for seq in range(6, 11):
        previous = forge(superuser_url, seq, previous_hash=previous)
    report = await ten_rows.verify()
    assert report.first_fault == "row 10 does not hash to what was sealed for run r1: the log was rewritten."


async def test_sealing_twice_gives_the_first_seal_and_one_line(ten_rows, clock, entry, seal_path):
    first = read_seals(seal_path)["r1"]
    clock.advance(hours=1)
    await ten_rows.append([entry(node="review", kind="approved", author="human")])
    assert await ten_rows.seal("r1") == first
    assert (first.rows, len(seal_path.read_text().splitlines())) == (10, 1)
    with pytest.raises(UsageError, match="no row"):
        await ten_rows.seal("unknown")


async def test_a_crash_between_the_database_and_the_file_is_seen_and_mended_by_sealing_again(ten_rows, seal_path):
    line = seal_path.read_bytes()
    seal_path.write_bytes(line[:-9])  # torn: a crash while writing
    report = await ten_rows.verify()
    assert report.faults == ("the seal of run r1 is missing from the file of seals; seal the run again.",)
    await ten_rows.seal("r1")
    assert seal_path.read_bytes() == line
    assert (await ten_rows.verify()).sound


async def test_a_file_of_seals_that_was_written_to_is_named(ten_rows, seal_path):
    line = seal_path.read_text()
    seal_path.write_text(line + "not a seal\n")
    assert "Line 2" in (await ten_rows.verify()).first_fault
    seal_path.write_text(line + line)
    assert "second time" in (await ten_rows.verify()).first_fault
    seal_path.write_text(line.replace('"rows":10', '"rows":9'))
    assert not (await ten_rows.verify()).sound
    with pytest.raises(TamperError, match="9 rows"):
        await ten_rows.seal("r1")


async def test_a_seal_that_cannot_be_written_is_an_error_not_a_silence(ten_rows, tmp_path, seal_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFull, match="seal of run r1"):
        append_seal(tmp_path / "file" / "seals.jsonl", read_seals(seal_path)["r1"])


async def test_stories_are_found_by_run_ticker_and_order(log, entry):
    await log.append([entry(ticker="*", node="collect"), entry(), entry(ticker="QQQ")])
    await log.append([entry(node="stage", kind="staged", output={"order_id": 'o"1'})])
    await log.append([entry(run_id="r2"), entry(run_id="r2", node="manage", ticker="*", output={"order_id": 'o"1'})])
    assert [row.entry.node for row in await log.rows("r1", "SPY")] == ["collect", "debate", "stage"]
    assert [row.seq for row in await log.find_by_ticker("SPY", limit=2)] == [4, 5]
    assert [row.seq for row in await log.find_by_order('o"1')] == [2, 4, 6]
    assert await log.latest_run() == "r2"
    assert await log.latest_run("QQQ") == "r1"
    assert await log.latest_run("IWM") is None
    exported = [canonical_json(row) async for row in log.export("r2")]
    assert [json.loads(line)["entry"]["run_id"] for line in exported] == ["r2", "r2"]


async def test_a_run_that_names_nothing_is_refused_by_the_database(log, entry, engine):
    with pytest.raises(DBAPIError, match="null value"):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO decision_log (seq, run_id) VALUES (1, 'r')"))


def test_a_log_that_cannot_be_reached_is_not_called_sound(seal_path):
    with pytest.raises(DatabaseDown):
        verify("postgresql+psycopg://nobody@127.0.0.1:1/desk", seal_path)
