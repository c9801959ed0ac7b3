"""Where the database is, as whom to speak to it, and what its failures are called.

Two roles: `desk_owner` owns every table and runs migrations; `desk_pipeline` does the daily work and can only add to
the audit trail. The embedded server lets the pipeline log in as itself. With an external database the login is
whatever the person configured, so the role is set in the connection's start-up options: then `RESET ROLE` and
`DISCARD ALL` lead back to the pipeline, not to the owner.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import ConfigError, DatabaseDown, DeskError, StorageFull
from memory.postgres import OWNER, PIPELINE, EmbeddedPostgres

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DRIVER = "postgresql+psycopg"
REMEDY = "Run 'desk db start', or check DESK_DATABASE_URL; 'desk doctor' says more."
# States of the client's transaction (serialisation, lock, cancelled statement, bad input), not of the server.
NOT_DOWN = ("40", "55", "57014", "22", "23", "42")


@dataclass(frozen=True)
class Database:
    """SQLAlchemy URLs (`postgresql+psycopg://…`) of one database, one for each role."""

    admin_url: str
    pipeline_url: str


@contextmanager
def open_database(home: Path, url: str | None = None, admin_url: str | None = None) -> Iterator[Database]:
    """The external database at `url`, or the embedded one under `home`, started on demand and left on exit.

    `admin_url` is the login for migrations where `url` is a login without that right. Raises `ConfigError` for a URL
    that cannot be read, `DatabaseDown` when the embedded server cannot start.
    """
    if url is not None:
        yield Database(admin_url=with_options(admin_url or url, role=None), pipeline_url=with_options(url))
        return
    with EmbeddedPostgres(home / "postgres") as server:
        yield Database(admin_url=server.url(OWNER), pipeline_url=server.url(PIPELINE))


def with_options(url: str, role: str | None = PIPELINE, **settings: str) -> str:
    """`url` with the psycopg driver, and start-up options that set `role` and `settings` for every session."""
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = _parse(url)
    except ArgumentError as error:
        raise ConfigError(
            "The database URL cannot be read.", remedy="Expected e.g. postgresql://user:password@host:5432/desk."
        ) from error
    chosen = settings if role is None else {"role": role, **settings}
    options = parsed.query.get("options", "")
    words = [options] if isinstance(options, str) else list(options)
    words += [f"-c {name}={value}" for name, value in chosen.items()]
    if joined := " ".join(word for word in words if word):
        parsed = parsed.update_query_dict({"options": joined})
    return parsed.render_as_string(hide_password=False)


def conninfo(url: str) -> str:
    """The same database in libpq's own words, for psycopg itself: libpq reads no "+" as a space in a URI."""
    from psycopg.conninfo import make_conninfo

    parsed = _parse(url)
    query = {name: value if isinstance(value, str) else ",".join(value) for name, value in parsed.query.items()}
    return make_conninfo(**parsed.translate_connect_args(username="user", database="dbname"), **query)


def engine(url: str, *, pool_size: int = 5) -> "AsyncEngine":
    """An async engine whose connection failures are `DatabaseDown` and whose full disk is `StorageFull`.

    Belongs to one event loop; dispose of it there (or use `connected`).
    """
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import create_async_engine

    made = create_async_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)
    event.listen(made.sync_engine, "handle_error", _translate)
    return made


@asynccontextmanager
async def connected(url: str, *, pool_size: int = 5) -> "AsyncIterator[AsyncEngine]":
    """`engine(url)`, disposed of on exit."""
    made = engine(url, pool_size=pool_size)
    try:
        yield made
    finally:
        await made.dispose()


@asynccontextmanager
async def driver_of(link: "AsyncConnection") -> "AsyncIterator[psycopg.AsyncConnection[Any]]":
    """The driver's own connection under `link`, in its transaction: for pipelines, which SQLAlchemy has not. Failures
    of the server are raised as by `engine`.
    """
    import psycopg

    held = (await link.get_raw_connection()).driver_connection
    if not isinstance(held, psycopg.AsyncConnection):
        raise TypeError(f"the engine speaks by {type(held).__name__}, not by psycopg")
    try:
        yield held
    except psycopg.Error as error:
        raise translated(error, _bare(link.engine.url)) or error from error


def translated(error: Exception, where: str) -> DeskError | None:
    """What a psycopg error means for a person; None if it is no failure of the server (bad SQL, lost race)."""
    import psycopg

    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return None
    if isinstance(error, psycopg.errors.DiskFull):
        return StorageFull("PostgreSQL's disk is full.", remedy="Free some space; nothing was half-written.")
    if (error.sqlstate or "").startswith(NOT_DOWN):
        return None
    said = " ".join(str(error).split()) or type(error).__name__
    return DatabaseDown(f"PostgreSQL at {where} cannot be reached: {said}.", remedy=REMEDY)


def _translate(context: "ExceptionContext") -> None:
    error = context.original_exception
    meaning = translated(error, _where(context)) if isinstance(error, Exception) else None
    if meaning is not None:
        raise meaning from error


def _where(context: Any) -> str:
    return str(_bare(context.engine.url)) if context.engine is not None else "the configured address"


def _bare(url: "URL") -> str:
    return f"{url.host or url.query.get('host', 'localhost')}/{url.database}"


def _parse(url: str) -> "URL":
    from sqlalchemy import make_url

    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(f"The desk needs PostgreSQL, not {parsed.get_backend_name()}.")
    return parsed.set(drivername=DRIVER)
