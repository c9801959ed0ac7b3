"""What held structures went through: best and worst profit seen, and the levels at which they are left."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "excursions",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("order_id", sa.Text(), sa.ForeignKey("orders.order_id"), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("payload", sa.Text(), nullable=False),
    )
    op.execute("GRANT SELECT, INSERT ON excursions TO desk_pipeline")
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON excursions "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("ALTER TABLE excursions ENABLE ALWAYS TRIGGER append_only")


def downgrade() -> None:
    op.drop_table("excursions")
