"""Observers of a run: timings for the record, and a live list of steps for a person."""

import sys
from types import TracebackType
from typing import Self


class Timings:
    """Collects each node's duration; the debate's branches add up."""

    def __init__(self) -> None:
        self.durations_ms: dict[str, float] = {}
        self.summaries: dict[tuple[str, str], str] = {}

    def started(self, run_id: str, node: str, ticker: str) -> None:
        """Nothing to do yet."""

    def finished(self, run_id: str, node: str, ticker: str, milliseconds: float, summary: str) -> None:
        """Keep the figure."""
        self.durations_ms[node] = round(self.durations_ms.get(node, 0.0) + milliseconds, 3)
        self.summaries[node, ticker] = summary

    def spoke(self, ticker: str, said: str) -> None:
        """A turn of a debate with models; nobody watches."""


class LiveSteps(Timings):
    """Shows each step as it ends, on stderr, if a person is watching."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True)
        self._status = self._console.status("starting") if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def started(self, run_id: str, node: str, ticker: str) -> None:
        """Name the step at work."""
        if self._status:
            self._status.update(f"{node}{'' if ticker == '*' else ' ' + ticker}")

    def finished(self, run_id: str, node: str, ticker: str, milliseconds: float, summary: str) -> None:
        """One line per finished step."""
        super().finished(run_id, node, ticker, milliseconds, summary)
        if self._status:
            where = node if ticker == "*" else f"{node} {ticker}"
            self._console.print(f"[green]✓[/] [bold]{where:<18}[/] [dim]{milliseconds:6.0f} ms[/]  {summary}")

    def spoke(self, ticker: str, said: str) -> None:
        """One line per turn, as it ends: a debate takes longer than all the rest of the run."""
        if self._status:
            self._console.print(f"  [dim]debate[/] [bold]{ticker}[/]  {said}", highlight=False)
