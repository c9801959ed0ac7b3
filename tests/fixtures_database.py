"""Fixtures with a real PostgreSQL: one embedded server a test session, a fresh migrated database a test."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memory.engine import Database, connected, conninfo
from memory.migrate import migrate
from memory.postgres import DATABASE, FAST, OWNER, PIPELINE, SUPERUSER, EmbeddedPostgres

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """An embedded server with fast, unsafe settings; its database `desk` is migrated and serves as the template."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), settings=FAST) as server:
        migrate(server.url(OWNER))
        yield server


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A database of this test's own, migrated and empty."""
    with fresh_database(postgres) as made:
        yield made


@contextmanager
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A migrated, empty database for as long as the block lasts."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    name = f"test_{next(_numbers)}"
    with psycopg.connect(conninfo(postgres.url(SUPERUSER, "postgres")), autocommit=True) as link:
        link.execute(
            SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                Identifier(name), Identifier(DATABASE), Identifier(OWNER)
            )
        )
        yield Database(admin_url=postgres.url(OWNER, name), pipeline_url=postgres.url(PIPELINE, name))
        link.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def superuser_url(database: Database) -> str:
    """The same database as the one login that can do anything: for tampering."""
    return database.admin_url.replace(f"//{OWNER}@", f"//{SUPERUSER}@")


@pytest.fixture
async def engine(database: Database) -> "AsyncIterator[AsyncEngine]":
    """The pipeline's engine on `database`."""
    async with connected(database.pipeline_url) as made:
        yield made


@pytest.fixture
def desk_home(tmp_path: Path) -> Path:
    """An empty DESK_HOME."""
    return tmp_path / "home"
