"""A model's server that lies about what it used, or never stops sending."""

import asyncio
import gzip

import pytest
from pydantic import SecretStr, ValidationError

from agents.debate.shapes import Turn
from agents.models.calls import Question, RecordedModels
from agents.models.gateway import ModelGateway
from prompts.library import Rendered
from prompts.replies import bounded_client
from tests.agents.test_models_limits import SETTINGS, _settings
from tests.support.debate_cases import MemoryModelRecord
from tests.support.llm_server import says

PROMPT = Rendered(system="s" * 400, user='<debate ticker="SPY"/>', reference="bull@2", sha256="0" * 64)


async def asked(server, settings=SETTINGS, *, record=None, round_=1):
    """What bull answers at `server`, and the call as it is recorded."""
    record = record or MemoryModelRecord()
    gateway = ModelGateway(settings, api_key=SecretStr("k"), base_url=server.url)
    question = Question(run_id="r", ticker="SPY", role="bull", round=round_, model="gpt-4.1-mini")
    answer = await RecordedModels(settings, gateway, record).ask(question, Turn, lambda _: PROMPT)
    await gateway.aclose()
    return answer, record.calls["r", f"SPY/bull/{round_}/1"]


NONSENSE = [(-(10**9), -(10**9)), (-1, 200), (1000, -1), (10**9, 200), (1000, 10**30), (0, 0), (1000, 0)]
NO_COUNTS = [(1000, 1.5), ("many", "few"), (float("nan"), 200)]


@pytest.mark.parametrize("usage", [*NONSENSE, *NO_COUNTS])
async def test_a_count_that_cannot_be_is_not_believed_and_the_whole_reservation_is_charged(llm_server, usage):
    _, call = await asked(llm_server({"bull": [says({"arguments": []}, usage=usage)]}))
    assert call.input_tokens > 200
    assert call.output_tokens == SETTINGS.max_output_tokens


@pytest.mark.parametrize("usage", [*NONSENSE, *NO_COUNTS])
async def test_nor_is_it_believed_where_the_reply_was_cut_off(llm_server, usage):
    answer, call = await asked(llm_server({"bull": [says("{", finish_reason="length", usage=usage)]}))
    assert answer.error == "cut_off"
    assert call.output_tokens == SETTINGS.max_output_tokens


async def test_negative_counts_do_not_fill_the_purse(llm_server):
    server, record = llm_server({"*": [says({"arguments": []}, usage=(-(10**9), -(10**9)))]}), MemoryModelRecord()
    small = _settings(run_tokens=5000)
    errors = [(await asked(server, small, record=record, round_=n))[0].error for n in range(1, 6)]
    assert errors[-1] == "budget_run_tokens"


def test_the_record_takes_no_negative_count_or_cost(llm_server):
    _, call = asyncio.run(asked(llm_server()))
    for name in ("input_tokens", "output_tokens", "cost_usd"):
        with pytest.raises(ValidationError, match=name):
            type(call).model_validate({**call.model_dump(), name: -1})


class Flood:
    """Answers any request with `status` and up to 64 MiB."""

    def __init__(self, *, status="200 OK", headers="", piece=b"x" * 65_536):
        self.head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}\r\n".encode()
        self.piece, self.sent = piece, 0

    async def _answer(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        try:
            writer.write(self.head)
            while self.sent < 64 << 20:
                writer.write(self.piece)
                await writer.drain()
                self.sent += len(self.piece)
        except ConnectionError:
            pass
        writer.close()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "500 Oh"},
        {"status": "307 There", "headers": "location: /v1/there\r\n"},
        {"headers": "content-encoding: gzip\r\n", "piece": gzip.compress(b"x" * 65_536)},
    ],
    ids=["answer", "error", "redirect", "packed"],
)
async def test_a_reply_without_end_is_left_and_neither_asked_for_again_nor_given_for_free(changes):
    async with Flood(**changes) as flood:
        answer, call = await asked(flood)
    assert (answer.error, len(answer.keys)) == ("reply_too_long", 1)
    assert call.output_tokens == SETTINGS.max_output_tokens
    assert flood.sent < 16 << 20, "what waits in the sockets, no more"


async def test_replies_are_asked_for_unpacked(llm_server):
    server = llm_server()
    await asked(server)
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("said", ["Identity", "", "identity, identity"])
async def test_a_reply_that_only_says_that_it_is_not_packed_is_read(said):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-encoding: {said}\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, bounded_client(1_000) as client:
        reply = await client.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        assert reply.json() == {}
