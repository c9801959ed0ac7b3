"""The whole pipeline over 50 and 200 simulated names: what is spent outside feeds and analytics, growth, memory.

Feeds and analytics are: gathering the picture, the regime, pricing chains, the analysts' readings, aggregation and
ranking, the rules debate, the risk checks, the structure search and the sizing. They are timed where the graph calls
them, by wrappers that this script puts around them; a moment counts as theirs if any of them is at work in any thread.
All else is overhead: LangGraph, checkpoints, snapshot bytes, the audit chain with its hashes, orders, the database.
"""

import argparse
import asyncio
import functools
import json
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.children import PYTHON, measured

SMALL, LARGE = 50, 200
CONTRACTS = 1_000
ROUNDS = 3
MOST_OUTSIDE, MOST_GROWTH, MOST_BYTES = 0.30, 4.4, 2 * 2**30


class Ledger:
    """Wall time during which any wrapped function is at work, and the processor time that each kind burns."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.processor: dict[str, float] = {}
        self._lock = threading.Lock()
        self._working = 0
        self._since = 0.0
        self._open = threading.local()

    def clear(self) -> None:
        """Forget a warm-up."""
        self.wall, self.processor = 0.0, {}

    @contextmanager
    def at(self, kind: str) -> Iterator[None]:
        """Time a call. Only the outermost of a thread's nested calls counts, under its own kind."""
        if getattr(self._open, "kind", None):
            yield
            return
        self._open.kind = kind
        with self._lock:
            if self._working == 0:
                self._since = time.perf_counter()
            self._working += 1
        burnt = time.thread_time()
        try:
            yield
        finally:
            burnt = time.thread_time() - burnt
            with self._lock:
                self.processor[kind] = self.processor.get(kind, 0.0) + burnt
                self._working -= 1
                if self._working == 0:
                    self.wall += time.perf_counter() - self._since
            self._open.kind = None

    def timed(self, kind: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """`work`, timed; a coroutine function must not wait for anything while it is timed."""
        if asyncio.iscoroutinefunction(work):

            @functools.wraps(work)
            async def awaited(*words: Any, **named: Any) -> Any:
                with self.at(kind):
                    return await work(*words, **named)

            return awaited

        @functools.wraps(work)
        def called(*words: Any, **named: Any) -> Any:
            with self.at(kind):
                return work(*words, **named)

        return called


def instrument(ledger: Ledger) -> None:
    """Put the stop-watches on: by the names under which the graph's nodes call the pure rooms."""
    from agents.debate.rules import RulesEngine
    from feeds.simulated.feed import SimulatedFeed
    from graph.deps import PricedSnapshots
    from graph.nodes import aggregate, allocator, analysts, collect, manage, risk_gate, strategy_selector

    for owner, name, kind in (
        (SimulatedFeed, "gather", "feed"),
        (collect, "read_regime", "regime"),
        (PricedSnapshots, "of", "pricing"),
        (analysts, "analyse", "analysts, pricing included"),
        (aggregate, "aggregate_all", "aggregate and rank"),
        (aggregate, "rank", "aggregate and rank"),
        (RulesEngine, "debate", "debate"),
        (manage, "looked_after", "exits"),
        (risk_gate, "correlations_of", "risk checks"),
        (risk_gate, "view_of", "risk checks"),
        (risk_gate, "decide", "risk checks"),
        (strategy_selector, "propose", "structure search"),
        (allocator, "correlations_of", "sizing and final checks"),
        (allocator, "allocate", "sizing and final checks"),
        (allocator, "allocate_exit", "sizing and final checks"),
    ):
        setattr(owner, name, ledger.timed(kind, getattr(owner, name)))


async def _runs(watchlist: tuple[str, ...]) -> dict[str, Any]:
    """Two runs on consecutive slots: the first warms imports, the new database and the feed's paths."""
    from app.logs import configure
    from app.progress import Timings
    from app.services.runs import execute, new_request
    from app.wiring import configuration, open_desk

    configure("error")
    ledger = Ledger()
    instrument(ledger)
    found: dict[str, Any] = {}
    async with open_desk(configuration(), feed="simulated", debate="rules") as desk:
        for kind in ("cold", "warm"):
            request = await new_request(desk, at=None, watchlist=watchlist)
            ledger.clear()
            begun, burnt = time.perf_counter(), time.process_time()
            finished = await execute(desk, request, timings := Timings())
            found[kind] = {
                "wall": time.perf_counter() - begun,
                "processor": time.process_time() - burnt,
                "inside_wall": ledger.wall,
                "inside_processor": dict(ledger.processor),
                "nodes_ms": timings.durations_ms,
                "signals": len(finished.document["signals"]),
                "debates": len(finished.document["debates"]),
                "orders": len(finished.document["orders"]),
            }
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return found


async def names(count: int, config: Path) -> tuple[str, ...]:
    """The first `count` simulated names that list at least `CONTRACTS` contracts at both instants of a child."""
    from app.settings import load
    from feeds.simulated.feed import SimulatedFeed
    from feeds.simulated.settings import SimulatedSettings
    from feeds.simulated.timeline import first_instant, next_slot

    feed = SimulatedFeed(load(SimulatedSettings, "simulated", config))
    instants: list[datetime] = [first_instant(feed.settings)]
    instants.append(next_slot(instants[0], feed.settings.slots))
    found: list[str] = []
    for ticker in await feed.universe(instants[0]):
        if all([len((await feed.quotes(at, (ticker,)))[ticker]) >= CONTRACTS for at in instants]):
            found.append(ticker)
        if len(found) == count:
            return tuple(found)
    raise SystemExit(f"Only {len(found)} simulated names have {CONTRACTS} contracts.")


def main() -> bool:
    """Print shares, growth and memory; whether all three targets are met."""
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as folder:
        config = Path(folder) / "config"
        config.mkdir()
        (config / "simulated.yaml").write_text("generated: 500\n")
        listed = asyncio.run(names(LARGE, config))
        commands = {
            str(count): [PYTHON, "-m", "benchmarks.pipeline", "--watchlist", ",".join(listed[:count])]
            for count in (SMALL, LARGE)
        }
        taken: dict[str, list[dict[str, Any]]] = {size: [] for size in commands}
        for turn in range(ROUNDS):
            for size, command in commands.items():
                home = {"DESK_HOME": f"{folder}/{size}-{turn}", "DESK_CONFIG": str(config)}
                taken[size].append(json.loads(measured(command, home).output))
    return _report(taken)


def _report(taken: dict[str, list[dict[str, Any]]]) -> bool:
    outside, walls, peaks = {}, {}, {}
    print(f"medians of {ROUNDS} interleaved rounds, each a new process and database; its second run counts")
    for size, children in taken.items():
        warm = [child["warm"] for child in children]
        walls[size] = median(run["wall"] for run in warm)
        outside[size] = median(1 - run["inside_wall"] / run["wall"] for run in warm)
        burnt = median(run["processor"] for run in warm)
        apart = median(1 - sum(run["inside_processor"].values()) / run["processor"] for run in warm)
        peaks[size] = max(child["peak"] for child in children)
        last = warm[-1]
        print(
            f"{size} names: {walls[size]:.1f} s wall, {burnt:.1f} s processor; outside feeds and analytics "
            f"{outside[size]:.1%} of wall, {apart:.1%} of processor; peak {peaks[size] / 2**20:.0f} MiB; "
            f"{last['signals']} signals, {last['debates']} debates, {last['orders']} orders"
        )
        cold = [child["cold"] for child in children]
        print(
            f"    first run of the process, as 'desk run' has it: {median(run['wall'] for run in cold):.1f} s wall, "
            f"{median(1 - run['inside_wall'] / run['wall'] for run in cold):.1%} of it outside"
        )
        for what in ("inside_processor", "nodes_ms"):
            unit = 1e-3 if what == "nodes_ms" else 1.0
            kinds = {name: median(run[what].get(name, 0.0) * unit for run in warm) for name in last[what]}
            text = ", ".join(f"{name} {value:.2f}" for name, value in sorted(kinds.items(), key=lambda kind: -kind[1]))
            print(f"    {'processor s' if unit == 1.0 else 'node wall s'}: {text}")
    small, large = str(SMALL), str(LARGE)
    growth = walls[large] / walls[small]
    print(f"outside at {small} names {outside[small]:.1%} (target < {MOST_OUTSIDE:.0%})")
    print(f"{small} to {large} names: {growth:.2f} times the wall time (target <= {MOST_GROWTH:g})")
    print(f"peak memory at {large} names: {peaks[large] / 2**20:.0f} MiB (target < {MOST_BYTES / 2**20:.0f})")
    return outside[small] < MOST_OUTSIDE and growth <= MOST_GROWTH and peaks[large] < MOST_BYTES


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One child: two runs over a watchlist, figures as JSON on stdout.")
    parser.add_argument("--watchlist", required=True)
    print(json.dumps(asyncio.run(_runs(tuple(parser.parse_args().watchlist.split(","))))))
