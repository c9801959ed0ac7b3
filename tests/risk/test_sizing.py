"""Half-Kelly, caps, and the walk down to the largest accepted size."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.book import StrategyRecord
from domain.order import Exit, ExitReason, Sizing, SizingCap
from domain.regime import Regime
from domain.risk import TradingState
from risk.allocator import allocate, allocate_exit
from risk.gate import decide
from risk.sizing import kelly_stake, record_stake, size, unit_budget
from tests.factories import candidate, exposure, facts, portfolio, risk_settings, sized, view

SETTINGS = risk_settings()
GOOD = StrategyRecord(strategy="bull_put_spread", closed=40, wins=32, average_win=0.4, average_loss=0.8)


def cap(sizing, name):
    return next(item for item in sizing.caps if item.name == name)


@pytest.mark.parametrize("p", [0.55, 0.6, 0.75])
def test_kelly_of_a_double_or_nothing_bet_is_two_p_minus_one(p):
    assert kelly_stake([(p, 100.0), (1 - p, -100.0)], 100.0) == pytest.approx(2 * p - 1, abs=1e-4)


def test_kelly_of_a_bet_without_an_edge_is_zero():
    assert kelly_stake([(0.5, 100.0), (0.5, -100.0)], 100.0) == 0.0
    assert kelly_stake([(0.4, 100.0), (0.6, -100.0)], 100.0) == 0.0


@given(st.floats(0.05, 0.95), st.floats(0.05, 3.0), st.floats(0.0, 0.1))
@settings(max_examples=30, deadline=None)
def test_a_lower_win_rate_never_gets_a_larger_stake(p, gain, less):
    def stake(win):
        return kelly_stake([(win, gain * 100), (1 - win, -100.0)], 100.0)

    assert stake(max(p - less, 0.0)) <= stake(p) + 1e-5


def test_three_lucky_trades_do_not_bet_the_house():
    lucky = StrategyRecord(strategy="x", closed=3, wins=3, average_win=0.5, average_loss=0.0)
    seasoned = lucky.model_copy(update={"closed": 300, "wins": 300})
    assert record_stake(lucky, SETTINGS.sizing) < 0.75 < record_stake(seasoned, SETTINGS.sizing)
    assert record_stake(lucky.model_copy(update={"average_win": 0.0}), SETTINGS.sizing) == 0.0


def test_without_a_record_one_unit_and_the_binding_cap_is_named():
    sizing = size(view(order=None), candidate(), (), SETTINGS)
    assert (sizing.units, sizing.binding) == (1, "live_record")
    assert {item.name for item in sizing.caps} == {
        "half_kelly", "live_record", "regime", "position_at_risk", "sector", "contracts", "liquidity",
    }  # fmt: skip


def test_negative_expected_value_gets_no_size():
    losing = candidate(outcomes=((0.5, 117.4), (0.5, -392.6)))
    assert size(view(order=None), losing, (GOOD,), SETTINGS).units == 0


def test_higher_regimes_never_size_larger():
    units = [
        size(view(order=None, regime=regime), candidate(), (GOOD,), SETTINGS).units
        for regime in (Regime.NEUTRAL, Regime.HIGH_VOL, Regime.CRISIS)
    ]
    assert units == sorted(units, reverse=True)
    assert units[-1] >= 1


def test_correlation_with_what_is_held_shrinks_the_kelly_stake():
    alone = size(view(order=None), candidate(), (GOOD,), SETTINGS)
    beside = size(view(order=None, portfolio=portfolio(exposures=(exposure(),))), candidate(), (GOOD,), SETTINGS)
    assert cap(beside, "half_kelly").units < cap(alone, "half_kelly").units


def test_what_is_held_in_the_name_and_the_sector_leaves_less_room():
    held = (exposure(ticker="SPY", worst_case=Decimal(4_700)),)
    sizing = size(view(order=None, portfolio=portfolio(exposures=held)), candidate(), (GOOD,), SETTINGS)
    assert cap(sizing, "position_at_risk").units == 0
    assert sizing.units == 0


def test_unknown_nlv_gets_no_size():
    assert size(view(order=None, portfolio=portfolio(nlv=None)), candidate(), (GOOD,), SETTINGS).binding == "nlv"


def test_a_size_above_one_of_its_caps_cannot_be_built():
    with pytest.raises(ValueError, match="cannot be built"):
        Sizing(units=2, binding="a", caps=(SizingCap(name="a", units=1, detail=""),), budget=Decimal(0))


def run(ranked, *, book=None, records=(GOOD,), limits=SETTINGS):
    def question(ticker, held):
        return view(ticker=ticker, order=None, portfolio=held, facts=facts(ticker=ticker))

    return allocate(ranked, book or portfolio(), question, records, limits, lambda order: f"O-{order.candidate.ticker}")


def test_size_walks_down_to_the_largest_the_gate_accepts():
    caps = size(view(order=None), candidate(), (GOOD,), SETTINGS).units
    (allocation,), _ = run([("SPY", [candidate()])])
    assert allocation.accepted
    assert 1 < allocation.sized.units < caps  # the VaR budget binds below the caps
    one_more = sized(allocation.sized.units + 1)
    assert not decide(view(order=one_more), SETTINGS).approved


def test_earlier_openings_of_the_same_run_count_against_later_ones():
    names = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG"]
    ranked = [(name, [candidate(ticker=name)]) for name in names]
    allocations, book = run(ranked, records=())
    accepted = [a for a in allocations if a.accepted]
    assert book.worst_case == pytest.approx(sum(float(a.sized.candidate.max_loss) * a.sized.units for a in accepted))
    assert book.worst_case <= 0.02 * 100_000
    assert len(accepted) < len(names)
    assert all(a.decision is not None and a.decision.vetoes for a in allocations if not a.accepted)


def test_the_next_candidate_is_tried_and_the_best_ones_vetoes_are_the_decision():
    too_big = candidate(max_loss=Decimal("1900.00"), outcomes=((0.95, 300.0), (0.05, -1900.0)))
    held = portfolio(exposures=(exposure(worst_case=Decimal(200)),))
    (allocation,), _ = run([("SPY", [too_big, candidate()])], book=held)
    assert allocation.accepted
    assert allocation.tried == 2
    (refused,), _ = run([("SPY", [too_big, too_big.model_copy(update={"max_loss": Decimal("1950.00")})])], book=held)
    assert not refused.accepted
    assert refused.sized.candidate == too_big
    assert {veto.name for veto in refused.decision.vetoes} == {"var_budget"}


def test_no_unit_allowed_by_a_cap_is_no_decision_of_the_gate():
    (allocation,), book = run([("SPY", [candidate(liquidity=0)]), ("QQQ", [])])
    assert allocation.decision is None
    assert allocation.sized.sizing.binding == "liquidity"
    assert not book.exposures


def test_exits_close_all_that_is_held_even_when_reducing_and_are_never_sized():
    closing = Exit(
        closes="O-1", units=3, candidate=candidate(intent="close"),
        reason=ExitReason(rule="exit_dte", measured=6.0, limit=7.0, detail="late"),
    )  # fmt: skip
    question = view(order=None, portfolio=portfolio(trading_state=TradingState.REDUCING, nlv=None))
    allocation = allocate_exit(question, closing, SETTINGS)
    assert allocation.accepted
    assert (allocation.sized.units, allocation.closes) == (3, "O-1")
    with pytest.raises(ValueError, match="close"):
        run([("SPY", [closing.candidate])])
    with pytest.raises(ValueError, match="only closing"):
        allocate_exit(question, closing.model_copy(update={"candidate": candidate()}), SETTINGS)


@given(
    st.floats(0.01, 0.05), st.floats(0.02, 0.15), st.integers(1, 10), st.sampled_from(list(Regime)),
    st.integers(0, 12), st.integers(0, 4000),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_tighter_limit_never_approves_more(position, sector, contracts, regime, units, held):
    tight = risk_settings(
        hard={"position_at_risk": position, "sector_exposure": sector, "contracts_per_order": contracts}
    )
    order = sized(max(units, 1))
    book = portfolio(exposures=(exposure(worst_case=Decimal(held)),))
    question = view(order=order, portfolio=book, regime=regime)
    if decide(question, tight).approved:
        assert decide(question, SETTINGS).approved
    sizing = size(replace(question, order=None), candidate(), (GOOD,), tight)
    assert sizing.units <= size(replace(question, order=None), candidate(), (GOOD,), SETTINGS).units
    assert decide(question, tight) == decide(question, tight)


@pytest.mark.parametrize(
    ("held", "regime", "usd", "limit"),
    [
        ((), Regime.NEUTRAL, 2_000.0, "VaR budget"),
        ((), Regime.LOW_VOL, 2_000.0, "VaR budget"),
        ((exposure(worst_case=Decimal(1_500)),), Regime.NEUTRAL, 500.0, "VaR budget"),
        ((exposure(worst_case=Decimal(3_000)),), Regime.NEUTRAL, 0.0, "VaR budget"),
        ((), Regime.CRISIS, 500.0, "VaR budget"),
    ],
)
def test_the_optimiser_is_told_what_one_unit_may_lose_and_which_limit_says_so(held, regime, usd, limit):
    found = unit_budget(view(order=None, regime=regime, portfolio=portfolio(exposures=held)), SETTINGS)
    assert found == (pytest.approx(usd), limit)


def test_a_tight_position_limit_or_an_unknown_nlv_bounds_the_unit():
    tight = risk_settings(hard={"position_at_risk": 0.01})
    assert unit_budget(view(order=None), tight) == (pytest.approx(1_000.0), "position at risk")
    assert unit_budget(view(order=None, portfolio=portfolio(nlv=None)), SETTINGS) == (0.0, "unknown NLV")


def test_what_is_only_staged_in_a_name_gives_way_to_its_successor_but_what_is_open_or_approved_does_not():
    states = ("staged", "approved", "open")
    held = portfolio(
        exposures=tuple(exposure(order_id=state, ticker="SPY", state=state, opened_on="2026-02-12") for state in states)
    )
    other = exposure(order_id="O-9", ticker="QQQ", state="staged")
    book = held.superseding("SPY")
    assert [item.order_id for item in book.exposures] == ["approved", "open"]
    after = portfolio(exposures=(*held.exposures, other)).with_opening(sized(), "O-new", "index")
    assert [item.order_id for item in after.exposures] == ["approved", "open", "O-9", "O-new"]
