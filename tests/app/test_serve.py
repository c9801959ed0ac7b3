"""The serving loop: each slot once, whatever the clock, the database, the feed or other processes do."""

import asyncio
import json
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from langgraph.errors import GraphDrained

import app.services.serve as module
from app.cli import app
from app.cli.outcome import guarded
from app.cli.serve import in_words, serving
from app.clock import FixedClock
from app.scheduler import Due, Slot
from app.services.journal import Journal
from app.services.review import send_approved
from app.services.runs import new_request
from domain.errors import DatabaseDown, DataError, FeedDown, StorageFull, UsageError
from domain.order import OrderState
from memory.engine import connected
from tests.support.serving import FRIDAY, MINUTE, HandClock, Service
from tests.support.staging import desk_at

OPEN, NOON, LATE = FRIDAY + 5 * MINUTE, FRIDAY + 150 * MINUTE, FRIDAY + 360 * MINUTE
FIRST, SECOND, THIRD = "2026-11-20T09:35", "2026-11-20T12:00", "2026-11-20T15:30"


@pytest.fixture
def service(desk, monkeypatch):
    return Service(desk, monkeypatch)


async def test_each_slot_of_the_day_runs_once_however_often_the_loop_looks(service):
    await service.at(OPEN, OPEN + MINUTE, OPEN + 2 * MINUTE, NOON, NOON + MINUTE, LATE).serve()
    assert service.outcomes == [("sealed", FIRST), ("sealed", SECOND), ("sealed", THIRD)]
    assert service.journal.next == Slot(name="2026-11-23T09:35", at=OPEN + timedelta(days=3))


async def test_each_slot_of_the_wall_clock_plays_the_next_slot_of_the_simulated_calendar(service):
    await service.at(OPEN, NOON).serve()
    rows = await service.desk.runs.list()
    assert [(row.request.slot, f"{row.request.as_of:%Y-%m-%dT%H:%M}") for row in reversed(rows)] == [
        (f"simulated {FIRST}", "2025-01-02T14:35"),
        (f"simulated {SECOND}", "2025-01-02T17:00"),
    ]


async def test_a_restart_within_the_grace_does_not_run_the_slot_again(desk, monkeypatch):
    await Service(desk, monkeypatch).at(OPEN).serve()
    again = Service(desk, monkeypatch, clock=HandClock(OPEN + MINUTE))
    await again.serve()
    assert again.outcomes == [("elsewhere", FIRST)]


async def test_a_late_start_runs_only_what_is_within_the_grace_and_names_what_the_day_missed(desk, monkeypatch):
    service = Service(desk, monkeypatch, clock=HandClock(NOON + 10 * MINUTE))
    await service.serve()
    assert service.outcomes == [("skipped", FIRST), ("sealed", SECOND)]
    assert "missed by 155 minutes; the grace is 15" in service.journal.entries[0].detail


async def test_a_slot_that_another_process_ran_is_not_called_missed(desk, monkeypatch):
    await Service(desk, monkeypatch).at(OPEN).serve()
    late = Service(desk, monkeypatch, clock=HandClock(OPEN + 60 * MINUTE))
    await late.serve()
    assert late.outcomes == []


async def test_a_machine_that_slept_over_the_day_wakes_to_one_run(service):
    def wake():
        service.clock.at, service.clock.jumped = LATE + MINUTE, 6 * 3600.0

    service.steps.append(wake)
    await service.serve()
    assert service.outcomes == [("skipped", FIRST), ("skipped", SECOND), ("sealed", THIRD)]
    assert service.journal.jumps == 1


async def test_a_clock_set_back_runs_nothing_twice_and_is_noticed_once(service):
    def back():
        service.clock.at, service.clock.jumped = FRIDAY, -360.0

    service.at(OPEN).steps.append(back)
    await service.at(OPEN, OPEN + MINUTE).serve()
    assert service.outcomes == [("sealed", FIRST)]
    assert (service.journal.jumps, service.journal.jump_s) == (1, -360.0)


async def test_of_three_processes_at_one_slot_one_runs_it_and_the_others_say_so(
    desk_home, database, engine, monkeypatch
):
    desk_home.mkdir()
    async with connected(database.pipeline_url) as second, connected(database.pipeline_url) as third:
        services = [Service(desk_at(desk_home, database, each), monkeypatch) for each in (engine, second, third)]
        shared = services[0].runs
        monkeypatch.setattr(module, "execute", shared)
        await asyncio.gather(*(service.at(OPEN).serve() for service in services))
    outcomes = sorted(outcome for service in services for outcome, _ in service.outcomes)
    assert outcomes == ["elsewhere", "elsewhere", "sealed"]
    assert len(shared.asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        DatabaseDown("PostgreSQL went away."),
        FeedDown("The source is silent."),
        StorageFull("The disk is full."),
        TimeoutError(),
        psycopg.OperationalError("server closed the connection unexpectedly"),
        ExceptionGroup("both", [ValueError("no cause"), DatabaseDown("PostgreSQL went away.")]),
    ],
    ids=["database", "feed", "disk", "late step", "checkpointer", "in a group"],
)
async def test_a_fault_of_the_machine_mid_run_is_retried_with_growing_pauses_until_the_run_is_sealed(
    desk, monkeypatch, fault
):
    service = Service(desk, monkeypatch, fault, fault, fault)
    seen = []
    service.steps = [
        lambda: setattr(service.clock, "at", OPEN),
        lambda: seen.append(service.journal.desk),
        lambda: seen.append(str(service.journal.fault)),
        lambda: None,
    ]
    await service.serve()
    assert service.outcomes == [("sealed", FIRST)]
    assert service.pauses == [5.0, 1.0, 2.0, 4.0, 5.0]
    assert seen[0] is None
    assert seen[1]
    assert len(set(service.runs.asked)) == 1
    assert service.journal.fault is None


async def test_pauses_stop_growing_at_a_minute(service):
    service.desk.runs.unfinished = failing = Failing(DatabaseDown("PostgreSQL is gone."), times=9)
    service.journal.started_at = FRIDAY
    service.steps = [lambda: None] * 9
    await service.serve()
    assert failing.left == 0
    assert service.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 5.0]


class Failing:
    """Fails a number of times, then finds nothing."""

    def __init__(self, fault, *, times):
        self.fault, self.left = fault, times

    async def __call__(self):
        if self.left:
            self.left -= 1
            raise self.fault
        return ()


async def test_a_desk_that_cannot_be_opened_at_the_start_says_so_instead_of_waiting(service):
    @asynccontextmanager
    async def closed():
        raise DatabaseDown("PostgreSQL cannot be reached.")
        yield

    with pytest.raises(DatabaseDown):
        await module.serve(closed, Journal(), service.stop)
    assert service.pauses == []


@pytest.mark.parametrize("fault", [ZeroDivisionError("by zero"), DataError("The chain is absurd.")])
async def test_a_run_that_breaks_is_marked_failed_and_the_next_slot_still_runs(desk, monkeypatch, fault):
    service = Service(desk, monkeypatch, fault)
    await service.at(OPEN, OPEN + MINUTE, NOON).serve()
    assert service.outcomes == [("failed", FIRST), ("sealed", SECOND)]
    failed = (await desk.runs.list(state="failed"))[0]
    assert str(fault) in failed.detail
    assert service.pauses == [5.0] * 4


async def test_a_feed_down_for_longer_than_the_grace_costs_the_slot_and_not_the_day(
    desk_home, database, engine, monkeypatch
):
    desk_home.mkdir()
    desk = desk_at(desk_home, database, engine)
    schedule = desk.configuration.desk.schedule.model_copy(update={"misfire_grace_minutes": 0})
    desk = desk_at(desk_home, database, engine, schedule=schedule)
    service = Service(desk, monkeypatch, FeedDown("The source is silent."))
    await service.at(OPEN, NOON).serve()
    assert service.outcomes == [("failed", FIRST), ("sealed", SECOND)]


async def test_a_slot_whose_request_cannot_be_made_is_failed_without_a_run(service, monkeypatch):
    async def refuse(desk, **_):
        raise UsageError("The simulated calendar has ended.")

    monkeypatch.setattr(module, "new_request", refuse)
    await service.at(OPEN, OPEN + MINUTE).serve()
    assert service.outcomes == [("failed", FIRST)]
    assert service.journal.entries[0].run_id is None


async def test_a_feed_that_is_down_when_the_slot_comes_is_asked_again_within_the_grace(service, monkeypatch):
    async def down_once(desk, **words):
        monkeypatch.setattr(module, "new_request", new_request)
        raise FeedDown("The source is silent.")

    monkeypatch.setattr(module, "new_request", down_once)
    await service.at(OPEN, OPEN + MINUTE).serve()
    assert service.outcomes == [("sealed", FIRST)]
    assert service.pauses == [5.0, 1.0, 5.0]


async def test_a_database_lost_while_orders_are_worked_does_not_run_the_slot_again(service, monkeypatch):
    async def lost_once(desk, at):
        monkeypatch.setattr("app.services.order_work.send_approved", send_approved)
        raise DatabaseDown("PostgreSQL went away.")

    service.at(OPEN).steps.append(lambda: monkeypatch.setattr("app.services.order_work.send_approved", lost_once))
    service.at(OPEN + MINUTE, OPEN + 2 * MINUTE)
    await service.serve()
    assert service.outcomes == [("sealed", FIRST)]
    assert 1.0 in service.pauses


async def test_a_run_that_ended_elsewhere_meanwhile_is_not_marked_failed(desk, monkeypatch):
    service = Service(desk, monkeypatch, clock=FixedClock(OPEN))

    async def ended_elsewhere(desk, request, timings, control=None):
        await desk.runs.begin(request)
        await desk.runs.finish(request.run_id, state="sealed", head_hash="0" * 64, detail="")
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(module, "execute", ended_elsewhere)
    await service.serve()
    assert service.outcomes == [("failed", FIRST)]
    assert [row.state for row in await desk.runs.list()] == ["sealed"]


async def test_asked_to_stop_mid_run_the_run_is_left_to_the_next_start_which_resumes_it(desk, monkeypatch):
    first = Service(desk, monkeypatch, GraphDrained())
    first.at(OPEN)
    first.runs.held = asyncio.Event()

    async def terminate():
        await first.runs.begun.wait()
        first.stop.ask()
        assert first.stop._control.drain_requested
        first.runs.held.set()

    await asyncio.gather(first.serve(), terminate())
    assert first.outcomes == [("stopped", FIRST)]
    assert first.stop.control().drain_requested  # a run begun after the request ends at once
    second = Service(desk, monkeypatch, clock=HandClock(OPEN + MINUTE))
    await second.serve()
    assert second.outcomes == [("sealed", FIRST)]
    assert second.runs.asked == first.runs.asked


async def test_at_the_start_unfinished_runs_of_this_feed_and_configuration_are_resumed_and_others_named(
    desk, monkeypatch
):
    own = await new_request(desk, at=None, watchlist=("JPM",))
    foreign = own.model_copy(update={"run_id": "simulated-foreign", "fingerprint": "0" * 16})
    other = own.model_copy(update={"run_id": "cboe-other", "feed": "cboe"})
    for request in (own, foreign, other):
        await desk.runs.begin(request)
    service = Service(desk, monkeypatch, None)
    service.steps = [lambda: None]
    await service.serve()
    assert {(entry.outcome, entry.run_id) for entry in service.journal.entries} == {
        ("sealed", own.run_id),
        ("foreign", "simulated-foreign"),
    }
    assert {row.request.run_id for row in await desk.runs.unfinished()} == {"simulated-foreign", "cboe-other"}


async def test_a_run_that_another_process_executes_is_left_to_it(desk, monkeypatch):
    request = await new_request(desk, at=None, watchlist=("JPM",))
    await desk.runs.begin(request)
    service = Service(desk, monkeypatch)
    async with desk.runs.run_lock(request.run_id):
        await service.serve()
    assert [entry.outcome for entry in service.journal.entries] == ["elsewhere"]


async def test_an_approved_order_is_sent_between_slots(desk, staged, monkeypatch):
    await desk.orders.approve(staged.order_id, at=staged.staged_at + MINUTE, reviewer="ann")
    service = Service(desk, monkeypatch)
    await service.serve()
    state = (await desk.orders.get(staged.order_id)).state
    assert state in (OrderState.FILLED, OrderState.CANCELLED)
    assert service.journal.orders == {state.value: 1}


async def test_a_staged_order_whose_time_is_up_expires(desk, staged, monkeypatch):
    later = await new_request(desk, at=staged.expires_at + MINUTE, watchlist=("JPM",))
    await desk.runs.begin(later)  # the simulated market has moved on
    service = Service(desk, monkeypatch)
    await service.serve()
    assert (await desk.orders.get(staged.order_id)).state is OrderState.EXPIRED
    assert service.journal.orders == {"expired": 1}


async def test_an_order_that_cannot_be_priced_waits_is_named_and_stops_nothing(desk, staged, monkeypatch):
    await desk.orders.approve(staged.order_id, at=staged.staged_at + MINUTE, reviewer="ann")
    service = Service(replace(desk, feed=Silent()), monkeypatch)
    await service.at(FRIDAY + MINUTE).serve()
    assert (await desk.orders.get(staged.order_id)).state is OrderState.APPROVED
    assert staged.order_id in service.journal.order_trouble
    service = Service(replace(desk, feed=Silent(UsageError("New York does not trade."))), monkeypatch)
    await service.at(FRIDAY + MINUTE).serve()
    assert service.journal.order_trouble == "New York does not trade."


class Silent:
    """A feed without quotes."""

    name = "simulated"

    def __init__(self, error=None):
        self.error = error

    async def quotes(self, as_of, tickers):
        if self.error:
            raise self.error
        return {}


async def test_once_runs_the_due_slot_and_leaves_without_a_pause(desk, monkeypatch):
    service = Service(desk, monkeypatch, clock=HandClock(OPEN + MINUTE))
    await module.serve_once(service.opened, service.journal, service.stop)
    assert service.outcomes == [("sealed", FIRST)]
    assert service.pauses == []
    assert service.journal.document()["outcomes"] == {"sealed": 1}


async def test_once_leaves_a_fault_of_the_machine_to_the_caller(desk, monkeypatch):
    service = Service(desk, monkeypatch, FeedDown("The source is silent."), clock=HandClock(OPEN + MINUTE))
    with pytest.raises(FeedDown):
        await module.serve_once(service.opened, service.journal, service.stop)


@pytest.mark.parametrize("how", ["option", "setting"])
def test_a_recorded_market_is_refused_with_what_to_do_instead(how, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    words = ["serve", "--feed", "recorded"]
    if how == "setting":
        (tmp_path / "desk.yaml").write_text("feed: recorded\n")
        monkeypatch.setenv("DESK_CONFIG", str(tmp_path))
        words = ["serve"]
    assert guarded(app, words) == 2
    said = capsys.readouterr().err
    assert "no schedule" in said
    assert "desk run --feed recorded --at" in said
    assert not (tmp_path / "home").exists()


@pytest.fixture
def on_any_port(desk_home, database, engine):
    desk_home.mkdir()
    return desk_at(desk_home, database, engine, health_port=0)


async def test_the_command_ends_on_sigterm_and_tells_what_it_did(on_any_port, monkeypatch):
    service = Service(on_any_port, monkeypatch)
    monkeypatch.setattr("app.stop.Stop", lambda: service.stop)

    async def terminate():
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(5)  # the signal cuts the pause short

    service.at(OPEN).steps.append(terminate)
    told = await serving(on_any_port.configuration, service.opened, "simulated", once=False)
    assert (told["account"], told["outcomes"], told["next"]["name"]) == ("simulated", {"sealed": 1}, SECOND)
    assert len(service.pauses) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_the_command_once_tells_the_slot_its_end_and_the_next_one_in_words(on_any_port, monkeypatch):
    idle = Service(on_any_port, monkeypatch)
    told = await serving(on_any_port.configuration, idle.opened, "simulated", once=True)
    assert in_words(told) == ["No slot was due.", f"The next slot is {FIRST} New York."]
    due = Service(on_any_port, monkeypatch, clock=HandClock(OPEN))
    told = await serving(on_any_port.configuration, due.opened, "simulated", once=True)
    assert in_words(told) == [
        f"simulated {FIRST}: sealed, 1 orders staged",
        f"The next slot is {SECOND} New York.",
    ]


def test_serve_once_from_the_shell_is_one_json_document(database, desk_home, monkeypatch, capsys):
    monkeypatch.setenv("DESK_HOME", str(desk_home))
    monkeypatch.setenv("DESK_DATABASE_URL", database.pipeline_url)
    monkeypatch.setenv("DESK_DATABASE_ADMIN_URL", database.admin_url)
    monkeypatch.setattr(module, "due_slot", lambda *_, **__: Due())  # whatever the day on which this test runs
    assert guarded(app, ["serve", "--once", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["account"], told["entries"]) == ("simulated", [])
    assert guarded(app, ["serve", "--once"]) == 0
    assert "No slot was due." in capsys.readouterr().out
