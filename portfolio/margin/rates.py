"""What the rules charge, by kind of underlying, each with its source.

FINRA Rule 4210 (the exchanges' own rule, Cboe Rule 10.3, reads the same) on top of the Federal Reserve's Regulation T,
12 CFR 220; worked in examples in the Cboe Margin Manual. Regulatory minimums: a broker may ask for more.
"""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from domain.record import Record

AccountType = Literal["margin", "cash"]
Basis = Literal["initial", "maintenance"]

SHARES_INITIAL = Decimal("0.50")  # Regulation T § 220.12(a), (c): of the value bought, or sold short
LONG_MAINTENANCE = Decimal("0.25")  # Rule 4210(c)(1)
SHORT_MAINTENANCE = Decimal("0.30")  # Rule 4210(c)(3): and 5 USD a share at least
SHORT_LEAST = Decimal(5)
PENNY_PRICE = Decimal(5)  # Rule 4210(c)(2): below it the whole value, 2.50 USD a share at least
PENNY_LEAST = Decimal("2.50")
HEDGED = Decimal("0.10")  # Rule 4210(f)(2), hedged shares: of the strike of the option that protects the shares
COLLARED = Decimal("0.25")  # the same: of the strike of a collar's call


class OptionRates(Record):
    """Shares of the underlying's value charged for an uncovered short option. Settings may ask for more, not less."""

    uncovered: Decimal = Field(default=Decimal("0.20"), ge=Decimal("0.15"), le=1)
    minimum: Decimal = Field(default=Decimal("0.10"), ge=Decimal("0.10"), le=1)


EQUITY = OptionRates()
"""Shares, funds and narrow indices: 20 %, at least 10 % (Rule 4210(f)(2))."""
BROAD_INDEX = OptionRates(uncovered=Decimal("0.15"))
"""Broad-based indices: 15 %, at least 10 % (the same)."""


class MarginSettings(Record):
    """Which rules apply to which underlying. Funds on broad indices count as shares, erring on the high side."""

    account: AccountType = "margin"
    broad_indices: frozenset[str] = frozenset({"DJX", "MRUT", "NDX", "OEX", "RUT", "SPX", "XEO", "XND", "XSP"})
    leverage: dict[str, Decimal] = {}  # leveraged funds, by factor: rates times it, 100 % at most (FINRA Notice 09-53)

    def rates(self, ticker: str) -> OptionRates:
        """Rates of options on `ticker`."""
        rates = BROAD_INDEX if ticker in self.broad_indices else EQUITY
        factor = max(abs(self.leverage.get(ticker, Decimal(1))), Decimal(1))
        if factor == 1:
            return rates
        return OptionRates(
            uncovered=min(rates.uncovered * factor, Decimal(1)), minimum=min(rates.minimum * factor, Decimal(1))
        )
