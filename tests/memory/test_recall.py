"""Recall: only what was closed before, most alike first, faded by age; never a peek at a later outcome."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from domain.debate import Debate
from domain.errors import Refused, UsageError
from domain.regime import Regime
from domain.signals import EDGE_AXIS, CompositeSignal, Contribution
from memory.recall import FEATURES, PostgresSituationMemory, RecallSettings, situation_vector
from memory.tables.recall import DIMENSIONS

AS_OF = datetime(2026, 11, 20, 15, tzinfo=UTC)
DAY = timedelta(days=1)


def situation(price=0.5, vol=-0.2, ticker="SPY", at=AS_OF, contributions=()):
    return CompositeSignal(
        ticker=ticker,
        as_of=at,
        price_score=price,
        vol_score=vol,
        conviction=0.6,
        agreement=0.8,
        coverage=1.0,
        contributions=contributions,
    )


def argued(verdict="bull", ticker="SPY"):
    return Debate(
        ticker=ticker,
        engine="rules",
        rounds=1,
        claims=(),
        verdict=verdict,
        confidence=0.7,
        vol_view="short",
        conflict=0.1,
        thesis="t",
        invalidation="i",
    )


@pytest.fixture
def memory(engine):
    return PostgresSituationMemory(engine, feed="recorded")


async def keep(memory, run_id, *, outcome=0.4, days_ago=10.0, known_days_ago=5.0, verdict="bull", **changes):
    past = situation(at=AS_OF - days_ago * DAY, **changes)
    await memory.remember(run_id, past, "neutral", argued(verdict, past.ticker), "o1")
    if outcome is not None:
        await memory.close(run_id, past.ticker, outcome, AS_OF - known_days_ago * DAY)


async def recalled(memory, k=5, regime="neutral", **changes):
    return [found.id.split("/")[1] for found in await memory.recall(situation(**changes), regime, as_of=AS_OF, k=k)]


@given(
    st.lists(st.tuples(st.sampled_from(sorted(EDGE_AXIS)), st.floats(-1, 1)), max_size=8),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.sampled_from(list(Regime)),
)
def test_every_situation_is_a_finite_unit_vector_that_fits(parts, price, vol, regime):
    contributions = tuple(
        Contribution(signal_id="s", source="flow", edge_type=edge, axis=EDGE_AXIS[edge], weight=1, decay=1, value=value)
        for edge, value in parts
    )
    vector = situation_vector(situation(price, vol, contributions=contributions), regime)
    assert vector.shape == (len(FEATURES),)
    assert len(FEATURES) <= DIMENSIONS
    assert math.isclose(np.linalg.norm(vector), 1.0)


def test_contributions_of_one_edge_add_up_and_the_regime_is_one_of_four():
    parts = [
        Contribution(signal_id="s", source="flow", edge_type="trend", axis="price", weight=1, decay=1, value=value)
        for value in (0.25, 0.5)
    ]
    vector = dict(zip(FEATURES, situation_vector(situation(contributions=tuple(parts)), "crisis"), strict=True))
    assert math.isclose(vector["edge.trend"] / vector["price_score"], 1.5)
    assert [vector[f"regime.{regime}"] > 0 for regime in Regime] == [False, False, False, True]
    with pytest.raises(UsageError, match="no regime"):
        situation_vector(situation(), "calm")


async def test_an_outcome_known_at_the_very_instant_or_later_is_not_recalled(memory):
    await keep(memory, "open", outcome=None)
    await keep(memory, "later", known_days_ago=-1)
    await keep(memory, "same_instant", known_days_ago=0)
    await keep(memory, "just_before", known_days_ago=1e-6)
    assert await recalled(memory) == ["just_before"]


async def test_the_most_alike_come_first_and_age_fades_them(memory):
    await keep(memory, "alike")
    await keep(memory, "alike_but_old", days_ago=370.0)
    await keep(memory, "less_alike", price=0.1)
    await keep(memory, "opposite", price=-0.9, vol=0.9)
    assert await recalled(memory) == ["alike", "less_alike"]  # the others fall below the settings' likeness
    found = await memory.recall(situation(), "neutral", as_of=AS_OF, k=1)
    assert found[0].similarity == pytest.approx(0.5 ** (10 / 180), abs=1e-6)
    patient = PostgresSituationMemory(memory._engine, feed="recorded", settings=RecallSettings(half_life_days=9999))
    assert await recalled(patient) == ["alike", "alike_but_old", "less_alike"]


async def test_ties_are_broken_by_run_and_ticker_not_by_arrival(memory):
    for run_id in ("r3", "r1", "r2"):
        await keep(memory, run_id)
    assert await recalled(memory) == ["r1", "r2", "r3"]
    assert await recalled(memory, k=2) == ["r1", "r2"]


async def test_another_feeds_situations_are_no_evidence(memory, engine):
    await keep(PostgresSituationMemory(engine, feed="simulated"), "dream")
    assert await recalled(memory) == []


@pytest.mark.parametrize(
    ("verdict", "outcome", "direction"),
    [
        ("bull", 0.4, 1),
        ("bull", -1.0, -1),
        ("bear", 0.2, -1),
        ("bear", -0.2, 1),
        ("inconclusive", 0.5, 0),
        ("bull", 0, 0),
    ],
)
async def test_a_memory_points_where_the_market_went(memory, verdict, outcome, direction):
    await keep(memory, "r1", verdict=verdict, outcome=outcome)
    (found,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert (found.direction, found.outcome) == (direction, outcome)
    assert (found.figures["outcome"], found.figures["price_score"]) == (outcome, 0.5)
    assert "2026-11-10 in neutral" in found.text


async def test_remembering_is_idempotent_and_an_outcome_is_said_once(memory):
    for _ in range(2):
        await keep(memory, "r1")
    assert await recalled(memory) == ["r1"]
    with pytest.raises(Refused, match=r"outcome 0\.4 already"):
        await memory.close("r1", "SPY", 0.5, AS_OF)
    with pytest.raises(UsageError, match="remembered"):
        await memory.close("r1", "QQQ", 0.5, AS_OF)
    await keep(memory, "r2", outcome=None)
    for outcome, known_at in ((math.nan, AS_OF), (0.5, AS_OF - 11 * DAY)):
        with pytest.raises(UsageError, match="cannot be the outcome"):
            await memory.close("r2", "SPY", outcome, known_at)


async def test_the_index_finds_what_a_full_scan_finds_though_filters_hide_most_rows(memory, engine, superuser_url):
    rng = np.random.default_rng(7)
    async with engine.begin() as connection:
        for number in range(300):
            price, vol = rng.uniform(-1, 1, 2)
            vector = [*situation_vector(situation(price, vol), "neutral"), *[0.0] * (DIMENSIONS - len(FEATURES))]
            await connection.execute(
                text(
                    "INSERT INTO memories SELECT :run, 'SPY', :feed, CAST(:at AS timestamptz), 'neutral', :composite,"
                    " :debate, NULL, 0.1, CAST(:at AS timestamptz) + interval '1 day', :embedder, CAST(:v AS vector)"
                ),
                {
                    "run": f"r{number:03d}",
                    "feed": "recorded" if number % 10 == 0 else "simulated",
                    "at": AS_OF - 20 * DAY,
                    "composite": situation(price, vol, at=AS_OF - 20 * DAY).model_dump_json(),
                    "debate": argued().model_dump_json(),
                    "embedder": __import__("memory.recall").recall.EMBEDDER,
                    "v": str([float(value) for value in vector]),
                },
            )
    import psycopg

    from memory.engine import conninfo

    found = {}
    for plan in ("enable_indexscan", "enable_seqscan"):
        with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
            link.execute("ALTER ROLE desk_pipeline RESET ALL")
            link.execute(f"ALTER ROLE desk_pipeline SET {plan} = off")
        await engine.dispose()
        found[plan] = await recalled(memory, k=20)
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER ROLE desk_pipeline RESET ALL")
    assert found["enable_indexscan"] == found["enable_seqscan"]
    assert len(found["enable_seqscan"]) > 5


def test_the_shipped_settings_are_the_defaults(pytestconfig):
    shipped = (pytestconfig.rootpath / "config" / "memory.yaml").read_text()
    assert RecallSettings.model_validate(yaml.safe_load(shipped)) == RecallSettings()
