"""Lessons, vectors of any embedder beside the situations, and what citing a memory was worth."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import Vector

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# An index fits one length of vector, and embedders come with the configuration: the pipeline, which may not change
# tables, asks for the index of an (account, embedder) by this function when it stores the first vector of it.
# Situations come in clusters (one a regime): with the default of 16 links a search now and then stays in the wrong one.
INDEX = """
CREATE FUNCTION index_memory_vectors(account text, model text, dimensions integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text := 'hnsw_memory_vectors_' || md5(account || E'\\n' || model);
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7120007);
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS %I ON memory_vectors USING hnsw ((embedding::vector(%s)) vector_cosine_ops)'
        ' WITH (m = 24, ef_construction = 128) WHERE feed = %L AND embedder = %L', name, dimensions, account, model);
END $$
"""


def upgrade() -> None:
    # No outcome was ever stored under the earlier scheme: open situations get their vectors when they close.
    op.drop_index("ix_memories_embedding", "memories")
    op.drop_column("memories", "embedding")
    op.drop_column("memories", "embedder")
    op.add_column("memories", sa.Column("lesson", sa.Text()))
    op.execute("UPDATE memories SET outcome = NULL, known_at = NULL WHERE outcome IS NOT NULL")
    op.create_check_constraint("lesson_known", "memories", "(outcome IS NULL) = (lesson IS NULL)")
    op.execute("GRANT UPDATE (lesson) ON memories TO desk_pipeline")
    op.create_table(
        "memory_vectors",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("ticker", sa.Text(), primary_key=True),
        sa.Column("embedder", sa.Text(), primary_key=True),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("importance", sa.Double(), nullable=False),
        sa.Column("embedding", Vector(), nullable=False),
        sa.ForeignKeyConstraint(["run_id", "ticker"], ["memories.run_id", "memories.ticker"]),
        sa.CheckConstraint("importance >= 0 AND importance <= 1", name="importance"),
        sa.Index(None, "feed", "embedder", "known_at"),
    )
    op.create_table(
        "memory_feedback",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("ticker", sa.Text(), primary_key=True),
        sa.Column("by_run_id", sa.Text(), primary_key=True),
        sa.Column("by_ticker", sa.Text(), primary_key=True),
        sa.Column("useful", sa.Boolean(), nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["run_id", "ticker"], ["memories.run_id", "memories.ticker"]),
        sa.ForeignKeyConstraint(["by_run_id", "by_ticker"], ["memories.run_id", "memories.ticker"]),
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON memory_vectors TO desk_pipeline")
    op.execute("GRANT SELECT, INSERT ON memory_feedback TO desk_pipeline")
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON memory_feedback "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("ALTER TABLE memory_feedback ENABLE ALWAYS TRIGGER append_only")
    op.execute(INDEX)
    op.execute("REVOKE ALL ON FUNCTION index_memory_vectors FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION index_memory_vectors TO desk_pipeline")


def downgrade() -> None:
    op.execute("DROP FUNCTION index_memory_vectors")
    op.drop_table("memory_feedback")
    op.drop_table("memory_vectors")
    op.drop_constraint("lesson_known", "memories", type_="check")
    op.drop_column("memories", "lesson")
    op.add_column("memories", sa.Column("embedder", sa.Text(), nullable=False, server_default="none"))
    op.alter_column("memories", "embedder", server_default=None)
    nothing = f"[{','.join('0' * 64)}]"
    op.add_column("memories", sa.Column("embedding", Vector(64), nullable=False, server_default=nothing))
    op.alter_column("memories", "embedding", server_default=None)
    op.create_index(
        "ix_memories_embedding", "memories", ["embedding"], postgresql_using="hnsw",
        postgresql_ops={"embedding": "vector_cosine_ops"},
    )  # fmt: skip
