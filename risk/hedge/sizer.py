"""The baseline hedge: one put contract for so many dollars of portfolio, shared out by weight, held to a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from domain.errors import UsageError
from domain.record import Record
from domain.units import dollars
from options.priced import ChainRefusal, PricedChain
from risk.hedge.budget import BudgetCheck, HedgeBudget, HedgeCost
from risk.hedge.contracts import Number, allocate_contracts, calculate_contract_count, exact
from risk.hedge.settings import HedgeSettings
from risk.hedge.window import put_window

MOST_VALUE = 10**12  # USD
MOST_CONTRACTS = 10**9
ESTIMATE = (
    "An estimate: median mid of the puts inside the window × contracts × multiplier; spread and fees come on top, "
    "and the put that is bought may cost more or less."
)


class HedgeShare(Record):
    """Contracts of one underlying; `weight` is its share of the whole."""

    ticker: str
    weight: float
    contracts: int


class HedgeSize(Record):
    """How many contracts, why, and on what."""

    portfolio_value: Decimal  # USD
    ratio_per_contract: Decimal  # USD
    contracts: int
    basis: Literal["ratio", "target"]
    weights: Literal["given", "configured", "equal"]
    shares: tuple[HedgeShare, ...]  # in the order asked for
    unweighted: tuple[str, ...] = ()  # those without a weight, which made all weights equal


@dataclass(frozen=True)
class HedgeSizer:
    """Sizes the baseline hedge by `settings`, and says what it would cost."""

    settings: HedgeSettings

    def size(
        self,
        portfolio_value: Number,
        underlyings: Sequence[str],
        *,
        target_contracts: int | None = None,
        weights: Mapping[str, Number] | None = None,
    ) -> HedgeSize:
        """Contracts for `portfolio_value` USD (or `target_contracts`, if given), shared out among `underlyings`.

        Weights (`weights`, else the configured ones) are filtered to those requested, then normalised; if any of them
        has none, all requested weigh the same. Raises `UsageError` without underlyings, for a negative target, for
        what is no number, or for more than anybody has (`MOST_VALUE`, `MOST_CONTRACTS`).
        """
        asked = tuple(dict.fromkeys(underlyings))
        if not asked:
            raise UsageError("A hedge needs an underlying.", remedy="Write e.g. --underlyings QQQ,SPY.")
        ratio = self.settings.ratio_per_contract
        value = exact(portfolio_value, "The portfolio value")
        if abs(value) > MOST_VALUE:
            raise UsageError(f"The portfolio value is beyond {MOST_VALUE:,} USD.", remedy="Write e.g. 250000.")
        if target_contracts is not None and not 0 <= target_contracts <= MOST_CONTRACTS:
            raise UsageError(
                f"{target_contracts} contracts cannot be bought.",
                remedy="Give zero or more." if target_contracts < 0 else f"Give at most {MOST_CONTRACTS:,}.",
            )
        total = calculate_contract_count(value, ratio) if target_contracts is None else target_contracts
        source = self.settings.weights if weights is None else weights
        unweighted = tuple(ticker for ticker in asked if ticker not in source)
        known = not unweighted
        shares = {
            ticker: exact(source[ticker], f"The weight of {ticker}") if known else Fraction(1) for ticker in asked
        }
        contracts = allocate_contracts(total, shares)
        whole = sum(shares.values())
        return HedgeSize(
            portfolio_value=dollars(Decimal(value.numerator) / Decimal(value.denominator)),
            ratio_per_contract=ratio,
            contracts=total,
            basis="ratio" if target_contracts is None else "target",
            weights="equal" if not known else "configured" if weights is None else "given",
            shares=tuple(
                HedgeShare(ticker=ticker, weight=float(shares[ticker] / whole), contracts=contracts[ticker])
                for ticker in asked
            ),
            unweighted=unweighted,
        )

    def validate_budget(
        self, size: HedgeSize, chains: Mapping[str, PricedChain | ChainRefusal], budget: HedgeBudget
    ) -> BudgetCheck:
        """What `size` would cost at the median mid of each underlying's window, against what is left of the month.

        Underlyings that get no contract cost nothing and need no chain. Where one has no usable chain or no put
        qualifies, its cost, and so the whole, is unavailable.
        """
        breakdown = tuple(self._cost(share, chains.get(share.ticker)) for share in size.shares)
        known = [item.cost for item in breakdown if item.cost is not None]
        cost = sum(known, Decimal(0)) if len(known) == len(breakdown) else None
        if cost is None:
            missing = ", ".join(item.ticker for item in breakdown if item.cost is None)
            note = f"Unavailable: there is no cost for {missing}, so that nobody can say whether the budget holds."
            return BudgetCheck(
                budget=budget, cost=None, utilisation=None, within=False, verdict="unavailable", breakdown=breakdown,
                note=note,
            )  # fmt: skip
        within = cost <= budget.remaining
        return BudgetCheck(
            budget=budget,
            cost=cost,
            utilisation=float((budget.spent + cost) / budget.limit) if budget.limit > 0 else None,
            within=within,
            verdict="within" if within else "over",
            breakdown=breakdown,
            note=ESTIMATE,
        )

    def _cost(self, share: HedgeShare, chain: PricedChain | ChainRefusal | None) -> HedgeCost:
        fields = {
            "ticker": share.ticker,
            "contracts": share.contracts,
            "median_mid": None,
            "multiplier": None,
            "puts": 0,
        }
        if not isinstance(chain, PricedChain):
            why = f"there is no option chain of {share.ticker}" if chain is None else chain.detail
            cost = None if share.contracts else Decimal(0)
            return HedgeCost.model_validate({**fields, "cost": cost, "note": why})
        found = put_window(chain, self.settings)
        if isinstance(found, str):
            cost = None if share.contracts else Decimal(0)
            return HedgeCost.model_validate({**fields, "cost": cost, "note": found})
        return HedgeCost(
            ticker=share.ticker,
            contracts=share.contracts,
            median_mid=found.median_mid,
            multiplier=found.multiplier,
            puts=found.puts,
            cost=dollars(found.median_mid * share.contracts * found.multiplier),
            note=f"{found.puts} puts, strikes {found.lowest_strike:g} to {found.highest_strike:g}, "
            f"{found.first_expiry} to {found.last_expiry}",
        )
