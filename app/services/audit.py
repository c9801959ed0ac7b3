"""Questions to the decision log: which runs there were, how an order came about, why there is none, is it sound."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

from app.documents import plain, view_document
from app.services.instants import lapse_instant
from app.services.story import Document, Steps, head_of, path_of, tale_of
from app.wiring import Desk, on_account
from domain.errors import UsageError
from domain.order import WORKING, OrderState
from domain.record import canonical_json
from domain.run import RunRow
from memory.orders import account_of
from memory.switches import LOG

LAST = "last"
ORDER = "O-"
AT_ONCE = 10_000  # runs listed at most


async def find_run(desk: Desk, run: str) -> RunRow:
    """The run whose id is, or alone begins with, `run`; "last" is the latest of all feeds. Raises `UsageError`."""
    if run != LAST:
        return await desk.runs.get(run)
    latest = await desk.runs.list(limit=1)
    if not latest:
        raise UsageError("There is no run yet.", remedy="'desk run' makes one.")
    return latest[0]


async def run_list(desk: Desk, *, feed: str | None, limit: int) -> list[Document]:
    """The latest runs, newest first, with the number of orders each staged."""
    rows = await desk.runs.list(limit=AT_ONCE if feed else limit)
    rows = tuple(row for row in rows if feed in (None, row.request.feed))[:limit]
    staged = await desk.runs.orders_staged([row.request.run_id for row in rows])
    return [
        {
            "run_id": row.request.run_id,
            "feed": row.request.feed,
            "as_of": plain(row.request.as_of),
            "slot": row.request.slot,
            "debate": row.request.debate,
            "started_at": plain(row.started_at),
            "state": row.state,
            "orders": staged.get(row.request.run_id, 0),
            "head_hash": row.head_hash,
            "detail": row.detail,
        }
        for row in rows
    ]


async def story(desk: Desk, target: str) -> Document:
    """A run, or the run of an order with `order_id` set: header, ranking, and a tale a ticker, best rank first."""
    order_id = None
    if target.upper().startswith(ORDER):
        owner = on_account(desk, await account_of(desk.engine, target.upper()))
        view = await owner.orders.get(target.upper())
        order_id, row = view.order.order_id, await owner.runs.get(view.order.run_id)
    else:
        row = await find_run(desk, target)
    rows = await desk.audit.rows(row.request.run_id)
    steps = Steps(rows)
    head = head_of(steps)
    ranks = {item["ticker"]: item["rank"] for item in head["ranking"]}
    names = sorted({*(head["tickers"] or ()), *ranks}, key=lambda name: (ranks.get(name, len(ranks) + 1), name))
    orders = await _orders(desk, row)
    return {
        **head,
        "run_id": row.request.run_id,
        "slot": row.request.slot,
        "state": row.state,
        "debate": row.request.debate,
        "head_hash": row.head_hash,
        "rows": len(rows),
        "last_node": rows[-1].entry.node if rows else None,
        "code_versions": sorted({line.code_version for line in rows}),
        "order_id": order_id,
        "tickers": [{**(tale := tale_of(steps, name)), "path": path_of(tale)} for name in names],
        "orders": orders,
        "reviews": [
            {"seq": line.seq, "logged_at": plain(line.logged_at), **plain(line.entry)}
            for line in rows
            if line.entry.ticker in {order["order_id"] for order in orders}
        ],
    }


async def why(desk: Desk, ticker: str, run: str) -> Document:
    """What became of `ticker` in a run, step by step, and in one sentence."""
    row = await find_run(desk, run)
    run_id, ticker = row.request.run_id, ticker.upper()
    document = {"run_id": run_id, "as_of": plain(row.request.as_of), "feed": row.request.feed, "ticker": ticker}
    steps = Steps(await desk.audit.rows(run_id))
    tale = tale_of(steps, ticker)
    outcome, held = tale["outcome"], {"held": tale["held"], "closings": tale["closings"]}
    orders = [order for order in await _orders(desk, row) if order["ticker"] == ticker]
    document |= {"orders": orders, "path": path_of(tale), **held}
    if ticker not in row.request.watchlist:
        document["path"] = []
        return {**document, "step": "not_in_watchlist", "answer": await _elsewhere(desk, row, ticker)}
    if outcome is None:
        seen = document["path"][-1]["step"] if steps.of("collect", "request") else "nothing"
        answer = f"Run {run_id} is {row.state}: it was cut off, and the last thing known of {ticker} is: {seen}."
        return {**document, "step": "unfinished", "answer": f"{answer} 'desk run --resume {run_id}' goes on."}
    if outcome["step"] == "staged":
        now = await lapse_instant(on_account(desk, row.request.feed))
        order = next((order for order in orders if order["order_id"] == outcome["order_id"]), None)
        return {**document, "step": "staged", "answer": f"{became(ticker, order, now)} {outcome['reason']}"}
    return {**document, "step": outcome["step"], "answer": _answer(ticker, outcome, document["path"])}


async def switch_uses(desk: Desk, *, limit: int = AT_ONCE) -> list[Document]:
    """Uses of the kill switches as the decision log has them, oldest first, at most the last `limit`."""
    rows = await desk.audit.rows(LOG)
    return [
        {"row": line.seq, "author": line.entry.author, "hash": line.hash, **plain(line.entry.output)}
        for line in rows[-limit:]
    ]


async def verification(desk: Desk) -> Document:
    """The walk over the whole chain, and how fast it was."""
    begun = time.perf_counter()
    report = await desk.audit.verify()
    seconds = time.perf_counter() - begun
    return {**plain(report), "seconds": round(seconds, 4), "rows_per_second": round(report.rows / seconds)}


async def exported(desk: Desk, run: str | None) -> AsyncGenerator[str, None]:
    """Rows as canonical JSON in order: all, or those of a run. Whoever has the lines can check the hashes."""
    run_id = None if run is None else (await find_run(desk, run)).request.run_id
    async with aclosing(desk.audit.export(run_id)) as rows:
        async for row in rows:
            yield canonical_json(row)


def became(ticker: str, order: Document | None, now: datetime | None) -> str:
    """What the staged order came to: only fills are a trade. Without `now` nothing lapses; None: the order is gone."""
    if order is None:
        return f"An order was staged for {ticker}, and is not on record any more."
    state, filled = OrderState(order["state"]), sum(fill["units"] for fill in order["fills"])
    if state is OrderState.STAGED and now is not None and datetime.fromisoformat(order["expires_at"]) <= now:
        state = OrderState.EXPIRED
    said = f"order {order['order_id']} is {state.value.replace('_', ' ')}"
    if filled:
        part = filled < order["units"]
        return f"{ticker} was traded{' in part' if part else ''}: {said}, {filled} of {order['units']} units filled."
    return f"{ticker} {'is not traded yet' if state in WORKING else 'was not traded'}: {said}, nothing filled."


def _answer(ticker: str, outcome: Document, path: list[Document]) -> str:
    last = path[-1]
    return f"{ticker} was not traded. Its path ended at {last['step']} ({outcome['step']}): {last['said'].rstrip('.')}."


async def _orders(desk: Desk, row: RunRow) -> list[Document]:
    """The run's orders as they stand now, with every step of their lives and their fills."""
    owner = on_account(desk, row.request.feed)
    found = []
    for order_id in await desk.runs.order_ids(row.request.run_id):
        view = await owner.orders.get(order_id)
        lived = {"history": await owner.orders.history(order_id), "fills": await owner.orders.fills(order_id)}
        found.append({**view_document(view), "closes": view.order.closes, **plain(lived)})
    return found


async def _elsewhere(desk: Desk, row: RunRow, ticker: str) -> str:
    names = ", ".join(row.request.watchlist)
    last = await desk.audit.latest_run(ticker)
    seen = f"The last run that looked at it: {last}." if last else "No run ever looked at it."
    return f"{ticker} was not in the watchlist of run {row.request.run_id} ({names}). {seen}"
