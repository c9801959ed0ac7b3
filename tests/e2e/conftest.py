"""The command line, called in this process with an environment of the test's own."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.cli.outcome import guarded
from app.cli.root import app
from memory.engine import Database, conninfo


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one line that a person is told, after checking that it is one line and no traceback."""
        assert "Traceback" not in self.err
        assert "Unexpected" not in self.err
        told = [line for line in self.err.splitlines() if line.startswith("desk: ")]
        assert len(told) == 1, self.err
        return told[0].removeprefix("desk: ")


Command = Callable[..., Ended]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A DESK_HOME of the test's own, and nothing else of the environment."""
    for name in ("DESK_CONFIG", "DESK_DEBUG", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def on_database(home: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The desk's commands speak to this test's database."""
    monkeypatch.setenv("DESK_DATABASE_URL", database.pipeline_url)
    monkeypatch.setenv("DESK_DATABASE_ADMIN_URL", database.admin_url)
    return database


@pytest.fixture
def desk(home: Path) -> Command:
    """Calls `desk` with these arguments."""
    return called


def called(*arguments: str) -> Ended:
    """One command, in this process, under the environment as it is."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = guarded(app, arguments)
    return Ended(code, out.getvalue(), err.getvalue())


def runs_in(database) -> list[tuple[str, str]]:
    """(run id, state) of every run in the database."""
    with psycopg.connect(conninfo(database.pipeline_url)) as link:
        return link.execute("SELECT run_id, state FROM runs ORDER BY run_id").fetchall()


def rows_in(database, table: str) -> int:
    with psycopg.connect(conninfo(database.pipeline_url)) as link:
        return link.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
