"""`desk run`."""

from collections.abc import Sequence
from datetime import datetime

from app.cli.options import Engine, Feed
from app.cli.outcome import emit, program, run


def run_command(
    *,
    feed: Feed | None,
    at: datetime | None,
    watchlist: Sequence[str],
    debate: Engine | None,
    resume: str | None,
    as_json: bool,
) -> None:
    """One run, shown or as JSON."""
    document = run(_run(feed, at, watchlist, debate, resume, quiet=as_json))
    if as_json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.run import show_run

    show_run(Console(), document, desk=program())


async def _run(
    feed: Feed | None,
    at: datetime | None,
    watchlist: Sequence[str],
    debate: Engine | None,
    resume: str | None,
    *,
    quiet: bool,
) -> dict[str, object]:
    from app.logs import configure
    from app.progress import LiveSteps, Timings
    from app.services.runs import execute, new_request, unfinished
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, feed=feed, debate=debate) as desk:
        if resume:
            request = (await unfinished(desk, resume)).request
        else:
            request = await new_request(desk, at=at, watchlist=watchlist)
        if quiet:
            return (await execute(desk, request, Timings())).document
        with LiveSteps() as steps:
            return (await execute(desk, request, steps)).document
