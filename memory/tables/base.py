"""The declarative base of every table, and the column types that keep records exact.

Instants are `timestamptz` and always come back in UTC. Records are stored as canonical JSON in TEXT, not `jsonb`:
the bytes that were hashed are the bytes that are kept. Money is unconstrained NUMERIC: a `Decimal` comes back as
it went in.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Date, DateTime, Double, MetaData, Numeric, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from domain.record import Record, canonical_json

RecordKind = TypeVar("RecordKind", bound=Record)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcInstant(TypeDecorator[datetime]):
    """`timestamptz`; refuses naive instants on the way in, gives UTC on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive timestamp says nothing; give it a UTC offset")
        return None if value is None else value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


class RecordText(TypeDecorator[RecordKind], Generic[RecordKind]):
    """A record as canonical JSON in TEXT; reading validates it again. Use: `mapped_column(RecordText(Fill))`."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[RecordKind]) -> None:
        super().__init__()
        self.kind = kind

    @override
    def process_bind_param(self, value: RecordKind | None, dialect: Dialect) -> str | None:
        return None if value is None else canonical_json(value)

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> RecordKind | None:
        return None if value is None else self.kind.model_validate_json(value)


class Base(DeclarativeBase):
    """All tables of the desk; LangGraph's own live in the schema `langgraph`, outside this metadata."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: dict[Any, Any] = {
        datetime: UtcInstant(),
        date: Date(),
        Decimal: Numeric(),
        float: Double(),
        int: BigInteger(),
        str: Text(),
    }
