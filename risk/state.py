"""When the desk itself takes no new risk: a bad day, an account without a value, a ledger that contradicts itself.

The desk goes no further than REDUCING, and only for its own account: halting is for people. How long a cause holds:

daily_loss      until the next session opens, whatever the account earns back meanwhile: then there is a new baseline
stale_data      until everything held has a fresh quote again
reconciliation  until orders and fills agree again

A person may lift a cause (`desk resume`). That word stands for the session in which it was given: the desk does not set
the same cause again before the next one opens. The hard limits ask nobody: they go on refusing by themselves.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Literal, get_args

from domain.record import Record
from domain.risk import Cause, HardLimits, Restraint, TradingState
from domain.sessions import NEW_YORK, is_session, session_before, session_open
from domain.snapshot import DeskContext

CAUSES: tuple[Cause, ...] = get_args(Cause)


class OwnSwitch(Record):
    """How a cause stands: set by the desk, or lifted by the desk or a person, in the session that `session` names."""

    reducing: bool
    session: date
    by_person: bool


class Move(Record):
    """A switch that the desk has to set or to lift."""

    cause: Cause
    setting: Literal[TradingState.REDUCING, TradingState.ACTIVE]
    reason: str


def restraints(desk: DeskContext, *, as_of: datetime, hard: HardLimits, max_nlv_age_s: float) -> tuple[Restraint, ...]:
    """What speaks against new risk in the account as it stands at `as_of`, in the order of `CAUSES`."""
    found = (daily_loss(desk, hard), _stale_data(desk, as_of, max_nlv_age_s), _reconciliation(desk))
    return tuple(restraint for restraint in found if restraint is not None)


def desired_state(found: Iterable[Restraint]) -> tuple[TradingState, str] | None:
    """REDUCING with every reason; None where nothing was found."""
    reasons = [restraint.detail for restraint in found]
    return (TradingState.REDUCING, "; ".join(reasons)) if reasons else None


def moves(found: Iterable[Restraint], standing: Mapping[Cause, OwnSwitch], *, as_of: datetime) -> tuple[Move, ...]:
    """What to change about `standing`, which holds the causes that were ever set; see the head of this module."""
    session, now = session_begun(as_of), {restraint.cause: restraint for restraint in found}
    changes = [_move(cause, now.get(cause), standing.get(cause), session) for cause in CAUSES]
    return tuple(change for change in changes if change is not None)


def session_begun(as_of: datetime) -> date:
    """The session that opened last, `as_of` at its very open included."""
    day = as_of.astimezone(NEW_YORK).date()
    return day if is_session(day) and as_of >= session_open(day) else session_before(day)


def _move(cause: Cause, found: Restraint | None, last: OwnSwitch | None, session: date) -> Move | None:
    if found is not None:
        standing = last is not None and last.session == session and (last.reducing or last.by_person)
        return None if standing else Move(cause=cause, setting=TradingState.REDUCING, reason=found.detail)
    if last is None or not last.reducing:
        return None
    if cause != "daily_loss":
        return Move(cause=cause, setting=TradingState.ACTIVE, reason=f"{_words(cause)}: no longer found")
    if last.session == session:
        return None
    return Move(
        cause=cause, setting=TradingState.ACTIVE, reason=f"{_words(cause)}: session {session} has a new baseline"
    )


def daily_loss(desk: DeskContext, hard: HardLimits) -> Restraint | None:
    """Whether the day has lost too much. At the limit counts as reached, as for the gate's rule. An unknown NLV is
    stale data instead; `measured` is None where the baseline allows no measuring.
    """
    nlv, baseline = desk.book.nlv, desk.baseline.nlv
    if nlv is None:
        return None
    if baseline <= 0:
        detail = f"daily loss: it cannot be measured from a baseline of {baseline:,.2f} USD"
        return Restraint(cause="daily_loss", measured=None, limit=hard.daily_loss, detail=detail)
    loss = float((baseline - nlv) / baseline)
    if loss < hard.daily_loss:
        return None
    detail = (
        f"daily loss: {loss:.2%} of the baseline ({baseline:,.2f} USD) is lost, NLV is {nlv:,.2f} USD; "
        f"the limit is {hard.daily_loss:.2%}"
    )
    return Restraint(cause="daily_loss", measured=loss, limit=hard.daily_loss, detail=detail)


def _stale_data(desk: DeskContext, as_of: datetime, limit: float) -> Restraint | None:
    """Cash alone is never stale."""
    book = desk.book
    if not book.positions and not book.shares:
        return None
    if book.nlv is None or book.nlv_as_of is None:
        unmarked = {held.ticker for held in book.positions if held.mark is None}
        unknown = unmarked | {held.ticker for held in book.shares if held.mark is None}
        detail = f"stale data: NLV is unknown, no usable quote in {', '.join(sorted(unknown))}"
        return Restraint(cause="stale_data", measured=None, limit=limit, detail=detail)
    age = (as_of - book.nlv_as_of).total_seconds()
    if 0 <= age <= limit:
        return None
    detail = f"stale data: NLV is {age:.0f} s old; the limit is {limit:.0f} s"
    return Restraint(cause="stale_data", measured=age, limit=limit, detail=detail)


def _reconciliation(desk: DeskContext) -> Restraint | None:
    if not desk.breaks:
        return None
    more = f", and {len(desk.breaks) - 1} more" if len(desk.breaks) > 1 else ""
    detail = f"reconciliation: {desk.breaks[0]}{more}"
    return Restraint(cause="reconciliation", measured=float(len(desk.breaks)), limit=0.0, detail=detail)


def _words(cause: Cause) -> str:
    return cause.replace("_", " ")
