"""What the crowd said: items, what became of them, how far listings have been read, hourly counts and velocities.

Everything but a bookmark and the time of the last look is only ever added: what was known at an instant stays to be
read.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from domain.market import Post
from memory.tables.base import Base, RecordText


class ItemTable(Base):
    """One row an item, as first seen at `known_at`. `checked_at` is the last look, whatever it found."""

    __tablename__ = "social_items"
    __table_args__ = (
        Index(None, "published_at"),
        Index(None, "source", "checked_at"),
        Index("ix_social_items_tickers", "tickers", postgresql_using="gin"),
    )

    source: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str]
    published_at: Mapped[datetime]
    known_at: Mapped[datetime]
    checked_at: Mapped[datetime]
    tickers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sentiment: Mapped[float | None]
    post: Mapped[Post] = mapped_column(RecordText(Post))


class SightingTable(Base):
    """What later looks found changed. `post`, `tickers` and `sentiment` stand only where the text was edited."""

    __tablename__ = "social_sightings"

    source: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(primary_key=True)
    gone: Mapped[bool]
    score: Mapped[int | None]
    comments: Mapped[int | None]
    tickers: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    sentiment: Mapped[float | None]
    post: Mapped[Post | None] = mapped_column(RecordText(Post))


class BookmarkTable(Base):
    """How far each listing has been read; see `domain.social.Bookmark`."""

    __tablename__ = "social_bookmarks"

    source: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    complete_from: Mapped[datetime | None]
    complete_to: Mapped[datetime | None]
    begun_at: Mapped[datetime | None]
    after: Mapped[str | None]
    seen: Mapped[int]


class MentionTable(Base):
    """Mentions of a symbol in the hour that begins at `timestamp`, as counted at `known_at`; "*" counts all items."""

    __tablename__ = "social_mentions"
    __table_args__ = (CheckConstraint("mention_count >= 0", name="count"), Index(None, "timestamp"))

    source: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    known_at: Mapped[datetime] = mapped_column(primary_key=True)
    mention_count: Mapped[int]
    sentiment: Mapped[float | None]


class VelocityTable(Base):
    """Velocity of a symbol's mentions in the hour that ended at `timestamp`."""

    __tablename__ = "social_velocity"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    velocity_score: Mapped[float]
    z_score: Mapped[float]
    known_at: Mapped[datetime]
