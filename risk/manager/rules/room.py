"""How many units fit under a limit in USD."""

import math

from risk.manager.decision import OrderVerdict

ROUNDING = 1e-9


def units_within(room: float, *, per_unit: float, asked: int) -> int:
    """How many of `asked` units of `per_unit` USD each fit into `room` USD: all of them if they take none."""
    if per_unit <= 0:
        return asked
    return math.floor(min(max(room / per_unit + ROUNDING, 0.0), float(asked)))


def fitting(
    rule: str,
    *,
    asked: int,
    used: float | None,
    per_unit: float,
    share: float,
    equity: float | None,
    what: str,
) -> OrderVerdict:
    """The largest size that keeps `used` + units × `per_unit` USD within `share` of `equity`; never above `asked`.

    The verdict measures what the limit would measure were all of `asked` opened. Unknown `used` or `equity`, or an
    equity of nothing, refuses: no bound exists.
    """
    if used is None or equity is None or equity <= 0:
        lacking = "equity" if equity is None or equity <= 0 else what
        return OrderVerdict(units=0, asked=asked, rule=rule, limit=share, reason=f"{lacking} unknown or gone")
    units = units_within(share * equity - used, per_unit=per_unit, asked=asked)
    measured = (used + asked * per_unit) / equity
    reason = f"{what} {used:,.2f} USD + {asked} × {per_unit:,.2f} is {measured:.1%} of equity, limit {share:.1%}"
    return OrderVerdict(units=units, asked=asked, rule=rule, measured=measured, limit=share, reason=reason)
