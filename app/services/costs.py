"""What models have cost: by day, agent, model and run, and what is left of today's budget."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agents.models.settings import Budget
from app.documents import plain
from app.wiring import Desk
from domain.debate import CostRow
from domain.sessions import NEW_YORK


async def costs(desk: Desk, *, days: int, run_id: str | None = None) -> dict[str, Any]:
    """Spending over the last `days` New York days, today included; of one run if `run_id` is given."""
    today = desk.clock.now().astimezone(NEW_YORK).date()
    rows = await desk.models.costs(since=today - timedelta(days=days - 1), run_id=run_id)
    budget = desk.configuration.debate.models.budget
    return {
        "today": today.isoformat(),
        "days": days,
        "total": _sum(rows),
        "by_day": _grouped(rows, lambda row: row.day.isoformat(), newest_first=True),
        "by_agent": _grouped(rows, lambda row: row.agent),
        "by_model": _grouped(rows, lambda row: row.model),
        "by_run": _grouped(rows, lambda row: row.run_id),
        "budget": _budget(budget, [row for row in rows if row.day == today]) if run_id is None else None,
    }


def _grouped(
    rows: Iterable[CostRow], name: Callable[[CostRow], str], *, newest_first: bool = False
) -> list[dict[str, Any]]:
    groups: dict[str, list[CostRow]] = defaultdict(list)
    for row in rows:
        groups[name(row)].append(row)
    return [{"name": key, **_sum(groups[key])} for key in sorted(groups, reverse=newest_first)]


def _sum(rows: Iterable[CostRow]) -> dict[str, Any]:
    known = list(rows)
    calls = sum(row.calls for row in known)
    return {
        "calls": calls,
        "failed": sum(row.failed for row in known),
        "turned_away": sum(row.turned_away for row in known),
        "usd": float(sum((row.usd for row in known), Decimal(0))),
        "input_tokens": sum(row.input_tokens for row in known),
        "output_tokens": sum(row.output_tokens for row in known),
        "mean_ms": sum(row.waited_ms for row in known) / calls if calls else None,
        "slowest_ms": max((row.slowest_ms for row in known), default=None),
    }


def _budget(budget: Budget, today: Iterable[CostRow]) -> dict[str, Any]:
    spent = list(today)
    usd = sum((row.usd for row in spent), Decimal(0))
    tokens = sum(row.input_tokens + row.output_tokens for row in spent)
    return {
        "limits": plain(budget),
        "day_usd_spent": float(usd),
        "day_usd_left": float(max(budget.day_usd - usd, Decimal(0))),
        "day_tokens_spent": tokens,
        "day_tokens_left": max(budget.day_tokens - tokens, 0),
    }
