"""What a move of the underlying does to one unit of a position, by its delta and gamma."""

from typing import NamedTuple

from risk.manager.context import RiskContext
from risk.manager.rules.missing import missing


class MoveEffect(NamedTuple):
    """USD per unit: lost if the move goes against the position, earned if it goes its way; neither is negative."""

    loss: float
    gain: float


def effect_of(context: RiskContext, points: float) -> MoveEffect | None:
    """Effect of `points` USD per share either way; None where price, delta or gamma are not known.

    Second order (Hull, Options, Futures and Other Derivatives, ch. 19): P&L = Δ·x + 50·Γ·x² with x the relative move,
    Δ in USD of underlying and Γ in USD of delta per 1 %. Long gamma can make both sides gains: then the loss is 0.
    """
    price, position = context.market.price, context.position
    if price is None or price <= 0 or position.delta is None or position.gamma is None:
        return None
    move = points / price
    linear = abs(position.delta) * move / position.quantity
    curved = 50.0 * position.gamma * move * move / position.quantity
    return MoveEffect(loss=max(0.0, linear - curved), gain=max(0.0, linear + curved))


def missing_for_effect(context: RiskContext) -> tuple[str, ...]:
    """Which facts `effect_of` lacked."""
    price = context.market.price
    unusable = ("price",) if price is None or price <= 0 else ()
    return unusable + missing(context.position, "delta", "gamma")
