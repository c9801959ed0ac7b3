"""`desk audit`: the decision log, read, checked, replayed."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

from app.cli.options import FeedOption, JsonOption
from app.cli.outcome import emit, program, run
from domain.errors import MachineError

if TYPE_CHECKING:
    from app.wiring import Desk

T = TypeVar("T")
app = typer.Typer(
    no_args_is_help=True, help="The decision log: what happened, why, whether it is sound and comes out alike again."
)
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run, a unique beginning of its id, or 'last'.")]


@app.command("list")
def list_(
    feed: FeedOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    json: JsonOption = False,
) -> None:
    """Runs, newest first: instant, state, orders staged, head of the chain; and how often a switch was used."""

    async def asked(desk: "Desk") -> tuple[list[Any], list[Any]]:
        from app.services.audit import run_list, switch_uses

        return await run_list(desk, feed=feed, limit=limit), await switch_uses(desk, limit=limit)

    runs, uses = _asked(asked)
    if json:
        emit({"runs": runs, "switches": uses})
        return
    from app.screens.audit import show_runs

    show_runs(_console(), runs, uses, desk=program())


@app.command()
def show(
    target: Annotated[
        str, typer.Argument(metavar="RUN|ORDER", help="A run, an order, 'last', or 'switches' for the kill switches.")
    ] = "last",
    json: JsonOption = False,
) -> None:
    """The story from signals to order on one screen."""
    from app.services.audit import story, switch_uses
    from memory.switches import LOG

    if target == LOG:
        uses = _asked(switch_uses)
        if json:
            emit({"switches": uses})
            return
        from app.screens.audit import show_uses

        show_uses(_console(), uses, desk=program())
        return
    document = _asked(lambda desk: story(desk, target))
    if json:
        emit(document)
        return
    from app.screens.audit import show_story

    show_story(_console(), document, desk=program())


@app.command()
def why(
    ticker: Annotated[str, typer.Argument(metavar="TICKER", help="An underlying, e.g. SPY.")],
    in_run: Annotated[str, typer.Option("--run", metavar="RUN", help="The run; default: the latest.")] = "last",
    json: JsonOption = False,
) -> None:
    """Why a ticker was or was not traded: the step that ended its path, with the numbers."""
    from app.services.audit import why as explain

    document = _asked(lambda desk: explain(desk, ticker, in_run))
    if json:
        emit(document)
        return
    from app.screens.audit import show_why

    show_why(_console(), document)


@app.command()
def verify(json: JsonOption = False) -> None:
    """Walk the whole hash chain; exit 1 and name the row where it was tampered with."""
    from app.services.audit import verification

    report = _asked(verification)
    if json:
        emit(report)
    else:
        from app.screens.audit import show_verification

        show_verification(_console(), report)
    if not report["sound"]:
        raise typer.Exit(1)


@app.command()
def replay(which: RunArgument = "last", json: JsonOption = False) -> None:
    """Execute a run again from its snapshot and recorded model calls; exit 1 and name the first difference."""
    from app.documents import plain

    report = _asked(lambda desk: _replayed(desk, which))
    document = {**plain(report), "reproduced": report.reproduced, "first": plain(report.first)}
    if json:
        emit(document)
    else:
        from app.screens.audit import show_replay

        show_replay(_console(), document, desk=program())
    if not report.reproduced:
        raise typer.Exit(1)


@app.command()
def export(
    which: Annotated[str | None, typer.Argument(metavar="[RUN]", help="One run; default: the whole log.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write there instead of stdout.")] = None,
    json: JsonOption = False,
) -> None:
    """The log as JSON Lines, one row a line with its hashes."""
    if out is None and json:
        emit({"rows": [_parsed(line) for line in _asked(lambda desk: _lines(desk, which))]})
        return
    written = _asked(lambda desk: _written(desk, which, out))
    if json:
        emit({"rows": written, "file": str(out)})
    elif out is not None:
        typer.echo(f"{written:,} rows written to {out}.")


def _asked(question: "Callable[[Desk], Awaitable[T]]") -> T:
    """Open the desk, ask, close it. No model is asked here, whatever engine is configured."""

    async def asked() -> T:
        from app.logs import configure
        from app.wiring import configuration, open_desk

        config = configuration()
        configure(config.environment.desk_log)
        async with open_desk(config, debate="rules") as desk:
            return await question(desk)

    return run(asked())


async def _replayed(desk: "Desk", which: str) -> Any:
    from app.services.audit import find_run
    from app.services.replay import replay as again

    return await again(desk, await find_run(desk, which))


async def _lines(desk: "Desk", which: str | None) -> list[str]:
    from app.services.audit import exported

    return [line async for line in exported(desk, which)]


async def _written(desk: "Desk", which: str | None, out: Path | None) -> int:
    """Rows written to `out`, which appears whole or not at all, or to stdout."""
    if out is None:
        return await _each_line(desk, which, sys.stdout)
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            written = await _each_line(desk, which, file)
        part.replace(out)
    except OSError as error:
        raise MachineError(f"{out} cannot be written: {error.strerror}.", remedy="Give another --out.") from error
    finally:
        part.unlink(missing_ok=True)
    return written


async def _each_line(desk: "Desk", which: str | None, file: TextIO) -> int:
    from contextlib import aclosing

    from app.services.audit import exported

    written = 0
    async with aclosing(exported(desk, which)) as lines:
        async for line in lines:
            file.write(f"{line}\n")
            written += 1
    return written


def _parsed(line: str) -> Any:
    import json

    return json.loads(line)


def _console() -> Any:
    from rich.console import Console

    return Console()
