"""`desk doctor`: each thing that can be wrong is named with what to do, and no secret is ever shown."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from rich.console import Console

import app.services.doctor as module
from app.cli import app
from app.cli.outcome import guarded
from app.clock import WallClock
from app.screens.doctor import show_findings
from app.services.doctor import calendar, credentials, database_findings, examine, feeds, machine, switches
from app.services.findings import Finding
from app.settings import Environment
from app.wiring import configuration
from domain.risk import Restraint, TradingState
from feeds.library import MarketLibrary
from memory.engine import conninfo
from memory.privileges import refused_changes
from memory.switches import Switches
from tests.support.market_server import Reply, cboe_document, market_server

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)  # a Saturday


def by_name(findings):
    return {finding.name: finding for finding in findings}


def environment(home, **changes):
    return Environment(desk_home=home, **changes)


@pytest.fixture
def external(database, monkeypatch):
    monkeypatch.setenv("DESK_DATABASE_URL", database.pipeline_url)
    monkeypatch.setenv("DESK_DATABASE_ADMIN_URL", database.admin_url)


def test_a_sound_desk_passes_as_one_json_document_and_exit_0(external, desk_home, monkeypatch, capsys):
    monkeypatch.setenv("DESK_HOME", str(desk_home))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert guarded(app, ["doctor", "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    found = {item["name"]: item for item in told["findings"]}
    assert told["status"] in ("ok", "warn")
    assert found["decision_log append-only"]["detail"] == "UPDATE, DELETE, TRUNCATE refused"
    assert found["connection"]["detail"].startswith("external PostgreSQL 18")
    assert found["OPENAI_API_KEY"]["detail"] == "set"
    assert "very-secret" not in said.out + said.err


def test_a_desk_without_a_database_exits_3_and_still_shows_everything_else(desk_home, monkeypatch, capsys):
    monkeypatch.setenv("DESK_HOME", str(desk_home))
    monkeypatch.setenv("DESK_DATABASE_URL", "postgresql://ann:hush@127.0.0.1:1/desk")
    assert guarded(app, ["doctor"]) == 3
    said = capsys.readouterr().out
    assert "cannot be reached" in " ".join(said.split())
    assert "hush" not in said
    assert "simulated" in said
    assert "1 of" in said


async def test_a_misspelt_setting_fails_with_its_key_and_the_rest_is_examined(external, tmp_path, desk_home):
    (tmp_path / "desk.yaml").write_text("feeed: simulated\n")
    found = by_name(await examine(Environment(desk_home=desk_home, desk_config=tmp_path), NOW))
    assert found["files"].status == "fail"
    assert "feeed" in found["files"].detail
    assert found["pgvector"].status == "ok"
    assert "cboe" not in found


def test_a_schema_that_is_behind_is_brought_up_to_date_and_said_so(database):
    with psycopg.connect(conninfo(database.admin_url), autocommit=True) as link:
        link.execute("COMMENT ON SCHEMA langgraph IS 'an older release'")
    first, second = (
        by_name(database_findings(database.admin_url, database.pipeline_url, embedded=False)) for _ in range(2)
    )
    assert "brought up to date just now" in first["schema"].detail
    assert "brought" not in second["schema"].detail


def test_a_role_that_can_change_the_audit_log_fails_and_the_log_is_left_as_it_was(database, superuser_url):
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER TABLE decision_log DISABLE TRIGGER append_only")
        link.execute("GRANT UPDATE, TRUNCATE ON decision_log TO desk_pipeline")
    found = by_name(database_findings(database.admin_url, database.pipeline_url, embedded=True))
    assert found["decision_log append-only"].status == "fail"
    assert found["decision_log append-only"].detail == "the pipeline's role may UPDATE, TRUNCATE"
    assert "REVOKE" in found["decision_log append-only"].remedy
    assert found["seals append-only"].status == "ok"


def test_the_trigger_refuses_even_the_owner(database):
    assert refused_changes(database.admin_url, "seals") == {"UPDATE": True, "DELETE": True, "TRUNCATE": False}


def test_a_home_that_cannot_be_written_fails_with_the_variable_to_set(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    found = by_name(machine(environment(tmp_path / "file")))
    assert found["DESK_HOME"].status == "fail"
    assert "DESK_HOME" in found["DESK_HOME"].remedy


def test_an_unknown_python_and_a_single_core_are_named(desk_home, monkeypatch):
    version = SimpleNamespace(version_info=(3, 10, 0), version="3.10.0 (main)")
    monkeypatch.setattr(module, "sys", version)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    found = by_name(machine(environment(desk_home)))
    assert (found["python"].status, found["python"].detail) == ("fail", "3.10.0")
    assert found["cores"].status == "warn"


@pytest.mark.parametrize(
    ("uid", "unshare", "allowed", "url", "status", "said"),
    [
        (1000, None, False, None, "ok", "an ordinary user"),
        (0, "/usr/bin/unshare", True, None, "ok", "user namespaces"),
        (0, None, False, None, "fail", "without the program unshare"),
        (0, "/usr/bin/unshare", False, None, "fail", "forbids user namespaces"),
        (0, None, False, "postgresql://db/desk", "ok", "external database"),
    ],
)
def test_root_needs_namespaces_unless_the_database_is_elsewhere(
    desk_home, monkeypatch, uid, unshare, allowed, url, status, said
):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(module.shutil, "which", lambda _: unshare)
    ended = subprocess.CompletedProcess([], 0 if allowed else 1)
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: ended)
    found = by_name(machine(environment(desk_home, desk_database_url=url)))["user"]
    assert found.status == status
    assert said in found.detail
    assert bool(found.remedy) is (status == "fail")


def test_the_calendar_says_the_next_session_and_warns_before_it_ends():
    (weekend,) = calendar(NOW)
    assert (weekend.status, weekend.detail[-46:]) == ("ok", "2026-11-21, no session, the next is 2026-11-23")
    (session,) = calendar(datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
    assert session.detail.endswith("2026-11-20, a session")
    (near,) = calendar(datetime(2040, 6, 1, 15, 0, tzinfo=UTC))
    assert (near.status, bool(near.remedy)) == ("warn", True)
    (beyond,) = calendar(datetime(2041, 6, 1, 15, 0, tzinfo=UTC))
    assert beyond.status == "fail"


def test_credentials_are_said_to_be_set_and_never_shown(tmp_path):
    secret = Environment(
        desk_home=tmp_path, openai_api_key="sk-1234", openai_base_url="http://127.0.0.1:9/v1",
        desk_database_url="postgresql://ann:hush@db/desk",
    )  # fmt: skip
    told = {finding.name: finding.detail for finding in credentials(secret)}
    assert told["OPENAI_API_KEY"] == told["DESK_DATABASE_URL"] == "set"
    assert told["DESK_DATABASE_ADMIN_URL"].startswith("not set")
    assert not any("1234" in text or "hush" in text for text in told.values())


def chosen(feed, desk_home, own, **more):
    lines = [f"feed: {feed}\n", *(f"{key}: {value}\n" for key, value in more.items())]
    (own / "desk.yaml").write_text("".join(lines))
    return configuration(Environment(desk_home=desk_home, desk_config=own))


async def test_an_empty_library_matters_only_to_a_desk_that_reads_it(desk_home, tmp_path):
    idle = by_name(await feeds(chosen("simulated", desk_home, tmp_path)))
    assert (idle["recorded"].status, idle["cboe"].detail) == ("ok", "not asked: it is not the default feed")
    assert idle["simulated"].detail.endswith("(the default feed)")
    reading = by_name(await feeds(chosen("recorded", desk_home, tmp_path)))
    assert reading["recorded"].status == "fail"
    assert "desk data import" in reading["recorded"].remedy


async def test_a_damaged_source_of_a_feed_that_is_not_chosen_is_a_warning(desk_home, tmp_path):
    damaged = desk_home / "library" / "abc"
    damaged.mkdir(parents=True)
    (damaged / "manifest.json").write_text("{")
    found = by_name(await feeds(chosen("simulated", desk_home, tmp_path)))
    assert found["recorded"].status == "warn"
    assert found["recorded"].remedy


def test_the_screen_shows_remedies_of_what_is_not_ok_and_a_verdict(capsys):
    def shown(*findings):
        show_findings(Console(width=110), findings)
        return capsys.readouterr().out

    good = Finding(area="machine", name="cores", status="ok", detail="2", remedy="never shown")
    warned = Finding(area="machine", name="disk", status="warn", detail="1 GiB [free]", remedy="Free some space.")
    failed = Finding(area="database", name="connection", status="fail", detail="down", remedy="Start it.")
    assert "All 1 checks are fine." in shown(good)
    assert "never shown" not in shown(good)
    assert "→ Free some space." in shown(good, warned)
    assert "1 GiB [free]" in shown(warned)
    assert "1 of 1 checks deserve a look" in shown(warned)
    assert "1 of 3 checks fail." in shown(good, warned, failed)


def live(desk_home, own, server):
    (own / "feeds.yaml").write_text(
        f"cboe:\n  base_url: {server.base_url}/\n  fetch: {{timeout_seconds: 20, attempts: 1, spacing_seconds: 0}}\n"
    )
    return chosen("cboe", desk_home, own, watchlist="{cboe: [SPY]}")


async def test_the_chosen_live_feed_is_asked_for_one_name(desk_home, tmp_path):
    with market_server() as server:
        server.script("/SPY.json", Reply(cboe_document("SPY", WallClock().now() - timedelta(minutes=1))))
        found = by_name(await feeds(live(desk_home, tmp_path, server)))["cboe"]
    assert found.status == "ok"
    assert found.detail.startswith("SPY: 20 contracts as of ")
    assert server.requests == ["/SPY.json"]


@pytest.mark.parametrize("reply", [Reply(status=503), Reply(status=404), Reply(b"<html>")])
async def test_a_chosen_live_feed_that_does_not_serve_fails_with_a_remedy(desk_home, tmp_path, reply):
    with market_server() as server:
        server.script("/SPY.json", reply)
        found = by_name(await feeds(live(desk_home, tmp_path, server)))["cboe"]
    assert found.status == "fail"
    assert found.remedy


def test_an_environment_that_cannot_be_used_is_one_sentence_and_exit_2(desk_home, monkeypatch, capsys):
    monkeypatch.setenv("DESK_HOME", str(desk_home))
    monkeypatch.setenv("DESK_LOG", "loud")
    assert guarded(app, ["doctor"]) == 2
    said = capsys.readouterr().err
    assert "DESK_LOG" in said
    assert "'warning'" in said


async def test_a_filled_library_says_how_many_names_and_from_when_to_when(desk_home, tmp_path):
    (tmp_path / "chains.csv").write_text(
        "quote_date,root,type,expiration,strike,bid,ask,last,volume,open_interest,implied_vol,delta,gamma,"
        "underlying_price\n2019-06-20,SPX,call,2019-07-19,2950,30,31,0,5,10,0.1,0.5,0,2954\n"
        "2019-06-21,SPX,put,2019-07-19,2950,30,31,0,5,10,0.1,0.5,0,2950\n"
    )
    MarketLibrary(desk_home / "library").import_path(tmp_path / "chains.csv")
    found = by_name(await feeds(chosen("recorded", desk_home, tmp_path)))["recorded"]
    assert (found.status, found.remedy) == ("ok", "")
    assert found.detail.startswith("1 sources, chains of 1 names from 2019-06-20 to 2019-06-21")


async def test_the_doctor_says_whether_the_desk_trades_by_whose_word_and_who_is_silent(engine, database):
    (found,) = await switches(database.pipeline_url)
    assert (found.area, found.name, found.status) == ("trading", "everywhere", "ok")
    assert found.detail.startswith("active, by installation since ")
    kill = Switches(engine)
    loss = Restraint(cause="daily_loss", measured=0.04, limit=0.03, detail="daily loss: 4 %")
    await kill.restrain("simulated", [loss], as_of=NOW)
    await kill.set_agent("social", halted=True, at=NOW, actor="ann", reason="spam")
    names = [(each.name, each.status, each.detail) for each in await switches(database.pipeline_url)]
    assert names[1:] == [
        ("simulated", "warn", "reducing, by desk since 2026-11-21T15:00:00Z: daily loss: 4 %"),
        ("agent social", "warn", "halted by ann: spam"),
    ]
    await kill.tighten(TradingState.HALTED, at=NOW, actor="ann", reason="stop")
    halted = await switches(database.pipeline_url)
    assert [(each.name, each.status) for each in halted] == [("everywhere", "warn"), ("agent social", "warn")]
    assert "desk resume --reason" in halted[0].remedy
