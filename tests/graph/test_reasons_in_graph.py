"""Reasons read by a model in a run: frozen in its snapshot, so that nobody is asked twice and a replay asks nobody."""

from dataclasses import replace

from app.debaters import rules_engine
from domain.record import canonical_json
from tests.support.fakes import World, only


class Reading:
    """Says of every post that it is about a product, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def read(self, run_id, market):
        self.asked.append(run_id)
        posts = tuple(post.model_copy(update={"context": "product"}) for post in market.posts)
        return replace(market, posts=posts, provenance={**market.provenance, "reasons": "a test read them"})


async def test_what_was_read_is_in_the_snapshot_and_a_second_look_at_the_run_asks_nobody(market, settings):
    reading = Reading()
    world = World(market=only(market, "JPM"), settings=settings, debate=rules_engine(settings), reasons=reading)
    await world.run()
    assert reading.asked == ["run-1"]
    (stored,) = world.snapshots.kept.values()
    assert {post.context for post in stored.market.posts} == {"product"}
    assert world.audit.of("collect")["*", "snapshot"]["provenance"]["reasons"] == "a test read them"
    again = World(
        market=world.market,
        settings=settings,
        debate=rules_engine(settings),
        runs=world.runs,
        snapshots=world.snapshots,
    )
    await again.run()
    assert reading.asked == ["run-1"]
    assert canonical_json(sorted(again.audit.rows.items())) == canonical_json(sorted(world.audit.rows.items()))
