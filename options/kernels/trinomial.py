"""American options on a trinomial lattice: cash dividends, and exercise regions with two boundaries.

The escrowed spot S̃ (spot less the value of the dividends to come) follows a geometric Brownian motion; exercise is
against S̃ plus what is still to be paid. The lattice lives in y = ln(S̃/its forward), so that the only drift is −½v².
Each step matches mean and variance exactly and, between dividends, very nearly the fourth moment. The last step is the
European formula: the payoff's kink never enters. An ex-date is always an instant of the lattice.
"""

import numpy as np

from domain.units import Floats
from options.kernels.compiled import inlined, kernel
from options.kernels.elementary import INV_SQRT_2PI, exp, mills

REACH = 6.5  # half-width of the lattice in standard deviations
NEIGHBOURS = 2  # nodes on either side of today's that are handed back


@inlined
def _undiscounted(forward: float, strike: float, s: float, side: float) -> float:
    """European option on the forward with deviation s > 0; `side` is 1 for a call, −1 for a put."""
    d1 = np.log(forward / strike) / s + 0.5 * s
    d2 = d1 - s
    low1 = INV_SQRT_2PI * exp(-0.5 * d1 * d1) * mills(abs(d1))
    low2 = INV_SQRT_2PI * exp(-0.5 * d2 * d2) * mills(abs(d2))
    n1 = low1 if side * d1 < 0.0 else 1.0 - low1
    n2 = low2 if side * d2 < 0.0 else 1.0 - low2
    return side * (forward * n1 - strike * n2)


@kernel
def _exercise(held: Floats, growth: Floats, forward: float, less: float, side: float, gain: Floats) -> None:
    """Raise `held` to the exercise value side·(forward·growth − less) where that is more; `gain` is overwritten.

    The node next to the crossing gets the mean over its cell: results do not depend on where between two nodes it lies.
    """
    last = len(held) - 1
    for j in range(last + 1):
        gain[j] = side * (forward * growth[j] - less) - held[j]
    for j in range(1, last):
        width = max(0.5 * abs(gain[j + 1] - gain[j - 1]), 1e-300)
        inside = abs(gain[j]) < 0.5 * width
        mean = (gain[j] + 0.5 * width) * (gain[j] + 0.5 * width) / (2.0 * width)
        held[j] += mean if inside else max(gain[j], 0.0)
    held[0] += max(gain[0], 0.0)
    held[last] += max(gain[last], 0.0)


@kernel
def lattices(terms: Floats, times: Floats, amounts: Floats, steps: int, out: Floats) -> None:
    """Values at today's node and two neighbours on either side, then the spacing in ln S̃: `out`, shape `(6, count)`.

    `terms`, shape `(8, count)`: S̃, strike, rate, yield, vol, expiry (all valid, vol and expiry > 0), 1 for a call or
    −1, and the vol that sets the spacing: held fixed where values at several vols are compared, so that nodes stay put.
    `times` ascending, in years from now, all > 0; those at or after an option's expiry do not concern it.
    """
    half = int(np.ceil(REACH * np.sqrt(steps / 3.0)))
    for i in range(terms.shape[1]):
        spot, strike, r, q, v, t, side, spacing = terms[:, i]
        s = spacing * np.sqrt(t)
        dy = s * np.sqrt(3.0 / steps)
        reach = min(half + int(np.ceil(0.5 * s * s / dy)), steps + NEIGHBOURS)
        size = 2 * reach + 1
        growth = np.empty(size)
        for j in range(size):
            growth[j] = np.exp((j - reach) * dy)
        held, ahead = np.empty(size), np.empty(size)
        concerned = 0
        while concerned < len(times) and times[concerned] < t:
            concerned += 1
        later = t
        owed = 0.0  # value at `later` of dividends after it
        fresh = True
        for event in range(concerned, -1, -1):
            sooner = times[event - 1] if event > 0 else 0.0
            count = max(int(np.ceil(steps * (later - sooner) / t - 1e-9)), 1)
            dt = (later - sooner) / count
            variance = v * v * dt
            spread = (variance + 0.25 * variance * variance) / (dy * dy)
            discount = np.exp(-r * dt)
            up = discount * spread / (1.0 + np.exp(dy))
            down = up * np.exp(dy)
            stay = discount - up - down
            for step in range(count - 1, -1, -1):
                now = sooner + step * dt
                forward = spot * np.exp((r - q) * now)
                if fresh:
                    carried = forward * np.exp((r - q) * dt)
                    for j in range(size):
                        held[j] = discount * _undiscounted(carried * growth[j], strike, np.sqrt(variance), side)
                    fresh = False
                else:
                    held, ahead = ahead, held
                    for j in range(1, size - 1):
                        held[j] = down * ahead[j - 1] + stay * ahead[j] + up * ahead[j + 1]
                    far = np.exp(-r * (t - now))
                    grown = spot * np.exp((r - q) * t)
                    held[0] = far * max(side * (grown * growth[0] - strike), 0.0)
                    held[size - 1] = far * max(side * (grown * growth[size - 1] - strike), 0.0)
                _exercise(held, growth, forward, strike - owed * np.exp((q - r) * (later - now)), side, ahead)
            owed *= np.exp((q - r) * (later - sooner))
            if event > 0:  # the last chance before it goes ex
                owed += amounts[event - 1]
                _exercise(held, growth, spot * np.exp((r - q) * sooner), strike - owed, side, ahead)
            later = sooner
        for j in range(2 * NEIGHBOURS + 1):
            out[j, i] = held[reach - NEIGHBOURS + j]
        out[5, i] = dy
