"""Orders and their steps, fills, the outbox, the book's other entries, snapshots, and the kill switches."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
STATES = (
    "'staged', 'approved', 'rejected', 'expired', 'superseded', 'submitted', 'partially_filled', 'filled', "
    "'cancelled', 'failed'"
)
APPEND_ONLY = ("order_events", "fills", "cash_flows", "settlements", "nlv_marks", "snapshots", "switches")


def upgrade() -> None:
    orders()
    book()
    snapshots()
    switches()
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO desk_pipeline")
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    op.execute("GRANT SELECT, INSERT, UPDATE ON orders, outbox TO desk_pipeline")


def orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Text(), primary_key=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ticker", sa.Text(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("closes", sa.Text(), index=True),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("staged_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("reviewer", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.CheckConstraint(f"state IN ({STATES})", name="state"),
        sa.CheckConstraint("intent IN ('open', 'close')", name="intent"),
        sa.Index(None, "account", "state"),
    )
    op.create_table(
        "order_events",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("order_id", sa.Text(), sa.ForeignKey("orders.order_id"), nullable=False, index=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("from_state", sa.Text()),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("payload", sa.Text()),
        sa.Index(None, "account", "at"),
    )
    op.create_table(
        "fills",
        sa.Column("fill_id", sa.Text(), primary_key=True),
        sa.Column("order_id", sa.Text(), sa.ForeignKey("orders.order_id"), nullable=False, index=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Index(None, "account", "at"),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("key", sa.Text(), nullable=False, unique=True),
        sa.Column("order_id", sa.Text(), sa.ForeignKey("orders.order_id"), nullable=False, index=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("approved_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
    )


def book() -> None:
    op.create_table(
        "cash_flows",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Index(None, "account", "at"),
    )
    op.create_table(
        "settlements",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("ticker", sa.Text(), primary_key=True),
        sa.Column("expiry", sa.Date(), primary_key=True),
        sa.Column("timing", sa.Text(), primary_key=True),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint("timing IN ('AM', 'PM')", name="timing"),
    )
    op.create_table(
        "nlv_marks",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("at", INSTANT, primary_key=True),
        sa.Column("nlv", sa.Numeric(), nullable=False),
    )


def snapshots() -> None:
    op.create_table(
        "snapshots",
        sa.Column("snapshot_id", sa.Text(), primary_key=True),
        sa.Column("as_of", INSTANT, nullable=False, index=True),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
    )


def switches() -> None:
    op.create_table(
        "switches",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("switch", sa.Text(), nullable=False),
        sa.Column("setting", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    )
    # An empty history means doubt, and doubt means halted: so a fresh desk says in so many words that it may trade.
    op.execute(
        "INSERT INTO switches (account, switch, setting, at, actor, reason) "
        "VALUES ('*', 'trading', 'active', now(), 'installation', 'fresh installation')"
    )


def downgrade() -> None:
    for table in (
        "switches",
        "snapshots",
        "nlv_marks",
        "settlements",
        "cash_flows",
        "outbox",
        "fills",
        "order_events",
        "orders",
    ):
        op.drop_table(table)
