"""What today's loss is measured from."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from domain.book import Baseline, CashFlow
from domain.record import Instant, Record
from domain.sessions import NEW_YORK, session_before, session_close, session_on_or_after, session_open


class NlvMark(Record):
    """Net liquidation value in USD at an instant."""

    at: Instant
    nlv: Decimal


def bounds(as_of: datetime) -> tuple[datetime, datetime]:
    """Up to when a mark can be a baseline at `as_of`: the prior session's close, inclusive, which is what is wanted;
    and the opening of the session that `as_of` counts to (its New York day's, or the next one's), or `as_of` itself,
    exclusive, for a desk that has no mark as old as that.
    """
    session = _session(as_of)
    return session_close(session_before(session)), min(session_open(session), as_of)


def baseline(
    marks: Iterable[NlvMark], cash_flows: Iterable[CashFlow], *, starting_cash: Decimal, as_of: datetime
) -> Baseline:
    """The last NLV at or before the prior session's close, plus what was paid in or out since then.

    A mark made after that close, overnight or before the opening, would hide what was lost since: it serves only where
    there is no older one. `source` names the instant, which lies before the close where the desk was not marked at it.
    Without any mark before this session (the first session ever) it is the opening NLV: starting cash and all flows so
    far.
    """
    session = _session(as_of)
    flows = [flow for flow in cash_flows if flow.at <= as_of]
    close, opening = bounds(as_of)
    earlier = sorted((mark for mark in marks if mark.at < opening), key=lambda mark: mark.at)
    last = next((mark for mark in reversed(earlier) if mark.at <= close), earlier[0] if earlier else None)
    if last is None:
        paid_in = sum((flow.amount for flow in flows), Decimal(0))
        return Baseline(session=session, nlv=starting_cash + paid_in, source="opening NLV of the first session")
    since = sum((flow.amount for flow in flows if flow.at > last.at), Decimal(0))
    stale = ", before the prior session" if last.at < session_open(session_before(session)) else ""
    late = ", after the prior close" if last.at > close else ""
    return Baseline(
        session=session,
        nlv=last.nlv + since,
        source=f"last NLV before this session ({last.at:%Y-%m-%d %H:%M}Z{stale}{late}), adjusted for cash flows",
    )


def _session(as_of: datetime) -> date:
    return session_on_or_after(as_of.astimezone(NEW_YORK).date())
