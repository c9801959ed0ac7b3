"""Why a ticker is talked about, read by a model while a run collects: when it is asked, what it may change, and how the
answers come back from the record.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from agents.models.gateway import ModelGateway
from agents.reasons import ModelReasons, weightiest
from agents.social import Social
from domain.market import MarketData
from domain.snapshot import MarketSnapshot
from signals.social.extraction import Names
from tests.agents.test_analyst_social import BURST, USUAL, post
from tests.support.analyst_cases import AS_OF, context, read, signal_settings, snapshot
from tests.support.debate_cases import MemoryModelRecord, debate_settings
from tests.support.llm_server import hangs, honest, reads, refuses, says, status

TALK = (*USUAL, *BURST)
READER = {"reader": "gpt-4.1-nano"}


def picture(*posts, tickers=("XYZ",)) -> MarketData:
    return snapshot(posts=tuple(posts or TALK), tickers=tickers).market


async def told(server, market, *, record=None, models=None, run="run-1", **settings):
    """The picture after the reader has seen it."""
    chosen = debate_settings(models={**READER, "attempts": 1, **(models or {})}, **settings)
    gateway = server and ModelGateway(chosen.models, api_key=SecretStr("sk-secret"), base_url=server.url)
    reader = ModelReasons(chosen, signal_settings().social, gateway, record or MemoryModelRecord())
    found = await reader.read(run, market)
    if gateway:
        await gateway.aclose()
    return found


def velocity(market):
    return read(Social(), MarketSnapshot(market=market, desk=snapshot().desk), context())[0]["mention_velocity"]


async def test_a_burst_is_read_and_its_reason_becomes_that_of_the_signal(llm_server):
    server, record = llm_server({"reader": [reads(context="sold_out")]}), MemoryModelRecord()
    market = picture()
    found = await told(server, market, record=record, reasons=12)
    assert len(server.requests) == 1
    assert {item.context for item in found.posts} == {None, "sold_out"}
    assert sum(item.context == "sold_out" for item in found.posts) == 12, "no more than may be shown"
    assert [item.model_copy(update={"context": None}) for item in found.posts] == list(market.posts)
    assert found.provenance["reasons"] == "gpt-4.1-nano read 12 posts on XYZ (call XYZ/reader/1/1)"
    assert record.calls["run-1", "XYZ/reader/1/1"].prompt == "reader@1"
    rules, model = velocity(market), velocity(found)
    assert (rules.metadata["context"], model.metadata["context"]) == ("meme", "sold_out")
    assert rules.metadata["half_life_days"] < model.metadata["half_life_days"]


async def test_only_posts_of_a_burst_are_worth_a_call(llm_server):
    server = llm_server()
    calm = picture(*USUAL)
    assert await told(server, calm) is calm
    assert await told(server, picture(), models={"reader": None}) is not None
    assert server.requests == []


async def test_what_the_reader_may_say_is_six_words_about_posts_that_it_was_shown(llm_server):
    strange = says({"readings": [
        {"source_id": "q99", "stance": "bullish", "context": "sold_out", "relevance": 1, "certainty": 1},
        {"source_id": "q1", "stance": "bullish", "context": "scandal", "relevance": 1, "certainty": 1},
        {"source_id": "q1", "stance": "bullish", "context": "product", "relevance": 1, "certainty": 1},
    ]})  # fmt: skip
    found = await told(llm_server({"reader": [strange]}), picture())
    assert [item.context for item in found.posts if item.context] == ["scandal"]
    server = llm_server({"reader": [reads(context="buy now")]})
    refused = await told(server, picture())
    assert all(item.context is None for item in refused.posts)
    assert len(server.requests) == 2, "one repair, then the rules"
    assert not any("tools" in item.body for item in server.requests)


@pytest.mark.parametrize(
    ("behaviour", "models", "code"),
    [
        (refuses(), {}, "refused"),
        (status(500), {}, "http_500"),
        (hangs(30), {"timeout_seconds": 0.5}, "deadline"),
        (honest(), {"budget": {"run_usd": 0, "day_usd": 0, "run_tokens": 0, "day_tokens": 0}}, "budget_run_usd"),
    ],
)
async def test_without_a_usable_answer_the_rules_say_why_and_a_note_says_so(llm_server, behaviour, models, code):
    market = picture()
    found = await told(llm_server({"reader": [behaviour]}), market, models=models)
    assert found.posts == market.posts
    (note,) = found.notes
    assert (note.code, note.subject, note.count) == ("reasons_by_rules", "XYZ", 12)
    assert f"({code})" in note.detail
    assert "reasons" not in found.provenance


async def test_what_was_asked_once_comes_from_the_record_and_a_changed_picture_is_not_answered_from_it(llm_server):
    server, record = llm_server({"reader": [reads(context="product")]}), MemoryModelRecord()
    market = picture()
    first = await told(server, market, record=record)
    again = await told(None, market, record=record)
    assert (again.posts, again.provenance) == (first.posts, first.provenance)
    other = picture(*TALK, post("late", hours=0.1, text="something else", score=50))
    assert "record_differs" in (await told(None, other, record=record)).notes[0].detail


def test_the_loudest_author_is_read_once_and_nothing_of_tomorrow_is():
    flood = [
        post(f"f{n}", hours=1 + n / 10, score=500, text=f"word {n} of mallory").model_copy(update={"author": "mallory"})
        for n in range(9)
    ]
    later = AS_OF + timedelta(minutes=1)
    tomorrow = post("t", score=9000).model_copy(update={"known_at": later, "published_at": later})
    chosen = weightiest(picture(*TALK, *flood, tomorrow), "XYZ", hours=24, count=5)
    assert [item.author for item in chosen].count("mallory") == 1
    assert len(chosen) == 5
    assert "t" not in {item.id for item in chosen}


async def test_the_mask_hides_ticker_names_and_dates_from_the_reader_too(llm_server):
    server = llm_server({"reader": [reads(context="product")]})
    dated = [item.model_copy(update={"text": f"XYZ, that is Xylo Corp, {n} on January 27, 2021"}) for n, item in
             enumerate(BURST)]  # fmt: skip
    record = MemoryModelRecord()
    names = {"XYZ": Names(names=("Xylo Corp",))}
    found = await told(server, picture(*USUAL, *dated), record=record, mask=True, names=names)
    (asked,) = server.requests
    for word in ("XYZ", "Xylo", "January", "2021"):
        assert word not in asked.user
    assert any(item.context == "product" for item in found.posts)
    assert record.calls["run-1", "XYZ/reader/1/1"].parameters["masked"] is True


async def test_two_tickers_in_a_burst_are_asked_about_at_once_and_of_a_shared_post_the_first_name_decides(llm_server):
    both = [item.model_copy(update={"tickers": ("ABC", "XYZ")}) for item in TALK]
    server = llm_server({("reader", "ABC"): [reads(context="earnings")], ("reader", "XYZ"): [reads(context="meme")]})
    found = await told(server, replace(picture(*both), tickers=("ABC", "XYZ")))
    assert {item.ticker for item in server.requests} == {"ABC", "XYZ"}
    assert {item.context for item in found.posts} == {None, "earnings"}
