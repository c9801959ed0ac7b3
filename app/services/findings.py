"""What the doctor finds."""

from typing import Literal

from domain.record import Record

Standing = Literal["ok", "warn", "fail"]


class Finding(Record):
    """One thing looked at. `remedy` says what to do unless it is ok."""

    area: str
    name: str
    status: Standing
    detail: str
    remedy: str = ""
