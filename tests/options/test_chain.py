"""Hygiene, refusals, parity and pricing of whole chains: made ones, where every number is known, and real ones."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from domain.units import year_fraction
from options.black import IvStatus
from options.chain import Flag, forward_curve, implied_spot, price_chain
from options.hygiene import flag_rows
from options.measures import atm_vol_at, risk_reversal_25
from options.priced import ChainRefusal, PricedChain
from options.rates import RateCurve
from options.settings import ChainSettings
from tests.options.made_chain import AS_OF, made_chain
from tests.options.real_chains import CURVE_2019_06, CURVE_2026_02, snapshot, spx_close

SETTINGS = ChainSettings()
CURVE = RateCurve(np.array([1.0]), np.array([0.03]))


def chain(**changes):
    """A European chain on 100 with yield 1 %, rate 3 %, and quotes rounded to cents."""
    return made_chain(european=True, **changes).chain


def priced(made, *, as_of=None, curve=CURVE, settings=SETTINGS):
    return price_chain(made, as_of=as_of or made.as_of, curve=curve, settings=settings)


def edited(made, **columns):
    """The chain with `column=(rows, value)` overwritten."""
    changed = {}
    for name, (rows, value) in columns.items():
        changed[name] = getattr(made, name).copy()
        changed[name][rows] = value
    return replace(made, **changed)


def row(made, strike, *, is_call=True, expiry=0):
    """Index of a contract by strike, side and number of expiry."""
    day = np.unique(made.expiry)[expiry]
    return int(np.flatnonzero((made.strike == strike) & (made.is_call == is_call) & (made.expiry == day))[0])


def test_the_yaml_file_says_what_the_defaults_say():
    text = (Path(__file__).parents[2] / "config" / "chain.yaml").read_text()
    assert ChainSettings(**yaml.safe_load(text)) == SETTINGS
    assert yaml.safe_load(text).keys() == ChainSettings.model_fields.keys()


def test_a_clean_chain_gives_back_the_smile_forward_and_greeks_it_was_made_of():
    truth = made_chain(european=True)
    found = priced(truth.chain)
    assert isinstance(found, PricedChain)
    assert found.notes == ()
    assert found.chain.spot_source == "quoted"
    np.testing.assert_allclose(found.forward, truth.forward, rtol=3e-5)
    np.testing.assert_allclose(found.discount, truth.discount, rtol=5e-4)
    liquid = found.good & (np.abs(truth.k) < 0.1)
    np.testing.assert_allclose(found.iv[liquid], truth.iv[liquid], atol=0.004)  # a cent at 18 days
    for name in ("delta", "gamma", "vega", "theta", "vanna", "charm"):
        scale = np.abs(getattr(truth, name)[liquid]).max()
        np.testing.assert_allclose(
            getattr(found, name)[liquid], getattr(truth, name)[liquid], atol=0.02 * scale, err_msg=name
        )
    for mine, theirs in zip(found.slices, truth.slices, strict=True):
        assert (mine.expiry, mine.expires_at, mine.forward_source) == (theirs.expiry, theirs.expires_at, "parity")
        assert mine.atm_vol == pytest.approx(theirs.atm_vol, abs=0.001)


def test_same_chain_same_bytes_whatever_the_order_of_its_rows():
    made = chain()
    shuffled = np.random.default_rng(0).permutation(len(made))
    one, other = priced(made), priced(made.rows(shuffled))
    for name in ("iv", "delta", "vega", "flags", "forward"):
        assert getattr(one, name)[shuffled].tobytes() == getattr(other, name).tobytes(), name
    assert [s.smile.svi for s in one.slices] == [s.smile.svi for s in other.slices]


@pytest.mark.parametrize(
    ("columns", "flag"),
    [
        ({"bid": 3.0, "ask": 2.0}, Flag.CROSSED),
        ({"bid": 2.0, "ask": 2.0}, Flag.LOCKED),
        ({"bid": 0.0, "ask": 0.05}, Flag.ZERO_BID),
        ({"bid": np.nan}, Flag.NO_QUOTE),
        ({"bid": 0.0, "ask": 0.0}, Flag.NO_QUOTE),
        ({"bid": 0.5, "ask": 3.5}, Flag.WIDE),
        ({"standard": False}, Flag.NON_STANDARD),
        ({"multiplier": np.nan}, Flag.NO_MULTIPLIER),
        ({"multiplier": 0.0}, Flag.NO_MULTIPLIER),
        ({"strike": np.nan}, Flag.BAD_NUMBER),
        ({"ask": np.inf}, Flag.BAD_NUMBER),
        ({"bid": -1.0}, Flag.BAD_NUMBER),
        ({"bid": 120.0, "ask": 121.0}, Flag.STATIC_BOUND),  # a call worth more than the share
        ({"bid": 9.00, "ask": 9.02}, Flag.OFF_SMILE),  # stale: its neighbours say about 2
    ],
)
def test_a_bad_quote_is_flagged_counted_and_left_unpriced_while_its_neighbours_stand(columns, flag):
    made = chain()
    at = row(made, 100.0)
    found = priced(edited(made, **{name: (at, value) for name, value in columns.items()}))
    assert found.flags[at] & flag
    assert not found.good[at]
    assert np.isnan(found.iv[at])
    assert found.iv_status[at] == IvStatus.BAD_INPUT
    clean = priced(made)
    name = flag.name.lower()
    assert found.flag_counts[name] == clean.flag_counts.get(name, 0) + 1
    others = clean.good.copy()
    others[at] = False
    assert found.good[others].all()
    near = others & (np.abs(clean.k) < 0.1)
    np.testing.assert_allclose(found.iv[near], clean.iv[near], atol=2e-3)
    if np.isfinite(found.chain.strike[at]):
        assert np.isfinite(found.gamma[at])  # valued at the smile, so that exposure stays whole


def test_a_missing_multiplier_is_never_taken_for_a_hundred():
    found = priced(edited(chain(), multiplier=(slice(None), np.nan)))
    assert found.flag_counts["no_multiplier"] == len(found.chain)
    assert not found.good.any()


def test_identical_duplicates_keep_one_row_and_disagreeing_ones_none():
    made = chain()
    at = row(made, 100.0)
    doubled = made.rows(np.append(np.arange(len(made)), at))
    assert flag_rows(doubled, as_of=AS_OF, settings=SETTINGS)[[at, -1]].tolist() == [0, Flag.DUPLICATE]
    disagreeing = edited(doubled, ask=(len(made), 99.0))
    assert (flag_rows(disagreeing, as_of=AS_OF, settings=SETTINGS)[[at, -1]] & Flag.DUPLICATE).all()


def test_a_wide_quote_of_a_dime_is_not_wide():
    made = chain()
    at = row(made, 125.0)
    assert priced(edited(made, bid=(at, 0.01), ask=(at, 0.11))).flag_counts.get("wide") is None


def test_contracts_past_their_settlement_are_flagged_and_lose_their_slice():
    made = chain(dtes=(0, 32))
    found = priced(
        replace(made, as_of=datetime(2026, 3, 2, 20, 50, tzinfo=UTC)), as_of=datetime(2026, 3, 2, 21, 0, tzinfo=UTC)
    )
    assert found.flag_counts["expired"] == len(made) // 2
    assert len(found.slices) == 1
    assert (found.iv_status[made.expiry == made.expiry.min()] == IvStatus.EXPIRED).all()


@pytest.mark.parametrize(
    ("code", "change", "late"),
    [
        ("empty_chain", lambda made: made.rows(np.zeros(len(made), dtype=bool)), 0),
        ("future_chain", lambda made: made, -1),
        ("stale_chain", lambda made: made, 31),
        ("out_of_session", lambda made: replace(made, as_of=made.as_of + timedelta(hours=7)), 7 * 60),
        ("out_of_session", lambda made: replace(made, as_of=made.as_of + timedelta(days=5)), 5 * 1440),  # a Saturday
        ("bad_numbers", lambda made: replace(made, spot=float("nan")), 0),
        ("bad_numbers", lambda made: edited(made, strike=(slice(0, 60), np.nan)), 0),
        ("expired", lambda made: edited(made, expires_at=(slice(None), np.datetime64("2026-02-20T21:00:00"))), 0),
        ("one_sided_chain", lambda made: made.rows(made.is_call), 0),
        ("one_sided_chain", lambda made: made.rows(~made.is_call), 0),
        ("one_sided_chain", lambda made: edited(made, bid=(slice(None), 0.0)), 0),
        ("one_sided_chain", lambda made: edited(made, bid=(made.is_call, np.nan)), 0),
        ("all_crossed", lambda made: replace(made, bid=made.ask + 0.01), 0),
        ("mostly_crossed", lambda made: edited(made, ask=(slice(0, 200), 0.001)), 0),
        ("spot_mismatch", lambda made: replace(made, spot=700.0), 0),  # a 7:1 split not applied
    ],
)
def test_a_chain_that_cannot_be_used_says_why_with_numbers(code, change, late):
    made = change(chain())
    found = priced(made, as_of=AS_OF + timedelta(minutes=late))
    assert isinstance(found, ChainRefusal)
    assert found.code == code
    assert found.detail.startswith("The chain of XYZ ")
    assert found.detail.endswith(".")
    assert any(character.isdigit() for character in found.detail) or code in ("empty_chain", "bad_numbers")
    assert found.numbers


def test_thirty_minutes_old_is_still_fresh_and_a_run_at_the_exact_close_is_in_session():
    made = chain()
    assert isinstance(priced(made, as_of=AS_OF + timedelta(minutes=30)), PricedChain)
    at_close = replace(made, as_of=datetime(2026, 3, 2, 21, 0, tzinfo=UTC))
    assert isinstance(priced(at_close), PricedChain)


def test_spot_out_of_step_with_its_options_is_replaced_by_parity_and_noted():
    made = replace(chain(), spot=101.0)
    found = priced(made)
    assert found.chain.spot_source == "parity"
    assert found.spot == pytest.approx(100.0, abs=0.1)
    note = next(n for n in found.notes if n.code == "spot_from_parity")
    assert "101.00" in note.detail
    assert f"{found.spot:.2f}" in note.detail
    atm = row(made, 100.0)
    assert found.delta[atm] == pytest.approx(priced(chain()).delta[atm], abs=0.01)


def test_a_spot_within_what_parity_can_tell_is_kept():
    assert priced(replace(chain(), spot=100.1)).spot == 100.1


def test_parity_gives_the_rate_of_a_european_chain_but_not_of_an_american_one():
    wrong_curve = RateCurve(np.array([1.0]), np.array([0.0]))
    european = forward_curve(chain(dtes=(365,)), usable=np.ones(58, dtype=bool), curve=wrong_curve, settings=SETTINGS)
    assert -np.log(european[0].discount) / european[0].tau == pytest.approx(0.03, abs=0.002)
    american = made_chain(dtes=(365,)).chain
    found = forward_curve(american, usable=np.ones(58, dtype=bool), curve=wrong_curve, settings=SETTINGS)
    assert found[0].discount == 1.0
    assert found[0].pairs == SETTINGS.american_parity_pairs
    assert "american_parity" in {n.code for n in priced(american).notes}


def test_one_absurd_pair_does_not_move_the_forward():
    made = chain(dtes=(32,))
    clean = priced(made).slices[0].forward
    for strike in (75.0, 100.0, 102.5):
        at = row(made, strike)
        bad = edited(made, bid=(at, made.bid[at] + 8.0), ask=(at, made.ask[at] + 8.0))
        assert priced(bad).slices[0].forward == pytest.approx(clean, abs=0.01)


def test_without_pairs_the_forward_is_grown_spot_and_without_a_curve_either_there_is_none():
    made = chain(dtes=(32,))
    odd = np.round(made.strike / 2.5) % 2 == 1
    unpaired = made.rows(odd == made.is_call)
    found = priced(unpaired)
    tau = float(year_fraction(made.as_of, made.expires_at[:1])[0])
    assert found.slices[0].forward == pytest.approx(100 * np.exp(0.03 * tau))
    assert (found.slices[0].forward_source, found.slices[0].parity_pairs) == ("curve", 0)
    assert [n.code for n in found.notes] == ["forward_from_curve"]
    refused = priced(unpaired, curve=None)
    assert isinstance(refused, ChainRefusal)
    assert refused.code == "no_forward"


def test_pairs_that_are_too_far_or_give_an_absurd_forward_are_not_believed():
    made = chain(dtes=(18, 74))
    narrow = priced(made, settings=ChainSettings(parity_window=0.02))
    assert {s.forward_source for s in narrow.slices} == {"curve"}
    late = made.expiry == made.expiry.max()
    elsewhere = priced(edited(made, strike=(late, made.strike[late] * 1.4)))
    assert [s.forward_source for s in elsewhere.slices] == ["parity", "curve"]
    assert elsewhere.spot == 100.0


def test_an_expiry_without_forward_is_flagged_while_the_others_are_priced():
    made = chain(dtes=(18, 46))
    late = made.expiry == made.expiry.max()
    found = priced(made.rows(~late | made.is_call), curve=None)
    assert found.flag_counts["no_forward"] == late.sum() / 2
    assert len(found.slices) == 1


def test_without_a_curve_an_american_discount_is_one_and_says_so():
    found = priced(made_chain().chain, curve=None)
    assert {s.discount for s in found.slices} == {1.0}
    assert {n.code for n in found.notes} >= {"rate_unknown", "american_parity"}


def test_implied_spot_is_none_without_parity():
    made = chain()
    assert implied_spot(made.rows(made.is_call), curve=CURVE, settings=SETTINGS) is None
    found = implied_spot(made, curve=None, settings=SETTINGS)
    assert found.spot == pytest.approx(100, abs=0.1)
    assert found.expiries == 4


@pytest.mark.shared_data
def test_spx_parity_holds_and_vols_agree_with_the_vendor(shared_data):
    made = spx_close(shared_data)
    found = priced(made, curve=CURVE_2019_06)
    assert isinstance(found, PricedChain)
    assert found.chain.spot_source == "quoted"
    assert implied_spot(made, curve=CURVE_2019_06, settings=SETTINGS).spot == pytest.approx(made.spot, rel=1e-4)
    for piece in found.slices:
        assert piece.parity_residual < 0.001 * made.spot
        rate = -np.log(piece.discount) / piece.tau
        assert 0.015 < rate < 0.04
        assert piece.smile is not None
    compared = found.good & (made.vendor_iv > 0) & (np.abs(found.k) < 0.1) & (found.tau > 7 / 365)
    compared &= np.isfinite(found.iv)
    difference = np.abs(found.iv - made.vendor_iv)[compared]
    assert compared.sum() > 3_000
    assert np.median(difference) < 0.0005
    assert np.quantile(difference, 0.95) < 0.004


@pytest.mark.shared_data
def test_spx_smiles_pass_inside_the_quotes(shared_data):
    found = priced(spx_close(shared_data, "2019-07-10"), curve=CURVE_2019_06)
    inside, misses = [], []
    for piece in found.slices:
        rows = piece.rows[found.good[piece.rows]]
        near = np.abs(found.k[rows]) < 2 * found.iv[rows] * np.sqrt(piece.tau)
        rows = rows[near & (found.chain.is_call[rows] == (found.k[rows] >= 0))]
        miss = piece.smile.vol(found.k[rows]) - found.iv[rows]
        inside.append(np.mean(np.abs(miss) * found.vega[rows] <= 0.5 * found.spread[rows]))
        misses.append(np.sqrt(np.mean(miss**2)))
    assert np.median(inside) >= 0.95
    assert np.median(misses) < 0.0004
    assert risk_reversal_25(found.slices[-1]) < -0.01
    assert 0.08 < atm_vol_at(found, 30) < atm_vol_at(found, 90) < 0.2


@pytest.mark.shared_data
@pytest.mark.parametrize(("ticker", "moment"), [("SPY", 0), ("AAPL", 2), ("TSLA", 3)])
def test_yahoo_chains_price_on_a_spot_their_options_agree_with(shared_data, ticker, moment):
    made = snapshot(shared_data, ticker, moment)
    found = priced(made, curve=CURVE_2026_02)
    assert isinstance(found, PricedChain)
    implied = implied_spot(made, curve=CURVE_2026_02, settings=SETTINGS)
    assert implied.spot == pytest.approx(made.spot, rel=0.012)
    assert found.spot == pytest.approx(implied.spot, rel=SETTINGS.spot_tolerance)
    assert (found.chain.spot_source == "parity") == (ticker == "TSLA")  # quoted 0.9 % off its options
    assert found.good.mean() > 0.8
    assert all(piece.smile is not None for piece in found.slices)
    assert 0.1 < atm_vol_at(found, 30) < 0.6
    assert np.isfinite(found.gamma[~np.isnan(found.forward)]).all()
