"""A block of European options: its workspace, forwards, and the pieces that prices and volatilities share.

A block's temporaries are rows of one workspace that stays in the first-level cache. Loops over it are kept short: a
processor works on several turns of a short loop at once, and LLVM sees that rows of one array do not overlap.
"""

from domain.units import Bools, Floats
from options.kernels.compiled import inlined, kernel
from options.kernels.elementary import LN2_HIGH, LN2_LOW, LOG2_E, ROUND, bits, from_bits, mills

BLOCK = 128  # options worked on at once
LANES = 32  # blocks are filled up to a multiple of this, so that no option is left to a loop's scalar tail
ROW = BLOCK + 8  # keeps rows off the same cache sets
ROWS = 29
(
    U, K, T, R, Q, V, SIGN, F, GAP, X, D, S, A, W, M1, M2, SLOPE,
    PRICE, DELTA, GAMMA, THETA, VEGA, RHO, VANNA, CHARM, VOMMA, SPEED, COLOR, ZOMMA,
) = (row * ROW for row in range(ROWS))  # fmt: skip

SHORT = 0.0625  # half-deviation below which the two Mills ratios cancel and a Taylor series takes over
LEAST, MOST = 1e-150, 1e150  # forwards, strikes and discounts beyond are nonsense, and their products overflow
INFINITY = float("inf")
HALF_STEP = 0x0008000000000000  # half of one step of the exponent, in a float64's bits


@inlined
def power(x: float) -> tuple[float, float]:
    """(2ⁿ, eʳ − 1) with x = n·ln 2 + r, hence eˣ = 2ⁿ + 2ⁿ·(eʳ − 1): see `elementary.exp`. x is held to −708 … 709; no
    choice follows, which would keep LLVM from overlapping the turns of a loop.
    """
    held = max(min(x, 709.0), -708.0)
    shifted = held * LOG2_E + ROUND
    n = shifted - ROUND
    r = (held - n * LN2_HIGH) - n * LN2_LOW
    p = 1.6059043836821613e-10
    p = ((p * r + 2.08767569878681e-09) * r + 2.505210838544172e-08) * r + 2.755731922398589e-07
    p = ((p * r + 2.7557319223985893e-06) * r + 2.48015873015873e-05) * r + 0.0001984126984126984
    p = ((p * r + 0.001388888888888889) * r + 0.008333333333333333) * r + 0.041666666666666664
    p = (p * r + 0.16666666666666666) * r + 0.5
    scale: float = from_bits(bits(1.0) + (bits(shifted) << 52))
    return scale, p * r * r + r


@inlined
def log_ratio(k: float, f: float) -> float:
    """ln(k/f) of normal positive numbers, exact near k = f: the quotient is never formed.

    e brings f·2ᵉ within 1.5 of k, so that their difference is exact; then 2·atanh((k − f·2ᵉ)/(k + f·2ᵉ)) as a series.
    """
    e = (bits(k) - bits(f) + HALF_STEP) >> 52
    near: float = f * from_bits(bits(1.0) + (e << 52))
    exponent: float = from_bits(e + bits(ROUND)) - ROUND
    g = (k - near) / (k + near)
    w = g * g
    p = ((1.0 / 23.0 * w + 1.0 / 21.0) * w + 1.0 / 19.0) * w + 1.0 / 17.0
    p = (((p * w + 1.0 / 15.0) * w + 1.0 / 13.0) * w + 1.0 / 11.0) * w + 1.0 / 9.0
    p = ((p * w + 1.0 / 7.0) * w + 1.0 / 5.0) * w + 1.0 / 3.0
    return exponent * LN2_HIGH + (2.0 * g + (2.0 * g * w * p + exponent * LN2_LOW))


@inlined
def mills_and_slope(u: float) -> tuple[float, float]:
    """M(u) and −M′(u) = 1 − u·M(u) for u ≥ 0, over one denominator, so that the second does not cancel.

    N/Q ≈ 1 − u·M(u) with N(0) = Q(0), hence M ≈ ((Q − N)/u)/Q: weighted least squares in 120-digit arithmetic, both
    within a relative 3e-17 before rounding.
    """
    p = 2.3448190107941324e-07
    p = ((p * u + 7.205213962424139e-06) * u + 0.00011170220447414463) * u + 0.0011302567617029124
    p = ((p * u + 0.008202542927486926) * u + 0.044529163395523624) * u + 0.18380155144318475
    p = ((p * u + 0.5759050025237167) * u + 1.3430858885988597) * u + 2.2270203448256733
    p = (p * u + 2.3779950253699718) * u + 1.2533141373155001
    n = 2.3448190107941324e-07
    n = ((n * u + 7.205213962424118e-06) * u + 0.00011123324067199755) * u + 0.0011158463337754704
    n = ((n * u + 0.007981483337847168) * u + 0.042340701991066564) * u + 0.1684961369259292
    n = ((n * u + 0.49761602638713676) * u + 1.049408548470316) * u + 1.4419359398960785
    n = n * u + 1.0
    q = 2.3448190107941324e-07
    q = ((q * u + 7.205213962424139e-06) * u + 0.00011193668637522404) * u + 0.0011374619756653365
    q = ((q * u + 0.008313776168158923) * u + 0.045645009729299094) * u + 0.1917830347810319
    q = ((q * u + 0.6182457045147832) * u + 1.511582025524789) * u + 2.72463637121281
    q = ((q * u + 3.4274035738402877) * u + 2.6952500772115786) * u + 1.0
    over = 1.0 / q
    return p * over, n * over


@inlined
def series(a: float, t: float, slope: float) -> float:
    """M(a − t) − M(a + t) for t < `SHORT` by Taylor's series; `slope` is −M′(a).

    The moments μₙ = ∫xⁿ·exp(−ax − x²/2)dx = (−1)ⁿM⁽ⁿ⁾(a) follow from μₙ₊₁ = n·μₙ₋₁ − a·μₙ: the odd ones are the slope
    times one polynomial in a² less another.
    """
    c, w = a * a, t * t
    p = ((c * (1.0 / 362880.0) + 1.0 / 10080.0) * c + 1.0 / 960.0) * c * c + (c * (1.0 / 288.0) + 1.0 / 384.0)
    q = ((c * (1.0 / 362880.0) + 11.0 / 120960.0) * c + 19.0 / 24192.0) * c + 187.0 / 120960.0
    p = p * w + (((c * (1.0 / 5040.0) + 1.0 / 240.0) * c + 1.0 / 48.0) * c + 1.0 / 48.0)
    q = q * w + ((c * (1.0 / 5040.0) + 1.0 / 280.0) * c + 19.0 / 1680.0)
    p = p * w + ((c * (1.0 / 120.0) + 1.0 / 12.0) * c + 1.0 / 8.0)
    q = q * w + (c * (1.0 / 120.0) + 7.0 / 120.0)
    p = p * w + (c * (1.0 / 6.0) + 0.5)
    q = q * w + 1.0 / 6.0
    return 2.0 * t * (slope + w * (slope * p - q))


@inlined
def in_range(u: float, f: float, k: float, d: float) -> bool:
    """Whether underlying, forward, strike and discount are numbers that a market could have."""
    low, high = min(u, f, k, d), max(u, f, k, d)
    return (low >= LEAST) & (high <= MOST) & (u + f + k + d < INFINITY)


@inlined
def stage_one(values: Floats, start: int, count: int, n: int, work: Floats, row: int) -> None:
    if values.size > 1:
        here = values[start : start + count]
        for i in range(count):
            work[row + i] = here[i]
        for i in range(count, n):
            work[row + i] = here[0]
    else:
        for i in range(n):
            work[row + i] = values[0]


@kernel
def stage(
    u: Floats, k: Floats, tau: Floats, third: Floats, fourth: Floats, vol: Floats, is_call: Bools, start: int,
    count: int, n: int, work: Floats,
) -> None:  # fmt: skip
    """Bring options start … start + count into the workspace, filled up to `n` columns with copies of the first.

    Arguments have shape `(options,)`, or `(1,)` for all options alike. `third`, `fourth` are rate and yield in spot
    form; discount and anything in forward form, where `u` is the forward.
    """
    stage_one(u, start, count, n, work, U)
    stage_one(k, start, count, n, work, K)
    stage_one(tau, start, count, n, work, T)
    stage_one(third, start, count, n, work, R)
    stage_one(fourth, start, count, n, work, Q)
    stage_one(vol, start, count, n, work, V)
    if is_call.size > 1:
        here = is_call[start : start + count]
        for i in range(count):
            work[SIGN + i] = 1.0 if here[i] else -1.0
        for i in range(count, n):
            work[SIGN + i] = 1.0
    else:
        for i in range(n):
            work[SIGN + i] = 1.0 if is_call[0] else -1.0


@kernel
def exps(n: int, work: Floats, row: int) -> None:
    """In place; 3e-308 below −708, which those who mind set to 0; any number for NaN."""
    for i in range(n):
        scale, rest = power(work[row + i])
        work[row + i] = scale * rest + scale


@kernel
def apart(n: int, work: Floats) -> None:
    """M1 and M2 become the Mills ratios of what is in them, SLOPE the Taylor series of M(a − t) − M(a + t) if short.

    For short deviations M1 must hold a, and for others |a − t|; M2 a + t; A and S hold a and 2t.
    """
    for i in range(n):
        work[M1 + i], work[SLOPE + i] = mills_and_slope(work[M1 + i])
    for i in range(n):
        work[M2 + i] = mills(work[M2 + i])
    for i in range(n):
        work[SLOPE + i] = series(work[A + i], 0.5 * work[S + i], work[SLOPE + i])


@kernel
def forwards(spot_form: bool, n: int, work: Floats) -> None:
    """Forward F, F − K, X = ln(K/F) and discount D; the differences never pass through a rounded forward."""
    for i in range(n):
        work[X + i] = log_ratio(work[K + i], work[U + i])
    if not spot_form:
        for i in range(n):
            u = work[U + i]
            work[F + i] = u
            work[GAP + i] = u - work[K + i]
            work[D + i] = work[R + i]
        return
    for i in range(n):
        r, t = work[R + i], work[T + i]
        carried = (r - work[Q + i]) * t
        work[X + i] -= carried
        work[F + i] = carried
        work[D + i] = -r * t
    for i in range(n):
        u, carried = work[U + i], work[F + i]
        scale, rest = power(carried)
        grown = u * (scale * rest + (scale - 1.0)) + 0.0 * carried  # NaN where the carry is
        work[F + i] = u + grown
        work[GAP + i] = (u - work[K + i]) + grown
    exps(n, work, D)
