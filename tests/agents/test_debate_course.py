"""The course of a debate with models: who speaks when, who sees what, when it stops, and what is kept in numbers."""

import json

import pytest
from pydantic import SecretStr

from agents.debate.llm import LlmEngine
from agents.debate.subgraph import debate_graph
from agents.models.gateway import ModelGateway
from domain.debate import Verdict
from domain.record import canonical_json
from tests.support.debate_cases import MemoryModelRecord, case, debate_settings, headline, post, rules_engine, snapshot
from tests.support.llm_server import Answered, answer_of, edited, hangs, reads, refuses, says, status

THREE_TO_ONE = (0.2, 0.2, 0.2, -0.2)


async def held(server, *, record=None, texts=(), models=None, told=None, values=THREE_TO_ONE, **settings):
    """One debate before `server`."""
    chosen = debate_settings(models=models, **settings)
    gateway = server and ModelGateway(chosen.models, api_key=SecretStr("sk-secret"), base_url=server.url)
    engine = LlmEngine(chosen, gateway, record or MemoryModelRecord(), rules_engine(chosen), told=told)
    view, signals = case(*values)
    debate = await engine.debate("run-1", view, signals, (), snapshot(*texts))
    if gateway:
        await gateway.aclose()
    return debate


def roles(server):
    return [item.role for item in server.requests]


def reading(**changes):
    return reads(**{"stance": "bullish", "context": "meme", "relevance": 0.9, "certainty": 0.8, **changes})


async def test_bull_and_bear_alternate_and_the_second_answers_the_first_in_the_same_round(llm_server):
    server = llm_server()
    debate = await held(server)
    assert roles(server) == ["bull", "bear", "bull", "bear", "judge"]
    assert "<claim id=" not in server.requests[0].user
    assert server.requests[1].strongest == "bull-1-1"
    assert (debate.rounds, debate.stopped) == (2, None)


async def test_the_other_side_may_open(llm_server):
    server = llm_server()
    await held(server, opens="bear")
    assert roles(server) == ["bear", "bull", "bear", "bull", "judge"]
    assert server.requests[1].strongest == "bear-1-1"


async def test_the_debate_stops_when_both_repeat_themselves_and_not_before(llm_server):
    def parrot(request):
        answer = answer_of(request)
        if not answer["arguments"]:
            return Answered(content=json.dumps(answer))
        own = [e for e in request.evidence if e["side"] == request.role][:1]
        same = {"text": "As I said.", "evidence_ids": [own[0]["id"]], "figures": [], "answers": None}
        return Answered(content=json.dumps({"arguments": [same]}))

    server = llm_server({"bull": [parrot], "bear": [parrot]})
    debate = await held(server, rounds=4)
    assert roles(server) == ["bull", "bear", "bull", "bear"], "nobody cited more than one thing: no verdict to judge"
    assert debate.stopped == "nothing new in round 2"
    assert debate.rounds == 2
    one_sided = llm_server({"bear": [parrot]})
    await held(one_sided, rounds=3)
    assert len(one_sided.asked("bull")) == 3, "one side still has something to say"


async def test_a_single_judge_hears_the_evidence_read_out_and_nobody_argues(llm_server):
    server = llm_server()
    debate = await held(server, form="single_judge", texts=[post("words")], models={"reader": "gpt-4.1-nano"})
    assert roles(server) == ["judge"]
    assert debate.verdict is Verdict.BULL
    assert {claim.round for claim in debate.claims} == {1}


async def test_with_a_reader_no_free_text_reaches_any_other_model(llm_server):
    server = llm_server({"reader": [reading()]})
    record = MemoryModelRecord()
    texts = [headline("Secret words of a wire"), post("secret words of a crowd")]
    debate = await held(server, texts=texts, models={"reader": "gpt-4.1-nano"}, record=record)
    assert roles(server)[0] == "reader"
    assert "ecret words" in server.asked("reader")[0].user
    assert not any("ecret words" in item.user for item in server.requests if item.role != "reader")
    shown = server.asked("bull")[0].user
    assert '<reading id="q1" stance="bullish" context="meme" relevance="0.90" certainty="0.80"/>' in shown
    assert debate.model_calls[0] == "SPY/reader/0/1"
    assert record.calls["run-1", "SPY/reader/0/1"].model == "gpt-4.1-nano"
    assert not any("tools" in item.body for item in server.requests)


@pytest.mark.parametrize(
    ("behaviour", "seen"),
    [
        (says({"readings": [
            {"source_id": "q9", "stance": "bullish", "context": "meme", "relevance": 1, "certainty": 1},
            {"source_id": "q1", "stance": "bearish", "context": "scandal", "relevance": 1, "certainty": 1},
            {"source_id": "q1", "stance": "bullish", "context": "meme", "relevance": 1, "certainty": 1},
        ]}), ["bearish"]),
        (reading(stance="buy now!"), []),
        (reading(certainty=7), []),
        (refuses(), []),
        (status(500), []),
    ],
    ids=["strange and double ids", "a stance of its own", "out of bounds", "refuses", "down"],
)  # fmt: skip
async def test_a_reader_that_misbehaves_costs_its_readings_and_never_the_debate(llm_server, behaviour, seen):
    server = llm_server({"reader": [behaviour]})
    debate = await held(server, texts=[post("words")], models={"reader": "gpt-4.1-nano", "attempts": 1})
    shown = server.asked("bull")[0].user
    assert [part.split('"')[0] for part in shown.split(' stance="')[1:]] == seen
    assert "words" not in shown
    assert debate.fell_back is None
    assert debate.verdict is Verdict.BULL


async def test_a_reader_can_change_neither_verdict_nor_confidence_of_honest_advocates(llm_server):
    calm = await held(llm_server({"reader": [reading()]}), texts=[post("a")], models={"reader": "gpt-4.1-nano"})
    wild = await held(
        llm_server({"reader": [reading(stance="bearish", certainty=1, context="scandal")]}),
        texts=[post("a")], models={"reader": "gpt-4.1-nano"},
    )  # fmt: skip
    assert (wild.verdict, wild.confidence) == (calm.verdict, calm.confidence)


async def test_each_turn_is_told_as_it_ends(llm_server):
    heard = []
    await held(llm_server(), told=lambda ticker, said: heard.append((ticker, said)))
    assert heard[0] == ("SPY", "bull, round 1: 3 arguments, 0 struck")
    assert heard[-1] == ("SPY", "judge: bull at 0.50")
    assert len(heard) == 5
    conflicted = []
    await held(llm_server(), values=(0.2, -0.2), told=lambda _, said: conflicted.append(said))
    assert conflicted[-1] == "inconclusive by arithmetic (conflict); no judge asked"


async def test_disagreement_is_kept_in_numbers(llm_server):
    agreed = (await held(llm_server())).disagreement
    assert agreed.bull_strength > agreed.bear_strength > 0
    assert agreed.balance == pytest.approx(agreed.bear_strength / agreed.bull_strength)
    assert (agreed.judge_cut, agreed.objected) == (0.0, False)
    doubt = edited(lambda answer: {**answer, "confidence": 0.3})
    assert (await held(llm_server({"judge": [doubt]}))).disagreement.judge_cut == pytest.approx(0.2)
    turned = edited(lambda answer: {**answer, "verdict": "bear"})
    objected = (await held(llm_server({"judge": [turned]}))).disagreement
    assert (objected.objected, objected.judge_cut) == (True, pytest.approx(0.5))


async def test_a_debate_that_takes_too_long_ends_with_the_rules_and_replays_the_same_way(llm_server):
    server, record = llm_server({"bear": [hangs(30)]}), MemoryModelRecord()
    debate = await held(server, record=record, models={"debate_seconds": 5.0, "attempts": 3, "timeout_seconds": 20})
    assert debate.fell_back == "bear round 1: deadline"
    assert len(server.asked("bear")) == 1, "no retry after the deadline"
    assert canonical_json(await held(None, record=record)) == canonical_json(debate)


def test_the_debate_is_a_graph_that_draws_itself():
    drawn = debate_graph().get_graph().draw_mermaid()
    for edge in ("__start__ --> reader", "reader -.-> bull", "bull -.-> bear", "bear -.-> judge", "judge --> __end__"):
        assert edge in drawn
