"""Situations, debates and lessons, small and complete, for tests of memory."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.debate import Claim, Debate, Verdict
from domain.experience import Attribution, Lesson
from domain.signals import EDGE_AXIS, CompositeSignal, Contribution

AS_OF = datetime(2026, 11, 20, 15, tzinfo=UTC)
DAY = timedelta(days=1)


def situation(price=0.5, vol=-0.2, ticker="SPY", at=AS_OF, contributions=()):
    return CompositeSignal(
        ticker=ticker, as_of=at, price_score=price, vol_score=vol, conviction=0.6, agreement=0.8, coverage=1.0,
        contributions=contributions,
    )  # fmt: skip


def part(edge="trend", value=0.2, source="technical"):
    return Contribution(
        signal_id=f"{source}/SPY/{edge}", source=source, edge_type=edge, axis=EDGE_AXIS[edge], weight=1, decay=1,
        value=value,
    )  # fmt: skip


def argued(verdict="bull", ticker="SPY", cites=()):
    """`cites`: pairs of side and memory id."""
    return Debate(
        ticker=ticker,
        engine="rules",
        rounds=1,
        claims=tuple(
            Claim(id=f"c{n}", side=side, round=1, text="t", evidence_ids=(cited,), strength=0.5)
            for n, (side, cited) in enumerate(cites)
        ),
        verdict=verdict,
        confidence=0.7,
        vol_view="short",
        conflict=0.1,
        thesis="t",
        invalidation="i",
    )


def lesson(order_id, *, known_at, outcome=0.4, importance=0.9, ticker="SPY", run_id="run-1", verdict="bull"):
    profit = Decimal(repr(round(outcome * 1000, 2)))
    return Lesson(
        order_id=order_id,
        run_id=run_id,
        ticker=ticker,
        strategy="bull_put_spread",
        opened_at=known_at - DAY,
        known_at=known_at,
        verdict=Verdict(verdict),
        confidence=0.7,
        vol_view="short",
        expected=0.05,
        win_chance=0.7,
        outcome=outcome,
        profit=profit,
        surprise=1.0,
        importance=importance,
        price_move=0.01,
        move_in_sigmas=0.5,
        vol_change=None,
        attribution=Attribution(delta=1.0, gamma=0.0, theta=0.0, vega=None, fees=-1.0, rest=0.0),
        finding="right" if outcome > 0 else "wrong",
        text=f"closed at {outcome:+.2f} of worst case",
        evidence=("technical/SPY/trend",),
    )


async def keep(
    memory, run_id, *, outcome=0.4, days_ago=10.0, known_days_ago=5.0, verdict="bull", importance=0.9, cites=(),
    regime="neutral", **changes,
):  # fmt: skip
    """Remember a situation; with an outcome, learn from it. The lesson, drawn or not."""
    past = situation(at=AS_OF - days_ago * DAY, **changes)
    order_id = f"O-{run_id}-{past.ticker}"
    await memory.remember(run_id, past, regime, argued(verdict, past.ticker, cites), order_id)
    told = lesson(
        order_id, known_at=AS_OF - known_days_ago * DAY, outcome=outcome or 0.0, importance=importance,
        verdict=verdict, ticker=past.ticker, run_id=run_id,
    )  # fmt: skip
    if outcome is not None:
        await memory.learn([told])
    return told


async def recalled(memory, k=5, regime="neutral", as_of=AS_OF, **changes):
    """Run ids of what is recalled, best first."""
    return [found.id.split("/")[1] for found in await memory.recall(situation(**changes), regime, as_of=as_of, k=k)]
