"""Base of everything that travels between nodes, to the database or to a screen."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

_AS_IT_IS = frozenset((str, float, int, bool, type(None)))


class Record(BaseModel):
    """Frozen, closed, free of NaN and infinity. A misspelt field is an error, not a silent extra."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def _aware_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a naive timestamp says nothing; give it a UTC offset")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_aware_utc)]
"""An aware instant, held in UTC."""


def canonical_json(value: object) -> str:
    """Render `value` as the one JSON text that hashes and comparisons use.

    Keys sorted, no spaces, ASCII; floats by `repr` (shortest round trip); `Decimal` as its exact string;
    instants as ISO 8601 UTC. Raises `ValueError` on NaN or infinity and `TypeError` on anything unknown.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """SHA-256 of `canonical_json(value)`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if type(value) in _AS_IT_IS:  # most values by far: spares them the walk through the cases
        return value
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return value.value
        case BaseModel():
            return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
        case Decimal():
            return str(value)
        case datetime():
            return _aware_utc(value).isoformat()
        case date():
            return value.isoformat()
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case Sequence():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted(_plain(item) for item in value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
