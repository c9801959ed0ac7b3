"""What held structures went through, as each run left it."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from domain.excursion import Excursion
from memory.tables.base import Base, RecordText


class ExcursionTable(Base):
    """The state of one structure's excursion at one instant; append-only, the first of an instant stands."""

    __tablename__ = "excursions"

    account: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.order_id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    payload: Mapped[Excursion] = mapped_column(RecordText(Excursion))
