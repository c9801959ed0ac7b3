"""What halting and large approvals need to keep: whose instant a switch speaks of, and what an order is for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("switches", sa.Column("as_of", sa.DateTime(timezone=True)))
    # Orders that were staged before there were hedges were all trades.
    op.add_column("orders", sa.Column("purpose", sa.Text(), nullable=False, server_default="trade"))
    op.alter_column("orders", "purpose", server_default=None)
    op.create_check_constraint("purpose", "orders", "purpose IN ('trade', 'hedge', 'repair')")


def downgrade() -> None:
    op.drop_column("orders", "purpose")
    op.drop_column("switches", "as_of")
