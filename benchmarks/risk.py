"""Gate, value at risk and position rules against their limits and peers: every module of `benchmarks/limits`."""

import importlib

from benchmarks.engine.rows import Row

PARTS = ("var", "gate", "manager")
HEADER = f"{'task':<46} {'ours ns/item':>12} {'peer or limit':>14} {'ratio':>9} {'target':>7} verdict"


def main() -> bool:
    """Print the table; whether every target of every part is met."""
    print(f"medians of interleaved rounds in one run\n\n{HEADER}")
    missed: list[str] = []
    for part in PARTS:
        rows: list[Row] = importlib.import_module(f"benchmarks.limits.{part}").measure()
        for row in rows:
            print(row.line(), flush=True)
        missed += [f"{row.task}: {row.ratio:.1f}x of {row.target:g}x" for row in rows if not row.met]
    print("\nmissed: " + ("; ".join(missed) or "nothing"))
    return not missed
