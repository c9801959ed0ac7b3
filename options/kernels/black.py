"""Prices and Greeks of European options, block by block. `options.black` says what the numbers mean.

With x = ln(k/f), s = σ√τ, a = |x|/s, t = s/2 and W = √(fk)·exp(−(a² + t²)/2)/√2π, which is both f·φ(d₁) and k·φ(d₂),
the out-of-the-money option is worth W·[M(a − t) − M(a + t)], M being the Mills ratio: one exponential serves all.
"""

import math

import numpy as np

from domain.units import Bools, Floats
from options.kernels.block import (
    BLOCK,
    CHARM,
    COLOR,
    DELTA,
    GAMMA,
    GAP,
    LANES,
    M1,
    M2,
    PRICE,
    RHO,
    ROW,
    ROWS,
    SHORT,
    SIGN,
    SLOPE,
    SPEED,
    THETA,
    VANNA,
    VEGA,
    VOMMA,
    ZOMMA,
    A,
    D,
    F,
    K,
    Q,
    R,
    S,
    T,
    U,
    V,
    W,
    X,
    apart,
    exps,
    forwards,
    in_range,
    stage,
)
from options.kernels.compiled import kernel
from options.kernels.elementary import INV_SQRT_2PI, log

VANISHED = 1416.0  # twice the exponent beyond which no density is a float64
FAR = 1e8  # deviations are held here, where every density has long vanished, lest their powers overflow


@kernel
def values(n: int, work: Floats) -> None:
    """PRICE; W discounted; and with z₁ = a − t, z₂ = a + t what Greeks are made of, each accurate where it is small:

    M1 = min(F, K)·Φ(−z₁), SLOPE = min(F, K)·Φ(z₁), M2 = max(F, K)·Φ(−z₂). M1 − M2 is the out-of-the-money value.
    """
    for i in range(n):
        s = work[V + i] * math.sqrt(work[T + i])
        t = min(0.5 * s, FAR)
        a = min(abs(work[X + i]) / s, FAR)
        a = a if s > 0.0 else FAR
        work[S + i], work[A + i] = s, a
        work[M1 + i] = a if t < SHORT else abs(a - t)
        work[M2 + i] = a + t
        work[W + i] = -0.5 * (a * a + t * t)
    apart(n, work)
    exps(n, work, W)
    for i in range(n):
        f, k, a, m1, m2, taylor = work[F + i], work[K + i], work[A + i], work[M1 + i], work[M2 + i], work[SLOPE + i]
        t = 0.5 * work[S + i]
        w = math.sqrt(f * k) * INV_SQRT_2PI * (work[W + i] if a * a + t * t <= VANISHED else 0.0)
        short, outer = t < SHORT, (t < SHORT) | (a >= t)
        tail, far = w * (taylor + m2 if short else m1), w * m2
        rest = min(f, k) - tail
        work[PRICE + i] = max(w * (taylor if short else m1 - m2) if outer else rest - far, 0.0)
        work[W + i] = w
        work[M1 + i] = tail if outer else rest
        work[SLOPE + i] = rest if outer else tail
        work[M2 + i] = far
    for i in range(n):
        f, k, d, s = work[F + i], work[K + i], work[D + i], work[S + i]
        sound = in_range(work[U + i], f, k, d) & (work[T + i] >= 0.0) & (work[V + i] >= 0.0) & (s < math.inf)
        value = d * (max(work[SIGN + i] * work[GAP + i], 0.0) + work[PRICE + i])
        work[PRICE + i] = value if sound else math.nan
        work[W + i] = d * work[W + i] if sound & (s > 0.0) else math.nan


@kernel
def price(
    spot_form: bool, u: Floats, k: Floats, tau: Floats, third: Floats, fourth: Floats, vol: Floats, is_call: Bools,
    first: int, last: int, out: Floats,
) -> None:  # fmt: skip
    """out[first:last], `out` of shape `(options,)`; the arguments before as in `stage`."""
    work = np.empty(ROWS * ROW)
    for start in range(first, last, BLOCK):
        count = min(last - start, BLOCK)
        n = (count + LANES - 1) // LANES * LANES
        stage(u, k, tau, third, fourth, vol, is_call, start, count, n, work)
        forwards(spot_form, n, work)
        values(n, work)
        here = out[start : start + count]
        for i in range(count):
            here[i] = work[PRICE + i]


@kernel
def derivatives(spot_form: bool, n: int, work: Floats) -> None:
    """DELTA … ZOMMA from what `values` left; NaN where W is."""
    if not spot_form:
        for i in range(n):
            work[R + i] = -log(work[R + i]) / work[T + i]
            work[Q + i] = work[R + i]
    for i in range(n):
        f, k, d, x, t, sigma = work[F + i], work[K + i], work[D + i], work[X + i], work[T + i], work[V + i]
        r, q, sign, s, w = work[R + i], work[Q + i], work[SIGN + i], work[S + i], work[W + i]
        below = x >= 0.0
        outer = (sign > 0.0) == below
        lesser = work[M1 + i] if outer else work[SLOPE + i]
        greater = work[M2 + i] if outer else max(f, k) - work[M2 + i]
        own, paid = d * (lesser if below else greater), d * (greater if below else lesser)
        own = own if w == w else math.nan
        per_s, per_t, per_u, per_sigma = 1.0 / s, 1.0 / t, 1.0 / work[U + i], 1.0 / sigma
        h = -x * per_s
        d1, d2 = h + 0.5 * s, h - 0.5 * s
        yielded = w * per_u
        delta, gamma, vega = sign * own * per_u, yielded * per_u * per_s, w * math.sqrt(t)
        drift = (r - q) * per_s - 0.5 * d2 * per_t
        rho = sign * t * paid if spot_form else -t * work[PRICE + i]
        work[DELTA + i] = delta
        work[GAMMA + i] = gamma
        work[THETA + i] = -0.5 * vega * sigma * per_t + sign * (q * own - r * paid)
        work[VEGA + i] = vega
        work[RHO + i] = rho if w == w else math.nan
        work[VANNA + i] = -yielded * d2 * per_sigma
        work[CHARM + i] = q * delta - yielded * drift
        work[VOMMA + i] = vega * d1 * d2 * per_sigma
        work[SPEED + i] = -gamma * per_u * (1.0 + d1 * per_s)
        work[COLOR + i] = gamma * (q + d1 * drift + 0.5 * per_t)
        work[ZOMMA + i] = gamma * (d1 * d2 - 1.0) * per_sigma


@kernel
def greeks(
    spot_form: bool, u: Floats, k: Floats, tau: Floats, third: Floats, fourth: Floats, vol: Floats, is_call: Bools,
    first: int, last: int, out: Floats,
) -> None:  # fmt: skip
    """out[:, first:last], `out` of shape `(12, options)` in the order of `options.black.Greeks`."""
    work = np.empty(ROWS * ROW)
    for start in range(first, last, BLOCK):
        count = min(last - start, BLOCK)
        n = (count + LANES - 1) // LANES * LANES
        stage(u, k, tau, third, fourth, vol, is_call, start, count, n, work)
        forwards(spot_form, n, work)
        values(n, work)
        derivatives(spot_form, n, work)
        for j in range(out.shape[0]):
            here, row = out[j, start : start + count], PRICE + j * ROW
            for i in range(count):
                here[i] = work[row + i]
