"""`desk stress`."""

from datetime import datetime
from pathlib import Path
from typing import Any

from app.cli.chain import writable
from app.cli.options import Feed
from app.cli.outcome import emit, program, run


def stress_command(
    *, order: str | None, scenario: str | None, feed: Feed | None, at: datetime | None, plot: Path | None, as_json: bool
) -> None:
    """The book under stress, shown or as JSON; a picture beside it."""
    if plot is not None:
        writable(plot)
    document = run(_stress(order, scenario, feed, at))
    if plot is not None and document["structures"]:
        from app.screens.stress_plot import save_picture

        save_picture(document, plot)
        document["plot"] = str(plot)
    elif plot is not None:
        document["plot"] = None
    if as_json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.stress import show_stress

    show_stress(Console(), document, desk=program())


async def _stress(order: str | None, scenario: str | None, feed: Feed | None, at: datetime | None) -> dict[str, Any]:
    from app.logs import configure
    from app.services.review import desk_of
    from app.services.stress import stress
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, feed=feed, debate="rules") as desk:
        account = desk if order is None else await desk_of(desk, order)
        return await stress(account, order_id=order, scenario=scenario, at=at)
