"""American puts by collocation of the early-exercise boundary: many options at once, one to a lane.

Andersen, Lake and Offengenden (2016), "High-performance American option pricing". A put of strike 1 on a spot eˣ that
follows a geometric Brownian motion (rate r, yield q, volatility v) is worth its European value and, for every instant
in which it is held exercised, the interest gained less the dividends lost:

    p(x, T) = European + ∫₀ᵀ [r·e^(−rs)·Φ(−d₋) − q·e^(x−qs)·Φ(−d₊)] ds,  d± = (x − b(T−s) + (r−q)s)/(v√s) ± ½v√s

where b(τ) = ln B(τ) is the boundary at time τ to expiry. Smooth pasting at the boundary gives their fixed-point system
A for B, solved here at Chebyshev nodes in √τ from short to long times, in (b − b(0))², which is nearly a polynomial
there. System A converges in a few sweeps while μ = |r − q|√τ/v is small, swings about the solution as μ nears 1 and
then leaves it; system B, of value matching, is slow for small μ and quick for large. Their mean with weights e^(−μ²)
and 1 − e^(−μ²) is safe for all.

Inner loops run over `LANES` options that all take the same number of steps, so that they become SIMD. `terms` has a
column per option and the rows x, r, q, v, T, b(0+). Tables are arguments: what a cached kernel reads from other modules
would not be seen to change.
"""

import numpy as np

from domain.units import Floats
from options.american_tables import Tables
from options.kernels.compiled import inlined, kernel
from options.kernels.elementary import INV_SQRT_2PI, LOG2_E, ROUND, bits, exp, from_bits, log, mills

LN2 = 0.6931471805599453
LANES = 16
TERMS = 6
SEED_STEPS = 3  # Newton steps on the quadratic approximation's boundary; two leave some options far off
LONGEST_STEP = 0.5  # in ln B, for deviations up to 1
LEAST = 1e-300
SCRATCH = 12  # rows of lanes that a boundary solve needs beside its quadrature points


@inlined
def quick_exp(x: float) -> float:
    """eˣ for x < 700 to a relative 6e-11, half the price of `elementary.exp`: interpolated at Chebyshev's nodes."""
    held = max(x, -700.0)
    shifted = held * LOG2_E + ROUND
    f = held - (shifted - ROUND) * LN2
    p = 0.00019907567086439802
    p = p * f + 0.0013948578260264976
    p = p * f + 0.008333283543210104
    p = p * f + 0.04166621832050494
    p = p * f + 0.16666666786284107
    p = p * f + 0.5000000107728609
    p = p * f + 0.9999999999955115
    p = p * f + 0.9999999999595622
    value: float = from_bits(bits(p) + (bits(shifted) << 52))
    return value


@inlined
def quick_tail(d: float, density: float, whole: float) -> float:
    """whole·Φ(−d), given density = whole·φ(d), to a relative 1.1e-9: Mills ratio as a (5, 6) rational."""
    u = abs(d)
    p = 0.0033205970668324187
    p = p * u + 0.03903559745970787
    p = p * u + 0.22066232034005984
    p = p * u + 0.7236719727724749
    p = p * u + 1.3752038592154592
    p = p * u + 1.2533141360672706
    q = 0.003320597070476042
    q = q * u + 0.0390355948259821
    q = q * u + 0.22398321617326933
    q = q * u + 0.7626947031360867
    q = q * u + 1.5895094774285072
    q = q * u + 1.8951384046721653
    q = q * u + 1.0
    far = density * p / q
    return far if d > 0.0 else whole - far


@inlined
def tail(d: float, density: float, whole: float) -> float:
    """whole·Φ(−d), given density = whole·φ(d), to rounding."""
    far = density * mills(abs(d))
    return far if d > 0.0 else whole - far


@kernel
def _seed(terms: Floats, share: float, lb: Floats) -> None:
    """Move `lb` = ln B toward the boundary of Barone-Adesi and Whaley (1987) at `share` of the expiry."""
    r, q, v, t, ceiling = terms[1], terms[2], terms[3], terms[4], terms[5]
    for _ in range(SEED_STEPS):
        for i in range(LANES):
            tau = t[i] * share
            rt = r[i] * tau
            s = v[i] * np.sqrt(tau)
            dr = quick_exp(-rt)
            dq = quick_exp(-q[i] * tau)
            drift = (r[i] - q[i]) * tau / (s * s) - 0.5
            annuity = rt / (1.0 - dr) if abs(rt) > 1e-5 else 1.0 + 0.5 * rt
            power = -drift - np.sqrt(drift * drift + 2.0 * annuity / (s * s))
            b = quick_exp(lb[i])
            d1 = (lb[i] + (r[i] - q[i]) * tau) / s + 0.5 * s
            density = b * dq * INV_SQRT_2PI * quick_exp(-0.5 * d1 * d1)  # = e^(−rτ)φ(d₂): strike 1
            own = quick_tail(d1, density, b * dq)
            slope = b - own
            gap = 1.0 - b - quick_tail(d1 - s, density, dr) + own  # exercise value less European value
            step = (slope + power * gap) / (slope + density / s - power * slope)
            longest = LONGEST_STEP * max(1.0, s)
            lb[i] = min(lb[i] - max(min(step, longest), -longest), ceiling[i] - 1e-12)


@kernel
def _ahead(rows: Floats, h: Floats, ahead: Floats) -> None:
    """ahead[j] = rows[j]·h for each lane: (b − b(0))² at quadrature points from its values at the nodes."""
    for j in range(len(rows)):
        for i in range(LANES):
            ahead[j, i] = 0.0
        for c in range(0, len(h), 4):  # four nodes at a time spare three loads and stores
            w0, w1, w2, w3 = rows[j, c], rows[j, c + 1], rows[j, c + 2], rows[j, c + 3]
            for i in range(LANES):
                ahead[j, i] += w0 * h[c, i] + w1 * h[c + 1, i] + w2 * h[c + 2, i] + w3 * h[c + 3, i]


@kernel
def _improve(
    terms: Floats,
    share: float,
    points: Floats,
    weights: Floats,
    drifting: bool,
    decay: Floats,
    h: Floats,
    ahead: Floats,
    spare: Floats,
) -> None:
    """One fixed-point step of (b − b(0))² at one node, whose row is `h`; `ahead` as `_ahead` left it.

    N and D are kept as e^(−rτ)N and e^(−qτ)D, in which e^(−qs)·φ(d₊) = e^(−rs)·φ(d₋)·B(u)/B(τ). System B takes part
    only if `drifting`.
    """
    r, q, v, t, ceiling = terms[1], terms[2], terms[3], terms[4], terms[5]
    lb, deviation, inverse, bend, rt = spare[0], spare[1], spare[2], spare[3], spare[4]
    gain, cost, held, kept, d2, paid = spare[5], spare[6], spare[7], spare[8], spare[9], spare[10]
    for i in range(LANES):
        tau = t[i] * share
        root = np.sqrt(tau)
        lb[i] = ceiling[i] - np.sqrt(h[i])
        deviation[i] = v[i] * root
        inverse[i] = 1.0 / deviation[i]
        bend[i] = (r[i] - q[i]) * root / v[i] - 0.5 * deviation[i]
        rt[i] = r[i] * tau
        gain[i] = 0.0
        cost[i] = 0.0
        held[i] = 0.0
        kept[i] = 0.0
    for j in range(len(points)):
        a = points[j]
        square = a * a
        upward = 1.0 / a
        weight = weights[j]
        for i in range(LANES):
            gap = lb[i] - ceiling[i] + np.sqrt(max(ahead[j, i], 0.0))  # ln B(τ) − ln B(u)
            d2[i] = gap * inverse[i] * upward + bend[i] * a
            d1 = d2[i] + deviation[i] * a
            paid[i] = quick_exp(-0.5 * d2[i] * d2[i] - rt[i] * square)
            owned = paid[i] * quick_exp(-gap)
            gain[i] += weight * paid[i]
            cost[i] += weight * owned
            held[i] += weight * a * quick_tail(-d1, INV_SQRT_2PI * owned, decay[j, i])
        if drifting:
            for i in range(LANES):
                sure = quick_exp(-rt[i] * square)
                kept[i] += weight * a * quick_tail(-d2[i], INV_SQRT_2PI * paid[i], sure)
    for i in range(LANES):
        tau = t[i] * share
        d1 = lb[i] * inverse[i] + bend[i] + deviation[i]
        dq = quick_exp(-q[i] * tau)
        density = INV_SQRT_2PI * quick_exp(-0.5 * d1 * d1) * dq
        twice = 2.0 * tau
        scale = INV_SQRT_2PI * twice * inverse[i]
        own = quick_tail(-d1, density, dq) + q[i] * twice * held[i]
        top = quick_exp(lb[i]) * density * inverse[i] + r[i] * scale * gain[i]
        bottom = density * inverse[i] + own + q[i] * scale * cost[i]
        step = log(max(top, LEAST) / max(bottom, LEAST)) - lb[i]
        if drifting:
            d0 = d1 - deviation[i]
            matched = quick_tail(-d0, density * quick_exp(lb[i]), quick_exp(-rt[i])) + r[i] * twice * kept[i]
            other = log(max(matched, LEAST) / max(own, LEAST)) - lb[i]
            drift = (r[i] - q[i]) * tau * inverse[i]
            weight = quick_exp(-drift * drift)
            step = weight * step + (1.0 - weight) * other
        longest = LONGEST_STEP * max(1.0, deviation[i])
        depth = ceiling[i] - min(lb[i] + max(min(step, longest), -longest), ceiling[i])
        h[i] = depth * depth


@kernel
def _solve(
    terms: Floats, tables: Tables, sweeps: int, drifting: bool, decay: Floats, scratch: Floats, h: Floats
) -> None:
    """h[k] = (b − b(0))² at node k, shape (n + 1, LANES)."""
    q, t, ceiling = terms[2], terms[4], terms[5]
    nodes, points = tables.nodes, tables.points
    last, quadrature = len(nodes) - 1, len(points)
    lb = scratch[quadrature + SCRATCH - 1]
    for i in range(LANES):
        lb[i] = ceiling[i]
        h[last, i] = 0.0
    for k in range(last - 1, -1, -1):
        share = nodes[k] * nodes[k]
        _seed(terms, share, lb)
        for i in range(LANES):
            h[k, i] = (lb[i] - ceiling[i]) * (lb[i] - ceiling[i])
        for j in range(quadrature):
            for i in range(LANES):
                decay[k, j, i] = quick_exp(-q[i] * t[i] * share * points[j] * points[j])
    for _ in range(sweeps):
        for k in range(last - 1, -1, -1):
            _ahead(tables.boundary[k], h, scratch[:quadrature])
            square = nodes[k] * nodes[k]
            ahead, spare = scratch[:quadrature], scratch[quadrature:]
            _improve(terms, square, points, tables.weights, drifting, decay[k], h[k], ahead, spare)


@inlined
def european(x: float, r: float, q: float, v: float, t: float) -> float:
    """European put of strike 1: what certainty pays, plus an out-of-the-money option exact in relative terms."""
    s = v * np.sqrt(t)
    forward = x + (r - q) * t
    f = exp(forward)
    low = min(f, 1.0)
    u = abs(forward) / s - 0.5 * s
    density = low * INV_SQRT_2PI * exp(-0.5 * u * u)
    near = mills(abs(u))
    far = mills(u + s)
    outside = density * (near - far) if u > 0.0 else low - density * near - density * far
    return exp(-r * t) * (max(1.0 - f, 0.0) + outside)


@kernel
def values(terms: Floats, tables: Tables, sweeps: int, drifting: bool, out: Floats) -> None:
    """Put values of strike 1, shape `(count,)`, for `terms` of shape `(TERMS, count)`."""
    nodes, quadrature, p, count = len(tables.nodes), len(tables.points), len(tables.premium_points), terms.shape[1]
    lane = np.empty((TERMS, LANES))
    h = np.empty((nodes, LANES))
    decay = np.empty((nodes, quadrature, LANES))
    scratch = np.empty((quadrature + SCRATCH, LANES))
    ahead = np.empty((p, LANES))
    total = np.empty(LANES)
    x, r, q, v, t, ceiling = lane[0], lane[1], lane[2], lane[3], lane[4], lane[5]
    for first in range(0, count, LANES):
        for row in range(TERMS):
            for i in range(LANES):
                lane[row, i] = terms[row, min(first + i, count - 1)]
        _solve(lane, tables, sweeps, drifting, decay, scratch, h)
        _ahead(tables.premium, h, ahead)
        for i in range(LANES):
            total[i] = 0.0
        for j in range(p):
            a, weight = tables.premium_points[j], tables.premium_weights[j]
            for i in range(LANES):
                time = t[i] * a * a
                s = v[i] * np.sqrt(t[i]) * a
                lb = ceiling[i] - np.sqrt(max(ahead[j, i], 0.0))
                d2 = (x[i] - lb + (r[i] - q[i]) * time) / s - 0.5 * s
                dr = quick_exp(-r[i] * time)
                density = INV_SQRT_2PI * quick_exp(-0.5 * d2 * d2) * dr
                interest = r[i] * quick_tail(d2, density, dr)
                dividends = q[i] * quick_tail(d2 + s, density * quick_exp(lb), quick_exp(x[i] - q[i] * time))
                total[i] += weight * a * (interest - dividends)
        for i in range(LANES):
            exercised = 1.0 - exp(x[i])
            least = european(x[i], r[i], q[i], v[i], t[i])
            held = max(least + 2.0 * t[i] * max(total[i], 0.0), exercised)
            total[i] = exercised if x[i] <= ceiling[i] - np.sqrt(h[0, i]) else held
        for i in range(min(LANES, count - first)):
            out[first + i] = total[i]


@kernel
def slopes(terms: Floats, tables: Tables, sweeps: int, drifting: bool, out: Floats, depth: Floats) -> None:
    """Put value of strike 1 and its first four derivatives in x, shape `(5, count)`, and (b − b(0))² at the nodes,
    shape `(n + 1, count)`; `terms` as in `values`.

    Each integrand is differentiated. With c = q·e^(x−qs)·Φ(−d₊) and g = (r − qB)·e^(−rs)·φ(d₋)/(v√s) the first is
    −(g + c); those that follow bring Hermite polynomials of d₋.
    """
    nodes, quadrature, p, count = len(tables.nodes), len(tables.points), len(tables.premium_points), terms.shape[1]
    lane = np.empty((TERMS, LANES))
    h = np.empty((nodes, LANES))
    decay = np.empty((nodes, quadrature, LANES))
    scratch = np.empty((quadrature + SCRATCH, LANES))
    ahead = np.empty((p, LANES))
    sums = np.empty((5, LANES))
    x, r, q, v, t, ceiling = lane[0], lane[1], lane[2], lane[3], lane[4], lane[5]
    for first in range(0, count, LANES):
        for row in range(TERMS):
            for i in range(LANES):
                lane[row, i] = terms[row, min(first + i, count - 1)]
        _solve(lane, tables, sweeps, drifting, decay, scratch, h)
        _ahead(tables.premium, h, ahead)
        for row in range(5):
            for i in range(LANES):
                sums[row, i] = 0.0
        for j in range(p):
            a, weight = tables.premium_points[j], tables.premium_weights[j]
            for i in range(LANES):
                time = t[i] * a * a
                s = v[i] * np.sqrt(t[i]) * a
                steep = 1.0 / s
                lb = ceiling[i] - np.sqrt(max(ahead[j, i], 0.0))
                d = (x[i] - lb + (r[i] - q[i]) * time) * steep - 0.5 * s
                dr = exp(-r[i] * time)
                density = INV_SQRT_2PI * exp(-0.5 * d * d) * dr
                part = 2.0 * t[i] * weight * a
                b = exp(lb)
                own = part * q[i] * tail(d + s, density * b, exp(x[i] - q[i] * time))
                lost = part * q[i] * b * density * steep
                net = part * r[i] * density * steep - lost
                turn = d * steep
                curve = (d * d - 1.0) * steep * steep
                bend = (d * d - 3.0) * d * steep * steep * steep
                sums[0, i] += part * r[i] * tail(d, density, dr) - own
                sums[1, i] -= net + own
                sums[2, i] += turn * net - own + lost
                sums[3, i] -= curve * net + own - lost + turn * lost
                sums[4, i] += bend * net - own + lost - turn * lost + curve * lost
        for i in range(LANES):
            s = v[i] * np.sqrt(t[i])
            steep = 1.0 / s
            d = (x[i] + (r[i] - q[i]) * t[i]) * steep - 0.5 * s
            density = INV_SQRT_2PI * exp(-0.5 * d * d - r[i] * t[i])
            own = tail(d + s, density, exp(x[i] - q[i] * t[i]))
            g = density * steep
            turn = d * steep
            curve = (d * d - 1.0) * steep * steep
            exercised = 1.0 - exp(x[i])
            inside = x[i] <= ceiling[i] - np.sqrt(h[0, i])
            worth = max(max(european(x[i], r[i], q[i], v[i], t[i]), 0.0) + sums[0, i], exercised)
            sums[0, i] = exercised if inside else worth
            sums[1, i] = exercised - 1.0 if inside else sums[1, i] - own
            sums[2, i] = exercised - 1.0 if inside else sums[2, i] - own + g
            sums[3, i] = exercised - 1.0 if inside else sums[3, i] - own + g - turn * g
            sums[4, i] = exercised - 1.0 if inside else sums[4, i] - own + g - turn * g + curve * g
        for i in range(min(LANES, count - first)):
            for row in range(5):
                out[row, first + i] = sums[row, i]
            for k in range(nodes):
                depth[k, first + i] = h[k, i]
