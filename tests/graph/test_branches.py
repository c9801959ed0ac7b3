"""Every way in which a ticker's path through the graph can end, each told apart in state, audit and orders."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.book import Baseline
from domain.market import CalendarEvent
from domain.risk import TradingState
from domain.run import Outcome
from domain.signals import SOURCES
from graph.deps import GraphSettings
from options.strategies import structure_named
from tests.factories import exposure
from tests.support.fakes import MemoryOrders, World, flat_desk, only, with_chain
from tests.support.scripted import BEAR, BULL, CONFLICT, WEAK, ScriptedDebate


def legs_with(settings: GraphSettings, **changes) -> GraphSettings:
    return settings.model_copy(update={"legs": settings.legs.model_copy(update=changes)})


def soft_rule(settings: GraphSettings, name: str, **changes) -> GraphSettings:
    """The settings with one soft risk rule changed."""
    risk = settings.risk
    rules = tuple(rule.model_copy(update=changes) if rule.rule == name else rule for rule in risk.soft)
    return settings.model_copy(update={"risk": risk.model_copy(update={"soft": rules})})


async def outcome(world: World, ticker: str) -> Outcome:
    """What became of `ticker`, after checking what holds for every run."""
    state = await world.run()
    found = {item.ticker: item for item in state["outcomes"]}
    assert set(found) == set(world.market.tickers), "every ticker has an outcome"
    logged = world.audit.of("record")
    assert all(logged[name, "outcome"] == item for name, item in found.items())
    assert world.run_id in world.audit.sealed
    ordered = {item.order_id for item in found.values()} - {None}
    assert ordered == {o.order_id for o in world.orders.staged.values() if o.closes is None}
    assert world.memory.remembered == {name: found[name].order_id for name in state.get("debates", {})}
    return found[ticker]


async def test_with_nobody_ranked_the_gate_says_so_and_the_run_is_sealed(world, shipped):
    floor = shipped.signals.aggregate.model_copy(update={"conviction": 1.0})
    signals = shipped.signals.model_copy(update={"aggregate": floor})
    desk = world(settings=shipped.model_copy(update={"signals": signals}))
    found = await outcome(desk, "SPY")
    assert (found.step, found.reason[-7:]) == ("not_ranked", "no edge")
    assert desk.audit.of("risk_gate")["*", "thesis"]["refused"] == "nothing was debated"
    assert not desk.audit.of("debate")
    assert list(desk.audit.of("stage")) == [("*", "order")]


async def test_only_the_best_few_are_debated_and_the_rest_are_told_why(world, settings):
    top_one = settings.signals.model_copy(update={"rank": settings.signals.rank.model_copy(update={"top_n": 1})})
    desk = world({"*": WEAK}, settings=settings.model_copy(update={"signals": top_one}))
    found = await outcome(desk, "SPY")
    assert (found.step, found.reason) == ("not_ranked", "ranked 3, and only the best 1 are debated")
    assert len(desk.debate.heard) == 1


async def test_when_all_analysts_are_halted_there_is_nothing_to_rank(world, market, shipped):
    desk = world(settings=shipped, desk=flat_desk(market, halted_agents=SOURCES))
    assert (await outcome(desk, "SPY")).step == "not_ranked"
    for source in SOURCES:
        (said,) = desk.audit.of(source)["*", "reading"]["abstentions"]
        assert (said.code, said.ticker) == ("halted", "*")
    assert desk.runs.signals == {}


async def test_conflicting_evidence_ends_a_path_even_where_volatility_has_a_view(world):
    found = await outcome(world({"SPY": {**CONFLICT, "vol_view": "short"}, "*": WEAK}), "SPY")
    assert (found.step, found.reason) == ("inconclusive", "evidence conflicts (0.90)")


async def test_neither_a_view_on_price_nor_on_volatility_is_no_edge(world):
    found = await outcome(world({"*": WEAK}), "SPY")
    assert (found.step, found.reason) == ("no_edge", "neither a price view nor a volatility view")


@pytest.mark.parametrize("vol_view", ["short", "long"])
async def test_a_weak_view_on_price_trades_volatility_without_a_direction(world, market, vol_view):
    desk = world({"*": {**WEAK, "vol_view": vol_view}}, market=only(market, "SPY"))
    assert (await outcome(desk, "SPY")).step == "staged"
    proposed = desk.audit.of("strategy_selector")["SPY", "candidates"]["candidates"]
    for item in proposed:
        assert item.drift == 0.0
        assert "inconclusive" in structure_named(item.strategy).directions


async def test_a_verdict_against_the_score_zeroes_the_drift_and_never_turns_it(world, market):
    for script in (BULL, BEAR):
        desk = world({"*": script}, market=only(market, "SPY"))
        await desk.run()
        score = desk.audit.of("aggregate")["SPY", "composite"].price_score
        assert score < 0
        drifts = {item.drift for item in desk.audit.of("strategy_selector")["SPY", "candidates"]["candidates"]}
        assert drifts
        assert all(drift < 0 for drift in drifts) if script is BEAR else drifts == {0.0}


def halted(market):
    return {"desk": flat_desk(market, trading_state=TradingState.HALTED, trading_state_reason="a bad feeling")}


def reducing(market):
    return {"desk": flat_desk(market, trading_state=TradingState.REDUCING, trading_state_reason="near the limit")}


def stale(market):
    chain = market.chains["SPY"]
    return {"market": with_chain(market, "SPY", replace(chain, as_of=chain.as_of - timedelta(minutes=31)))}


def lost_today(market):
    baseline = Baseline(session=market.as_of.date(), nlv=Decimal(104_000), source="yesterday's close")
    return {"desk": flat_desk(market, baseline=baseline)}


def worth_unknown(market):
    desk = flat_desk(market)
    return {"desk": desk.model_copy(update={"book": desk.book.model_copy(update={"nlv": None, "nlv_as_of": None})})}


@pytest.mark.parametrize(
    ("trouble", "rule", "numbers"),
    [
        (halted, "trading_state", "a bad feeling"),
        (reducing, "trading_state", "near the limit"),
        (stale, "data_freshness", "31.0 min old"),
        (lost_today, "daily_loss", "104,000.00"),
        (worth_unknown, "nlv_known", "NLV is unknown"),
    ],
    ids=["halted", "reducing", "stale", "daily loss", "unknown worth"],
)
async def test_a_thesis_is_vetoed_with_all_its_checks_on_record(world, market, trouble, rule, numbers):
    desk = world({"*": BULL}, **trouble(market))
    found = await outcome(desk, "SPY")
    assert found.step == "vetoed"
    assert rule in {check.name for check in found.vetoes}
    assert numbers in found.reason
    checks = desk.audit.of("risk_gate")["SPY", "thesis"]["decision"].checks
    assert len(checks) > len(found.vetoes), "rules after the first failure are measured too"
    assert "SPY" not in {ticker for ticker, _ in desk.audit.of("strategy_selector")}


async def test_a_chain_without_one_good_quote_leaves_the_other_tickers_alone(world, market):
    chain = market.chains["SPY"]
    crossed = with_chain(market, "SPY", replace(chain, bid=chain.ask + 1.0))
    undisturbed, disturbed = world({"*": BULL}), world({"*": BULL}, market=crossed)
    await undisturbed.run()
    found = await outcome(disturbed, "SPY")
    assert found.step == "no_candidate"
    assert "crossed" in found.reason
    said = disturbed.audit.of("vol_surface")["SPY", "reading"]
    assert said["signals"] == []
    assert {item.code for item in said["abstentions"]} == {"all_crossed"}
    assert said["abstentions"][0].numbers["crossed"] == len(chain)
    for node, kind in (*((source, "reading") for source in SOURCES), ("aggregate", "composite")):
        assert disturbed.audit.of(node)["JPM", kind] == undisturbed.audit.of(node)["JPM", kind]
    assert "JPM" in {order.ticker for order in disturbed.orders.staged.values()}


async def test_a_ticker_without_a_chain_abstains_and_is_vetoed(world, market):
    chains = {name: chain for name, chain in market.chains.items() if name != "SPY"}
    desk = world({"*": BULL}, market=replace(market, chains=chains))
    found = await outcome(desk, "SPY")
    assert found.step == "vetoed"
    assert "no chain in the snapshot" in found.reason
    assert {item.code for item in desk.audit.of("flow")["SPY", "reading"]["abstentions"]} >= {"no_chain"}


async def test_without_price_history_no_odds_are_guessed(world, market):
    bars = {name: series for name, series in market.bars.items() if name != "SPY"}
    found = await outcome(world({"*": BULL}, market=replace(market, bars=bars)), "SPY")
    assert found.step == "no_candidate"
    assert found.reason.startswith("no volatility forecast")


async def test_no_strategy_suits_short_volatility_across_known_earnings(world, market):
    earnings = CalendarEvent(
        kind="earnings", ticker="XOM", at=market.as_of + timedelta(days=9), known_at=market.as_of - timedelta(days=30)
    )
    iron_only = world({"*": {**WEAK, "vol_view": "short"}}, market=replace(market, events=(*market.events, earnings)))
    found = await outcome(iron_only, "XOM")
    assert found.step == "event_inside"
    assert found.reason.startswith("Every suitable structure is barred")
    assert iron_only.audit.of("strategy_selector")["XOM", "candidates"]["choices"] == ()


async def test_unknown_earnings_dates_are_taken_as_a_danger_not_as_none(world, market):
    unknown = replace(market, events_known=frozenset({""}))
    desk = world({"*": {**BULL, "vol_view": "short"}}, market=unknown)
    await desk.run()
    for ticker, families in (("JPM", {"debit_vertical", "butterfly"}), ("SPY", None)):
        chosen = {choice.family for choice in desk.audit.of("strategy_selector")[ticker, "candidates"]["choices"]}
        assert chosen <= families if families else "credit_vertical" in chosen


async def test_when_no_quoted_legs_pass_every_miss_is_counted(world, market, settings):
    desk = world({"*": BULL}, settings=legs_with(settings, min_pop=0.99), market=only(market, "SPY"))
    found = await outcome(desk, "SPY")
    assert found.step == "no_candidate"
    assert "combinations passed" in found.reason
    assert desk.audit.of("strategy_selector")["SPY", "candidates"]["misses"]


async def test_what_the_first_opening_takes_of_the_budget_is_gone_for_the_second(world, market):
    room_for_one = exposure(ticker="KO", sector="consumer_staples", worst_case=Decimal(1_550), margin=Decimal(1_550))
    desk = world({"*": BULL}, desk=flat_desk(market, exposures=(room_for_one,)))
    state = await desk.run()
    steps = {item.ticker: item.step for item in state["outcomes"]}
    ranked = [item.ticker for item in state["ranking"]]
    assert steps[ranked[0]] == "staged"
    assert set(steps.values()) & {"vetoed", "no_size"}
    checks = [check for order in desk.orders.staged.values() for check in order.checks if check.name == "var_budget"]
    assert all(0.0155 < check.measured <= 0.02 for check in checks), "the worst case of KO, which cannot be revalued"
    assert all("worst case stands in for KO" in check.detail for check in checks)


async def test_a_size_of_zero_names_the_cap_that_allows_no_unit(world, market, settings):
    kelly = settings.risk.sizing.kelly.model_copy(update={"fraction": 1e-9})
    sizing = settings.risk.sizing.model_copy(update={"kelly": kelly})
    timid = settings.model_copy(update={"risk": settings.risk.model_copy(update={"sizing": sizing})})
    desk = world({"*": BULL}, settings=timid, market=only(market, "SPY"))
    found = await outcome(desk, "SPY")
    assert found.step == "no_size"
    assert found.reason.startswith("half_kelly allows no unit: 1e-09 × Kelly")


async def test_the_final_pass_vetoes_what_the_thesis_pass_could_not_measure(world, market, settings):
    desk = world(
        {"*": BULL}, settings=soft_rule(settings, "theta_concentration", theta_limit={}), market=only(market, "SPY")
    )
    found = await outcome(desk, "SPY")
    assert (found.step, {check.name for check in found.vetoes}) == ("vetoed", {"theta_concentration"})
    assert {check.stage for check in found.vetoes} == {"final"}
    assert not desk.orders.staged


async def test_a_halt_between_snapshot_and_staging_still_stops_the_order(world):
    desk = world({"*": BULL}, orders=MemoryOrders(TradingState.HALTED))
    found = await outcome(desk, "JPM")
    assert (found.step, found.reason) == ("refused", "Trading is halted.")
    logged = desk.audit.of("stage")["JPM", "order"]
    assert logged["outcome"] == "refused: Trading is halted."


async def test_a_staged_order_carries_its_thesis_checks_and_arithmetic(world, market):
    desk = world({"*": BULL})
    found = await outcome(desk, "JPM")
    order = desk.orders.staged[found.order_id]
    assert found.step == "staged"
    assert (order.thesis.text, order.thesis.verdict) == ("as the test says", "bull")
    assert order.thesis.signal_ids
    assert order.decision.approved
    assert {check.name for check in order.checks} >= {"defined_risk", "var_budget", "position_at_risk"}
    assert order.sized.sizing.units == min(cap.units for cap in order.sized.sizing.caps)
    assert (order.staged_at, order.expires_at - order.staged_at) == (market.as_of, timedelta(hours=4))
    symbols = set(market.chains["JPM"].symbol)
    assert {leg.symbol for leg in order.sized.candidate.legs} <= symbols


async def test_equal_inputs_leave_equal_rows_and_equal_orders(world):
    first, again = world({"*": BULL}), world({"*": BULL})
    one, two = await first.run(), await again.run()
    assert one == two
    assert first.audit.digests() == again.audit.digests()
    assert first.orders.staged == again.orders.staged
    other = world({"*": BULL}, run_id="run-2")
    await other.run()
    assert not set(other.orders.staged) & set(first.orders.staged), "another run stages orders of its own"


async def test_every_node_reports_to_the_observer_and_logs_every_ticker(world):
    desk = world({"*": BULL})
    await desk.run()
    assert set(desk.watcher.begun) == set(desk.watcher.ended)
    assert {ticker for node, ticker in desk.watcher.begun if node == "debate"} == {"JPM", "SPY", "XOM"}
    for node in ("vol_surface", "flow", "technical", "social", "aggregate", "debate", "risk_gate", "record"):
        assert {ticker for ticker, _ in desk.audit.of(node)} >= {"JPM", "SPY", "XOM"}, node
    assert all(row.versions == {"code": "test"} for row in desk.audit.rows.values())


async def test_the_debate_hears_earlier_signals_that_still_count(world, market):
    first = world({"*": WEAK}, market=only(market, "SPY"))
    await first.run()
    earlier = [s for s in first.runs.signals.values() if s.source == "technical"]
    aged = tuple(
        s.model_copy(update={"id": f"{s.id}/earlier", "timestamp": s.timestamp - timedelta(days=1)}) for s in earlier
    )
    alone = flat_desk(market, earlier_signals=aged, halted_agents=("technical",))
    desk = World(market=first.market, settings=first.settings, debate=ScriptedDebate({"*": WEAK}), desk=alone)
    await desk.run()
    assert {s.id for s in desk.debate.heard["SPY"]} >= {s.id for s in aged}
