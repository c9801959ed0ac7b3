"""Implied volatility of European options, block by block: a guess, one or two steps, and care for the rest.

In the words of `options.kernels.black`, ln b(s) = ln B is solved for s, b being the out-of-the-money price over √(fk)
and B the quoted one.
"""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Bools, Floats
from options.kernels.block import (
    BLOCK,
    DELTA,
    GAMMA,
    GAP,
    LANES,
    M1,
    M2,
    RHO,
    ROW,
    ROWS,
    SHORT,
    SIGN,
    SLOPE,
    THETA,
    VANNA,
    VEGA,
    A,
    D,
    F,
    K,
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
    log_ratio,
    mills_and_slope,
    series,
    stage,
)
from options.kernels.compiled import kernel
from options.kernels.elementary import INV_SQRT_2PI, SQRT_2PI, log, mills

STEP, CODE, B, ROOM, INVERSE, LENGTH = DELTA, GAMMA, THETA, VEGA, RHO, VANNA  # rows that only Greeks use
OK, BELOW_INTRINSIC, ABOVE_MAXIMUM, BAD_INPUT, EXPIRED = 0.0, 1.0, 2.0, 3.0, 4.0  # `options.black.IvStatus`
ULPS = 8 * float(np.finfo(np.float64).eps)  # time value below this share of f + k is rounding, not information
FAINT = 1e-300  # scaled prices below, and deviations beyond WIDE, are left to `deviation`
WIDE = 3.5
SETTLED = 2e-4  # a step of fourth order leaves less than 0.2·(what it moved by)⁴: below this, rounding
CONVERGED = 1e-6  # the same for Halley's step, of third order
MOST_STEPS = 100
REACH = 40.0  # standard deviations from the money beyond which no float64 is small enough for the price


@kernel
def seeds(n: int, work: Floats) -> None:
    """CODE; scaled time value B and ROOM to its maximum; |x| in LENGTH; a first guess of the deviation in S.

    B + |x|/2 is half a straddle: Bachelier's deviation follows in closed form (Choi, Kim and Kwak 2009, "Numerical
    approximation of the implied volatility under arithmetic Brownian motion"; coefficients fitted anew, to 5e-5), and
    Black's from it by a factor that makes up for exp(−s²/8) in vega, fitted to 1e-4 for s < 0.3 and 5e-3 for s < 3.
    Options without a volatility, and too faint ones, go through the steps as a dummy.
    """
    for i in range(n):
        f, k, d, t, quoted, sign = work[F + i], work[K + i], work[D + i], work[T + i], work[V + i], work[SIGN + i]
        inside, most = max(sign * work[GAP + i], 0.0), f if sign > 0.0 else k
        undiscounted, scale = quoted / d, 1.0 / math.sqrt(f * k)
        outside, room = undiscounted - inside, most - undiscounted
        sound = in_range(work[U + i], f, k, d) & (abs(t) < math.inf) & (quoted > 0.0) & (quoted < math.inf)
        code = ABOVE_MAXIMUM if room <= ULPS * most else OK
        code = BELOW_INTRINSIC if outside <= (ULPS * (f + k) if inside > 0.0 else 0.0) else code
        code = EXPIRED if t <= 0.0 else code
        code = code if sound else BAD_INPUT
        b, x = outside * scale, abs(work[X + i])
        solvable = (code == OK) & (b > FAINT)
        work[CODE + i], work[B + i], work[ROOM + i], work[LENGTH + i] = code, b, room * scale, x
        work[W + i], work[X + i] = b if solvable else 0.1, x if solvable else 0.1
    for i in range(n):
        b, x = work[W + i], work[X + i]
        work[M1 + i], work[INVERSE + i] = log_ratio(b + x, b), 1.0 / b
    for i in range(n):
        b, x = work[W + i], work[X + i]
        straddle = 2.0 * b + x
        e = 2.0 * x / (straddle * work[M1 + i])
        e = e if x > 1e-9 * straddle else 1.0
        p = 519.7085169424533
        p = ((p * e + 91.56641141297504) * e - 16.73050137511056) * e + 27.092729307751156
        p = p * e + 0.5003977781343619
        q = 139.63407299106018
        q = ((q * e + 429.0912123490794) * e - 124.62314916970819) * e + 51.31719395060439
        q = q * e + 1.0
        s = straddle * math.sqrt(e) * p / q
        y = min(s * s, 8.0) * e
        start = -48.05675962379244
        start = ((start * e + 86.66504101064196) * e - 43.711108408730524) * e + 29.606883886290014
        bend = -2.677566982894689
        bend = (bend * e + 3.413088098607254) * e + 1.817408569626096
        work[S + i] = s * (1.0 + y / (start - y * bend))


@kernel
def improve(n: int, work: Floats) -> None:
    """One Householder step of third order on ln b(s) − ln B: what it moved S by is left in STEP."""
    for i in range(n):
        s = work[S + i]
        a, t = work[X + i] / s, 0.5 * s
        work[A + i] = a
        work[M1 + i] = a if t < SHORT else abs(a - t)
        work[M2 + i] = a + t
        work[W + i] = 0.5 * (a - t) * (a - t)
    apart(n, work)
    exps(n, work, W)
    for i in range(n):
        t, m1 = 0.5 * work[S + i], work[M1 + i]
        m1 = SQRT_2PI * work[W + i] - m1 if work[A + i] < t else m1
        bracket = work[SLOPE + i] if t < SHORT else m1 - work[M2 + i]
        work[M1 + i] = bracket
        work[W + i] = bracket * INV_SQRT_2PI * work[INVERSE + i]
    for i in range(n):
        work[W + i] = log(work[W + i])
    for i in range(n):
        s, bracket = work[S + i], work[M1 + i]
        per_s, slant = 1.0 / s, 1.0 / bracket
        a = work[X + i] * per_s
        newton = (0.5 * (a * a + 0.25 * s * s) - work[W + i]) * bracket
        bend = a * a * per_s - 0.25 * s
        twist = bend * bend - 3.0 * a * a * per_s * per_s - 0.25
        second, third = bend - slant, twist - 3.0 * bend * slant + 2.0 * slant * slant
        step = newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton * (1.0 / 6.0)))
        work[STEP + i] = step
        work[S + i] = s + step


@kernel
def improve_rest(count: int, work: Floats, rest: Floats, place: NDArray[np.int64]) -> None:
    """`improve` once more those whose last step was not small, brought together in the workspace `rest`."""
    m = 0
    for i in range(count):
        place[m] = i
        m += 0 if abs(work[STEP + i]) <= SETTLED * work[S + i] else 1
    for j in range(m):
        i = place[j]
        rest[S + j], rest[X + j], rest[INVERSE + j] = work[S + i], work[X + i], work[INVERSE + i]
    improve((m + LANES - 1) // LANES * LANES, rest)
    for j in range(m):
        i = place[j]
        work[S + i], work[STEP + i] = rest[S + j], rest[STEP + j]


@kernel
def deviation(x: float, b: float, room: float) -> float:
    """The s with b(x, s) = `b`, `room` being b's maximum less b; NaN if none. For the few that steps do not fit.

    ln b and ln(room) are concave in s, as vega is log-concave, so that Newton's method cannot miss; Halley's step
    inside a bracket makes it quick. The upper half is solved in what is left to the maximum, which does not round.
    """
    upper = b > room
    slant, target = (-1.0, math.log(room)) if upper else (1.0, math.log(b))
    s = math.sqrt(2.0 * x) + (math.sqrt(max(-8.0 * target, 0.0)) if upper else SQRT_2PI * b)
    low, high = 0.0, math.inf
    for _ in range(MOST_STEPS):
        a, t = x / s, 0.5 * s
        z, m = a - t, mills(abs(a - t))
        if upper:
            bracket = mills(a + t) + (m if z <= 0.0 else SQRT_2PI * math.exp(0.5 * z * z) - m)
        elif t < SHORT:
            bracket = series(a, t, mills_and_slope(a)[1])
        else:
            bracket = (SQRT_2PI * math.exp(0.5 * z * z) - m if z < 0.0 else m) - mills(a + t)
        miss = math.log(bracket * INV_SQRT_2PI) - 0.5 * (a * a + t * t) - target if a < REACH else -slant * math.inf
        if miss * slant < 0.0:
            low = s
        else:
            high = s
        newton = -slant * miss * bracket
        bend = a * a / s - 0.5 * t - slant / bracket
        step = newton / max(1.0 + 0.5 * bend * newton, 0.5)
        if abs(step) <= CONVERGED * s:
            return s + step
        s = s + step if low < s + step < high else (0.5 * (low + high) if high < math.inf else 2.0 * s)
    return math.nan


@kernel
def implied_vol(
    spot_form: bool, u: Floats, k: Floats, tau: Floats, third: Floats, fourth: Floats, quoted: Floats, is_call: Bools,
    first: int, last: int, out: Floats, status: NDArray[np.int8],
) -> None:  # fmt: skip
    """out[first:last] and status[first:last], both of shape `(options,)`; quoted prices in place of volatilities."""
    work, rest, place = np.empty(ROWS * ROW), np.empty(ROWS * ROW), np.empty(BLOCK + 1, dtype=np.int64)
    for start in range(first, last, BLOCK):
        count = min(last - start, BLOCK)
        n = (count + LANES - 1) // LANES * LANES
        stage(u, k, tau, third, fourth, quoted, is_call, start, count, n, work)
        forwards(spot_form, n, work)
        seeds(n, work)
        improve(n, work)
        improve_rest(count, work, rest, place)
        vols, codes = out[start : start + count], status[start : start + count]
        for i in range(count):
            s = work[S + i]
            settled = (abs(work[STEP + i]) <= SETTLED * s) & (s < WIDE) & (work[B + i] > FAINT)
            vols[i] = s / math.sqrt(work[T + i]) if settled & (work[CODE + i] == OK) else math.nan
        for i in range(count):
            codes[i] = np.int8(work[CODE + i])
        left = 0
        for i in range(count):
            left += 1 if (work[CODE + i] == OK) & (vols[i] != vols[i]) else 0
        if left > 0:
            for i in range(count):
                if work[CODE + i] == OK and math.isnan(vols[i]):
                    vol = deviation(work[LENGTH + i], work[B + i], work[ROOM + i]) / math.sqrt(work[T + i])
                    sound = 0.0 < vol < math.inf
                    vols[i], codes[i] = (vol, np.int8(OK)) if sound else (math.nan, np.int8(BAD_INPUT))
