"""How kernels are compiled, cached and spread over threads.

Numba names a cached kernel by the file it is written in, and does not see that another file it inlines has changed.
The cache therefore lives in a folder named after the text of the files that kernels share (`SHARED`).

Floating-point rules: multiply-adds may be contracted and signed zeros and reciprocals treated freely. Never `reassoc`
(it folds away the rounding trick of `elementary.exp`) and never `nnan` (NaN must stay NaN).
"""

import functools
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config as _config

F = TypeVar("F", bound=Callable[..., Any])

SHARED = ("block", "compiled", "elementary", "svi_interior")
FLOATING = {"contract", "nsz", "arcp"}
config: Any = _config
LEAST_CHUNK = 16_384  # elements below which a second thread costs more than it saves


def cache_folder(here: Path) -> str:
    """Where the kernels of `here` are cached: a folder named after the text of what they share."""
    text = b"".join((here / f"{name}.py").read_bytes() for name in SHARED)
    base = config.CACHE_DIR or str(here / "__pycache__")
    return str(Path(base) / f"kernels-{hashlib.sha256(text).hexdigest()[:12]}")


config.CACHE_DIR = cache_folder(Path(__file__).parent)


def kernel(function: F) -> F:
    """A compiled loop, cached on disk; releases the interpreter lock. Division by zero gives infinity or NaN."""
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=FLOATING)(function)
    return cast("F", compiled)


def inlined(function: F) -> F:
    """A piece of a kernel, copied into every kernel that calls it so that its loop can be vectorised."""
    compiled: Any = numba.njit(inline="always", error_model="numpy", fastmath={"contract"})(function)
    return cast("F", compiled)


def default_threads() -> int:
    """Threads used when a caller does not say: the processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(work: Callable[[int, int], object], count: int, threads: int | None = None) -> None:
    """Call `work(start, stop)` over contiguous pieces of `range(count)`, on up to `threads` threads.

    Each piece writes its own rows, so the result does not depend on the number of threads.
    """
    if count < 2 * LEAST_CHUNK:
        work(0, count)
        return
    wanted = default_threads() if threads is None else threads
    pieces = max(1, min(wanted, count // LEAST_CHUNK))
    edges = [count * piece // pieces for piece in range(pieces + 1)]
    *others, (low, high) = pairwise(edges)
    given = [(_pool().submit(work, *piece), piece) for piece in others]
    work(low, high)
    for future, piece in given:
        if future.cancel():  # not begun: done here, so that calls within calls cannot wait for each other
            work(*piece)
        else:
            future.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(default_threads())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked child has none of its parent's threads
