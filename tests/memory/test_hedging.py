"""The hedge budget: no debit lost and none counted twice, whoever comes at once; a new month starts from nothing."""

import asyncio
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.exc import ProgrammingError

from domain.errors import TamperError, UsageError
from memory.audit import PostgresAuditLog
from memory.engine import connected
from memory.hedging import PostgresHedgeBudget
from memory.orders import PostgresOrderStore
from tests.support.orders import DAY, HOUR, NOON, fill, order

MARCH = date(2026, 3, 1)


def budget_on(engine, account="simulated", limit=1_000):
    return PostgresHedgeBudget(engine, account=account, default_limit=Decimal(limit))


@pytest.fixture
def budget(engine):
    return budget_on(engine)


async def spend(budget, key, amount="100", at=NOON):
    return await budget.debit(key=key, amount=Decimal(amount), at=at, actor="ann", note="bought by telephone")


async def test_a_fresh_budget_is_the_configured_one_unspent(budget):
    now = await budget.current(NOON)
    assert (now.month, now.limit, now.spent, now.remaining) == (MARCH, 1_000, 0, 1_000)
    assert await budget.history(NOON) == ()


async def test_a_debit_counts_once_under_its_key_and_to_the_cent(budget):
    assert await spend(budget, "O-1", "123.45") is True
    assert await spend(budget, "O-1", "123.45") is False
    assert (await budget.current(NOON)).spent == Decimal("123.45")
    with pytest.raises(TamperError, match=r"'O-1' was debited before: 123\.45 USD"):
        await spend(budget, "O-1", "123.46")
    with pytest.raises(TamperError, match="another key"):
        await spend(budget, "O-1", "123.45", NOON + HOUR)


async def test_what_was_spent_beyond_the_budget_is_recorded_not_refused(budget):
    await spend(budget, "a", "900")
    await spend(budget, "b", "200")
    assert (await budget.current(NOON)).remaining == -100


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e400", "1e30", "1000000000.01", "0.001", "-1"])
async def test_what_is_no_sane_amount_of_money_is_neither_a_budget_nor_a_debit(budget, amount):
    with pytest.raises(UsageError, match="is no budget") as refused:
        await budget.set_limit(Decimal(amount), at=NOON, actor="ann", reason="r")
    assert "zero to 1,000,000,000" in refused.value.remedy
    with pytest.raises(UsageError, match="nothing that was spent"):
        await spend(budget, "k", amount)
    assert (await budget.set_limit(Decimal(10**9), at=NOON, actor="ann", reason="the most")).limit == 10**9


async def test_a_person_sets_the_limit_from_this_month_on_and_signs(budget):
    set_now = await budget.set_limit(Decimal(2_500), at=NOON, actor="ann", reason="more to protect")
    assert set_now.limit == 2_500
    assert (await budget.current(NOON - HOUR)).limit == 1_000  # as it was known then
    assert (await budget.current(NOON + 40 * DAY)).limit == 2_500
    assert (await budget.current(NOON - 5 * DAY)).limit == 1_000


async def test_a_new_new_york_month_starts_from_nothing_and_archives_the_old(budget):
    last_evening = datetime(2026, 4, 1, 3, 59, tzinfo=UTC)  # still 31 March in New York
    await spend(budget, "a", "300", last_evening)
    assert (await budget.current(last_evening)).spent == 300
    assert await budget.history(last_evening) == ()
    next_minute = last_evening + timedelta(minutes=1)
    now = await budget.current(next_minute)
    assert (now.month, now.spent, now.limit) == (date(2026, 4, 1), 0, 1_000)
    (march,) = await budget.history(next_minute)
    assert (march.month, march.limit, march.spent, march.debits, march.late) == (MARCH, 1_000, 300, 1, 0)
    assert march.archived_at == next_minute


async def test_a_month_is_archived_with_the_limit_that_it_had(budget):
    await spend(budget, "a", "300")
    await budget.set_limit(Decimal(50), at=NOON + 35 * DAY, actor="ann", reason="less in April")
    assert (await budget.current(NOON + 35 * DAY)).limit == 50
    assert [(month.limit, month.spent) for month in await budget.history(NOON + 35 * DAY)] == [(1_000, 300)]


async def test_a_debit_that_comes_after_its_month_was_archived_shows_as_late(budget):
    await spend(budget, "a", "300")
    await budget.current(NOON + 35 * DAY)
    await spend(budget, "late", "25", NOON + HOUR)
    (march,) = await budget.history(NOON + 35 * DAY)
    assert (march.spent, march.late, march.debits) == (300, 25, 1)
    assert (await budget.current(NOON + 35 * DAY)).spent == 0


async def test_months_without_spending_leave_no_row_and_history_is_newest_first(budget):
    await spend(budget, "a", "1", NOON)
    await spend(budget, "b", "2", NOON + 70 * DAY)
    await budget.current(NOON + 200 * DAY)
    assert [month.month for month in await budget.history(NOON + 200 * DAY)] == [date(2026, 5, 1), MARCH]


async def test_the_books_of_two_accounts_never_mix(engine, budget):
    other = budget_on(engine, "recorded", 70)
    await spend(budget, "a", "300")
    assert ((await other.current(NOON)).limit, (await other.current(NOON)).spent) == (70, 0)
    assert await spend(other, "a", "5") is True


async def test_debits_are_told_in_time_and_only_up_to_the_instant(budget):
    await spend(budget, "b", "2", NOON + HOUR)
    await spend(budget, "a", "1", NOON)
    await spend(budget, "later", "9", NOON + 2 * HOUR)
    told = await budget.debits(NOON + HOUR)
    assert [(one.key, one.amount, one.actor) for one in told] == [("a", 1, "ann"), ("b", 2, "ann")]
    assert (await budget.current(NOON + HOUR)).spent == 3


async def bought(engine, number, *, purpose, cost="2.00", at=NOON, **changes):
    """A filled order of one long put spread paid for with `cost` a share."""
    store = PostgresOrderStore(engine, account="simulated")
    staged = order(f"O-{number}", units=1, run_id=f"r-{number}", at=at, purpose=purpose, **changes)
    await store.stage(staged)
    await store.record_fill(fill(staged, "0", cost, at=at, fees="1.30"))
    return staged


async def test_hedge_fills_are_debited_by_whoever_looks_next_premium_and_fees_once(engine, budget):
    await bought(engine, 1, purpose="hedge")
    await bought(engine, 2, purpose="trade")
    assert (await budget.current(NOON)).spent == Decimal("201.30")
    assert (await budget.current(NOON)).spent == Decimal("201.30")
    (debit,) = await budget.debits(NOON)
    assert (debit.key, debit.actor, debit.note) == ("fill O-1/1", "desk", "1 units of O-1 bought")


async def test_a_fill_is_debited_to_the_month_it_happened_in_however_late_it_is_seen(engine, budget):
    await bought(engine, 1, purpose="hedge")
    assert (await budget.current(NOON + 35 * DAY)).spent == 0
    assert [month.spent for month in await budget.history(NOON + 35 * DAY)] == [Decimal("201.30")]


async def test_a_hedge_opened_for_a_credit_or_not_filled_yet_debits_nothing(engine, budget):
    await bought(engine, 1, purpose="hedge", cost="-1.00")
    await bought(engine, 2, purpose="hedge", at=NOON + HOUR)
    assert (await budget.current(NOON)).spent == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"actor": " "}, "name and a reason"),
        ({"note": ""}, "name and a reason"),
        ({"amount": Decimal(0)}, "0 is nothing that was spent"),
        ({"amount": Decimal(-5)}, "-5 is nothing"),
        ({"amount": Decimal("NaN")}, "NaN is nothing"),
        ({"key": " "}, "needs a key"),
    ],
)
async def test_a_debit_of_nonsense_is_refused(budget, change, words):
    usual = {"key": "k", "amount": Decimal(1), "at": NOON, "actor": "ann", "note": "why"}
    with pytest.raises(UsageError, match=words):
        await budget.debit(**(usual | change))


@pytest.mark.parametrize("amount", ["-0.01", "Infinity", "NaN"])
async def test_a_limit_of_nonsense_or_unsigned_is_refused(budget, amount):
    with pytest.raises(UsageError, match="no budget"):
        await budget.set_limit(Decimal(amount), at=NOON, actor="ann", reason="why")
    with pytest.raises(UsageError, match="name and a reason"):
        await budget.set_limit(Decimal(1), at=NOON, actor="", reason="why")


async def test_many_debits_at_once_lose_none_and_double_none(database):
    keys = [f"k{number // 2}" for number in range(40)]  # every key twice

    async def one(number, key):
        async with connected(database.pipeline_url) as engine:
            return await spend(budget_on(engine), key, "7", NOON + timedelta(seconds=0))

    made = await asyncio.gather(*(one(number, key) for number, key in enumerate(keys)))
    assert sum(made) == 20
    async with connected(database.pipeline_url) as engine:
        assert (await budget_on(engine).current(NOON)).spent == 140


PROCESS = """
import asyncio, sys
from datetime import datetime
from decimal import Decimal
from memory.audit import PostgresAuditLog
from memory.engine import connected
from memory.hedging import PostgresHedgeBudget

async def main(url, name, at):
    async with connected(url) as engine:
        budget = PostgresHedgeBudget(engine, account="simulated", default_limit=Decimal(1000))
        sys.stdin.readline()
        for number in range(25):
            for key in (f"{name}-{number}", f"both-{number}"):
                await budget.debit(key=key, amount=Decimal("1.01"), at=at, actor=name, note="at once")

asyncio.run(main(sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[3])))
"""


async def test_two_processes_at_once_lose_no_debit_and_share_the_keys_they_share(database, budget):
    command = [sys.executable, "-c", PROCESS, database.pipeline_url]
    running = [
        await asyncio.create_subprocess_exec(*command, name, NOON.isoformat(), stdin=asyncio.subprocess.PIPE)
        for name in ("a", "b")
    ]
    await asyncio.gather(*(process.communicate(b"go\n") for process in running))
    assert [process.returncode for process in running] == [0, 0]
    assert (await budget.current(NOON)).spent == 75 * Decimal("1.01")


async def test_two_who_archive_a_month_at_once_archive_it_once(database, budget):
    await spend(budget, "a", "300")

    async def look():
        async with connected(database.pipeline_url) as engine:
            return await budget_on(engine).current(NOON + 35 * DAY)

    assert {found.spent for found in await asyncio.gather(*(look() for _ in range(8)))} == {0}
    assert len(await budget.history(NOON + 35 * DAY)) == 1


@pytest.mark.parametrize("table", ["hedge_debits", "hedge_limits", "hedge_months"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET account = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
async def test_what_was_spent_cannot_be_unspent(engine, table, verb):
    async with engine.connect() as link:
        with pytest.raises(ProgrammingError, match=r"permission denied|append-only"):
            await link.exec_driver_sql(verb.format(table))


async def test_what_a_person_does_to_a_budget_is_in_the_decision_log_and_what_fills_do_is_not_said_twice(
    engine, budget, clock, tmp_path
):
    await budget.set_limit(Decimal(500), at=NOON, actor="ann", reason="why not")
    await spend(budget, "a", "5")
    await spend(budget, "a", "5")
    await bought(engine, 1, purpose="hedge")
    await budget.current(NOON)
    log = PostgresAuditLog(engine, clock, "test", tmp_path / "seals.jsonl")
    rows = await log.rows("hedging")
    assert [(row.entry.kind, row.entry.author) for row in rows] == [
        ("simulated limit 1", "human"), ("simulated debit a", "human")
    ]  # fmt: skip
    assert rows[0].entry.output["set"]["amount"] == "500"
    assert rows[1].entry.output["debited"]["note"] == "bought by telephone"
    assert (await log.verify()).sound
