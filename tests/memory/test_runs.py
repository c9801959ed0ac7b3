"""Runs and slots: one run a slot, one process a run, and nothing published twice."""

import asyncio
import sys
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import select

from domain.errors import DatabaseDown, Refused, UsageError
from domain.regime import Regime, RegimeReading
from domain.run import RunRequest
from domain.signals import Signal
from memory.engine import conninfo
from memory.runs import PostgresRunStore
from memory.tables import RegimeTable, SignalTable

AS_OF = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)


def request(run_id="r1", slot="2026-11-20T09:35", **changes):
    values = {"as_of": AS_OF, "feed": "recorded", "watchlist": ("SPY",), "debate": "rules", "fingerprint": "f"}
    return RunRequest(run_id=run_id, slot=slot, **(values | changes))


def signal(conviction=0.5):
    return Signal(
        source="flow",
        ticker="SPY",
        direction="bullish",
        conviction=conviction,
        edge_type="trend",
        timestamp=AS_OF,
        metadata={"horizon_days": 5, "half_life_days": 2.5, "evidence": ("a", "b")},
    )


@pytest.fixture
def store(engine, clock):
    return PostgresRunStore(engine, clock)


async def test_an_unfinished_run_is_returned_as_it_stands(store, clock):
    first = await store.begin(request())
    assert (first.state, first.started_at) == ("running", clock.now())
    clock.advance(minutes=1)
    await store.remember_snapshot("r1", "s1")
    again = await store.begin(request())
    assert (again.started_at, again.snapshot_id) == (first.started_at, "s1")


async def test_an_ad_hoc_run_is_resumed_whatever_other_ad_hoc_runs_there_are(store):
    for run_id in ("a1", "a2", "a3"):
        await store.begin(request(run_id=run_id, slot=None))
    for run_id in ("a3", "a2", "a1"):
        assert (await store.begin(request(run_id=run_id, slot=None))).state == "running"


async def test_a_slot_is_run_once_and_the_second_start_is_told_by_whom(store):
    await store.begin(request())
    with pytest.raises(Refused, match="taken by run r1") as refusal:
        await store.begin(request(run_id="r2"))
    assert refusal.value.code == "slot_taken"
    await store.finish("r1", state="sealed", head_hash="h", detail="")
    for run_id in ("r1", "r2"):
        with pytest.raises(Refused) as refusal:
            await store.begin(request(run_id=run_id))
        assert refusal.value.code == "slot_taken"


async def test_of_many_starts_of_one_slot_exactly_one_wins(store):
    tries = [store.begin(request(run_id=f"r{number}")) for number in range(8)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(end).__name__ for end in ended].count("RunRow") == 1
    assert {end.code for end in ended if isinstance(end, Refused)} == {"slot_taken"}


async def test_ad_hoc_runs_hold_no_slot(store):
    for run_id in ("a1", "a2"):
        await store.begin(request(run_id=run_id, slot=None))
    await store.finish("a1", state="failed", head_hash=None, detail="feed down")
    with pytest.raises(Refused) as refusal:
        await store.begin(request(run_id="a1", slot=None))
    assert refusal.value.code == "run_finished"


async def test_a_run_resumes_only_under_the_request_it_was_begun_with(store):
    await store.begin(request())
    with pytest.raises(Refused) as refusal:
        await store.begin(request(fingerprint="g"))
    assert refusal.value.code == "run_differs"


async def test_a_resumed_run_keeps_its_first_snapshot(store):
    await store.begin(request())
    assert await store.snapshot_of("r1") is None
    await store.remember_snapshot("r1", "s1")
    await store.remember_snapshot("r1", "s2")
    assert await store.snapshot_of("r1") == "s1"
    with pytest.raises(UsageError, match="no run 'zz'"):
        await store.remember_snapshot("zz", "s1")


async def test_finishing_is_idempotent_and_never_changes_sides(store):
    await store.begin(request())
    for _ in range(2):
        await store.finish("r1", state="sealed", head_hash="h", detail="3 staged")
    row = await store.get("r1")
    assert (row.state, row.head_hash, row.detail) == ("sealed", "h", "3 staged")
    with pytest.raises(Refused, match="sealed"):
        await store.finish("r1", state="failed", head_hash=None, detail="")


async def test_runs_are_listed_newest_first_and_unfinished_ones_oldest_first(store, clock):
    for run_id in ("r1", "r2", "r3"):
        await store.begin(request(run_id=run_id, slot=None))
        clock.advance(minutes=5)
    await store.finish("r2", state="sealed", head_hash="h", detail="")
    assert [row.request.run_id for row in await store.list()] == ["r3", "r2", "r1"]
    assert [row.request.run_id for row in await store.list(state="sealed")] == ["r2"]
    assert [row.request.run_id for row in await store.list(limit=1)] == ["r3"]
    assert [row.request.run_id for row in await store.unfinished()] == ["r1", "r3"]
    assert await store.latest_as_of("recorded") == AS_OF
    assert await store.latest_as_of("simulated") is None


async def test_a_unique_beginning_of_an_id_is_enough_and_wildcards_are_letters(store):
    for run_id in ("abc", "abd", "ab%x", "ab"):
        await store.begin(request(run_id=run_id, slot=None))
    assert (await store.get("abc")).request.run_id == "abc"
    assert (await store.get("ab")).request.run_id == "ab"
    assert (await store.get("ab%")).request.run_id == "ab%x"
    with pytest.raises(UsageError, match="Several"):
        await store.get("a")
    with pytest.raises(UsageError, match="no run"):
        await store.get("b%")


async def test_signals_and_regime_are_published_once_and_come_back_identical(store, engine):
    await store.begin(request())
    await store.begin(request(run_id="r2", slot=None))
    reading = RegimeReading(
        as_of=AS_OF,
        regime=Regime.HIGH_VOL,
        raw=Regime.CRISIS,
        held=1,
        vix=31.123456789,
        vix_term=None,
        realised_vol=0.1 + 0.2,
        missing=("VIX3M",),
        reason="VIX above 30",
    )
    await store.publish_signals("r1", [signal()])
    await store.publish_signals("r2", [signal(conviction=0.9)])
    await store.publish_signals("r2", [])
    for run_id in ("r1", "r2"):
        await store.publish_regime(run_id, reading)
    async with engine.connect() as connection:
        signals = (await connection.execute(select(SignalTable.signal, SignalTable.run_id))).all()
        readings = (await connection.execute(select(RegimeTable.reading, RegimeTable.feed))).all()
    assert signals == [(signal(), "r1")]
    assert readings == [(reading, "recorded")]
    with pytest.raises(UsageError, match="no run"):
        await store.publish_signals("zz", [signal()])


async def test_one_process_at_a_time_executes_a_run(store, engine):
    async with store.run_lock("r1"):
        async with store.run_lock("r2"):
            pass
        with pytest.raises(Refused) as refusal:
            async with store.run_lock("r1"):
                pass
        assert refusal.value.code == "run_busy"
    with pytest.raises(ValueError, match="boom"):
        async with store.run_lock("r1"):
            raise ValueError("boom")
    async with store.run_lock("r1"):
        pass


HOLD = """
import asyncio, sys
from memory.engine import connected
from memory.runs import PostgresRunStore
async def main():
    async with connected(sys.argv[1]) as engine, PostgresRunStore(engine, None).run_lock("r1"):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_killed_process_frees_its_run(store, database):
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, database.pipeline_url, stdout=asyncio.subprocess.PIPE
    )
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(Refused):
        async with store.run_lock("r1"):
            pass
    holder.kill()
    await holder.communicate()
    for _ in range(100):
        try:
            async with store.run_lock("r1"):
                return
        except Refused:
            await asyncio.sleep(0.05)
    pytest.fail("the lock outlived its process")


def cut_connections(superuser_url):
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = 'desk_pipeline' AND datname = current_database()"
        )


async def test_a_lock_whose_connection_was_lost_says_so_and_does_not_stay_in_the_pool(store, superuser_url):
    with pytest.raises(DatabaseDown):
        async with store.run_lock("r1"):
            cut_connections(superuser_url)
    async with store.run_lock("r1"):
        assert await store.list() == ()
