"""Counter-based randomness: every draw is a function of its key, so any instant can be computed on its own."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats

_DRAWS_PER_COUNTER = 4  # Philox yields four 64-bit words for each step of its counter


def key(*parts: object) -> int:
    """128-bit key of a named stream, e.g. `key(seed, "SPY", "returns")`."""
    text = "|".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")


def stream(*parts: object) -> np.random.Generator:
    """Generator of the stream named by `parts`: the same parts, the same numbers, whatever was drawn elsewhere."""
    return np.random.Generator(np.random.Philox(key=key(*parts)))


def block(index: int, size: int, *parts: object) -> Floats:
    """The `index`-th block of `size` uniforms of a stream, shape `(size,)`, without drawing those before it."""
    if size % _DRAWS_PER_COUNTER:
        raise ValueError(f"blocks hold a multiple of {_DRAWS_PER_COUNTER} draws, not {size}")
    bits = np.random.Philox(key=key(*parts))
    bits.advance(index * (size // _DRAWS_PER_COUNTER))
    return np.random.Generator(bits).random(size)


def uniforms(ids: NDArray[np.uint64], *parts: object) -> Floats:
    """One uniform in (0, 1) per id, shape as `ids`: SplitMix64 finaliser (Steele, Lea & Flood 2014)."""
    salt = key(*parts) % 2**64
    with np.errstate(over="ignore"):
        z = (ids ^ np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return np.asarray(((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53, dtype=np.float64)
