"""Hedges by ratio, by delta and by stress: each reaches what it promises, book and hedge revalued together."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from options.legs.candidate import leg_of
from options.priced import ChainRefusal
from portfolio.aggregate import IndexDelta
from risk.hedge import HedgeBudget, HedgeSettings, HedgeSizer
from risk.hedge.instruments import NO_LEG, cheapest, instruments, structures
from risk.hedge.plans import HedgePlanner
from risk.hedge.protected import Protected, held, money, stress_scenarios
from risk.hedge.settings import StressTarget
from risk.hedge.window import representative_put
from risk.revaluation import Line, revalue, risk_book
from tests.options.made_chain import made_chain

SETTINGS = HedgeSettings()
SPY = made_chain(root="SPY", spot=600.0, step=5.0)
QQQ = made_chain(root="QQQ", spot=500.0, step=5.0, vol=0.25)
CHAINS = {"SPY": SPY, "QQQ": QQQ}
BETAS = {"SPY": 1.0, "QQQ": 1.2}


def budget(limit="1000000", spent="0"):
    return HedgeBudget(month=date(2026, 3, 1), limit=Decimal(limit), spent=Decimal(spent))


def planner(protected, *, chains=CHAINS, betas=BETAS, month=None, **changes):
    made = SETTINGS.model_copy(update=changes)
    return HedgePlanner(protected, chains, betas, month or budget(), made)


def sized(value=500_000, names=("SPY", "QQQ"), **options):
    return HedgeSizer(SETTINGS).size(value, names, **options)


def lines_of(plan):
    return [
        Line(f"h{number}", line.ticker, leg, leg.quantity * line.contracts, None)
        for number, line in enumerate(plan.lines)
        for leg in line.legs
    ]


def row(chain, strike, *, call, expiry=2):
    piece = chain.slices[expiry]
    found = piece.rows[(chain.chain.strike[piece.rows] == strike) & (chain.chain.is_call[piece.rows] == call)]
    return int(found[0])


def shares_of(ticker="SPY", count=800, worst=None):
    return [Line("shares", ticker, None, count, worst)]


def test_a_sum_of_money_moves_with_the_index_by_its_beta():
    whole = money(500_000, SETTINGS)
    assert (whole.delta, whole.loss) == (500_000, 100_000)
    assert whole.pnl.tolist() == [-100_000, -100_000]
    twice = money(500_000, SETTINGS.model_copy(update={"portfolio_beta": 6.0}))
    assert (twice.delta, twice.loss) == (3_000_000, 500_000)  # more than everything cannot be lost


def test_stress_moves_each_name_by_its_beta_within_bounds_and_leaves_out_what_has_none():
    target = StressTarget(spot=-0.5, vol=(0.0, 1.0))
    made = stress_scenarios(["A", "B", "C", "D"], {"A": 1.0, "B": 3.0, "C": -3.0}, target)
    assert made.tickers == ("A", "B", "C")
    assert made.spot.tolist() == [[-0.5, -0.99, 1.0]] * 2
    assert made.vol.tolist() == [[0.0] * 3, [1.0] * 3]
    assert made.names == ("index -50%, volatility +0%", "index -50%, volatility +100%")


def delta_of(usd, assumed=()):
    return IndexDelta(usd=usd, known=usd or 0.0, assumed=assumed, index="SPX", window=250)


def test_a_held_book_has_its_beta_weighted_delta_and_loses_what_its_revaluation_says():
    call = leg_of(QQQ, row(QQQ, 500.0, call=True), 1)
    book = risk_book([*shares_of(count=100), Line("o", "QQQ", call, 2, 5_000.0)], CHAINS)
    whole = held(book, delta_of(90_000.0), nlv=100_000.0, betas=BETAS, settings=SETTINGS)
    assert (whole.delta, whole.value, whole.notes) == (90_000, 100_000, ())
    assert whole.pnl == pytest.approx(revalue(book, stress_scenarios(CHAINS, BETAS, SETTINGS.stress)))
    assert whole.loss == -whole.pnl.min() > 0


def test_a_name_without_a_beta_stands_at_its_worst_case_and_is_named():
    lines = [Line("a", "SPY", None, 100, 60_000.0), Line("b", "QQQ", None, 10, 5_000.0)]
    book = risk_book(lines, CHAINS)
    whole = held(book, delta_of(75_000.0, ("QQQ",)), nlv=100_000.0, betas={"SPY": 1.0}, settings=SETTINGS)
    assert whole.loss == pytest.approx(12_000 + 5_000)
    assert whole.notes == (
        "QQQ b: beta to SPX not known; stands at its worst case",
        "beta to SPX of QQQ not known: its delta counts three times, as it hurts",
    )


def test_a_delta_that_is_not_known_is_not_hedged():
    book = risk_book(shares_of(count=100), CHAINS)
    whole = held(book, delta_of(None), nlv=100_000.0, betas=BETAS, settings=SETTINGS)
    refused = planner(whole).by_delta(sized())
    assert (refused.available, refused.lines, refused.cost) == (False, (), None)
    assert refused.reason == "the delta of a holding is not known"
    assert planner(whole).by_ratio(sized()).delta_after is None


def test_a_holding_without_a_bound_makes_the_stress_unanswerable_not_harmless():
    book = risk_book([Line("a", "XYZ", None, -10, None)], {}, spots={"XYZ": 10.0})
    whole = held(book, delta_of(-100.0), nlv=100_000.0, betas={}, settings=SETTINGS)
    plan = planner(whole).by_stress(sized())
    assert (plan.available, plan.reason) == (False, "a holding has no bound on its loss")
    ratio = planner(whole).by_ratio(sized())
    assert ratio.available
    assert (ratio.loss_before, ratio.loss_after) == (None, None)


def test_the_ratio_hedge_buys_the_median_put_and_pays_the_ask_and_fees():
    plan = planner(money(500_000, SETTINGS)).by_ratio(sized())
    assert [(line.ticker, line.contracts, line.strategy) for line in plan.lines] == [
        ("SPY", 6, "long_put"), ("QQQ", 4, "long_put")
    ]  # fmt: skip
    median = representative_put(SPY, SETTINGS)
    assert plan.lines[0].legs == (leg_of(SPY, median, 1),)
    assert plan.lines[0].cost == Decimal(str(round(6 * (100 * SPY.chain.ask[median] + 0.65), 2)))
    assert plan.lines[0].delta == pytest.approx(6 * 100 * 600 * SPY.delta[median])
    assert plan.lines[1].delta == pytest.approx(1.2 * 4 * 100 * 500 * QQQ.delta[representative_put(QQQ, SETTINGS)])
    assert plan.contracts == 10
    assert plan.meets is None
    assert plan.target == "one contract for each 50,000 USD"
    assert planner(money(1, SETTINGS)).by_ratio(sized(target_contracts=3)).target == "3 contracts, as asked"


def test_the_ratio_hedge_of_nothing_is_nothing():
    plan = planner(money(10_000, SETTINGS)).by_ratio(sized(10_000))
    assert (plan.available, plan.lines, plan.cost, plan.note) == (True, (), 0, "")


def test_the_delta_hedge_takes_its_share_away_and_one_contract_less_would_not():
    plan = planner(money(500_000, SETTINGS), delta_share=0.25).by_delta(sized())
    assert plan.meets
    assert plan.delta_before == 500_000
    assert plan.delta_after <= 375_000
    for line in plan.lines:
        assert line.delta <= -125_000 * {"SPY": 0.6, "QQQ": 0.4}[line.ticker]
        assert line.delta * (line.contracts - 1) / line.contracts > -125_000 * {"SPY": 0.6, "QQQ": 0.4}[line.ticker]


@pytest.mark.parametrize("delta", [0.0, -5_000.0])
def test_a_book_that_is_not_long_has_no_delta_to_hedge(delta):
    short = Protected(value=1e5, delta=delta, pnl=np.zeros(2), basis="test")
    assert "no long exposure to take away" in planner(short).by_delta(sized()).reason


def test_the_stress_hedge_holds_the_loss_when_book_and_hedge_are_revalued_together():
    book = risk_book(shares_of(count=800), CHAINS)
    nlv = 480_000.0
    whole = held(book, delta_of(480_000.0), nlv=nlv, betas=BETAS, settings=SETTINGS)
    assert whole.loss == pytest.approx(96_000)
    plan = planner(whole).by_stress(sized())
    together = risk_book([*shares_of(count=800), *lines_of(plan)], CHAINS)
    entry = float(plan.cost - sum(line.mid for line in plan.lines))
    worst = -(revalue(together, stress_scenarios(CHAINS, BETAS, SETTINGS.stress)) - entry).min()
    assert plan.loss_after == pytest.approx(worst, abs=0.01)
    assert worst <= 0.08 * nlv
    assert plan.meets
    assert plan.within
    assert plan.loss_in_budget is None


def test_the_stress_hedge_is_not_larger_than_it_must_be():
    plan = planner(money(500_000, SETTINGS)).by_stress(sized(names=("SPY",)))
    (line,) = plan.lines
    one_less = planner(money(500_000, SETTINGS))._loss([line.model_copy(update={"contracts": line.contracts - 1})])
    assert one_less + float(line.cost - line.mid) > 40_000


def test_a_portfolio_that_survives_the_stress_needs_nothing():
    calm = Protected(value=1e6, delta=1e4, pnl=np.array([-80_000.0, -70_000.0]), basis="test")
    plan = planner(calm).by_stress(sized())
    assert (plan.lines, plan.cost, plan.meets, plan.loss_after) == ((), 0, True, 80_000)
    assert plan.note == "nothing needs to be bought: the target holds as it is"
    assert planner(replace(calm, pnl=np.array([-80_000.02, 0.0]))).by_stress(sized()).lines != ()


def test_no_value_leaves_no_share_to_lose():
    assert "no value to lose a share of" in planner(money(0.0, SETTINGS)).by_stress(sized()).reason


def test_a_target_beyond_the_budget_says_so_and_what_the_budget_would_still_do():
    whole = money(500_000, SETTINGS)
    free = planner(whole).by_stress(sized())
    tight = planner(whole, month=budget(str(free.cost - 1))).by_stress(sized())
    assert tight.lines == free.lines
    assert (tight.within, tight.meets) == (False, True)
    assert "the target cannot be met within the budget" in tight.note
    assert free.loss_after < tight.loss_in_budget < whole.loss
    exactly = planner(whole, month=budget(str(free.cost))).by_stress(sized())
    assert (exactly.within, exactly.utilisation) == (True, 1.0)
    overdrawn = planner(whole, month=budget("10", "50")).by_stress(sized())
    assert overdrawn.loss_in_budget == whole.loss
    assert "0.00 USD are left" in overdrawn.note
    assert planner(whole, month=budget("0")).by_stress(sized()).utilisation is None
    ratio = planner(whole, month=budget("1")).by_ratio(sized())
    assert ratio.note == f"costs {ratio.cost:,.2f} USD, 1.00 USD are left this month"


@given(st.floats(0.01, 0.19), st.floats(0.01, 0.19))
@settings(max_examples=25)
def test_a_tighter_stress_target_never_costs_less_a_day_and_is_always_met(one, other):
    whole = money(500_000, SETTINGS)
    tight, loose = sorted((one, other))

    def by_the_day(share):
        plan = planner(whole, stress=StressTarget(max_loss=share)).by_stress(sized(names=("SPY",)))
        assert plan.loss_after <= share * 500_000 + 0.005
        return sum(float(line.cost) / line.dte for line in plan.lines)

    assert by_the_day(tight) >= by_the_day(loose) - 1e-9


@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0))
@settings(max_examples=25)
def test_more_delta_taken_away_never_costs_less_a_day(one, other):
    low, high = sorted((one, other))

    def by_the_day(share):
        plan = planner(money(500_000, SETTINGS), delta_share=share).by_delta(sized(names=("SPY",)))
        assert plan.delta_after <= 500_000 * (1 - share) + 0.5
        return sum(float(line.cost) / line.dte for line in plan.lines)

    assert by_the_day(high) >= by_the_day(low) - 1e-9


def test_the_cheapest_is_found_among_all_by_brute_force():
    rows = structures(SPY, SETTINGS)
    scenarios = stress_scenarios(["SPY"], BETAS, SETTINGS.stress)
    found = instruments(SPY, rows, beta=1.0, scenarios=scenarios, settings=SETTINGS)
    needs = np.array([40_000.0, 30_000.0])
    choice = cheapest(found, needs, found.pnl)
    best = min(
        (units * found.cost[i] / found.dte[i], units, found.symbols(i))
        for i in range(len(found))
        if (found.pnl[:, i] > 0).all()
        for units in [max(int(np.ceil(need / gain - 1e-9)) for need, gain in zip(needs, found.pnl[:, i], strict=True))]
    )
    assert (choice.units, found.symbols(choice.place)) == best[1:]
    assert (rows[:, 1] == NO_LEG).any()
    assert (rows[:, 1] != NO_LEG).any()


def test_spreads_are_bought_below_a_put_of_the_window_for_a_debit_and_counted_net():
    rows = structures(SPY, SETTINGS)
    spreads = rows[rows[:, 1] != NO_LEG]
    chain = SPY.chain
    width = (chain.strike[spreads[:, 0]] - chain.strike[spreads[:, 1]]) / 600
    assert (width.min(), width.max()) == (pytest.approx(20 / 600), pytest.approx(70 / 600))
    assert (chain.expiry[spreads[:, 0]] == chain.expiry[spreads[:, 1]]).all()
    assert (np.abs(SPY.delta[rows[:, 0]]) >= 0.08).all()
    found = instruments(
        SPY, spreads[:1], beta=2.0, scenarios=stress_scenarios(["SPY"], BETAS, SETTINGS.stress), settings=SETTINGS
    )
    bought, sold = spreads[0]
    assert found.cost[0] == pytest.approx(100 * (chain.ask[bought] - chain.bid[sold]) + 1.30)
    assert found.delta[0] == pytest.approx(2 * 600 * 100 * (SPY.delta[bought] - SPY.delta[sold]))
    assert [leg.quantity for leg in found.legs(0)] == [1, -1]
    assert found.strategy(0) == "bear_put_spread"
    assert len(found.symbols(0)) == 2


def test_nothing_needed_takes_nothing_and_no_help_is_none():
    found = instruments(
        SPY, structures(SPY, SETTINGS), beta=1.0, scenarios=stress_scenarios(["SPY"], BETAS, SETTINGS.stress),
        settings=SETTINGS,
    )  # fmt: skip
    assert cheapest(found, np.zeros(2), found.pnl).units == 0
    assert cheapest(found, np.array([1.0, 0.0]), -np.abs(found.pnl)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chains": {"QQQ": QQQ}}, "there is no option chain of SPY"),
        ({"chains": {"SPY": ChainRefusal("stale_chain", "too old", {}), "QQQ": QQQ}}, "too old"),
        ({"betas": {"QQQ": 1.0}}, "the beta of SPY to SPX is not known"),
        ({"dte": (300.0, 400.0)}, "SPY quotes no clean put"),
    ],
)
def test_every_method_says_why_it_is_unavailable(changes, reason):
    for plan in planner(money(500_000, SETTINGS), **changes).plans(sized()):
        assert not plan.available
        assert reason in plan.reason


def test_an_inverse_underlying_or_one_of_lottery_tickets_cannot_help():
    upside_down = planner(money(500_000, SETTINGS), betas={"SPY": -1.0, "QQQ": 1.0})
    assert upside_down.by_delta(sized()).reason == "no put or put spread of SPY in the window helps here"
    assert upside_down.by_stress(sized()).reason == "no put or put spread of SPY in the window helps here"
    lottery = planner(money(500_000, SETTINGS), least_delta=0.9)
    assert lottery.by_delta(sized()).reason == "no put or put spread of SPY in the window helps here"


def test_an_underlying_without_weight_needs_no_chain():
    size = sized(weights={"SPY": 1, "QQQ": 0})
    for plan in planner(money(500_000, SETTINGS), chains={"SPY": SPY}).plans(size):
        assert [line.ticker for line in plan.lines] == ["SPY"]


def test_a_contract_that_cannot_be_revalued_is_not_bought():
    rows = structures(SPY, SETTINGS)
    blind = replace(SPY, iv=np.full_like(SPY.iv, np.nan), slices=tuple(replace(s, smile=None) for s in SPY.slices))
    found = instruments(
        blind, rows, beta=1.0, scenarios=stress_scenarios(["SPY"], BETAS, SETTINGS.stress), settings=SETTINGS
    )
    assert np.isnan(found.pnl).all()
    assert cheapest(found, np.array([1.0, 1.0]), found.pnl) is None
