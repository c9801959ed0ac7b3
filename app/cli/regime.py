"""`desk regime`."""

from datetime import datetime
from typing import Any

from app.cli.options import Feed
from app.cli.outcome import emit, run


def regime_command(*, feed: Feed | None, at: datetime | None, as_json: bool) -> None:
    """The regime, shown or as JSON."""
    document = run(_regime(feed, at))
    if as_json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.regime import show_regime

    show_regime(Console(), document)


async def _regime(feed: Feed | None, at: datetime | None) -> dict[str, Any]:
    from app.logs import configure
    from app.services.regime import market_regime
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, feed=feed, debate="rules") as desk:
        return await market_regime(desk, at)
