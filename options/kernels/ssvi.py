"""SSVI by damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963).

The normal equations are an arrow: an expiry's θ meets only its own quotes, ρ, η and γ meet all of them. Eliminating
the θ leaves three unknowns whatever the number of expiries. The one inequality, η ≤ `largest_eta`, enters each step
linearised, as in sequential quadratic programming, and is then met exactly by cutting η back.
"""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.kernels.compiled import kernel

STEEP = 0.9999  # largest |ρ|
FLAT, SHARP = 1e-4, 0.5 - 1e-6  # bounds of γ: from ½ on, shorter and shorter expiries would need smaller and smaller η
INSIDE = 1.0 - 1e-9  # share of the largest η that is used: rounding may not carry a slice over the edge
TINY = 1e-300
STEPS = 100
CLOSE = 1e-11  # relative gain of a step below which the fit has arrived
EXACT = 1e-28  # loss, as a share of that of no model at all, below which quotes are met exactly


@kernel
def largest_eta(rho: float, gamma: float, high: float) -> tuple[float, float, float, float, float]:
    """Largest η without butterfly arbitrage at any θ up to `high`; its derivatives in ρ, γ and `high`, and how strongly
    it bends down in γ (minus the second derivative, at least 0).

    Gatheral & Jacquier (2014), theorem 4.2, for φ(θ) = η/(θ^γ (1+θ)^(1−γ)): θφ(1+|ρ|) < 4 is hardest at the largest θ;
    θφ²(1+|ρ|) ≤ 4 at θ = 1 − 2γ, where θφ² peaks, or at the largest θ before it.
    """
    skew = 1.0 + abs(rho)
    sign = 1.0 if rho > 0.0 else -1.0
    share = math.log(high) - math.log1p(high)
    by_slope = 4.0 / (skew * math.exp((1.0 - gamma) * share))
    peak = min(1.0 - 2.0 * gamma, high)
    fall = math.log(peak) - math.log1p(peak)
    by_curvature = 2.0 / math.sqrt(skew * math.exp((1.0 - 2.0 * gamma) * fall - math.log1p(peak)))
    if by_slope < by_curvature:
        in_high = -(1.0 - gamma) * by_slope / (high * (1.0 + high))
        return by_slope, -by_slope * sign / skew, by_slope * share, in_high, 0.0
    bend = in_high = 0.0
    if peak < high:
        bend = max(by_curvature * (2.0 / (peak * (1.0 + peak)) - fall * fall), 0.0)
    else:
        in_high = -0.5 * by_curvature * ((1.0 - 2.0 * gamma) / peak - 2.0 * (1.0 - gamma) / (1.0 + peak))
    return by_curvature, -0.5 * by_curvature * sign / skew, by_curvature * fall, in_high, bend


@kernel
def rows(
    k: Floats, target: Floats, weight: Floats, half: float, phi: float, rho: float, cut: float, made: Floats
) -> None:
    """Of one expiry, every quote's derivatives along (θ at fixed φ, φ, ρ), miss and Huber loss, into `made` (5, ≥ n).

    Weighted, and with the root of Huber's trust in each, so that plain products of them are the normal equations.
    """
    flat = 1.0 - rho * rho
    in_theta, in_phi, in_rho, misses, losses = made[0], made[1], made[2], made[3], made[4]
    for row in range(len(k)):
        x = phi * k[row]
        z = x + rho
        root = math.sqrt(z * z + flat)
        inverse = 1.0 / root
        base = 1.0 + rho * x + root
        miss = weight[row] * (half * base - target[row])
        size = abs(miss)
        near = min(size, cut)
        trust = math.sqrt(min(1.0, cut / max(size, TINY)))
        scale = trust * weight[row]
        in_theta[row] = scale * 0.5 * base
        in_phi[row] = scale * half * k[row] * (rho + z * inverse)
        in_rho[row] = scale * half * x * (1.0 + inverse)
        misses[row] = trust * miss
        losses[row] = near * (2.0 * size - near)


@kernel
def normal(
    k: Floats,
    target: Floats,
    weight: Floats,
    offsets: NDArray[np.int64],
    cut: float,
    theta: Floats,
    shape: Floats,
    made: Floats,
    sums: Floats,
) -> float:
    """Huber loss; `sums` (m, 9) gets each expiry's gradient and products along (θ at fixed φ, φ, ρ)."""
    rho, eta, gamma = shape[0], shape[1], shape[2]
    in_theta, in_phi, in_rho, misses, losses = made[0], made[1], made[2], made[3], made[4]
    loss = 0.0
    for i in range(len(theta)):
        first, last = offsets[i], offsets[i + 1]
        phi = eta * math.exp(-gamma * math.log(theta[i]) - (1.0 - gamma) * math.log1p(theta[i]))
        rows(k[first:last], target[first:last], weight[first:last], 0.5 * theta[i], phi, rho, cut, made)
        g0 = g1 = g2 = a00 = a01 = a02 = a11 = a12 = a22 = 0.0
        for row in range(last - first):
            d0, d1, d2, miss = in_theta[row], in_phi[row], in_rho[row], misses[row]
            loss += losses[row]
            g0 += d0 * miss
            g1 += d1 * miss
            g2 += d2 * miss
            a00 += d0 * d0
            a01 += d0 * d1
            a02 += d0 * d2
            a11 += d1 * d1
            a12 += d1 * d2
            a22 += d2 * d2
        sums[i, 0], sums[i, 1], sums[i, 2] = g0, g1, g2
        sums[i, 3], sums[i, 4], sums[i, 5] = a00, a01, a02
        sums[i, 6], sums[i, 7], sums[i, 8] = a11, a12, a22
    return loss


@kernel
def assemble(theta: Floats, shape: Floats, sums: Floats, arrow: Floats, block: Floats, gradient: Floats) -> None:
    """The arrow: `arrow` (m, 5) holds θθ, θρ, θη, θγ and θ's gradient; `block` and `gradient` are ρ, η, γ's."""
    eta, gamma = shape[1], shape[2]
    block[:] = 0.0
    gradient[:] = 0.0
    for i in range(len(theta)):
        log_theta, log_more = math.log(theta[i]), math.log1p(theta[i])
        phi = eta * math.exp(-gamma * log_theta - (1.0 - gamma) * log_more)
        in_theta = -phi * (gamma / theta[i] + (1.0 - gamma) / (1.0 + theta[i]))
        in_eta, in_gamma = phi / eta, phi * (log_more - log_theta)
        g0, g1, g2, a00, a01, a02, a11, a12, a22 = sums[i]
        across = a01 + in_theta * a11
        arrow[i, 0] = a00 + in_theta * (a01 + across)
        arrow[i, 1] = a02 + in_theta * a12
        arrow[i, 2] = across * in_eta
        arrow[i, 3] = across * in_gamma
        arrow[i, 4] = g0 + in_theta * g1
        block[0, 0] += a22
        block[0, 1] += a12 * in_eta
        block[0, 2] += a12 * in_gamma
        block[1, 1] += a11 * in_eta * in_eta
        block[1, 2] += a11 * in_eta * in_gamma
        block[2, 2] += a11 * in_gamma * in_gamma
        gradient[0] += g2
        gradient[1] += g1 * in_eta
        gradient[2] += g1 * in_gamma


@kernel
def solved(arrow: Floats, block: Floats, damping: float, right: Floats, top: Floats, step: Floats) -> bool:
    """Solve the damped arrow for `right` (m,) in θ and `top` (3,) in ρ, η, γ, into `step` (m + 3,). False: singular."""
    more = 1.0 + damping
    s00, s11, s22 = block[0, 0] * more + TINY, block[1, 1] * more + TINY, block[2, 2] * more + TINY
    s01, s02, s12 = block[0, 1], block[0, 2], block[1, 2]
    t0, t1, t2 = top[0], top[1], top[2]
    count = len(arrow)
    for i in range(count):
        inverse = 1.0 / (arrow[i, 0] * more)
        b0, b1, b2 = arrow[i, 1], arrow[i, 2], arrow[i, 3]
        s00 -= b0 * b0 * inverse
        s01 -= b0 * b1 * inverse
        s02 -= b0 * b2 * inverse
        s11 -= b1 * b1 * inverse
        s12 -= b1 * b2 * inverse
        s22 -= b2 * b2 * inverse
        share = right[i] * inverse
        t0 -= b0 * share
        t1 -= b1 * share
        t2 -= b2 * share
    l10, l20 = s01 / s00, s02 / s00
    p11 = s11 - l10 * s01
    p12 = s12 - l10 * s02
    l21 = p12 / p11
    p22 = s22 - l20 * s02 - l21 * p12
    if not (s00 > 0.0 and p11 > 0.0 and p22 > 0.0):
        return False
    t1 -= l10 * t0
    t2 -= l20 * t0 + l21 * t1
    x2 = t2 / p22
    x1 = t1 / p11 - l21 * x2
    x0 = t0 / s00 - l10 * x1 - l20 * x2
    for i in range(count):
        step[i] = (right[i] - arrow[i, 1] * x0 - arrow[i, 2] * x1 - arrow[i, 3] * x2) / (arrow[i, 0] * more)
    step[count], step[count + 1], step[count + 2] = x0, x1, x2
    return True


@kernel
def hold(unknown: int, arrow: Floats, block: Floats, gradient: Floats) -> None:
    """Take one of ρ, η, γ out of the equations."""
    arrow[:, 1 + unknown] = 0.0
    block[unknown, :] = 0.0
    block[:, unknown] = 0.0
    block[unknown, unknown] = 1.0
    gradient[unknown] = 0.0


@kernel
def pressed(
    theta: Floats, shape: Floats, arrow: Floats, block: Floats, damping: float, step: Floats, aside: Floats
) -> float:
    """Bring `step` back to the linearised inequality η ≤ `largest_eta`; its multiplier, 0 where it does not press."""
    count = len(theta)
    high = np.argmax(theta)
    cap, in_rho, in_gamma, in_high, _ = largest_eta(shape[0], shape[2], theta[high])
    right, top = np.zeros(count), np.array([-in_rho, 1.0, -in_gamma])
    right[high] = -in_high
    for unknown in range(3):
        if step[count + unknown] == 0.0:
            top[unknown] = 0.0
    over = shape[1] - cap * INSIDE
    for i in range(count):
        over += right[i] * step[i]
    for unknown in range(3):
        over += top[unknown] * step[count + unknown]
    if over <= 0.0 or not solved(arrow, block, damping, right, top, aside):
        return 0.0
    across = 0.0
    for i in range(count):
        across += right[i] * aside[i]
    for unknown in range(3):
        across += top[unknown] * aside[count + unknown]
    step -= over / across * aside
    multiplier: float = over / across
    return multiplier


@kernel
def step_within(
    theta: Floats,
    shape: Floats,
    arrow: Floats,
    block: Floats,
    gradient: Floats,
    damping: float,
    step: Floats,
    aside: Floats,
) -> float:
    """The damped step that stays within the bounds and the linearised inequality, whose multiplier is returned; NaN
    where the equations are singular.
    """
    count = len(theta)
    while True:
        if not solved(arrow, block, damping, -arrow[:, 4], -gradient, step):
            return np.nan
        multiplier = pressed(theta, shape, arrow, block, damping, step, aside)
        outward = False
        for unknown, least, most in ((0, -STEEP, STEEP), (2, FLAT, SHARP)):
            change = step[count + unknown]
            if (shape[unknown] >= most and change > 0.0) or (shape[unknown] <= least and change < 0.0):
                hold(unknown, arrow, block, gradient)
                outward = True
        if not outward:
            return multiplier


@kernel
def move(theta: Floats, shape: Floats, step: Floats, new_theta: Floats, new_shape: Floats) -> None:
    """Take a step, no θ or η losing more than most of itself, and cut η back to what is free of arbitrage."""
    count = len(theta)
    for i in range(count):
        new_theta[i] = max(theta[i] + step[i], 0.2 * theta[i])
    rho = min(max(shape[0] + step[count], -STEEP), STEEP)
    gamma = min(max(shape[2] + step[count + 2], FLAT), SHARP)
    most = largest_eta(rho, gamma, new_theta.max())[0] * INSIDE
    new_shape[0], new_shape[2] = rho, gamma
    new_shape[1] = min(max(shape[1] + step[count + 1], 0.2 * shape[1]), most)


@kernel
def fit(
    k: Floats, target: Floats, weight: Floats, offsets: NDArray[np.int64], cut: float, theta: Floats, shape: Floats
) -> tuple[float, int, bool]:
    """Improve `theta` (m,) and `shape` = (ρ, η, γ) in place; the Huber loss, the steps tried, whether it arrived."""
    count = len(theta)
    widest = 0
    nothing = 0.0
    for i in range(count):
        widest = max(widest, offsets[i + 1] - offsets[i])
    for row in range(len(k)):
        nothing += (weight[row] * target[row]) ** 2
    made = np.empty((5, widest))
    sums, new_sums = np.empty((count, 9)), np.empty((count, 9))
    arrow, block, gradient = np.empty((count, 5)), np.empty((3, 3)), np.empty(3)
    step, aside = np.empty(count + 3), np.empty(count + 3)
    new_theta, new_shape = np.empty(count), np.empty(3)
    step[:] = 0.0
    move(theta, shape, step, new_theta, new_shape)
    theta[:], shape[:] = new_theta, new_shape
    loss = normal(k, target, weight, offsets, cut, theta, shape, made, sums)
    damping, multiplier = 1e-3, 0.0
    fresh = True
    for tried in range(STEPS):
        if loss <= EXACT * nothing or damping > 1e12:
            return loss, tried, True
        if fresh:
            assemble(theta, shape, sums, arrow, block, gradient)
            block[2, 2] += multiplier * largest_eta(shape[0], shape[2], theta.max())[4]
            if count == 1:
                hold(2, arrow, block, gradient)
            fresh = False
        found = step_within(theta, shape, arrow, block, gradient, damping, step, aside)
        if math.isnan(found):
            damping *= 10.0
            continue
        fall = 0.0
        for i in range(count):
            fall -= arrow[i, 4] * step[i]
        for unknown in range(3):
            fall -= gradient[unknown] * step[count + unknown]
        if abs(fall) <= CLOSE * loss:
            return loss, tried, True
        move(theta, shape, step, new_theta, new_shape)
        new_loss = normal(k, target, weight, offsets, cut, new_theta, new_shape, made, new_sums)
        if new_loss < loss:
            theta[:], shape[:] = new_theta, new_shape
            loss, sums, new_sums = new_loss, new_sums, sums
            damping = max(0.05 * damping, 1e-12)
            multiplier = found
            fresh = True
        else:
            damping *= 10.0
    return loss, STEPS, False
