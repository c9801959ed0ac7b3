"""A replay reproduces every output, however threads are scheduled; whatever was changed meanwhile is named."""

import asyncio
import dataclasses
import importlib
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents.flow import Flow
from app.services.audit import find_run
from app.services.replay import replay
from domain.errors import Refused
from memory.orders import PostgresOrderStore
from tests.support.audited import copied, made
from tests.support.llm_server import LlmServer, honest, refuses, status

PAIR = ("JPM", "XOM")


class Shuffled(ThreadPoolExecutor):
    """Starts work late and out of order: what arrives first is left to chance."""

    def __init__(self, seed):
        super().__init__(max_workers=4)
        self._random = random.Random(seed)  # noqa: S311 - it only has to be another order each time

    def submit(self, work, *arguments, **named):
        delay = self._random.uniform(0.0, 0.05)

        def late():
            time.sleep(delay)
            return work(*arguments, **named)

        return super().submit(late)


def again(home, *, config=None, executor=None):
    async def question(desk):
        if executor is not None:
            asyncio.get_running_loop().set_default_executor(executor)
        return await replay(desk, await find_run(desk, "last"))

    return home.ask(question, config=config)


@pytest.fixture(scope="module")
def argued(postgres, tmp_path_factory):
    """A run over two names debated by models, one after a retry, one falling back to rules; the server is gone."""
    script = {("bull", "XOM"): [status(503, retry_after="0"), honest()], ("bear", "JPM"): [refuses()]}
    with LlmServer(script) as server:

        def to_the_server(config):
            environment = config.environment.model_copy(update={"openai_base_url": server.url})
            return dataclasses.replace(config, environment=environment)

        home = made(postgres, tmp_path_factory.mktemp("argued") / "home", PAIR, configure=to_the_server, debate="llm")
        assert {request.ticker for request in server.requests} == set(PAIR)
    return home


@pytest.fixture
def argued_twin(argued, tmp_path):
    with copied(argued, tmp_path / "argued") as copy:
        yield copy


def test_a_run_comes_out_alike_byte_for_byte_however_its_threads_are_scheduled(audited, argued):
    whole = again(audited)
    assert (whole.verdict, whole.differences, whole.altered, whole.notes) == ("identical", (), (), ())
    assert whole.steps > 40
    first = again(argued)
    for executor in (ThreadPoolExecutor(max_workers=1), Shuffled(1), Shuffled(2)):
        assert again(argued, executor=executor).model_copy(update={"seconds": first.seconds}) == first
    assert first.verdict == "identical"


def test_model_debates_replay_without_a_model(argued, capsys):
    code, found = argued.json(capsys, "audit", "replay", argued.run_id)
    assert (code, found["verdict"], found["missing_calls"], found["notes"]) == (0, "identical", [], [])
    _, story = argued.json(capsys, "audit", "show")
    engines = {tale["ticker"]: tale["debate"] for tale in story["tickers"]}
    assert (engines["XOM"]["engine"], engines["XOM"]["fell_back"]) == ("llm", None)
    assert engines["JPM"]["fell_back"] == "bear round 1: refused"


def test_a_missing_model_call_is_named_with_the_debate_that_lacked_it(argued_twin, capsys):
    argued_twin.sql("DELETE FROM model_calls WHERE key = 'XOM/bull/2/1'")
    code, found = argued_twin.json(capsys, "audit", "replay")
    assert (code, found["verdict"], found["missing_calls"]) == (1, "differs", ["XOM/bull/2/1"])
    assert (found["first"]["node"], found["first"]["ticker"]) == ("debate", "XOM")
    assert any(d["replayed"] == "bull round 2: not_recorded" for d in found["differences"])
    code, out, _ = argued_twin.desk(capsys, "audit", "replay")
    assert code == 1
    assert "model call not in the record: XOM/bull/2/1" in out


def test_a_reply_that_was_rewritten_is_seen(argued_twin):
    argued_twin.sql(
        "UPDATE model_calls SET call = replace(call, 'points one way', 'points nowhere') WHERE key LIKE 'XOM/judge%'"
    )
    found = again(argued_twin)
    assert (found.verdict, found.first.step) == ("differs", "debate, XOM, debate")
    assert found.first.path == "output.thesis"
    assert "nowhere" in found.first.replayed
    assert "one way" in found.first.recorded


def test_settings_changed_later_do_not_matter(audited, tmp_path):
    (tmp_path / "risk_matrix.yaml").write_text("hard:\n  contracts_per_order: 1\n")
    (tmp_path / "debate.yaml").write_text("price_floor: 0.9\nrounds: 1\n")
    (tmp_path / "desk.yaml").write_text("order_life_minutes: 5\nrecall_k: 0\n")
    assert again(audited, config=tmp_path).verdict == "identical"


def test_settings_changed_in_the_log_are_named_and_so_is_what_follows_from_them(twin):
    twin.sql(
        """UPDATE decision_log SET entry = replace(entry, '"order_life_minutes":240', '"order_life_minutes":60')
           WHERE kind = 'settings'"""
    )
    found = again(twin)
    assert found.altered == ("row 1 (collect, *, settings)",)
    assert (found.verdict, found.first.node, found.first.path) == ("differs", "stage", "output.order.expires_at")
    assert not found.reproduced


def test_an_altered_row_is_named_with_what_it_should_say(twin, capsys):
    twin.sql(
        """UPDATE decision_log SET entry = replace(entry, '"verdict":"bear"', '"verdict":"bull"')
           WHERE (node, ticker) = ('debate', 'XOM')"""
    )
    code, found = twin.json(capsys, "audit", "replay")
    assert code == 1
    assert found["altered"][0].endswith("(debate, XOM, debate)")
    first = found["first"]
    assert (first["node"], first["ticker"], first["path"]) == ("debate", "XOM", "output.verdict")
    assert (first["recorded"], first["replayed"]) == ("bull", "bear")
    code, out, _ = twin.desk(capsys, "audit", "replay")
    assert code == 1
    assert "altered since it was logged" in out
    assert "output.verdict" in out.replace("\n", "")


def test_a_row_altered_beyond_reading_or_missing_is_tampering(twin, capsys):
    twin.sql("UPDATE decision_log SET entry = replace(entry, '\"max_positions\"', '\"most\"') WHERE kind = 'settings'")
    code, _, err = twin.desk(capsys, "audit", "replay")
    assert code == 1
    assert err.startswith("desk: row 1 (collect, *, settings) was altered: it cannot be replayed.")
    assert err.endswith("'desk audit verify' names what was done to the log.\n")
    twin.sql("DELETE FROM decision_log WHERE kind = 'request'")
    code, _, err = twin.desk(capsys, "audit", "replay")
    assert code == 1
    assert "has no request row" in err


def test_a_removed_step_and_an_added_one_are_named(twin):
    renamed = """replace(entry, '"ticker":"PFE"', '"ticker":"PFX"')"""
    twin.sql(
        "DELETE FROM decision_log WHERE (node, ticker) = ('aggregate', 'PFE')",
        f"UPDATE decision_log SET entry = {renamed} WHERE (node, ticker) = ('record', 'PFE')",
    )
    found = again(twin)
    assert (found.first.step, found.first.recorded, found.first.replayed) == (
        "aggregate, PFE, composite",
        "(absent)",
        "logged",
    )
    assert "record, PFX, outcome" in {d.step for d in found.differences if d.replayed == "(absent)"}


def test_a_damaged_snapshot_is_named_before_anything_is_computed(twin, capsys):
    parts = sorted((twin.folder / "snapshots" / "parts").glob("*/*"), key=lambda path: path.stat().st_size)
    parts[-1].write_bytes(parts[-1].read_bytes()[:-1] + b"!")
    code, _, err = twin.desk(capsys, "audit", "replay")
    assert code == 1
    assert "are damaged" in err
    assert str(parts[-1]) in err


def test_a_node_that_says_something_else_now_is_named(audited, monkeypatch):
    import graph.nodes.strategy_selector as node

    monkeypatch.setattr(node, "BEST", 4)
    found = again(audited)
    assert (found.verdict, found.first.node) == ("differs", "strategy_selector")
    assert found.first.path == "output.candidates[4]"
    assert found.first.replayed == "(absent)"


def test_a_node_that_fails_now_is_named_with_its_error(audited, monkeypatch):
    import graph.nodes.risk_gate as node

    def broken(*_, **__):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(node, "correlations_of", broken)
    found = again(audited)
    assert found.first.step == "risk_gate, *, failed"
    assert found.first.replayed == "ZeroDivisionError: by nothing"
    assert {d.node for d in found.differences} == {"risk_gate"}


def test_figures_that_moved_in_the_last_bits_are_measured_and_forgiven(audited, monkeypatch):
    import math

    import graph.nodes.aggregate as node

    def nudged(*arguments, **named):
        found = aggregate_all(*arguments, **named)
        return tuple(c.model_copy(update={"coverage": math.nextafter(c.coverage, 0)}) for c in found)

    aggregate_all = node.aggregate_all
    monkeypatch.setattr(node, "aggregate_all", nudged)
    found = again(audited)
    assert found.verdict == "within_tolerance"
    assert found.reproduced
    assert 0 < found.largest_relative < 1e-15


def test_what_the_order_store_refused_then_it_refuses_again(postgres, tmp_path, monkeypatch):
    async def refuse(self, order):
        raise Refused(f"Trading is halted (a test): order {order.order_id} cannot go on.", code="halted")

    with monkeypatch.context() as patched:
        patched.setattr(PostgresOrderStore, "stage", refuse)
        home = made(postgres, tmp_path / "home", PAIR)
    found = again(home)
    assert (found.verdict, found.notes) == ("identical", ())


def test_an_analyst_that_was_late_then_is_late_again_and_no_other(postgres, tmp_path, monkeypatch, capsys):
    read = Flow.read

    def slow(self, *arguments):
        time.sleep(1.2)
        return read(self, *arguments)

    def impatient(config):
        settings = config.graph.model_copy(update={"analyst_timeout_s": 0.8})
        return dataclasses.replace(config, graph=settings)

    with monkeypatch.context() as patched:
        patched.setattr(Flow, "read", slow)
        home = made(postgres, tmp_path / "home", ("XOM",), configure=impatient)
    _, told = home.json(capsys, "audit", "show")
    assert ("flow", "timeout") in {(item["source"], item["code"]) for item in told["tickers"][0]["abstentions"]}
    monkeypatch.setattr("agents.technical.Technical.read", _late("agents.technical", "Technical"))
    assert again(home).verdict == "identical"


def _late(module, name):
    read = getattr(importlib.import_module(module), name).read

    def late(self, *arguments):
        time.sleep(0.9)
        return read(self, *arguments)

    return late


def test_a_log_of_code_with_other_settings_says_which_version_to_take(twin):
    from domain.audit import AuditEntry
    from domain.record import canonical_json, digest

    async def settings_row(desk):
        return (await desk.audit.rows(twin.run_id))[0].entry

    entry = twin.ask(settings_row)
    older = AuditEntry(**{**entry.model_dump(), "output": {**entry.output, "no_longer_known": 1}})
    text = canonical_json(older).replace("'", "''")
    forged = f"entry = '{text}', payload_hash = '{digest(older)}', code_version = '0.0.9'"
    twin.sql(f"UPDATE decision_log SET {forged} WHERE seq = 1")
    with pytest.raises(
        Refused, match=r"made by code 0\.0\.9, whose log this code cannot read \(no_longer_known"
    ) as caught:
        again(twin)
    assert caught.value.code == "other_code"
