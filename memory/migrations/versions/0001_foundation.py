"""Runs, signals, regime, model calls, memories, and the append-only decision log.

The number of a revision is the beginning of its file's name. Rights of the role `desk_pipeline` are granted by name,
table by table, in the migration that makes the table.
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import Vector

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# The role belongs to the whole server: other databases may use it, so a downgrade leaves it.
ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'desk_pipeline') THEN
        CREATE ROLE desk_pipeline NOLOGIN;
        EXECUTE format('GRANT desk_pipeline TO %I', current_user);
    END IF;
END $$
"""
REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% on % is refused: the audit trail is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$
"""


def upgrade() -> None:
    op.execute(ROLE)
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute("CREATE SCHEMA langgraph")
    op.execute("GRANT USAGE ON SCHEMA public, langgraph TO desk_pipeline")
    op.execute("GRANT SELECT ON alembic_version TO desk_pipeline")
    runs()
    audit()
    recall()


def runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("slot", sa.Text(), unique=True),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("as_of", INSTANT, nullable=False, index=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False, index=True),
        sa.Column("snapshot_id", sa.Text()),
        sa.Column("head_hash", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
        sa.CheckConstraint("state IN ('running', 'sealed', 'failed')", name="state"),
    )
    op.create_table(
        "signals",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("feed", sa.Text(), primary_key=True),
        sa.Column("run_id", sa.Text(), sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ticker", sa.Text(), nullable=False),
        sa.Column("edge_type", sa.Text(), nullable=False),
        sa.Column("timestamp", INSTANT, nullable=False),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Index(None, "feed", "timestamp"),
        sa.Index(None, "ticker", "timestamp"),
    )
    op.create_table(
        "regime_readings",
        sa.Column("feed", sa.Text(), primary_key=True),
        sa.Column("as_of", INSTANT, primary_key=True),
        sa.Column("run_id", sa.Text(), sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
    )
    op.create_table(
        "model_calls",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), nullable=False, index=True),
        sa.Column("cost_usd", sa.Numeric(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON runs TO desk_pipeline")
    op.execute("GRANT SELECT, INSERT ON signals, regime_readings, model_calls TO desk_pipeline")


def audit() -> None:
    op.create_table(
        "decision_log",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("logged_at", INSTANT, nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("ticker", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.UniqueConstraint("run_id", "node", "ticker", "kind"),
        sa.CheckConstraint("seq > 0", name="seq"),
        sa.Index(None, "ticker", "seq"),
    )
    op.create_table(
        "seals",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("sealed_at", INSTANT, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False, index=True),
        sa.Column("head_hash", sa.Text(), nullable=False),
    )
    op.execute(REFUSE)
    for table in ("decision_log", "seals"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO desk_pipeline")
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")


def recall() -> None:
    op.create_table(
        "memories",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("ticker", sa.Text(), primary_key=True),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("composite", sa.Text(), nullable=False),
        sa.Column("debate", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), index=True),
        sa.Column("outcome", sa.Double()),
        sa.Column("known_at", INSTANT),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("embedding", Vector(64), nullable=False),
        sa.CheckConstraint("(outcome IS NULL) = (known_at IS NULL)", name="outcome_known"),
        sa.CheckConstraint("known_at > decided_at", name="known_after"),
        sa.Index(None, "feed", "known_at"),
        sa.Index(
            "ix_memories_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE (outcome, known_at) ON memories TO desk_pipeline")


def downgrade() -> None:
    for table in ("memories", "seals", "decision_log", "model_calls", "regime_readings", "signals", "runs"):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")
    op.execute("DROP SCHEMA langgraph CASCADE")
    op.execute("REVOKE USAGE ON SCHEMA public FROM desk_pipeline")
