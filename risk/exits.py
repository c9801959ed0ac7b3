"""When a held structure should be closed: the exit rules of its strategy, first one that applies."""

from datetime import datetime
from decimal import Decimal

from domain.contract import Settlement
from domain.order import ExitReason, StagedOrder
from domain.record import Record
from domain.sessions import expiry_instant

SECONDS_PER_DAY = 86_400.0


class ExitLimits(Record):
    """Exit rules of one strategy type; None: that rule does not apply."""

    take_profit: float | None  # share of max profit; of the debit where profit is open
    stop_loss: float | None  # share of max loss
    exit_dte: int | None  # calendar days before the first expiry


def exit_reason(
    order: StagedOrder, profit: Decimal | None, limits: ExitLimits, *, as_of: datetime
) -> ExitReason | None:
    """The first exit rule that applies to a held structure; None to keep it.

    `profit` is the structure's unrealised profit in USD for the units held, None without usable quotes: then only
    the calendar can speak.
    """
    days = days_to_first_expiry(order, as_of)
    if limits.exit_dte is not None and days <= limits.exit_dte:
        return ExitReason(
            rule="exit_dte", measured=days, limit=limits.exit_dte,
            detail=f"{days:.1f} days to the first expiry, to be left at {limits.exit_dte}",
        )  # fmt: skip
    if profit is None:
        return None
    gain_base = order.max_profit if order.max_profit is not None else order.max_loss
    gained, lost = float(profit / gain_base) if gain_base > 0 else 0.0, float(-profit / order.max_loss)
    if limits.take_profit is not None and gained >= limits.take_profit:
        return ExitReason(
            rule="take_profit", measured=gained, limit=limits.take_profit,
            detail=f"{profit:+,.2f} USD is {gained:.0%} of the {'maximum profit' if order.max_profit else 'debit'}",
        )  # fmt: skip
    if limits.stop_loss is not None and lost >= limits.stop_loss:
        return ExitReason(
            rule="stop_loss", measured=lost, limit=limits.stop_loss,
            detail=f"{profit:+,.2f} USD is {lost:.0%} of the maximum loss",
        )  # fmt: skip
    return None


def days_to_first_expiry(order: StagedOrder, as_of: datetime) -> float:
    """Calendar days until the first leg's value is fixed; negative once it is."""
    legs = order.sized.candidate.legs
    first = min(expiry_instant(leg.expiry, am_settled=leg.settlement is Settlement.AM) for leg in legs)
    return (first - as_of).total_seconds() / SECONDS_PER_DAY
