"""Dealers' gamma, vanna and charm summed over a book of options, re-evaluated at many levels of the underlying.

A row keeps its volatility σ while spot moves by x = ln(S/S₀), so that d₁ = d₁⁰ + x/s with s = σ√τ: what depends on the
row alone is worked out once and the loops see only that. Rows are padded with weight 0 to a multiple of `LANES`. A sum
runs in that many lanes which are added up in pairs at the end: lanes are independent, hence SIMD without reordering a
floating-point sum, and the result is the same on every machine width and thread count.
"""

import numpy as np

from domain.units import Floats
from options.kernels.compiled import inlined, kernel
from options.kernels.elementary import INV_SQRT_2PI, ROUND, bits, from_bits, mills

LANES = 64
HALF_LOG2_E = 0.7213475204444817  # e^(−½d²) = 2^(−½·log₂e·d²)
ROOT_HALF_LOG2_E = 0.8493218002880191
REACH = 9.0  # standard deviations beyond which a contract's gamma is below 3e-18 of its peak
MOST_STEPS = 100


@inlined
def power_of_two(y: float) -> float:
    """2ʸ, y ≤ 0, cheaper than `elementary.exp`: a whole number for the exponent, and a rest within ±½ for a polynomial
    interpolated at Chebyshev's nodes (relative error 4e-16), in Estrin's order, which waits less than Horner's. Below
    y = −1021 it stays at 4e-308.
    """
    held = max(y, -1021.0)
    shifted = held + ROUND
    f = held - (shifted - ROUND)
    f2 = f * f
    f4 = f2 * f2
    p01 = 0.69314718055995 * f + 1.0
    p23 = 0.05550410866444772 * f + 0.24022650695910097
    p45 = 0.0013333558230164974 * f + 0.009618129107606888
    p67 = 1.5252657260200837e-05 * f + 0.0001540353044173605
    p89 = 1.0208690299958306e-07 * f + 1.321544258792169e-06
    high = (7.072585949269223e-09 * f2 + p89) * f4 + (p67 * f2 + p45)
    value: float = from_bits(bits(high * f4 + (p23 * f2 + p01)) + (bits(shifted) << 52))
    return value


@inlined
def _total(lanes: Floats) -> float:
    width = LANES // 2
    while width > 0:
        for lane in range(width):
            lanes[lane] += lanes[lane + width]
        width //= 2
    return float(lanes[0])


@kernel
def gamma_terms(
    k: Floats, tau: Floats, vol: Floats, forward: Floats, discount: Floats, shares: Floats
) -> tuple[Floats, Floats]:
    """What `gamma_sums` needs of each row, padded: z and steepness, which are d₁ and 1/s in units that make 2^−z² of
    e^−½d₁², and the weight shares·discount·F·0.01/(s·√2π). Shape `(3, n)`, n a multiple of `LANES`.

    And each block's reach, shape `(2, n / LANES)`: the least and greatest move at which any of its rows has gamma worth
    adding. All arguments have the rows' shape.
    """
    rows = len(k)
    blocks = (rows + LANES - 1) // LANES
    terms, reach = np.zeros((3, blocks * LANES)), np.empty((2, blocks))
    z, steepness, weight = terms[0], terms[1], terms[2]
    for row in range(rows):
        s = vol[row] * np.sqrt(tau[row])
        steepness[row] = ROOT_HALF_LOG2_E / s
        z[row] = ROOT_HALF_LOG2_E * (0.5 * s - k[row] / s)
        weight[row] = shares[row] * discount[row] * forward[row] * (0.01 * INV_SQRT_2PI) / s
    far = ROOT_HALF_LOG2_E * REACH
    for block in range(blocks):
        low, high = np.inf, -np.inf
        for row in range(block * LANES, min(block * LANES + LANES, rows)):
            low = min(low, -(z[row] + far) / steepness[row])
            high = max(high, (far - z[row]) / steepness[row])
        reach[0, block], reach[1, block] = low, high
    return terms, reach


@kernel
def gamma_sums(moves: Floats, terms: Floats, reach: Floats, first: int, last: int, out: Floats) -> None:
    """out[j] = Σ weight·2^−(z + moves[j]·steepness)² for first ≤ j < last; `moves`, `out` shape `(m,)`, the others as
    `gamma_terms` gives them. Blocks out of reach are passed over.
    """
    lanes = np.empty(LANES)
    for j in range(first, last):
        move = moves[j]
        lanes[:] = 0.0
        for block in range(reach.shape[1]):
            if move < reach[0, block] or move > reach[1, block]:
                continue
            start, stop = block * LANES, (block + 1) * LANES
            z, steepness, weight = terms[0, start:stop], terms[1, start:stop], terms[2, start:stop]
            for lane in range(LANES):
                moved = z[lane] + move * steepness[lane]
                lanes[lane] += weight[lane] * power_of_two(-(moved * moved))
        out[j] = _total(lanes)


@kernel
def gamma_root(terms: Floats, reach: Floats, low: float, high: float, rises: bool, tolerance: float) -> float:
    """Move between `low` and `high` at which the sum of `gamma_sums` is zero, to `tolerance`. The sum has opposite
    signs at the two, and is below zero at `low` if it `rises`.

    Newton's steps, with the slope summed beside the value, and a bisection wherever a step would leave the bracket or
    not halve the last one.
    """
    lanes, slopes = np.empty(LANES), np.empty(LANES)
    move, last = 0.5 * (low + high), high - low
    for _ in range(MOST_STEPS):
        lanes[:] = 0.0
        slopes[:] = 0.0
        for block in range(reach.shape[1]):
            if move < reach[0, block] or move > reach[1, block]:
                continue
            start, stop = block * LANES, (block + 1) * LANES
            z, steepness, weight = terms[0, start:stop], terms[1, start:stop], terms[2, start:stop]
            for lane in range(LANES):
                moved = z[lane] + move * steepness[lane]
                term = weight[lane] * power_of_two(-(moved * moved))
                lanes[lane] += term
                slopes[lane] += term * moved * steepness[lane]
        value, slope = _total(lanes), -2.0 * 0.6931471805599453 * _total(slopes)
        if (value < 0.0) == rises:
            low = move
        else:
            high = move
        step = -value / slope
        if not (low < move + step < high and abs(step) < 0.5 * abs(last)):
            step = 0.5 * (low + high) - move
        move, last = move + step, step
        if abs(step) < tolerance or value == 0.0:
            break
    return move


@kernel
def greek_sums(moves: Floats, terms: Floats, first: int, last: int, out: Floats) -> None:
    """Gamma, vanna and charm in one pass: out[:, j] for first ≤ j < last, `out` of shape `(3, m)`.

    `terms`, shape `(9, n)`: d1, 1/s, s, gamma, vanna, charm, decay, drift, yielded. With b = exp(−½d₁²), d₂ = d₁ − s:
    Σ gamma·b; Σ vanna·b·d₂; Σ charm·b·(decay·d₂ − drift) + yielded·Φ(±d₁), + for calls. The sign of `s` tells them
    apart: negative for puts.
    """
    gammas, vannas, charms = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for j in range(first, last):
        move = moves[j]
        gammas[:] = 0.0
        vannas[:] = 0.0
        charms[:] = 0.0
        for start in range(0, terms.shape[1], LANES):
            stop = start + LANES
            here, slope, width = terms[0, start:stop], terms[1, start:stop], terms[2, start:stop]
            gamma, vanna, charm = terms[3, start:stop], terms[4, start:stop], terms[5, start:stop]
            decay, drift, yielded = terms[6, start:stop], terms[7, start:stop], terms[8, start:stop]
            for lane in range(LANES):
                d1 = here[lane] + move * slope[lane]
                d2 = d1 - abs(width[lane])
                b = power_of_two(-HALF_LOG2_E * d1 * d1)
                tail = INV_SQRT_2PI * b * mills(abs(d1))
                reached = 1.0 - tail if width[lane] * d1 > 0.0 else tail
                gammas[lane] += gamma[lane] * b
                vannas[lane] += vanna[lane] * b * d2
                charms[lane] += charm[lane] * b * (decay[lane] * d2 - drift[lane]) + yielded[lane] * reached
        out[0, j] = _total(gammas)
        out[1, j] = _total(vannas)
        out[2, j] = _total(charms)
