"""The walk down to the largest accepted size, and openings of one run counted against each other."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.book import StrategyRecord
from domain.order import Exit, ExitReason
from domain.regime import Regime
from domain.risk import TradingState
from risk.allocator import allocate, allocate_exit
from risk.gate import decide
from risk.sizing import DynamicSizer, RiskParity, parity_shares, size
from tests.factories import candidate, exposure, facts, leg, portfolio, risk_settings, sized, view

SETTINGS = risk_settings()
GOOD = StrategyRecord(strategy="bull_put_spread", closed=40, wins=36, average_win=0.4, average_loss=0.8)


def run(ranked, *, book=None, records=(GOOD,), limits=SETTINGS):
    def question(ticker, held):
        return view(ticker=ticker, order=None, portfolio=held, facts=facts(ticker=ticker))

    return allocate(ranked, book or portfolio(), question, records, limits, lambda order: f"O-{order.candidate.ticker}")


def test_size_walks_down_to_the_largest_the_gate_accepts():
    caps = size(view(order=None), candidate(), (GOOD,), SETTINGS.sizing).units
    (allocation,), _ = run([("SPY", [candidate()])])
    assert allocation.accepted
    assert 1 < allocation.sized.units < caps  # the VaR budget binds below the caps
    one_more = sized(allocation.sized.units + 1)
    assert not decide(view(order=one_more), SETTINGS).approved


def with_sizing(**changes):
    return SETTINGS.model_copy(update={"sizing": SETTINGS.sizing.model_copy(update=changes)})


def test_each_tickers_own_conviction_decides_where_it_sizes():
    limits = with_sizing(dynamic=DynamicSizer(max_position_size_usd=2_000, max_portfolio_exposure=3_000))
    ranked = [(name, [candidate(ticker=name)]) for name in ("AAA", "BBB", "CCC")]

    def question(ticker, held):
        assert ticker in {"AAA", "BBB", "CCC"}
        return view(ticker=ticker, order=None, portfolio=held, facts=facts(ticker=ticker))

    def told(convictions):
        found, _ = allocate(
            ranked, portfolio(), question, (GOOD,), limits, lambda order: f"O-{order.candidate.ticker}", convictions
        )
        return {a.ticker: next(c for c in a.sized.sizing.caps if c.name == "dynamic") for a in found}

    caps = told({"AAA": 1.0, "BBB": 0.0})
    assert caps["AAA"].units == 5  # 2,000 USD of 392.60 a unit
    assert caps["BBB"].units == 1  # 600 USD: the least share
    assert (caps["CCC"].units, caps["CCC"].detail) == (0, "the signal's conviction is not known")
    assert {cap.units for cap in told(None).values()} == {0}


def test_under_risk_parity_the_run_s_own_strategies_share_the_budget():
    limits = with_sizing(risk_parity=RiskParity(budget=dict.fromkeys(Regime, 0.02)))
    wild = candidate(ticker="AAA", strategy="long_call", outcomes=((0.5, 785.2), (0.5, -392.6)))
    ranked = [("SPY", [candidate()]), ("AAA", [wild])]
    found, _ = run(ranked, limits=limits)
    shares = parity_shares([candidate(), wild])
    for allocation in found:
        cap = next(c for c in allocation.sized.sizing.caps if c.name == "risk_parity")
        assert cap.detail.startswith(f"{shares[allocation.sized.candidate.strategy]:.1%} of 2,000.00 USD")


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
    (allocation,), book = run([("QQQ", []), ("SPY", [candidate(liquidity=0)])])
    assert allocation.ticker == "SPY"
    assert allocation.decision is None
    assert allocation.sized.sizing.binding == "liquidity"
    assert not book.exposures


def test_exits_close_all_that_is_held_even_when_reducing_and_are_never_sized():
    closing = Exit(
        closes="O-1", units=3, candidate=candidate(intent="close", legs=(leg(1, 680), leg(-1, 675))),
        reason=ExitReason(rule="exit_dte", measured=6.0, limit=7.0, detail="late"),
    )  # fmt: skip
    held = exposure(ticker="SPY", legs=(leg(-3, 680), leg(3, 675)))
    book = portfolio(trading_state=TradingState.REDUCING, nlv=None, exposures=(held,))
    question = view(order=None, portfolio=book)
    allocation = allocate_exit(question, closing, SETTINGS)
    assert allocation.accepted
    four = allocate_exit(question, closing.model_copy(update={"units": 4}), SETTINGS)
    assert [veto.name for veto in four.decision.vetoes] == ["defined_risk"]
    assert (allocation.sized.units, allocation.closes, allocation.tried) == (3, "O-1", 1)
    assert (allocation.decision.stage, allocation.ticker) == ("final", "SPY")
    sizing = allocation.sized.sizing
    assert (sizing.binding, sizing.budget) == ("held", Decimal("1177.80"))
    assert [(c.name, c.units, c.detail) for c in sizing.caps] == [("held", 3, "closes all 3 units held")]
    two = allocate_exit(question, closing.model_copy(update={"units": 2, "held": 3}), SETTINGS)
    assert [(c.units, c.detail) for c in two.sized.sizing.caps] == [(2, "closes 2 of 3 units held")]
    whole = allocate_exit(question, closing.model_copy(update={"held": 3}), SETTINGS)
    assert whole == allocation
    with pytest.raises(ValueError, match="close"):
        run([("SPY", [closing.candidate])])
    with pytest.raises(ValueError, match=r"^only closing orders skip sizing$"):
        allocate_exit(question, closing.model_copy(update={"candidate": candidate()}), SETTINGS)


@given(
    st.floats(0.01, 0.05), st.floats(0.02, 0.15), st.integers(1, 10), st.sampled_from(list(Regime)),
    st.integers(0, 12), st.integers(0, 4000),
)  # fmt: skip
@settings(max_examples=40)
def test_a_tighter_limit_never_approves_more(position, sector, contracts, regime, units, held):
    tight = risk_settings(
        hard={"position_at_risk": position, "sector_exposure": sector, "contracts_per_order": contracts}
    )
    order = sized(max(units, 1))
    book = portfolio(exposures=(exposure(worst_case=Decimal(held)),))
    question = view(order=order, portfolio=book, regime=regime)
    if decide(question, tight).approved:
        assert decide(question, SETTINGS).approved
    sizing = size(replace(question, order=None), candidate(), (GOOD,), tight.sizing)
    assert sizing.units <= size(replace(question, order=None), candidate(), (GOOD,), SETTINGS.sizing).units
    assert decide(question, tight) == decide(question, tight)


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
