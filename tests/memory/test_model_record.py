"""Recorded model calls: found again byte for byte, counted once, by the day of the clock."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.debate import ModelCall, Spent
from memory.model_record import PostgresModelRecord


def call(key="k1", run_id="r1", **changes):
    values = {
        "ticker": "SPY",
        "role": "bull",
        "model": "m",
        "prompt": "bull@1",
        "prompt_hash": "p",
        "parameters": {"temperature": 0.0, "seed": 7, "stop": ("a", "b"), "none": None},
        "request_hash": "q",
        "response": "naïve “quotes”\n{}",
        "error": None,
        "finish_reason": "stop",
        "input_tokens": 100,
        "output_tokens": 23,
        "cost_usd": 0.1,
        "latency_ms": 12.5,
        "attempt": 1,
    }
    return ModelCall(key=key, run_id=run_id, **(values | changes))


@pytest.fixture
def record(engine, clock):
    return PostgresModelRecord(engine, clock)


async def test_a_call_is_found_again_as_it_was(record):
    failed = call(key="k2", response=None, error="timeout", finish_reason=None)
    for stored in (call(), failed):
        await record.store(stored)
    assert await record.find("r1", "k1") == call()
    assert await record.find("r1", "k2") == failed
    assert await record.find("r2", "k1") is None
    assert await record.calls("r1") == (call(), failed)


async def test_the_first_record_of_a_key_stands_and_is_counted_once(record):
    for text in ("first", "second"):
        await record.store(call(response=text))
    assert (await record.find("r1", "k1")).response == "first"
    assert (await record.spent(run_id="r1", agent="bull")).run_tokens == 123


async def test_spending_is_summed_exactly_by_run_and_by_the_new_york_day_of_the_clock(record, clock):
    assert await record.spent(run_id="r1", agent="bull") == Spent()
    for number in range(3):  # 0.1 three times is not 0.3 in floating point
        await record.store(call(key=f"SPY/bull/{number}/1"))
    await record.store(call(run_id="r2", key="SPY/bear/1/1"))
    clock.at = datetime(2026, 11, 21, 2, tzinfo=UTC)  # still the evening of the 20th in New York
    await record.store(call(key="SPY/bear/2/1"))
    assert await record.spent(run_id="r1", agent="bull") == Spent(
        run_usd=Decimal("0.4"), day_usd=Decimal("0.5"), agent_usd=Decimal("0.3"),
        run_tokens=492, day_tokens=615, agent_tokens=369,
    )  # fmt: skip
    clock.at = datetime(2026, 11, 21, 6, tzinfo=UTC)
    await record.store(call(key="SPY/bull/9/1"))
    one = await record.spent(run_id="r1", agent="bull")
    assert (one.run_usd, one.day_usd, one.agent_usd) == (Decimal("0.5"), Decimal("0.1"), Decimal("0.1"))
    other = await record.spent(run_id="r2", agent="bull")
    assert (other.run_usd, other.day_usd, other.agent_usd) == (Decimal("0.1"),) * 3


async def test_a_call_that_was_once_stored_with_less_than_nothing_gives_nothing_back(record):
    await record.store(call(key="SPY/bull/1/1"))
    lied = {"input_tokens": -(10**6), "output_tokens": -(10**6), "cost_usd": -9.0}
    await record.store(call(key="SPY/bull/2/1").model_copy(update=lied))
    spent = await record.spent(run_id="r1", agent="bull")
    assert (spent.run_tokens, spent.day_tokens, spent.agent_tokens) == (123, 123, 123)
    assert spent.run_usd == spent.day_usd == spent.agent_usd == Decimal("0.1")
    (row,) = await record.costs(since=date(2026, 11, 20))
    assert (row.usd, row.input_tokens, row.output_tokens) == (Decimal("0.1"), 100, 23)


async def test_costs_are_grouped_by_day_run_agent_and_model_and_turned_away_calls_are_no_calls(record, clock):
    away = {"response": None, "error": "budget_day_usd", "latency_ms": 0.0, "input_tokens": 0, "output_tokens": 0}
    await record.store(call(key="SPY/bull/1/1", role="bull", latency_ms=100.0))
    await record.store(call(key="SPY/bull/2/1", role="bull", latency_ms=300.0, error="timeout", response=None))
    await record.store(call(key="SPY/judge/0/1", role="judge", cost_usd=0.0, **away))
    clock.at = datetime(2026, 11, 22, 6, tzinfo=UTC)
    await record.store(call(run_id="r2", key="SPY/bull/1/1", role="bull"))
    rows = await record.costs(since=date(2026, 11, 20))
    assert [(row.day.day, row.run_id, row.agent) for row in rows] == [
        (22, "r2", "bull"),
        (20, "r1", "bull"),
        (20, "r1", "judge"),
    ]
    bull, judge = rows[1:]
    assert (bull.calls, bull.failed, bull.turned_away, bull.usd) == (2, 1, 0, Decimal("0.2"))
    assert (bull.slowest_ms, bull.waited_ms) == (300.0, 400.0)
    assert (judge.calls, judge.failed, judge.turned_away) == (0, 0, 1)
    assert await record.costs(since=date(2026, 11, 23)) == ()
    assert {row.run_id for row in await record.costs(since=date(2026, 11, 1), run_id="r2")} == {"r2"}
