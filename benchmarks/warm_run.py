"""How long a warm `desk run` takes, from the shell's prompt back to it, and which nodes take it.

Once with the server that the run itself starts and stops, as `make run` does, and once with one kept by
`desk db start`. Every run takes the simulated calendar's next slot, so none finds its answer in the store.
"""

import json
import tempfile
from statistics import median

from benchmarks.children import DESK, interleaved, measured, middle

ROUNDS = 5
LIMIT = 15.0  # seconds


def main() -> bool:
    """Print the figures; whether the target is met."""
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as folder:
        own, kept = (["env", f"DESK_HOME={folder}/{name}", DESK] for name in ("own", "kept"))
        measured([*kept, "db", "start"])
        try:
            commands = {"starts its own server": [*own, "run", "--json"], "server kept": [*kept, "run", "--json"]}
            taken = {name: usages[1:] for name, usages in interleaved(commands, ROUNDS + 1).items()}
        finally:
            measured([*kept, "db", "stop"])
    for name, usages in taken.items():
        wall, cpu = middle(usages)
        peak = max(usage.peak for usage in usages)
        print(
            f"desk run, {name}: {wall:.1f} s wall (best {min(usage.wall for usage in usages):.1f}), "
            f"{cpu:.1f} s processor, peak {peak / 2**20:.0f} MiB"
        )
        runs = [json.loads(usage.output)["durations_ms"] for usage in usages]
        nodes = {node: median(run.get(node, 0.0) for run in runs) for node in runs[-1]}
        print("    node ms: " + ", ".join(f"{node} {took:.0f}" for node, took in nodes.items()))
    print(f"target < {LIMIT:g} s; medians of {ROUNDS} interleaved rounds after a first run; analysts work in parallel")
    return all(middle(usages)[0] < LIMIT for usages in taken.values())


if __name__ == "__main__":
    main()
