"""The leg optimiser: what it promises per unit holds for every fill it allows."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import ConfigError, DataError
from domain.order import Candidate
from options.chain import price_chain
from options.legs import LegSettings, NoCandidate, drift_from_score, reprice
from options.legs.candidate import leg_of
from options.legs.outcomes import atoms, compressed, contract_values, shortfalls, tail_loss
from options.legs.quotes import net_quotes
from options.legs.search import forecast
from options.legs.settings import GreekLimits
from options.payoff import is_defined_risk, payoff
from options.priced import Distribution
from options.rates import RateCurve
from options.settings import ChainSettings
from options.strategies import DEFAULTS, structure_named
from tests.options.leg_cases import LENIENT, MARKET, SETTINGS, favourable, price_of, search
from tests.options.made_chain import AS_OF, made_chain
from tests.options.real_chains import snapshot


@pytest.mark.parametrize("structure", DEFAULTS, ids=lambda structure: structure.strategy)
@pytest.mark.parametrize("european", [False, True], ids=["american", "european"])
def test_every_candidate_is_of_defined_risk_and_its_bound_holds(structure, european):
    priced = made_chain(step=1.0, european=european)
    found = favourable(structure, priced)
    assert not isinstance(found, NoCandidate), found
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    for item in found:
        assert is_defined_risk(item.legs)
        assert item.natural_per_share <= item.worst_per_share <= item.limit_per_share
        probability, pnl = np.array(item.outcomes).T
        assert len(item.outcomes) <= 40
        assert probability.sum() == pytest.approx(1)
        assert probability @ pnl == pytest.approx(item.expected_value, abs=1e-6)
        assert -pnl.min() <= float(item.max_loss)
        assert item.max_profit is None or pnl.max() <= float(item.max_profit) + 0.01
        assert item.cvar95 <= float(item.max_loss) + 1e-9
        assert item.score == pytest.approx(item.expected_value / item.cvar95)
        assert item.expected_value > 0
        assert item.payoff_basis == ("bound" if structure.family == "calendar" else "exact")
        if item.payoff_basis == "exact":
            fees = float(item.fees) / 100
            worst = payoff(item.legs, float(item.worst_per_share) - fees, np.linspace(0, 400, 8001))
            assert -worst.min() <= float(item.max_loss) + 1e-9
            assert -worst.min() == pytest.approx(float(item.max_loss), abs=0.02)
            for price in item.breakevens:
                at_root = payoff(item.legs, float(item.worst_per_share) - fees, np.array([price]))
                assert at_root[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("european", [False, True], ids=["american", "european"])
@pytest.mark.parametrize("rate", [0.0, 0.08])
@pytest.mark.parametrize("dividend_yield", [0.0, 0.06])
def test_no_price_at_the_front_expiry_breaks_the_bound_of_a_calendar_or_diagonal(european, rate, dividend_yield):
    priced = made_chain(european=european, rate=rate, dividend_yield=dividend_yield)
    prices = np.concatenate([np.linspace(0.01, 5, 50), np.linspace(5, 500, 400), [5_000.0, 50_000.0]])
    front, back = priced.slices[1], priced.slices[3]
    for call in (True, False):
        row = np.array([price_of(priced, 100.0, call=call, expiry=3)])
        held = contract_values(priced, row, front, prices, slippage=1.0)[0]
        exercise = np.maximum(prices - 100 if call else 100 - prices, 0.0)
        short_by = shortfalls(priced, row, front)[0]
        assert np.all(held >= exercise - short_by - 1e-6)
        assert (short_by == 0) or european
        if european and ((call and dividend_yield > 0) or (not call and rate > 0)):
            assert short_by > 0
    assert back.expires_at > front.expires_at


def test_worked_iron_condor_by_hand():
    strikes = ((90.0, False, 1), (95.0, False, -1), (105.0, True, -1), (110.0, True, 1))
    rows = [price_of(MARKET, strike, call=call, expiry=1) for strike, call, _ in strikes]
    chain = MARKET.chain
    legs = tuple(leg_of(MARKET, row, quantity) for row, (_, _, quantity) in zip(rows, strikes, strict=True))
    found = reprice(
        legs,
        MARKET,
        strategy="iron_condor",
        family="short_volatility",
        spot=100.0,
        drift=0.0,
        forecast_vol=0.15,
        settings=LegSettings(),
        as_of=AS_OF,
    )
    assert isinstance(found, Candidate)
    natural = chain.bid[rows[1]] + chain.bid[rows[2]] - chain.ask[rows[0]] - chain.ask[rows[3]]
    mid = sum(-q * (chain.bid[row] + chain.ask[row]) / 2 for row, (_, _, q) in zip(rows, strikes, strict=True))
    assert float(found.natural_per_share) == pytest.approx(natural)
    assert float(found.limit_per_share) == pytest.approx(mid, abs=0.005001)
    assert found.fees == Decimal("5.20")  # four contracts, both sides, 0.65 each
    assert found.max_loss == (5 - found.worst_per_share) * 100 + found.fees
    assert found.max_profit == found.worst_per_share * 100 - found.fees
    assert found.margin == found.max_loss
    assert found.breakevens[0] == pytest.approx(95 - float(found.worst_per_share) + 0.052)
    assert found.breakevens[1] == pytest.approx(105 + float(found.worst_per_share) - 0.052)
    assert found.liquidity == 50
    assert found.first_expiry == found.last_expiry


def test_a_ten_share_contract_is_priced_as_ten_shares():
    small, big = made_chain(multiplier=10.0), made_chain(multiplier=100.0)
    free = LENIENT.model_copy(update={"fee_per_contract": Decimal(0)})
    structure = structure_named("bull_call_spread")
    mini, full = favourable(structure, small, free)[0], favourable(structure, big, free)[0]
    assert [leg.strike for leg in mini.legs] == [leg.strike for leg in full.legs]
    assert mini.legs[0].multiplier == 10
    assert mini.max_loss * 10 == full.max_loss
    assert mini.expected_value * 10 == pytest.approx(full.expected_value)
    for name in ("delta", "gamma", "vega", "theta", "rho"):
        assert getattr(mini.greeks, name) * 10 == pytest.approx(getattr(full.greeks, name))
    assert full.greeks.delta > 1  # shares, not per-share deltas


@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(1, 40)), min_size=2, max_size=2),
    st.floats(0, 1),
    st.sampled_from([Decimal("0.01"), Decimal("0.05")]),
)
def test_worst_price_concedes_no_more_than_its_share_and_sits_on_the_tick(quotes, slippage, tick):
    bid = np.array([low / 100 for low, _ in quotes])
    ask = np.array([(low + wide) / 100 for low, wide in quotes])
    chain = replace(MARKET.chain.rows(np.array([0, 1])), bid=bid, ask=ask)
    priced = replace(MARKET, chain=chain)
    net = net_quotes(priced, np.array([[0, 1]]), np.array([1.0, -1.0]), tick=tick, slippage=slippage)
    mid = (bid[1] + ask[1] - bid[0] - ask[0]) / 2
    natural = bid[1] - ask[0]
    assert net.mid[0] == pytest.approx(mid)
    assert net.natural[0] == pytest.approx(natural)
    assert abs(net.limit[0] - mid) <= float(tick) / 2 + 1e-9
    assert net.worst[0] <= net.limit[0]
    floor = min(mid - slippage * (mid - natural), net.limit[0])
    assert floor - 1e-6 <= net.worst[0] < floor + float(tick) + 1e-6


@given(
    st.lists(
        st.tuples(st.integers(1, 900), st.integers(1, 40), st.sampled_from([-2, -1, 1, 2])), min_size=1, max_size=4
    ),
    st.sampled_from([Decimal("0.01"), Decimal("0.05")]),
)
def test_half_way_between_two_ticks_the_limit_is_the_better_one_whatever_the_binary_noise(legs, tick):
    """Mids are halves of a cent, so that every other net mid lies there."""
    places = np.arange(len(legs))
    bid, ask = (np.array([low + wide * far for low, wide, _ in legs]) / 100 for far in (0, 1))
    priced = replace(MARKET, chain=replace(MARKET.chain.rows(places), bid=bid, ask=ask))
    quantities = np.array([float(quantity) for _, _, quantity in legs])
    net = net_quotes(priced, places[None], quantities, tick=tick, slippage=0.5)
    mid = -sum(Fraction(quantity * (2 * low + wide), 200) for low, wide, quantity in legs)
    assert net.limit_ticks[0] == math.floor(mid / Fraction(tick) + Fraction(1, 2))


def test_index_options_are_quoted_in_nickels():
    found = favourable(structure_named("bull_put_spread"), made_chain(root="SPX", half_spread=0.03), SETTINGS)
    assert all(item.worst_per_share % Decimal("0.05") == 0 for item in found)
    assert all(item.limit_per_share % Decimal("0.05") == 0 for item in found)


def test_without_a_view_the_desk_agrees_with_the_markets_forward():
    front = MARKET.slices[2]
    flat = forecast(front, spot=100.0, drift=0.0, forecast_vol=0.2)
    assert flat.prices @ flat.probabilities == pytest.approx(front.forward)
    up = forecast(front, spot=100.0, drift=0.1, forecast_vol=0.2)
    assert up.prices @ up.probabilities == pytest.approx(front.forward * np.exp(0.1 * front.tau))


def test_a_view_that_equals_the_market_has_no_edge_after_costs():
    flat = made_chain(step=1.0, skew=0.0, curve=0.0, european=True)
    for structure in DEFAULTS:
        found = search(structure.strategy, flat, LENIENT)
        assert isinstance(found, NoCandidate), structure.strategy
        assert found.numbers["best_expected_value"] < 0


def test_costs_lower_the_expected_value_by_exactly_what_they_are():
    structure = structure_named("bull_call_spread")
    dear = LENIENT.model_copy(update={"fee_per_contract": Decimal("1.65")})
    cheap = favourable(structure)[0]
    again = reprice(
        cheap.legs,
        MARKET,
        strategy=cheap.strategy,
        family=cheap.family,
        spot=100.0,
        drift=cheap.drift,
        forecast_vol=cheap.forecast_vol,
        settings=dear,
        as_of=AS_OF,
    )
    assert cheap.expected_value - again.expected_value == pytest.approx(4.0)
    assert again.max_loss - cheap.max_loss == Decimal("4.00")


@pytest.mark.parametrize(
    ("code", "change", "settings"),
    [
        ("not_executable", {"bid_size": 0.0, "ask_size": 0.0}, {}),
        ("not_executable", {"bid_size": np.nan, "ask_size": np.nan, "open_interest": 20.0, "volume": 2.0}, {}),
        ("illiquid", {"open_interest": 9.0}, {}),
        ("illiquid", {"open_interest": np.nan, "bid_size": np.nan}, {}),
        ("wide", {}, {"max_spread_of_loss": 1e-6}),
        ("thin_credit", {}, {"min_credit_of_width": 0.9}),
        ("unlikely", {}, {"min_pop": 0.99}),
    ],
)
def test_each_screen_refuses_by_name_with_counts(code, change, settings):
    n = len(MARKET.chain)
    chain = replace(MARKET.chain, **{name: np.full(n, value) for name, value in change.items()})
    priced = replace(MARKET, chain=chain)
    result = search("bull_put_spread", priced, LegSettings(**settings), drift=0.1, forecast_vol=0.12)
    assert isinstance(result, NoCandidate)
    assert result.code == code
    assert result.numbers["enumerated"] > 0
    assert code in result.detail


def test_unusable_chains_and_views_are_refused_not_guessed():
    assert search("long_call", as_of=AS_OF - timedelta(minutes=5)).code == "future_chain"
    assert search("long_call", forecast_vol=float("nan")).code == "no_forecast_vol"
    assert search("long_call", spot=0.0).code == "no_spot"
    assert search("long_call", made_chain(dtes=(3,))).code == "no_legs"
    blind = replace(MARKET, slices=tuple(replace(item, smile=None) for item in MARKET.slices))
    assert search("long_call", blind).code == "no_legs"
    with pytest.raises(KeyError):
        forecast(blind.slices[0], spot=100.0, drift=0.0, forecast_vol=0.2)


@given(st.floats(-1, 1), st.floats(0.05, 2))
def test_drift_is_bounded_odd_and_zero_without_a_view(score, vol):
    drift = drift_from_score(score, vol, SETTINGS)
    assert abs(drift) <= SETTINGS.max_drift
    assert drift == -drift_from_score(-score, vol, SETTINGS)
    assert drift_from_score(0.0, vol, SETTINGS) == 0


@pytest.mark.parametrize(("score", "vol"), [(1.01, 0.2), (float("nan"), 0.2), (0.5, 0.0), (0.5, float("inf"))])
def test_an_absurd_score_or_volatility_gives_no_drift(score, vol):
    with pytest.raises(DataError):
        drift_from_score(score, vol, SETTINGS)


pnl_points = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(0.001, 1)), min_size=1, max_size=200)


@given(pnl_points)
def test_compression_keeps_the_mean_and_the_tail_is_the_worst_twentieth(points):
    pnl, weight = np.array(points).T
    chance = weight / weight.sum()
    small = np.array(compressed(pnl, chance))
    assert len(small) <= 40
    assert small[:, 0].sum() == pytest.approx(1)
    assert small[:, 0] @ small[:, 1] == pytest.approx(chance @ pnl, abs=1e-6)
    assert small[:, 1].min() >= pnl.min()
    assert small[:, 1].max() <= pnl.max()
    assert -pnl @ chance - 1e-6 <= tail_loss(pnl, chance) <= -pnl.min() + 1e-6


def test_tail_loss_of_a_hundred_equal_outcomes_is_the_mean_of_the_worst_five():
    assert tail_loss(np.arange(100.0)[::-1] - 50, np.full(100, 0.01)) == pytest.approx(48)


@given(st.integers(10, 300))
def test_atoms_keep_the_mean_of_the_distribution(count):
    prices = np.linspace(50, 150, 101)
    weight = np.exp(-(((prices - 97) / 12) ** 2))
    distribution = Distribution(0.1, prices, weight / weight.sum())
    points = atoms(distribution, count)
    assert points.mean() == pytest.approx(prices @ distribution.probabilities)
    assert np.all(np.diff(points) >= -1e-9)


def test_settings_refuse_misspelt_keys_unknown_names_and_doubles():
    with pytest.raises(ValidationError, match="fee_per_contrat"):
        LegSettings.model_validate({"fee_per_contrat": 1})
    double = [{"strategy": "long_call"}, {"strategy": "long_call"}]
    with pytest.raises(ValidationError, match="listed twice"):
        LegSettings.model_validate({"structures": double})
    with pytest.raises(ConfigError, match="jade_lizard"):
        SETTINGS.structure("jade_lizard")
    assert SETTINGS.structure("iron_condor").dte == (25, 60)


def test_what_the_model_calls_impossible_is_not_free():
    far_out = structure_named("bear_call_spread").model_copy(update={"sold_delta": (0.15, 0.2)})
    sure = LENIENT.model_copy(update={"structures": (far_out,), "model_doubt": 0.0})
    wary = sure.model_copy(update={"model_doubt": 0.01})
    blind, sober = (search("bear_call_spread", settings=s, forecast_vol=0.05)[0] for s in (sure, wary))
    assert blind.cvar95 < 0.1 * float(blind.max_loss)
    assert sober.cvar95 >= 0.2 * float(sober.max_loss) - 0.8 * float(sober.max_profit)
    assert sober.score < blind.score


@pytest.mark.shared_data
@pytest.mark.parametrize("ticker", ["SPY", "NVDA", "IBIT"])
def test_real_quotes_give_candidates_whose_promises_hold(shared_data, ticker):
    chain = snapshot(shared_data, ticker, moment=1)
    as_of = chain.as_of
    curve = RateCurve(np.array([0.1, 1.0]), np.array([0.037, 0.036]))
    priced = price_chain(chain, as_of=as_of, curve=curve, settings=ChainSettings())
    level = next(piece.atm_vol for piece in priced.slices if piece.tau > 30 / 365)
    for name in ("bull_put_spread", "iron_condor", "put_calendar"):
        found = search(name, priced, SETTINGS, forecast_vol=0.85 * level, as_of=as_of)
        assert not isinstance(found, NoCandidate), found
        for item in found:
            assert is_defined_risk(item.legs)
            assert item.expected_value > 0
            assert -item.outcomes[0][1] <= float(item.max_loss)
            assert item.liquidity >= 1
            assert item.natural_per_share <= item.worst_per_share <= item.limit_per_share


def test_the_same_chain_gives_identical_candidates():
    first, second = search("iron_condor", forecast_vol=0.15), search("iron_condor", forecast_vol=0.15)
    assert [item.model_dump_json() for item in first] == [item.model_dump_json() for item in second]


def test_greek_limits_bar_what_is_too_sensitive_for_its_risk():
    free = search("iron_condor", forecast_vol=0.15)
    per_loss = max(abs(item.greeks.vega) / 100 / float(item.max_loss) for item in free)
    tight = SETTINGS.model_copy(update={"greeks": GreekLimits(vega=0.5 * per_loss)})
    found = search("iron_condor", settings=tight, forecast_vol=0.15)
    assert isinstance(found, NoCandidate) or all(
        abs(item.greeks.vega) / 100 <= 0.5 * per_loss * float(item.max_loss) for item in found
    )
    none_left = SETTINGS.model_copy(update={"greeks": GreekLimits(vega=1e-9)})
    assert search("iron_condor", settings=none_left, forecast_vol=0.15).code == "greeks"


def test_a_backspread_is_financed_by_its_near_strike():
    for name in ("call_ratio_backspread", "put_ratio_backspread"):
        assert all(item.worst_per_share >= 0 for item in favourable(structure_named(name)))
