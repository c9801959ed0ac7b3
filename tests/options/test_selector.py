"""Which structures a view leads to, and which no table can allow."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from domain.debate import Verdict
from domain.regime import Regime
from options.selector import CRISIS_FAMILIES, NoStrategy, StrategyTable, families_for, select, select_arbitrage
from options.strategies import ARBITRAGE, DEFAULTS, FAMILIES
from options.tagging import RECOGNISED

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "strategies.yaml").read_text())
TABLE = StrategyTable.model_validate(CONFIG["selector"])
BULL, BEAR, WEAK = Verdict.BULL, Verdict.BEAR, Verdict.INCONCLUSIVE


def chosen(**changes):
    facts = {
        "verdict": WEAK,
        "vol_view": "short",
        "regime": Regime.NEUTRAL,
        "iv_rank": 0.45,
        "term": "contango",
        "skew": "normal",
        "event": "none",
        "is_index": False,
        "iv_premium": 0.02,
        "front_over_forward": 1.0,
        "allowed_families": None,
        "table": TABLE,
    }
    return select(**{**facts, **changes})


def names(**changes):
    result = chosen(**changes)
    assert not isinstance(result, NoStrategy), result
    assert [choice.priority for choice in result] == list(range(1, len(result) + 1))
    assert all(choice.reason for choice in result)
    return [choice.strategy for choice in result]


def test_no_view_on_price_or_volatility_is_no_edge_not_a_guess():
    result = chosen(vol_view="none")
    assert isinstance(result, NoStrategy)
    assert result.code == "no_edge"


@pytest.mark.parametrize(
    ("verdict", "vol_view", "first"),
    [
        (BULL, "long", "bull_call_spread"),
        (BULL, "short", "bull_put_spread"),
        (BEAR, "long", "bear_put_spread"),
        (BEAR, "short", "bear_call_spread"),
    ],
)
def test_direction_is_bought_when_volatility_is_cheap_and_sold_when_rich(verdict, vol_view, first):
    assert names(verdict=verdict, vol_view=vol_view)[0] == first


@pytest.mark.parametrize(("iv_rank", "first"), [(0.1, "bear_put_spread"), (0.9, "bear_call_spread")])
def test_without_a_vol_view_the_iv_rank_decides_between_debit_and_credit(iv_rank, first):
    assert names(verdict=BEAR, vol_view="none", iv_rank=iv_rank)[0] == first


def test_low_iv_rank_and_neutral_puts_calendars_and_butterflies_before_the_condor():
    order = names(iv_rank=0.1)
    assert order[0].endswith("calendar")
    assert order.index("call_butterfly") < order.index("iron_condor")
    without = names(iv_rank=0.1, iv_premium=0.0)
    assert "iron_condor" not in without
    assert "iron_condor" not in names(iv_rank=0.1, iv_premium=None)


@pytest.mark.parametrize("vol_view", ["long", "short"])
@pytest.mark.parametrize("regime", [Regime.LOW_VOL, Regime.NEUTRAL])
def test_low_iv_rank_without_a_price_view_starts_with_a_calendar_whatever_the_vol_view(vol_view, regime):
    assert names(vol_view=vol_view, regime=regime, iv_rank=0.1)[0].endswith("calendar")


def test_high_iv_rank_and_neutral_is_defined_risk_credit():
    assert names(iv_rank=0.9)[0] == "iron_condor"


@pytest.mark.parametrize(
    ("ratio", "allowed"), [(0.84, False), (0.86, True), (1.19, True), (1.21, False), (None, False)]
)
def test_calendar_only_while_front_volatility_is_fair_against_the_forward(ratio, allowed):
    assert ("call_calendar" in names(iv_rank=0.1, front_over_forward=ratio)) is allowed


def test_different_regimes_lead_to_different_structures():
    for verdict, vol_view in ((WEAK, "long"), (WEAK, "short"), (BULL, "long"), (BEAR, "short")):
        seen = {regime: chosen(verdict=verdict, vol_view=vol_view, regime=regime) for regime in Regime}
        kinds = {
            tuple(choice.strategy for choice in result) if not isinstance(result, NoStrategy) else result.code
            for result in seen.values()
        }
        assert len(kinds) >= 3, (verdict, vol_view)


@pytest.mark.parametrize("verdict", [BULL, BEAR])
def test_backspread_where_a_crash_or_trend_is_the_view_in_high_volatility(verdict):
    expected = "call_ratio_backspread" if verdict is BULL else "put_ratio_backspread"
    assert names(verdict=verdict, vol_view="long", regime=Regime.HIGH_VOL)[0] == expected
    assert expected not in names(verdict=verdict, vol_view="long", regime=Regime.LOW_VOL)


@pytest.mark.parametrize("regime", [Regime.HIGH_VOL, Regime.CRISIS])
def test_no_backspread_without_a_crash_or_trend_in_view(regime):
    chosen_names = names(vol_view="long", regime=regime)
    assert not any(name.endswith("backspread") for name in chosen_names)


@pytest.mark.parametrize(("verdict", "skew", "first"), [(BULL, "puts_rich", "bull_put_spread"),
                                                        (BEAR, "calls_rich", "bear_call_spread"),
                                                        (BULL, "calls_rich", "bull_call_spread")])  # fmt: skip
def test_the_dear_side_of_the_skew_is_sold(verdict, skew, first):
    assert names(verdict=verdict, vol_view="none", skew=skew)[0] == first


def test_only_an_arbitrage_signal_on_european_options_leads_to_a_box():
    boxes = [structure.strategy for structure in ARBITRAGE]
    found = select_arbitrage(signalled=True, european=True)
    assert [choice.strategy for choice in found] == boxes
    assert select_arbitrage(signalled=False, european=True).code == "no_edge"
    assert select_arbitrage(signalled=True, european=False).code == "early_exercise"
    for box in boxes:
        with pytest.raises(ValidationError, match="does not suit"):
            StrategyTable.model_validate({"rows": [{"strategies": [box], "reason": "x"}]})


def test_structures_that_are_only_recognised_cannot_stand_in_the_table():
    for item in RECOGNISED:
        with pytest.raises(ValidationError, match=item.strategy):
            StrategyTable.model_validate({"rows": [{"strategies": [item.strategy], "reason": "x"}]})


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("vol_view", ["long", "short", "none"])
@pytest.mark.parametrize("event", ["none", "inside", "unknown"])
def test_a_crisis_never_sells_volatility(verdict, vol_view, event):
    result = chosen(verdict=verdict, vol_view=vol_view, regime=Regime.CRISIS, event=event, iv_rank=0.95)
    if not isinstance(result, NoStrategy):
        assert {choice.family for choice in result} <= CRISIS_FAMILIES


def test_unknown_events_bar_short_volatility_for_single_names_only():
    result = chosen(event="unknown", iv_rank=0.9, regime=Regime.HIGH_VOL)
    barred = {choice.strategy for choice in result} if not isinstance(result, NoStrategy) else set()
    assert not barred & {"iron_condor", "iron_butterfly"}
    assert "iron_condor" in names(event="unknown", iv_rank=0.9, regime=Regime.HIGH_VOL, is_index=True)
    assert names(event="unknown", verdict=BULL, vol_view="short") == ["bull_call_spread"]
    assert "broken_wing_butterfly" in names(event="unknown", verdict=BULL, vol_view="short", is_index=True)


def test_a_known_event_inside_leaves_only_structures_without_front_gamma_sold():
    assert names(event="inside", vol_view="long", iv_rank=0.1, regime=Regime.LOW_VOL) == [
        "long_straddle",
        "long_strangle",
    ]
    result = chosen(event="inside", is_index=True)
    assert isinstance(result, NoStrategy)
    assert result.code == "event_inside"
    assert "iron_condor" in result.removed


def test_families_the_gate_does_not_allow_are_barred_and_named():
    assert names(verdict=BULL, vol_view="short", allowed_families=frozenset({"debit_vertical"})) == ["bull_call_spread"]
    result = chosen(allowed_families=frozenset({"long_option"}))
    assert isinstance(result, NoStrategy)
    assert result.code == "family_not_allowed"


def test_every_combination_is_answered_and_every_choice_suits_the_verdict():
    structures = {structure.strategy: structure for structure in DEFAULTS}
    met = set()
    for verdict in Verdict:
        for vol_view in ("long", "short", "none"):
            for regime in Regime:
                for iv_rank in (None, 0.1, 0.5, 0.9):
                    for skew in ("puts_rich", "calls_rich", None):
                        result = chosen(verdict=verdict, vol_view=vol_view, regime=regime, iv_rank=iv_rank, skew=skew)
                        if isinstance(result, NoStrategy):
                            assert verdict is WEAK
                            continue
                        for choice in result:
                            met.add(choice.strategy)
                            assert verdict in structures[choice.strategy].directions
                            assert vol_view in structures[choice.strategy].vol_views
                            assert regime in structures[choice.strategy].regimes
                            assert choice.family == FAMILIES[choice.strategy]
    assert met == {structure.strategy for structure in DEFAULTS}, (
        "a structure that no view ever leads to is dead weight"
    )


def test_a_table_that_misuses_a_structure_fails_at_load():
    row = {"strategies": ["bear_put_spread"], "reason": "x"}
    with pytest.raises(ValidationError, match="does not suit"):
        StrategyTable.model_validate({"rows": [{**row, "verdicts": ["bull"]}]})
    with pytest.raises(ValidationError, match="crisis"):
        StrategyTable.model_validate({"rows": [{"strategies": ["iron_condor"], "reason": "x", "regimes": ["crisis"]}]})
    with pytest.raises(ValidationError, match="short_straddle"):
        StrategyTable.model_validate({"rows": [{"strategies": ["short_straddle"], "reason": "x"}]})
    with pytest.raises(ValidationError, match="verdict"):
        StrategyTable.model_validate({"rows": [{**row, "verdict": ["bear"]}]})
    with pytest.raises(ValidationError, match="below"):
        StrategyTable.model_validate({"rows": CONFIG["selector"]["rows"], "low_iv_rank": 0.7, "high_iv_rank": 0.6})


def test_a_table_without_a_matching_row_says_so():
    table = StrategyTable.model_validate(
        {"rows": [{"strategies": ["bear_put_spread"], "verdicts": ["bear"], "reason": "x"}]}
    )
    result = chosen(verdict=BULL, table=table)
    assert isinstance(result, NoStrategy)
    assert result.code == "no_row"


def test_families_for_a_crisis_hold_no_short_volatility():
    assert families_for(Regime.CRISIS) <= CRISIS_FAMILIES
    assert "short_volatility" in families_for(Regime.NEUTRAL)
