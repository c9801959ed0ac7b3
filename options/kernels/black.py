"""European options, block by block: price, implied deviation, Greeks. `options.black` says what the numbers mean.

With x = ln(K/F), s = σ√τ, a = |x|/s, t = s/2, W = √(FK)·φ₀ and φ₀ = exp(−(a² + t²)/2)/√2π, the out-of-the-money
option is worth W·[M(a − t) − M(a + t)], M being the Mills ratio, and F·φ(d₁) = K·φ(d₂) = W: one exponential serves all.
"""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Bools, Floats
from options.kernels.compiled import inlined, kernel
from options.kernels.elementary import (
    INV_SQRT_2PI,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    ROUND,
    SQRT_2PI,
    bits,
    exp,
    from_bits,
    log,
    mills,
)

BLOCK = 128  # rows worked on at once: their temporaries stay in the first-level cache
LANES = 32
ROW = BLOCK + 8
ROWS = 29
U, K, T, R, Q, V, SIGN, F, GAP, X, D, A, S, W, M1, M2, SLOPE, PRICE, DELTA, GAMMA, THETA, VEGA, RHO, VANNA, CHARM, VOMMA, SPEED, COLOR, ZOMMA = (row * ROW for row in range(ROWS))
INVERSE, STEP = DELTA, GAMMA
SHORT = 0.0625  # half-deviation below which the two Mills ratios cancel and their Taylor series is used
LEAST, MOST = 1e-150, 1e150  # forwards, strikes and discounts beyond are nonsense, and their products overflow
FAR = 1e8  # deviations are held here, where every density has long vanished, lest powers of them overflow
ULPS = 8 * float(np.finfo(np.float64).eps)  # time value below this share of f + k is rounding, not information
SETTLED = 1e-4  # the fourth-order steps leave an error of the fourth power of the last step
CONVERGED = 1e-6  # Halley's step converges cubically
MOST_STEPS = 100
REACH = 40.0  # deviations from the money beyond which no float64 is small enough for the price
OK, BELOW_INTRINSIC, ABOVE_MAXIMUM, BAD_INPUT, EXPIRED = range(5)
ROUGHLY_ONE = 0x0008000000000000  # half of one step of the exponent, in a float64's bits


@inlined
def expm1(x: float) -> float:
    """eˣ − 1 without cancellation: `elementary.exp` with the 1 taken out before scaling."""
    held = max(min(x, 709.0), -708.0)
    shifted = held * LOG2_E + ROUND
    n = shifted - ROUND
    r = (held - n * LN2_HIGH) - n * LN2_LOW
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 0.0001984126984126984
    p = p * r + 0.001388888888888889
    p = p * r + 0.008333333333333333
    p = p * r + 0.041666666666666664
    p = p * r + 0.16666666666666666
    p = p * r + 0.5
    scale: float = from_bits(bits(1.0) + (bits(shifted) << 52))
    value = (p * r * r + r) * scale + (scale - 1.0)
    return value if x == x else x


@inlined
def log_ratio(k: float, f: float) -> float:
    """ln(k/f) of normal positive numbers, exact near k = f: the quotient is never formed.

    e brings f·2ᵉ within 1.5 of k, so that their difference is exact; then 2·atanh((k − f·2ᵉ)/(k + f·2ᵉ)).
    """
    e = (bits(k) - bits(f) + ROUGHLY_ONE) >> 52
    near: float = f * from_bits(bits(1.0) + (e << 52))
    exponent: float = from_bits(e + bits(ROUND)) - ROUND
    g = (k - near) / (k + near)
    w = g * g
    p = 1.0 / 23.0
    p = p * w + 1.0 / 21.0
    p = p * w + 1.0 / 19.0
    p = p * w + 1.0 / 17.0
    p = p * w + 1.0 / 15.0
    p = p * w + 1.0 / 13.0
    p = p * w + 1.0 / 11.0
    p = p * w + 1.0 / 9.0
    p = p * w + 1.0 / 7.0
    p = p * w + 1.0 / 5.0
    p = p * w + 1.0 / 3.0
    return exponent * LN2_HIGH + (2.0 * g + (2.0 * g * w * p + exponent * LN2_LOW))


@inlined
def mills_and_slope(u: float) -> tuple[float, float]:
    """M(u) and −M′(u) = 1 − u·M(u) for u ≥ 0, over one denominator, so that the second does not cancel.

    N/Q ≈ 1 − u·M(u) with N(0) = Q(0), hence M ≈ ((Q − N)/u)/Q: weighted least squares in 120-digit arithmetic, both
    within a relative 3e-17 before rounding.
    """
    p = 2.3448190107941324e-07
    p = p * u + 7.205213962424139e-06
    p = p * u + 0.00011170220447414463
    p = p * u + 0.0011302567617029124
    p = p * u + 0.008202542927486926
    p = p * u + 0.044529163395523624
    p = p * u + 0.18380155144318475
    p = p * u + 0.5759050025237167
    p = p * u + 1.3430858885988597
    p = p * u + 2.2270203448256733
    p = p * u + 2.3779950253699718
    p = p * u + 1.2533141373155001
    n = 2.3448190107941324e-07
    n = n * u + 7.205213962424118e-06
    n = n * u + 0.00011123324067199755
    n = n * u + 0.0011158463337754704
    n = n * u + 0.007981483337847168
    n = n * u + 0.042340701991066564
    n = n * u + 0.1684961369259292
    n = n * u + 0.49761602638713676
    n = n * u + 1.049408548470316
    n = n * u + 1.4419359398960785
    n = n * u + 1.0
    q = 2.3448190107941324e-07
    q = q * u + 7.205213962424139e-06
    q = q * u + 0.00011193668637522404
    q = q * u + 0.0011374619756653365
    q = q * u + 0.008313776168158923
    q = q * u + 0.045645009729299094
    q = q * u + 0.1917830347810319
    q = q * u + 0.6182457045147832
    q = q * u + 1.511582025524789
    q = q * u + 2.72463637121281
    q = q * u + 3.4274035738402877
    q = q * u + 2.6952500772115786
    q = q * u + 1.0
    over = 1.0 / q
    return p * over, n * over


@inlined
def series(a: float, t: float, m: float, slope: float) -> float:
    """M(a − t) − M(a + t) for t < `SHORT` by Taylor's series; `m`, `slope` are M(a), −M′(a).

    The moments μₙ = ∫xⁿ·exp(−ax − x²/2)dx = (−1)ⁿM⁽ⁿ⁾(a) follow from μₙ₊₁ = n·μₙ₋₁ − a·μₙ; all terms are positive.
    """
    second = m - a * slope
    third = 2.0 * slope - a * second
    fourth = 3.0 * second - a * third
    fifth = 4.0 * third - a * fourth
    sixth = 5.0 * fourth - a * fifth
    seventh = 6.0 * fifth - a * sixth
    eighth = 7.0 * sixth - a * seventh
    ninth = 8.0 * seventh - a * eighth
    w = t * t
    return (
        2.0 * t * (slope + w * (third / 6.0 + w * (fifth / 120.0 + w * (seventh / 5040.0 + w * (ninth / 362880.0)))))
    )


@kernel
def exps(work: Floats, row: int, n: int) -> None:
    for i in range(n):
        work[row + i] = exp(work[row + i])


@kernel
def expm1s(work: Floats, row: int, n: int) -> None:
    for i in range(n):
        work[row + i] = expm1(work[row + i])


@kernel
def log_ratios(work: Floats, n: int) -> None:
    for i in range(n):
        work[X + i] = log_ratio(work[K + i], work[U + i])


@kernel
def mills_ratios(work: Floats, row: int, n: int) -> None:
    for i in range(n):
        work[row + i] = mills(work[row + i])


@kernel
def mills_and_slopes(work: Floats, n: int) -> None:
    for i in range(n):
        work[M1 + i], work[SLOPE + i] = mills_and_slope(work[M1 + i])


@inlined
def in_range(f: float, k: float, d: float) -> bool:
    """Whether forward, strike and discount are numbers that a market could have."""
    return (f >= LEAST) & (f <= MOST) & (k >= LEAST) & (k <= MOST) & (d >= LEAST) & (d <= MOST)


@inlined
def stage(argument: Floats, start: int, count: int, padded: int, work: Floats, row: int) -> None:
    """Bring rows start … start + count of one argument, or its only number, into the workspace."""
    if argument.size > 1:
        here = argument[start : start + count]
        for i in range(count):
            work[row + i] = here[i]
        for i in range(count, padded):
            work[row + i] = here[0]
    else:
        for i in range(padded):
            work[row + i] = argument[0]


@kernel
def stage_all(
    u: Floats, k: Floats, tau: Floats, third: Floats, fourth: Floats, vol: Floats, is_call: Bools,
    start: int, count: int, padded: int, work: Floats,
) -> None:
    stage(u, start, count, padded, work, U)
    stage(k, start, count, padded, work, K)
    stage(tau, start, count, padded, work, T)
    stage(third, start, count, padded, work, R)
    stage(fourth, start, count, padded, work, Q)
    stage(vol, start, count, padded, work, V)
    if is_call.size > 1:
        here = is_call[start : start + count]
        for i in range(count):
            work[SIGN + i] = 1.0 if here[i] else -1.0
    else:
        sign = 1.0 if is_call[0] else -1.0
        for i in range(padded):
            work[SIGN + i] = sign


@kernel
def forwards(spot_form: bool, n: int, work: Floats) -> None:
    """Forward f, f − k, x = ln(k/f) and discount d of a block; the differences never pass through a rounded forward.

    `third`, `fourth` are rate and yield in spot form; discount and anything in forward form, where `u` is the forward.
    """
    log_ratios(work, n)
    if spot_form:
        for i in range(n):
            work[F + i] = (work[R + i] - work[Q + i]) * work[T + i]
            work[X + i] -= work[F + i]
            work[D + i] = -work[R + i] * work[T + i]
        expm1s(work, F, n)
        exps(work, D, n)
        for i in range(n):
            u = work[U + i]
            grown = u * work[F + i]
            work[F + i] = u + grown
            work[GAP + i] = (u - work[K + i]) + grown
    else:
        for i in range(n):
            u = work[U + i]
            work[F + i] = u
            work[GAP + i] = u - work[K + i]
            work[D + i] = work[R + i]


@kernel
def halves(n: int, work: Floats) -> None:
    """(W, A, A′, B, A − B) with z₁ = a − t, z₂ = a + t: A = min(f, k)·Φ(−z₁), A′ = min(f, k)·Φ(z₁) and
    B = max(f, k)·Φ(−z₂), each accurate where it is small; A − B is the out-of-the-money value, undiscounted.
    """
    for i in range(n):
        s = work[V + i] * math.sqrt(work[T + i])
        t = min(0.5 * s, FAR)
        a = min(abs(work[X + i]) / s, FAR)
        a = a if s > 0.0 else FAR
        work[A + i] = a
        work[S + i] = s
        work[M1 + i] = a if t < SHORT else abs(a - t)
        work[M2 + i] = a + t
        work[W + i] = -0.5 * (a * a + t * t)
    mills_and_slopes(work, n)
    mills_ratios(work, M2, n)
    exps(work, W, n)
    for i in range(n):
        f, k, s, a = work[F + i], work[K + i], work[S + i], work[A + i]
        t = min(0.5 * s, FAR)
        m1, m2 = work[M1 + i], work[M2 + i]
        short = t < SHORT
        w = math.sqrt(f * k) * INV_SQRT_2PI * work[W + i]
        low = min(f, k)
        apart = series(a, t, m1, work[SLOPE + i])
        apart = apart if short else m1 - m2
        m1 = apart + m2 if short else m1
        outer = short | (a >= t)
        tail = w * m1
        rest = low - tail
        b = w * m2
        d, t, sigma = work[D + i], work[T + i], work[V + i]
        sound = in_range(f, k, d) & (t >= 0.0) & (sigma >= 0.0) & (s < math.inf)
        outside = max(w * apart if outer else rest - b, 0.0)
        inside = max(work[SIGN + i] * work[GAP + i], 0.0)
        value = d * (inside + outside)
        work[PRICE + i] = value if sound else math.nan
        work[W + i] = d * w if sound & (s > 0.0) else math.nan
        work[M1 + i] = tail if outer else rest
        work[SLOPE + i] = rest if outer else tail
        work[M2 + i] = b


@kernel
def price(
    spot_form: bool,
    u: Floats,
    k: Floats,
    tau: Floats,
    third: Floats,
    fourth: Floats,
    vol: Floats,
    is_call: Bools,
    first: int,
    last: int,
    out: Floats,
) -> None:
    """out[first:last] of shape `(n,)`; arguments have shape `(n,)` or `(1,)`, in the order of `forwards`."""
    work = np.empty(18 * ROW)
    for start in range(first, last, BLOCK):
        count = min(last - start, BLOCK)
        n = (count + LANES - 1) // LANES * LANES
        stage_all(u, k, tau, third, fourth, vol, is_call, start, count, n, work)
        forwards(spot_form, n, work)
        halves(n, work)
        here = out[start : start + count]
        for i in range(count):
            here[i] = work[PRICE + i]


@kernel
def greeks(
    spot_form: bool,
    u: Floats,
    k: Floats,
    tau: Floats,
    third: Floats,
    fourth: Floats,
    vol: Floats,
    is_call: Bools,
    first: int,
    last: int,
    out: Floats,
) -> None:
    """out[:, first:last] of shape `(12, n)`, rows in the order of `options.black.Greeks`; arguments as in `price`."""
    work = np.empty(ROWS * ROW)
    for start in range(first, last, BLOCK):
        count = min(last - start, BLOCK)
        n = (count + LANES - 1) // LANES * LANES
        stage_all(u, k, tau, third, fourth, vol, is_call, start, count, n, work)
        forwards(spot_form, n, work)
        if not spot_form:
            for i in range(n):
                r = -log(work[R + i]) / work[T + i]
                work[R + i] = r
                work[Q + i] = r
        halves(n, work)
        for i in range(n):
            f, k_, d, x = work[F + i], work[K + i], work[D + i], work[X + i]
            t, sigma, r, q, sign = work[T + i], work[V + i], work[R + i], work[Q + i], work[SIGN + i]
            s, w, near, far, b, value = work[S + i], work[W + i], work[M1 + i], work[SLOPE + i], work[M2 + i], work[PRICE + i]
            below = x >= 0.0
            wing = (sign > 0.0) == below
            lesser, greater = near if wing else far, b if wing else max(f, k_) - b
            own = d * (lesser if below else greater)
            paid = d * (greater if below else lesser)
            own = own + 0.0 * w
            i_s, i_t, i_v, i_u = 1.0 / s, 1.0 / t, 1.0 / sigma, 1.0 / work[U + i]
            h = -x * i_s
            d1, d2 = h + 0.5 * s, h - 0.5 * s
            carry = r - q
            delta = sign * own * i_u
            yielded = w * i_u
            gamma = yielded * i_u * i_s
            vega = w * math.sqrt(t)
            drift = carry * i_s - 0.5 * d2 * i_t
            work[DELTA + i] = delta
            work[GAMMA + i] = gamma
            work[THETA + i] = -0.5 * vega * sigma * i_t + sign * (q * own - r * paid)
            work[VEGA + i] = vega
            work[RHO + i] = (sign * t * paid if spot_form else -t * value) + 0.0 * w
            work[VANNA + i] = -yielded * d2 * i_v
            work[CHARM + i] = q * delta - yielded * drift
            work[VOMMA + i] = vega * d1 * d2 * i_v
            work[SPEED + i] = -gamma * i_u * (1.0 + d1 * i_s)
            work[COLOR + i] = gamma * (q + d1 * drift + 0.5 * i_t)
            work[ZOMMA + i] = gamma * (d1 * d2 - 1.0) * i_v
        for j in range(12):
            here = out[j, start : start + count]
            row = PRICE + j * ROW
            for i in range(count):
                here[i] = work[row + i]


@kernel
def seeds(n: int, work: Floats) -> None:
    """First guess of the deviation into S; 1/β into INVERSE; |x| into X. Rows that cannot be solved here get A = 0.

    β + ½|x| is half a straddle: Bachelier's deviation follows from it in closed form (Choi, Kim and Kwak 2009,
    "Numerical approximation of the implied volatility under arithmetic Brownian motion"; coefficients refitted, 5e-5),
    and Black's from that by what e^(−s²/8) takes from vega on the way, interpolated between |x| = 0 and far wings.
    """
    for i in range(n):
        f, k, t, quoted, d, sign = work[F + i], work[K + i], work[T + i], work[V + i], work[D + i], work[SIGN + i]
        inside = max(sign * work[GAP + i], 0.0)
        undiscounted = quoted / d
        outside = undiscounted - inside
        most = f if sign > 0.0 else k
        noise = ULPS * (f + k) if inside > 0.0 else 0.0
        sound = in_range(f, k, d) & (t > 0.0) & (t < math.inf) & (quoted > 0.0) & (quoted < math.inf)
        sound = sound & (outside > noise) & (most - undiscounted > ULPS * most)
        b = outside / math.sqrt(f * k)
        sound = sound & (b > LEAST)
        b = b if sound else 0.1
        x = abs(work[X + i]) if sound else 0.1
        straddle = 2.0 * b + x
        e = x / (straddle * 0.5 * log_ratio(b + x, b))
        e = e if x > 1e-9 * straddle else 1.0
        p = 519.7085169424533
        p = p * e + 91.56641141297504
        p = p * e - 16.73050137511056
        p = p * e + 27.092729307751156
        p = p * e + 0.5003977781343619
        q = 139.63407299106018
        q = q * e + 429.0912123490794
        q = q * e - 124.62314916970819
        q = q * e + 51.31719395060439
        q = q * e + 1.0
        s = straddle * math.sqrt(e) * p / q
        y = min(s * s, 8.0)
        work[S + i] = s * (1.0 + y * y / ((24.0 - 2.1 * y) * y + 8.0 * x * x))
        work[INVERSE + i] = 1.0 / b
        work[X + i] = x
        work[A + i] = 1.0 if sound else 0.0


@kernel
def improve(n: int, work: Floats) -> None:
    """One Householder step of third order on ln b(s) − ln β for every row; what it moved S by goes to STEP."""
    for i in range(n):
        s = work[S + i]
        a, t = work[X + i] / s, 0.5 * s
        z = a - t
        work[M1 + i] = a if t < SHORT else abs(z)
        work[M2 + i] = a + t
        work[W + i] = 0.5 * z * z
    mills_and_slopes(work, n)
    mills_ratios(work, M2, n)
    exps(work, W, n)
    for i in range(n):
        s = work[S + i]
        a, t = work[X + i] / s, 0.5 * s
        m1, m2 = work[M1 + i], work[M2 + i]
        taylor = series(a, t, m1, work[SLOPE + i])
        m1 = SQRT_2PI * work[W + i] - m1 if a < t else m1
        apart = taylor if t < SHORT else m1 - m2
        work[M1 + i] = apart
        work[W + i] = apart * INV_SQRT_2PI * work[INVERSE + i]
    for i in range(n):
        work[W + i] = log(work[W + i])
    for i in range(n):
        s, apart = work[S + i], work[M1 + i]
        inverse, over = 1.0 / s, 1.0 / apart
        a = work[X + i] * inverse
        miss = work[W + i] - 0.5 * (a * a + 0.25 * s * s)
        newton = -miss * apart
        second = a * a * inverse - 0.25 * s
        third = second * second - 3.0 * a * a * inverse * inverse - 0.25
        bend = second - over
        twist = third - 3.0 * second * over + 2.0 * over * over
        step = newton * (1.0 + 0.5 * bend * newton) / (1.0 + newton * (bend + twist * newton * (1.0 / 6.0)))
        work[STEP + i] = step
        work[S + i] = s + step


@kernel
def deviation(x: float, b: float, room: float) -> float:
    """s with b(x, s) = `b`, `room` being b's maximum less b; NaN where there is none. For the rows few and far between.

    ln b and ln(room) are concave in s, as vega is log-concave, so that Newton's method cannot miss; Halley's step inside
    a bracket makes it quick. The upper half is solved in what is left to the maximum, which does not round.
    """
    upper = b > room
    target = math.log(room if upper else b)
    s = math.sqrt(2.0 * x) + (math.sqrt(max(-8.0 * target, 0.0)) if upper else SQRT_2PI * b)
    low, high = 0.0, math.inf
    for _ in range(MOST_STEPS):
        a, t = x / s, 0.5 * s
        z = a - t
        m = mills(abs(z))
        if upper:
            bracket = mills(a + t) + (m if z <= 0.0 else SQRT_2PI * math.exp(0.5 * z * z) - m)
        elif t < SHORT:
            middle, slope = mills_and_slope(a)
            bracket = series(a, t, middle, slope)
        else:
            bracket = (SQRT_2PI * math.exp(0.5 * z * z) - m if z < 0.0 else m) - mills(a + t)
        slant = -1.0 if upper else 1.0
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
def invert_alone(i: int, work: Floats) -> tuple[float, int]:
    """Volatility and status of one row that `improve` did not settle."""
    f, k, t, quoted, d = work[F + i], work[K + i], work[T + i], work[V + i], work[D + i]
    if not (in_range(f, k, d) and 0.0 < quoted < math.inf and abs(t) < math.inf):
        return math.nan, BAD_INPUT
    if t <= 0.0:
        return math.nan, EXPIRED
    inside = max(work[SIGN + i] * work[GAP + i], 0.0)
    outside = quoted / d - inside
    if outside <= (ULPS * (f + k) if inside > 0.0 else 0.0):
        return math.nan, BELOW_INTRINSIC
    most = f if work[SIGN + i] > 0.0 else k
    room = most - quoted / d
    if room <= ULPS * most:
        return math.nan, ABOVE_MAXIMUM
    scale = math.sqrt(f * k)
    vol = deviation(work[X + i], outside / scale, room / scale) / math.sqrt(t)
    return (vol, OK) if 0.0 < vol < math.inf else (math.nan, BAD_INPUT)


@kernel
def implied_vol(
    spot_form: bool,
    u: Floats,
    k: Floats,
    tau: Floats,
    third: Floats,
    fourth: Floats,
    quoted: Floats,
    is_call: Bools,
    first: int,
    last: int,
    out: Floats,
    status: NDArray[np.int8],
) -> None:
    """out[first:last] and status[first:last], both `(n,)`; arguments as in `price`, quoted prices in place of vol."""
    work = np.empty(ROWS * ROW)
    for start in range(first, last, BLOCK):
        count = min(last - start, BLOCK)
        n = (count + LANES - 1) // LANES * LANES
        stage_all(u, k, tau, third, fourth, quoted, is_call, start, count, n, work)
        forwards(spot_form, n, work)
        seeds(n, work)
        improve(n, work)
        improve(n, work)
        vols, codes = out[start : start + count], status[start : start + count]
        for i in range(count):
            s = work[S + i]
            settled = (work[A + i] > 0.0) & (abs(work[STEP + i]) <= SETTLED * s) & (s < 3.5)
            vols[i] = s / math.sqrt(work[T + i]) if settled else math.nan
            codes[i] = OK
        for i in range(count):
            if not vols[i] > 0.0:
                vols[i], codes[i] = invert_alone(i, work)
