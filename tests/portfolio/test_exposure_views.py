"""Every side of a book adds up to the same whole, and an unknown part is named, never zero."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from domain.book import Book, Position, SharePosition
from portfolio.aggregate import exposure_views, index_delta, theta_shares
from portfolio.betas import Betas
from tests.options.made_chain import AS_OF
from tests.risk.made_books import CHAINS, leg_of, row_of

BETAS = Betas(index="SPX", window=250, minimum=60, by_ticker={"ABC": 0.5, "XYZ": -2.0}, missing=())
SECTORS = {"ABC": "technology"}


def position(order_id, ticker, quantity, strategy="long_call", **row):
    chain = CHAINS[ticker]
    leg = leg_of(chain, row_of(chain, **row))
    return Position(
        order_id=order_id, ticker=ticker, strategy=strategy, leg=leg, quantity=quantity, average_price=Decimal(1),
        mark=None, mark_source="",
    )  # fmt: skip


def shares(ticker, quantity, mark):
    return SharePosition(ticker=ticker, quantity=quantity, average_price=Decimal(1), mark=mark, mark_source="mid")


CALL = position("O2", "ABC", 2, strike=100.0, call=True)
PUT = position("O1", "XYZ", -3, "short_put", strike=50.0, call=False)


def book(*positions, held=(), nlv=Decimal(50_000)):
    return Book(
        as_of=AS_OF, cash=Decimal(0), positions=positions, nlv=nlv, nlv_as_of=AS_OF, realised=Decimal(0),
        fees=Decimal(0), shares=held,
    )  # fmt: skip


def views(*positions, held=(), nlv=Decimal(50_000), priced=CHAINS, **changes):
    given = {"sectors": SECTORS, "betas": BETAS, **changes}
    return exposure_views(book(*positions, held=held, nlv=nlv), priced, **given)


def test_items_carry_the_rows_greeks_in_dollars_and_the_notional_of_the_underlying():
    found = views(CALL, PUT)
    assert [item.key for item in found.items] == ["O2", "O1"]
    call, row = found.items[0], row_of(CHAINS["ABC"], strike=100.0, call=True)
    chain = CHAINS["ABC"]
    assert call.notional == 20_000.0
    assert call.greeks.delta == pytest.approx(200 * chain.delta[row] * 100)
    assert call.greeks.gamma == pytest.approx(200 * chain.gamma[row] * 100)
    assert call.greeks.vega == pytest.approx(2 * chain.vega[row])
    assert call.greeks.theta == pytest.approx(200 * chain.theta[row] / 365)
    assert (call.sector, found.items[1].sector) == ("technology", "unknown")
    assert found.items[1].notional == -15_000.0


def test_every_way_of_grouping_adds_up_to_the_total():
    found = views(CALL, PUT, held=(shares("ABC", 10, None), shares("QQQ", -5, 400.0)))
    for groups in (found.by_ticker, found.by_sector, found.by_strategy):
        assert [group.name for group in groups] == sorted(group.name for group in groups)
        for greek in ("delta", "gamma", "vega", "theta"):
            total = sum(getattr(group.greeks, greek) for group in groups)
            assert total == pytest.approx(getattr(found.total.greeks, greek))
    assert [group.name for group in found.by_strategy] == ["long_call", "shares", "short_put"]


def test_shares_count_at_the_chains_spot_then_the_given_one_then_their_mark():
    found = views(held=(shares("ABC", 10, 90.0), shares("NON", 10, 7.0), shares("OTH", 10, None)), spots={"OTH": 3.0})
    assert [item.notional for item in found.items] == [1_000.0, 70.0, 30.0]
    assert found.total.greeks.delta == 1_100.0
    unpriced = views(held=(shares("NON", 10, None),))
    assert unpriced.items[0].notional is None
    assert unpriced.total.unknown == ("NON shares",)
    assert unpriced.notional.face is None


def test_an_unknown_part_leaves_its_sums_unknown_and_named_beside_what_is_known():
    lost = position("O3", "XYZ", 1, strike=45.0, call=True)
    dark = replace(CHAINS["XYZ"], delta=np.full(len(CHAINS["XYZ"].delta), np.nan))
    found = views(CALL, lost, priced={"ABC": CHAINS["ABC"], "XYZ": dark}, held=(shares("XYZ", 4, 50.0),))
    name = f"XYZ {lost.leg.symbol}"
    assert found.total.greeks is None
    assert found.total.unknown == (name,)
    assert found.total.known.delta == pytest.approx(found.by_ticker[0].greeks.delta + 200.0)
    assert [group.unknown for group in found.by_ticker] == [(), (name,)]
    assert found.by_ticker[1].known.delta == 200.0
    assert found.index_delta.usd is None
    assert (found.notional.gross, found.notional.net, found.notional.leverage) == (None, None, None)
    assert found.theta_shares is None


def test_delta_in_index_terms_weighs_by_beta():
    found = index_delta({"ABC": 1_000.0, "XYZ": 300.0}, BETAS)
    assert (found.usd, found.known, found.assumed) == (-100.0, -100.0, ())
    assert (found.index, found.window) == ("SPX", 250)


@pytest.mark.parametrize(("known", "worst"), [(1_000.0, 500.0 + 900.0), (-1_000.0, -500.0 - 900.0)])
def test_a_name_without_a_beta_counts_three_times_towards_the_worse_side(known, worst):
    found = index_delta({"ABC": known, "NEW": 100.0, "ODD": -200.0}, BETAS)
    assert found.usd == pytest.approx(worst)
    assert found.known == pytest.approx(known / 2)
    assert found.assumed == ("NEW", "ODD")


def test_a_name_without_delta_needs_no_beta():
    found = index_delta({"NEW": 0.0, "ABC": 10.0}, BETAS)
    assert (found.usd, found.assumed) == (5.0, ())
    assert index_delta({"ABC": None}, BETAS).usd is None
    assert index_delta({}, BETAS).usd == 0.0


def test_notional_is_the_face_of_contracts_and_leverage_that_of_their_deltas():
    found = views(CALL, PUT, held=(shares("ABC", -50, None),))
    deltas = [group.greeks.delta for group in found.by_ticker]
    assert found.notional.face == 20_000.0 + 15_000.0 + 5_000.0
    assert found.notional.gross == pytest.approx(abs(deltas[0]) + abs(deltas[1]))
    assert found.notional.net == pytest.approx(sum(deltas))
    assert found.notional.leverage == pytest.approx(found.notional.gross / 50_000)
    assert views(CALL, nlv=None).notional.leverage is None
    assert views(CALL, nlv=Decimal(0)).notional.leverage is None
    assert views(CALL, nlv=Decimal(-1)).notional.leverage is None


@pytest.mark.parametrize(("limit", "shares_of"), [(0.0, (0.25, 0.75)), (40.0, (0.25, 0.75)), (80.0, (0.125, 0.375))])
def test_theta_is_shared_out_against_the_limit_while_the_book_decays_by_less(limit, shares_of):
    assert theta_shares({"condor": 30.0, "call": -10.0}, limit) == dict(zip(("call", "condor"), shares_of, strict=True))


def test_nothing_that_decays_has_no_concentration():
    assert theta_shares({"shares": 0.0}, 0.0) == {"shares": 0.0}
    assert theta_shares({}, 0.0) == {}
    assert theta_shares({"a": 1.0, "b": None}, 0.0) is None
    assert views(CALL, theta_limit=1e9).theta_shares["long_call"] < 1e-6
    assert views(CALL).theta_shares == {"long_call": 1.0}


def test_an_empty_book_is_exposed_to_nothing():
    found = views()
    assert (found.items, found.by_ticker, found.theta_shares) == ((), (), {})
    assert found.total.greeks.delta == 0.0
    assert (found.notional.face, found.notional.leverage) == (0.0, 0.0)
