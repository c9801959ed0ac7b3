"""Orders inside one transaction: finding, moving and logging them, and the rules that every move obeys."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.errors import Refused, TamperError, UsageError
from domain.order import Fill, OrderState, OrderView, StagedOrder, require_transition
from domain.record import canonical_json
from domain.risk import TradingState
from memory.switches import SwitchBoard
from memory.tables.orders import FillTable, OrderEventTable, OrderTable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

VIEW = (OrderTable.payload, OrderTable.state, OrderTable.changed_at, OrderTable.reviewer, OrderTable.reason)
WITH_BROKER = (OrderState.APPROVED.value, OrderState.SUBMITTED.value, OrderState.PARTIALLY_FILLED.value)


def view_of(row: Any) -> OrderView:
    """A row selected as `VIEW`."""
    return OrderView(
        order=row.payload,
        state=OrderState(row.state),
        changed_at=row.changed_at,
        reviewer=row.reviewer,
        reason=row.reason,
    )


async def find(link: "AsyncConnection", account: str, order_id: str) -> OrderView:
    """The order of `account` whose id is, or alone begins with, `order_id`. Raises `UsageError` otherwise."""
    found = await _alike(link, order_id)
    ours = [row for row in found if row.account == account]
    if found and not ours:
        raise UsageError(
            f"Order {order_id} belongs to account {found[0].account!r}, not to {account!r}.",
            remedy=f"Use --feed {found[0].account}.",
        )
    return view_of(_only(ours, order_id))


async def account_of(link: "AsyncConnection", order_id: str) -> str:
    """The account of the order whose id is, or alone begins with, `order_id`. Raises `UsageError` otherwise."""
    account: str = _only(await _alike(link, order_id), order_id).account
    return account


async def _alike(link: "AsyncConnection", order_id: str) -> list[Any]:
    """The order of that very id, or all whose ids begin with it."""
    fits = OrderTable.order_id.startswith(order_id, autoescape=True)
    rows = await link.execute(
        select(*VIEW, OrderTable.account, OrderTable.order_id).where(fits).order_by(OrderTable.order_id).limit(500)
    )
    found = list(rows)
    return [row for row in found if row.order_id == order_id] or found


def _only(found: list[Any], order_id: str) -> Any:
    if len(found) == 1 and order_id:
        return found[0]
    if found:
        some = ", ".join(row.order_id for row in found[:3])
        raise UsageError(f"{order_id!r} fits {len(found)} orders, among them {some}.", remedy="Give more of the id.")
    raise UsageError(f"There is no order {order_id!r}.", remedy="'desk review list' shows them.")


async def move(
    link: "AsyncConnection",
    order_id: str,
    new: OrderState,
    *,
    expect: OrderState,
    at: datetime,
    reviewer: str | None,
    reason: str | None,
    version: int | None = None,
) -> OrderView:
    """One legal step, logged. Of several callers one wins; the others get `Refused(code="lost_race")`, as does one who
    looked at another `version`. Raises `UsageError` when `at` lies before the order's last step.
    """
    require_transition(order_id, expect, new)
    moved = await link.execute(
        update(OrderTable)
        .where(
            OrderTable.order_id == order_id,
            OrderTable.state == expect.value,
            OrderTable.changed_at <= at,
            *([] if version is None else [OrderTable.version == version]),
        )
        .values(state=new.value, changed_at=at, reviewer=reviewer, reason=reason)
        .returning(*VIEW)
    )
    view = view_of(moved.first() or await refuse_late(link, order_id, at))
    await log(link, view, expect)
    return view


async def refuse_late(link: "AsyncConnection", order_id: str, at: datetime) -> NoReturn:
    """Say why a conditional update found nothing to change."""
    now = view_of((await link.execute(select(*VIEW).where(OrderTable.order_id == order_id))).one())
    if now.changed_at > at:
        raise UsageError(f"Order {order_id} was last changed at {now.changed_at}; {at} is before that.")
    by = f" by {now.reviewer}" if now.reviewer else ""
    raise Refused(
        f"Order {order_id} (version {now.order.version}) is {now.state.value} since {now.changed_at}{by}.",
        code="lost_race",
        remedy="Look at it again.",
    )


async def log(
    link: "AsyncConnection", view: OrderView, before: OrderState | None, *, content_changed: bool = False
) -> None:
    """Append the step that led to `view`. The account is the order's own."""
    account = select(OrderTable.account).where(OrderTable.order_id == view.order.order_id).scalar_subquery()
    await link.execute(
        insert(OrderEventTable).values(
            order_id=view.order.order_id,
            account=account,
            version=view.order.version,
            at=view.changed_at,
            from_state=before.value if before else None,
            to_state=view.state.value,
            reviewer=view.reviewer,
            reason=view.reason,
            payload=view.order if content_changed else None,
        )
    )


async def add_fill(link: "AsyncConnection", account: str, fill: Fill) -> bool:
    """Insert `fill` once; False if it was there. Raises `TamperError` if it was there with other content."""
    await find(link, account, fill.order_id)
    made = await link.execute(
        upsert(FillTable)
        .values(
            fill_id=fill.fill_id, order_id=fill.order_id, account=account, at=fill.at, units=fill.units, payload=fill
        )
        .on_conflict_do_nothing()
        .returning(FillTable.fill_id)
    )
    if made.first() is not None:
        return True
    known = (await link.execute(select(FillTable.payload).where(FillTable.fill_id == fill.fill_id))).scalar_one()
    if canonical_json(known) != canonical_json(fill):
        raise TamperError(f"Fill {fill.fill_id} was recorded before with other content.")
    return False


def require_state(switches: SwitchBoard, order: StagedOrder, *, closing_while_halted: bool) -> None:
    """ACTIVE allows all; REDUCING only closing orders; HALTED none, or closing ones where so said."""
    state = switches.trading_state
    closing = order.sized.candidate.intent == "close"
    allowed = {
        TradingState.ACTIVE: True,
        TradingState.REDUCING: closing,
        TradingState.HALTED: closing and closing_while_halted,
    }[state]
    if not allowed:
        raise Refused(
            f"Trading is {state.value} ({switches.reason}): order {order.order_id} cannot go on.", code=state.value
        )


def require_alive(order: StagedOrder, at: datetime) -> None:
    """Refuse an order whose time is up."""
    if at >= order.expires_at:
        raise Refused(f"Order {order.order_id} expired at {order.expires_at}.", code="expired")


def require_edit(old: StagedOrder, new: StagedOrder) -> None:
    """An edit may shrink an order and move its limit up to the worst price behind its maximum loss."""
    same = {"version", "sized", "limit_per_share", "decision", "expires_at"}
    if old.model_dump(exclude=same) != new.model_dump(exclude=same) or old.sized.candidate != new.sized.candidate:
        raise UsageError(f"An edit of {old.order_id} may change only its size, its limit and its expiry.")
    if new.units > old.units:
        raise Refused(
            f"Order {old.order_id} has {old.units} units; an edit can only shrink it.",
            code="size_grew",
            measured=new.units,
            limit=old.units,
        )
    worst = old.sized.candidate.worst_per_share
    if new.limit_per_share < worst:
        raise Refused(
            f"A limit of {new.limit_per_share} a share is worse than {worst}, at which the maximum loss was reckoned.",
            code="beyond_worst_price",
            measured=float(new.limit_per_share),
            limit=float(worst),
        )


async def require_closable(link: "AsyncConnection", account: str, order: StagedOrder) -> None:
    """A closing order names a structure that holds its units and that no other order is closing."""
    if order.sized.candidate.intent != "close":
        return
    # The structure's own row is locked: two closings of it are judged one after the other.
    await link.execute(select(OrderTable.order_id).where(OrderTable.order_id == order.closes).with_for_update())
    held = 0 if order.closes is None else await _units_held(link, account, order.closes)
    if held == 0:
        raise Refused(f"Order {order.order_id} closes {order.closes}, which holds nothing.", code="closes_nothing")
    if order.units > held:
        raise Refused(
            f"Order {order.order_id} closes {order.units} units of {order.closes}, which holds {held}.",
            code="closes_too_much",
            measured=order.units,
            limit=held,
        )
    rivals = await link.execute(
        select(OrderTable.order_id).where(
            OrderTable.account == account,
            OrderTable.closes == order.closes,
            OrderTable.order_id != order.order_id,
            OrderTable.state.in_(WITH_BROKER),
        )
    )
    rival = rivals.scalars().first()
    if rival is not None:
        raise Refused(f"Order {rival} is closing {order.closes} already.", code="already_closing")


async def _units_held(link: "AsyncConnection", account: str, opening_id: str) -> int:
    signed = func.sum(FillTable.units).filter(FillTable.order_id == opening_id)
    closed = func.sum(FillTable.units).filter(OrderTable.closes == opening_id)
    held = await link.execute(
        select(func.coalesce(signed, 0) - func.coalesce(closed, 0))
        .join(OrderTable, OrderTable.order_id == FillTable.order_id)
        .where(FillTable.account == account)
    )
    return int(held.scalar_one())
