"""/health and /metrics: what a watcher learns, and when it is told to act."""

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

import app.services.health as module
from app.cli import app
from app.cli.outcome import guarded
from app.clock import FixedClock
from app.scheduler import next_slot
from app.server import answering, application, listening
from app.services.journal import Journal, RunEntry, findings_of
from domain.audit import AuditEntry
from domain.errors import DatabaseDown, FeedDown, MachineError, StorageFull
from domain.risk import TradingState
from memory.engine import conninfo
from tests.support.serving import FRIDAY, document

RUN = "simulated-20250102T1435-abcdef12"


@pytest.fixture
def journal(desk):
    watched = replace(desk, clock=FixedClock(FRIDAY))
    times = desk.configuration.desk.schedule.times
    return Journal(desk=watched, started_at=FRIDAY, looked_at=FRIDAY, next=next_slot(FRIDAY, times))


@pytest.fixture
def ask(desk, journal):
    @asynccontextmanager
    async def client():
        served = application(desk.configuration, journal, "simulated")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://desk") as made:
            yield made

    async def asked(path="/health"):
        async with client() as made:
            return await made.get(path)

    return asked


def ran(journal, outcome="sealed", detail="1 orders staged"):
    journal.findings = findings_of(document(RUN))
    journal.note(RunEntry(at=FRIDAY, outcome=outcome, slot="simulated 2026-11-20T09:35", run_id=RUN, detail=detail))


async def test_a_fresh_desk_is_well_and_names_every_component(ask):
    answer = await ask()
    told = answer.json()
    assert (answer.status_code, told["status"], told["at"]) == (200, "ok", "2026-11-20T14:30:00Z")
    assert set(told["components"]) == {
        "analyst_flow", "analyst_social", "analyst_technical", "analyst_vol_surface", "audit", "broker", "clock",
        "database", "debate", "disk", "feed", "scheduler", "trading", "verdicts",
    }  # fmt: skip
    assert told["components"]["scheduler"]["numbers"]["next_slot"] == "2026-11-20T09:35"
    assert told["components"]["scheduler"]["numbers"]["next_at"] == "2026-11-20T14:35:00Z"
    assert told["components"]["audit"]["detail"] == "nothing sealed yet"


async def test_after_a_run_health_names_it_its_late_analyst_its_fallen_back_debate_and_the_last_seal(
    ask, desk, journal
):
    ran(journal)
    entry = AuditEntry(
        run_id=RUN, node="record", ticker="*", kind="summary", author="rule", inputs={}, output={}, versions={}
    )
    await desk.audit.append([entry])
    seal = await desk.audit.seal(RUN)
    told = (await ask()).json()
    parts = told["components"]
    assert told["status"] == "warn"
    assert parts["scheduler"]["numbers"]["last_run"] == RUN
    assert parts["audit"]["numbers"] == {"rows": 1, "sealed_at": "2025-01-02T14:35:00Z", "head": seal.head_hash}
    assert parts["analyst_technical"]["detail"] == f"timeout in run {RUN}"
    assert (parts["analyst_flow"]["status"], parts["analyst_flow"]["numbers"]["signals"]) == ("ok", 2)
    assert parts["analyst_social"]["status"] == "ok"  # an abstention for want of history is no fault
    assert parts["debate"]["numbers"] == {"fell_back": 1, "debates": 2}
    assert "breaker_open (1)" in parts["debate"]["detail"]
    assert RUN in parts["feed"]["detail"]


async def test_halted_trading_and_a_halted_analyst_are_shown_and_do_not_take_the_desk_down(ask, desk):
    await desk.switches.set_trading(TradingState.HALTED, at=FRIDAY, actor="ann", reason="a drill")
    await desk.switches.set_agent("flow", halted=True, at=FRIDAY, actor="ann", reason="a drill")
    answer = await ask()
    parts = answer.json()["components"]
    assert answer.status_code == 200
    assert (parts["trading"]["status"], parts["trading"]["detail"]) == (
        "warn", "halted, by ann since 2026-11-20T14:30:00Z: a drill",
    )  # fmt: skip
    assert parts["trading"]["numbers"] == {
        "state": "halted", "since": "2026-11-20T14:30:00Z", "by": "ann", "halted_agents": "flow",
    }  # fmt: skip
    assert (parts["analyst_flow"]["status"], parts["analyst_social"]["status"]) == ("warn", "ok")
    assert parts["analyst_flow"]["detail"] == "halted by ann since 2026-11-20T14:30:00Z: a drill"
    families = {f.name: f for f in text_string_to_metric_families((await ask("/metrics")).text)}
    assert {s.labels["state"]: s.value for s in families["desk_trading_state"].samples} == {
        "active": 0.0, "reducing": 0.0, "halted": 1.0,
    }  # fmt: skip
    assert families["desk_trading_state_since_seconds"].samples[0].value == FRIDAY.timestamp()
    assert {s.labels["agent"] for s in families["desk_agent_halted"].samples if s.value} == {"flow"}


async def test_a_state_in_doubt_has_no_author_and_no_age(ask, superuser_url):
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER TABLE switches DISABLE TRIGGER ALL")
        link.execute("DELETE FROM switches")
    part = (await ask()).json()["components"]["trading"]
    assert (part["status"], part["numbers"]["state"], part["numbers"]["since"]) == ("warn", "halted", None)
    assert "any doubt means halted" in part["detail"]
    families = {f.name for f in text_string_to_metric_families((await ask("/metrics")).text)}
    assert "desk_trading_state_since_seconds" not in families


@pytest.mark.parametrize(
    ("fault", "component"),
    [
        (DatabaseDown("PostgreSQL went away."), "database"),
        (FeedDown("Cboe is silent."), "feed"),
        (StorageFull("The disk is full."), "disk"),
        (None, "database"),
    ],
)
async def test_between_two_attempts_the_answer_is_503_and_names_what_is_at_fault(ask, journal, fault, component):
    journal.desk, journal.fault = None, fault
    answer = await ask()
    told = answer.json()
    assert (answer.status_code, told["status"], told["at"]) == (503, "fail", None)
    assert told["components"][component]["detail"] == str(fault or "not open yet")
    assert told["components"]["scheduler"]["status"] == ("fail" if fault else "ok")


async def test_a_database_that_refuses_or_does_not_answer_in_time_is_503_and_not_a_hang(ask, journal, monkeypatch):
    async def refuse(_account):
        raise DatabaseDown("PostgreSQL went away.")

    async def hang(_account):
        await asyncio.sleep(60)

    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    for broken, said in ((refuse, "PostgreSQL went away."), (hang, "no answer")):
        monkeypatch.setattr(journal.desk.switches, "read", broken)
        answer = await ask()
        assert answer.status_code == 503
        assert said in answer.json()["components"]["database"]["detail"]


async def test_a_failed_last_run_waiting_orders_and_a_moved_clock_are_warnings(ask, journal):
    ran(journal, "failed", "ZeroDivisionError: by zero")
    journal.order_trouble, journal.jumps, journal.jump_s = "o-1: no quotes of SPY", 1, -360.0
    answer = await ask()
    parts = answer.json()["components"]
    assert answer.status_code == 200
    assert parts["scheduler"]["detail"] == "the last run failed: ZeroDivisionError: by zero"
    assert parts["broker"]["detail"] == "paper: o-1: no quotes of SPY"
    assert parts["clock"]["detail"] == "the wall clock moved by -360 s"
    journal.running = RUN
    journal.note(RunEntry(at=FRIDAY, outcome="sealed", slot=None, run_id=RUN, detail=""))
    assert (await ask()).json()["components"]["scheduler"]["detail"] == f"run {RUN} is at work"


@pytest.mark.parametrize(
    ("free", "status", "code"), [(10 * 1024**3, "ok", 200), (1024**3, "warn", 200), (1024**2, "fail", 503)]
)
async def test_a_filling_disk_warns_before_it_fails(ask, monkeypatch, free, status, code):
    usage = module.shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    answer = await ask()
    assert (answer.status_code, answer.json()["components"]["disk"]["status"]) == (code, status)


async def test_metrics_carry_counts_components_and_the_next_slot(ask, journal):
    ran(journal)
    journal.orders.update(filled=2)
    journal.faults = 3
    answer = await ask("/metrics")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert answer.headers["content-type"].startswith("text/plain")
    assert samples["desk_up",] == 1.0
    assert samples["desk_component_up", "database"] == 1.0
    assert samples["desk_runs_total", "sealed"] == 1.0
    assert samples["desk_orders_total", "filled"] == 2.0
    assert samples["desk_failed_rounds",] == 3.0
    assert samples["desk_node_seconds", "debate"] == 2.5
    assert samples["desk_last_run_timestamp_seconds",] == FRIDAY.timestamp()
    assert samples["desk_next_run_timestamp_seconds",] == FRIDAY.timestamp() + 300
    assert samples["desk_disk_free_bytes",] > 0


async def test_metrics_answer_200_while_the_database_is_down_so_that_the_alarm_can_be_raised(ask, journal):
    journal.desk, journal.fault, journal.next = None, DatabaseDown("PostgreSQL went away."), None
    answer = await ask("/metrics")
    assert answer.status_code == 200
    assert "desk_up 0.0" in answer.text
    assert 'desk_component_up{component="database"} 0.0' in answer.text


async def test_the_server_answers_on_a_free_port_and_lets_go_of_it(desk, journal):
    with listening("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        async with answering(application(desk.configuration, journal, "simulated"), bound) as address:
            assert address == f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=address) as client:
                assert (await client.get("/health")).status_code == 200
                assert (await client.get("/docs")).status_code == 404
    with listening("127.0.0.1", port) as again:
        assert again.getsockname()[1] == port


def test_a_host_that_is_none_is_one_sentence():
    with (
        pytest.raises(MachineError, match=r"Port 0 of no\.such\.host\.invalid cannot be"),
        listening("no.such.host.invalid", 0),
    ):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_is_one_sentence_with_the_setting_to_change(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    said = r"Port \d+ of .* in use\. .* health_port in desk\.yaml"
    with taken, pytest.raises(MachineError, match=said), listening(host, taken.getsockname()[1]):
        pass


def test_serve_on_a_taken_port_exits_3_before_it_touches_the_database(tmp_path, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "desk.yaml").write_text(f"health_port: {port}\n")
        monkeypatch.setenv("DESK_CONFIG", str(tmp_path))
        monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
        assert guarded(app, ["serve"]) == 3
    said = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1" in said
    assert "Traceback" not in said
    assert not (tmp_path / "home").exists()
