"""What Regulation T asks for one underlying's options and shares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cached_property

from domain.contract import Leg
from domain.errors import DataError
from domain.units import CENT
from portfolio.margin.lots import Lot, lots
from portfolio.margin.matching import MOST_NODES, Matching, cheapest
from portfolio.margin.rates import EQUITY, AccountType, OptionRates
from portfolio.margin.structures import Margined, structures
from portfolio.margin.ways import Terms


@dataclass(frozen=True, eq=False)
class Requirement:
    """The least that the account can be asked for, USD. Amounts are None where something held has no bound, or may not
    be held in such an account: `refused` says what, and a limit on it fails.

    `total` is the deposit on opening (Manual: initial margin), long options at their full value included, before the
    premium of short options is counted towards it; `maintenance` is the same for what is held already. `notes` name
    values that were unknown and taken at their bound.
    """

    lots: tuple[Lot, ...]
    legs: Mapping[str, Leg]
    shares: int
    terms: Terms
    initial: Matching | None
    kept: Matching | None
    refused: str
    notes: tuple[str, ...]

    @cached_property
    def total(self) -> Decimal | None:
        """Initial requirement."""
        return self._amount(self.initial)

    @cached_property
    def maintenance(self) -> Decimal | None:
        """Maintenance requirement; differs from `total` in shares only."""
        return self._amount(self.kept)

    @cached_property
    def credit(self) -> Decimal:
        """What the short options would cost now: their premium counts towards the requirement."""
        sold = (-lot.low * lot.quantity * lot.multiplier for lot in self.lots if lot.quantity < 0)
        return sum(sold, Decimal(0)).quantize(CENT, rounding=ROUND_FLOOR)

    @cached_property
    def bound(self) -> Decimal | None:
        """What of NLV is not free: NLV counts short options as owed, so `total` less `credit`, 0 at least."""
        return None if self.total is None else max(self.total - self.credit, Decimal(0))

    @property
    def above_least(self) -> float:
        """0 where the matching is proven the cheapest, else by how many USD at most `total` exceeds that."""
        return self.initial.above_least if self.initial else 0.0

    @property
    def pledged(self) -> Decimal:
        """Cash set aside for puts, cash accounts only."""
        return sum((h.pledge * units for h, units in self.initial.holdings), Decimal(0)) if self.initial else Decimal(0)

    @cached_property
    def structures(self) -> tuple[Margined, ...]:
        """What is held, as it is charged on opening; empty where refused."""
        return self._named(self.initial)

    @cached_property
    def structures_kept(self) -> tuple[Margined, ...]:
        """What is held, as it is charged from then on: options that protect shares count here only."""
        return self._named(self.kept)

    def _named(self, matching: Matching | None) -> tuple[Margined, ...]:
        if matching is None:
            return ()
        return structures(self.lots, self.legs, matching, long_shares=self.shares > 0, terms=self.terms)

    def _amount(self, matching: Matching | None) -> Decimal | None:
        if matching is None:
            return None
        paid = sum(
            ((lot.high or 0) * lot.quantity * lot.multiplier for lot in self.lots if lot.quantity > 0), Decimal(0)
        )
        return (matching.charge + paid).quantize(CENT, rounding=ROUND_CEILING)


def reg_t(
    positions: Iterable[tuple[Leg, int]],
    *,
    shares: int = 0,
    spot: float | Decimal | None,
    cash: Decimal = Decimal(0),
    marks: Mapping[str, float] | None = None,
    rates: OptionRates = EQUITY,
    account: AccountType = "margin",
) -> Requirement:
    """Match contracts (leg, signed count) and `shares` (signed) of one underlying as cheaply as the rules allow.

    `spot` is USD per share, `marks` USD per share by OCC symbol (a leg's own quotes stand in). Without a spot, or for
    an adjusted series, a bare put is charged the most its formula can give and a bare call is refused. `cash` may be
    pledged for puts in a cash account, where bare options and American spreads may not be held; in a margin account a
    put is charged less bare, so there `cash` changes nothing. Raises `DataError` on an absurd price.
    """
    price = None if spot is None else _price(spot)
    held = list(positions)
    found, notes = lots(held, spot=price, marks=marks or {})
    terms = Terms(spot=price, rates=rates, account=account, cash=cash if account == "cash" else Decimal(0))
    refused = next(
        (f"{lot.symbol.strip()} is held, and nothing bounds its value" for lot in found if _boundless(lot)), ""
    )
    initial = None if refused else cheapest(found, shares, terms, "initial")
    kept = cheapest(found, shares, terms, "maintenance") if shares and initial else initial
    if not refused and initial is None:
        refused = _why(found, shares, terms)
    legs = {leg.symbol: leg for leg, _ in held}
    return Requirement(found, legs, shares, terms, initial, kept, refused, (*notes, *_unpriced(found, initial, rates)))


def _boundless(lot: Lot) -> bool:
    return lot.quantity > 0 and lot.high is None


def _unpriced(found: tuple[Lot, ...], matching: Matching | None, rates: OptionRates) -> tuple[str, ...]:
    """A note for each bare put that had to be charged without a price of what it delivers."""
    ways = () if matching is None else matching.holdings
    bare = [found[holding.lots[0]] for holding, _ in ways if holding.way == "uncovered"]
    return tuple(
        f"{lot.symbol.strip()} delivers what has no price: bare, it is charged {rates.uncovered:.0%} of its strike"
        for lot in bare
        if lot.spot is None
    )


def _price(spot: float | Decimal) -> Decimal:
    price = spot if isinstance(spot, Decimal) else Decimal(repr(float(spot)))
    if not price.is_finite() or price <= 0:
        raise DataError(f"{spot} USD is no price of an underlying.", remedy="Give a positive one, or None if unknown.")
    return price


def _why(found: tuple[Lot, ...], shares: int, terms: Terms) -> str:
    if terms.account == "cash":
        return "a cash account holds no uncovered option, no American spread and no share sold short"
    if shares and terms.spot is None:
        return "the shares have no price"
    bare = [lot.symbol.strip() for lot in found if lot.quantity < 0 and lot.is_call and lot.spot is None]
    if bare:
        return f"{', '.join(bare)} is not covered in full, and what it delivers has no price"
    return f"no matching was found in {MOST_NODES} steps of search"
