"""Locked profits: planted ones are found to the cent, and a market that cannot be beaten is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from options.arbitrage import boxes, forward_error, parity_gaps
from options.chain import price_chain
from options.settings import ChainSettings
from tests.options.made_chain import made_chain
from tests.options.real_chains import CURVE_2019_06, spx_close

FEE = 0.65
PER_SHARE = 2 * FEE / 100  # two contracts


def row_of(priced, *, piece, strike, call):
    chain, rows = priced.chain, priced.slices[piece].rows
    return int(rows[(chain.strike[rows] == strike) & (chain.is_call[rows] == call)][0])


def shifted(priced, row, by):
    """The chain with one contract's bid and ask moved by `by` USD."""
    bid, ask = priced.chain.bid.copy(), priced.chain.ask.copy()
    bid[row] += by
    ask[row] += by
    return replace(priced, chain=replace(priced.chain, bid=bid, ask=ask))


def worth(priced, piece, strike):
    """Discounted F − K."""
    found = priced.slices[piece]
    return found.discount * (found.forward - strike)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    european=st.booleans(),
    vol=st.floats(0.10, 0.9),
    skew=st.floats(-0.4, 0.2),
    rate=st.floats(-0.01, 0.08),
    dividend_yield=st.floats(0.0, 0.06),
    half_spread=st.sampled_from([0.01, 0.03, 0.06]),
)
def test_no_profit_is_found_where_quotes_contain_one_consistent_value(**market):
    priced = made_chain(curve=0.3, **market)
    gaps, found = parity_gaps(priced, fee_per_contract=0.0), boxes(priced, fee_per_contract=0.0)
    assert len(gaps) > 10
    assert (gaps.conversion <= 1e-9).all()
    assert (gaps.reversal <= 1e-9).all()
    assert (gaps.found, found.profitable, found.best) == ((), 0, ())
    assert found.pairs > 10


@pytest.mark.parametrize(("call", "by", "kind"), [(True, 0.05, "conversion"), (True, -0.05, "reversal")])
def test_a_planted_parity_gap_is_found_to_the_cent_at_executable_quotes(call, by, kind):
    priced = made_chain(european=True)
    row, other = (row_of(priced, piece=1, strike=100.0, call=right) for right in (call, not call))
    planted = shifted(priced, row, by)
    gaps = parity_gaps(planted, fee_per_contract=FEE)
    best = gaps.found[0]
    chain = planted.chain
    if kind == "conversion":
        locked = chain.bid[row] - chain.ask[other] - worth(priced, 1, 100.0)
    else:
        locked = chain.bid[other] - chain.ask[row] + worth(priced, 1, 100.0)
    assert (best.kind, best.strikes, best.expiry) == (kind, (100.0,), priced.slices[1].expiry)
    assert best.profit == pytest.approx(locked - PER_SHARE, abs=1e-12)
    assert best.profit_per_unit == pytest.approx(100 * best.profit)
    assert best.annual_return == pytest.approx(best.profit / (priced.slices[1].discount * 100) / priced.slices[1].tau)
    assert {leg.symbol: leg.quantity for leg in best.legs} == {
        str(chain.symbol[row]): -1 if by > 0 else 1,
        str(chain.symbol[other]): 1 if by > 0 else -1,
    }
    assert best.hedge == (1 if by > 0 else -1)
    assert best.units == 50
    assert len(gaps.found) == 1


def test_fees_the_forwards_error_and_dear_funding_each_take_a_profit_away():
    priced = shifted(made_chain(european=True), row_of(made_chain(), piece=1, strike=100.0, call=True), 0.05)
    assert parity_gaps(priced, fee_per_contract=FEE).found
    assert not parity_gaps(priced, fee_per_contract=3.0).found
    assert not parity_gaps(priced, fee_per_contract=FEE, rate_doubt=0.01).found
    doubtful = replace(priced, slices=tuple(replace(s, parity_residual=0.2) for s in priced.slices))
    assert forward_error(doubtful.slices[0]) == pytest.approx(1.4826 * 0.2 / np.sqrt(doubtful.slices[0].parity_pairs))
    assert not parity_gaps(doubtful, fee_per_contract=FEE).found
    assert parity_gaps(doubtful, fee_per_contract=FEE, doubts=0.0).found


def test_american_exercise_leaves_only_what_it_cannot_undo():
    """With dividends the stock is worth more than its forward: what is a conversion in Europe may be lost to an early
    assignment in America; and a strike that may be paid today weighs its full amount in a reversal.
    """
    style = {"dividend_yield": 0.04, "rate": 0.0}
    strike = {"piece": 2, "strike": 100.0, "call": True}
    for by, kind in ((0.05, "conversion"), (-0.05, "reversal")):
        for european in (True, False):
            priced = made_chain(european=european, **style)
            found = parity_gaps(shifted(priced, row_of(priced, **strike), by), fee_per_contract=FEE).found
            kinds = {item.kind for item in found}
            # without interest a reversal is as safe in America as in Europe; the dividends undo the conversion
            assert kinds == ({kind} if european or kind == "reversal" else set())
    dear = made_chain(european=False, rate=0.05, dividend_yield=0.0)
    assert not parity_gaps(shifted(dear, row_of(dear, **strike), -0.05), fee_per_contract=FEE).found


def test_a_planted_box_is_found_between_the_two_strikes_that_disagree():
    priced = made_chain(european=True)
    cheap, rich = (row_of(priced, piece=1, strike=strike, call=True) for strike in (90.0, 110.0))
    planted = shifted(shifted(priced, cheap, -0.05), rich, 0.05)
    found = boxes(planted, fee_per_contract=FEE)
    chain, piece = planted.chain, priced.slices[1]
    low_put, high_put = (row_of(priced, piece=1, strike=strike, call=False) for strike in (90.0, 110.0))
    cost = chain.ask[cheap] - chain.bid[low_put] - chain.bid[rich] + chain.ask[high_put]
    best = found.best[0]
    assert (best.kind, best.strikes) == ("long_box", (90.0, 110.0))
    assert best.profit == pytest.approx(20 * piece.discount - cost - 4 * FEE / 100, abs=1e-12)
    assert [leg.quantity for leg in best.legs] == [1, -1, -1, 1]
    assert sum(leg.quantity * leg.price for leg in best.legs) == pytest.approx(cost)
    assert best.hedge == 0
    assert (found.profitable, len(found.best)) == (1, 1)
    free = boxes(planted, fee_per_contract=0.0, top=5)
    assert free.profitable > len(free.best) == 5, "each of the two also disagrees with the strikes between"
    assert [item.profit for item in free.best] == sorted((item.profit for item in free.best), reverse=True)


def test_the_reverse_is_a_short_box_in_europe_and_nothing_in_america():
    def searched(european):
        priced = made_chain(european=european)
        rich, cheap = (row_of(priced, piece=1, strike=strike, call=True) for strike in (90.0, 110.0))
        return boxes(shifted(shifted(priced, rich, 0.05), cheap, -0.05), fee_per_contract=FEE)

    europe, america = searched(european=True), searched(european=False)
    assert (europe.best[0].kind, europe.best[0].strikes) == ("short_box", (90.0, 110.0))
    assert all(item.kind == "long_box" and item.strikes != (90.0, 110.0) for item in america.best)
    assert europe.pairs == 2 * america.pairs


def test_an_american_long_box_must_also_pay_for_the_dividends_it_may_lose():
    def best(dividend_yield):
        priced = made_chain(european=False, dividend_yield=dividend_yield)
        cheap, rich = (row_of(priced, piece=1, strike=strike, call=True) for strike in (90.0, 110.0))
        return boxes(shifted(shifted(priced, cheap, -0.05), rich, 0.05), fee_per_contract=FEE).best

    assert best(0.0)[0].kind == "long_box"
    assert not best(0.05)


def test_a_gap_beyond_belief_is_a_stale_quote_and_counted_as_one():
    priced = made_chain(european=True)
    planted = shifted(priced, row_of(priced, piece=1, strike=100.0, call=True), 0.8)
    gaps = parity_gaps(planted, fee_per_contract=FEE)
    assert (gaps.found, gaps.stale) == ((), 1)
    assert not boxes(planted, fee_per_contract=FEE).best


def test_only_good_rows_and_parity_forwards_take_part():
    priced = made_chain(european=True)
    row = row_of(priced, piece=1, strike=100.0, call=True)
    planted = shifted(priced, row, 0.05)
    bad = planted.good.copy()
    bad[row] = False
    assert not parity_gaps(replace(planted, good=bad), fee_per_contract=FEE).found
    guessed = replace(planted, slices=tuple(replace(piece, forward_source="curve") for piece in planted.slices))
    assert len(parity_gaps(guessed, fee_per_contract=FEE)) == 0
    assert boxes(guessed, fee_per_contract=FEE).pairs == 0


def test_unknown_sizes_stay_unknown():
    priced = made_chain(european=True)
    planted = shifted(priced, row_of(priced, piece=1, strike=100.0, call=True), 0.05)
    planted = replace(planted, chain=replace(planted.chain, bid_size=np.full(len(planted.chain), np.nan)))
    assert parity_gaps(planted, fee_per_contract=FEE).found[0].units is None


@pytest.mark.shared_data
@pytest.mark.parametrize("day", ["2019-06-20", "2019-05-13"])
def test_the_close_of_a_real_index_market_leaves_nothing(shared_data, day):
    chain = spx_close(shared_data, day)
    priced = price_chain(chain, as_of=chain.as_of, curve=CURVE_2019_06, settings=ChainSettings())
    gaps = parity_gaps(priced, fee_per_contract=FEE, rate_doubt=0.0025)
    found = boxes(priced, fee_per_contract=FEE, rate_doubt=0.0025)
    assert len(gaps) > 1000
    assert found.pairs > 800_000
    assert (gaps.found, found.best) == ((), ())
    assert gaps.stale <= 0.005 * len(gaps)
