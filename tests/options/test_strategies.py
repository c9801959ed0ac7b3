"""Every structure of the registry: what it enumerates is what it says it is."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.contract import Right
from domain.errors import ConfigError
from options.legs.candidate import leg_of
from options.payoff import Unbounded, bounded_max_loss, is_defined_risk, max_loss, max_profit, payoff
from options.strategies import ARBITRAGE, DEFAULTS, FAMILIES, MARGIN_RULES, PROPOSABLE, AnyStructure, structure_named
from options.strategies.bear_put_spread import BearPutSpread
from options.strategies.long_strangle import LongStrangle
from options.strategies.recognised import uncovered
from options.tagging import RECOGNISED
from tests.options.made_chain import made_chain

MARKET = made_chain(step=1.0)
EUROPEAN = made_chain(step=1.0, european=True)


def rounded(least, most):
    """Figures of a smile: what is not zero can be divided by."""
    return st.floats(least, most).map(lambda value: round(value, 4))


markets = st.builds(
    made_chain,
    spot=st.floats(40, 400).map(lambda value: round(value, 2)),
    step=st.sampled_from([1.0, 2.5, 5.0]),
    vol=st.floats(0.12, 0.6),
    skew=rounded(-0.3, 0.1),
    curve=rounded(0.0, 0.3),
    term=rounded(-0.1, 0.1),
    rate=st.floats(0.0, 0.05),
    dividend_yield=st.floats(0.0, 0.02),
    half_spread=st.sampled_from([0.01, 0.05]),
)


def legs_of(priced, structure, row):
    return [leg_of(priced, int(place), q) for place, q in zip(row, structure.quantities, strict=True)]


def rows_of(name, priced=MARKET):
    structure = structure_named(name)
    rows = structure.enumerate_rows(priced)
    assert len(rows), f"{name} finds nothing in an ordinary chain"
    return structure, rows


@pytest.mark.parametrize("structure", DEFAULTS, ids=lambda structure: structure.strategy)
def test_rows_match_the_template_and_are_of_defined_risk(structure):
    rows = structure.enumerate_rows(MARKET)
    assert len(rows)
    chain = MARKET.chain
    assert rows.shape[1] == len(structure.template)
    assert len(np.unique(rows, axis=0)) == len(rows)
    for row in rows[:: max(1, len(rows) // 20)]:
        legs = legs_of(MARKET, structure, row)
        assert is_defined_risk(legs)
        assert not isinstance(bounded_max_loss(legs, 0.0, shortfall_per_share=0.0), Unbounded)
        assert [leg.right for leg in legs] == [wanted.right for wanted in structure.template]
        front = {leg.expiry for leg, wanted in zip(legs, structure.template, strict=True) if wanted.term == "front"}
        back = {leg.expiry for leg, wanted in zip(legs, structure.template, strict=True) if wanted.term == "back"}
        assert len(front) == 1
        assert not back or min(back) > max(front)
        if not back:
            assert (max_profit(legs, 0.0) is None) == (structure.shape == "limited loss, open gain")
    assert np.all(MARKET.good[rows])
    assert np.all(chain.multiplier[rows] == 100)


@pytest.mark.parametrize("structure", DEFAULTS, ids=lambda structure: structure.strategy)
@given(priced=markets)
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_greeks_have_the_signs_the_structure_claims(structure, priced):
    rows = structure.enumerate_rows(priced)
    quantities = np.array(structure.quantities, dtype=float)
    for name, sign in structure.signs._asdict().items():
        if sign:
            assert np.all(sign * (getattr(priced, name)[rows] @ quantities) > 0), name


@pytest.mark.parametrize("name", ["bear_put_spread", "bear_call_spread"])
def test_a_bear_spread_gains_when_the_price_falls_and_is_no_bull_spread(name):
    structure, rows = rows_of(name)
    for row in rows[::7]:
        low, high = payoff(legs_of(MARKET, structure, row), 0.0, np.array([1.0, 1000.0]))
        assert low > high
    assert BearPutSpread().signs.delta == -1


@pytest.mark.parametrize("name", ["bull_call_spread", "bull_put_spread"])
def test_a_bull_spread_gains_when_the_price_rises(name):
    structure, rows = rows_of(name)
    for row in rows[::7]:
        low, high = payoff(legs_of(MARKET, structure, row), 0.0, np.array([1.0, 1000.0]))
        assert high > low


def test_condor_wings_are_in_order_and_equally_wide():
    _, rows = rows_of("iron_condor")
    strikes = MARKET.chain.strike[rows]
    assert np.all(np.diff(strikes, axis=1) > 0)
    assert strikes[:, 1] - strikes[:, 0] == pytest.approx(strikes[:, 3] - strikes[:, 2])
    _, rows = rows_of("iron_butterfly")
    strikes = MARKET.chain.strike[rows]
    assert np.all(strikes[:, 1] == strikes[:, 2])


def test_broken_wing_is_wider_below_and_the_plain_butterfly_is_not():
    for name, ratio in (("broken_wing_butterfly", (1.25, 3.0)), ("put_butterfly", (1.0, 1.0))):
        _, rows = rows_of(name)
        low, middle, high = MARKET.chain.strike[rows].T
        found = (middle - low) / (high - middle)
        assert found.min() >= ratio[0] - 1e-9
        assert found.max() <= ratio[1] + 1e-9


def test_worked_broken_wing_loses_at_most_the_extra_width_less_its_credit():
    structure, rows = rows_of("broken_wing_butterfly")
    strikes = MARKET.chain.strike[rows]
    row = rows[np.flatnonzero((strikes == [92, 98, 101]).all(axis=1))[0]]
    assert max_loss(legs_of(MARKET, structure, row), 0.25) == pytest.approx(275)


def test_calendar_strikes_agree_and_backspread_longs_lie_further_out():
    for name in ("call_calendar", "put_calendar"):
        _, rows = rows_of(name)
        assert np.all(MARKET.chain.strike[rows[:, 0]] == MARKET.chain.strike[rows[:, 1]])
    _, rows = rows_of("call_ratio_backspread")
    assert np.all(MARKET.chain.strike[rows[:, 1]] > MARKET.chain.strike[rows[:, 0]])
    _, rows = rows_of("put_ratio_backspread")
    assert np.all(MARKET.chain.strike[rows[:, 1]] < MARKET.chain.strike[rows[:, 0]])


def test_a_width_of_two_percent_is_two_percent_of_spot_not_divided_by_a_hundred_again():
    wide = BearPutSpread(width=(0.02, 0.06))
    strikes = MARKET.chain.strike[wide.enumerate_rows(MARKET)]
    gap = strikes[:, 0] - strikes[:, 1]
    assert gap.min() == 2.0
    assert gap.max() == 6.0
    put, call = MARKET.chain.strike[LongStrangle().enumerate_rows(MARKET)].T
    assert np.all(put < MARKET.spot - 1)
    assert np.all(call > MARKET.spot + 1)
    with pytest.raises(ValidationError, match="five percent"):
        BearPutSpread(width=(2.0, 6.0))


def test_rows_that_may_not_trade_are_never_enumerated():
    flagged = replace(MARKET, good=MARKET.good & (MARKET.chain.strike != 100))
    for structure in DEFAULTS:
        assert not np.any(MARKET.chain.strike[structure.enumerate_rows(flagged)] == 100)
    adjusted = replace(MARKET, chain=replace(MARKET.chain, standard=np.zeros(len(MARKET.chain), dtype=bool)))
    unknown = replace(MARKET, chain=replace(MARKET.chain, multiplier=np.full(len(MARKET.chain), np.nan)))
    for structure in DEFAULTS:
        assert len(structure.enumerate_rows(adjusted)) == 0
        assert len(structure.enumerate_rows(unknown)) == 0


def test_legs_of_different_multipliers_are_not_combined():
    mixed = np.where(MARKET.chain.strike > 100, 10.0, 100.0)
    priced = replace(MARKET, chain=replace(MARKET.chain, multiplier=mixed))
    rows = structure_named("bull_call_spread").enumerate_rows(priced)
    assert len(rows)
    assert np.all(mixed[rows[:, 0]] == mixed[rows[:, 1]])


def test_leg_carries_the_contracts_own_terms():
    mini = made_chain(multiplier=10.0, european=True)
    leg = leg_of(mini, 3, -2)
    assert (leg.multiplier, leg.european, leg.quantity) == (10, True, -2)
    assert leg.strike == Decimal(repr(float(mini.chain.strike[3])))
    assert leg.symbol == mini.chain.symbol[3]
    assert leg.iv == pytest.approx(mini.iv[3])
    blind = replace(mini, iv=np.full(len(mini.chain), np.nan))
    assert leg_of(blind, 3, 1).iv == pytest.approx(mini.iv[3], abs=1e-9)


def test_registry_names_are_unique_and_load_from_their_tag():
    assert len(FAMILIES) == len(PROPOSABLE) == len(DEFAULTS) + 2 == 21
    adapter = TypeAdapter(AnyStructure)
    for structure in PROPOSABLE:
        assert adapter.validate_python({"strategy": structure.strategy}) == structure
    with pytest.raises(ValidationError, match="wdith"):
        adapter.validate_python({"strategy": "iron_condor", "wdith": [0.01, 0.02]})
    with pytest.raises(ValidationError, match="low to high"):
        adapter.validate_python({"strategy": "iron_condor", "dte": [60, 20]})
    with pytest.raises(ConfigError, match="short_straddle"):
        structure_named("short_straddle")


@pytest.mark.parametrize("structure", PROPOSABLE, ids=lambda structure: structure.strategy)
def test_enumerated_strikes_stand_as_the_templates_levels_say(structure):
    market = EUROPEAN if structure.family == "arbitrage" else MARKET
    rows = structure.enumerate_rows(market)
    assert len(rows)
    strikes = market.chain.strike[rows]
    for n, one in enumerate(structure.template):
        for m, other in enumerate(structure.template):
            assert np.all(np.sign(strikes[:, n] - strikes[:, m]) == np.sign(one.level - other.level))
    if structure.wings != "any":
        low, middle, high = strikes.T
        assert np.all(np.isclose(middle - low, high - middle) == (structure.wings == "equal"))
    assert structure.margin in MARGIN_RULES


def test_boxes_are_european_only_and_pay_their_width_at_every_price():
    for structure in ARBITRAGE:
        assert len(structure.enumerate_rows(MARKET)) == 0
        rows = structure.enumerate_rows(EUROPEAN)
        sign = 1 if structure.premium == "debit" else -1
        for row in rows[:: len(rows) // 50]:
            legs = legs_of(EUROPEAN, structure, row)
            assert is_defined_risk(legs)
            width = abs(float(legs[1].strike - legs[0].strike))
            assert payoff(legs, 0.0, np.array([0.0, 50.0, 100.0, 500.0])) == pytest.approx(sign * 100 * width)


def quoted(item):
    """One unit of a recognised structure with legs around the money, on the made chain: rows and shares."""
    ladder = {1: [100.0], 2: [95.0, 105.0], 3: [95.0, 100.0, 110.0 if item.wings == "unequal" else 105.0]}
    levels = 1 + max(leg.level for leg in item.template)
    strikes = ladder.get(levels, [92.0, 97.0, 103.0, 108.0])
    front, back = MARKET.slices[1], MARKET.slices[3]
    chain, rows = MARKET.chain, []
    for leg in item.template:
        piece = (back if leg.term == "back" else front).rows
        fits = (chain.strike[piece] == strikes[leg.level]) & (chain.is_call[piece] == (leg.right is Right.CALL))
        rows.append(int(piece[fits][0]))
    return np.array(rows)


@pytest.mark.parametrize("item", [item for item in RECOGNISED if item.template], ids=lambda item: item.strategy)
def test_recognised_structures_are_what_they_say_and_cannot_be_proposed(item):
    rows = quoted(item)
    quantities = np.array([leg.quantity for leg in item.template], dtype=float)
    for name, sign in item.signs._asdict().items():
        total = getattr(MARKET, name)[rows] @ quantities + (item.shares if name == "delta" else 0)
        assert not sign or sign * total > 0, name
    legs = [leg_of(MARKET, int(row), leg.quantity) for row, leg in zip(rows, item.template, strict=True)]
    backed = item.family in ("share_backed", "cash_secured")
    assert is_defined_risk(legs) == (uncovered(item.template) == 0)
    assert (item.family == "defined_risk") <= is_defined_risk(legs)
    assert (item.family == "uncovered") == (uncovered(item.template, item.shares) > 0) or backed
    if len({leg.expiry for leg in legs}) == 1:
        prices = np.array([0.0, 1.0, 50.0, 100.0, 10_000.0, 20_000.0])
        values = payoff(legs, 0.0, prices) + 100 * item.shares * prices
        assert (values[-1] < values[-2] - 1) == (item.loss == "open")
        assert (values[-1] > values[-2] + 1) == (item.gain == "open")
        assert (values[0] < values[1] - 1) == (item.loss == "to zero") or item.loss == "open"
    assert item.margin in MARGIN_RULES
    assert item.shape == f"{item.loss} loss, {item.gain} gain"
    with pytest.raises(ValidationError):
        TypeAdapter(AnyStructure).validate_python({"strategy": item.strategy})
    with pytest.raises(ConfigError, match=item.strategy):
        structure_named(item.strategy)
    assert not hasattr(item, "search")
