"""One measured task: ours beside the peer's, medians of interleaved rounds in one run."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """`ours` and `peer` in seconds for the same work of `count` items; `target` the least ratio peer/ours."""

    task: str
    count: int
    ours: float
    peer: float
    target: float
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.peer / self.ours

    @property
    def met(self) -> bool:
        return self.ratio >= self.target

    def line(self) -> str:
        """As printed: nanoseconds an item, the ratio, the target, and whether it is met."""
        ours, peer = self.ours / self.count * 1e9, self.peer / self.count * 1e9
        verdict = "met" if self.met else "MISSED"
        figures = f"{ours:>12,.1f} {peer:>14,.1f} {self.ratio:>8.1f}x {self.target:>6g}x"
        return f"{self.task:<46} {figures} {verdict:<7} {self.note}"


def interleaved(works: Mapping[str, Callable[[], object]], *, rounds: int = 7) -> dict[str, float]:
    """Median seconds of each work: every round calls all of them once, after one warm-up call each."""
    for work in works.values():
        work()
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            spent[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in spent.items()}
