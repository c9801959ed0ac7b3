"""Brings a database to the newest schema: quick when it is there already, safe when several processes start at once.

Alembic owns the desk's tables; LangGraph's saver owns the schema `langgraph`, whose comment says which release of the
saver set it up.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from domain.errors import DatabaseDown
from memory.engine import conninfo, translated

if TYPE_CHECKING:
    import psycopg
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_120_001  # advisory lock of whoever migrates
PATIENCE = 120.0  # seconds to wait for another process that is migrating
SAVER = "langgraph-checkpoint-postgres"


def migrate(admin_url: str) -> bool:
    """Bring the database at `admin_url` to the newest schema; False if it was there already.

    Raises `DatabaseDown` when the server cannot be reached, is newer than this program, or the login lacks a right.
    """
    with _connected(admin_url) as link:
        if is_current(link):
            return False
        with _alone(link):
            if is_current(link):
                return False
            upgrade(admin_url)
            _set_up_saver(admin_url)
    return True


def is_current(link: "psycopg.Connection") -> bool:
    """Whether both schemas are the newest; imports neither Alembic nor LangGraph."""
    known = link.execute("SELECT to_regclass('public.alembic_version')").fetchone()
    if known is None or known[0] is None:
        return False
    row = link.execute(
        "SELECT version_num, obj_description(to_regnamespace('langgraph'), 'pg_namespace') FROM alembic_version"
    ).fetchone()
    if row is not None and row[0] > head():
        raise DatabaseDown(
            f"The database is at schema {row[0]}, this program knows only {head()}.", remedy="Update the program."
        )
    return row == (head(), _saver_release())


def head() -> str:
    """Newest revision: revisions are numbered, and files are named after them."""
    return max(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def upgrade(admin_url: str, revision: str = "head") -> None:
    """Run Alembic's upgrades up to `revision`. `migrate` is what programs call."""
    from alembic import command

    with _alembic(admin_url) as config:
        command.upgrade(config, revision)


def downgrade(admin_url: str, revision: str) -> None:
    """Undo migrations down to `revision` ("base": all). Data in dropped tables is lost."""
    from alembic import command

    with _alembic(admin_url) as config:
        command.downgrade(config, revision)


@contextmanager
def _alembic(admin_url: str) -> "Iterator[Config]":
    import psycopg.errors
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    try:
        with create_engine(admin_url, poolclass=NullPool).begin() as connection:
            config.attributes["connection"] = connection
            yield config
    except DBAPIError as error:
        lacking = (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)
        if isinstance(error.orig, lacking):
            raise DatabaseDown(
                f"The database cannot be prepared: {str(error.orig).splitlines()[0]}.",
                remedy="Have an administrator run once in it: CREATE EXTENSION vector; CREATE ROLE desk_pipeline; "
                "GRANT desk_pipeline TO the login of DESK_DATABASE_URL.",
            ) from error
        raise


def _set_up_saver(admin_url: str) -> None:
    from langgraph.checkpoint.postgres import PostgresSaver
    from psycopg import Connection
    from psycopg.rows import dict_row
    from psycopg.sql import SQL, Literal

    with Connection.connect(
        conninfo(admin_url), autocommit=True, row_factory=dict_row, options="-c search_path=langgraph"
    ) as link:
        PostgresSaver(link).setup()
        link.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA langgraph TO desk_pipeline")
        link.execute(SQL("COMMENT ON SCHEMA langgraph IS {}").format(Literal(_saver_release())))


def _saver_release() -> str:
    return f"{SAVER} {version(SAVER)}"


@contextmanager
def _alone(link: "psycopg.Connection") -> Iterator[None]:
    # Polled, not waited for: a statement that waits holds a snapshot, and the saver's CREATE INDEX CONCURRENTLY
    # would wait for that snapshot while we wait for the lock.
    deadline = time.monotonic() + PATIENCE
    while link.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise DatabaseDown("Another process has been migrating the database for too long.", remedy="Look for it.")
        time.sleep(0.05)
    try:
        yield
    finally:
        link.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


@contextmanager
def _connected(url: str) -> "Iterator[psycopg.Connection]":
    import psycopg

    try:
        with psycopg.connect(conninfo(url), autocommit=True) as link:
            yield link
    except psycopg.Error as error:
        meaning = translated(error, "the configured address")
        if meaning is None:
            raise
        raise meaning from error
