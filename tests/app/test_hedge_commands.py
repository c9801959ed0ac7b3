"""`desk hedge`: sizes that say what they rest on, a budget that is kept, hedges that are staged, filled and rolled."""

import asyncio
import io
import json
import re
from decimal import Decimal

import pytest
from rich.console import Console
from sqlalchemy import make_url

from app.cli.hedge import dollars, named, weighted
from app.screens.hedge import show_budget, show_roll, show_size, show_staged
from app.services import hedge_stage
from app.services.audit import story, why
from app.services.hedge import Wanted, debit_budget, hedge_budget, hedge_roll, hedge_size, set_budget
from app.services.hedge_stage import _vetoed, stage_hedge
from app.services.review import approve
from domain.errors import Refused, UsageError
from domain.risk import Check, TradingState
from risk.hedge.plans import HedgeLine, HedgePlan
from tests.support.audited import Home
from tests.support.staging import OPENING, stage_opening

ELSEWHERE = Wanted(value=Decimal(500_000), underlyings=("QQQ", "SPY"))
SPY = Wanted(underlyings=("SPY",))


def rendered(show, document, width=80, **options):
    screen = Console(file=io.StringIO(), width=width, legacy_windows=False)
    show(screen, document, **options)
    return screen.file.getvalue()


def by_method(document):
    return {plan["method"]: plan for plan in document["plans"]}


async def stage(desk, wanted=SPY, method="ratio", **options):
    return await stage_hedge(desk, wanted, method=method, by="ann", reason="crash protection", at=None, **options)


async def hedged(desk):
    """A put held as a hedge."""
    (order,) = (await stage(desk))["orders"]
    await approve(desk, order["order_id"], at=None, reviewer="bob")
    return order


async def test_a_portfolio_held_elsewhere_is_sized_three_ways_on_the_chain(desk):
    document = await hedge_size(desk, ELSEWHERE, at=OPENING)
    assert document["size"]["contracts"] == 10
    assert [(s["ticker"], s["contracts"]) for s in document["size"]["shares"]] == [("QQQ", 4), ("SPY", 6)]
    assert document["protected"]["delta"] == 500_000
    assert document["protected"]["loss"] == 100_000
    plans = by_method(document)
    assert all(plan["available"] for plan in plans.values())
    assert plans["stress"]["loss_after"] <= 40_000 < plans["stress"]["loss_before"]
    assert plans["delta"]["delta_after"] <= 250_000
    assert document["betas"]["SPY"] == 1.0
    check = document["budget"]
    assert check["cost"] == pytest.approx(sum(item["cost"] for item in check["breakdown"]))
    assert check["budget"] == {"month": "2025-01-01", "limit": 1000.0, "spent": 0.0, "remaining": 1000.0}
    assert json.dumps(document, allow_nan=False)


async def test_the_screen_fits_and_says_what_is_over_the_budget(desk):
    document = await hedge_size(desk, ELSEWHERE, at=OPENING)
    for width in (80, 100, 140):
        shown = rendered(show_size, document, width, desk="desk")
        assert max(map(len, shown.splitlines())) <= width
        assert "…" not in shown
    flat = " ".join(shown.split())
    assert "by ratio by delta by stress" in flat
    assert "over the budget" in flat
    assert "An estimate" in flat
    assert "'desk hedge budget --set USD --reason TEXT'" in flat


async def test_without_a_value_it_is_the_accounts_own_book_that_is_protected(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    document = await hedge_size(desk, Wanted(), at=None)
    assert "account's book" in document["protected"]["basis"]
    assert document["size"]["contracts"] == 1  # just below 100,000 after fees
    assert document["protected"]["delta"] > 0
    plans = by_method(document)
    assert plans["delta"]["delta_after"] <= document["protected"]["delta"] / 2
    assert plans["stress"]["lines"] == []
    assert "nothing needs to be bought" in rendered(show_size, document, desk="desk")


async def test_what_has_no_chain_is_unavailable_never_free(desk):
    document = await hedge_size(desk, ELSEWHERE._replace(underlyings=("SPY", "ZZZ")), at=OPENING)
    assert document["budget"]["verdict"] == "unavailable"
    assert document["budget"]["cost"] is None
    assert all("no option chain of ZZZ" in plan["reason"] for plan in document["plans"])
    shown = " ".join(rendered(show_size, document, desk="desk").split())
    assert "unavailable: no option chain of ZZZ" in shown


async def test_an_account_whose_value_is_not_known_asks_for_one(desk, staged, monkeypatch):
    import dataclasses

    await approve(desk, staged.order_id, at=None, reviewer="ann")
    gather = desk.feed.gather

    async def without_chains(at, tickers):
        return dataclasses.replace(await gather(at, tickers), chains={})

    monkeypatch.setattr(desk.feed, "gather", without_chains)
    with pytest.raises(UsageError, match="NLV is not known"):
        await hedge_size(desk, Wanted(), at=None)


async def test_the_budget_is_set_debited_and_told_with_its_history(desk):
    changed = await set_budget(desk, Decimal(2_500), by="ann", reason="more", at=OPENING)
    assert (changed["limit"], changed["remaining"], changed["utilisation"]) == (2500, 2500, 0)
    assert "nothing spent this month" in rendered(show_budget, changed, desk="desk")
    first = await debit_budget(desk, Decimal("310.55"), key="T-1", by="ann", reason="telephone", at=OPENING)
    again = await debit_budget(desk, Decimal("310.55"), key="T-1", by="ann", reason="telephone", at=OPENING)
    assert (first["changed"], again["changed"], again["spent"]) == (True, False, 310.55)
    assert "it counts once" in rendered(show_budget, again, desk="desk")
    assert "telephone (T-1)" in rendered(show_budget, first, desk="desk")
    later = await hedge_budget(desk, at=OPENING.replace(month=2, day=3))
    assert [(month["month"], month["spent"]) for month in later["history"]] == [("2025-01-01", 310.55)]
    shown = rendered(show_budget, later, desk="desk")
    assert "February 2025" in shown
    assert "January 2025" in shown
    rows = await desk.audit.rows("hedging")
    assert [row.entry.node for row in rows] == ["budget", "budget"]
    assert (await desk.audit.verify()).sound


async def test_many_debits_show_the_last_and_count_the_rest(desk):
    for number in range(15):
        await debit_budget(desk, Decimal(1), key=f"k{number:02}", by="ann", reason="r", at=OPENING)
    shown = rendered(show_budget, await hedge_budget(desk, at=OPENING), desk="desk")
    assert "(k14)" in shown
    assert "(k02)" not in shown
    assert "3 earlier ones" in shown


async def test_a_hedge_is_staged_approved_filled_debited_and_tracked(desk):
    document = await stage(desk)
    (order,) = document["orders"]
    kept = (await desk.orders.get(order["order_id"])).order
    assert kept.sized.candidate.purpose == "hedge"
    assert kept.sized.candidate.expected_value < 0  # protection has its price
    assert kept.max_loss == kept.sized.candidate.max_loss * 2
    assert kept.thesis.text.endswith("Asked for by ann: crash protection")
    assert all(check.passed for check in kept.checks)
    assert document["large"] == []
    assert order["order_id"] in rendered(show_staged, document, desk="desk")
    run = await desk.runs.get(document["run_id"])
    assert run.state == "sealed"
    rows = await desk.audit.rows(document["run_id"])
    assert [(row.entry.node, row.entry.ticker, row.entry.kind, row.entry.author) for row in rows] == [
        ("hedge", "*", "plan", "human"),
        ("collect", "*", "snapshot", "rule"),
        ("collect", "*", "regime", "rule"),
        ("allocator", "SPY", "allocation", "rule"),
        ("stage", "SPY", "order", "rule"),
        ("record", "SPY", "outcome", "rule"),
        ("record", "*", "summary", "rule"),
    ]
    why_spy = await why(desk, "SPY", document["run_id"])
    assert (why_spy["step"], why_spy["orders"][0]["order_id"]) == ("staged", order["order_id"])
    assert (await story(desk, order["order_id"]))["order_id"] == order["order_id"]
    done = await approve(desk, order["order_id"], at=None, reviewer="bob")
    assert done["order"]["state"] == "filled"
    fills = await desk.orders.fills(order["order_id"])
    month = await hedge_budget(desk, at=None)
    assert month["spent"] == pytest.approx(-float(sum(fill.cash for fill in fills)))
    tracked = await hedge_roll(desk, at=None)
    (hedge,) = tracked["hedges"]
    assert (hedge["order_id"], hedge["units"], hedge["due"], hedge["successor"]) == (order["order_id"], 2, False, None)
    assert hedge["delta"] < 0
    assert hedge["order_id"] in rendered(show_roll, tracked, desk="desk")


async def test_a_hedge_inside_the_roll_window_gets_a_successor_and_its_net_cost(desk):
    order = await hedged(desk)
    later = OPENING.replace(month=2, day=10)
    tracked = await hedge_roll(desk, at=later)
    (hedge,) = tracked["hedges"]
    assert hedge["order_id"] == order["order_id"]
    assert hedge["due"]
    assert hedge["dte"] <= tracked["roll_dte"]
    successor = hedge["successor"]
    assert 30 <= successor["dte"] <= 90
    assert 0.05 <= successor["otm"] <= 0.15
    assert successor["net_cost"] == pytest.approx(successor["cost"] - successor["proceeds"])
    flat = " ".join(rendered(show_roll, tracked, desk="desk").split())
    assert "due" in flat
    assert "days," in flat
    assert "costs" in flat
    hedge["successor"], hedge["note"], hedge["profit"], hedge["value"], hedge["delta"] = (
        None,
        "no chain",
        None,
        None,
        None,
    )
    assert "no successor: no chain" in rendered(show_roll, tracked, desk="desk")


async def test_nothing_held_as_a_hedge_says_what_to_do(desk, staged):
    empty = rendered(show_roll, await hedge_roll(desk, at=OPENING), desk="desk")
    assert "Nothing is held as a hedge" in empty
    assert "desk hedge size" in empty
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    assert "1 structures held are trades" in " ".join(
        rendered(show_roll, await hedge_roll(desk, at=None), desk="desk").split()
    )


async def test_a_hedge_beyond_the_budget_is_not_staged_and_waiting_ones_count(desk):
    (order,) = (await stage(desk))["orders"]
    await set_budget(desk, Decimal(str(order["max_loss"])), by="ann", reason="just enough", at=OPENING)
    (again,) = (await stage(desk))["orders"]  # takes the place of the first: the same underlying
    assert (await desk.orders.get(order["order_id"])).state.value == "superseded"
    with pytest.raises(Refused, match="of hedges that wait counted as spent") as refused:
        await stage(desk, Wanted(underlyings=("QQQ",), target=1))
    assert (refused.value.code, refused.value.limit) == ("over_budget", 0.0)
    await set_budget(desk, Decimal(1), by="ann", reason="hardly any", at=OPENING)
    with pytest.raises(Refused, match=r"1\.00 USD are left of the month's budget"):
        await stage(desk)
    assert (await desk.orders.get(again["order_id"])).state.value == "staged"


async def test_the_budget_is_asked_again_at_the_instant_of_approval(desk):
    (order,) = (await stage(desk))["orders"]
    await set_budget(desk, Decimal(0), by="ann", reason="no more", at=None)
    with pytest.raises(Refused, match=r"may cost \d.* 0\.00 USD are left of the month's budget\.") as refused:
        await approve(desk, order["order_id"], at=None, reviewer="bob")
    assert (refused.value.code, refused.value.measured, refused.value.limit) == ("over_budget", order["max_loss"], 0)
    assert refused.value.remedy == "Raise the budget with 'desk hedge budget --set'."
    assert (await desk.orders.get(order["order_id"])).state.value == "staged"
    await set_budget(desk, Decimal(1), by="ann", reason="hardly any", at=None)
    with pytest.raises(Refused) as refused:
        await approve(desk, order["order_id"], at=None, reviewer="bob")
    assert "--contracts', or raise the budget with 'desk hedge budget --set'" in refused.value.remedy
    await set_budget(desk, Decimal(str(order["max_loss"])), by="ann", reason="just enough", at=None)
    assert (await approve(desk, order["order_id"], at=None, reviewer="bob"))["order"]["state"] == "filled"


async def test_of_two_hedges_approved_at_once_the_budget_lets_one_through(desk):
    first, second = [(await stage(desk, Wanted(underlyings=(name,), target=1)))["orders"][0] for name in ("SPY", "QQQ")]
    enough = max(first["max_loss"], second["max_loss"])
    await set_budget(desk, Decimal(str(enough)), by="ann", reason="one of them", at=None)
    done = await asyncio.gather(
        *(approve(desk, order["order_id"], at=None, reviewer="bob") for order in (first, second)),
        return_exceptions=True,
    )
    (refused,) = [one for one in done if isinstance(one, Refused)]
    assert refused.code == "over_budget"
    assert [one["order"]["state"] for one in done if isinstance(one, dict)] == ["filled"]


@pytest.mark.parametrize(
    ("wanted", "method", "code", "remedy"),
    [
        (SPY, "delta", "unavailable", "--method ratio"),
        (Wanted(underlyings=("ZZZ",), target=1), "ratio", "unavailable", "--underlyings"),
        (SPY, "stress", "nothing_to_buy", "--portfolio-value USD for what is held elsewhere, or try --method ratio"),
        (Wanted(value=Decimal(10), underlyings=("SPY",)), "ratio", "nothing_to_buy", "a larger --portfolio-value"),
        (Wanted(underlyings=("SPY",), target=500), "ratio", "liquidity", "Ask for fewer with --target-contracts"),
    ],
)
async def test_what_cannot_be_bought_is_refused_with_its_reason(desk, wanted, method, code, remedy):
    with pytest.raises(Refused) as refused:
        await stage(desk, wanted, method)
    assert refused.value.code == code
    assert remedy in refused.value.remedy
    assert await desk.orders.list() == ()


async def test_the_gate_may_veto_a_hedge_like_any_other_order(desk):
    import dataclasses

    risk = desk.configuration.graph.risk
    hard = risk.hard.model_copy(update={"position_at_risk": 0.0001})
    graph = desk.configuration.graph.model_copy(update={"risk": risk.model_copy(update={"hard": hard})})
    strict = dataclasses.replace(desk, configuration=dataclasses.replace(desk.configuration, graph=graph))
    with pytest.raises(Refused, match="The gate vetoes 2 × SPY long put") as refused:
        await stage(strict)
    assert refused.value.code == "position_at_risk"
    assert refused.value.remedy == "Ask for fewer with --target-contracts N (now 2)."
    with pytest.raises(Refused) as single:
        await stage(strict, SPY._replace(target=1))
    assert "fewer" not in single.value.remedy


def veto(name, measured=1.0):
    return Check(
        name=name, ticker="SPY", stage="final", measured=measured, limit=0.5, unit="share of NLV", passed=False,
        hard=True, detail="d",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("trading_state",), "'desk resume --reason TEXT'"),
        (("nlv_known",), "'desk book'"),
        (("data_freshness",), "quotes are fresh"),
        (("daily_loss",), "next session"),
        (("regime_family",), "--underlyings"),
        (("position_at_risk", "daily_loss"), "next session"),
        (("portfolio_vega", "sector_exposure"), "--method ratio --target-contracts N (now 2)"),
    ],
)
def test_fewer_are_advised_only_where_fewer_would_help(names, words):
    plan = HedgePlan(method="delta", target="t", available=True, contracts=2)
    line = HedgeLine(ticker="SPY", strategy="long_put", legs=(), contracts=2, dte=40, otm=0.1, cost=1, mid=1, delta=-1)
    said = _vetoed(line, tuple(veto(name) for name in names), plan).remedy
    assert words in said
    assert ("fewer" in said) == ("--target" in words)
    assert "fewer" not in _vetoed(line, (veto("free_margin", None),), plan).remedy


async def test_quotes_that_can_take_nothing_are_not_mended_by_asking_for_fewer(desk, monkeypatch):
    made = hedge_stage._candidate
    monkeypatch.setattr(hedge_stage, "_candidate", lambda *a: made(*a).model_copy(update={"liquidity": 0}))
    with pytest.raises(Refused) as refused:
        await stage(desk)
    assert (refused.value.code, refused.value.limit) == ("liquidity", 0)
    assert "fewer" not in refused.value.remedy
    assert "Ask again once" in refused.value.remedy


async def test_a_ticker_that_is_not_known_is_named_with_what_it_does_to_the_weights(desk):
    document = await hedge_size(desk, ELSEWHERE._replace(underlyings=("QQQ", "NOPE")), at=OPENING)
    shown = " ".join(rendered(show_size, document, desk="desk").split())
    assert "NOPE: no option chain of NOPE" in shown
    assert "NOPE cannot be hedged with here: look for a misspelt ticker in --underlyings" in shown
    assert "NOPE has no weight in hedge.yaml: all underlyings weigh the same" in shown
    given = ELSEWHERE._replace(weights={"QQQ": Decimal(1)})
    assert (await hedge_size(desk, given, at=OPENING))["notes"] == [
        "SPY has no weight in --weights: all underlyings weigh the same"
    ]
    assert (await hedge_size(desk, ELSEWHERE, at=OPENING))["notes"] == []


@pytest.mark.parametrize("value", ["0", "-5", "-0.4"])
async def test_nothing_is_not_written_with_a_sign(desk, value):
    document = await hedge_size(desk, ELSEWHERE._replace(value=Decimal(value)), at=OPENING)
    shown = rendered(show_size, document, desk="desk") + json.dumps(document)
    assert re.search(r"-\$?0(\.0+)?( USD|\b(?!\.))", rendered(show_size, document, desk="desk")) is None, shown


async def test_a_halted_desk_stages_no_hedge(desk):
    await desk.switches.set_trading(TradingState.HALTED, at=OPENING, actor="ann", reason="stop")
    with pytest.raises(Refused):
        await stage(desk)
    assert await desk.orders.list() == ()


async def test_a_halt_between_the_checks_and_the_staging_fails_the_run_and_says_so(desk, monkeypatch):
    async def refuses(order):
        raise Refused("Trading is halted.", code="halted")

    monkeypatch.setattr(desk.orders, "stage", refuses)
    with pytest.raises(Refused, match="Trading is halted"):
        await stage(desk)
    (row,) = await desk.runs.list(limit=5)
    assert (row.state, row.detail) == ("failed", "Trading is halted.")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dollars("much", "--set"), "--set 'much' is no amount"),
        (lambda: dollars("NaN", "--set"), "is no amount"),
        (lambda: dollars("-0.01", "--portfolio-value"), "below zero"),
        (lambda: named(" , "), "names no ticker"),
        (lambda: weighted("QQQ"), "'QQQ' is no weight"),
        (lambda: weighted("QQQ=x"), "is no weight"),
        (lambda: weighted("=0.5"), "is no weight"),
        (lambda: weighted("QQQ=-1"), "is no weight"),
        (lambda: weighted("QQQ=0.5,qqq=0.5"), "names QQQ twice"),
        (lambda: weighted(","), "gives no weight"),
    ],
)
def test_options_that_say_nothing_usable_are_refused_in_words(call, words):
    with pytest.raises(UsageError, match=words):
        call()


def test_options_are_read_exactly():
    assert dollars("$1,250_000.05", "--set") == Decimal("1250000.05")
    assert weighted("qqq=0.6, SPY=0.4") == {"QQQ": Decimal("0.6"), "SPY": Decimal("0.4")}
    assert named(None) == ()
    assert named("spy,QQQ,spy") == ("SPY", "QQQ")


@pytest.fixture
def home(postgres, database, desk_home, staged):
    """`desk` run against the test's own database."""
    return Home(postgres, make_url(database.pipeline_url).database, desk_home)


def test_the_commands_as_a_person_types_them(home, capsys):
    size = ("hedge", "size", "--portfolio-value", "200,000", "--underlyings", "QQQ,SPY", "--weights", "QQQ=0.6,SPY=0.4")
    code, document = home.json(capsys, *size)
    assert (code, [share["contracts"] for share in document["size"]["shares"]]) == (0, [3, 1])
    assert home.desk(capsys, *size)[0] == 0
    code, document = home.json(capsys, "hedge", "size", "--target-contracts", "4")
    assert (code, document["size"]["basis"], document["size"]["contracts"]) == (0, "target", 4)
    code, document = home.json(capsys, "hedge", "budget", "--set", "5000", "--reason", "r", "--by", "ann")
    assert (code, document["limit"]) == (0, 5000)
    code, document = home.json(
        capsys, "hedge", "budget", "--debit", "12.5", "--key", "T-1", "--reason", "r", "--by", "ann"
    )
    assert (code, document["spent"]) == (0, 12.5)
    assert home.desk(capsys, "hedge", "budget")[0] == 0
    stage_it = ("hedge", "stage", "--underlyings", "SPY", "--reason", "r", "--by", "ann", "--target-contracts", "1")
    code, document = home.json(capsys, *stage_it)
    assert (code, len(document["orders"])) == (0, 1)
    assert home.desk(capsys, *stage_it)[0] == 0
    assert home.json(capsys, "hedge", "roll")[0] == 0
    assert home.desk(capsys, "hedge", "roll")[0] == 0


def test_commands_that_lack_something_say_what(home, capsys):
    said = {
        ("budget", "--set", "1", "--debit", "1", "--key", "k", "--reason", "r"): "two changes",
        ("budget", "--debit", "1", "--reason", "r"): "needs a key",
        ("budget", "--set", "1"): "without a reason",
        ("stage",): "without a reason",
        ("size", "--portfolio-value", "lots"): "no amount",
        ("size", "--portfolio-value", "1e30"): "beyond 1,000,000,000,000 USD",
        ("size", "--portfolio-value", "1e999999"): "beyond 1,000,000,000,000 USD",
        ("size", "--target-contracts", "99999999999"): "contracts cannot be bought",
        ("budget", "--set", "1e400", "--reason", "r"): "--set '1e400' is beyond",
        ("budget", "--set", "inf", "--reason", "r"): "no amount",
        ("budget", "--set", "1000000000.01", "--reason", "r"): "1000000000.01 is no budget",
        ("size", "--target-contracts", "-1"): "-1 contracts cannot be bought",
    }
    for arguments, words in said.items():
        code, document = home.json(capsys, "hedge", *arguments)
        assert code == 2
        assert words in document["error"]["message"]


async def test_a_trade_and_a_hedge_in_one_underlying_wait_side_by_side(desk):
    trade = await stage_opening(desk, ticker="SPY", strategy="bear_put_spread", units=1)
    await stage(desk)
    assert (await desk.orders.get(trade.order_id)).state.value == "staged"
