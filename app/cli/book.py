"""`desk book`."""

from datetime import datetime
from typing import Any

from app.cli.options import Feed
from app.cli.outcome import emit, run


def book_command(*, feed: Feed | None, at: datetime | None, as_json: bool) -> None:
    """The account, shown or as JSON."""
    document = run(_book(feed, at))
    if as_json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.book import show_book
    from app.screens.book_risk import show_book_risk

    console = Console()
    show_book(console, document)
    if document["risk"] is not None:
        show_book_risk(console, document["risk"])


async def _book(feed: Feed | None, at: datetime | None) -> dict[str, Any]:
    from app.logs import configure
    from app.services.book import account_book
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, feed=feed, debate="rules") as desk:
        return await account_book(desk, at)
