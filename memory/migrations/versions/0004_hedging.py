"""The hedge budget by month and what was spent of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
APPEND_ONLY = ("hedge_limits", "hedge_debits", "hedge_months")


def upgrade() -> None:
    op.create_table(
        "hedge_limits",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("amount >= 0", name="amount"),
        sa.Index(None, "account", "month"),
    )
    op.create_table(
        "hedge_debits",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.Index(None, "account", "month"),
    )
    op.create_table(
        "hedge_months",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("month", sa.Date(), primary_key=True),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("spent", sa.Numeric(), nullable=False),
        sa.Column("debits", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", INSTANT, nullable=False),
    )
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO desk_pipeline")
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")


def downgrade() -> None:
    for table in reversed(APPEND_ONLY):
        op.drop_table(table)
