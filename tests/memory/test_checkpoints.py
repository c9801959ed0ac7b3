"""Checkpoints: every word of the domain survives them unchanged, and nothing else gets through."""

import asyncio
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated

import ormsgpack
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

import domain
from domain.book import CashFlow
from domain.debate import Verdict
from domain.errors import DatabaseDown, TamperError
from domain.record import Record
from memory.checkpoints import WORDS, checkpointer, kinds, serializer
from memory.engine import conninfo
from tests.memory_records import built

AT = datetime(2026, 11, 20, tzinfo=UTC)
FLOW = CashFlow(at=AT, amount=Decimal("10.50"), note="start")


def test_every_module_of_the_domain_that_defines_records_is_listed():
    files = {path.stem for path in Path(domain.__file__).parent.glob("*.py")}
    without = {"__init__", "errors", "ports", "record", "sessions", "units"}
    assert {module.__name__.removeprefix("domain.") for module in WORDS} == files - without
    assert ("domain.audit", "AuditRow") in kinds()
    assert ("domain.debate", "Verdict") in kinds()
    assert ("domain.record", "Record") not in kinds()


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.__name__)
def test_every_kind_of_record_and_enum_comes_back_identical(kind):
    form = serializer()

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(built(kind))
    def comes_back(value):
        back = form.loads_typed(form.dumps_typed({"one": value, "many": [value, value]}))
        assert back == {"one": value, "many": [value, value]}
        assert type(back["one"]) is kind
        assert repr(back["one"]) == repr(value)  # also 1 against 1.0, and the zeros of a Decimal

    comes_back()
