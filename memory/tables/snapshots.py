"""Register of stored snapshots; their content lies in files named by hash."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from memory.tables.base import Base


class SnapshotTable(Base):
    """One row a snapshot. `manifest` is the canonical JSON whose SHA-256 is `snapshot_id`."""

    __tablename__ = "snapshots"

    snapshot_id: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[datetime] = mapped_column(index=True)
    feed: Mapped[str]
    bytes: Mapped[int]
    manifest: Mapped[str]
