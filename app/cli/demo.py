"""`desk demo`: a squeeze played by the whole desk, and the one of January 2021 read day by day."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from app.cli.options import JsonOption
from app.cli.outcome import emit, program, run
from domain.errors import Interrupted

if TYPE_CHECKING:
    from app.services.demo_squeeze import Told

app = typer.Typer(no_args_is_help=True, help="See it work: a squeeze from the first talk to the lesson recalled.")


@app.command()
def squeeze(json: JsonOption = False) -> None:
    """Play a squeeze on the simulated market: talk, debate, order, exit, lesson, recall; then check its audit trail.

    Takes about a minute, in DESK_HOME/demo, which is made anew; your accounts are not touched. Exit 1 where
    something is not as it should be.
    """
    from app.logs import configure
    from app.services.demo import squeeze as played
    from app.settings import Environment

    environment = Environment()
    configure(environment.desk_log)
    with _progress("squeeze", f"what was played lies in {environment.desk_home / 'demo'}") as told:
        document = run(played(environment, told))
    if json:
        emit(document)
    else:
        from app.screens.demo import show_squeeze

        show_squeeze(_console(), document, desk=program())
    if not document["holds"]:
        raise typer.Exit(1)


@app.command("january-2021")
def january(json: JsonOption = False) -> None:
    """Read GME's January 2021 day by day as the desk would have: the talk's conviction beside the close.

    Needs the recorded talk in your library: 'desk data import FOLDER'. Exit 1 if it does not fire by 15 January.
    """
    from app.logs import configure
    from app.services.demo_january import january as read
    from app.wiring import configuration

    config = configuration()
    configure(config.environment.desk_log)
    with _progress("january-2021", "nothing was kept") as told:
        document = run(read(config, told))
    if json:
        emit(document)
    else:
        from app.screens.demo_january import show_january

        show_january(_console(), document)
    if not document["holds"]:
        raise typer.Exit(1)


@contextmanager
def _progress(command: str, left: str) -> "Iterator[Told]":
    """One line on stderr that moves with the play, where a person is watching; `left` says what an interrupted one
    leaves.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from domain.sessions import NEW_YORK

    columns = (BarColumn(20), TimeElapsedColumn(), TextColumn("[bold]{task.description}[/] {task.fields[step]}"))
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("starting", total=1.0, step="")

            def told(at: datetime, step: str, share: float) -> None:
                day = f"{at.astimezone(NEW_YORK):%a %d %b %H:%M}"
                progress.update(task, completed=share, description=day, step=step)

            yield told
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted; {left}.", remedy=f"'{program()} demo {command}' begins anew.") from None


def _console() -> Any:
    from rich.console import Console

    return Console()
