"""A home and a database with a finished run in them, made once and copied cheaply, and `desk` run against them."""

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from app.progress import Timings
from app.services.runs import execute, new_request
from app.settings import Environment
from app.wiring import configuration, open_desk
from memory.engine import conninfo
from memory.postgres import DATABASE, OWNER, PIPELINE, SUPERUSER, EmbeddedPostgres

WATCHLIST = ("AMD", "JPM", "PFE", "XOM")  # vetoed for its earnings, staged, ranked last, staged
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Home:
    """Where a desk keeps everything, and the run it made."""

    server: EmbeddedPostgres
    database: str
    folder: Path
    run_id: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a `desk` process that works here."""
        return {
            "DESK_HOME": str(self.folder),
            "DESK_DATABASE_URL": self.server.url(PIPELINE, self.database),
            "DESK_DATABASE_ADMIN_URL": self.server.url(OWNER, self.database),
        }

    def configuration(self, config=None, **variables):
        named = {name.lower(): value for name, value in (self.variables | variables).items()}
        return configuration(Environment(**named, desk_config=config))

    def ask(self, question, *, config=None):
        """The answer of an async question over the opened desk."""

        async def asked():
            async with open_desk(self.configuration(config), debate="rules") as desk:
                return await question(desk)

        return asyncio.run(asked())

    def sql(self, *statements):
        """As the one login that can do anything, with the log's triggers off: tampering."""
        with psycopg.connect(conninfo(self.server.url(SUPERUSER, self.database)), autocommit=True) as link:
            link.execute("ALTER TABLE decision_log DISABLE TRIGGER ALL")
            for statement in statements:
                link.execute(statement)

    def desk(self, capsys, *arguments):
        """Exit code, standard output and error of `desk ARGUMENTS`, in this process."""
        from app.cli.outcome import guarded
        from app.cli.root import app

        before = dict(os.environ)
        os.environ.update(self.variables, COLUMNS="110")
        try:
            code = guarded(app, arguments)
        finally:
            os.environ.clear()
            os.environ.update(before)
        said = capsys.readouterr()
        return code, said.out, said.err

    def json(self, capsys, *arguments):
        code, out, _ = self.desk(capsys, *arguments, "--json")
        return code, json.loads(out)


def three_debated(config):
    """The shipped configuration, but only the best three are debated."""
    signals = config.graph.signals
    rank = signals.rank.model_copy(update={"top_n": 3})
    return replace(config, graph=config.graph.model_copy(update={"signals": signals.model_copy(update={"rank": rank})}))


def made(server: EmbeddedPostgres, folder: Path, watchlist=WATCHLIST, *, configure=three_debated, debate="rules"):
    """A home with one simulated run at the market's first instant."""
    folder.mkdir(parents=True)
    empty = Home(server, _database(server, DATABASE), folder)
    config = configure(empty.configuration())

    async def run():
        async with open_desk(config, debate=debate) as desk:
            request = await new_request(desk, at=None, watchlist=watchlist)
            await execute(desk, request, Timings())
            return request.run_id

    return Home(server, empty.database, folder, asyncio.run(run()))


@contextmanager
def copied(home: Home, folder: Path) -> Iterator[Home]:
    """The same home with files and database of its own."""
    shutil.copytree(home.folder, folder)
    copy = Home(home.server, _database(home.server, home.database), folder, home.run_id)
    try:
        yield copy
    finally:
        _administer(home.server, SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(copy.database)))


def _database(server: EmbeddedPostgres, template: str) -> str:
    name = f"audited_{next(_numbers)}"
    create = SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
    _administer(server, create.format(Identifier(name), Identifier(template), Identifier(OWNER)))
    return name


def _administer(server: EmbeddedPostgres, statement) -> None:
    with psycopg.connect(conninfo(server.url(SUPERUSER, "postgres")), autocommit=True) as link:
        link.execute(statement)
