"""What cannot be repriced stands at its worst case, in every scenario, and is named."""

from domain.errors import Refused
from domain.record import Record
from risk.revaluation import RiskBook


class FixedLoss(Record):
    """A structure that loses its worst case whatever happens, for want of anything better known."""

    order_id: str
    ticker: str
    usd: float  # positive
    reason: str


def fixed_losses(book: RiskBook) -> tuple[FixedLoss, ...]:
    """Structures of `book` that cannot be repriced, by order id.

    Raises `Refused` where nothing bounds the loss of one: then no figure about the book would be true.
    """
    found = []
    for line, reason in sorted(book.missing, key=lambda missing: missing.line.key):
        if line.worst_case is None:
            raise Refused(
                f"{line.key} cannot be repriced ({reason}) and nothing bounds its loss, so no stress figure would be "
                "true.",
                code="unbounded",
                remedy="Close it, or look at an instant with a chain of its underlying.",
            )
        found.append(FixedLoss(order_id=line.key, ticker=line.ticker, usd=line.worst_case, reason=reason))
    return tuple(found)
