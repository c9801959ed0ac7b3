"""`desk serve`."""

import asyncio
import signal
from typing import TYPE_CHECKING, Any

from app.cli.options import Engine, Feed
from app.cli.outcome import emit, run

if TYPE_CHECKING:
    from app.services.journal import Journal
    from app.services.serve import Opened
    from app.stop import Stop
    from app.wiring import Configuration


def serve_command(*, feed: Feed | None, debate: Engine | None, once: bool, as_json: bool) -> None:
    """Serve until SIGTERM or SIGINT, or only what is due now."""
    document = run(_serve(feed, debate, once=once))
    if as_json:
        emit(document)
        return
    for line in in_words(document):
        print(line)


async def _serve(feed: Feed | None, debate: Engine | None, *, once: bool) -> dict[str, Any]:
    from app.logs import configure
    from app.services.serve import require_schedule
    from app.wiring import configuration, open_desk

    config = configuration()
    told = "desk_log" in config.environment.model_fields_set
    configure(config.environment.desk_log if told else "info")
    account = feed or config.desk.feed
    require_schedule(account)
    return await serving(config, lambda: open_desk(config, feed=account, debate=debate), account, once=once)


async def serving(config: "Configuration", opened: "Opened", account: str, *, once: bool) -> dict[str, Any]:
    """The schedule and its web server until the end is asked for; what was done."""
    from app.services.journal import Journal
    from app.services.serve import serve_once
    from app.stop import Stop

    journal, stop = Journal(), Stop()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.ask)
    try:
        if once:
            await serve_once(opened, journal, stop)
        else:
            await _with_server(config, opened, account, journal, stop)
    finally:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)
    return {"account": account, **journal.document()}


async def _with_server(
    config: "Configuration", opened: "Opened", account: str, journal: "Journal", stop: "Stop"
) -> None:
    import structlog

    from app.server import answering, application, listening
    from app.services.serve import serve

    log = structlog.get_logger("desk.serve")
    with listening(config.desk.health_host, config.desk.health_port) as bound:
        async with answering(application(config, journal, account), bound) as address:
            log.info("serving", account=account, health=f"{address}/health", metrics=f"{address}/metrics")
            await serve(opened, journal, stop)
            log.info("leaving", outcomes=dict(journal.outcomes))


def in_words(document: dict[str, Any]) -> list[str]:
    """What was done, a line each, and what comes next."""
    lines = [
        f"{entry['slot'] or entry['run_id']}: {entry['outcome']}, {entry['detail']}" for entry in document["entries"]
    ]
    if not lines:
        lines = ["No slot was due."]
    if document["next"]:
        lines.append(f"The next slot is {document['next']['name']} New York.")
    return lines
