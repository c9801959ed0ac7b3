"""What a login finds and may do: questions that change nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from domain.record import Record
from memory.engine import conninfo, translated

if TYPE_CHECKING:
    import psycopg

SQL_OF = {
    "UPDATE": "UPDATE {} SET run_id = run_id WHERE false",
    "DELETE": "DELETE FROM {} WHERE false",
    "TRUNCATE": "TRUNCATE {}",
}


class ServerFacts(Record):
    """The server behind a URL; `pgvector` is the extension's version, None where it is missing."""

    version: str
    pgvector: str | None


def server_facts(url: str) -> ServerFacts:
    """Ask the server at `url`. Raises `DatabaseDown`."""
    with _connected(url) as link:
        version = link.execute("SHOW server_version").fetchone()
        vector = link.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    return ServerFacts(version=version[0].split()[0] if version else "", pgvector=vector[0] if vector else None)


def refused_changes(url: str, table: str) -> dict[str, bool]:
    """Whether the login at `url` is refused each way of changing rows of `table`, tried and rolled back.

    The statements touch no row; privileges and statement triggers speak before rows do. TRUNCATE would, so that its
    privilege is only asked for.
    """
    import psycopg
    from psycopg.sql import SQL, Identifier

    refused: dict[str, bool] = {}
    with _connected(url) as link:
        for verb, statement in SQL_OF.items():
            if verb == "TRUNCATE":
                row = link.execute("SELECT has_table_privilege(%s, 'TRUNCATE')", (table,)).fetchone()
                refused[verb] = row is not None and not row[0]
                continue
            with link.transaction(force_rollback=True):
                try:
                    with link.transaction():
                        link.execute(SQL(statement).format(Identifier(table)))
                    refused[verb] = False
                except (psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException):
                    refused[verb] = True
    return refused


@contextmanager
def _connected(url: str) -> "Iterator[psycopg.Connection]":
    import psycopg

    try:
        with psycopg.connect(conninfo(url), autocommit=True) as link:
            yield link
    except psycopg.OperationalError as error:
        meaning = translated(error, "the configured address")
        if meaning is None:
            raise
        raise meaning from error
