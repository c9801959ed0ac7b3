"""Addresses, roles, and what failures are called."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.errors import ConfigError, DatabaseDown, StorageFull
from memory.engine import Database, connected, conninfo, open_database, translated, with_options
from memory.migrate import migrate
from memory.postgres import OWNER, PIPELINE, SUPERUSER


async def one(url, sql):
    async with connected(url) as engine, engine.connect() as connection:
        return await connection.scalar(text(sql))


async def test_the_embedded_database_is_started_migrated_and_left(desk_home):
    with open_database(desk_home) as database:
        assert migrate(database.admin_url) is True
        assert await one(database.pipeline_url, "SELECT current_user::text") == PIPELINE
        assert await one(database.admin_url, "SELECT current_user::text") == OWNER
    with pytest.raises(DatabaseDown, match="desk db start"):
        await one(database.pipeline_url, "SELECT 1")


async def test_an_external_login_works_as_the_pipeline_and_cannot_slip_back_by_reset(
    database, superuser_url, desk_home
):
    with open_database(desk_home, url=superuser_url) as external:
        assert await one(external.admin_url, "SELECT current_user::text") == SUPERUSER
        async with connected(external.pipeline_url) as engine, engine.connect() as connection:
            for statement in ("RESET ROLE", "RESET ALL"):
                await connection.execute(text(statement))
                assert await connection.scalar(text("SELECT current_user::text")) == PIPELINE
    assert not desk_home.exists()


def test_a_login_of_its_own_may_be_given_for_migrations():
    with open_database(None, url="postgresql://app@db/desk", admin_url="postgresql://boss@db/desk") as database:
        assert database == Database(
            admin_url="postgresql+psycopg://boss@db/desk",
            pipeline_url="postgresql+psycopg://app@db/desk?options=-c+role%3Ddesk_pipeline",
        )


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), min_size=1))
def test_any_password_reaches_libpq_as_it_is(password):
    from sqlalchemy import URL

    url = URL.create("postgresql", "me", password, "db.example", 5433, "desk", {"options": "-c a=b"})
    found = conninfo_to_dict(conninfo(with_options(url.render_as_string(hide_password=False), x="1")))
    assert (found["password"], found["user"], found["port"]) == (password, "me", "5433")
    assert found["options"] == "-c a=b -c role=desk_pipeline -c x=1"


@pytest.mark.parametrize("url", ["not a url", "", "mysql://root@localhost/desk"])
def test_an_address_that_cannot_be_used_is_refused_without_repeating_a_password(url):
    with pytest.raises(ConfigError), open_database(None, url=url):
        pass


async def test_a_server_that_goes_away_is_database_down_and_one_that_is_back_is_used_again(engine, superuser_url):
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE usename = 'desk_pipeline' AND datname = current_database()"
            )
        with pytest.raises(DatabaseDown, match="cannot be reached"):
            await connection.execute(text("SELECT 1"))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("sql", ["SELECT 1/0", "SELECT nothing", "SET statement_timeout = 1; SELECT pg_sleep(5)"])
async def test_a_fault_of_the_statement_is_not_called_a_fault_of_the_server(engine, sql):
    with pytest.raises(DBAPIError):
        async with engine.connect() as connection:
            await connection.exec_driver_sql(sql)


def test_a_full_disk_is_storage_full():
    assert isinstance(translated(psycopg.errors.DiskFull("x"), "here"), StorageFull)
    assert translated(ValueError("x"), "here") is None
