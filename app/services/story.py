"""A run's log told as a story: per ticker from what was read to the order, or to the step that ended its path."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, get_args

from domain.audit import AuditRow
from domain.contract import Leg
from domain.experience import Lesson
from domain.order import Candidate, Fill, LegFill, Sizing, StagedOrder
from domain.record import Record
from domain.signals import SOURCES

Document = dict[str, Any]
WHOLE_RUN = "*"


class Steps:
    """The outputs of a run's rows, by node, kind and ticker, as plain values."""

    def __init__(self, rows: Sequence[AuditRow]) -> None:
        self._outputs = {(r.entry.node, r.entry.kind, r.entry.ticker): documented(r.entry.output) for r in rows}

    def of(self, node: str, kind: str, ticker: str = WHOLE_RUN) -> Any:
        """Output of one step; None where the run has none."""
        return self._outputs.get((node, kind, ticker))

    def keyed(self, node: str, kind: str, ticker: str) -> dict[str, Any]:
        """Outputs about structures held in `ticker`: their keys read "TICKER ORDER" or "TICKER close ORDER"."""
        return {
            key: output
            for (n, k, key), output in sorted(self._outputs.items())
            if (n, k) == (node, kind) and key.startswith(f"{ticker} ")
        }


def documented(value: Any) -> Any:
    """Logged values as documents have them: money and strikes, which are hashed as exact text, as numbers."""
    if isinstance(value, Mapping):
        return {
            name: float(item) if name in _money() and isinstance(item, str) else documented(item)
            for name, item in value.items()
        }
    return [documented(item) for item in value] if isinstance(value, list) else value


@lru_cache(maxsize=1)
def _money() -> frozenset[str]:
    """Names of all fields that hold `Decimal` in what a run logs, and the picture's NLV."""
    kinds: tuple[type[Record], ...] = (Leg, Candidate, Sizing, StagedOrder, LegFill, Fill, Lesson)
    fields = [item for kind in kinds for item in kind.model_fields.items()]
    return frozenset(
        {"nlv"} | {name for name, field in fields if Decimal in (field.annotation, *get_args(field.annotation))}
    )


def head_of(steps: Steps) -> Document:
    """What the whole run looked at, before any ticker. None for what a run that was cut off has not logged."""
    picture = steps.of("collect", "snapshot") or {}
    names = ("as_of", "feed", "snapshot_id", "nlv", "trading_state", "contracts", "provenance", "notes", "tickers")
    reading = steps.of("collect", "regime")
    return {
        **{name: picture.get(name) for name in names},
        "watchlist": (steps.of("collect", "request") or {}).get("watchlist", []),
        "regime": reading and reading["regime"],
        "regime_reading": reading,
        "ranking": steps.of("aggregate", "ranking") or [],
        "counts": steps.of("record", "summary"),
    }


def tale_of(steps: Steps, ticker: str) -> Document:
    """All that happened to one ticker; None for a step its path did not reach."""
    readings = [steps.of(source, "reading", ticker) for source in SOURCES]
    whole = [steps.of(source, "reading") for source in SOURCES]
    ranking = steps.of("aggregate", "ranking") or []
    staged = steps.of("stage", "order", ticker)
    return {
        "ticker": ticker,
        "outcome": steps.of("record", "outcome", ticker),
        "contracts": ((steps.of("collect", "snapshot") or {}).get("contracts") or {}).get(ticker, 0),
        "signals": [signal for reading in readings if reading for signal in reading["signals"]],
        "abstentions": [item for reading in (*readings, *whole) if reading for item in reading["abstentions"]],
        "composite": steps.of("aggregate", "composite", ticker),
        "rank": next((item for item in ranking if item["ticker"] == ticker), None),
        "lessons": steps.keyed("recall", "lesson", ticker),
        "memories": steps.of("recall", "memories", ticker) or [],
        "debate": steps.of("debate", "debate", ticker),
        "thesis": steps.of("risk_gate", "thesis", ticker),
        "selection": steps.of("strategy_selector", "candidates", ticker),
        "allocation": steps.of("allocator", "allocation", ticker),
        "staged": staged and {"outcome": staged["outcome"], "order_id": staged["order"]["order_id"]},
        "held": steps.keyed("manage", "position", ticker),
        "closings": {
            key: {"allocation": allocation, "staged": (steps.of("stage", "order", key) or {}).get("outcome")}
            for key, allocation in steps.keyed("allocator", "allocation", ticker).items()
        },
    }


def path_of(tale: Document) -> list[Document]:
    """The steps a ticker went through, in order; the last one has `stopped` true if it ended the path."""
    path: list[Document] = []
    for step in _STEPS:
        found = step(tale)
        if found is not None:
            path.append(found)
            if found["stopped"]:
                break
    return path


def _data(tale: Document) -> Document:
    said = f"{tale['contracts']:,} contracts quoted" if tale["contracts"] else "no option chain in the picture"
    return _step("data", said, contracts=tale["contracts"])


def _signals(tale: Document) -> Document | None:
    loud = sorted((s for s in tale["signals"] if s["conviction"] > 0), key=lambda s: (-s["conviction"], s["id"]))
    spoken = ", ".join(f"{s['edge_type']} {s['direction']} {s['conviction']:.2f}" for s in loud)
    silent = ", ".join(f"{item['source']} {item['code']}" for item in tale["abstentions"])
    said = (spoken or "no signal with conviction") + (f"; abstained: {silent}" if silent else "")
    numbers = {s["id"]: s["conviction"] for s in loud}
    return _step("signals", said, **numbers) if tale["signals"] or tale["abstentions"] else None


def _ranking(tale: Document) -> Document | None:
    rank, composite = tale["rank"], tale["composite"] or {}
    if rank is None:
        return None
    scores = {name: composite[name] for name in ("price_score", "vol_score", "conviction", "coverage") if composite}
    return _step("ranking", rank["reason"], stopped=not rank["debated"], rank=rank["rank"], edge=rank["edge"], **scores)


def _debate(tale: Document) -> Document | None:
    debate = tale["debate"]
    if debate is None:
        return None
    cause = f" ({debate['cause']})" if debate["cause"] else ""
    view = f"volatility view {debate['vol_view']}, by {debate['engine']}"
    said = f"{debate['verdict']}{cause} at {debate['confidence']:.2f}, {view}"
    fell = f", which spoke because: {debate['fell_back']}" if debate["fell_back"] else ""
    return _step("debate", said + fell, confidence=debate["confidence"], conflict=debate["conflict"])


def _gate(tale: Document) -> Document | None:
    thesis = tale["thesis"]
    if thesis is None:
        return None
    decision, refused = thesis["decision"], thesis["refused"]
    said = refused if refused and decision["approved"] else _judged(decision)
    return _step("risk_gate", said, stopped=bool(refused), **_vetoed(decision))


def _selection(tale: Document) -> Document | None:
    selection = tale["selection"]
    if selection is None:
        return None
    found = selection["candidates"]
    tried = ", ".join(choice["strategy"] for choice in selection["choices"])
    best = f"{len(found)} candidates from {tried}; best {found[0]['strategy']}" if found else ""
    numbers = {"best_score": found[0]["score"], "best_expected_value": found[0]["expected_value"]} if found else {}
    return _step("strategy_selector", selection["refused"] or best, stopped=bool(selection["refused"]), **numbers)


def _sizing(tale: Document) -> Document | None:
    allocation = tale["allocation"]
    if allocation is None:
        return None
    sizing = allocation["sized"]["sizing"]
    binding = next((cap for cap in sizing["caps"] if cap["name"] == sizing["binding"]), None)
    said = f"{sizing['units']} × the structure, bound by {sizing['binding']}"
    said += f": {binding['detail']}" if binding else ""
    stopped = allocation["decision"] is None
    return _step("sizing", said, stopped=stopped, **{cap["name"]: cap["units"] for cap in sizing["caps"]})


def _final(tale: Document) -> Document | None:
    decision = (tale["allocation"] or {}).get("decision")
    if decision is None:
        return None
    return _step("final_checks", _judged(decision), stopped=not decision["approved"], **_vetoed(decision))


def _staged(tale: Document) -> Document | None:
    staged = tale["staged"]
    if staged is None:
        return None
    refused = staged["outcome"] != "staged"
    return _step("stage", staged["outcome"] if refused else f"order {staged['order_id']} staged", stopped=refused)


_STEPS = (_data, _signals, _ranking, _debate, _gate, _selection, _sizing, _final, _staged)


def _step(name: str, said: str, *, stopped: bool = False, **numbers: float) -> Document:
    return {"step": name, "said": said, "stopped": stopped, "numbers": numbers}


def _judged(decision: Document) -> str:
    vetoes = [check for check in decision["checks"] if not check["passed"]]
    if not vetoes:
        return f"all {len(decision['checks'])} checks passed"
    return "; ".join(f"{check['name']} {_against(check)}({check['detail']})" for check in vetoes)


def _against(check: Document) -> str:
    measured, limit = check["measured"], check["limit"]
    return "" if measured is None or limit is None else f"measured {measured:.4g}, limit {limit:.4g} {check['unit']} "


def _vetoed(decision: Document) -> dict[str, float]:
    """Measured value and limit of every veto."""
    return {
        f"{check['name']}.{part}": check[part]
        for check in decision["checks"]
        for part in ("measured", "limit")
        if not check["passed"] and check[part] is not None
    }
