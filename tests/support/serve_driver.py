"""`desk serve` in a process of its own, at an instant of the test's choosing and on a small simulated market.

Usage: serve_driver.py INSTANT [--once] [--slow SECONDS]; DESK_HOME, DESK_CONFIG and DESK_DATABASE_URL as ever. Prints
the command's JSON document. The clock moves on from INSTANT as real time does; `--slow` stretches the first steps.
"""

import argparse
import asyncio
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from app.cli.outcome import emit
from app.cli.serve import serving
from app.clock import WallClock
from app.logs import configure
from app.wiring import configuration, open_desk
from feeds.simulated.feed import SimulatedFeed
from tests.support.kill_driver import QUICK


class ShiftedClock(WallClock):
    """The wall clock as if this process had begun at `at`."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._shift = at - super().now()

    def now(self) -> datetime:
        return super().now() + self._shift


class SlowFeed(SimulatedFeed):
    """Takes its time to gather, so that something can happen to a run at work."""

    seconds = 0.0

    async def gather(self, as_of, tickers):
        await asyncio.sleep(self.seconds)
        return await super().gather(as_of, tickers)


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("at", type=datetime.fromisoformat)
    words.add_argument("--once", action="store_true")
    words.add_argument("--slow", type=float, default=0.0)
    asked = words.parse_args()
    config, clock, feed = configuration(), ShiftedClock(asked.at), SlowFeed(QUICK)
    feed.seconds = asked.slow
    configure("info")

    @asynccontextmanager
    async def opened():
        async with open_desk(config, feed="simulated", debate="rules") as desk:
            yield replace(desk, feed=feed, clock=clock)

    begun = time.monotonic()
    emit(asyncio.run(serving(config, opened, "simulated", once=asked.once)))
    print(f"served for {time.monotonic() - begun:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
