"""`desk costs`."""

from typing import Any

from app.cli.options import Feed
from app.cli.outcome import emit, run


def costs_command(*, days: int, run_id: str | None, feed: Feed | None, as_json: bool) -> None:
    """What models have cost."""
    document = run(_costs(days, run_id, feed))
    if as_json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.costs import show_costs

    show_costs(Console(), document)


async def _costs(days: int, run_id: str | None, feed: Feed | None) -> dict[str, Any]:
    from app.logs import configure
    from app.services.costs import costs
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, feed=feed) as desk:
        if run_id == "last":
            run_id = await desk.audit.latest_run()
        return await costs(desk, days=days, run_id=run_id)
