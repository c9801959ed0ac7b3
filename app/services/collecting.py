"""What a serving desk collects beside its runs: the crowd by the schedule of social_feeds.yaml, headlines by news.yaml.

Each has a round of its own, and within a round each source fails alone. A round never holds up a run, and whatever
happens to it ends no more than itself: the next one comes on schedule. A feed of news shows its last items only, so
what nobody asked for between two runs would be lost.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from app.crowd import crowd_of
from app.documents import plain
from app.newsroom import news_settings, news_wire
from app.services.journal import Delivery
from app.services.social import visit
from app.stop import Stop
from domain.errors import DeskError
from feeds.news.join import notes_of

if TYPE_CHECKING:
    from app.services.journal import Journal
    from app.wiring import Desk

log = structlog.get_logger("desk.collecting")

LIVE = frozenset({"cboe"})  # feeds whose runs read what is collected
PATIENCE_S = 1.0  # for a cancelled round to end, before it is cancelled again
Round = Callable[[], Awaitable[None]]


@asynccontextmanager
async def collecting(desk: "Desk", journal: "Journal", stop: Stop) -> AsyncIterator[None]:
    """Collect on schedule while the block runs, for feeds whose runs read it and where a source is configured."""
    async with AsyncExitStack() as closing:
        rounds = _rounds(desk, journal, closing) if desk.account in LIVE else {}
        tasks = [
            asyncio.create_task(_repeat(name, work, minutes, journal, stop), name=f"collecting {name}")
            for name, (work, minutes) in rounds.items()
        ]
        try:
            yield
        finally:
            await _ended(tasks)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended. Once is not enough: an error raised in the place of the cancellation (psycopg's
    executemany does so while it enters its pipeline) is to a round a fault like any other, and it would go on.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=PATIENCE_S)


def _rounds(desk: "Desk", journal: "Journal", closing: AsyncExitStack) -> dict[str, tuple[Round, float]]:
    """What is to be done, and every how many minutes; nothing for what has no source."""
    environment, found = desk.configuration.environment, dict[str, tuple[Round, float]]()
    crowd = crowd_of(environment, desk.engine, desk.clock, closing)
    wire = news_wire(environment, desk.clock, closing)

    async def hear() -> None:
        journal.visit = await visit(crowd, desk.clock, desk.configuration.graph.signals.social)
        for harvest in journal.visit.harvests:
            log.info("visited", source=harvest.source, items=harvest.items, changed=harvest.changed)
        for note in journal.visit.troubles:
            log.warning("visit", code=note.code, subject=note.subject, detail=note.detail)

    async def read() -> None:
        now = desk.clock.now()
        watched = desk.configuration.desk.watchlist.get(desk.account, ())
        wanted = sorted({*watched, *await desk.state.exposed_tickers(now)})
        journal.delivery = Delivery(at=now, reports=await wire.refresh(wanted))
        for report in journal.delivery.reports:
            log.info("asked for headlines", source=report.provider, state=report.state, new=report.new)
            for note in notes_of(report):
                log.warning("headlines", **plain(note))

    if crowd.sources:
        found["social"] = hear, crowd.settings.every_minutes
    if wire.providers:
        found["news"] = read, news_settings(environment).every_minutes
    return found


async def _repeat(name: str, work: Round, minutes: float, journal: "Journal", stop: Stop) -> None:
    while not stop.asked:
        why: str | None = None
        try:
            await work()
        except DeskError as error:
            why = str(error)
            log.error("collecting failed", what=name, error=why)
        except Exception as error:  # a fault of ours in one round must not end all that would follow it
            why = f"{type(error).__name__}: {error}"
            log.exception("collecting failed", what=name)
        others = {other: said for other, said in journal.collecting_trouble.items() if other != name}
        journal.collecting_trouble = others | ({name: why} if why else {})
        await asyncio.sleep(60 * minutes)
