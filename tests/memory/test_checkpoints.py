"""Checkpoints: every word of the domain survives them unchanged, and nothing else gets through."""

import asyncio
import random
import types
import typing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path

import ormsgpack
import pytest
from annotated_types import Ge, Gt, Le
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import ValidationError
from typing_extensions import TypedDict

import domain
from domain.book import CashFlow
from domain.debate import Verdict
from domain.errors import DatabaseDown, TamperError
from domain.record import Record
from domain.risk import Check, RiskDecision
from memory.checkpoints import checkpointer
from memory.serializer import WORDS, RecordSerializer, kinds

FLOW = CashFlow(at=datetime(2026, 11, 20, tzinfo=UTC), amount=Decimal("10.50"), note="start")
PASSED = Check(
    name="n", ticker="T", stage="final", measured=0.1, limit=None, unit="", passed=True, hard=True, detail=""
)
APPROVED = RiskDecision(ticker="T", stage="final", approved=True, checks=(PASSED,))
# Fields that a record's own rules tie together, so that chance alone would hardly ever meet them.
TIED = {
    ("Signal", "source"): "flow",
    ("Signal", "edge_type"): "trend",
    ("Signal", "metadata"): {"horizon_days": 5, "half_life_days": 2.5, "evidence": ("a",), "flag": True, "none": None},
    ("RiskDecision", "approved"): True,
    ("RiskDecision", "checks"): (PASSED,),
    ("StagedOrder", "decision"): APPROVED,
    ("Sizing", "units"): 1,
    ("Sizing", "caps"): (),
}
PLAIN = {
    str: lambda dice: dice.choice(["", "SPY", "naïve “quote”", "\x00"]),
    bool: lambda dice: dice.random() < 0.5,
    date: lambda dice: date(2026, 1, 1) + timedelta(days=dice.randrange(999)),
    datetime: lambda dice: FLOW.at + timedelta(microseconds=dice.randrange(10**15)),
    type(None): lambda dice: None,
    typing.Any: lambda dice: {"list": [1, 2.5, None, "x", True], "deep": {"x": [dice.random()]}},
}


def value(dice, annotation, limits=()):
    """A value for a field's annotation, drawn with `dice`."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return value(dice, parts[0], (*limits, *parts[1:]))
    if origin in (typing.Union, types.UnionType):
        return value(dice, dice.choice(parts))
    if origin is typing.Literal:
        return dice.choice(parts)
    if origin is tuple and parts[-1] is ...:
        return tuple(value(dice, parts[0]) for _ in range(dice.randint(1, 2)))
    if origin is tuple:
        return tuple(value(dice, part) for part in parts)
    if origin is dict:
        return {value(dice, parts[0]): value(dice, parts[1]) for _ in range(2)}
    if annotation in (int, float, Decimal):
        return number(dice, annotation, limits)
    return PLAIN[annotation](dice) if annotation in PLAIN else built(dice, annotation)


def number(dice, kind, limits):
    low = max(
        [limit.ge if isinstance(limit, Ge) else limit.gt for limit in limits if isinstance(limit, Ge | Gt)] + [-9]
    )
    high = min([limit.le for limit in limits if isinstance(limit, Le)] + [low + 9])
    if kind is int:
        return dice.randint(int(low) + 1, max(int(low) + 1, int(high)))
    drawn = dice.uniform(float(low), float(high))
    return drawn if kind is float else Decimal(f"{drawn:.3f}0")  # a trailing zero, which must not get lost


def built(dice, kind):
    """A record or enum; tries again while the record's own rules refuse it."""
    if issubclass(kind, Enum):
        return dice.choice(list(kind))
    for _ in range(200):
        fields = {
            name: TIED[kind.__name__, name]
            if (kind.__name__, name) in TIED
            else value(dice, field.annotation, field.metadata)
            for name, field in kind.model_fields.items()
        }
        try:
            return kind(**fields)
        except ValidationError as error:
            refused = error
    raise AssertionError(f"no {kind.__name__} could be built by chance: add to TIED") from refused


def test_every_module_of_the_domain_that_defines_records_is_listed():
    files = {path.stem for path in Path(domain.__file__).parent.glob("*.py")}
    without = {"__init__", "errors", "ports", "record", "sessions", "units"}
    assert {module.__name__.removeprefix("domain.") for module in WORDS} == files - without
    assert {("domain.audit", "AuditRow"), ("domain.debate", "Verdict")} <= kinds().keys()
    assert ("domain.record", "Record") not in kinds()


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.__name__)
def test_every_kind_of_record_and_enum_comes_back_identical(kind):
    form = RecordSerializer()
    for seed in range(5):
        sample = built(random.Random(seed), kind)  # noqa: S311 - samples, not secrets
        back = form.loads_typed(form.dumps_typed({"one": sample, "many": [sample, sample]}))
        assert back == {"one": sample, "many": [sample, sample]}
        assert type(back["one"]) is kind
        assert repr(back["one"]) == repr(sample)  # 1 is not 1.0, and a Decimal keeps its zeros


@dataclass(frozen=True)
class Stranger:
    x: int


class StrangeRecord(Record):
    x: int


class StrangeEnum(Enum):
    A = "a"


@pytest.mark.parametrize("stranger", [Stranger(1), StrangeRecord(x=1), StrangeEnum.A])
def test_an_unlisted_type_is_refused_and_not_turned_into_a_dict(stranger):
    form = RecordSerializer()
    for value in (stranger, {"deep": [stranger]}):
        with pytest.raises(TamperError, match="none of the desk's words"):
            form.loads_typed(form.dumps_typed(value))


def test_a_listed_record_that_no_longer_validates_is_refused_and_not_built_unchecked():
    for change in ({"amount": "much"}, {"at": datetime(2026, 1, 1)}, {"surprise": 1}):  # noqa: DTZ001
        parts = ("domain.book", "CashFlow", FLOW.model_dump(mode="json") | change, "")
        stored = ormsgpack.packb(ormsgpack.Ext(EXT_PYDANTIC_V2, ormsgpack.packb(parts)))
        with pytest.raises(TamperError, match="CashFlow that is not valid"):
            RecordSerializer().loads_typed(("msgpack", stored))


def test_bytes_that_are_no_checkpoint_are_refused_in_words():
    with pytest.raises(TamperError, match="cannot be read"):
        RecordSerializer().loads_typed(("msgpack", b"\xc1"))


def test_plain_values_of_the_graphs_own_survive():
    form = RecordSerializer()
    value = {"at": FLOW.at, "sum": Decimal("1.50"), "set": {1, 2}, "none": None, "day": date(2026, 1, 2), "x": 0.1}
    assert form.loads_typed(form.dumps_typed(value)) == value


def test_a_branch_that_waits_keeps_the_records_it_was_handed():
    form = RecordSerializer()
    waiting = [Send("debate", {"flow": FLOW, "deep": {"flows": [FLOW]}})]
    assert form.loads_typed(form.dumps_typed(waiting)) == waiting
    with pytest.raises(TamperError, match="none of the desk's words"):
        form.loads_typed(form.dumps_typed(Send("debate", {"x": StrangeRecord(x=1)})))


class State(TypedDict):
    flow: CashFlow
    verdict: Verdict
    steps: list[str]


def graph(saver, fail):
    def first(state):
        return {"verdict": Verdict.BEAR, "steps": [*state["steps"], "first"]}

    def second(state):
        if fail:
            raise RuntimeError("killed")
        return {"steps": [*state["steps"], "second"]}

    made = StateGraph(State)
    made.add_node("first", first)
    made.add_node("second", second)
    made.add_edge(START, "first")
    made.add_edge("first", "second")
    made.add_edge("second", END)
    return made.compile(checkpointer=saver)


async def test_a_failed_graph_resumes_where_it_stopped_with_its_records_as_the_pipelines_role(database):
    config = {"configurable": {"thread_id": "r1"}}
    begin = {"flow": FLOW, "verdict": Verdict.BULL, "steps": []}
    async with checkpointer(database.pipeline_url) as saver:
        with pytest.raises(RuntimeError, match="killed"):
            await graph(saver, fail=True).ainvoke(begin, config, durability="sync")
    async with checkpointer(database.pipeline_url) as saver:
        whole = graph(saver, fail=False)
        assert (await whole.aget_state(config)).next == ("second",)
        end = await whole.ainvoke(None, config, durability="sync")
        await saver.adelete_thread("r1")
    assert end == {"flow": FLOW, "verdict": Verdict.BEAR, "steps": ["first", "second"]}
    assert type(end["flow"]) is CashFlow


async def test_several_graphs_share_one_saver(database):
    async with checkpointer(database.pipeline_url, pool_size=2) as saver:
        whole = graph(saver, fail=False)
        begin = {"flow": FLOW, "verdict": Verdict.BULL, "steps": []}
        ends = await asyncio.gather(
            *(whole.ainvoke(begin, {"configurable": {"thread_id": str(number)}}) for number in range(6))
        )
    assert all(end["steps"] == ["first", "second"] for end in ends)


async def test_a_server_that_is_not_there_is_told_at_once():
    with pytest.raises(DatabaseDown, match="DESK_DATABASE_URL"):
        async with checkpointer("postgresql+psycopg://nobody@127.0.0.1:1/desk"):
            pass
