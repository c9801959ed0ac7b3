"""`desk chain`."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.options import Feed
from app.cli.outcome import emit, run
from domain.errors import UsageError

if TYPE_CHECKING:
    from app.services.chain import ChainView

FORMATS = (".png", ".svg", ".pdf")


def chain_command(
    ticker: str, *, feed: Feed | None, at: datetime | None, expiry: date | None, plot: Path | None, as_json: bool
) -> None:
    """The chain, shown or as JSON; its pictures beside it."""
    if plot is not None:
        writable(plot)
    view = run(_view(ticker.strip().upper(), feed, at))
    from app.services.chain import chain_document, chosen_slice

    document = chain_document(view, expiry)
    if plot is not None:
        from app.screens.plots import save_pictures

        save_pictures(view, chosen_slice(view.priced, expiry), plot)
        document["plot"] = str(plot)
    if as_json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.chain import show_chain

    show_chain(Console(), document)


async def _view(ticker: str, feed: Feed | None, at: datetime | None) -> "ChainView":
    from app.logs import configure
    from app.services.chain import chain_view
    from app.wiring import configuration

    config = configuration()
    configure(config.environment.desk_log)
    return await chain_view(config, ticker, feed=feed, at=at)


def writable(plot: Path) -> None:
    """Raises `UsageError` unless a picture can be written there."""
    if plot.suffix.lower() not in FORMATS:
        raise UsageError(f"A picture is written as {', '.join(FORMATS)}, not {plot.suffix or plot.name}.")
    if not plot.parent.is_dir():
        raise UsageError(f"There is no folder {plot.parent} for {plot.name}.", remedy="Make it first.")
