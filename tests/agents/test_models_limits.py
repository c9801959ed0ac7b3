"""Breaker, purse and gateway: what is not spent, not asked and not leaked."""

import asyncio
from decimal import Decimal

import pytest
from pydantic import SecretStr, ValidationError

from agents.models.breaker import Breaker
from agents.models.gateway import ModelGateway, Request
from agents.models.purse import Purse, Reservation, estimate_tokens
from agents.models.settings import ModelSettings
from domain.errors import DatabaseDown
from tests.support.debate_cases import MemoryModelRecord, debate_settings
from tests.support.llm_server import says, status

SETTINGS = debate_settings().models


class Watch:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_breaker_opens_after_failures_in_a_row_and_lets_one_try_after_the_cooldown():
    watch = Watch()
    breaker = Breaker(failures=2, cooldown_seconds=10, monotonic=watch)
    for succeeded in (False, True, False):
        breaker.record(succeeded=succeeded)
    assert breaker.allows()
    breaker.record(succeeded=False)
    assert not breaker.allows()
    watch.seconds = 10.0
    assert breaker.allows()
    assert not breaker.allows(), "only one caller may try while half-open"
    breaker.record(succeeded=False)
    watch.seconds = 19.9
    assert not breaker.allows()
    watch.seconds = 20.0
    assert breaker.allows()
    breaker.record(succeeded=True)
    assert breaker.allows()


def _settings(**budget) -> ModelSettings:
    limits = {"run_usd": 1, "day_usd": 1, "run_tokens": 10_000, "day_tokens": 10_000, **budget}
    return debate_settings({"budget": limits, "max_output_tokens": 1000}).models


async def _reserve(purse, model="gpt-4.1", run="run-1", agent="bull"):
    return await purse.reserve(run_id=run, agent=agent, model=model, text="x" * 1998)


async def test_a_reservation_holds_the_most_the_call_can_cost():
    held = await _reserve(Purse(_settings(), MemoryModelRecord()))
    assert (held.input_tokens, held.output_tokens, held.tokens) == (1000, 1000, 2000)
    assert held.usd == Decimal("0.010")  # 1,000 × $2 and 1,000 × $8 per million


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        ({"run_usd": "0.019"}, "budget_run_usd"),
        ({"day_usd": "0.019"}, "budget_day_usd"),
        ({"run_tokens": 3999}, "budget_run_tokens"),
        ({"day_tokens": 3999}, "budget_day_tokens"),
    ],
)
async def test_the_second_of_two_unfinished_calls_is_refused_at_the_limit_and_allowed_once_the_first_is_released(
    budget, code
):
    purse = Purse(_settings(**budget), MemoryModelRecord())
    first = await _reserve(purse)
    assert isinstance(first, Reservation)
    assert await _reserve(purse) == code
    purse.release(first)
    assert isinstance(await _reserve(purse), Reservation)


async def test_exactly_at_the_limit_is_allowed():
    purse = Purse(_settings(run_usd="0.020", run_tokens=4000), MemoryModelRecord())
    await _reserve(purse)
    assert isinstance(await _reserve(purse), Reservation)


async def test_what_other_runs_spent_today_counts_for_the_day_only():
    record = MemoryModelRecord(spent_before=("0.995", 100))
    assert await _reserve(Purse(_settings(), record)) == "budget_day_usd"


async def test_a_model_without_a_price_is_not_called_and_a_free_one_costs_nothing():
    purse = Purse(_settings(run_usd=0), MemoryModelRecord())
    assert await _reserve(purse, model="gpt-99") == "unpriced_model"
    free = debate_settings({"free": ["local-llama"], "budget": _settings(run_usd=0).budget.model_dump()}).models
    held = await _reserve(Purse(free, MemoryModelRecord()), model="local-llama")
    assert held.usd == 0


async def test_a_database_that_fails_while_reserving_leaves_nothing_held():
    class Down(MemoryModelRecord):
        down = True

        async def spent(self, *, run_id, agent):
            if self.down:
                raise DatabaseDown("gone")
            return await super().spent(run_id=run_id, agent=agent)

    record = Down()
    purse = Purse(_settings(run_usd="0.010"), record)
    with pytest.raises(DatabaseDown):
        await _reserve(purse)
    record.down = False
    assert isinstance(await _reserve(purse), Reservation)


def test_tokens_are_estimated_upwards_from_bytes():
    assert estimate_tokens("") == 1
    assert estimate_tokens("€" * 10) == 16


def test_the_shipped_settings_price_both_models():
    shipped = debate_settings().models
    assert shipped.price(shipped.advocate) is not None
    assert shipped.price(shipped.judge) is not None


def test_misspelt_and_negative_settings_fail_at_load():
    with pytest.raises(ValidationError, match="timeout_second"):
        debate_settings({"timeout_second": 1})
    with pytest.raises(ValidationError, match="run_usd"):
        _settings(run_usd=-1)


REQUEST = Request(
    model="gpt-4.1", system="s", user='<debate ticker="SPY"/>', schema_name="judge",
    json_schema={"type": "object", "properties": {}, "additionalProperties": False}, parameters={},
)  # fmt: skip


async def _ask(server, settings=SETTINGS):
    gateway = ModelGateway(settings, api_key=SecretStr("sk-secret"), base_url=server.url)
    reply = await gateway.ask(REQUEST)
    await gateway.aclose()
    await gateway.aclose()  # closing twice is harmless
    return reply


async def test_a_cut_off_answer_keeps_its_text_and_its_bill(llm_server):
    reply = await _ask(llm_server({"judge": [says('{"verd', finish_reason="length")]}))
    assert (reply.error, reply.text, reply.input_tokens, reply.output_tokens) == ("cut_off", '{"verd', 1000, 200)
    unbilled = await _ask(llm_server({"judge": [says("{", finish_reason="length", usage=None)]}))
    assert unbilled.output_tokens is None


async def test_retry_after_is_read_and_nonsense_in_it_ignored(llm_server):
    server = llm_server({"judge": [status(429, retry_after="3"), status(429, retry_after="Fri, 20 Nov 2026")]})
    assert [(await _ask(server)).retry_after_seconds for _ in range(2)] == [3.0, None]


async def test_an_error_keeps_the_vendors_short_code_but_not_the_sentence_that_may_quote_the_key(llm_server):
    server = llm_server({"judge": [status(401, error="invalid_api_key"), status(400, error="sk-Secret 1")]})
    assert [(await _ask(server)).error for _ in range(2)] == ["http_401 invalid_api_key", "http_400"]


async def test_an_answer_without_a_token_count_is_charged_by_estimate(llm_server):
    from agents.debate.shapes import Turn
    from agents.models.calls import Question, RecordedModels
    from prompts.library import Rendered

    server = llm_server({"bull": [says({"arguments": []}, usage=None)]})
    gateway = ModelGateway(SETTINGS, api_key=SecretStr("k"), base_url=server.url)
    record = MemoryModelRecord()
    question = Question(run_id="r", ticker="SPY", role="bull", round=1, model="gpt-4.1-mini")
    prompt = Rendered(system="s", user='<debate ticker="SPY"/>', reference="bull@1", sha256="0" * 64)
    answer = await RecordedModels(SETTINGS, gateway, record).ask(question, Turn, lambda _: prompt)
    await gateway.aclose()
    assert answer.value == Turn(arguments=())
    call = record.calls["r", "SPY/bull/1/1"]
    assert call.input_tokens > 100
    assert call.output_tokens == estimate_tokens('{"arguments": []}')


async def test_a_server_that_was_never_reached_costs_nothing_and_is_tried_again():
    from agents.debate.shapes import Turn
    from agents.models.calls import Question, RecordedModels
    from prompts.library import Rendered

    gateway = ModelGateway(SETTINGS, api_key=SecretStr("k"), base_url="http://127.0.0.1:9/v1")
    record = MemoryModelRecord()
    question = Question(run_id="r", ticker="SPY", role="bull", round=1, model="gpt-4.1-mini")
    prompt = Rendered(system="s", user="u", reference="bull@1", sha256="0" * 64)
    answer = await RecordedModels(SETTINGS, gateway, record).ask(question, Turn, lambda _: prompt)
    await gateway.aclose()
    assert (answer.error, len(answer.keys)) == ("no_connection", 3)
    assert [(call.input_tokens, call.cost_usd) for call in record.calls.values()] == [(0, 0.0)] * 3


async def test_cancelling_a_debate_gives_its_money_back(llm_server):
    from agents.debate.shapes import Turn
    from agents.models.calls import Question, RecordedModels
    from prompts.library import Rendered

    class Slow:
        async def ask(self, request):
            await asyncio.sleep(30)

    models = RecordedModels(_settings(run_usd="0.010"), Slow(), MemoryModelRecord())
    question = Question(run_id="r", ticker="SPY", role="bull", round=1, model="gpt-4.1-mini")
    prompt = Rendered(system="s", user="u", reference="bull@1", sha256="0" * 64)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(models.ask(question, Turn, lambda _: prompt), 0.02)
    assert models._purse._held == []


async def test_nothing_answers_at_all():
    gateway = ModelGateway(SETTINGS, api_key=SecretStr("k"), base_url="http://127.0.0.1:9/v1")
    assert (await gateway.ask(REQUEST)).error == "no_connection"
    await gateway.aclose()


async def test_a_fault_that_the_clients_authors_did_not_foresee_is_a_failure_like_any_other():
    """Exits are staged behind the debate: not even a bug of a library may end the run."""
    gateway = ModelGateway(SETTINGS, api_key=SecretStr("k"), base_url="http://127.0.0.1:99999/v1")
    assert (await gateway.ask(REQUEST)).error.startswith("unforeseen_")
    await gateway.aclose()


def test_the_key_is_not_in_the_gateways_text():
    gateway = ModelGateway(SETTINGS, api_key=SecretStr("sk-secret"))
    assert "sk-secret" not in repr(vars(gateway))
    assert gateway._url == "https://api.openai.com/v1"
