"""How a long command is asked to end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langgraph.runtime import RunControl

Sleep = Callable[[float], Awaitable[None]]


class Stop:
    """A request to end, e.g. from a signal: the step at work is finished and stored, then the loop leaves."""

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._asked = asyncio.Event()
        self._sleep = sleep
        self._control: RunControl | None = None

    @property
    def asked(self) -> bool:
        """Whether the end was asked for."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask for the end."""
        self._asked.set()
        if self._control is not None:
            self._control.request_drain()

    def control(self) -> "RunControl":
        """The control of the next run; a drained one cannot be used again."""
        from langgraph.runtime import RunControl

        self._control = RunControl()
        if self.asked:
            self._control.request_drain()
        return self._control

    async def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the request."""
        waits = [asyncio.ensure_future(self._asked.wait()), asyncio.ensure_future(self._sleep(seconds))]
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
