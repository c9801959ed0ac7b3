"""Recall: only what was over before, best score first, whatever came later or in whichever order."""

import asyncio
import math
from datetime import timedelta
from decimal import Decimal

import numpy as np
import psycopg
import pytest
import yaml
from sqlalchemy import text

from domain.errors import DatabaseDown, DataError, FeedDown, UsageError
from domain.experience import Situation
from memory.engine import connected, conninfo, driver_of
from memory.recall import PostgresSituationMemory, RecallSettings
from memory.recall_vectors import FeatureEmbedder, embed_missing, key_of
from signals.situation import FEATURES
from tests.support.experience import AS_OF, DAY, argued, keep, lesson, recalled, situation


@pytest.fixture
def memory(engine):
    return PostgresSituationMemory(engine, feed="recorded")


async def test_an_outcome_known_at_the_very_instant_or_later_is_not_recalled(memory):
    await keep(memory, "open", outcome=None)
    await keep(memory, "later", known_days_ago=-1)
    await keep(memory, "same_instant", known_days_ago=0)
    await keep(memory, "just_before", known_days_ago=1e-6)
    assert await recalled(memory) == ["just_before"]


async def test_the_score_is_similarity_times_recency_times_importance(memory):
    await keep(memory, "alike", importance=0.9)
    await keep(memory, "alike_but_old", importance=0.9, days_ago=300, known_days_ago=200)
    await keep(memory, "alike_and_dull", importance=0.6)
    await keep(memory, "less_alike", importance=0.9, price=0.1, vol=0.3)
    await keep(memory, "opposite", price=-0.9, vol=0.9)  # falls below the settings' likeness
    found = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    names = [one.id.split("/")[1] for one in found]
    assert names == ["alike", "less_alike", "alike_but_old", "alike_and_dull"]
    assert [one.layer for one in found] == ["long", "long", "long", "short"]
    for one in found:
        figures = one.figures
        assert one.score == pytest.approx(one.similarity * figures["recency"] * figures["importance"], abs=2e-6)
    assert found[0].similarity == pytest.approx(1.0, abs=1e-6)
    assert found[0].figures["recency"] == pytest.approx(math.exp(-5 / 365), abs=1e-6)
    assert found[3].figures["recency"] == pytest.approx(math.exp(-5 / 14), abs=1e-6)


async def test_what_has_faded_is_no_evidence(memory):
    await keep(memory, "dull_and_old", importance=0.5, days_ago=90, known_days_ago=60)
    assert await recalled(memory) == []
    patient = PostgresSituationMemory(memory._engine, feed="recorded", settings=RecallSettings(min_score=0.0))
    assert await recalled(patient) == ["dull_and_old"]


async def test_ties_are_broken_by_run_and_ticker_not_by_arrival(memory):
    for run_id in ("r3", "r1", "r2"):
        await keep(memory, run_id)
    assert await recalled(memory) == ["r1", "r2", "r3"]
    assert await recalled(memory, k=2) == ["r1", "r2"]
    narrow = PostgresSituationMemory(memory._engine, feed="recorded", settings=RecallSettings(pool=2))
    assert await recalled(narrow, k=2) == ["r1", "r2"]  # nor does arrival decide who is in the pool


async def test_another_feeds_situations_are_no_evidence(memory, engine):
    await keep(PostgresSituationMemory(engine, feed="simulated"), "dream")
    assert await recalled(memory) == []


@pytest.mark.parametrize(
    ("verdict", "outcome", "direction"),
    [("bull", 0.4, 1), ("bull", -1.0, 1), ("bear", -0.2, -1), ("inconclusive", 0.5, 0)],
)
async def test_a_memory_has_the_decisions_direction_and_the_trades_outcome(memory, verdict, outcome, direction):
    """Whether the decision was right is told by the outcome: the debate multiplies the two."""
    await keep(memory, "r1", verdict=verdict, outcome=outcome)
    (found,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert (found.direction, found.outcome) == (direction, outcome)
    assert (found.figures["outcome"], found.figures["price_score"]) == (outcome, 0.5)
    assert "2026-11-10 in neutral" in found.text
    assert found.embedder == FeatureEmbedder.name


async def test_remembering_and_learning_are_idempotent_and_the_first_outcome_stands(memory):
    for _ in range(2):
        await keep(memory, "r1")
    await memory.learn([lesson("O-r1-SPY", known_at=AS_OF - DAY, outcome=-1.0), lesson("unheard of", known_at=AS_OF)])
    (found,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert found.outcome == 0.4


async def test_an_outcome_cannot_come_before_the_decision(memory):
    await keep(memory, "r1", outcome=None)
    with pytest.raises(DataError, match="before it was decided"):
        await memory.learn([lesson("O-r1-SPY", known_at=AS_OF - 11 * DAY)])
    with pytest.raises(UsageError, match="no regime"):
        await memory.recall(situation(), "calm", as_of=AS_OF, k=1)


@pytest.mark.parametrize(
    ("side", "verdict", "outcome", "importance"),
    [
        ("bull", "bull", 0.4, 0.95),
        ("bull", "bull", -0.4, 0.85),
        ("bear", "bull", -0.4, 0.95),
        ("bull", "inconclusive", 0.4, 0.9),
    ],
)
async def test_a_memory_cited_for_what_came_about_grows_and_one_cited_against_it_shrinks(
    memory, side, verdict, outcome, importance
):
    await keep(memory, "old", days_ago=30, known_days_ago=20)
    cites = ((side, "memory/old/SPY"), (side, "memory/nowhere/SPY"), (side, "technical/SPY/trend"))
    await keep(memory, "new", verdict=verdict, outcome=outcome, cites=cites, known_days_ago=5, price=-0.9, vol=0.9)
    (found,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert found.figures["importance"] == pytest.approx(importance)
    (then,) = await memory.recall(situation(), "neutral", as_of=AS_OF - 5 * DAY, k=5)  # not known strictly before
    assert then.figures["importance"] == pytest.approx(0.9)


async def test_no_order_of_insertion_and_no_later_knowledge_changes_an_earlier_recall(engine, database):
    rng = np.random.default_rng(11)
    past = [
        {
            "price": float(p),
            "vol": float(v),
            "importance": float(i),
            "days_ago": float(d) + 8,
            "known_days_ago": float(d),
        }
        for p, v, i, d in zip(*rng.uniform([[-1], [-1], [0.5], [1]], [[1], [1], [1], [80]], (4, 24)), strict=True)
    ]
    seen = {}
    for permutation in range(3):
        names = rng.permutation(len(past))
        memory = PostgresSituationMemory(engine, feed=f"feed{permutation}", settings=RecallSettings(min_similarity=0.0))
        lessons = []
        for number in names:
            known = [n for n, one in enumerate(past) if one["known_days_ago"] > past[number]["days_ago"]]
            cites = tuple(("bull", f"memory/{permutation}-{n:02d}/SPY") for n in known[:3])
            told = await keep(memory, f"{permutation}-{number:02d}", outcome=None, cites=cites, **past[number])
            lessons.append(told.model_copy(update={"outcome": 0.4, "profit": Decimal(400 - 50 * int(number))}))
        for told in rng.permutation(len(lessons)):
            await memory.learn([lessons[told]])
        before = {}
        for days in (0, 20, 50):
            at = AS_OF - days * DAY
            before[days] = await memory.recall(situation(at=at), "neutral", as_of=at, k=10)
        for number in range(5):  # all known at or after AS_OF, each citing what is known
            cites = (("bull", f"memory/{permutation}-{number:02d}/SPY"),)
            await keep(memory, f"{permutation}-later{number}", known_days_ago=-number, days_ago=3, cites=cites)
        for days, found in before.items():
            at = AS_OF - days * DAY
            assert await memory.recall(situation(at=at), "neutral", as_of=at, k=10) == found
        seen[permutation] = {
            days: [(one.id.split("-")[1], one.score, one.layer) for one in found] for days, found in before.items()
        }
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0][0]) == 10
    assert seen[0][0] != seen[0][20]


class Model:
    """An embedder that sees two things only, and can be switched off."""

    name = "model/1"
    dimensions = 2

    def __init__(self, down=False):
        self.down, self.asked = down, 0

    async def embed(self, situations):
        self.asked += len(situations)
        if self.down:
            raise FeedDown("the model does not answer.")
        values = np.array([[1.0, one.composite.price_score] for one in situations])
        return values / np.linalg.norm(values, axis=1, keepdims=True)


async def test_vectors_of_two_embedders_never_mix_and_a_new_one_catches_up(engine):
    plain = PostgresSituationMemory(engine, feed="recorded")
    await keep(plain, "before", vol=0.9)
    model = Model()
    modelled = PostgresSituationMemory(engine, feed="recorded", embedder=model)
    assert await recalled(modelled) == []  # it has seen nothing yet
    await keep(modelled, "after")
    found = await modelled.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert [(one.id, one.similarity, one.embedder) for one in found] == [
        ("memory/after/SPY", 1.0, "model/1"), ("memory/before/SPY", 1.0, "model/1"),
    ]  # fmt: skip
    features = await plain.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert [(one.id, one.embedder) for one in features] == [
        ("memory/after/SPY", FeatureEmbedder.name), ("memory/before/SPY", FeatureEmbedder.name),
    ]  # fmt: skip
    assert features[1].similarity < 0.95
    assert await embed_missing(engine, model) == 0
    async with engine.connect() as link:
        rows = await link.execute(text("SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'hnsw_memory_vectors_%'"))
        made = sorted(rows.scalars())
    assert len(made) == 2
    assert any("vector(2)" in one and "'model/1'" in one for one in made)


async def test_a_model_that_does_not_answer_costs_only_the_model(engine):
    model = Model(down=True)
    memory = PostgresSituationMemory(engine, feed="recorded", embedder=model)
    await keep(memory, "r1")
    (found,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert found.embedder == FeatureEmbedder.name
    model.down = False
    await memory.learn([])
    (again,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert again.embedder == "model/1"
    model.asked = 0
    assert await embed_missing(engine, model, most=5) == 0
    assert model.asked == 0


async def test_a_model_that_has_seen_a_part_of_the_past_is_not_asked_until_it_has_seen_all(engine, monkeypatch):
    plain = PostgresSituationMemory(engine, feed="recorded")
    for name in ("a", "b", "c"):
        await keep(plain, name)
    monkeypatch.setattr("memory.recall.CAUGHT_UP", 2)
    modelled = PostgresSituationMemory(engine, feed="recorded", embedder=Model())
    for embedder in (FeatureEmbedder.name, "model/1"):
        await modelled.learn([])
        found = await modelled.recall(situation(), "neutral", as_of=AS_OF, k=5)
        assert [(one.id, one.embedder) for one in found] == [(f"memory/{name}/SPY", embedder) for name in "abc"]


async def test_a_model_that_dies_within_a_run_is_waited_for_once(engine):
    model = Model()
    memory = PostgresSituationMemory(engine, feed="recorded", embedder=model)
    await keep(memory, "r1")
    model.down, model.asked = True, 0
    for _ in range(3):
        (found,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
        assert found.embedder == FeatureEmbedder.name
    assert model.asked == 1


async def test_a_memory_that_both_sides_cited_neither_grows_nor_shrinks(memory, engine):
    await keep(memory, "old", days_ago=30, known_days_ago=20)
    cites = (("bear", "memory/old/SPY"), ("bull", "memory/old/SPY"))
    await keep(memory, "new", cites=cites, price=-0.9, vol=0.9)
    (found,) = await memory.recall(situation(), "neutral", as_of=AS_OF, k=5)
    assert found.figures["importance"] == pytest.approx(0.9)


async def test_two_processes_that_learn_the_same_lessons_at_once_write_each_once(database, engine):
    past = PostgresSituationMemory(engine, feed="recorded")
    names = [f"r{number}" for number in range(6)]
    lessons = [await keep(past, name, outcome=None, cites=(("bull", "memory/old/SPY"),)) for name in names]
    lessons = [told.model_copy(update={"outcome": 0.4, "profit": Decimal(400)}) for told in lessons]
    await keep(past, "old", days_ago=30, known_days_ago=20)
    async with connected(database.pipeline_url) as one, connected(database.pipeline_url) as other:
        desks = [
            PostgresSituationMemory(made, feed="recorded", embedder=Model()) for made in (one, other) for _ in range(2)
        ]
        await asyncio.gather(*(desk.learn(lessons) for desk in desks))
        seen = [await desk.recall(situation(), "neutral", as_of=AS_OF, k=9) for desk in desks]
    assert len(seen[0]) == 7
    assert seen[0] == seen[1] == seen[2] == seen[3]
    async with engine.connect() as link:
        counted = [
            await link.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("memory_vectors", "memory_feedback")
        ]
    assert counted == [14, 6]


async def test_the_feature_embedder_is_as_wide_as_its_features():
    vectors = await FeatureEmbedder().embed([Situation(composite=situation(), regime="neutral")] * 2)
    assert vectors.shape == (2, len(FEATURES))
    assert (await FeatureEmbedder().embed([])).shape == (0, len(FEATURES))
    assert [key_of(name) for name in ("memory/r/BRK/B", "memory/r", "flow/SPY/pin")] == [("r", "BRK/B"), None, None]


async def test_the_index_finds_what_a_full_scan_finds_though_filters_hide_most_rows(engine, superuser_url, monkeypatch):
    memory = PostgresSituationMemory(engine, feed="recorded", settings=RecallSettings(min_score=0.0))
    embedder, rng = FeatureEmbedder(), np.random.default_rng(7)
    await keep(memory, "r000")  # brings the index
    rows, vectors = [], []
    for number in range(1, 1500):
        price, vol = rng.uniform(-1, 1, 2)
        rows.append((f"r{number:03d}", "recorded" if number % 2 else "simulated", float(rng.uniform(0, 100))))
        vectors.append(Situation(composite=situation(price, vol), regime="neutral"))
    at, known = AS_OF - 300 * DAY, AS_OF - 100 * DAY
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        told, debate = lesson("x", known_at=known).model_dump_json(), argued().model_dump_json()
        composite = situation(at=at).model_dump_json()
        with link.cursor().copy(
            "COPY memories (run_id, ticker, feed, decided_at, regime, composite, debate, outcome, known_at, lesson)"
            " FROM STDIN"
        ) as copy:
            for run_id, feed, day in rows:
                when = known + timedelta(days=day)
                copy.write_row((run_id, "SPY", feed, at, "neutral", composite, debate, 0.1, when, told))
        with link.cursor().copy(
            "COPY memory_vectors (run_id, ticker, embedder, feed, known_at, importance, embedding) FROM STDIN"
        ) as copy:
            for (run_id, feed, day), vector in zip(rows, await embedder.embed(vectors), strict=True):
                when = known + timedelta(days=day)
                copy.write_row((run_id, "SPY", embedder.name, feed, when, 0.9, str(vector.tolist())))
        link.execute("ANALYZE memory_vectors")
    early = AS_OF - 90 * DAY  # a tenth of them is known
    found = {}
    for plans in (("enable_seqscan", "enable_bitmapscan", "enable_sort"), ("enable_indexscan",)):
        with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
            link.execute("ALTER ROLE desk_pipeline RESET ALL")
            for plan in plans:
                link.execute(f"ALTER ROLE desk_pipeline SET {plan} = off")
        await engine.dispose()
        found[plans[0]] = await recalled(memory, k=20, as_of=early)
    monkeypatch.setattr("memory.recall_vectors.SCANNED", 1)  # the walk ends long before it has met what was known
    monkeypatch.setattr("memory.recall_vectors.WIDTH", 1)
    few = PostgresSituationMemory(engine, feed="recorded", settings=RecallSettings(min_score=0.0, pool=20))
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER ROLE desk_pipeline RESET ALL")
        for plan in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            link.execute(f"ALTER ROLE desk_pipeline SET {plan} = off")
    await engine.dispose()
    found["ended early"] = await recalled(few, k=20, as_of=early)
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER ROLE desk_pipeline RESET ALL")
    assert found["enable_indexscan"] == found["enable_seqscan"]
    assert len(found["ended early"]) == 20
    assert len(found["enable_seqscan"]) == 20


async def test_a_server_that_goes_away_while_it_is_asked_is_the_databases_failure(engine):
    async with engine.connect() as link:
        with pytest.raises(DatabaseDown, match="cannot be reached"):
            async with driver_of(link) as driver:
                await driver.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with engine.connect() as other, driver_of(other) as driver:
                await driver.execute("SELECT * FROM nowhere")


async def test_the_log_of_usefulness_can_only_grow(memory, engine):
    await keep(memory, "old", days_ago=30, known_days_ago=20)
    await keep(memory, "new", cites=(("bull", "memory/old/SPY"),))
    with pytest.raises(Exception, match=r"append-only|permission denied"):
        async with engine.begin() as link:
            await link.execute(text("UPDATE memory_feedback SET useful = false"))
    with pytest.raises(Exception, match="permission denied"):
        async with engine.begin() as link:
            await link.execute(text("UPDATE memories SET decided_at = now()"))


def test_the_shipped_settings_are_the_defaults(pytestconfig):
    shipped = (pytestconfig.rootpath / "config" / "memory.yaml").read_text()
    assert RecallSettings.model_validate(yaml.safe_load(shipped)["recall"]) == RecallSettings()
