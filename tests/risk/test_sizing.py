"""Caps of every sizer at their edges; the smallest wins and is named."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.book import StrategyRecord
from domain.order import Sizing, SizingCap
from domain.regime import Regime
from portfolio.exposure import ShareExposure
from risk.correlation import Correlations
from risk.sizing import DynamicSizer, RiskParity, SizingSettings, position_limit, size, unit_budget
from risk.sizing.units import mean_correlation
from tests.factories import candidate, exposure, portfolio, risk_settings, view

SETTINGS = risk_settings().sizing
GOOD = StrategyRecord(strategy="bull_put_spread", closed=40, wins=36, average_win=0.4, average_loss=0.8)
CHEAP = {"max_loss": Decimal(100), "outcomes": ((0.75, 100.0), (0.25, -100.0)), "liquidity": 1_000}
UNCORRELATED = Correlations(window=60, minimum=60, pairs={("QQQ", "SPY"): 0.0})


def question(**changes):
    return view(order=None, **changes)


def cap(sizing, name):
    return next(item for item in sizing.caps if item.name == name)


def test_without_a_record_one_unit_and_the_binding_cap_is_named():
    sizing = size(question(), candidate(), (), SETTINGS)
    assert (sizing.units, sizing.binding, sizing.budget) == (1, "live_record", Decimal("392.60"))
    names = ["half_kelly", "live_record", "regime", "position_at_risk", "sector", "contracts", "liquidity"]
    assert [item.name for item in sizing.caps] == names
    assert cap(sizing, "live_record").detail == "no closed bull_put_spread yet: one unit"
    other = GOOD.model_copy(update={"strategy": "iron_condor"})
    unproven = GOOD.model_copy(update={"closed": 0})
    assert size(question(), candidate(), (other, unproven), SETTINGS) == sizing


def test_every_cap_is_its_own_arithmetic():
    sizing = size(question(), candidate(**CHEAP), (GOOD,), SETTINGS)
    units = {item.name: item.units for item in sizing.caps}
    # half-Kelly of 3:1 on double or nothing is ½ · 0.5 of 100,000; the record: 40/50 · ½ · stake (by hand below)
    win_rate, win, loss = (36 + 10 * 0.75) / 50, (36 * 0.4 + 7.5) / 43.5, (4 * 0.8 + 2.5) / 6.5
    stake = (win_rate - (1 - win_rate) * loss / win) * 0.8
    assert units == {
        "half_kelly": 250, "live_record": math.floor(0.5 * stake * 1_000), "regime": 20, "position_at_risk": 50,
        "sector": 150, "contracts": 10, "liquidity": 1_000,
    }  # fmt: skip
    assert (sizing.units, sizing.binding, sizing.budget) == (10, "contracts", Decimal(1_000))
    assert (
        cap(sizing, "half_kelly").detail == "0.5 × Kelly × 1.00 (ρ 0.00) = 0.2500 of NLV = 25,000.00 USD ÷ 100.00 USD"
    )
    assert cap(sizing, "regime").detail == "2.0% of NLV in neutral = 2,000.00 USD ÷ 100.00 USD"
    assert cap(sizing, "position_at_risk").detail == "5.0% of NLV − 0.00 at risk = 5,000.00 USD ÷ 100.00 USD"
    assert cap(sizing, "sector").detail == "15% of NLV − 0.00 in index = 15,000.00 USD ÷ 100.00 USD"
    assert cap(sizing, "contracts").detail == "10 contracts ÷ 1 per unit"
    assert cap(sizing, "liquidity").detail == "units executable at quoted size"
    assert cap(sizing, "live_record").detail.startswith("36 of 40 won, half-Kelly ")


@pytest.mark.parametrize(("expected_value", "units"), [(0.0, 0), (-0.01, 0), (0.01, 250)])
def test_only_a_positive_value_after_costs_gets_a_size(expected_value, units):
    sizing = size(question(), candidate(**CHEAP, expected_value=expected_value), (GOOD,), SETTINGS)
    assert cap(sizing, "half_kelly").units == units


def test_a_losing_distribution_gets_no_size():
    losing = candidate(outcomes=((0.5, 117.4), (0.5, -392.6)))
    sizing = size(question(), losing, (GOOD,), SETTINGS)
    assert (sizing.units, sizing.binding) == (0, "half_kelly")


def test_a_record_without_an_edge_ends_the_strategy_and_a_thin_one_still_gets_a_unit():
    bad = GOOD.model_copy(update={"closed": 100, "wins": 40})
    sizing = size(question(), candidate(), (bad,), SETTINGS)
    assert (sizing.units, sizing.binding) == (0, "live_record")
    assert cap(sizing, "live_record").detail.endswith("the record has no edge")
    dear = candidate(max_loss=Decimal(4_000), outcomes=((0.9, 1_200.0), (0.1, -4_000.0)))
    thin = GOOD.model_copy(update={"closed": 1, "wins": 1})
    found = cap(size(question(), dear, (thin,), SETTINGS), "live_record")
    assert found.units == 1
    assert found.detail.endswith("at least one unit")


def test_a_record_worth_exactly_one_unit_does_not_speak_of_a_minimum():
    own = SETTINGS.kelly.record_share(GOOD, candidate().outcomes, 392.6)
    exact = candidate(max_loss=Decimal("392.60"))
    found = cap(size(question(portfolio=portfolio(nlv=392.6 / own)), exact, (GOOD,), SETTINGS), "live_record")
    assert found.units == 1
    assert "at least" not in found.detail


@pytest.mark.parametrize("name", ["regime", "position_at_risk", "sector"])
def test_a_wilder_regime_never_sizes_larger(name):
    units = [cap(size(question(regime=r), candidate(**CHEAP), (GOOD,), SETTINGS), name).units for r in Regime]
    assert units == sorted(units, reverse=True)
    assert {"regime": [30, 20, 10, 5], "position_at_risk": [50, 50, 50, 20], "sector": [150] * 4}[name] == units


def test_correlation_with_what_is_held_shrinks_both_stakes_and_none_counts_as_complete():
    book = portfolio(exposures=(exposure(),))
    alone = size(question(), candidate(**CHEAP), (GOOD,), SETTINGS)
    unknown = size(question(portfolio=book), candidate(**CHEAP), (GOOD,), SETTINGS)
    apart = size(question(portfolio=book, correlations=UNCORRELATED), candidate(**CHEAP), (GOOD,), SETTINGS)
    for name in ("half_kelly", "live_record"):
        assert cap(unknown, name).units == cap(alone, name).units // 2
        assert cap(apart, name).units == cap(alone, name).units
    assert mean_correlation(question(portfolio=portfolio(exposures=(exposure(ticker="SPY"),)))) == 0.0


def test_mean_correlation_counts_each_other_name_once():
    pairs = Correlations(window=60, minimum=60, pairs={("QQQ", "SPY"): 0.2, ("AAPL", "SPY"): 0.6})
    held = tuple(exposure(order_id=str(i), ticker=name) for i, name in enumerate(["QQQ", "QQQ", "AAPL", "SPY"]))
    assert mean_correlation(question(portfolio=portfolio(exposures=held), correlations=pairs)) == pytest.approx(0.4)


def test_what_is_held_in_the_name_and_the_sector_leaves_less_room():
    held = (exposure(ticker="SPY", worst_case=Decimal(4_700)),)
    sizing = size(question(portfolio=portfolio(exposures=held)), candidate(), (GOOD,), SETTINGS)
    assert cap(sizing, "position_at_risk").units == 0
    assert cap(sizing, "sector").units == math.floor(10_300 / 392.6)
    other = (exposure(ticker="XOM", sector="energy", worst_case=Decimal(4_700)),)
    sizing = size(question(portfolio=portfolio(exposures=other)), candidate(), (GOOD,), SETTINGS)
    assert cap(sizing, "position_at_risk").units == math.floor(5_000 / 392.6)
    assert cap(sizing, "sector").units == math.floor(15_000 / 392.6)


def test_shares_count_in_name_and_sector_and_without_a_bound_nothing_fits():
    long = ShareExposure(
        ticker="SPY", sector="index", quantity=30, worst_case=Decimal(4_800), detail="30 shares", greeks=None
    )
    sizing = size(question(portfolio=portfolio(shares=(long,))), candidate(), (GOOD,), SETTINGS)
    assert (cap(sizing, "position_at_risk").units, cap(sizing, "sector").units) == (0, math.floor(10_200 / 392.6))
    short = long.model_copy(update={"quantity": -30, "worst_case": None, "detail": "short shares have no bound"})
    bare = question(portfolio=portfolio(shares=(short,)))
    sizing = size(bare, candidate(), (GOOD,), dynamic(), conviction=1.0)
    assert {name: cap(sizing, name).units for name in ("position_at_risk", "sector", "dynamic")} == {
        "position_at_risk": 0, "sector": 0, "dynamic": 0,
    }  # fmt: skip
    assert cap(sizing, "dynamic").detail == "what may be lost has no bound: SPY: short shares have no bound"
    assert unit_budget(bare, SETTINGS).usd == 0.0


@pytest.mark.parametrize(("room", "units"), [(392.59, 0), (392.60, 1), (785.19, 1), (785.20, 2)])
def test_a_budget_buys_whole_units_only(room, units):
    held = portfolio(exposures=(exposure(ticker="SPY", worst_case=Decimal(5_000) - Decimal(str(room))),))
    assert cap(size(question(portfolio=held), candidate(), (GOOD,), SETTINGS), "position_at_risk").units == units


@pytest.mark.parametrize("nlv", [None, 0.0, -1.0])
def test_unknown_or_vanished_nlv_gets_no_size(nlv):
    sizing = size(question(portfolio=portfolio(nlv=nlv)), candidate(), (GOOD,), SETTINGS)
    assert (sizing.units, sizing.binding, sizing.budget) == (0, "nlv", Decimal(0))
    assert [item.name for item in sizing.caps] == ["nlv"]
    assert sizing.caps[0].units == 0
    assert sizing.caps[0].detail == "NLV is unknown or gone: no size can be a share of it"
    assert unit_budget(question(portfolio=portfolio(nlv=nlv)), SETTINGS) == (0.0, "unknown NLV")


def test_half_a_dollar_of_nlv_is_known_and_small():
    found = size(question(portfolio=portfolio(nlv=0.5)), candidate(**CHEAP), (GOOD,), SETTINGS)
    assert (found.units, found.binding) == (0, "half_kelly")
    assert unit_budget(question(portfolio=portfolio(nlv=0.5)), SETTINGS) == (pytest.approx(0.01), "regime cap")


@pytest.mark.parametrize(("ratio", "units"), [(1, 10), (2, 5), (3, 3), (10, 1), (11, 0)])
def test_ten_contracts_count_the_largest_leg_ratio(ratio, units):
    legs = tuple(leg.model_copy(update={"quantity": leg.quantity * ratio}) for leg in candidate().legs)
    assert cap(size(question(), candidate(legs=legs), (GOOD,), SETTINGS), "contracts").units == units


def test_the_first_of_equal_caps_binds():
    sizing = size(question(), candidate(liquidity=1), (), SETTINGS)
    assert (sizing.units, sizing.binding) == (1, "live_record")


def test_a_size_above_one_of_its_caps_cannot_be_built():
    with pytest.raises(ValueError, match="cannot be built"):
        Sizing(units=2, binding="a", caps=(SizingCap(name="a", units=1, detail=""),), budget=Decimal(0))


@pytest.mark.parametrize(
    ("held", "regime", "usd", "limit"),
    [
        ((), Regime.NEUTRAL, 2_000.0, "regime cap"),
        ((), Regime.LOW_VOL, 3_000.0, "regime cap"),
        ((), Regime.CRISIS, 500.0, "regime cap"),
        ((("SPY", "index", 3_500),), Regime.NEUTRAL, 1_500.0, "position at risk"),
        ((("SPY", "index", 1_800),), Regime.CRISIS, 200.0, "position at risk"),
        ((("SPY", "index", 6_000),), Regime.NEUTRAL, 0.0, "position at risk"),
        ((("QQQ", "index", 14_000),), Regime.NEUTRAL, 1_000.0, "sector exposure"),
        ((("XOM", "energy", 14_000),), Regime.NEUTRAL, 2_000.0, "regime cap"),
    ],
)
def test_the_optimiser_is_told_what_one_unit_may_lose_and_which_limit_says_so(held, regime, usd, limit):
    exposures = tuple(exposure(ticker=t, sector=s, worst_case=Decimal(w)) for t, s, w in held)
    found = unit_budget(question(regime=regime, portfolio=portfolio(exposures=exposures)), SETTINGS)
    assert found == (pytest.approx(usd), limit)


def test_a_position_may_lose_less_in_a_crisis():
    assert [position_limit(question(regime=regime)) for regime in Regime] == [0.05, 0.05, 0.05, 0.02]


def dynamic(**changes):
    return SETTINGS.model_copy(update={"dynamic": DynamicSizer(**changes)})


def test_conviction_decides_how_much_of_a_position_may_be_used():
    settings = dynamic(max_position_size_usd=1_000)
    sizes = {
        c: cap(size(question(), candidate(**CHEAP), (GOOD,), settings, conviction=c), "dynamic") for c in (0, 0.5, 1)
    }
    assert {c: found.units for c, found in sizes.items()} == {0: 3, 0.5: 6, 1: 10}
    assert sizes[0.5].detail == "conviction 0.50 = 650.00 USD ÷ 100.00 USD"


def test_unknown_conviction_or_a_full_book_gets_nothing():
    settings = dynamic(max_portfolio_exposure=400)
    full = portfolio(exposures=(exposure(),))
    found = cap(size(question(portfolio=full), candidate(**CHEAP), (GOOD,), settings, conviction=1.0), "dynamic")
    assert (found.units, found.detail) == (0, "nothing left of 400.00 USD")
    unknown = cap(size(question(), candidate(**CHEAP), (GOOD,), settings), "dynamic")
    assert (unknown.units, unknown.detail) == (0, "the signal's conviction is not known")


def test_without_a_dynamic_sizer_conviction_changes_nothing():
    static = size(question(), candidate(), (GOOD,), SETTINGS)
    assert size(question(), candidate(), (GOOD,), SETTINGS, conviction=0.1, shares={"bull_put_spread": 0.1}) == static


PARITY = SETTINGS.model_copy(update={"risk_parity": RiskParity(budget=dict.fromkeys(Regime, 0.02))})


@pytest.mark.parametrize(
    ("held", "units", "detail"),
    [
        ((), 5, "25.0% of 2,000.00 USD − 0.00 held = 500.00 USD ÷ 100.00 USD"),
        ((("bull_put_spread", 100), ("bull_put_spread", 150)), 2, "25.0% of 2,000.00 USD − 250.00 held"),
        ((("iron_condor", 300),), 5, "25.0% of 2,000.00 USD − 0.00 held"),
        ((("calendar", 400),), 4, "25.0% of 1,600.00 USD − 0.00 held"),
        ((("bull_put_spread", 600),), 0, "25.0% of 2,000.00 USD − 600.00 held"),
    ],
)
def test_parity_gives_a_strategy_its_share_less_what_it_holds(held, units, detail):
    exposures = tuple(exposure(strategy=name, worst_case=Decimal(usd)) for name, usd in held)
    shares = {"bull_put_spread": 0.25, "iron_condor": 0.75}
    view_ = question(portfolio=portfolio(exposures=exposures))
    sizing = size(view_, candidate(**CHEAP), (GOOD,), PARITY, shares=shares)
    found = cap(sizing, "risk_parity")
    assert found.units == units
    assert found.detail.startswith(detail)
    assert "half_kelly" not in {item.name for item in sizing.caps}


def test_parity_without_shares_allows_nothing_and_still_wants_an_edge():
    assert cap(size(question(), candidate(**CHEAP), (GOOD,), PARITY), "risk_parity").units == 0
    shares = {"bull_put_spread": 1.0}
    losing = size(question(), candidate(**CHEAP, expected_value=-1.0), (GOOD,), PARITY, shares=shares)
    assert (losing.units, losing.binding) == (0, "risk_parity")


@pytest.mark.parametrize(
    ("caps", "complaint"),
    [
        ({Regime.LOW_VOL: 0.1, Regime.NEUTRAL: 0.1, Regime.HIGH_VOL: 0.2, Regime.CRISIS: 0.0}, "may not grow"),
        ({Regime.LOW_VOL: 0.1, Regime.NEUTRAL: 0.1, Regime.HIGH_VOL: 0.1}, "lacks crisis"),
        ({Regime.LOW_VOL: 1.1, Regime.NEUTRAL: 0.1, Regime.HIGH_VOL: 0.1, Regime.CRISIS: 0.1}, "between 0 and 1"),
        ({Regime.LOW_VOL: 0.1, Regime.NEUTRAL: 0.1, Regime.HIGH_VOL: 0.1, Regime.CRISIS: -0.1}, "between 0 and 1"),
    ],
)
def test_shares_per_regime_are_complete_and_fall_from_calm_to_crisis(caps, complaint):
    with pytest.raises(ValidationError, match=f"regime_cap.*{complaint}"):
        SizingSettings(regime_cap=caps)
    with pytest.raises(ValidationError, match=f"budget.*{complaint}"):
        RiskParity(budget=caps)
    flat = dict.fromkeys(Regime, 1.0)
    assert SizingSettings(regime_cap=flat).regime_cap == flat
    assert RiskParity(budget=dict.fromkeys(Regime, 0.0)).budget[Regime.CRISIS] == 0.0


@given(
    st.sampled_from(list(Regime)), st.integers(0, 4_000), st.floats(0, 1), st.floats(0.0, 1.0),
    st.integers(1, 60), st.floats(0, 1),
)  # fmt: skip
@settings(max_examples=60)
def test_no_sizer_ever_enlarges(regime, held, conviction, share, closed, won):
    book = portfolio(exposures=(exposure(worst_case=Decimal(held)),))
    record = GOOD.model_copy(update={"closed": closed, "wins": round(closed * won)})
    static = size(question(portfolio=book, regime=regime), candidate(**CHEAP), (record,), SETTINGS)
    more = dynamic(max_position_size_usd=3_000)
    sized = size(question(portfolio=book, regime=regime), candidate(**CHEAP), (record,), more, conviction=conviction)
    assert sized.units <= static.units
    assert sized.units == min(item.units for item in sized.caps)
    tight = replace(question(portfolio=book, regime=regime), hard=risk_settings().hard.model_copy(update={
        "position_at_risk": 0.05 * share + 1e-6, "position_at_risk_crisis": 0.02 * share + 1e-6,
    }))  # fmt: skip
    assert size(tight, candidate(**CHEAP), (record,), SETTINGS).units <= static.units
