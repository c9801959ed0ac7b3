"""The options engine beside its peers: every module of `benchmarks/engine`, one table."""

import importlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version

from benchmarks.engine.rows import Row
from benchmarks.engine.vollib_peer import PINNED, Missing

PARTS = ("european", "american", "slices", "models", "exposure", "legs", "chain")
PACKAGES = ("numba", "llvmlite", "numpy", "scipy", "quantlib")
HEADER = f"{'task':<46} {'ours ns/item':>12} {'peer ns/item':>14} {'ratio':>9} {'target':>7} verdict"


def main() -> bool:
    """Print the table and what it misses; whether every target of every part is met."""
    print("command   python -m benchmarks options")
    print("packages  " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    print("peer      " + ", ".join(pin.replace("==", " ") for pin in PINNED) + ", in its own environment")
    print(f"medians of interleaved rounds in one run\n\n{HEADER}")
    missed: list[str] = []
    for part in PARTS:
        name = f"benchmarks.engine.{part}"
        if importlib.util.find_spec(name) is None:
            print(f"{part}: not there")
            missed.append(f"{part}: not there")
            continue
        try:
            rows: list[Row] = importlib.import_module(name).measure()
        except Missing as error:
            print(f"{part}: not measured. {error}")
            missed.append(f"{part}: not measured")
            continue
        for row in rows:
            print(row.line(), flush=True)
        missed += [f"{row.task}: {row.ratio:.1f}x of {row.target:g}x" for row in rows if not row.met]
    print("\nmissed: " + ("; ".join(missed) or "nothing"))
    return not missed


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
