"""What an account may hold but the desk never proposes: another type than `Structure`, without a search.

The tagger explains accounts with these beside the registry of `options.strategies`. `of_shares` in the template's unit:
+1 means that one unit holds one contract's multiplier of shares, −1 that it is short as many.
"""

from typing import Literal

from pydantic import Field

from domain.contract import Right
from domain.debate import Verdict
from domain.record import Record
from domain.regime import Regime
from domain.signals import VolView
from options.strategies.structure import (
    FLAT,
    NOT_CRISIS,
    GreekSigns,
    LegTemplate,
    MarginRule,
    Wings,
)

Loss = Literal["limited", "to zero", "open"]
"""`to zero`: uncovered, but the price cannot fall below zero; `open`: without end."""
Gain = Literal["limited", "open"]
RecognisedFamily = Literal["uncovered", "share_backed", "cash_secured", "defined_risk"]


class Recognised(Record):
    """A structure that is named, margined and valued where it is held, and cannot be proposed."""

    strategy: str
    family: RecognisedFamily
    template: tuple[LegTemplate, ...] = ()
    shares: Literal[-1, 0, 1] = 0  # contract multipliers of shares held by one unit
    wings: Wings = "any"
    ordered: bool = True  # False: strikes of different levels must differ, in whatever order
    signs: GreekSigns
    loss: Loss
    gain: Gain
    margin: MarginRule
    directions: frozenset[Verdict] = frozenset({FLAT})
    vol_views: frozenset[VolView] = frozenset({"short"})
    regimes: frozenset[Regime] = NOT_CRISIS
    note: str = Field(min_length=1)

    @property
    def shape(self) -> str:
        """Loss and gain in words."""
        return f"{self.loss} loss, {self.gain} gain"


def uncovered(template: tuple[LegTemplate, ...], shares: int = 0) -> int:
    """Short contracts, and multipliers of short shares, that nothing in the structure covers.

    A long option covers a short one of its right that does not outlive it; shares held cover calls, shares sold short
    cover puts, a long call covers shares sold short.
    """
    short_calls = _excess(template, Right.CALL)
    short_puts = _excess(template, Right.PUT)
    bare_shares = max(
        0, -shares - sum(leg.quantity for leg in template if leg.right is Right.CALL and leg.quantity > 0)
    )
    return max(0, short_calls - max(shares, 0)) + max(0, short_puts - max(-shares, 0)) + bare_shares


def _excess(template: tuple[LegTemplate, ...], right: Right) -> int:
    """Most by which short options outnumber the long ones that live as long."""
    own = [leg for leg in template if leg.right is right]
    back = sum(leg.quantity for leg in own if leg.term == "back")
    return max(0, -back, -sum(leg.quantity for leg in own))
