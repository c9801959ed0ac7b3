"""The JSON documents that other programs rely on: names are fixed, money and strikes are numbers."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

from domain.audit import Seal
from domain.book import Book
from domain.order import OrderView, StagedOrder
from domain.risk import Check, RiskDecision
from domain.snapshot import MarketSnapshot


def plain(value: Any) -> Any:
    """Plain JSON values: `Decimal` as a number, instants and dates as ISO 8601, records as objects."""
    match value:
        case Enum():
            return value.value
        case BaseModel():
            return {name: plain(getattr(value, name)) for name in type(value).model_fields}
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return sorted(plain(item) for item in value)
    return value


def order_document(order: StagedOrder) -> dict[str, Any]:
    """One order: amounts in USD of the whole order after fees unless the name says per unit or per share."""
    candidate, units = order.sized.candidate, order.units
    share = candidate.limit_per_share
    return {
        "order_id": order.order_id,
        "version": order.version,
        "run_id": order.run_id,
        "snapshot_id": order.snapshot_id,
        "ticker": order.ticker,
        "intent": candidate.intent,
        "strategy": candidate.strategy,
        "family": candidate.family,
        "spot": candidate.spot,
        "legs": [plain(leg) for leg in candidate.legs],
        "units": units,
        "contracts": order.sized.contracts,
        "limit_per_share": plain(order.limit_per_share),
        "limit_per_unit": plain(order.limit_per_share * candidate.legs[0].multiplier),
        "mid_per_share": plain(share),
        "worst_per_share": plain(candidate.worst_per_share),
        "max_loss": plain(order.max_loss),
        "max_profit": plain(order.max_profit),
        "payoff_basis": candidate.payoff_basis,
        "breakevens": list(candidate.breakevens),
        "pop": candidate.pop,
        "expected_value": candidate.expected_value * units,
        "cvar95": candidate.cvar95 * units,
        "greeks": plain(candidate.greeks.scaled(units)),
        "fees": plain(candidate.fees * units),
        "margin": plain(candidate.margin * units),
        "reason": candidate.reason,
        "breakdown": candidate.breakdown,
        "sizing": plain(order.sized.sizing),
        "thesis": plain(order.thesis),
        "checks": [check_document(check) for check in order.checks],
        "staged_at": plain(order.staged_at),
        "expires_at": plain(order.expires_at),
        "transmit": order.transmit,
    }


def view_document(view: OrderView) -> dict[str, Any]:
    """An order with its present state."""
    return {
        **order_document(view.order),
        "state": view.state.value,
        "changed_at": plain(view.changed_at),
        "reviewer": view.reviewer,
        "review_reason": view.reason,
    }


def check_document(check: Check) -> dict[str, Any]:
    """One risk check."""
    return dict(plain(check))


def run_document(
    state: Mapping[str, Any],
    snapshot: MarketSnapshot,
    orders: Sequence[StagedOrder],
    *,
    durations_ms: Mapping[str, float],
    seal: Seal | None,
) -> dict[str, Any]:
    """Everything `desk run --json` says about one finished run."""
    run, reports = state["run"], state.get("reports", {})
    decisions: list[RiskDecision] = [state["theses"][ticker] for ticker in sorted(state.get("theses", {}))]
    allocations = state.get("allocations", {})
    decisions += [allocations[t].decision for t in sorted(allocations) if allocations[t].decision is not None]
    return {
        "run_id": run.run_id,
        "slot": run.slot,
        "as_of": plain(run.as_of),
        "feed": run.feed,
        "snapshot_id": state["snapshot_id"],
        "regime": state["regime"].regime.value,
        "regime_reading": plain(state["regime"]),
        "nlv": plain(snapshot.desk.book.nlv),
        "trading_state": snapshot.desk.trading_state.value,
        "provenance": dict(snapshot.market.provenance),
        "notes": plain(snapshot.market.notes),
        "signals": [plain(signal) for source in sorted(reports) for signal in reports[source].signals],
        "abstentions": [plain(item) for source in sorted(reports) for item in reports[source].abstentions],
        "composites": [plain(c) for _, c in sorted(state.get("composites", {}).items())],
        "ranking": plain(state.get("ranking", [])),
        "debates": [plain(debate) for _, debate in sorted(state.get("debates", {}).items())],
        "checks": [check_document(check) for decision in decisions for check in decision.checks],
        "refusals": dict(state.get("refusals", {})),
        "orders": [order_document(order) for order in orders],
        "outcomes": plain(state.get("outcomes", [])),
        "durations_ms": dict(durations_ms),
        "seal": plain(seal),
    }


def book_document(book: Book) -> dict[str, Any]:
    """The account."""
    return dict(plain(book))
