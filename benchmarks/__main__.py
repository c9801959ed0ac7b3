"""`python -m benchmarks [NAME ...]`: all of them, or those named. Exit 1 if a target is missed."""

import sys
import time
from collections.abc import Callable

from benchmarks import (
    audit,
    gex,
    machine,
    memory,
    options,
    pipeline,
    risk,
    social,
    startup,
    vix,
    warm_run,
)

BENCHMARKS: dict[str, Callable[[], bool]] = {
    "startup": startup.main,
    "audit": audit.main,
    "warm_run": warm_run.main,
    "pipeline": pipeline.main,
    "gex": gex.main,
    "vix": vix.main,
    "options": options.main,
    "memory": memory.main,
    "social": social.main,
    "risk": risk.main,
}


def main(names: list[str]) -> int:
    """Run and print; figures worth keeping go to RESULTS.md by hand."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print(machine.describe())
    met = True
    for name in names or BENCHMARKS:
        begun = time.perf_counter()
        print(f"\n## {name}")
        passed = BENCHMARKS[name]()
        met = met and passed
        print(f"{'target met' if passed else 'TARGET MISSED'} ({time.perf_counter() - begun:.0f} s)")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
