"""A serving desk in the test's own process: a clock to turn by hand, and runs that end as a script says."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import app.services.serve as module
from app.clock import WallClock
from app.services.journal import Journal
from app.services.runs import Finished
from app.stop import Stop
from app.wiring import Desk

FRIDAY = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)  # 09:30 New York, five minutes before the first slot
MINUTE = timedelta(minutes=1)


class HandClock(WallClock):
    """Moves when told; `jumped` is what a time server did to it."""

    def __init__(self, at=FRIDAY):
        super().__init__()
        self.at, self.jumped = at, 0.0

    def now(self):
        return self.at

    def jump_seconds(self):
        return self.jumped


def document(run_id):
    return {
        "run_id": run_id,
        "signals": [{"source": "flow"}, {"source": "flow"}, {"source": "social"}],
        "abstentions": [{"source": "technical", "code": "timeout"}, {"source": "social", "code": "no_history"}],
        "debates": [{"fell_back": None}, {"fell_back": "breaker_open"}],
        "orders": [{}],
        "durations_ms": {"collect": 12.0, "debate": 2500.0},
    }


@dataclass
class ScriptedRuns:
    """Stands for `execute`: takes lock and slot for real, then raises what `faults` hold, first one a call."""

    faults: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    held: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, desk, request, timings, control=None):
        async with desk.runs.run_lock(request.run_id):
            await desk.runs.begin(request)
            self.asked.append(request.run_id)
            self.begun.set()
            if self.held is not None:
                await self.held.wait()
            if self.faults and (fault := self.faults.pop(0)) is not None:
                raise fault
            await desk.runs.finish(request.run_id, state="sealed", head_hash="0" * 64, detail="")
        return Finished(document=document(request.run_id), request=request)


class Service:
    """A serving desk, its clock, its journal, and the pauses that it made."""

    def __init__(self, desk: Desk, monkeypatch, *faults, clock=None):
        self.clock = clock or HandClock()
        self.desk = replace(desk, clock=self.clock)
        self.runs = ScriptedRuns(list(faults))
        monkeypatch.setattr(module, "execute", self.runs)
        self.journal, self.pauses, self.opened_times = Journal(), [], 0
        self.steps = []  # what happens during each pause; the last one ends the service
        self.stop = Stop(self._pause)

    @asynccontextmanager
    async def opened(self):
        self.opened_times += 1
        yield self.desk

    async def _pause(self, seconds):
        self.pauses.append(seconds)
        if self.steps:
            happening = self.steps.pop(0)()
            if asyncio.iscoroutine(happening):
                await happening
        else:
            self.stop.ask()

    def at(self, *instants):
        """Turn the clock to each instant in turn, one a pause."""
        for each in instants:
            self.steps.append(lambda each=each: setattr(self.clock, "at", each))
        return self

    async def serve(self):
        async with asyncio.timeout(120):
            await module.serve(self.opened, self.journal, self.stop)

    @property
    def outcomes(self):
        return [(entry.outcome, (entry.slot or "").removeprefix("simulated ")) for entry in self.journal.entries]
