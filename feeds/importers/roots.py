"""Exercise and settlement that follow from an option root."""

from datetime import date
from typing import NamedTuple

STANDARD_MULTIPLIER = 100.0  # shares or index units of a standard contract listed in the United States


class RootRule(NamedTuple):
    """How contracts under a root are exercised and settled."""

    underlying: str
    european: bool
    am_settled: bool


# Cboe and Nasdaq contract specifications. OEX is American although an index.
INDEX_ROOTS: dict[str, RootRule] = {
    "SPX": RootRule("SPX", european=True, am_settled=True),
    "SPXW": RootRule("SPX", european=True, am_settled=False),
    "SPXPM": RootRule("SPX", european=True, am_settled=False),
    "XSP": RootRule("XSP", european=True, am_settled=False),
    "NDX": RootRule("NDX", european=True, am_settled=True),
    "NDXP": RootRule("NDX", european=True, am_settled=False),
    "XND": RootRule("XND", european=True, am_settled=False),
    "RUT": RootRule("RUT", european=True, am_settled=True),
    "RUTW": RootRule("RUT", european=True, am_settled=False),
    "MRUT": RootRule("MRUT", european=True, am_settled=False),
    "VIX": RootRule("VIX", european=True, am_settled=True),
    "VIXW": RootRule("VIX", european=True, am_settled=True),
    "DJX": RootRule("DJX", european=True, am_settled=True),
    "XEO": RootRule("OEX", european=True, am_settled=False),
    "OEX": RootRule("OEX", european=False, am_settled=False),
}
_WEEKLY_ROOT = {"SPX": "SPXW", "NDX": "NDXP", "RUT": "RUTW"}


def rule_of(root: str) -> RootRule:
    """Rule of `root`; anything that is not an index root is an American, PM-settled equity or ETF option."""
    return INDEX_ROOTS.get(root) or RootRule(underlying_of_equity_root(root), european=False, am_settled=False)


def underlying_of_equity_root(root: str) -> str:
    """Adjusted contracts carry a digit behind the ticker ("TSLA1")."""
    return root.rstrip("0123456789") or root


def is_adjusted_root(root: str) -> bool:
    """Whether the root marks a deliverable changed by a corporate action."""
    return root not in INDEX_ROOTS and root[-1:].isdigit()


def guess_root(underlying: str, expiry: date) -> tuple[str, bool]:
    """Root for layouts that name only the underlying, and whether it is certain.

    On a third Friday both an AM-settled and a PM-settled contract of an index may exist, and nothing in such a
    file tells them apart.
    """
    weekly = _WEEKLY_ROOT.get(underlying)
    if weekly is None:
        return underlying, True
    third_friday = expiry.weekday() == 4 and 15 <= expiry.day <= 21
    return (underlying, False) if third_friday else (weekly, True)
