"""Options of one book repriced in many moved markets, a block of scenarios at a time. `options.moves` says what the
numbers mean.

What all contracts of one expiry share in a scenario – forward, discount, the growth of variance – is worked out once;
a contract then costs one smile, one exponential and two Mills ratios. The workspace is that of `options.kernels.block`:
U holds the moved spot, R the log of the forward's growth, T the growth λ of variance and Q 1/√λ.
"""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.kernels.block import BLOCK, LANES, M1, M2, PRICE, ROW, ROWS, A, D, F, Q, R, S, T, U, W, X, exps
from options.kernels.compiled import kernel
from options.kernels.elementary import INV_SQRT_2PI, exp, mills

DAYS_PER_YEAR = 365.0
LEAST_GROWTH = 1e-200  # of variance, in place of nothing
FAR = 1e8  # deviations are held here, where every density has long vanished
SPOT, FORWARD, TAU, CARRY, LOG_DISCOUNT, TENOR = range(6)  # rows of `expiries`
STRIKE, SIGN, VARIANCE, AMERICAN, SIZE = range(5)  # rows of `contracts`


@kernel
def stage_expiry(
    spot: Floats, log_spot: Floats, rise: Floats, log_fall: Floats, rate: Floats, days: Floats, expiry: Floats, n: int,
    work: Floats,
) -> None:  # fmt: skip
    """What the contracts of one expiry share in the first `n` scenarios given, each array `(n,)` or longer."""
    tau, carry, log_discount, tenor = expiry[TAU], expiry[CARRY], expiry[LOG_DISCOUNT], expiry[TENOR]
    for i in range(n):
        left = max(tau - days[i] / DAYS_PER_YEAR, 0.0)
        grown = carry * (left - tau) + rate[i] * left
        work[R + i] = log_spot[i] + grown
        work[F + i] = expiry[FORWARD] * (1.0 + spot[i]) * exp(grown)
        work[U + i] = expiry[SPOT] * (1.0 + spot[i])
        work[D + i] = exp((log_discount - rate[i]) * left)
        louder = 1.0 + tenor * rise[i]
        work[T + i] = max(left / tau * louder * louder * exp(2.0 * tenor * log_fall[i]), LEAST_GROWTH)
        work[Q + i] = 1.0 / math.sqrt(work[T + i])


@kernel
def smile_variance(numbers: Floats, log_moneyness: float, scale: float, n: int, work: Floats) -> None:
    """X, log-moneyness in the moved market, and S, the total deviation there: √(λ·w(X/√λ)·scale)."""
    a, b, c, m, sigma = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    for i in range(n):
        x = log_moneyness - work[R + i]
        y = x * work[Q + i] - m
        work[X + i] = x
        work[S + i] = a + c * y + b * math.sqrt(y * y + sigma * sigma)
    for first in range(5, len(numbers), 4):
        b, c, m, sigma = numbers[first], numbers[first + 1], numbers[first + 2], numbers[first + 3]
        if b != 0.0 or c != 0.0:
            for i in range(n):
                y = work[X + i] * work[Q + i] - m
                work[S + i] += c * y + b * math.sqrt(y * y + sigma * sigma)
    for i in range(n):
        work[S + i] = math.sqrt(max(work[S + i], 0.0) * scale * work[T + i])


@kernel
def option_values(contract: Floats, n: int, work: Floats) -> None:
    """PRICE, USD per share, from X, S, F, D and U.

    With d₁ = s/2 − x/s and d₂ = d₁ − s, F·φ(d₁) = K·φ(d₂), so that one exponential and two Mills ratios give both
    tails. Their difference rounds to 1e-16 of the forward: enough for changes in value, if not for the last digits of
    an option that is worth nothing, which `options.kernels.black` keeps.
    """
    strike, sign, american = contract[STRIKE], contract[SIGN], contract[AMERICAN]
    for i in range(n):
        x, s = work[X + i], work[S + i]
        far = -FAR if x > 0.0 else (FAR if x < 0.0 else 0.0)
        d = max(min(-x / s, FAR), -FAR) if s > 0.0 else far
        work[A + i] = d + 0.5 * s
        work[S + i] = d - 0.5 * s
        work[M1 + i] = abs(work[A + i])
        work[M2 + i] = abs(work[S + i])
        work[W + i] = -0.5 * work[A + i] * work[A + i]
    exps(n, work, W)
    for i in range(n):
        work[M1 + i] = mills(work[M1 + i])
    for i in range(n):
        work[M2 + i] = mills(work[M2 + i])
    for i in range(n):
        f, w = work[F + i], work[F + i] * INV_SQRT_2PI * work[W + i]
        near, far = w * work[M1 + i], w * work[M2 + i]
        received = f - near if sign * work[A + i] > 0.0 else near
        paid = strike - far if sign * work[S + i] > 0.0 else far
        work[PRICE + i] = work[D + i] * max(sign * (received - paid), 0.0)
    if american > 0.0:
        for i in range(n):
            work[PRICE + i] = max(work[PRICE + i], sign * (work[U + i] - strike))


@kernel
def reprice(
    spot: Floats, log_spot: Floats, rise: Floats, log_fall: Floats, rate: Floats, days: Floats, expiries: Floats,
    underlying: NDArray[np.int64], offsets: NDArray[np.int64], contracts: Floats, smiles: Floats, now: Floats,
    first: int, last: int, total: Floats, each: Floats,
) -> None:  # fmt: skip
    """Adds size·(value − now) of every contract to `total` `(scenarios,)` and, unless it has no rows, writes it to
    `each` `(contracts, scenarios)`; blocks `first` ≤ block < `last`.

    `spot`, `log_spot`, `rise`, `log_fall` are `(underlyings, scenarios)`, `rate` and `days` `(scenarios,)`, a multiple
    of `LANES`; `rise` is the relative change of volatility where it rises, `log_fall` the logarithm of its factor where
    it falls, each 0 elsewhere. `expiries` is `(expiries, 6)`, `underlying` says whose each is, and its contracts are
    rows offsets[e]:offsets[e + 1] of `contracts` `(contracts, 5)`, `smiles` `(contracts, numbers)` and `now`.
    """
    work = np.empty(ROWS * ROW)
    for block in range(first, last):
        start = block * BLOCK
        n = min(BLOCK, len(rate) - start) // LANES * LANES
        stop = start + n
        for e in range(len(underlying)):
            u, expiry = underlying[e], expiries[e]
            stage_expiry(
                spot[u, start:stop], log_spot[u, start:stop], rise[u, start:stop], log_fall[u, start:stop],
                rate[start:stop], days[start:stop], expiry, n, work,
            )  # fmt: skip
            for row in range(offsets[e], offsets[e + 1]):
                contract, base = contracts[row], now[row]
                k = math.log(contract[STRIKE] / expiry[FORWARD])
                smile_variance(smiles[row], k, contract[VARIANCE], n, work)
                option_values(contract, n, work)
                size, here = contract[SIZE], total[start:stop]
                for i in range(n):
                    here[i] += size * (work[PRICE + i] - base)
                if each.shape[0]:
                    own = each[row, start:stop]
                    for i in range(n):
                        own[i] = size * (work[PRICE + i] - base)
