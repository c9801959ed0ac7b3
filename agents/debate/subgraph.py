"""The debate of one ticker as a graph of its own: reader, then bull and bear in turn for R rounds, then the judge.

Who sees what is the defence. With a reader, free text from strangers ends there and bull and bear see enumerations;
without one they see a few delimited quotes. The judge sees evidence, figures and which claims stand, but no prose and
no quote: text from a stranger cannot reach the one model whose opinion counts. An advocate that cites nothing true
loses the debate for its side; where neither side does, no debate was held, and the rules speak.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

from langchain_core.runnables.config import var_child_runnable_config
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from agents.debate.case import Case, judged_claims, shown_claims
from agents.debate.claims import admit, repeat_themselves, strongest
from agents.debate.judge import Ruling
from agents.debate.rules import RulesEngine, argue
from agents.debate.settings import DebateSettings
from agents.debate.shapes import Opinion, Turn
from agents.models.calls import Answer, RecordedModels, Shape
from agents.reader import read_texts
from domain.debate import Claim, Side, Verdict
from prompts.library import Rendered, library
from prompts.outside import clean

OTHER: Mapping[Side, Side] = {"bull": "bear", "bear": "bull"}
Next = Literal["bull", "bear", "judge", "__end__"]
Listener = Callable[[str, str], None]  # ticker, what was just said


@dataclass(frozen=True)
class Floor:
    """What the nodes work with: LangGraph's runtime context of one debate."""

    case: Case
    settings: DebateSettings
    models: RecordedModels
    rules: RulesEngine
    told: Listener

    async def ask(
        self, role: str, round_: int, model: str, shape: type[Shape], values: Mapping[str, Any]
    ) -> Answer[Shape]:
        """Put the masked `values` before `role`."""
        hidden = self.case.hidden(dict(values))

        def render(complaint: str) -> Rendered:
            return library()[role].render({**hidden, "correction": complaint})

        return await self.models.ask(self.case.question(role, round_, model), shape, render)


class Talk(TypedDict, total=False):
    """What was said so far. `failure` names the call at which the models were given up."""

    round: int
    claims: tuple[Claim, ...]
    keys: tuple[str, ...]
    readings: list[dict[str, Any]]
    failure: str | None
    stopped: str | None
    ruling: Ruling
    opinion: Opinion | None


async def reader(state: Talk, runtime: Runtime[Floor]) -> Talk:
    """Texts become enumerations. A reader that fails costs its readings, nothing else: quotes stay hidden."""
    floor, case = runtime.context, runtime.context.case
    blank = Talk(round=0, claims=(), keys=(), readings=[], failure=None, stopped=None, opinion=None)
    start: Talk = {**state, **blank}
    model = floor.settings.models.reader
    if model is None or not case.quotes or floor.settings.form == "single_judge":
        return start
    question, called = case.question("reader", 0, model), case.hidden(case.composite.ticker)
    answer = await read_texts(floor.models, question, case.hidden(case.quotes), called=called)
    found = answer.value.readings if answer.value else ()
    floor.told(case.composite.ticker, f"reader: {answer.error or f'{len(found)} texts read'}")
    readings = [
        {**reading.model_dump(), "relevance": f"{reading.relevance:.2f}", "certainty": f"{reading.certainty:.2f}"}
        for reading in found
    ]
    return {**start, "keys": answer.keys, "readings": readings}


async def bull(state: Talk, runtime: Runtime[Floor]) -> Talk:
    """The bull's turn."""
    return await _turn("bull", state, runtime.context)


async def bear(state: Talk, runtime: Runtime[Floor]) -> Talk:
    """The bear's turn."""
    return await _turn("bear", state, runtime.context)


async def judge(state: Talk, runtime: Runtime[Floor]) -> Talk:
    """Arithmetic rules; a model is asked only where its opinion could still change something: it can only lower."""
    floor, case = runtime.context, runtime.context.case
    claims = state["claims"]
    if floor.settings.form == "single_judge":
        claims = argue(case.evidence, floor.settings.model_copy(update={"rounds": 1}))
    elif all(claim.struck is not None for claim in claims):
        floor.told(case.composite.ticker, "no claim stands; no judge asked")
        return Talk(failure="bull and bear: no_claim_stands")
    ruling = floor.rules.rule(case.composite, case.evidence, claims)
    if ruling.verdict is Verdict.INCONCLUSIVE:
        floor.told(case.composite.ticker, f"inconclusive by arithmetic ({ruling.cause}); no judge asked")
        return Talk(claims=claims, ruling=ruling)
    values = {
        **case.shown(),
        "claims": judged_claims(claims),
        "price_score": f"{case.composite.price_score:+.4f}",
        "conflict": f"{floor.rules.conflict(case.composite):.4f}",
        "conflict_ceiling": f"{floor.rules.conflict_ceiling:.4f}",
        "verdict": ruling.verdict.value,
        "confidence": f"{ruling.confidence:.4f}",
    }
    answer = await floor.ask("judge", 0, floor.settings.models.judge, Opinion, values)
    said = answer.error or (f"{answer.value.verdict} at {answer.value.confidence:.2f}" if answer.value else "")
    floor.told(case.composite.ticker, f"judge: {said}")
    failure = None if answer.value else f"judge: {answer.error}"
    return Talk(
        claims=claims, ruling=ruling, opinion=answer.value, failure=failure, keys=(*state["keys"], *answer.keys)
    )


async def _turn(side: Side, state: Talk, floor: Floor) -> Talk:
    case, settings, claims = floor.case, floor.settings, state["claims"]
    round_ = state["round"] + (side == settings.opens)
    mine = [claim for claim in claims if claim.side == side]
    opposed = strongest(claims, OTHER[side], unanswered_by=mine)
    values = {
        **case.shown(),
        "round": round_,
        "rounds": settings.rounds,
        "limit": settings.arguments,
        "claims": shown_claims(claims),
        "strongest": opposed.id if opposed else "",
        "quotes": [] if settings.models.reader else list(case.quotes),
        "readings": state["readings"],
    }
    answer = await floor.ask(side, round_, settings.models.advocate, Turn, values)
    keys = (*state["keys"], *answer.keys)
    if answer.value is None:
        floor.told(case.composite.ticker, f"{side}, round {round_}: {answer.error}")
        return Talk(round=round_, keys=keys, failure=f"{side} round {round_}: {answer.error}")
    said = admit(
        case.cited(answer.value.arguments),
        side=side,
        round_=round_,
        evidence=case.evidence,
        standing=claims,
        settings=settings,
        limit=settings.arguments,
    )
    said = tuple(claim.model_copy(update={"text": clean(case.revealed(claim.text))}) for claim in said)
    struck = sum(claim.struck is not None for claim in said)
    floor.told(
        case.composite.ticker,
        f"{side}, round {round_}: {len(said)} argument{'' if len(said) == 1 else 's'}, {struck} struck",
    )
    claims = (*claims, *said)
    idle = side != settings.opens and repeat_themselves([claim for claim in claims if claim.round == round_])
    stopped = f"nothing new in round {round_}" if idle and round_ < settings.rounds else None
    return Talk(round=round_, claims=claims, keys=keys, stopped=stopped)


def after_reader(_state: Talk, runtime: Runtime[Floor]) -> Next:
    """The side that opens; with a single judge nobody argues."""
    settings = runtime.context.settings
    return "judge" if settings.form == "single_judge" else settings.opens


def after_bull(state: Talk, runtime: Runtime[Floor]) -> Next:
    """See `_after`."""
    return _after("bull", state, runtime.context.settings)


def after_bear(state: Talk, runtime: Runtime[Floor]) -> Next:
    """See `_after`."""
    return _after("bear", state, runtime.context.settings)


def _after(side: Side, state: Talk, settings: DebateSettings) -> Next:
    """The other side answers, then the next round or the judge; a failed call ends it before the judge is paid."""
    if state["failure"]:
        return "__end__"
    if side == settings.opens:
        return OTHER[side]
    return "judge" if state["stopped"] or state["round"] >= settings.rounds else settings.opens


@cache
def debate_graph() -> CompiledStateGraph[Talk, Floor, Talk, Talk]:
    """The compiled graph. It keeps no checkpoints: recorded calls are what a resumed debate goes on from."""
    graph = StateGraph(Talk, context_schema=Floor)
    graph.add_node("reader", reader)
    graph.add_node("bull", bull)
    graph.add_node("bear", bear)
    graph.add_node("judge", judge)
    graph.add_edge(START, "reader")
    graph.add_conditional_edges("reader", after_reader, ["bull", "bear", "judge"])
    graph.add_conditional_edges("bull", after_bull, ["bull", "bear", "judge", END])
    graph.add_conditional_edges("bear", after_bear, ["bull", "bear", "judge", END])
    graph.add_edge("judge", END)
    return graph.compile(checkpointer=False)


async def hold(floor: Floor) -> Talk:
    """Hold the debate to its end.

    It runs as a graph of its own, without the configuration of the graph whose node asked for it: LangGraph would pass
    that graph's durability on, and "sync" fails where nothing is checkpointed.
    """
    context = copy_context()
    context.run(var_child_runnable_config.set, None)
    task = asyncio.create_task(_held(floor), context=context)
    return await task


async def _held(floor: Floor) -> Talk:
    return cast("Talk", await debate_graph().ainvoke(Talk(), context=floor))
