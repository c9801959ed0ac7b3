"""What the desk remembers and has learned: lists, one situation in full, counts, and new vectors for the past."""

from datetime import datetime
from typing import Any

from app.documents import plain
from app.services.instants import past_instant
from app.wiring import Desk
from domain.experience import Lesson
from memory.recall_log import Remembered, counts, one_remembered, remembered
from memory.recall_vectors import FeatureEmbedder, embed_missing, forget_others

Document = dict[str, Any]


async def memory_list(desk: Desk, *, at: datetime | None, learned: bool | None, limit: int) -> Document:
    """Situations of the account, latest first, as they stand at `at` (default: the account's latest instant)."""
    as_of = await past_instant(desk, at)
    found = await remembered(desk.engine, desk.account, as_of=as_of, learned=learned, limit=limit)
    return {
        "account": desk.account,
        "as_of": plain(as_of),
        "learned": learned,
        "memories": [_line(item) for item in found],
    }


async def memory_shown(desk: Desk, which: str, *, at: datetime | None) -> Document:
    """One situation in full: what was seen, decided, predicted, and what came of it."""
    as_of = await past_instant(desk, at)
    item = await one_remembered(desk.engine, desk.account, which, as_of=as_of)
    debate = item.debate
    return {
        "account": desk.account,
        "as_of": plain(as_of),
        **_line(item),
        "composite": plain(item.composite),
        "thesis": debate.thesis,
        "invalidation": debate.invalidation,
        "confidence": debate.confidence,
        "engine": debate.engine,
        "cited": sorted({cited for claim in debate.claims if claim.struck is None for cited in claim.evidence_ids}),
        "lesson": plain(item.lesson),
        "embedders": list(item.embedders),
    }


async def memory_stats(desk: Desk, *, at: datetime | None) -> Document:
    """How much is remembered, in which layers, by which embedder, and what citing it was worth."""
    as_of = await past_instant(desk, at)
    found = await counts(desk.engine, desk.account, as_of=as_of)
    embedder = desk.embedder.name
    return {
        "account": desk.account,
        "as_of": plain(as_of),
        **plain(found),
        "embedder": embedder,
        "without_vector": found.learned - found.vectors.get(embedder, 0),
    }


async def memory_reembedded(desk: Desk, *, prune: bool) -> Document:
    """Give every closed situation, of all accounts, a vector of the embedder in force; with `prune`, drop those of
    embedders that are neither it nor the features.
    """
    made = 0
    for embedder in {item.name: item for item in (FeatureEmbedder(), desk.embedder)}.values():
        made += await embed_missing(desk.engine, embedder)
    keep = sorted({FeatureEmbedder.name, desk.embedder.name})
    dropped = await forget_others(desk.engine, keep) if prune else 0
    return {"embedder": desk.embedder.name, "dimensions": desk.embedder.dimensions, "made": made, "dropped": dropped}


def _line(item: Remembered) -> Document:
    lesson: Lesson | None = item.lesson
    return {
        "id": item.id,
        "run_id": item.run_id,
        "ticker": item.ticker,
        "decided_at": plain(item.decided_at),
        "regime": item.regime,
        "verdict": item.debate.verdict.value,
        "vol_view": item.debate.vol_view,
        "order_id": item.order_id,
        "fate": item.fate,
        "known_at": plain(lesson and lesson.known_at),
        "outcome": lesson and lesson.outcome,
        "finding": lesson and lesson.finding,
        "text": lesson and lesson.text,
        "layer": item.layer,
        "importance": item.importance,
        "recency": item.recency,
        "useful": item.useful,
        "useless": item.useless,
    }
