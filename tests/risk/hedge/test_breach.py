"""The smallest trade that restores broken limits: restored when measured again, and none smaller by brute force."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.contract import Right
from domain.risk import DollarGreeks
from options.legs.candidate import leg_of
from options.payoff import max_loss
from risk.hedge.breach import BreachedBook, Limit, NoProposal, Proposal, propose
from risk.hedge.repairs import GREEKS, Holding, openings
from risk.hedge.settings import BreachSettings
from risk.revaluation import Line, Scenarios, revalue, risk_book
from risk.var import var_of
from tests.options.made_chain import made_chain

SPY = made_chain(root="SPY", spot=600.0, step=10.0, dtes=(32, 60))
QQQ = made_chain(root="QQQ", spot=500.0, step=10.0, vol=0.25, dtes=(32,))
CHAINS = {"QQQ": QQQ, "SPY": SPY}
BETAS = {"QQQ": 1.2, "SPY": 1.0}
RULES = BreachSettings(max_units=4)
ROWS = {str(s): (c, i) for c in CHAINS.values() for i, s in enumerate(c.chain.symbol)}
MOVES = np.random.default_rng(7).normal(0, [0.012, 0.010, 0.05, 0.05], size=(60, 4))
SCENARIOS = Scenarios(("QQQ", "SPY"), MOVES[:, :2], MOVES[:, 2:], np.zeros(60), np.zeros(60))


def greeks_of(legs):
    """Dollar Greeks of legs, contract by contract."""
    total = dict.fromkeys(GREEKS, 0.0)
    for leg in legs:
        priced, row = ROWS[leg.symbol]
        size = leg.quantity * leg.multiplier
        delta = size * priced.delta[row] * priced.spot
        total["delta"] += delta
        total["gamma"] += size * priced.gamma[row] * priced.spot**2 / 100
        total["vega"] += size * priced.vega[row] / 100
        total["theta"] += size * priced.theta[row] / 365
        total["beta_delta"] += delta * BETAS[priced.ticker]
    return total


def ticker_of(legs):
    return ROWS[legs[0].symbol][0].ticker


def pnl_of(legs, units=1):
    lines = [Line("x", ticker_of(legs), leg, leg.quantity * units, None) for leg in legs]
    return revalue(risk_book(lines, CHAINS), SCENARIOS)


def leg(chain, strike, right, quantity, expiry=0):
    piece = chain.slices[expiry]
    fits = (chain.chain.strike[piece.rows] == strike) & (chain.chain.is_call[piece.rows] == (right is Right.CALL))
    return leg_of(chain, int(piece.rows[fits][0]), quantity)


def holding(order_id, legs, units, *, measured=True, worst=500.0, cost=50.0):
    greeks = greeks_of(legs)
    return Holding(
        order_id=order_id, ticker=ticker_of(legs), strategy="bull_put_spread", legs=tuple(legs), units=units,
        greeks=DollarGreeks(**{name: greeks[name] for name in GREEKS[:4]}), beta=BETAS[ticker_of(legs)],
        pnl=pnl_of(legs) if measured else None, worst_case=worst, closing_cost=cost,
    )  # fmt: skip


SPREAD = (leg(SPY, 590.0, Right.PUT, -1), leg(SPY, 570.0, Right.PUT, 1))
CALL = (leg(SPY, 600.0, Right.CALL, 1),)


def book_of(*holdings, families=None, scenarios=SCENARIOS):
    """The book that holds nothing but `holdings`; shares or other things are added by the limits' figures."""
    pnl = np.zeros(60)
    for one in holdings:
        if one.pnl is not None:
            pnl = pnl + one.units * one.pnl
    stand_in = sum(one.units * one.worst_case for one in holdings if one.pnl is None)
    return BreachedBook(holdings, pnl if scenarios is not None else np.zeros(0), stand_in, scenarios, BETAS, families)


def var_now(book):
    return max(0.0, var_of(book.pnl, 0.95).var) + book.stand_in


def limits_on(**measured):
    """`name=(measured, limit)`."""
    return tuple(Limit(measure=name, measured=value, limit=bound) for name, (value, bound) in measured.items())


def search_space(book, rules):
    """Every trade there is: intent, legs, most units; a unit's loss at stake, cost and stand-in; order closed."""
    for one in book.holdings:
        legs = tuple(part.model_copy(update={"quantity": -part.quantity}) for part in one.legs)
        yield 0, legs, one.units, 0.0, one.closing_cost, one.worst_case if one.pnl is None else 0.0, one.order_id
    for chain in CHAINS.values():
        for piece in chain.slices:
            for right in Right:
                usable = [
                    int(row) for row in piece.rows
                    if chain.chain.is_call[row] == (right is Right.CALL)
                    and rules.delta[0] <= abs(chain.delta[row]) <= rules.delta[1] and chain.good[row]
                ]  # fmt: skip
                for row in usable:
                    yield opening(chain, [(row, 1)], rules)
                for bought, sold in itertools.permutations(usable, 2):
                    gap = abs(chain.chain.strike[bought] - chain.chain.strike[sold]) / chain.spot
                    if rules.width[0] <= gap <= rules.width[1]:
                        yield opening(chain, [(bought, 1), (sold, -1)], rules)


def opening(chain, rows, rules):
    legs = tuple(leg_of(chain, row, quantity) for row, quantity in rows)
    cost = sum(100 * q * (chain.chain.ask if q > 0 else chain.chain.bid)[row] for row, q in rows) + 0.65 * len(rows)
    loss = max_loss(legs, -(cost - 0.65 * len(rows)) / 100) + 1.30 * len(rows)
    return 1, legs, rules.max_units, loss, cost, 0.0, None


def by_brute_force(limits, book, rules):
    best = None
    for intent, legs, most, loss, cost, stand_in, closes in search_space(book, rules):
        if intent == 0:
            pnl, greeks = (
                -next(h for h in book.holdings if h.order_id == closes).pnl if not stand_in else 0.0,
                greeks_of(legs),
            )
        else:
            pnl, greeks = pnl_of(legs), greeks_of(legs)
        for units in range(1, most + 1):
            after = {one.measure: one.measured + units * greeks.get(one.measure, 0.0) for one in limits}
            if "var" in after:
                risk = max(0.0, var_of(book.pnl + units * pnl, 0.95).var)
                after["var"] = risk + max(book.stand_in - units * stand_in, 0.0)
            if all(abs(after[one.measure]) <= one.limit * (1 + 1e-9) for one in limits):
                key = (intent, units, round(loss, 6), round(cost, 6), tuple(part.symbol for part in legs))
                best = key if best is None else min(best, key)
                break
    return best


def key_of(found):
    return (
        0 if found.intent == "close" else 1, found.units, float(found.worst_case), float(found.cost),
        tuple(part.symbol for part in found.legs),
    )  # fmt: skip


def agrees(found, best):
    intent, units, loss, cost, symbols = key_of(found)
    assert (intent, units, symbols) == (best[0], best[1], best[4])
    assert loss == pytest.approx(units * best[2], abs=0.01)
    assert cost == pytest.approx(units * best[3], abs=0.01)


def test_a_book_within_its_limits_gets_no_proposal():
    found = propose(limits_on(delta=(-100.0, 100.0)), book_of(), CHAINS, RULES)
    assert found == NoProposal(code="nothing_broken", reason="Every limit holds.")


def test_closing_what_is_held_comes_before_any_opening_and_only_as_much_as_needed():
    held = holding("O-1", CALL, 5)
    delta = 5 * greeks_of(CALL)["delta"]
    found = propose(limits_on(delta=(delta, delta * 0.7)), book_of(held), CHAINS, RULES)
    assert (found.intent, found.closes, found.units) == ("close", "O-1", 2)  # three fifths are within seven tenths
    assert [(part.symbol, part.quantity) for part in found.legs] == [(CALL[0].symbol, -1)]
    assert found.worst_case == 0
    assert found.cost == Decimal("100.00")
    assert found.after[0].measured == pytest.approx(0.6 * delta)
    assert found.before[0].broken
    assert not found.after[0].broken
    assert found.reason == f"Restores delta {delta:+,.0f} → {0.6 * delta:+,.0f} (limit {0.7 * delta:,.0f})."


def test_of_two_closings_of_one_unit_the_cheaper_wins_and_then_the_first_symbols():
    dear, cheap = holding("O-1", CALL, 1, cost=90.0), holding("O-2", CALL, 1, cost=10.0)
    delta = 2 * greeks_of(CALL)["delta"]
    found = propose(limits_on(delta=(delta, delta * 0.6)), book_of(dear, cheap), CHAINS, RULES)
    assert found.closes == "O-2"
    other = (leg(SPY, 610.0, Right.CALL, 1),)
    twins = book_of(holding("O-2", CALL, 1), holding("O-1", other, 1))
    both = greeks_of(CALL)["delta"] + greeks_of(other)["delta"]
    assert propose(limits_on(delta=(both, both * 0.7)), twins, CHAINS, RULES).closes == "O-2"


def test_a_closing_that_would_break_another_limit_is_passed_over():
    held = holding("O-1", SPREAD, 3)
    greeks = greeks_of(SPREAD)
    assert greeks["vega"] < 0  # closing lifts it
    limits = limits_on(delta=(3 * greeks["delta"] + 40_000, 45_000), vega=(100.0, 100.0))
    found = propose(limits, book_of(held), CHAINS, RULES)
    assert found.intent == "open"
    agrees(found, by_brute_force(limits, book_of(held), RULES))
    free = propose(limits[:1], book_of(held), CHAINS, RULES)
    assert (free.intent, free.closes) == ("close", "O-1")


@pytest.mark.parametrize(
    "limits",
    [
        limits_on(delta=(70_000.0, 50_000.0)),
        limits_on(delta=(-60_000.0, 20_000.0), vega=(100.0, 900.0)),
        limits_on(vega=(-600.0, 400.0), delta=(0.0, 90_000.0)),
        limits_on(beta_delta=(90_000.0, 60_000.0), gamma=(0.0, 8_000.0)),
        limits_on(theta=(-66.0, 60.0), delta=(10_000.0, 60_000.0)),
        limits_on(gamma=(-6_000.0, 3_500.0), theta=(20.0, 100.0), vega=(0.0, 500.0)),
    ],
)
def test_the_opening_restores_every_greek_and_brute_force_finds_none_smaller(limits):
    book = book_of()
    found = propose(limits, book, CHAINS, RULES)
    assert isinstance(found, Proposal)
    agrees(found, by_brute_force(limits, book, RULES))
    again = greeks_of(found.legs)
    for before, after in zip(limits, found.after, strict=True):
        assert after.measured == pytest.approx(before.measured + found.units * again[before.measure])
        assert abs(after.measured) <= before.limit * (1 + 1e-9)


@given(st.floats(-90_000, 90_000), st.floats(-700, 700), st.floats(5_000, 40_000), st.floats(50, 400))
@settings(max_examples=12)
def test_whatever_is_broken_the_answer_is_that_of_brute_force(delta, vega, most_delta, most_vega):
    limits = limits_on(delta=(delta, most_delta), vega=(vega, most_vega))
    book = book_of(holding("O-1", CALL, 2), holding("O-2", SPREAD, 3))
    found, best = propose(limits, book, CHAINS, RULES), by_brute_force(limits, book, RULES)
    if not any(limit.broken for limit in limits):
        assert found.code == "nothing_broken"
    elif best is None:
        assert found.code == "none_restores"
        assert "of at most 4 units restores" in found.reason
    else:
        agrees(found, best)


def test_a_var_over_budget_is_restored_as_revaluation_measures_it():
    held = holding("O-1", CALL, 4)
    book = book_of(held)
    var = var_now(book)
    limits = limits_on(var=(var, var * 0.6), delta=(4 * greeks_of(CALL)["delta"], 1e9))
    closing = propose(limits, book, CHAINS, RULES)
    assert (closing.intent, closing.units) == ("close", 2)
    assert closing.after[0].measured == pytest.approx(var_of(2 * pnl_of(CALL), 0.95).var)
    locked = BreachedBook((), book.pnl, 0.0, SCENARIOS, BETAS)
    opened = propose(limits, locked, CHAINS, RULES)
    assert opened.intent == "open"
    agrees(opened, by_brute_force(limits, locked, RULES))
    measured = var_of(book.pnl + pnl_of(opened.legs, opened.units), 0.95).var
    assert opened.after[0].measured == pytest.approx(measured)
    assert measured <= 0.6 * var


def test_a_structure_at_its_worst_case_is_relieved_by_closing_it():
    blind = holding("O-1", SPREAD, 3, measured=False, worst=500.0)
    book = book_of(blind)
    assert var_now(book) == 1_500
    found = propose(limits_on(var=(1_500.0, 1_000.0)), book, CHAINS, RULES)
    assert (found.closes, found.units, found.after[0].measured) == ("O-1", 1, 1_000.0)


def test_var_cannot_be_restored_where_no_scenario_speaks():
    found = propose(limits_on(var=(10.0, 5.0)), book_of(scenarios=None), CHAINS, RULES)
    assert found.code == "no_scenarios"
    only_spy = Scenarios(("SPY",), MOVES[:, 1:2], MOVES[:, 3:], np.zeros(60), np.zeros(60))
    book = BreachedBook((), 30 * pnl_of(CALL), 0.0, only_spy, BETAS)
    var = var_of(book.pnl, 0.95).var
    nothing = propose(limits_on(var=(var, var * 0.99)), book, {"QQQ": QQQ}, RULES)
    assert nothing.code == "none_restores"


def test_a_name_without_a_beta_can_mend_delta_but_not_beta_weighted_delta():
    book = BreachedBook((), np.zeros(60), 0.0, SCENARIOS, {})
    assert propose(limits_on(delta=(70_000.0, 50_000.0)), book, CHAINS, RULES).intent == "open"
    assert propose(limits_on(beta_delta=(70_000.0, 50_000.0)), book, CHAINS, RULES).code == "none_restores"


def test_only_families_that_the_regime_permits_are_proposed():
    limits = limits_on(delta=(70_000.0, 50_000.0))
    for family in ("long_option", "debit_vertical", "credit_vertical"):
        found = propose(limits, book_of(families=frozenset({family})), CHAINS, RULES)
        assert found.family == family
    assert propose(limits, book_of(families=frozenset({"calendar"})), CHAINS, RULES).code == "none_restores"


def test_every_opening_of_the_search_has_its_loss_bounded_by_its_payoff():
    rules = BreachSettings()
    (qqq, spy) = openings(CHAINS, BETAS, None, rules, None)
    assert (qqq.priced.ticker, spy.priced.ticker) == ("QQQ", "SPY")
    for place in range(0, len(spy), 17):
        legs = spy.legs(place)
        fees = 0.65 * len(legs)
        worst = max_loss(legs, -(spy.cost[place] - fees) / 100) + 2 * fees
        assert spy.worst_case[place] == pytest.approx(worst)
    assert np.isnan(spy.pnl).all()
    assert {"long_put", "bear_call_spread", "bull_put_spread"} <= set(spy.strategies)


def test_mixed_multipliers_form_no_vertical_and_locked_profits_are_no_trade():
    import dataclasses

    sizes = SPY.chain.multiplier.copy()
    sizes[::2] = 10.0
    mixed = dataclasses.replace(SPY, chain=dataclasses.replace(SPY.chain, multiplier=sizes))
    (found,) = openings({"SPY": mixed}, BETAS, None, BreachSettings(), None)
    assert all(len({part.multiplier for part in found.legs(place)}) == 1 for place in range(len(found)))
    bid = SPY.chain.bid.copy()
    bid[leg_row(SPREAD[0])] = 90.0
    absurd = dataclasses.replace(SPY, chain=dataclasses.replace(SPY.chain, bid=bid))
    (kept,) = openings({"SPY": absurd}, BETAS, None, BreachSettings(), None)
    assert (kept.worst_case > 0).all()


def leg_row(part):
    return ROWS[part.symbol][1]


def test_the_proposal_does_not_depend_on_the_order_of_what_is_given():
    held = [holding("O-1", CALL, 2), holding("O-2", SPREAD, 3), holding("O-3", CALL, 1)]
    delta = sum(one.units * one.greeks.delta for one in held)
    limits = limits_on(delta=(delta, delta * 0.55))
    assert propose(limits, book_of(*held), CHAINS, RULES) == propose(
        limits, book_of(*held[::-1]), dict(reversed(CHAINS.items())), RULES
    )


def test_a_window_that_holds_nothing_leaves_nothing_to_try():
    narrow = BreachSettings(width=(0.9, 0.95))
    (only_singles,) = openings({"SPY": SPY}, BETAS, None, narrow, None)
    assert set(only_singles.strategies) == {"long_call", "long_put"}
    assert list(openings({"SPY": SPY}, BETAS, None, BreachSettings(dte=(300, 400)), None)) == []
