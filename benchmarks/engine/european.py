"""European price, implied volatility and Greeks beside py_vollib_vectorized; `python -m benchmarks.engine.european`.

Strikes from half to twice the spot, a day to two years, 5 % to 200 %, calls and puts at random: half are in the money,
and about a fifth have no recoverable volatility. The peer's Greeks are five, ours twelve and the price.
"""

import os
import tracemalloc
from collections.abc import Callable

import numpy as np

from benchmarks.engine.rows import Row, interleaved
from benchmarks.engine.vollib_peer import Vollib
from options import black

SIZES = (100_000, 1_000_000)
LARGE = 4_000_000
PEER_ROUNDS = 3  # of the larger size: the peer takes seconds
TARGETS = {"price": (25.0, 45.0), "implied_vol": (20.0, 40.0), "greeks": (60.0, 110.0)}  # by threads, 1 and 2
NAMES = {"price": "price", "implied_vol": "implied vol", "greeks": "12 Greeks + price"}
STEADY = 0.8  # growth is linear if four times the options take no more than 1/0.8 of four times the time


def measure(rounds: int = 7) -> list[Row]:
    """Both sizes beside the peer, then growth from the larger to 4 million. Raises `Missing` without the peer."""
    threads = (1, 2) if (os.cpu_count() or 1) > 1 else (1,)
    found: list[Row] = []
    with Vollib() as peer:
        for count in SIZES:
            arrays = chain(count)
            peer.load(arrays)
            for task, targets in TARGETS.items():
                works: dict[str, Callable[[], object]] = {"peer": lambda task=task: peer.do(task)}
                works |= {str(n): lambda task=task, n=n, arrays=arrays: ours(task, arrays, n) for n in threads}
                spent = interleaved(works, rounds=rounds if count < LARGE // 4 else min(rounds, PEER_ROUNDS))
                note = accuracy(arrays, peer.vols()) if task == "implied_vol" else ""
                for n, target in zip(threads, targets, strict=False):
                    name = f"{NAMES[task]}, {count:,}, {n} thread{'s' * (n > 1)}"
                    found.append(Row(name, count, spent[str(n)], spent["peer"], target, note))
    return found + growth(rounds)


def growth(rounds: int) -> list[Row]:
    """Four times the time of the second size as peer; peak memory in the note."""
    small, large = chain(SIZES[-1]), chain(LARGE)
    found = []
    for task in TARGETS:
        spent = interleaved(
            {"small": lambda task=task: ours(task, small, None), "large": lambda task=task: ours(task, large, None)},
            rounds=rounds,
        )
        times = LARGE / SIZES[-1]
        note = f"growth from {SIZES[-1]:,}; peak memory {peak(task, large):.2f} times the arrays (at most 3)"
        found.append(Row(f"{NAMES[task]}, {LARGE:,}", LARGE, spent["large"], times * spent["small"], STEADY, note))
    return found


def chain(count: int) -> dict[str, np.ndarray]:
    """Random options with their prices; every array of shape `(count,)`."""
    chance = np.random.default_rng(1)
    spot = np.full(count, 100.0)
    found = {
        "spot": spot,
        "strike": spot * np.exp(chance.uniform(np.log(0.5), np.log(2.0), count)),
        "tau": np.exp(chance.uniform(np.log(1 / 365), np.log(2.0), count)),
        "rate": chance.uniform(0.0, 0.06, count),
        "dividend_yield": chance.uniform(0.0, 0.03, count),
        "vol": np.exp(chance.uniform(np.log(0.05), np.log(2.0), count)),
        "is_call": chance.random(count) < 0.5,
    }
    return found | {"price": black.price(**found)}


def ours(task: str, arrays: dict[str, np.ndarray], threads: int | None) -> object:
    left_out = "vol" if task == "implied_vol" else "price"
    terms = {name: array for name, array in arrays.items() if name != left_out}
    return getattr(black, task)(**terms, threads=threads)


def accuracy(arrays: dict[str, np.ndarray], theirs: np.ndarray) -> str:
    """Failures (off by more than 1e-5, or none) where one rounding of the price moves the volatility by under 1e-9."""
    terms = {name: array for name, array in arrays.items() if name != "price"}
    with np.errstate(divide="ignore"):
        well = (np.spacing(arrays["price"]) / black.greeks(**terms).vega < 1e-9) & (arrays["price"] > 1e-290)
    del terms["vol"]
    mine = black.implied_vol(**terms, price=arrays["price"]).vol
    failed = [int((~(np.abs(vols - arrays["vol"]) < 1e-5) & well).sum()) for vols in (mine, theirs)]
    return f"failures ours {failed[0]}, peer {failed[1]} of {int(well.sum()):,} recoverable"


def peak(task: str, arrays: dict[str, np.ndarray]) -> float:
    """Memory at its height over that of the arrays given and returned."""
    kept = sum(array.nbytes for array in arrays.values())
    tracemalloc.start()
    result = ours(task, arrays, None)
    returned, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return (kept + most) / (kept + returned)


if __name__ == "__main__":
    for row in measure():
        print(row.line())
