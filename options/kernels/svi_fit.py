"""Least-squares fits of raw SVI without regard to arbitrage, all slices of a batch in one call.

With m and σ given, w = a + c·x + d·R (x = k − m, R = √(x² + σ²), c = bρ, d = b) is linear: the wings' half-slopes
u = (d + c)/2 and v = (d − c)/2 are boxed between 0 and Lee's bound, and the best (a, u, v) are found exactly (the
quasi-explicit idea of De Marco and Martini 2009, Zeliade White Paper 0005). What remains is a search in (m, ln σ): a
scan over a lattice, then from its best valleys variable projection (Golub and Pereyra 1973, Kaufman 1975) with
Levenberg-Marquardt damping.

Inside, log-moneyness is in units of s = √(mean total variance) and total variance in units of s².
"""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.kernels.compiled import kernel

STARTS = 3  # valleys followed
M_NODES, SIGMA_NODES = 21, 9
NODES = M_NODES * SIGMA_NODES
LEAST_SIGMA, MOST_SIGMA = 1e-3, 30.0
SCAN_LOW, SCAN_HIGH = 0.02, 5.0
STEPS = 60
LEAST_WING = 1e-7  # half-slopes stay above: keeps |ρ| < 1, so that every form of the slice exists
MOST_WING = 1.0 - 1e-6  # Lee's bound on b(1 ± ρ)/2, strictly
CONVERGED = 1e-11  # relative fall of the sum of squares
SETTLED = 1e-9


@kernel
def _best_wings(xx: float, xr: float, rr: float, xw: float, rw: float, ww: float, most: float, wings: Floats) -> float:
    """Best (u, v) in their box, given centred second moments of x, R and w; returns the sum of squares."""
    det = xx * rr - xr * xr
    if det > 1e-13 * xx * rr:
        c, d = (xw * rr - rw * xr) / det, (rw * xx - xw * xr) / det
        u, v = 0.5 * (d + c), 0.5 * (d - c)
        if LEAST_WING <= u <= most and LEAST_WING <= v <= most:
            wings[0], wings[1] = u, v
            return ww - c * xw - d * rw
    pp, qq, pq = xx + 2.0 * xr + rr, xx - 2.0 * xr + rr, rr - xx
    pw, qw = rw + xw, rw - xw
    best = np.inf
    for face in range(4):
        fixed = LEAST_WING if face < 2 else most
        if face % 2 == 0:
            u = fixed
            v = min(max((qw - pq * u) / qq, LEAST_WING), most) if qq > 0.0 else LEAST_WING
        else:
            v = fixed
            u = min(max((pw - pq * v) / pp, LEAST_WING), most) if pp > 0.0 else LEAST_WING
        cost = ww + u * u * pp + v * v * qq + 2.0 * u * v * pq - 2.0 * (u * pw + v * qw)
        if cost < best:
            best = cost
            wings[0], wings[1] = u, v
    return best


@kernel
def _scan(x: Floats, w: Floats, share: Floats, most: float, node_m: Floats, node_sigma: Floats, cost: Floats) -> None:
    """Least sum of squares at every node of the lattice. Quotes are the outer loop, so that nodes become lanes."""
    shift, moment = np.empty(NODES), np.zeros((4, NODES))
    first, square, cross, with_w = moment[0], moment[1], moment[2], moment[3]
    xx = xw = ww = 0.0
    for j in range(NODES):
        shift[j] = math.sqrt(node_m[j] * node_m[j] + node_sigma[j] * node_sigma[j])
    for i in range(len(x)):
        xi, wi, hi = x[i], w[i], share[i]
        xx += hi * xi * xi
        xw += hi * xi * wi
        ww += hi * wi * wi
        for j in range(NODES):
            off = xi - node_m[j]
            r = math.sqrt(off * off + node_sigma[j] * node_sigma[j]) - shift[j]
            weighted = hi * r
            first[j] += weighted
            square[j] += weighted * r
            cross[j] += weighted * xi
            with_w[j] += weighted * wi
    wings = np.empty(2)
    for j in range(NODES):
        spread = square[j] - first[j] * first[j]
        cost[j] = _best_wings(xx, cross[j], spread, xw, with_w[j], ww, most, wings)


@kernel
def _moments(x: Floats, w: Floats, share: Floats, m: float, sigma: float, sums: Floats) -> None:
    """Weighted sums over quotes of products of r = R − R(0), y = (x − m)/R, z = 1/R with 1, x, w and each other."""
    shift = math.sqrt(m * m + sigma * sigma)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = s10 = s11 = s12 = s13 = s14 = 0.0
    for i in range(len(x)):
        xi, wi, hi = x[i], w[i], share[i]
        off = xi - m
        radius = math.sqrt(off * off + sigma * sigma)
        z = 1.0 / radius
        y = off * z
        r = radius - shift
        hr, hy, hz = hi * r, hi * y, hi * z
        s0 += hr
        s1 += hr * r
        s2 += hr * xi
        s3 += hr * wi
        s4 += hy
        s5 += hz
        s6 += hy * y
        s7 += hy * z
        s8 += hz * z
        s9 += hy * xi
        s10 += hz * xi
        s11 += hy * r
        s12 += hz * r
        s13 += hy * wi
        s14 += hz * wi
    sums[0], sums[1], sums[2], sums[3], sums[4] = s0, s1, s2, s3, s4
    sums[5], sums[6], sums[7], sums[8], sums[9] = s5, s6, s7, s8, s9
    sums[10], sums[11], sums[12], sums[13], sums[14] = s10, s11, s12, s13, s14


@kernel
def _descend(x: Floats, w: Floats, share: Floats, fixed: Floats, most: float, point: Floats, wings: Floats) -> float:
    """Variable projection from `point` = (m, ln σ), improved in place; returns the sum of squares."""
    xx, xw, ww, reach = fixed[0], fixed[1], fixed[2], fixed[3]
    sums, fresh, tried = np.empty(15), np.empty(15), np.empty(2)
    sigma = math.exp(point[1])
    _moments(x, w, share, point[0], sigma, sums)
    cost = _best_wings(xx, sums[2], sums[1] - sums[0] * sums[0], xw, sums[3], ww, most, wings)
    damping = 1e-3
    for _ in range(STEPS):
        u, v = wings[0], wings[1]
        c, d = u - v, u + v
        xr, rr = sums[2], sums[1] - sums[0] * sums[0]
        # Jacobian columns: dw/dm = −(c + d·y), dw/dlnσ = dσ²z; c is constant and so already projected out
        weight_m, weight_s = -d, d * sigma * sigma
        mm = weight_m * weight_m * (sums[6] - sums[4] * sums[4])
        ms = weight_m * weight_s * (sums[7] - sums[4] * sums[5])
        ss = weight_s * weight_s * (sums[8] - sums[5] * sums[5])
        mx, sx = weight_m * sums[9], weight_s * sums[10]
        mr, sr = weight_m * (sums[11] - sums[4] * sums[0]), weight_s * (sums[12] - sums[5] * sums[0])
        fall_m = c * mx + d * mr - weight_m * sums[13]
        fall_s = c * sx + d * sr - weight_s * sums[14]
        free_u, free_v = LEAST_WING < u < most, LEAST_WING < v < most
        if free_u and free_v:
            det = xx * rr - xr * xr
            if det > 0.0:
                mm -= (mx * mx * rr - 2.0 * mx * mr * xr + mr * mr * xx) / det
                ms -= (mx * sx * rr - (mx * sr + mr * sx) * xr + mr * sr * xx) / det
                ss -= (sx * sx * rr - 2.0 * sx * sr * xr + sr * sr * xx) / det
        elif free_u or free_v:
            side = 1.0 if free_u else -1.0
            length = xx + 2.0 * side * xr + rr
            along_m, along_s = mr + side * mx, sr + side * sx
            mm -= along_m * along_m / length
            ms -= along_m * along_s / length
            ss -= along_s * along_s / length
        better = False
        for _ in range(12):
            a11, a22 = mm * (1.0 + damping) + 1e-300, ss * (1.0 + damping) + 1e-300
            det = a11 * a22 - ms * ms
            if not det > 0.0:
                damping = max(10.0 * damping, 1e-6)
                continue
            step_m, step_s = -(fall_m * a22 - fall_s * ms) / det, -(fall_s * a11 - fall_m * ms) / det
            limit = 0.5 * reach
            step_m = min(max(step_m, -limit), limit)
            step_s = min(max(step_s, -1.5), 1.5)
            new_m = min(max(point[0] + step_m, -3.0 * reach), 3.0 * reach)
            new_s = min(max(point[1] + step_s, math.log(LEAST_SIGMA)), math.log(MOST_SIGMA))
            sigma = math.exp(new_s)
            _moments(x, w, share, new_m, sigma, fresh)
            new = _best_wings(xx, fresh[2], fresh[1] - fresh[0] * fresh[0], xw, fresh[3], ww, most, tried)
            if new < cost:
                better = True
                break
            damping = max(6.0 * damping, 1e-6)
            if damping > 1e9:
                break
        if not better:
            break
        gained, moved = cost - new, abs(new_m - point[0]) + abs(new_s - point[1])
        point[0], point[1] = new_m, new_s
        cost = new
        for i in range(15):
            sums[i] = fresh[i]
        wings[0], wings[1] = tried[0], tried[1]
        damping = max(0.15 * damping, 1e-10)
        if (gained <= CONVERGED * cost and moved < 1e-4) or moved < SETTLED:
            break
    return cost


@kernel
def _prepared(k: Floats, w: Floats, weights: Floats, x: Floats, y: Floats, share: Floats) -> tuple[float, float, float]:
    """Quotes in the slice's own units, centred; returns (scale, mean x, mean total variance in units of scale²)."""
    total = level = 0.0
    for i in range(len(k)):
        share[i] = weights[i] * weights[i]
        total += share[i]
        level += share[i] * w[i]
    level /= total
    scale = math.sqrt(level)
    centre = 0.0
    for i in range(len(k)):
        share[i] /= total
        centre += share[i] * k[i]
    for i in range(len(k)):
        x[i] = (k[i] - centre) / scale
        y[i] = (w[i] - level) / level
    return scale, centre / scale, 1.0


@kernel
def fit_free(
    k: Floats, w: Floats, weights: Floats, offsets: NDArray[np.int64], start: int, stop: int, out: Floats, cost: Floats
) -> None:
    """For slices `start` to `stop`: the best `STARTS` local fits, best first, into `out` (shape `(n, STARTS, 5)`) with
    their mean weighted squares, in units of the squared mean variance, in `cost` (`(n, STARTS)`; ∞ where fewer).
    """
    longest = 0
    for i in range(start, stop):
        longest = max(longest, offsets[i + 1] - offsets[i])
    xs, ys, shares = np.empty(longest), np.empty(longest), np.empty(longest)
    node_m, node_s, node_cost = np.empty(NODES), np.empty(NODES), np.empty(NODES)
    chosen = np.empty(STARTS, dtype=np.int64)
    fixed, point, wings, found = np.empty(4), np.empty(2), np.empty(2), np.empty(5)
    for item in range(start, stop):
        low, high = offsets[item], offsets[item + 1]
        n = high - low
        x, y, share = xs[:n], ys[:n], shares[:n]
        scale, centre, level = _prepared(k[low:high], w[low:high], weights[low:high], x, y, share)
        most = MOST_WING / scale
        left, right = x.min(), x.max()
        reach = max(right - left, 1e-3)
        fixed[0] = fixed[1] = fixed[2] = 0.0
        for i in range(n):
            fixed[0] += share[i] * x[i] * x[i]
            fixed[1] += share[i] * x[i] * y[i]
            fixed[2] += share[i] * y[i] * y[i]
        fixed[3] = reach
        first = math.asinh(2.0 * (left + centre - 0.2 * reach))
        last = math.asinh(2.0 * (right + centre + 0.2 * reach))
        for j in range(M_NODES):
            for i in range(SIGMA_NODES):
                node_m[j * SIGMA_NODES + i] = 0.5 * math.sinh(first + (last - first) * j / (M_NODES - 1)) - centre
                node_s[j * SIGMA_NODES + i] = SCAN_LOW * (SCAN_HIGH / SCAN_LOW) ** (i / (SIGMA_NODES - 1))
        _scan(x, y, share, most, node_m, node_s, node_cost)
        for rank in range(STARTS):
            out[item, rank] = np.nan
            cost[item, rank] = np.inf
        for _valley in range(_valleys(node_cost, chosen)):
            node = chosen[_valley]
            point[0], point[1] = node_m[node], math.log(node_s[node])
            value = _descend(x, y, share, fixed, most, point, wings)
            sigma = math.exp(point[1])
            mean_r = 0.0
            for i in range(n):
                off = x[i] - point[0]
                mean_r += share[i] * math.sqrt(off * off + sigma * sigma)
            c, d = wings[0] - wings[1], wings[0] + wings[1]
            found[0] = (level + c * point[0] - d * mean_r) * scale * scale
            found[1] = d * scale
            found[2] = c / d
            found[3] = (point[0] + centre) * scale
            found[4] = sigma * scale
            rank = STARTS - 1
            if value < cost[item, rank]:
                while rank > 0 and value < cost[item, rank - 1]:
                    cost[item, rank] = cost[item, rank - 1]
                    out[item, rank] = out[item, rank - 1]
                    rank -= 1
                cost[item, rank] = value
                out[item, rank] = found


@kernel
def _valleys(cost: Floats, chosen: NDArray[np.int64]) -> int:
    """The lowest nodes of the lattice that no neighbour undercuts, lowest first, into `chosen`; how many."""
    count = 0
    for j in range(M_NODES):
        for i in range(SIGMA_NODES):
            here = cost[j * SIGMA_NODES + i]
            lowest = True
            for dj in range(max(j - 1, 0), min(j + 2, M_NODES)):
                for di in range(max(i - 1, 0), min(i + 2, SIGMA_NODES)):
                    lowest = lowest and here <= cost[dj * SIGMA_NODES + di]
            if not lowest:
                continue
            place = count if count < len(chosen) else len(chosen) - 1
            if count == len(chosen) and cost[chosen[place]] <= here:
                continue
            while place > 0 and here < cost[chosen[place - 1]]:
                chosen[place] = chosen[place - 1]
                place -= 1
            chosen[place] = j * SIGMA_NODES + i
            count = min(count + 1, len(chosen))
    return count
