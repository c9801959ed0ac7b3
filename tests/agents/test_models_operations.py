"""Model operations: patience, retries, providers, fall-back as configured, budgets of call and agent."""

import asyncio
import contextlib
import socket
import time

import pytest
from pydantic import SecretStr, ValidationError

from agents.debate.llm import LlmEngine
from agents.debate.shapes import Turn
from agents.models.breaker import Breaker, Breakers
from agents.models.calls import Question, RecordedModels
from agents.models.gateway import ModelGateway, Reply
from agents.models.purse import Purse
from domain.debate import Verdict
from prompts.library import Rendered
from tests.agents.test_models_limits import REQUEST, Watch, _reserve, _settings
from tests.support.debate_cases import MemoryModelRecord, case, debate_settings, rules_engine, snapshot
from tests.support.llm_server import says, status

PROMPT = Rendered(system="s", user='<debate ticker="SPY"/>', reference="bull@2", sha256="0" * 64)


async def debated(settings, server, *, record=None, breakers=None, run="run-1"):
    gateway = ModelGateway(settings.models, api_key=SecretStr("sk-secret"), base_url=server.url)
    engine = LlmEngine(settings, gateway, record or MemoryModelRecord(), rules_engine(settings), breakers=breakers)
    view, signals = case(0.2, 0.2, 0.2, -0.2)
    debate = await engine.debate(run, view, signals, (), snapshot())
    await gateway.aclose()
    return debate


def with_local(server, **models):
    """Settings with a second, free provider at `server`."""
    local = {"local": {"url": server.url, "models": ["llama"]}}
    return debate_settings(models={"providers": local, "free": ["llama"], "attempts": 1, **models})


async def test_a_model_out_of_reach_gives_way_to_the_configured_one_which_is_sent_no_key(llm_server):
    paid, free = llm_server({"*": [status(503)]}), llm_server()
    settings = with_local(free, fall_back={"gpt-4.1-mini": "llama", "gpt-4.1": "llama"})
    record = MemoryModelRecord()
    debate = await debated(settings, paid, record=record)
    assert debate.fell_back is None
    assert debate.verdict is Verdict.BULL
    assert {item.model for item in free.requests} == {"llama"}
    assert {item.headers["authorization"] for item in free.requests} == {"Bearer local"}
    assert debate.model_calls[:2] == ("SPY/bull/1/1", "SPY/bull/1/2")
    assert record.calls["run-1", "SPY/bull/1/2"].model == "llama"
    gatewayless = LlmEngine(settings, None, record, rules_engine(settings))
    view, signals = case(0.2, 0.2, 0.2, -0.2)
    assert await gatewayless.debate("run-1", view, signals, (), snapshot()) == debate


@pytest.mark.parametrize("answer", [status(401), says("nonsense"), says('{"arguments": []}', finish_reason="length")])
async def test_an_unwelcome_answer_is_no_reason_to_ask_another_model(llm_server, answer):
    paid, free = llm_server({"*": [answer]}), llm_server()
    debate = await debated(with_local(free, fall_back={"gpt-4.1-mini": "llama"}), paid)
    assert debate.fell_back.startswith("bull round 1: ")
    assert free.requests == []


async def test_without_a_configured_fall_back_the_rules_speak(llm_server):
    paid, free = llm_server({"*": [status(503)]}), llm_server()
    assert (await debated(with_local(free), paid)).fell_back == "bull round 1: http_503"
    assert free.requests == []


async def test_spent_money_falls_back_to_a_free_model(llm_server):
    paid, free = llm_server(), llm_server()
    nothing = {**debate_settings().models.budget.model_dump(), "run_usd": "0.000001"}
    settings = with_local(free, budget=nothing, fall_back={"gpt-4.1-mini": "llama", "gpt-4.1": "llama"})
    debate = await debated(settings, paid)
    assert (debate.fell_back, paid.requests) == (None, [])
    assert len(free.requests) == 5


async def test_each_provider_has_a_breaker_of_its_own_which_outlives_the_run(llm_server):
    paid, free = llm_server({"*": [status(500)]}), llm_server()
    settings = with_local(free, breaker_failures=2, fall_back={"gpt-4.1-mini": "llama", "gpt-4.1": "llama"})
    breakers = Breakers(failures=2, cooldown_seconds=300)
    for run in ("run-1", "run-2"):
        assert (await debated(settings, paid, breakers=breakers, run=run)).fell_back is None
    assert len(paid.requests) == 2, "then its breaker is open, also in the next run"
    assert len(free.requests) == 10
    assert breakers.of("local").allows()
    assert not breakers.of("main").allows()


async def test_a_retry_that_an_open_breaker_forbids_still_says_what_opened_it():
    dead = Failing(Reply(error="no_connection"))
    record, settings = MemoryModelRecord(), _settings()
    models = RecordedModels(settings, dead, record, Breakers(failures=1, cooldown_seconds=300))
    said = await models.ask(question(), Turn, lambda _: PROMPT)
    assert (said.error, dead.asked) == ("no_connection, then breaker_open", 1)
    again = await RecordedModels(settings, None, record).ask(question(), Turn, lambda _: PROMPT)
    assert again == said, "and a replay says the same"


async def test_a_call_that_the_budget_forbids_does_not_use_up_the_one_trial_of_a_half_open_breaker():
    watch = Watch()
    breakers = Breakers(failures=1, cooldown_seconds=10)
    breaker = breakers._of["main"] = Breaker(failures=1, cooldown_seconds=10, monotonic=watch)
    breaker.record(succeeded=False)
    watch.seconds = 10.0
    poor, never = _settings(run_usd=0), Failing(Reply(error="timeout"))
    models = RecordedModels(poor, never, MemoryModelRecord(), breakers)
    assert (await models.ask(question(), Turn, lambda _: PROMPT)).error == "budget_run_usd"
    assert never.asked == 0
    assert breaker.allows(), "the trial is still to be had"
    assert not breaker.allows()


async def test_a_silent_server_is_left_after_the_idle_time_and_an_unreachable_one_after_the_connect_time(llm_server):
    settings = debate_settings(models={"idle_seconds": 1, "connect_seconds": 2, "timeout_seconds": 25}).models
    gateway = ModelGateway(settings, api_key=SecretStr("k"), base_url=llm_server({"judge": [says("{}", hang=30)]}).url)
    await gateway.ask(REQUEST.model_copy(update={"model": "warm"}))  # imports take longer than the patience
    begun = time.perf_counter()
    assert (await gateway.ask(REQUEST)).error == "timeout_idle"
    assert time.perf_counter() - begun < 20
    await gateway.aclose()
    with contextlib.ExitStack() as opened:
        full = opened.enter_context(socket.socket())  # listens, but its queue is full: the handshake never ends
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        gateway = ModelGateway(settings, api_key=SecretStr("k"), base_url=url)
        assert (await gateway.ask(REQUEST)).error == "timeout_connect"
        await gateway.aclose()


async def test_a_server_that_drips_is_cut_at_the_total_time():
    """Every byte resets the idle clock; the total does not care."""

    async def drip(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
        try:
            for _ in range(300):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    settings = debate_settings(models={"idle_seconds": 5.0, "timeout_seconds": 0.6}).models
    gateway = ModelGateway(settings, api_key=SecretStr("k"), base_url=url)
    assert (await gateway.ask(REQUEST)).error == "timeout"
    await gateway.aclose()
    server.close()


def question(**changes):
    fields = {"run_id": "r", "ticker": "SPY", "role": "bull", "round": 1, "model": "gpt-4.1", **changes}
    return Question(**fields)


class Failing:
    """Fails as told and notes when it was asked."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = 0

    async def ask(self, request):
        self.asked += 1
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


async def test_waits_double_are_spread_by_name_and_obey_the_server(monkeypatch):
    waits = []

    async def wait(seconds):
        waits.append(seconds)

    monkeypatch.setattr("agents.models.calls.asyncio.sleep", wait)
    settings = debate_settings(models={"retry_wait_seconds": 1.0, "retry_wait_limit_seconds": 20.0}).models
    for ticker in ("SPY", "QQQ", "SPY"):
        models = RecordedModels(settings, Failing(Reply(error="timeout")), MemoryModelRecord())
        await models.ask(question(ticker=ticker), Turn, lambda _: PROMPT)
    assert len(waits) == 6, "at most two retries"
    assert all(1.0 <= wait <= 1.5 for wait in waits[::2])
    assert all(2.0 <= wait <= 3.0 for wait in waits[1::2])
    assert waits[:2] == waits[4:]
    assert waits[0] != waits[2]
    waits.clear()
    patient = Failing(Reply(error="http_429", retry_after_seconds=7.0), Reply(error="refused"))
    await RecordedModels(settings, patient, MemoryModelRecord()).ask(question(), Turn, lambda _: PROMPT)
    assert 7.0 <= waits[0] <= 10.5


async def test_one_call_and_one_agent_have_limits_of_their_own():
    small = _settings(call_usd="0.009", run_usd=9, day_usd=9)
    assert await _reserve(Purse(small, MemoryModelRecord())) == "budget_call_usd"
    assert await _reserve(Purse(_settings(call_tokens=1999), MemoryModelRecord())) == "budget_call_tokens"
    purse = Purse(_settings(agent_usd="0.010", agent_tokens=2000), MemoryModelRecord())
    assert not isinstance(await _reserve(purse), str)
    assert await _reserve(purse) == "budget_agent_usd"
    assert not isinstance(await _reserve(purse, agent="bear"), str)
    assert await _reserve(Purse(_settings(agent_tokens=1999), MemoryModelRecord())) == "budget_agent_tokens"


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (
            {"providers": {"a": {"url": "http://u", "models": ["x"]}, "b": {"url": "http://v", "models": ["x"]}}},
            "x: each model",
        ),
        ({"providers": {"main": {"url": "http://u", "models": []}}}, "main: each model"),
        ({"fall_back": {"a": "b", "b": "c"}}, "fall_back of a"),
        ({"attempts": 4}, "attempts"),
    ],
)
def test_settings_that_contradict_themselves_fail_at_load(models, said):
    with pytest.raises(ValidationError, match=said):
        debate_settings(models=models)
