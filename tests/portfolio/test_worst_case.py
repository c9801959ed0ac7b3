"""What counts against the limits: held, staged and working, each at its worst case; and the book's Greeks."""

from decimal import Decimal

import numpy as np
import pytest

from domain.errors import DataError
from domain.order import Greeks, OrderState
from domain.risk import DollarGreeks
from options.priced import PricedChain
from portfolio.book import fold
from portfolio.exposure import concentration, exposures, units_held
from portfolio.greeks import book_greeks
from portfolio.ledger import ledger
from portfolio.track_record import strategy_records
from portfolio.valuation import value
from tests.support.orders import DAY, GOOD_QUOTES, HOUR, NOON, chain, fill, order, view

CASH = Decimal(100_000)
MAX_LOSS = Decimal("862.60")


def book(fills=(), orders=(), as_of=NOON + 2 * HOUR):
    return fold(fills, [], orders, starting_cash=CASH, as_of=as_of)


def test_a_staged_order_whose_time_is_up_counts_for_nothing_but_an_approved_one_does():
    assert exposures([view(order("a"))], book(as_of=NOON + 4 * HOUR), {}) == ()
    assert len(exposures([view(order("a"), OrderState.APPROVED)], book(as_of=NOON + DAY), {})) == 1


def test_staged_approved_and_submitted_count_as_filled_at_worst_and_dead_orders_do_not():
    states = list(OrderState)
    views = [view(order(f"o-{state}"), state) for state in states]
    found = exposures(views, book(), {"SPY": "index"})
    assert {exposure.state for exposure in found} == {"staged", "approved", "submitted", "partially_filled"}
    assert {exposure.worst_case for exposure in found} == {2 * MAX_LOSS}
    assert {(exposure.sector, exposure.contracts, exposure.opened_on) for exposure in found} == {
        ("index", 2, "2026-03-02")
    }


def test_a_partly_filled_order_is_neither_counted_twice_nor_forgotten():
    part = order("part", units=5)
    held = book([fill(part, 4, 2.5, units=2)], [part])
    found = exposures([view(part, OrderState.PARTIALLY_FILLED)], held, {})
    assert [(exposure.state, exposure.units) for exposure in found] == [("open", 2), ("partially_filled", 3)]
    assert sum(exposure.worst_case for exposure in found) == 5 * MAX_LOSS
    cancelled = exposures([view(part, OrderState.CANCELLED)], held, {})
    assert [(exposure.state, exposure.units) for exposure in cancelled] == [("open", 2)]


def test_closing_orders_free_nothing_before_they_are_filled():
    opening, closing = order("a"), order("b", closes="a", at=NOON + HOUR)
    filled = [fill(opening, 4, 2.5)]
    views = [view(opening, OrderState.FILLED), view(closing, OrderState.APPROVED)]
    assert [e.order_id for e in exposures(views, book(filled, [opening, closing]), {})] == ["a"]
    filled.append(fill(closing, 3, 2, at=NOON + HOUR))
    assert exposures(views, book(filled, [opening, closing]), {}) == ()


def test_a_position_without_its_order_is_an_error_not_a_missing_exposure():
    opening = order("a")
    with pytest.raises(DataError, match="holds a, but its order is missing"):
        exposures([], book([fill(opening, 4, 2.5)], [opening]), {})


def test_an_unmapped_name_has_a_bucket_of_its_own_and_sums_are_by_any_key():
    found = exposures([view(order("a")), view(order("b", ticker="QQQ"))], book(), {"QQQ": "index"})
    assert concentration(found, "sector") == {"index": 2 * MAX_LOSS, "unknown": 2 * MAX_LOSS}
    assert list(concentration(found, "ticker")) == ["QQQ", "SPY"]


def test_working_orders_carry_the_greeks_they_were_staged_with():
    (found,) = exposures([view(order("a"))], book(), {})
    assert found.greeks == DollarGreeks(delta=2 * 10 * 600, gamma=-2 * 600 * 600 * 0.01, vega=-4.0, theta=1000 / 365)


def priced(per_share, *, spot=600.0):
    quoted = chain(GOOD_QUOTES, at=NOON, spot=spot)
    n = len(quoted)
    full = {name: np.full(n, value) for name, value in per_share.items()}
    blank = np.full(n, np.nan)
    return PricedChain(
        chain=quoted, good=np.ones(n, bool), flags=np.zeros(n, np.uint32), flag_counts={}, mid=blank, spread=blank,
        tau=blank, forward=blank, discount=blank, k=blank, iv=blank, iv_status=np.zeros(n, np.int8), vanna=blank,
        charm=blank, slices=(), notes=(), **full,
    )  # fmt: skip


def test_book_greeks_are_per_share_times_quantity_times_multiplier():
    opening = order("a")
    held = book([fill(opening, 4, 2.5)], [opening])
    chains = {"SPY": priced({"delta": 0.5, "gamma": 0.01, "vega": 60.0, "theta": -30.0, "rho": 5.0})}
    chains["SPY"].delta[1] = -0.4  # symbols ascend: row 0 is the long 580 put, row 1 the short 590 put
    found = book_greeks(held, chains)
    assert found.missing == ()
    assert found.total is not None
    assert found.total.delta == pytest.approx(2 * 100 * (0.5 + 0.4))
    assert found.total.gamma == pytest.approx(0.0)
    assert found.by_ticker == {"SPY": found.total}
    assert found.by_structure()["a"].delta == pytest.approx(180 * 600)
    (exposed,) = exposures([view(opening, OrderState.FILLED)], held, {}, greeks=found.by_structure())
    assert exposed.greeks == found.by_structure()["a"]
    assert units_held(held) == {"a": 2}


def test_one_unknown_greek_makes_the_sums_unknown_not_smaller():
    opening = order("a")
    held = book([fill(opening, 4, 2.5)], [opening])
    chains = {"SPY": priced({"delta": 0.5, "gamma": 0.01, "vega": 60.0, "theta": -30.0, "rho": 5.0})}
    chains["SPY"].vega[0] = np.nan
    found = book_greeks(held, chains)
    assert found.total is None
    assert found.by_ticker == {"SPY": None}
    assert len(found.missing) == 1
    assert found.by_structure() == {}
    assert book_greeks(held, {}).total is None
    assert book_greeks(book(), {}).total == Greeks(delta=0, gamma=0, vega=0, theta=0, rho=0)


def test_a_priced_chain_marks_like_its_chain():
    opening = order("a")
    held = book([fill(opening, 4, 2.5)], [opening])
    chains = {"SPY": priced({"delta": 0.5, "gamma": 0.01, "vega": 60.0, "theta": -30.0, "rho": 5.0})}
    assert value(held, chains) == value(held, {"SPY": chains["SPY"].chain})


def test_the_track_record_counts_closed_structures_only():
    won, lost, held = order("won"), order("lost"), order("held")
    closers = [order(f"c-{name}", closes=name, at=NOON + HOUR) for name in ("won", "lost")]
    fills = [fill(one, 4, 2.5) for one in (won, lost, held)]
    fills += [fill(closers[0], 3, 2, at=NOON + HOUR), fill(closers[1], 5, 2, at=NOON + HOUR)]
    structures = ledger(fills, [won, lost, held, *closers], as_of=NOON + DAY)
    (record,) = strategy_records(structures)
    assert (record.strategy, record.closed, record.wins) == ("bull_put_spread", 2, 1)
    assert record.average_win == pytest.approx((100 - 5.2) / (2 * 862.6))
    assert record.average_loss == pytest.approx((300 + 5.2) / (2 * 862.6))
