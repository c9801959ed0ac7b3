"""${message}.

The number of a revision is the beginning of its file's name. Rights of the role `desk_pipeline` are granted by name,
table by table, in the migration that makes the table.
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import Vector
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
