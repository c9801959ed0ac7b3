"""History of the kill switches, append-only: the last row of each switch says how it stands."""

from datetime import datetime

from sqlalchemy import Identity
from sqlalchemy.orm import Mapped, mapped_column

from memory.tables.base import Base


class SwitchTable(Base):
    """One row a use. `switch` is "trading", "agent:NAME", or "desk:CAUSE" where the desk restrains itself; `account` is
    "*" for all. `as_of` is the account's own instant that a "desk:CAUSE" speaks of, NULL for the others.
    """

    __tablename__ = "switches"

    seq: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    account: Mapped[str]
    switch: Mapped[str]
    setting: Mapped[str]
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]
    as_of: Mapped[datetime | None]
