"""Alembic's entry: runs on the connection that `memory.migrate` hands over, and on no other."""

from typing import Any

from alembic import context

from memory.tables import Base


def ours(_thing: Any, _name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    """Compare only what the models know: a table met in the database alone is not ours to drop."""
    return not (kind == "table" and reflected and compared_to is None)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=ours,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
