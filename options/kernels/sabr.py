"""SABR's lognormal volatility (Hagan et al. 2002) over arrays, and its least-squares fit to one smile."""

import math

import numpy as np

from domain.units import Floats
from options.kernels.compiled import inlined, kernel
from options.kernels.elementary import exp, log

STEEP = 0.9999  # largest |ρ| of a fit
LEAST_NU = 1e-6
SMALL = 1e-4  # |z| below which derivatives are taken from series: the closed forms cancel
STEPS = 100
CLOSE = 1e-12  # relative gain of a step below which the fit has arrived
NO_NUMBER, TOO_FEW = -2, -1
EXACT = 1e-30  # loss, as a share of that of no model at all, below which quotes are met exactly


@inlined
def bend_ratio(z: float, rho: float) -> float:
    """z/x(z) of Hagan's (2.17), x = ln((√(1−2ρz+z²) + z − ρ)/(1−ρ)): 1 at z = 0, without cancellation anywhere.

    x(z; ρ) = −x(−z; −ρ) leaves z ≥ 0 only; there x = log1p(y) with y a product of positive terms.
    """
    size = abs(z)
    tilt = rho if z >= 0.0 else -rho
    root = math.sqrt((size - tilt) * (size - tilt) + (1.0 - tilt) * (1.0 + tilt))
    before = (1.0 + tilt) / (root - size + tilt)
    after = (root + size - tilt) / (1.0 - tilt)
    y = size * ((before if size < tilt else after) + 1.0) / (root + 1.0)
    more = 1.0 + y
    off = more - 1.0
    x = log(more) * (y / off) if off != 0.0 else y
    return size / x if size > 0.0 else 1.0


@kernel
def lognormal_vol(
    forward: Floats, strike: Floats, tau: Floats, alpha: Floats, beta: Floats, rho: Floats, nu: Floats, out: Floats
) -> None:
    """Hagan's (2.17) into `out` (n,); NaN where an argument is out of range or the expansion not positive."""
    for row in range(len(out)):
        a, v, r, t = alpha[row], nu[row], rho[row], tau[row]
        c = 1.0 - beta[row]
        ratio = log(forward[row] / strike[row])
        middle = exp(0.5 * c * (log(forward[row]) + log(strike[row])))
        spread = c * c * ratio * ratio
        level = a / (middle * (1.0 + spread / 24.0 + spread * spread / 1920.0))
        drift = c * c * a * a / (24.0 * middle * middle) + 0.25 * r * beta[row] * v * a / middle
        drift += (2.0 - 3.0 * r * r) * v * v / 24.0
        value = level * bend_ratio(v / a * middle * ratio, r) * (1.0 + drift * t)
        sound = (forward[row] > 0.0) & (strike[row] > 0.0) & (t >= 0.0) & (a > 0.0) & (v >= 0.0) & (abs(r) < 1.0)
        sound &= (c >= 0.0) & (c <= 1.0) & (value > 0.0) & (value < np.inf)
        out[row] = value if sound else np.nan


@kernel
def prepare(forward: float, strike: Floats, beta: float, made: Floats) -> None:
    """What no parameter changes, into `made` (3, n): ln(f/K), (fK)^((1−β)/2), and the fraction's denominator."""
    c = 1.0 - beta
    for row in range(len(strike)):
        ratio = math.log(forward / strike[row])
        middle = math.exp(0.5 * c * (math.log(forward) + math.log(strike[row])))
        spread = c * c * ratio * ratio
        made[0, row] = ratio
        made[1, row] = middle
        made[2, row] = middle * (1.0 + spread / 24.0 + spread * spread / 1920.0)


@kernel
def normal(
    made: Floats, vol: Floats, weight: Floats, tau: float, beta: float, point: Floats, block: Floats, gradient: Floats
) -> float:
    """Σ(weight·miss)², and its normal equations in (α, ρ, ν): `block` (3, 3) and `gradient` (3,)."""
    alpha, rho, nu = point[0], point[1], point[2]
    c = 1.0 - beta
    smile = (2.0 - 3.0 * rho * rho) / 24.0
    loss = g0 = g1 = g2 = a00 = a01 = a02 = a11 = a12 = a22 = 0.0
    for row in range(len(vol)):
        ratio, middle, denominator = made[0, row], made[1, row], made[2, row]
        reach = middle * ratio / alpha
        z = nu * reach
        bend = bend_ratio(z, rho)
        root = math.sqrt((z - rho) * (z - rho) + (1.0 - rho) * (1.0 + rho))
        inside = root + z - rho if z >= rho else (1.0 - rho) * (1.0 + rho) / (root - z + rho)
        if abs(z) < SMALL:
            in_z = -0.5 * rho + 4.0 * smile * z
            in_tilt = -0.5 * z * (1.0 + rho * z)
        else:
            in_z = bend * (1.0 - bend / root) / z
            in_tilt = bend * bend / z * ((z / root + 1.0) / inside - 1.0 / (1.0 - rho))
        level_drift = c * c / (24.0 * middle * middle) * alpha
        cross = 0.25 * beta / middle
        grown = 1.0 + tau * (level_drift * alpha + cross * rho * nu * alpha + smile * nu * nu)
        scale = weight[row] / denominator
        at = scale * alpha
        miss = at * bend * grown - weight[row] * vol[row]
        d0 = scale * grown * (bend - z * in_z) + at * bend * tau * (2.0 * level_drift + cross * rho * nu)
        d1 = at * (grown * in_tilt + bend * tau * nu * (cross * alpha - 0.25 * rho * nu))
        d2 = at * (grown * in_z * reach + bend * tau * (cross * rho * alpha + 2.0 * smile * nu))
        loss += miss * miss
        g0 += d0 * miss
        g1 += d1 * miss
        g2 += d2 * miss
        a00 += d0 * d0
        a01 += d0 * d1
        a02 += d0 * d2
        a11 += d1 * d1
        a12 += d1 * d2
        a22 += d2 * d2
    gradient[0], gradient[1], gradient[2] = g0, g1, g2
    block[0, 0], block[0, 1], block[0, 2] = a00, a01, a02
    block[1, 1], block[1, 2], block[2, 2] = a11, a12, a22
    return loss


@kernel
def solved(block: Floats, damping: float, right: Floats, step: Floats) -> bool:
    """Solve the damped symmetric 3 × 3 system (upper half of `block`) for `step`; False where it is singular."""
    more = 1.0 + damping
    p00 = block[0, 0] * more
    l10, l20 = block[0, 1] / p00, block[0, 2] / p00
    p11 = block[1, 1] * more - l10 * block[0, 1]
    p12 = block[1, 2] - l10 * block[0, 2]
    l21 = p12 / p11
    p22 = block[2, 2] * more - l20 * block[0, 2] - l21 * p12
    if not (p00 > 0.0 and p11 > 0.0 and p22 > 0.0):
        return False
    y1 = right[1] - l10 * right[0]
    y2 = right[2] - l20 * right[0] - l21 * y1
    step[2] = y2 / p22
    step[1] = y1 / p11 - l21 * step[2]
    step[0] = right[0] / p00 - l10 * step[1] - l20 * step[2]
    return True


@kernel
def begin(made: Floats, vol: Floats, weight: Floats, forward: float, beta: float, block: Floats, point: Floats) -> bool:
    """First (α, ρ, ν) from a parabola through the smile in ln(K/f); False with fewer than three different strikes.

    Inverts the expansion of (2.17) around the money, without its terms in time (Le Floc'h & Kennedy 2014).
    """
    moments, right, parabola = np.zeros(5), np.zeros(3), np.zeros(3)
    span = np.abs(made[0]).max()
    for row in range(len(vol)):
        x = -made[0, row] / span
        power = weight[row] * weight[row]
        for order in range(5):
            moments[order] += power
            if order < 3:
                right[order] += power * vol[row]
            power *= x
    for i in range(3):
        for j in range(3):
            block[i, j] = moments[i + j]
    if not span > 0.0 or not solved(block, 1e-9, right, parabola):
        return False
    level, slope, curvature = parabola[0], parabola[1] / span, 2.0 * parabola[2] / (span * span)
    level = max(level, 0.1 * right[0] / moments[0])
    c = 1.0 - beta
    tilt = 2.0 * slope + c * level
    square = 3.0 * level * curvature - 0.5 * c * c * level * level + 1.5 * tilt * tilt
    nu = math.sqrt(max(square, tilt * tilt / 0.64, 0.01 * level * level))
    point[0] = level * math.exp(c * math.log(forward))
    point[1] = min(max(tilt / nu, -0.8), 0.8)
    point[2] = nu
    return True


@kernel
def fit(
    forward: float, strike: Floats, vol: Floats, weight: Floats, tau: float, beta: float, point: Floats
) -> tuple[float, int]:
    """Least squares from a first guess of its own, into `point` = (α, ρ, ν).

    Gives Σ(weight·miss)²/Σweight² and the steps tried: NO_NUMBER or TOO_FEW where no fit can begin.
    """
    nothing = total = 0.0
    first = second = np.nan
    different = 0
    for row in range(len(vol)):
        fine = 0.0 < strike[row] < np.inf and 0.0 < vol[row] < np.inf and 0.0 <= weight[row] < np.inf
        if not fine:
            return float(row), NO_NUMBER
        nothing += (weight[row] * vol[row]) ** 2
        total += weight[row] ** 2
        if weight[row] > 0.0 and strike[row] != first and strike[row] != second:
            different += 1
            first, second = strike[row], first
    if different < 3:
        return np.nan, TOO_FEW
    made = np.empty((3, len(vol)))
    block, gradient, step = np.zeros((3, 3)), np.empty(3), np.empty(3)
    new_block, new_gradient, new_point = np.zeros((3, 3)), np.empty(3), np.empty(3)
    prepare(forward, strike, beta, made)
    if not begin(made, vol, weight, forward, beta, new_block, point):
        return np.nan, TOO_FEW
    loss = normal(made, vol, weight, tau, beta, point, block, gradient)
    damping = 1e-3
    for tried in range(STEPS):
        if loss <= EXACT * nothing or damping > 1e12:
            return loss / total, tried
        outward = True
        while outward:
            if not solved(block, damping, -gradient, step):
                return loss / total, STEPS
            outward = False
            for unknown, least, most in ((1, -STEEP, STEEP), (2, LEAST_NU, np.inf)):
                change = step[unknown]
                if (point[unknown] >= most and change > 0.0) or (point[unknown] <= least and change < 0.0):
                    block[unknown, :] = 0.0
                    block[:, unknown] = 0.0
                    block[unknown, unknown] = 1.0
                    gradient[unknown] = 0.0
                    outward = True
        if abs(gradient[0] * step[0] + gradient[1] * step[1] + gradient[2] * step[2]) <= CLOSE * loss:
            return loss / total, tried
        new_point[0] = max(point[0] + step[0], 0.2 * point[0])
        new_point[1] = min(max(point[1] + step[1], -STEEP), STEEP)
        new_point[2] = max(point[2] + step[2], 0.2 * point[2], LEAST_NU)
        new_loss = normal(made, vol, weight, tau, beta, new_point, new_block, new_gradient)
        if new_loss < loss:
            point[:] = new_point
            loss, block, new_block, gradient, new_gradient = new_loss, new_block, block, new_gradient, gradient
            damping = max(0.05 * damping, 1e-12)
        else:
            damping *= 10.0
    return loss / total, STEPS
