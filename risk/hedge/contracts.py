"""How many hedge contracts, and on which underlyings: exact arithmetic, nothing is lost in rounding."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import isfinite

from domain.errors import UsageError

Number = int | float | Decimal | Fraction


def calculate_contract_count(portfolio_value: Number, ratio_per_contract: Number = 50_000.0) -> int:
    """Whole contracts for `portfolio_value` USD at one contract per `ratio_per_contract` USD, rounded down.

    0 where either is zero or negative. Floats count as the decimal number that they print as. Raises `UsageError` for
    what is no finite number.
    """
    value, ratio = exact(portfolio_value, "The portfolio value"), exact(ratio_per_contract, "The ratio per contract")
    return 0 if value <= 0 or ratio <= 0 else value // ratio


def allocate_contracts(total_contracts: int, underlying_weights: Mapping[str, Number]) -> dict[str, int]:
    """Share out `total_contracts` by weight: floors first, what remains one by one to the largest weights.

    Weights need not add up to one; equal ones are served by ticker, ascending. Nothing where the total is zero or
    negative. Raises `UsageError` without weights, for a negative one, or where all are zero.
    """
    if isinstance(total_contracts, bool) or not isinstance(total_contracts, int):
        raise UsageError(f"{total_contracts!r} is no whole number of contracts.")
    weights = {ticker: exact(weight, f"The weight of {ticker}") for ticker, weight in underlying_weights.items()}
    if min(weights.values(), default=Fraction(-1)) < 0:
        raise UsageError("Contracts are shared out by weights of zero or more.", remedy="Write e.g. QQQ=0.6,SPY=0.4.")
    whole = sum(weights.values())
    if whole == 0:
        raise UsageError("All weights are zero: there is nothing to share out by.", remedy="Give one a weight.")
    total = max(total_contracts, 0)
    shares = {ticker: total * weight // whole for ticker, weight in weights.items()}
    largest_first = sorted(weights, key=lambda ticker: (-weights[ticker], ticker))
    for ticker in largest_first[: total - sum(shares.values())]:
        shares[ticker] += 1
    return shares


def exact(value: Number, what: str) -> Fraction:
    """`value` as a fraction, a float as the decimal number that it prints as. Raises `UsageError` naming `what`."""
    if isinstance(value, bool) or not isinstance(value, Number) or not _finite(value):
        raise UsageError(f"{what} is {value!r}, which is no finite number.", remedy="Write e.g. 250000.")
    return Fraction(repr(float(value))) if isinstance(value, float) else Fraction(value)


def _finite(value: Number) -> bool:
    return isinstance(value, int | Fraction) or isfinite(value)  # an integer may be too large for a float
