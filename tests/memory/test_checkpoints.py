"""Checkpoints: every word of the domain survives them unchanged, and nothing else gets through."""

import asyncio
import types
import typing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import ormsgpack
import pytest
from annotated_types import Ge, Gt, Le, MinLen
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2
from langgraph.graph import END, START, StateGraph
from pydantic import ValidationError
from typing_extensions import TypedDict

import domain
from domain.book import CashFlow
from domain.debate import Verdict
from domain.errors import DatabaseDown, TamperError
from domain.record import Record
from domain.risk import Check, RiskDecision
from domain.signals import EDGE_AXIS, SOURCES, Axis
from memory.checkpoints import checkpointer
from memory.serializer import WORDS, RecordSerializer, kinds

FLOW = CashFlow(at=datetime(2026, 11, 20, tzinfo=UTC), amount=Decimal("10.50"), note="start")
PLAIN = {
    str: st.text(max_size=8),
    bool: st.booleans(),
    date: st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    datetime: st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    type(None): st.none(),
    typing.Any: st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4),
}


def passed(stage):
    return Check(
        name="n", ticker="T", stage=stage, measured=0.1, limit=None, unit="", passed=True, hard=True, detail=""
    )


# Fields that a record's own rules tie together, so that chance alone would hardly ever meet them.
TIED = {
    "Signal": {
        "source": st.sampled_from(SOURCES),
        "edge_type": st.sampled_from(sorted(EDGE_AXIS)),
        "metadata": st.just({"horizon_days": 5, "half_life_days": 2.5, "evidence": ("a",), "flag": True, "none": None}),
    },
    "AuditEntry": {"inputs": st.just({"snapshot": "ab"})},
    "RiskDecision": {"approved": st.just(True), "checks": st.just((passed("final"),))},
    "StagedOrder": {
        "decision": st.just(RiskDecision(ticker="T", stage="final", approved=True, checks=(passed("final"),)))
    },
    "Sizing": {"units": st.just(1), "caps": st.just(())},
    "Contribution": {"axis": st.sampled_from(Axis)},
}


def values(annotation, limits=()):
    """A strategy for a field's annotation."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return values(parts[0], (*limits, *parts[1:]))
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(part) for part in parts])
    if origin is typing.Literal:
        return st.sampled_from(parts)
    least = next((limit.min_length for limit in limits if isinstance(limit, MinLen)), 0)
    if origin is tuple and parts[-1] is ...:
        return st.lists(values(parts[0]), min_size=least, max_size=max(2, least)).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, parts))
    if origin is dict:
        return st.dictionaries(values(parts[0]), values(parts[1]), max_size=2)
    if annotation in (int, float, Decimal):
        return numbers(annotation, limits)
    return PLAIN[annotation] if annotation in PLAIN else built(annotation)


def numbers(kind, limits):
    low = max([limit.ge for limit in limits if isinstance(limit, Ge)] + [-9], default=-9)
    low = max([low] + [limit.gt + 0.0078125 for limit in limits if isinstance(limit, Gt)])
    high = min([limit.le for limit in limits if isinstance(limit, Le)] + [low + 99])
    if kind is int:
        return st.integers(int(-(-low // 1)), int(high))
    if kind is float:
        return st.floats(low, high)
    return st.decimals(str(low), str(high), places=4)


def built(kind):
    """A strategy for a record or enum."""
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    tied = TIED.get(kind.__name__, {})
    fields = {
        name: tied[name] if name in tied else values(field.annotation, field.metadata)
        for name, field in kind.model_fields.items()
    }

    def build(drawn):
        try:
            return kind(**drawn)
        except ValidationError:
            reject()

    return st.fixed_dictionaries(fields).map(build)


def test_every_module_of_the_domain_that_defines_records_is_listed():
    files = {path.stem for path in Path(domain.__file__).parent.glob("*.py")}
    without = {"__init__", "errors", "ports", "record", "sessions", "units"}
    assert {module.__name__.removeprefix("domain.") for module in WORDS} == files - without
    assert {("domain.audit", "AuditRow"), ("domain.debate", "Verdict")} <= kinds().keys()
    assert ("domain.record", "Record") not in kinds()


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.__name__)
def test_every_kind_of_record_and_enum_comes_back_identical(kind):
    form = RecordSerializer()

    @settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(built(kind))
    def comes_back(value):
        back = form.loads_typed(form.dumps_typed({"one": value, "many": [value, value]}))
        assert back == {"one": value, "many": [value, value]}
        assert type(back["one"]) is kind
        assert repr(back["one"]) == repr(value)  # 1 is not 1.0, and a Decimal keeps its zeros

    comes_back()


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
