"""What the crowd said: items, looks, bookmarks, hourly mentions and their velocity."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    items()
    counts()
    op.execute("GRANT SELECT, INSERT, UPDATE (checked_at) ON social_items TO desk_pipeline")
    op.execute("GRANT SELECT, INSERT, UPDATE ON social_bookmarks TO desk_pipeline")
    op.execute("GRANT SELECT, INSERT ON social_sightings, social_mentions, social_velocity TO desk_pipeline")


def items() -> None:
    op.create_table(
        "social_items",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("checked_at", INSTANT, nullable=False),
        sa.Column("tickers", ARRAY(sa.Text()), nullable=False),
        sa.Column("sentiment", sa.Double()),
        sa.Column("post", sa.Text(), nullable=False),
        sa.Index(None, "published_at"),
        sa.Index(None, "source", "checked_at"),
        sa.Index("ix_social_items_tickers", "tickers", postgresql_using="gin"),
    )
    op.create_table(
        "social_sightings",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("seen_at", INSTANT, primary_key=True),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("score", sa.BigInteger()),
        sa.Column("comments", sa.BigInteger()),
        sa.Column("tickers", ARRAY(sa.Text())),
        sa.Column("sentiment", sa.Double()),
        sa.Column("post", sa.Text()),
    )
    op.create_table(
        "social_bookmarks",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("channel", sa.Text(), primary_key=True),
        sa.Column("complete_from", INSTANT),
        sa.Column("complete_to", INSTANT),
        sa.Column("begun_at", INSTANT),
        sa.Column("after", sa.Text()),
        sa.Column("seen", sa.BigInteger(), nullable=False),
    )


def counts() -> None:
    op.create_table(
        "social_mentions",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("symbol", sa.Text(), primary_key=True),
        sa.Column("timestamp", INSTANT, primary_key=True),
        sa.Column("known_at", INSTANT, primary_key=True),
        sa.Column("mention_count", sa.BigInteger(), nullable=False),
        sa.Column("sentiment", sa.Double()),
        sa.CheckConstraint("mention_count >= 0", name="count"),
        sa.Index(None, "timestamp"),
    )
    op.create_table(
        "social_velocity",
        sa.Column("symbol", sa.Text(), primary_key=True),
        sa.Column("timestamp", INSTANT, primary_key=True),
        sa.Column("velocity_score", sa.Double(), nullable=False),
        sa.Column("z_score", sa.Double(), nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    for table in ("social_velocity", "social_mentions", "social_bookmarks", "social_sightings", "social_items"):
        op.drop_table(table)
