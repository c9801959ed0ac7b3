"""What today's loss is measured from."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from domain.book import Baseline, CashFlow
from domain.record import Instant, Record
from domain.sessions import NEW_YORK, session_before, session_on_or_after, session_open


class NlvMark(Record):
    """Net liquidation value in USD at an instant."""

    at: Instant
    nlv: Decimal


def session_opening(as_of: datetime) -> datetime:
    """Opening instant of the session that `as_of` counts to: its New York day's, or the next one's."""
    return session_open(session_on_or_after(as_of.astimezone(NEW_YORK).date()))


def baseline(
    marks: Iterable[NlvMark], cash_flows: Iterable[CashFlow], *, starting_cash: Decimal, as_of: datetime
) -> Baseline:
    """The last NLV known before `as_of` and before its session opened, plus what was paid in or out since then.

    That is the prior session's close where the desk was marked at it; `source` names the instant. Without any earlier
    mark (the first session ever) it is the opening NLV: starting cash and all flows so far.
    """
    session = session_on_or_after(as_of.astimezone(NEW_YORK).date())
    flows = [flow for flow in cash_flows if flow.at <= as_of]
    earlier = [mark for mark in marks if mark.at < min(session_opening(as_of), as_of)]
    last = max(earlier, key=lambda mark: mark.at, default=None)
    if last is None:
        paid_in = sum((flow.amount for flow in flows), Decimal(0))
        return Baseline(session=session, nlv=starting_cash + paid_in, source="opening NLV of the first session")
    since = sum((flow.amount for flow in flows if flow.at > last.at), Decimal(0))
    stale = "" if last.at >= session_open(session_before(session)) else ", before the prior session"
    return Baseline(
        session=session,
        nlv=last.nlv + since,
        source=f"last NLV before this session ({last.at:%Y-%m-%d %H:%M}Z{stale}), adjusted for cash flows",
    )
