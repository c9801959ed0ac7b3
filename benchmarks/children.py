"""Child processes measured from outside: wall time, processor time, peak memory; kinds in interleaved rounds."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
DESK = str(Path(PYTHON).parent / "desk")


class Usage(NamedTuple):
    """What one child took. `cpu` counts its own threads and the children it waited for, not a database server."""

    wall: float  # seconds
    cpu: float  # seconds
    peak: int  # bytes resident at most
    output: str


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run `command` at the repository's root; a child that fails ends the benchmark, with what it said."""
    with tempfile.TemporaryFile("w+") as said:
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdout=said, cwd=ROOT, env={**os.environ, **(environment or {})})
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}\n{output[-2000:]}")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, output)


def interleaved(
    commands: Mapping[str, Sequence[str]], rounds: int, environment: Mapping[str, str] | None = None
) -> dict[str, list[Usage]]:
    """Each command once a round, so that a busy minute of the machine falls on all of them alike."""
    taken: dict[str, list[Usage]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(measured(command, environment))
    return taken


def middle(taken: Sequence[Usage]) -> tuple[float, float]:
    """Median wall and processor seconds."""
    return median(usage.wall for usage in taken), median(usage.cpu for usage in taken)
