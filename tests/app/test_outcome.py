"""How commands end, whatever the command."""

import json

import pytest
import typer

from app.cli.outcome import guarded


@pytest.fixture
def stopped():
    app = typer.Typer()

    @app.command()
    def work(json: bool = False) -> None:
        raise KeyboardInterrupt

    return app


def test_an_interrupted_command_says_that_nothing_is_half_written_and_how_a_run_goes_on(stopped, capsys):
    assert guarded(stopped, []) == 130
    assert "run --resume last'" in capsys.readouterr().err


def test_an_interrupted_command_still_answers_in_json_where_asked(stopped, capsys):
    assert guarded(stopped, ["--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 130
