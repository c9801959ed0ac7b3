"""The whole book in every scenario; what cannot be revalued stands at its worst case, once a structure."""

from dataclasses import replace

import numpy as np
import pytest

from domain.errors import DataError
from options import black
from risk.revaluation import Line, Scenarios, covering, revalue, revalue_lines, risk_book, sensitivities
from tests.risk.made_books import CHAINS, book, leg_of, line, put_spread, row_of, scenarios, straddle

SHARES = Line("shares", "ABC", None, 200, 20_000.0)


def one(spot=0.0, vol=0.0, rate=0.0, days=0.0, tickers=("ABC",)):
    shape = np.ones((1, len(tickers)))
    return Scenarios(tickers, spot * shape, vol * shape, np.array([rate]), np.array([days]))


def test_a_book_lists_its_lines_as_given_with_the_numbers_of_their_rows():
    found = book(line("B", "XYZ", -2, strike=50.0), SHARES, line("A", "ABC", 3, strike=95.0, call=False))
    assert found.keys == ("B", "shares", "A")
    assert found.tickers == ("ABC", "XYZ")
    assert found.spot.tolist() == [100.0, 50.0]
    assert found.underlying.tolist() == [1, 0, 0]
    assert found.size.tolist() == [-200.0, 200.0, 300.0]
    assert found.is_option.tolist() == [True, False, True]
    assert found.european.tolist() == [False, False, True]
    assert found.is_call.tolist() == [True, False, False]
    row = row_of(CHAINS["ABC"], strike=95.0, call=False)
    chain = CHAINS["ABC"]
    assert (found.strike[2], found.tau[2], found.vol[2]) == (95.0, chain.tau[row], chain.iv[row])
    assert (found.forward[2], found.discount[2]) == (chain.forward[row], chain.discount[row])
    assert np.isnan(found.strike[1])
    assert found.value[1] == 100.0
    worth = black.price(forward=chain.forward[row], strike=95.0, tau=chain.tau[row], discount=chain.discount[row],
                        vol=chain.iv[row], is_call=False)  # fmt: skip
    assert found.value[2] == pytest.approx(float(worth), abs=1e-12)
    assert found.worst_case == 1_000.0 + 20_000.0 + 1_000.0
    assert found.missing == ()
    assert found.missing_worst_case == 0.0


def test_nothing_moved_is_no_profit_at_all():
    held = book(*put_spread(), *straddle("S", "XYZ", -3), SHARES)
    assert revalue(held, one(tickers=("ABC", "XYZ"))).tolist() == [0.0]


def test_shares_move_one_for_one_and_options_by_their_contracts():
    moved = one(spot=-0.1)
    assert revalue(book(SHARES), moved).tolist() == [pytest.approx(-2_000.0)]
    single, five = revalue(book(line()), moved), revalue(book(line(quantity=5)), moved)
    assert five[0] == pytest.approx(5 * single[0])
    assert revalue(book(line(quantity=-1)), moved)[0] == -single[0]


def test_the_book_is_the_sum_of_its_lines_whatever_the_columns_of_the_scenarios():
    held = book(*put_spread("P", "XYZ", 2), SHARES, *straddle())
    moved = scenarios(200, tickers=("XYZ", "QQQ", "ABC"))
    each = revalue_lines(held, moved)
    assert each.shape == (200, 5)
    np.testing.assert_allclose(revalue(held, moved), each.sum(axis=1), atol=1e-9)
    turned = Scenarios(("ABC", "XYZ"), moved.spot[:, [2, 0]], moved.vol[:, [2, 0]], moved.rate, moved.days)
    assert np.array_equal(revalue(held, turned), revalue(held, moved))


def test_a_missing_leg_puts_the_whole_structure_at_its_worst_case_once():
    unlisted = line("P1", quantity=1, worst=450.0)
    unlisted = unlisted._replace(leg=unlisted.leg.model_copy(update={"symbol": "ABC   260401C00999000"}))
    held = book(put_spread()[0], unlisted, put_spread()[1], SHARES)
    assert held.keys == ("shares",)
    assert [item.reason for item in held.missing] == ["ABC   260401C00999000 is not in the chain"]
    assert held.missing_names == ("ABC P1: ABC   260401C00999000 is not in the chain",)
    assert held.missing_worst_case == 450.0
    assert held.worst_case == 20_450.0
    assert revalue(held, one(spot=0.01)).tolist() == [pytest.approx(200.0 - 450.0)]


def test_without_a_bound_there_is_no_floor_under_the_loss():
    held = book(Line("X", "ZZZ", None, -10, None), SHARES)
    assert held.worst_case is None
    assert held.missing_worst_case is None
    assert revalue(held, one()).tolist() == [-np.inf]


def test_the_worst_case_of_a_structure_is_none_if_any_line_has_none_and_else_the_greatest():
    first, second = put_spread()
    assert book(first, second._replace(worst_case=None)).worst_case is None
    assert book(first._replace(worst_case=None), second).worst_case is None
    assert book(first, second._replace(worst_case=500.0)).worst_case == 500.0


@pytest.mark.parametrize("worst", [-1.0, float("nan"), float("inf")])
def test_a_worst_case_that_is_no_amount_is_refused(worst):
    with pytest.raises(DataError, match="worst case"):
        book(line(worst=worst))


def test_underlyings_the_scenarios_do_not_know_stand_at_their_worst_case():
    held = book(*put_spread("P", "XYZ", worst=300.0), *put_spread("Q", "XYZ", worst=40.0), SHARES)
    moved = one(spot=0.01)
    assert revalue(held, moved).tolist() == [pytest.approx(200.0 - 340.0)]
    assert [item.line.key for item in covering(held, moved).missing] == ["P", "Q"]
    assert covering(held, moved).tickers == ("ABC",)
    with pytest.raises(DataError, match="nothing about XYZ"):
        revalue_lines(held, moved)
    assert covering(held, scenarios()) is held


def test_what_is_left_of_a_book_is_revalued_as_before():
    held = book(*put_spread("P", "XYZ"), *straddle(), SHARES)
    rest, alone = held.without({"XYZ"}, "left out"), book(*straddle(), SHARES)
    assert np.array_equal(revalue_lines(rest, scenarios()), revalue_lines(alone, scenarios()))
    assert rest.value.tolist() == alone.value.tolist()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"standard": np.zeros(500, dtype=bool)}, "delivers something else than 100 shares"),
        ({"multiplier": np.full(500, 10.0)}, "delivers something else than 100 shares"),
    ],
)
def test_another_deliverable_is_not_what_is_held(changes, reason):
    chain = CHAINS["ABC"]
    raw = replace(chain.chain, **{name: values[: len(chain.chain)] for name, values in changes.items()})
    held = risk_book([line()], {"ABC": replace(chain, chain=raw)})
    assert held.missing[0].reason.endswith(reason)


def test_no_chain_no_expiry_and_no_price_are_said():
    other = leg_of(CHAINS["ABC"], 0, expiry=CHAINS["ABC"].slices[0].expiry.replace(year=2031))
    held = book(line("A")._replace(ticker="NON"), Line("B", "ABC", other, 1, 1.0), Line("C", "NON", None, 5, 9.0))
    assert [item.reason for item in held.missing] == [
        "no chain of NON", f"{other.symbol} is not in the chain", "no price of NON",
    ]  # fmt: skip
    priced = book(Line("C", "NON", None, 5, 9.0), spots={"NON": 20.0})
    assert (priced.tickers, priced.value.tolist()) == (("NON",), [20.0])
    assert book(Line("C", "NON", None, 5, 9.0), spots={"NON": 0.0}).missing[0].reason == "no price of NON"


def test_an_option_is_valued_on_its_smile_and_without_one_at_its_own_volatility_at_every_strike():
    chain = CHAINS["ABC"]
    row = row_of(chain, strike=100.0, call=True)
    dear = replace(chain, iv=chain.iv + 0.05)
    assert risk_book([line()], {"ABC": dear}).vol[0] == pytest.approx(chain.iv[row])
    bare = replace(dear, slices=tuple(replace(piece, smile=None) for piece in chain.slices))
    flat = risk_book([line()], {"ABC": bare})
    found = revalue(flat, one(spot=0.05))[0]
    price = black.price(forward=chain.forward[row] * 1.05, strike=100.0, tau=chain.tau[row],
                        discount=chain.discount[row], vol=dear.iv[row], is_call=True)  # fmt: skip
    assert found == pytest.approx(100 * (float(price) - flat.value[0]), abs=1e-9)
    neither = replace(bare, iv=np.full(len(chain.iv), np.nan))
    missing = risk_book([line()], {"ABC": neither}).missing
    assert missing[0].reason.endswith("has neither a smile nor a volatility of its own")


def test_a_slice_of_three_hyperbolas_is_read_whole():
    from options.hyperbolas import BentSvi, numbers_of

    chain = CHAINS["ABC"]
    own = numbers_of(chain.slices[1].smile.svi)
    third = (0.004, -0.001, 0.05, 0.1)
    longer = BentSvi((*own.tolist(), *third))
    pieces = [replace(p, smile=replace(p.smile, svi=longer)) if i == 1 else p for i, p in enumerate(chain.slices)]
    held = risk_book([line(), line("B", expiry=0)], {"ABC": replace(chain, slices=tuple(pieces))})
    moved = one(spot=-0.05)
    row = row_of(chain, strike=100.0, call=True)
    k1 = np.log(100.0 / (chain.forward[row] * 0.95))
    vol = float(np.sqrt(longer.total_variance(k1) / chain.tau[row]))
    price = black.price(forward=chain.forward[row] * 0.95, strike=100.0, tau=chain.tau[row],
                        discount=chain.discount[row], vol=vol, is_call=True)  # fmt: skip
    assert revalue_lines(held, moved)[0, 0] == pytest.approx(100 * (float(price) - held.value[0]), abs=1e-9)
    plain = book(line("B", expiry=0))
    assert revalue_lines(held, moved)[0, 1] == revalue_lines(plain, moved)[0, 0]


def test_sensitivities_are_the_slopes_of_the_revaluation():
    held = book(*straddle(units=2), SHARES, line("X", "XYZ", -1, strike=50.0))
    found = sensitivities(held)
    chain, row = CHAINS["ABC"], row_of(CHAINS["ABC"], strike=100.0, call=True)
    other = row_of(chain, strike=100.0, call=False)
    gamma = 200 * (chain.gamma[row] + chain.gamma[other]) * 100.0**2
    assert found.gamma[0] == pytest.approx(gamma, rel=0.02)
    vega = 200 * (chain.vega[row] + chain.vega[other]) * chain.iv[row] * np.sqrt(30 / 365 / chain.tau[row])
    assert found.vega[0] == pytest.approx(vega, rel=0.01)
    # the smile moves along, so delta differs from the rows' by vega times skew
    assert found.delta[0] == pytest.approx(20_000 + 200 * 100 * (chain.delta[row] + chain.delta[other]), rel=0.1)
    assert found.theta == pytest.approx(revalue(held, one(days=1.0, tickers=("ABC", "XYZ")))[0])
    assert found.delta[1] < 0


@pytest.mark.parametrize(
    "broken",
    [
        {"spot": np.full((2, 1), -1.0)},
        {"vol": np.full((2, 1), -1.01)},
        {"days": np.array([0.0, -1.0])},
        {"rate": np.array([0.0, np.nan])},
        {"spot": np.zeros((2, 2))},
        {"vol": np.zeros((3, 1))},
        {"days": np.zeros(3)},
    ],
)
def test_scenarios_that_cannot_be_are_refused(broken):
    fields = {"spot": np.zeros((2, 1)), "vol": np.full((2, 1), -1.0), "rate": np.zeros(2), "days": np.zeros(2)}
    assert len(Scenarios(("ABC",), **fields)) == 2
    with pytest.raises(DataError, match="cenario"):
        Scenarios(("ABC",), **{**fields, **broken})


def test_an_empty_book_gains_nothing():
    assert revalue(book(), scenarios(4)).tolist() == [0.0] * 4
    assert revalue_lines(book(), scenarios(4)).shape == (4, 0)
    assert book().worst_case == 0.0
