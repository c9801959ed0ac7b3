"""Gamma profile over 60 levels and its zero, 8,000 options: compiled beside NumPy.

Both re-evaluate every gamma at every level and refine the root nearest to spot from the same bracket, NumPy's side with
SciPy's Brent. Alone: `python -m benchmarks.engine.exposure`.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.engine.rows import Row, interleaved
from options.holdings import GammaCurve, Holdings, greeks_usd

OPTIONS, LEVELS, SPOT = 8_000, 60, 5_000.0


def measure(rounds: int = 7) -> list[Row]:
    book, spots = made_book(OPTIONS), SPOT * np.linspace(0.8, 1.2, LEVELS)
    spent = interleaved(
        {
            "numpy": lambda: in_numpy(book, spots),
            "one": lambda: compiled(book, spots, 1),
            "all": lambda: compiled(book, spots),
            "numpy 3": lambda: numpy_greeks(book, spots),
            "one 3": lambda: greeks_usd(book, spots, threads=1),
        },
        rounds=rounds,
    )
    ours, peer = compiled(book, spots), in_numpy(book, spots)
    note = f"roots differ by {abs(ours - peer):.1e} points"
    cells = OPTIONS * LEVELS
    return [
        Row("GEX profile + root, 8,000 × 60, 1 thread", cells, spent["one"], spent["numpy"], 10, note),
        Row("GEX profile + root, 8,000 × 60", cells, spent["all"], spent["numpy"], 10, note),
        Row("gamma, vanna, charm profile, 1 thread", cells, spent["one 3"], spent["numpy 3"], 10),
    ]


def made_book(count: int) -> Holdings:
    """Open interest heaviest near the money, calls above and puts below, twenty expiries from a day to a year."""
    chance = np.random.default_rng(20190620)
    tau = np.geomspace(1 / 365, 1.0, 20)[np.arange(count) % 20]
    is_call = chance.random(count) < 0.5
    k = np.where(is_call, 0.04, -0.05) + 0.12 * chance.standard_normal(count)
    k = k[np.lexsort((k, tau))]  # as a quote table comes: by expiry, then by strike
    tau = np.sort(tau)
    size = np.round(2_000 * chance.exponential(size=count) * np.exp(-20 * k**2))
    return Holdings(
        spot=SPOT,
        k=k,
        tau=tau,
        forward=SPOT * np.exp(0.02 * tau),
        discount=np.exp(-0.04 * tau),
        vol=0.16 - 0.25 * k + 0.5 * k**2,
        is_call=is_call,
        shares=np.where(is_call, 100.0, -100.0) * size,
    )


def compiled(book: Holdings, spots: np.ndarray, threads: int | None = None) -> float:
    curve = GammaCurve(book, threads=threads)
    low, high, rises = nearest_change(spots, curve(spots))
    return curve.root(low, high, rises=rises, error=1e-4)


def in_numpy(book: Holdings, spots: np.ndarray) -> float:
    from scipy.optimize import brentq

    total = numpy_gamma(book)
    low, high, _ = nearest_change(spots, total(spots))
    root: float = brentq(lambda level: total(np.array([level]))[0], low, high, xtol=1e-4)
    return root


def nearest_change(spots: np.ndarray, profile: np.ndarray) -> tuple[float, float, bool]:
    """The two levels between which the profile changes sign nearest to spot, and whether it rises there."""
    changes = np.flatnonzero(np.sign(profile[:-1]) != np.sign(profile[1:]))
    left = changes[np.argmin(np.abs(spots[changes] - SPOT))]
    return spots[left], spots[left + 1], bool(profile[left] < 0)


def numpy_gamma(book: Holdings) -> Callable[[np.ndarray], np.ndarray]:
    """The same sum as array expressions; what does not move with spot is worked out once."""
    s = book.vol * np.sqrt(book.tau)
    d1 = -book.k / s + 0.5 * s
    weight = book.shares * book.carried * 0.01 / (s * np.sqrt(2 * np.pi))

    def total(at: np.ndarray) -> np.ndarray:
        moved = d1 + np.log(at / book.spot)[:, None] / s
        return at * (np.exp(-0.5 * moved * moved) @ weight)

    return total


def numpy_greeks(book: Holdings, at: np.ndarray) -> np.ndarray:
    """Gamma, vanna and charm as array expressions, shape (3, m)."""
    from scipy.special import ndtr

    s = book.vol * np.sqrt(book.tau)
    held, side = book.shares * book.carried / np.sqrt(2 * np.pi), np.where(book.is_call, 1.0, -1.0)
    carry, yielded = np.log(book.forward / book.spot) / (book.tau * s), -np.log(book.carried) / book.tau
    moved = -book.k / s + 0.5 * s + np.log(at / book.spot)[:, None] / s
    bell, d2 = np.exp(-0.5 * moved * moved), moved - s
    charm = (bell * (0.5 * d2 / book.tau - carry)) @ held
    charm += ndtr(side * moved) @ (side * yielded * book.shares * book.carried)
    return at * np.array([bell @ (held * 0.01 / s), -(bell * d2) @ (held * 0.01 / book.vol), charm / 365])


if __name__ == "__main__":
    for row in measure():
        print(row.line())
