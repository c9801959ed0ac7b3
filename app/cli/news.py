"""`desk news`: headlines from the configured services and feeds."""

from typing import Annotated

import typer

from app.cli.options import JsonOption, PastOption, instant
from app.cli.outcome import emit, run

app = typer.Typer(no_args_is_help=True, help="Headlines: ask the configured services; read what is known.")


@app.command()
def fetch(
    tickers: Annotated[
        list[str] | None, typer.Argument(help="Tickers. Default: the live feed's watchlist in desk.yaml.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Ask also services that are left alone, and what was asked a moment ago.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Ask every configured news service now, each for itself, and keep what is new."""
    from app.clock import WallClock
    from app.services.news import fetch as fetched
    from app.settings import DeskSettings, Environment, load

    environment = Environment()
    watched = tickers or load(DeskSettings, "desk", environment.desk_config).watchlist.get("cboe", ())
    document = run(fetched(environment, WallClock(), tuple(watched), anew=anew))
    if json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.news import show_fetch

    show_fetch(Console(), document)


@app.command()
def show(
    ticker: Annotated[str, typer.Argument(help="Underlying, e.g. AAPL.")],
    at: PastOption = None,
    json: JsonOption = False,
) -> None:
    """The headlines about one ticker that are known at an instant, newest first, with their mood."""
    from app.clock import WallClock
    from app.services.news import shown
    from app.settings import Environment

    document = run(shown(Environment(), WallClock(), ticker, instant(at)))
    if json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.news import show_headlines

    show_headlines(Console(), document)
