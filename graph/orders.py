"""Deterministic identity and content of the orders a run stages."""

import base64
import hashlib
from datetime import timedelta

from domain.debate import Debate, Verdict
from domain.order import Allocation, SizedCandidate, StagedOrder, Thesis
from domain.run import RunRequest
from domain.signals import CompositeSignal


def order_id_of(run_id: str, sized: SizedCandidate, closes: str | None = None) -> str:
    """Short id that the same run always gives the same structure: staging is idempotent on it."""
    candidate = sized.candidate
    legs = [f"{leg.symbol}*{leg.quantity}" for leg in candidate.legs]
    text = "|".join([run_id, candidate.ticker, candidate.intent, candidate.strategy, closes or "", *legs])
    return "O-" + base64.b32encode(hashlib.sha256(text.encode()).digest())[:8].decode()


CLOSES = "none: this order only closes what is held"
RESTORES = "the limits that it restores hold without it"


def thesis_of(debate: Debate | None, composite: CompositeSignal | None, reason: str, *, closes: bool = True) -> Thesis:
    """The order's reason to exist: the debate's for an opening, the exit rule's for a closing, the limit's for a trade
    that restores one.
    """
    if debate is None:
        invalidation = CLOSES if closes else RESTORES
        return Thesis(
            verdict=Verdict.INCONCLUSIVE, confidence=0.0, vol_view="none", engine="rules", text=reason,
            invalidation=invalidation, signal_ids=(),
        )  # fmt: skip
    return Thesis(
        verdict=debate.verdict,
        confidence=debate.confidence,
        vol_view=debate.vol_view,
        engine=debate.engine,
        text=debate.thesis,
        invalidation=debate.invalidation,
        signal_ids=tuple(c.signal_id for c in composite.contributions) if composite else (),
    )


def staged_order(
    run: RunRequest,
    snapshot_id: str,
    allocation: Allocation,
    debate: Debate | None,
    composite: CompositeSignal | None,
    life_minutes: int,
) -> StagedOrder:
    """An order a person can approve. Raises `ValueError` for an allocation that the gate did not approve."""
    if allocation.decision is None:
        raise ValueError(f"{allocation.ticker} has no approving decision")
    candidate = allocation.sized.candidate
    return StagedOrder(
        order_id=order_id_of(run.run_id, allocation.sized, allocation.closes),
        version=1,
        run_id=run.run_id,
        snapshot_id=snapshot_id,
        staged_at=run.as_of,
        expires_at=run.as_of + timedelta(minutes=life_minutes),
        sized=allocation.sized,
        limit_per_share=candidate.limit_per_share,
        thesis=thesis_of(debate, composite, candidate.reason, closes=candidate.intent == "close"),
        decision=allocation.decision,
        closes=allocation.closes,
    )
