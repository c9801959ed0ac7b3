"""Where one SVI slice lies above another on the whole real line, and where the two cross.

The gap far − near is held as Δc + Δs·k + e_far − e_near, where e is what a slice has above the asymptote of its nearer
wing: no digits are lost far out. Between two points of the line a slice, being convex, lies above its tangents and
below its chord; so the gap there is bounded by its values and by how far each slice leaves its tangents.
"""

import math

import numpy as np

from domain.units import Floats
from options.kernels.compiled import kernel

TOLERANCE = 1e-12  # of the total variances around the centre: to which the least gap is proved
FURTHEST = 1e9  # of the slices' own scale: where the search for a tail that can be proved ends
STACK = 256
FINEST = 1e-13  # of the scale: intervals no longer split
MOST_SPLITS = 4_000  # slices that all but coincide would need more than any number
SAFE = 1e-15  # relative difference of wing slopes that rounding cannot have turned round


@kernel
def _above(slice_: Floats, k: float, right: bool) -> float:
    """What the slice has above its asymptote on the right (or left)."""
    x = k - slice_[3] if right else slice_[3] - k
    radius = math.hypot(x, slice_[4])
    above: float = slice_[1] * (slice_[4] * slice_[4] / (radius + x) if x > 0.0 else radius - x)
    return above


@kernel
def _asymptote(slice_: Floats, right: bool) -> tuple[float, float]:
    """(constant, slope) of the wing's asymptote."""
    slope = slice_[1] * (slice_[2] + (1.0 if right else -1.0))
    return slice_[0] - slope * slice_[3], slope


@kernel
def _gap(near: Floats, far: Floats, k: float, centre: float) -> float:
    """far(k) − near(k)."""
    right = k >= centre
    constant_far, slope_far = _asymptote(far, right)
    constant_near, slope_near = _asymptote(near, right)
    lines = (constant_far - constant_near) + (slope_far - slope_near) * k
    return lines + (_above(far, k, right) - _above(near, k, right))


@kernel
def _slope(slice_: Floats, k: float) -> float:
    x = k - slice_[3]
    slope: float = slice_[1] * (slice_[2] + x / math.hypot(x, slice_[4]))
    return slope


@kernel
def _left_behind(slice_: Floats, at: float, to: float) -> float:
    """How far above its tangent at `at` the slice is at `to`: ≥ 0, by convexity."""
    x, y = at - slice_[3], to - slice_[3]
    at_x, at_y = math.hypot(x, slice_[4]), math.hypot(y, slice_[4])
    turned = y * at_x - x * at_y
    if x * y > 0.0:  # both on one side: the same without its cancellation
        turned = slice_[4] * slice_[4] * (y - x) * (y + x) / (y * at_x + x * at_y)
    left: float = slice_[1] * (y - x) * turned / ((at_x + at_y) * at_x)
    return left


@kernel
def _bends(slice_: Floats, left: float, right: float) -> tuple[float, float]:
    """(least, greatest) second derivative between two points."""
    x, y = left - slice_[3], right - slice_[3]
    scale = slice_[1] * slice_[4] * slice_[4]
    near = 0.0 if x * y <= 0.0 else min(abs(x), abs(y))
    return scale / math.hypot(max(abs(x), abs(y)), slice_[4]) ** 3, scale / math.hypot(near, slice_[4]) ** 3


@kernel
def _least_between(lower: Floats, upper: Floats, left: float, right: float, at_left: float, at_right: float) -> float:
    """Lower bound of upper − lower between two points where it is known: the better of two.

    By the tangents of `upper` and the chord of `lower`; by the chord of the gap and its greatest second derivative,
    which is sharper where the slices run alongside each other.
    """
    bend = _bends(upper, left, right)[1] - _bends(lower, left, right)[0]
    alongside = min(at_left, at_right) - 0.125 * (right - left) ** 2 * max(bend, 0.0)
    behind_left, behind_right = _left_behind(upper, left, right), _left_behind(upper, right, left)
    tangent = at_left + (at_right - behind_left - at_left) * (behind_right / (behind_left + behind_right))
    if at_right - behind_left >= at_left:
        tangent = at_left
    elif at_left - behind_right >= at_right:
        tangent = at_right
    return max(alongside, tangent)


@kernel
def _frame(near: Floats, far: Floats) -> tuple[float, float, float]:
    """(centre, scale in k, rounding unit of the gap)."""
    centre = 0.5 * (near[3] + far[3])
    scale = max(near[4], far[4]) + abs(near[3] - far[3])
    size = abs(near[0]) + abs(far[0]) + (near[1] + far[1]) * (scale + abs(centre))
    return centre, scale, size


@kernel
def _tail(near: Floats, far: Floats, right: bool, level: float) -> float:
    """A |k − centre| beyond which gap ≥ `level`; ∞ where that cannot be proved."""
    centre, scale, _ = _frame(near, far)
    constant_far, slope_far = _asymptote(far, right)
    constant_near, slope_near = _asymptote(near, right)
    side = 1.0 if right else -1.0
    if side * (slope_far - slope_near) < 0.0:
        return np.inf
    reach = 2.0 * scale
    while reach < FURTHEST * scale:
        k = centre + side * reach
        lines = (constant_far - constant_near) + (slope_far - slope_near) * k
        if lines - _above(near, k, right) >= level:
            return reach
        reach *= 4.0
    return np.inf


@kernel
def least_gap(near: Floats, far: Floats, level: float) -> tuple[float, float, bool]:
    """(least far − near over all real k, its k, whether that is proved to `TOLERANCE`); (−∞, ±∞, True) where a wing of
    `near` is steeper. With a `level` that is not NaN the question is only whether the gap is nowhere smaller: the
    least gap seen, where, and whether that is proved.
    """
    centre, scale, size = _frame(near, far)
    slack = TOLERANCE * size
    best, at = np.inf, centre
    ends = np.empty(2)
    for side in range(2):
        right = side == 1
        sign = 1.0 if right else -1.0
        constant_far, slope_far = _asymptote(far, right)
        constant_near, slope_near = _asymptote(near, right)
        steeper = sign * (slope_far - slope_near)
        if steeper < 0.0:
            return -np.inf, sign * np.inf, True
        if steeper == 0.0 and constant_far - constant_near < best:
            best, at = constant_far - constant_near, sign * np.inf
    for point in (near[3], far[3]):
        value = _gap(near, far, point, centre)
        if value < best:
            best, at = value, point
    proved = True
    for side in range(2):
        reach = _tail(near, far, side == 1, best - slack if np.isnan(level) else level)
        proved = proved and reach < np.inf
        ends[side] = centre + (1.0 if side == 1 else -1.0) * (reach if reach < np.inf else FURTHEST * scale)
    low, high = np.empty(STACK), np.empty(STACK)
    low[0], high[0] = ends[0], centre
    low[1], high[1] = centre, ends[1]
    top, splits = 1, 0
    while top >= 0 and splits < MOST_SPLITS:
        left, right_end = low[top], high[top]
        top -= 1
        # the left-hand form serves the left interval up to the centre, the right-hand one from there: they agree there
        gap_low, gap_high = _gap(near, far, left, centre), _gap(near, far, right_end, centre)
        if gap_low < best:
            best, at = gap_low, left
        if gap_high < best:
            best, at = gap_high, right_end
        bound = _least_between(near, far, left, right_end, gap_low, gap_high)
        if best < level:
            return best, at, False
        if bound >= (best - slack if np.isnan(level) else level):
            continue
        if right_end - left <= FINEST * (scale + abs(left)):
            proved = False
            continue
        middle = _between(left, right_end, centre, scale)
        low[top + 1], high[top + 1] = left, middle
        low[top + 2], high[top + 2] = middle, right_end
        top += 2
        splits += 1
    return best, at, proved and top < 0


@kernel
def _between(left: float, right: float, centre: float, scale: float) -> float:
    """Where an interval is split: in the middle of arsinh((k − centre)/scale), so that long tails cost few steps."""
    mean = 0.5 * (math.asinh((left - centre) / scale) + math.asinh((right - centre) / scale))
    middle = centre + scale * math.sinh(mean)
    return middle if left < middle < right else 0.5 * (left + right)


@kernel
def crossings(near: Floats, far: Floats, out: Floats) -> int:
    """All k, ascending, where the two slices are equal, into `out` (shape `(8,)`); how many. Touching points count."""
    centre, scale, size = _frame(near, far)
    slack = TOLERANCE * size
    ends = np.empty(2)
    for side in range(2):
        reach = min(_tail(near, far, side == 1, slack), _tail(far, near, side == 1, slack))
        ends[side] = centre + (1.0 if side == 1 else -1.0) * (reach if reach < np.inf else FURTHEST * scale)
    low, high = np.empty(STACK), np.empty(STACK)
    low[1], high[1] = ends[0], centre
    low[0], high[0] = centre, ends[1]
    top, count, splits = 1, 0, 0
    while top >= 0 and splits < MOST_SPLITS:
        left, right = low[top], high[top]
        top -= 1
        gap_low, gap_high = _gap(near, far, left, centre), _gap(near, far, right, centre)
        below = _least_between(near, far, left, right, gap_low, gap_high)
        above = -_least_between(far, near, left, right, -gap_low, -gap_high)
        if below > 0.0 or above < 0.0:
            continue
        rising = _slope(far, left) >= _slope(near, right)
        falling = _slope(far, right) <= _slope(near, left)
        small = right - left <= FINEST * (scale + abs(left))
        if not (rising or falling or small):
            middle = _between(left, right, centre, scale)
            low[top + 1], high[top + 1] = middle, right
            low[top + 2], high[top + 2] = left, middle
            top += 2
            splits += 1
            continue
        touching = small and min(abs(gap_low), abs(gap_high)) <= slack
        if not touching and (gap_low > 0.0) == (gap_high > 0.0):
            continue
        root = 0.5 * (left + right) if small else _bisected(near, far, left, right, gap_low, centre)
        if count < len(out) and (count == 0 or root - out[count - 1] > 1e-7 * (scale + abs(root))):
            out[count] = root
            count += 1
    return count


@kernel
def _bisected(near: Floats, far: Floats, left: float, right: float, gap_left: float, centre: float) -> float:
    """The root of a monotone gap whose sign changes between `left` and `right`."""
    while True:
        middle = 0.5 * (left + right)
        if not left < middle < right:
            return middle
        value = _gap(near, far, middle, centre)
        if value == 0.0:
            return middle
        if (value > 0.0) == (gap_left > 0.0):
            left = middle
        else:
            right = middle


@kernel
def is_free(near: Floats, far: Floats, margin: float) -> bool:
    """Whether far ≥ near + margin for all real k: proved. Equal slices are free for margin ≤ 0."""
    same = True
    for i in range(5):
        same = same and near[i] == far[i]
    if same:
        return margin <= 0.0
    for side in (-1.0, 1.0):
        slope_near, slope_far = near[1] * (near[2] + side), far[1] * (far[2] + side)
        if slope_near != slope_far and side * (slope_far - slope_near) < SAFE * (near[1] + far[1]):
            return False
    size = _frame(near, far)[2]
    return least_gap(near, far, margin + 2.0 * TOLERANCE * size)[2]
