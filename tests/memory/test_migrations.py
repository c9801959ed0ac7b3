"""The schema: built from nothing, undone, built again, and the same as the models say."""

import subprocess
import sys

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from domain.errors import DatabaseDown
from memory import migrate as migrations
from memory.engine import conninfo
from memory.migrate import downgrade, head, migrate, upgrade
from memory.tables import Base


def tables(url):
    with psycopg.connect(conninfo(url)) as link:
        rows = link.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_schema IN ('public', 'langgraph')"
        )
        return {name for (name,) in rows}


def differences(url):
    def ours(thing, name, kind, reflected, compared_to):
        return name != "alembic_version"

    with create_engine(url, poolclass=NullPool).connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": ours}
        return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


def test_the_migrated_schema_equals_the_models_both_ways_round(database):
    assert differences(database.admin_url) == []


def test_every_migration_can_be_undone_to_nothing_and_done_again(database):
    before = tables(database.admin_url)
    assert {"public.decision_log", "langgraph.checkpoints"} <= before
    downgrade(database.admin_url, "base")
    assert tables(database.admin_url) == {"public.alembic_version"}
    assert migrate(database.admin_url) is True
    assert tables(database.admin_url) == before
    assert differences(database.admin_url) == []


def test_each_single_step_can_be_undone_and_done_again(database):
    script = Config()
    script.set_main_option("script_location", str(migrations.FOLDER))
    for step in ScriptDirectory.from_config(script).walk_revisions():
        after = tables(database.admin_url)
        downgrade(database.admin_url, step.down_revision or "base")
        upgrade(database.admin_url, step.revision)
        assert {name for name in after ^ tables(database.admin_url) if name.startswith("public.")} == set()
        downgrade(database.admin_url, step.down_revision or "base")


def test_the_head_told_by_file_names_is_alembics_head():
    script = Config()
    script.set_main_option("script_location", str(migrations.FOLDER))
    assert ScriptDirectory.from_config(script).get_heads() == [head()]


def test_a_second_call_imports_neither_alembic_nor_langgraph(database):
    code = (
        "import sys; from memory.migrate import migrate;"
        "print(migrate(sys.argv[1]), {'alembic', 'langgraph'} & sys.modules.keys())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, database.admin_url], stdout=subprocess.PIPE, text=True, check=True
    )
    assert ran.stdout == "False set()\n"


def test_several_processes_may_migrate_at_once_without_deadlock(database):
    downgrade(database.admin_url, "base")
    code = "import sys; from memory.migrate import migrate; print(migrate(sys.argv[1]))"
    running = [
        subprocess.Popen([sys.executable, "-c", code, database.admin_url], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = sorted(process.communicate()[0].strip() for process in running)
    assert said == ["False", "False", "True"]


def test_a_database_newer_than_the_program_is_refused(database):
    with psycopg.connect(conninfo(database.admin_url), autocommit=True) as link:
        link.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseDown, match="Update the program"):
        migrate(database.admin_url)


def test_a_login_without_the_right_to_prepare_is_told_what_to_ask_for(database):
    downgrade(database.admin_url, "base")
    with pytest.raises(DatabaseDown, match="administrator"):
        migrate(database.pipeline_url)


def test_a_server_that_is_not_there_is_named_with_the_remedy():
    with pytest.raises(DatabaseDown, match="DESK_DATABASE_URL"):
        migrate("postgresql+psycopg://nobody@127.0.0.1:1/desk")
