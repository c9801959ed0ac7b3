"""What is read off smiles: constant maturities, deltas, skew, forward volatility."""

from dataclasses import replace

import numpy as np
import pytest

from options.measures import atm_vol_at, butterfly_25, forward_vol, risk_reversal_25, skew_at, vol_at_delta
from options.smile import smile_vol
from tests.options.made_chain import made_chain


def test_constant_maturity_is_linear_in_total_variance():
    priced = made_chain(vol=0.2, skew=0.0, curve=0.0, term=0.3, dtes=(18, 46))
    near, far = priced.slices
    tau = 30 / 365
    share = (tau - near.tau) / (far.tau - near.tau)
    variance = (1 - share) * near.atm_vol**2 * near.tau + share * far.atm_vol**2 * far.tau
    assert atm_vol_at(priced, 30) == pytest.approx(np.sqrt(variance / tau), rel=1e-12)


def test_outside_the_listed_expiries_only_a_quarter_of_the_maturity_is_bridged():
    priced = made_chain(dtes=(32, 46))
    assert atm_vol_at(priced, 30) == priced.slices[0].atm_vol
    assert atm_vol_at(priced, 55) == priced.slices[-1].atm_vol
    assert np.isnan(atm_vol_at(priced, 20))
    assert np.isnan(atm_vol_at(priced, 90))
    assert np.isnan(atm_vol_at(replace(priced, slices=()), 30))
    unfitted = tuple(replace(s, smile=None, atm_vol=float("nan")) for s in priced.slices)
    assert np.isnan(atm_vol_at(replace(priced, slices=unfitted), 30))


def test_skew_measures_have_their_defined_signs_and_sizes():
    piece = made_chain(skew=-0.2, curve=0.5).slices[1]
    s = np.sqrt(piece.tau)
    for delta in (0.25, -0.25):
        vol = vol_at_delta(piece, delta)
        z = {0.25: 0.6744897501960817, -0.25: -0.6744897501960817}[delta]
        strike = z * vol * s + 0.5 * vol**2 * piece.tau  # N(d1) = 0.25, or 0.75
        assert float(smile_vol(piece.smile, strike)) == pytest.approx(vol, abs=1e-5)
    assert risk_reversal_25(piece) < 0  # puts dearer
    assert butterfly_25(piece) > 0
    mean = (vol_at_delta(piece, 0.25) + vol_at_delta(piece, -0.25)) / 2
    assert butterfly_25(piece) == pytest.approx(mean - piece.atm_vol)


def test_skew_beyond_the_quotes_is_not_guessed():
    piece = made_chain().slices[0]
    narrow = replace(piece.smile, k_low=-0.012, k_high=0.012)
    assert np.isnan(risk_reversal_25(replace(piece, smile=narrow)))
    assert np.isnan(butterfly_25(replace(piece, smile=None)))


def test_constant_maturity_skew_lies_between_its_neighbours():
    priced = made_chain(skew=-0.2, curve=0.5)
    found = skew_at(priced, 40)
    around = sorted(risk_reversal_25(s) for s in priced.slices[1:3])
    assert around[0] < found.risk_reversal < around[1]
    assert found.butterfly > 0


def test_forward_vol_is_what_links_two_expiries_and_refuses_calendar_arbitrage():
    near, far = made_chain(term=0.2, dtes=(18, 46)).slices
    between = forward_vol(near, far)
    assert near.atm_vol**2 * near.tau + between**2 * (far.tau - near.tau) == pytest.approx(far.atm_vol**2 * far.tau)
    assert np.isnan(forward_vol(far, near))
    assert np.isnan(forward_vol(replace(near, atm_vol=0.9), far))
