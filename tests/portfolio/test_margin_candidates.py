"""What the desk proposes, charged as a broker would: never more than it can lose, and under its own name."""

import numpy as np
import pytest

from options.chain import price_chain
from options.legs import NoCandidate
from options.rates import RateCurve
from options.settings import ChainSettings
from options.strategies import DEFAULTS
from portfolio.margin import reg_t
from tests.options.leg_cases import SETTINGS, favourable, search
from tests.options.real_chains import snapshot


def charged(candidate):
    return reg_t([(leg, leg.quantity) for leg in candidate.legs], spot=candidate.spot)


@pytest.mark.parametrize("structure", DEFAULTS, ids=lambda structure: structure.strategy)
def test_every_structure_that_may_be_proposed_binds_at_most_its_worst_case(structure):
    found = favourable(structure)
    assert not isinstance(found, NoCandidate), found
    for candidate in found:
        requirement = charged(candidate)
        assert 0 < requirement.bound <= candidate.margin
        assert sum(part.amount for part in requirement.structures) == requirement.total
        assert {part.rule for part in requirement.structures} <= {"paid_in_full", "strike_gap"}


@pytest.mark.shared_data
@pytest.mark.parametrize("ticker", ["SPY", "NVDA"])
@pytest.mark.parametrize("name", ["bull_put_spread", "iron_condor", "put_calendar"])
def test_real_candidates_are_charged_under_their_own_name(shared_data, ticker, name):
    chain = snapshot(shared_data, ticker, moment=1)
    curve = RateCurve(np.array([0.1, 1.0]), np.array([0.037, 0.036]))
    priced = price_chain(chain, as_of=chain.as_of, curve=curve, settings=ChainSettings())
    level = next(piece.atm_vol for piece in priced.slices if piece.tau > 30 / 365)
    for candidate in search(name, priced, SETTINGS, forecast_vol=0.85 * level, as_of=chain.as_of):
        requirement = charged(candidate)
        (part,) = requirement.structures
        assert (part.strategy, part.units) == (name, 1)
        assert requirement.bound <= candidate.margin
