"""What time it is for an account: the feed's clock, as reviewers and the book read it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from domain.errors import UsageError
from domain.order import OrderView
from domain.sessions import NEW_YORK, is_session, session_close

if TYPE_CHECKING:
    from app.wiring import Desk


async def account_instant(desk: "Desk", at: datetime | None = None) -> datetime:
    """The instant at which to look at the account: `at`, else the wall clock for a live feed, else the latest moment
    at which anything happened in the account (a run, or a step of an order).

    Raises `UsageError` for an instant that a live feed cannot show.
    """
    if desk.feed.name == "cboe":
        return _live(desk, at)
    return at or await _last_event(desk) or await _beginning(desk)


async def past_instant(desk: "Desk", at: datetime | None) -> datetime:
    """As `account_instant`, for looking back only: now is the wall clock, or the account's latest moment where its
    market has run ahead of it. Raises `UsageError` for a later `at`.
    """
    latest = await account_instant(desk)
    return latest if at is None else require_past(await account_instant(desk, at), max(latest, desk.clock.now()))


def require_past(at: datetime, now: datetime) -> datetime:
    """`at`, unless it is later than `now`: then `UsageError`."""
    if at > now:
        raise UsageError(f"{at:%Y-%m-%d %H:%M} UTC lies in the future.", remedy="Give a past --at, or none.")
    return at


async def review_instant(desk: "Desk", view: OrderView, at: datetime | None = None) -> datetime:
    """The instant of a decision on `view` (spec: point in time, clocks).

    Simulated: `at`, else `approval_delay_minutes` after staging but not past that session's close, and never before
    what happened last in the account. Recorded: the latest recorded chain of the ticker at or before `at` (default:
    where the order stands), never before the order's own last step. Live: the wall clock. Raises `UsageError` for an
    `at` before that last step.
    """
    if at is not None and at < view.changed_at:
        raise UsageError(
            f"Order {view.order.order_id} was last changed at {view.changed_at:%Y-%m-%dT%H:%M:%SZ}; "
            f"{at:%Y-%m-%dT%H:%M:%SZ} is before that.",
            remedy="Give a later --at, or none.",
        )
    if desk.feed.name == "cboe":
        return _live(desk, at)
    if desk.feed.name == "recorded":
        captured = _latest_capture(desk, view.order.ticker, at or view.changed_at)
        return view.changed_at if captured is None else max(captured, view.changed_at)
    last = await _last_event(desk) or view.changed_at
    if at is None:
        return max(last, view.changed_at, _soon_after(view, desk.configuration.desk.approval_delay_minutes))
    if at < last:
        raise UsageError(
            f"The simulated market stands at {last:%Y-%m-%dT%H:%M:%SZ}; {at:%Y-%m-%dT%H:%M:%SZ} is past.",
            remedy="Give a later --at, or none.",
        )
    return at


async def lapse_instant(desk: "Desk", at: datetime | None = None) -> datetime | None:
    """By which instant staged orders lapse when they are listed. A recorded market stands still, so that nothing lapses
    there unless `at` says so.
    """
    return at if desk.feed.name == "recorded" else await account_instant(desk, at)


def _live(desk: "Desk", at: datetime | None) -> datetime:
    if at is not None:
        raise UsageError("A live feed knows no other time than now.", remedy="Leave --at out.")
    return desk.clock.now()


def _soon_after(view: OrderView, minutes: int) -> datetime:
    staged = view.order.staged_at
    day = staged.astimezone(NEW_YORK).date()
    wanted = staged + timedelta(minutes=minutes)
    return min(wanted, max(session_close(day), staged)) if is_session(day) else wanted


def _latest_capture(desk: "Desk", ticker: str, until: datetime) -> datetime | None:
    from feeds.library import MarketLibrary

    captures = MarketLibrary(desk.home / "library").captures(until=until)
    return max((item.as_of for item in captures if item.ticker == ticker and item.quoted), default=None)


async def _last_event(desk: "Desk") -> datetime | None:
    known = [await desk.runs.latest_as_of(desk.account), await desk.orders.last_change()]
    return max((instant for instant in known if instant is not None), default=None)


async def _beginning(desk: "Desk") -> datetime:
    from feeds.simulated.feed import SimulatedFeed
    from feeds.simulated.timeline import first_instant

    return first_instant(desk.feed.settings) if isinstance(desk.feed, SimulatedFeed) else desk.clock.now()
