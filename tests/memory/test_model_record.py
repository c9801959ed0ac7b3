"""Recorded model calls: found again byte for byte, counted once, by the day of the clock."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.debate import ModelCall
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
    assert (await record.spent(run_id="r1", day=date(2026, 11, 20)))[2] == 123


async def test_spending_is_summed_exactly_by_run_and_by_new_york_day(record, clock):
    nothing = await record.spent(run_id="r1", day=date(2026, 11, 20))
    assert nothing == (Decimal(0), Decimal(0), 0, 0)
    for number in range(3):  # 0.1 three times is not 0.3 in floating point
        await record.store(call(key=f"k{number}"))
    await record.store(call(run_id="r2"))
    clock.at = datetime(2026, 11, 21, 2, tzinfo=UTC)  # still the evening of the 20th in New York
    await record.store(call(key="evening"))
    clock.at = datetime(2026, 11, 21, 6, tzinfo=UTC)
    await record.store(call(key="next day"))
    assert await record.spent(run_id="r1", day=date(2026, 11, 20)) == (Decimal("0.5"), Decimal("0.5"), 615, 615)
    assert await record.spent(run_id="r2", day=date(2026, 11, 21)) == (Decimal("0.1"), Decimal("0.1"), 123, 123)
