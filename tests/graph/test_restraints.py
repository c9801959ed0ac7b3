"""What the desk finds against new risk when it takes its picture is in that picture, in the log, and in the gate."""

from decimal import Decimal

from domain.book import Baseline
from tests.support.fakes import flat_desk, only
from tests.support.scripted import BULL

RESTRAINTS = ("*", "restraints")


def after_a_loss(market, share):
    """100,000 USD of cash that were 100,000 / (1 - share) at the prior close."""
    baseline = Baseline(session=market.as_of.date(), nlv=Decimal(100_000) / (1 - Decimal(share)), source="prior close")
    return flat_desk(market, baseline=baseline)


async def test_at_the_daily_loss_limit_the_run_goes_on_reducing_and_stages_nothing(world, market):
    desk = world({"*": BULL}, market=only(market, "JPM"), desk=after_a_loss(market, "0.03"))
    await desk.run()
    (found,) = desk.audit.of("collect")[RESTRAINTS]
    assert (found.cause, found.limit) == ("daily_loss", 0.03)
    assert desk.audit.of("collect")["*", "snapshot"]["trading_state"] == "reducing"
    vetoes = {check.name for check in desk.audit.of("risk_gate")["JPM", "thesis"]["decision"].vetoes}
    assert {"trading_state", "daily_loss"} <= vetoes
    assert desk.orders.staged == {}


async def test_short_of_the_limit_nothing_is_found_and_no_row_is_written(world, market):
    desk = world({"*": BULL}, market=only(market, "JPM"), desk=after_a_loss(market, "0.0299"))
    await desk.run()
    assert RESTRAINTS not in desk.audit.of("collect")
    assert desk.audit.of("collect")["*", "snapshot"]["trading_state"] == "active"


async def test_a_picture_taken_again_finds_the_same(world, market):
    desk = world({"*": BULL}, market=only(market, "JPM"), desk=after_a_loss(market, "0.05"))
    await desk.run()
    again = world({"*": BULL}, market=only(market, "JPM"), snapshots=desk.snapshots, runs=desk.runs)
    await again.run()  # bound to the first picture: nothing is judged from what the desk looks like now
    assert again.audit.of("collect")[RESTRAINTS] == desk.audit.of("collect")[RESTRAINTS]
