"""`desk memory`: past situations, the lessons drawn from them, and the vectors they are found by."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import Feed, FeedOption, JsonOption, PastOption, instant
from app.cli.outcome import emit, program, run

if TYPE_CHECKING:
    from app.wiring import Desk

Document = dict[str, Any]
app = typer.Typer(no_args_is_help=True, help="Past situations, what became of them, and the lessons drawn.")


@app.command("list")
def list_(
    feed: FeedOption = None,
    at: PastOption = None,
    learned: Annotated[
        bool | None, typer.Option("--learned/--open", help="Only lessons learned; or only what is held or may yet be.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, latest first.")] = 20,
    json: JsonOption = False,
) -> None:
    """Remembered situations: decision, outcome, lesson, and how vivid each still is."""
    from app.services.memory import memory_list

    when = instant(at)
    document = _asked(feed, lambda desk: memory_list(desk, at=when, learned=learned, limit=limit))
    if json:
        emit(document)
        return
    from app.screens.memory import show_memories

    show_memories(_console(), document, desk=program())


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="MEMORY|ORDER", help="Its id or its order, or a clear beginning.")],
    feed: FeedOption = None,
    at: PastOption = None,
    json: JsonOption = False,
) -> None:
    """One situation in full: what was seen and predicted, what happened, where the profit came from."""
    from app.services.memory import memory_shown

    when = instant(at)
    document = _asked(feed, lambda desk: memory_shown(desk, which, at=when))
    if json:
        emit(document)
        return
    from app.screens.memory import show_memory

    show_memory(_console(), document)


@app.command()
def stats(feed: FeedOption = None, at: PastOption = None, json: JsonOption = False) -> None:
    """How much is remembered, in which layers, found by which embedder, and what citing it was worth."""
    from app.services.memory import memory_stats

    when = instant(at)
    document = _asked(feed, lambda desk: memory_stats(desk, at=when))
    if json:
        emit(document)
        return
    from app.screens.memory import show_stats

    show_stats(_console(), document, desk=program())


@app.command()
def reembed(
    prune: Annotated[
        bool, typer.Option("--prune", help="Also drop vectors of embedders that are no longer configured.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the whole past to the embedder of memory.yaml; what it has seen is left as it is."""
    from app.services.memory import memory_reembedded

    document = _asked(None, lambda desk: memory_reembedded(desk, prune=prune))
    if json:
        emit(document)
        return
    dropped = f", {document['dropped']:,} of others dropped" if prune else ""
    typer.echo(
        f"{document['made']:,} vectors made{dropped}; situations are found by {document['embedder']} "
        f"({document['dimensions']} dimensions)."
    )


def _asked(feed: Feed | None, question: "Callable[[Desk], Awaitable[Document]]") -> Document:
    """Open the desk, ask, close it. No debate is held here, whatever engine is configured."""

    async def asked() -> Document:
        from app.logs import configure
        from app.wiring import configuration, open_desk

        config = configuration()
        configure(config.environment.desk_log)
        async with open_desk(config, feed=feed, debate="rules") as desk:
            return await question(desk)

    return run(asked())


def _console() -> Any:
    from rich.console import Console

    return Console()
