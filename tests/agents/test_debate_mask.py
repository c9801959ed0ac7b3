"""The mask: nothing that names or dates the case reaches a model, and the record still says what was meant."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.debate.mask import WORD, Mask
from domain.debate import Verdict
from domain.record import canonical_json
from signals.social.extraction import Names
from tests.agents.test_debate_course import held, reading
from tests.support.debate_cases import AS_OF, MemoryModelRecord, headline, post
from tests.support.llm_server import edited

NAMES = {
    "GME": Names(names=("GameStop", "GameStop Corp"), brands=("EB Games",)),
    "SPY": Names(names=("State Street ETF",), words=("Spiders",)),
    "TGT": Names(words=("Target",)),
    "A": Names(names=("Agilent",)),
}


def mask(ticker="GME", salt="run-1", tickers=("GME", "AMC", "IT", "BRK.B")):
    return Mask(ticker, tickers=tickers, names=NAMES, salt=salt)


@pytest.mark.parametrize(
    "text",
    [
        "GME", "$GME to the moon", "flow/GME/unusual_calls@20210115T150000Z", "gamestop and GAMESTOP CORP",
        "GME's EB Games",
        "on January 27, 2021", "27 Jan 2021", "2021-01-27T14:30:00Z", "1/27/21", "Q4 2020 and FY21", "in Sept. 2020",
        "memory/simulated-20210115T1435-ab12/GME", "AMC and BRK.B too", "back in 2008", "by February", "$it ran",
        "$a too",         "Target beat", "3Q20 was good",
    ],
)  # fmt: skip
def test_what_names_or_dates_the_case_is_hidden_and_comes_back(text):
    one = mask()
    hidden = one.hide(text)
    bare = WORD.sub(" ", hidden)
    leak = re.search(
        r"gme|gamestop|eb games|amc|brk|agilent|target|20\d\d|jan|feb|sept|q4|fy21|3q20|/27|2008", bare, re.IGNORECASE
    )
    assert leak is None, hidden
    assert one.reveal(hidden).casefold() == text.casefold()


@pytest.mark.parametrize(
    "text", ["a price target of 2.5", "0.2013", "2021", "it may march on", "A cat", "z_score 2.5, 12 mentions"]
)
def test_ordinary_words_and_bare_figures_stay(text):
    assert mask().hide(text) == text


def test_the_same_thing_has_the_same_word_in_a_run_and_another_one_in_the_next():
    one, again, other = mask(), mask(), mask(salt="run-2")
    assert one.hide("GME") == again.hide("$GME")[1:]
    assert one.hide("GME") != other.hide("GME")
    assert one.hide("gamestop") == one.hide("GameStop")
    assert not set(one.hide("GME 2021-01-15")) & set("0123456789"), "no digit that a claim could be said to quote"


def test_a_word_that_the_mask_never_gave_out_is_left_alone():
    assert mask().reveal("ASSET-QQQQQQ rises") == "ASSET-QQQQQQ rises"


@given(st.text(alphabet="GMEgametop A$/@-.0123456789:TZQJanury,", max_size=60))
def test_hiding_never_loses_a_character_that_revealing_cannot_give_back(text):
    one = mask()
    assert one.reveal(one.hide(text)).casefold() == text.casefold()


async def test_no_prompt_of_a_masked_debate_names_or_dates_anything_and_the_record_is_in_clear(llm_server):
    server, open_server = llm_server({"reader": [reading()]}), llm_server({"reader": [reading()]})
    texts = [
        headline("State Street ETF: SPY rallied in January 2021, says Reuters on 2021-01-20"),
        post("$spy 2021 all over again", known_at=AS_OF - timedelta(hours=1)),
    ]
    record = MemoryModelRecord()
    settings = {"names": NAMES, "texts": texts, "models": {"reader": "gpt-4.1-nano"}}
    debate = await held(server, mask=True, record=record, **settings)
    in_clear = await held(open_server, **settings)
    sent = " ".join(item.user for item in server.requests)
    assert re.search(r"spy|state street|20\d\d-?\d|2021|january", sent, re.IGNORECASE) is None
    assert "ASSET-" in sent
    assert (debate.masked, in_clear.masked) == (True, False)
    assert (debate.verdict, debate.confidence, debate.struck) == (Verdict.BULL, in_clear.confidence, 0)
    assert [claim.evidence_ids for claim in debate.claims] == [claim.evidence_ids for claim in in_clear.claims]
    assert debate.thesis == in_clear.thesis == "The evidence on SPY points one way."
    assert all(call.parameters["masked"] is True for call in record.calls.values())
    assert canonical_json(await held(None, mask=True, record=record, **settings)) == canonical_json(debate)


async def test_a_date_that_the_model_repeats_is_no_invented_figure(llm_server):
    told = edited(lambda answer: {**answer, "thesis": answer["thesis"] + " Seen on " + "DATE-ABCDEF."})
    debate = await held(llm_server({"judge": [told]}), mask=True, names=NAMES)
    assert debate.thesis.endswith("Seen on DATE-ABCDEF.")
