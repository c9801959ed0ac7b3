"""`desk social`: posts, comments and search interest, collected; what is known of them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import JsonOption, PastOption, instant
from app.cli.outcome import emit, run

if TYPE_CHECKING:
    from app.wiring import Desk

app = typer.Typer(no_args_is_help=True, help="The crowd: fetch Reddit and search interest; read what is known.")


@app.command()
def fetch(json: JsonOption = False) -> None:
    """Visit every configured source once: new items, what was deleted, hourly counts and their velocity.

    'desk serve --feed cboe' does the same on the schedule of social_feeds.yaml. A fetch that is cut off is gone on with
    by the next one.
    """
    from app.services.social import fetch as fetched

    document = run(_on_desk(fetched))
    if json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.social import show_visit

    show_visit(Console(), document)


@app.command()
def show(
    symbol: Annotated[str | None, typer.Argument(help="Ticker, e.g. GME. Default: all, loudest first.")] = None,
    hours: Annotated[int, typer.Option("--hours", min=1, max=24 * 60, help="How far back.")] = 24,
    at: PastOption = None,
    json: JsonOption = False,
) -> None:
    """Mentions and velocity by symbol, as known at an instant, and how far the listings have been read."""
    from app.services.social import shown

    named = symbol.upper() if symbol else None
    document = run(_on_desk(lambda desk: shown(desk, hours, named, instant(at))))
    if json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.social import show_crowd

    show_crowd(Console(), document)


async def _on_desk(work: "Callable[[Desk], Awaitable[dict[str, Any]]]") -> dict[str, Any]:
    from app.logs import configure
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, debate="rules") as desk:
        return await work(desk)
