"""Full revaluation on a real chain: each contract on its moved smile, and no spread ever beyond its strikes."""

import numpy as np
import pytest

from options import black
from options.chain import price_chain
from options.settings import ChainSettings
from risk.revaluation import Line, Scenarios, revalue, revalue_lines, risk_book
from tests.options.real_chains import CURVE_2019_06, spx_close
from tests.risk.made_books import leg_of

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def priced(shared_data):
    chain = spx_close(shared_data)
    return price_chain(chain, as_of=chain.as_of, curve=CURVE_2019_06, settings=ChainSettings())


def liquid(priced, count, seed=0):
    rows = np.flatnonzero(priced.good & np.isfinite(priced.iv) & (np.abs(priced.k) < 0.2))
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))


def one(spot, vol=0.0, rate=0.0, days=0.0):
    return Scenarios(("SPX",), np.array([[spot]]), np.array([[vol]]), np.array([rate]), np.array([days]))


def test_every_contract_is_worth_its_smile_now_and_blacks_price_on_its_moved_smile_later(priced):
    rows = liquid(priced, 200)
    book = risk_book([Line(str(row), "SPX", leg_of(priced, row), 1, 0.0) for row in rows], {"SPX": priced})
    assert book.missing == ()
    assert np.median(np.abs(book.value - priced.mid[rows]) / priced.spread[rows]) < 0.5
    assert revalue(book, one(0.0)).tolist() == [0.0]
    spot, vol, rate, days = -0.06, 0.45, 0.002, 1.0
    found = revalue_lines(book, one(spot, vol, rate, days))[0] / 100 + book.value
    pieces = {int(row): piece for piece in priced.slices for row in piece.rows}
    for row, value in zip(rows, found, strict=True):
        piece = pieces[int(row)]
        left = max(piece.tau - days / 365, 0.0)
        carry = np.log(piece.forward / priced.spot) / piece.tau
        forward = priced.spot * (1 + spot) * np.exp((carry + rate) * left)
        k = np.log(priced.chain.strike[row] / forward)
        weight = np.sqrt(30 / max(365 * piece.tau, 7))
        factor = 1 + vol * weight if vol > 0 else (1 + vol) ** weight
        growth = max(left / piece.tau * factor**2, 1e-200)
        moved = np.sqrt(growth * float(piece.smile.svi.total_variance(k / np.sqrt(growth))) / (left or 1.0))
        discount = np.exp((np.log(piece.discount) / piece.tau - rate) * left)
        price = black.price(forward=forward, strike=priced.chain.strike[row], tau=left, discount=discount, vol=moved,
                            is_call=priced.chain.is_call[row])  # fmt: skip
        assert value == pytest.approx(float(price), abs=1e-8)


def test_no_vertical_ever_loses_more_than_its_strikes_lie_apart(priced):
    pieces = [piece for piece in priced.slices if piece.smile is not None][:12]
    lines, widths = [], []
    for piece in pieces:
        puts = [r for r in piece.rows if not priced.chain.is_call[r] and priced.good[r] and -0.15 < priced.k[r] < 0]
        for low, high in zip(puts[::6], puts[5::6], strict=False):
            key, width = str(high), float(priced.chain.strike[high] - priced.chain.strike[low])
            lines += [
                Line(key, "SPX", leg_of(priced, high), -1, 100 * width),
                Line(key, "SPX", leg_of(priced, low), 1, 100 * width),
            ]
            widths.append(width)
    book = risk_book(lines, {"SPX": priced})
    assert len(widths) > 30
    now = (book.value * book.size).reshape(-1, 2).sum(axis=1)
    for spot in (-0.6, -0.3, -0.1, -0.02, 0.02, 0.1, 0.3):
        for vol in (-0.5, 0.0, 1.0, 3.0):
            pnl = revalue_lines(book, one(spot, vol, days=1.0)).reshape(-1, 2).sum(axis=1)
            worth = now + pnl
            assert (worth >= -100 * np.array(widths) - 1e-9).all()
            assert (worth <= 1e-9).all()
