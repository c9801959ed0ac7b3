"""Recorded calls: asked once, kept for ever, replayed without a network."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from agents.models.breaker import Breaker, Breakers
from agents.models.gateway import UNSENT, Gateway, Reply, Request, is_transient
from agents.models.purse import Purse, Reservation, estimate_tokens
from agents.models.settings import FREE, ModelSettings
from domain.debate import ModelCall
from domain.ports import ModelRecord
from domain.record import Record, digest
from prompts.library import Rendered

MALFORMED = "malformed"
DEADLINE = "deadline"
BELIEVED = 10  # times what was set aside: the most that an endpoint is believed to have counted
BREAKER_OPEN = "breaker_open"
Shape = TypeVar("Shape", bound=Record)


@dataclass(frozen=True)
class Question:
    """Who asks what of which model. `(ticker, role, round)` is asked once in a run."""

    run_id: str
    ticker: str
    role: str
    round: int
    model: str
    masked: bool = False  # noted in the record beside the other parameters
    deadline: float | None = None  # `time.perf_counter` at which waiting for an answer ends

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline, at least 0; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.perf_counter())


@dataclass(frozen=True)
class Answer(Generic[Shape]):
    """`value` fits the asked shape, or `error` says in one code why there is none. `keys` name the recorded calls."""

    value: Shape | None
    error: str | None
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Attempt:
    """One request on its way into the record."""

    number: int
    question: Question
    request: Request
    prompt: Rendered

    @property
    def key(self) -> str:
        return f"{self.question.ticker}/{self.question.role}/{self.question.round}/{self.number}"


class RecordedModels:
    """Asks through a gateway and records; what the record already holds is never asked again.

    `gateway` None means replay: only the record speaks, and nothing is written to it. `breakers` may be shared, so
    that a provider which failed in one run is left alone in the next.
    """

    def __init__(
        self, settings: ModelSettings, gateway: Gateway | None, record: ModelRecord, breakers: Breakers | None = None
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._record = record
        self._purse = Purse(settings, record)
        self._breakers = breakers or Breakers(
            failures=settings.breaker_failures, cooldown_seconds=settings.breaker_cooldown_seconds
        )

    async def ask(self, question: Question, shape: type[Shape], render: Callable[[str], Rendered]) -> Answer[Shape]:
        """Ask until there is an answer in `shape`. A model that is out of reach or out of budget gives way to the one
        that the settings name for it, if any.
        """
        answer = await self._asked(question, shape, render, ())
        instead = self._settings.fall_back.get(question.model)
        if instead is None or answer.error is None or not _gives_way(answer.error):
            return answer
        return await self._asked(replace(question, model=instead), shape, render, answer.keys)

    async def _asked(
        self, question: Question, shape: type[Shape], render: Callable[[str], Rendered], before: tuple[str, ...]
    ) -> Answer[Shape]:
        """One model: transient failures are retried, a malformed reply is sent back once with what is wrong with it
        (`render(complaint)`), everything else ends the matter.
        """
        retries, repairs, complaint, trouble = self._settings.attempts - 1, 1, "", ""
        keys = list(before)
        while True:
            prompt = render(complaint)
            attempt = _Attempt(len(keys) + 1, question, self._request(question, shape, prompt), prompt)
            call = await self._record.find(question.run_id, attempt.key)
            pause = 0.0
            if call is None:
                if self._gateway is None:
                    return Answer(None, "not_recorded", tuple(keys))
                call, pause = await self._call(self._gateway, attempt, shape)
            elif call.request_hash != digest(attempt.request):
                return Answer(None, "record_differs", tuple(keys))
            keys.append(attempt.key)
            if call.error is None:
                value = _parse(shape, call.response)
                return Answer(value, None if value else MALFORMED, tuple(keys))
            if is_transient(call.error) and retries > 0:
                retries, trouble = retries - 1, call.error
                await asyncio.sleep(pause)
            elif call.error == MALFORMED and repairs > 0:
                repairs -= 1
                complaint = _problems(shape, call.response)
            else:
                # what opened the breaker tells more than that it is open
                why = f"{trouble}, then {call.error}" if trouble and call.error == BREAKER_OPEN else call.error
                return Answer(None, why, tuple(keys))

    def _request(self, question: Question, shape: type[Record], prompt: Rendered) -> Request:
        return Request(
            model=question.model,
            system=prompt.system,
            user=prompt.user,
            schema_name=question.role,
            json_schema=_strict_schema(shape),
            parameters={
                "temperature": self._settings.temperature,
                "seed": self._settings.seed,
                "max_output_tokens": self._settings.max_output_tokens,
                **({"masked": True} if question.masked else {}),
            },
        )

    async def _call(self, gateway: Gateway, attempt: _Attempt, shape: type[Record]) -> tuple[ModelCall, float]:
        """Make and store one call, or store why it was not made; with it the seconds to wait before a retry."""
        breaker = self._breakers.of(self._settings.provider(attempt.question.model))
        held = await self._reserve(attempt, breaker)
        if isinstance(held, str):
            # stored too: a replay must be turned away at the same step
            return await self._store(attempt, Reply(error=held), (0, 0), 0.0), 0.0
        try:
            started = time.perf_counter()
            reply = await _in_time(gateway, attempt)
            latency_ms = 1000 * (time.perf_counter() - started)
            if reply.error is None and _problems(shape, reply.text):
                reply = reply.model_copy(update={"error": MALFORMED})
            breaker.record(succeeded=reply.error is None)
            call = await self._store(attempt, reply, _tokens(reply, held), latency_ms)
        finally:
            self._purse.release(held)
        return call, self._pause(attempt, reply)

    def _pause(self, attempt: _Attempt, reply: Reply) -> float:
        """Seconds before the next attempt: doubling, spread by up to half of it so that parallel debates do not return
        all at once, at least what the endpoint asked for. The spread comes from the call's name: no hidden randomness.
        """
        spread = 1.0 + 0.5 * int(digest([attempt.question.run_id, attempt.key])[:8], 16) / 0xFFFFFFFF
        base = max(self._settings.retry_wait_seconds * 2 ** (attempt.number - 1), reply.retry_after_seconds or 0.0)
        wait: float = min(base * spread, self._settings.retry_wait_limit_seconds)
        left = attempt.question.seconds_left
        return wait if left is None else min(wait, left)

    async def _reserve(self, attempt: _Attempt, breaker: Breaker) -> Reservation | str:
        if attempt.question.seconds_left == 0.0:
            return DEADLINE
        asked, question = attempt.request, attempt.question
        held = await self._purse.reserve(
            run_id=question.run_id,
            agent=question.role,
            model=question.model,
            text=f"{asked.system}{asked.user}{asked.json_schema}",
        )
        # last: the one trial of a half-open breaker must not be spent on a call that is not made
        if isinstance(held, Reservation) and not breaker.allows():
            self._purse.release(held)
            return BREAKER_OPEN
        return held

    async def _store(self, attempt: _Attempt, reply: Reply, tokens: tuple[int, int], latency_ms: float) -> ModelCall:
        price = self._settings.price(attempt.question.model) or FREE  # an unpriced model was refused: no tokens
        call = ModelCall(
            key=attempt.key,
            run_id=attempt.question.run_id,
            ticker=attempt.question.ticker,
            role=attempt.question.role,
            model=attempt.question.model,
            prompt=attempt.prompt.reference,
            prompt_hash=attempt.prompt.sha256,
            parameters=dict(attempt.request.parameters),
            request_hash=digest(attempt.request),
            response=reply.text,
            error=reply.error,
            finish_reason=reply.finish_reason,
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            cost_usd=float(price.of(input_tokens=tokens[0], output_tokens=tokens[1])),
            latency_ms=latency_ms,
            attempt=attempt.number,
        )
        await self._record.store(call)
        return call


async def _in_time(gateway: Gateway, attempt: _Attempt) -> Reply:
    try:
        async with asyncio.timeout(attempt.question.seconds_left):
            return await gateway.ask(attempt.request)
    except TimeoutError:
        return Reply(error=DEADLINE)


def _gives_way(error: str) -> bool:
    """Whether another model may be asked: never after an answer that was merely unwelcome."""
    return is_transient(error) or error == BREAKER_OPEN or error.startswith("budget_")


def _tokens(reply: Reply, held: Reservation) -> tuple[int, int]:
    """Tokens to charge: those that the endpoint counted, or the whole reservation where its count cannot be (negative,
    nothing for something, far beyond what was asked). Where it did not count: nothing for what never reached it and for
    an error status, which is not billed; the whole reservation after a time-out or a connection that was lost, for the
    model may have worked; else an estimate.
    """
    asked, told = reply.input_tokens, reply.output_tokens
    if asked is not None and told is not None:
        least = 1 if reply.text else 0
        if 1 <= asked <= BELIEVED * held.input_tokens and least <= told <= BELIEVED * held.output_tokens:
            return asked, told
        return held.input_tokens, held.output_tokens
    if reply.error is not None and (reply.error in UNSENT or reply.error.startswith("http_")):
        return 0, 0
    if reply.text is not None:
        return held.input_tokens, estimate_tokens(reply.text)
    return held.input_tokens, held.output_tokens


@lru_cache(maxsize=16)
def _strict_schema(shape: type[Record]) -> dict[str, Any]:
    """JSON schema in OpenAI's strict dialect: closed objects, every field required."""
    from langchain_core.utils.function_calling import convert_to_openai_function

    schema: dict[str, Any] = convert_to_openai_function(shape, strict=True)["parameters"]
    return schema


def _parse(shape: type[Shape], text: str | None) -> Shape | None:
    try:
        return shape.model_validate_json(text or "")
    except ValidationError:
        return None


def _problems(shape: type[Record], text: str | None) -> str:
    """What is wrong with a reply, by place and kind only: quoting the reply would let it speak in our voice."""
    try:
        shape.model_validate_json(text or "")
    except ValidationError as error:
        found = [f"{'.'.join(map(str, item['loc'])) or 'reply'}: {item['type']}" for item in error.errors()]
        return "; ".join(found[:5])
    return ""
