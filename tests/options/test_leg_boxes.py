"""Boxes: candidates only where quotes pay for the costs, whatever the view."""

from dataclasses import replace
from decimal import Decimal

import pytest

from options.legs import LegSettings, NoCandidate
from tests.options.leg_cases import price_of, search
from tests.options.made_chain import made_chain


def box_market(change):
    """A European chain with 90 and 110 calls of the second expiry mispriced by `change` USD per share."""
    priced = made_chain(step=10.0, european=True, half_spread=0.02)
    bid, ask = priced.chain.bid.copy(), priced.chain.ask.copy()
    row = price_of(priced, 90.0, call=True, expiry=1)
    bid[row], ask[row] = bid[row] + change, ask[row] + change
    return replace(priced, chain=replace(priced.chain, bid=bid, ask=ask), mid=(bid + ask) / 2)


@pytest.mark.parametrize(("name", "change"), [("long_box", -1.0), ("short_box", 1.0)])
def test_a_box_is_a_candidate_only_where_it_pays_for_its_costs(name, change):
    assert isinstance(search(name, box_market(0.0), LegSettings()), NoCandidate)
    assert search(name, box_market(0.0), LegSettings()).code == "no_edge"
    assert search(name, made_chain(step=10.0), LegSettings()).code == "no_legs"
    market = box_market(change)
    for drift, vol in ((0.0, 0.2), (0.3, 0.9)):
        best = search(name, market, LegSettings(), drift=drift, forecast_vol=vol)[0]
        strikes = [float(leg.strike) for leg in best.legs]
        assert 90.0 in strikes
        width, front = abs(strikes[1] - strikes[0]), market.slices[1]
        sign = 1 if name == "long_box" else -1
        certain = 100 * (float(best.worst_per_share) + sign * width * front.discount) - float(best.fees)
        assert best.expected_value == pytest.approx(certain, abs=0.01)
        assert best.expected_value > 0
        assert best.pop == 1.0
        assert best.fees == Decimal("5.20")  # four contracts, both sides
        assert best.breakevens == ()
        assert best.breakdown["model_doubt"] == 0
        at_stake = -best.worst_per_share if name == "long_box" else Decimal(width)  # all that is paid, or owed
        assert best.max_loss == at_stake * 100 + best.fees
