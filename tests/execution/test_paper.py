"""Paper fills: at the stated price, within the limit, against quotes that can be trusted; else not at all."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.order import StagedOrder
from execution.paper import PaperBroker, fill, least_accepted
from execution.settings import PaperSettings
from portfolio.book import fold
from tests.support.orders import DAY, GOOD_QUOTES, HOUR, LONG, NOON, SHORT, chain, leg, order

SETTINGS = PaperSettings()
NAN = float("nan")


def filled(staged: StagedOrder, quotes=None, *, at=NOON, settings=SETTINGS):
    return fill(staged, key="k", at=at, quotes=chain(quotes or GOOD_QUOTES), settings=settings)


def test_the_shipped_settings_are_the_defaults():
    shipped = yaml.safe_load((Path(__file__).parents[2] / "config" / "execution.yaml").read_text())
    assert PaperSettings(**shipped["paper"]) == SETTINGS


def test_each_leg_pays_its_fraction_of_the_half_spread_and_every_contract_its_fee():
    (done,) = filled(order())
    assert [(part.symbol, part.quantity, part.price) for part in done.legs] == [
        (SHORT.symbol, -2, Decimal("4.0375")),  # mid 4.05 less a quarter of 0.05
        (LONG.symbol, 2, Decimal("2.5625")),
    ]
    assert done.fees == 4 * Decimal("0.65")
    assert done.cash == 2 * Decimal("147.50") - Decimal("2.60")
    assert (done.units, done.fill_id, done.at) == (2, "k/1", NOON)
    assert fold([done], [], [order()], starting_cash=Decimal(0), as_of=NOON).cash == done.cash


def test_the_contracts_multiplier_is_used_never_a_hundred():
    mini = (leg(590, -1, multiplier=10), leg(580, 1, multiplier=10))
    (done,) = filled(order(legs=mini), {mini[0]: (4.0, 4.1), mini[1]: (2.5, 2.6)})
    assert done.cash == 2 * Decimal("14.750") - Decimal("2.60")


@pytest.mark.parametrize(
    ("worst", "limit", "fills"),
    [
        ("1.475", None, True),  # exactly the worst price
        ("1.4751", None, False),
        ("1.40", "1.475", True),  # a person's own limit is final
        ("1.40", "1.48", False),
    ],
)
def test_it_fills_up_to_the_worst_price_or_a_persons_limit_and_not_a_hair_beyond(worst, limit, fills):
    assert bool(filled(order(worst=worst, limit=limit))) is fills


def test_a_persons_limit_below_the_worst_price_does_not_loosen_it():
    assert least_accepted(order(worst="1.40", limit="1.00")) == Decimal("1.40")


@pytest.mark.parametrize(
    ("quotes", "code"),
    [
        ({SHORT: (4.2, 4.1), LONG: (2.5, 2.6)}, "unusable_quote"),
        ({SHORT: (NAN, 4.1), LONG: (2.5, 2.6)}, "unusable_quote"),
        ({SHORT: (0.0, 0.1), LONG: (2.5, 2.6)}, "unusable_quote"),
        ({SHORT: (4.0, 4.1), LONG: (0.0, 0.0)}, "unusable_quote"),
        ({SHORT: (4.0, 4.1)}, "not_quoted"),
        ({SHORT.model_copy(update={"multiplier": 10}): (4.0, 4.1), LONG: (2.5, 2.6)}, "wrong_contract"),
    ],
)
def test_one_leg_that_cannot_be_trusted_refuses_the_whole_order(quotes, code):
    with pytest.raises(Refused) as refused:
        filled(order(), quotes)
    assert refused.value.code == code


def test_a_closing_order_gives_away_a_wing_that_nobody_bids_for():
    staged = order("c-1", closes="o-1", units=1)  # buys the short put back, sells the long one
    (made,) = filled(staged, {SHORT: (0.60, 0.70), LONG: (0.0, 0.05)})
    assert [part.price for part in made.legs] == [Decimal("0.6625"), Decimal(0)]
    with pytest.raises(Refused, match="Nobody bids"):
        filled(order(), {SHORT: (0.0, 0.1), LONG: (2.5, 2.6)})


def test_a_changed_deliverable_is_refused():
    quotes = chain(GOOD_QUOTES)
    quotes.standard[0] = False
    with pytest.raises(Refused, match="something else"):
        fill(order(), key="k", at=NOON, quotes=quotes, settings=SETTINGS)


@pytest.mark.parametrize(
    ("at", "code"),
    [(NOON + HOUR / 2, None), (NOON + HOUR / 2 + HOUR / 3600, "stale_quotes"), (NOON - HOUR, "future_quotes")],
)
def test_quotes_fill_for_half_an_hour_and_never_from_the_future(at, code):
    if code is None:
        assert filled(order(), at=at)
        return
    with pytest.raises(Refused) as refused:
        filled(order(), at=at)
    assert refused.value.code == code


def test_quotes_of_another_underlying_are_refused():
    with pytest.raises(Refused, match="the quotes on QQQ"):
        fill(order(), key="k", at=NOON, quotes=chain(GOOD_QUOTES, ticker="QQQ"), settings=SETTINGS)


@pytest.mark.parametrize(("size", "units"), [(5.0, 5), (4.9, 4), (0.0, 0), (np.nan, 7)])
def test_no_more_units_fill_than_the_quoted_size_holds(size, units):
    done = fill(order(units=7), key="k", at=NOON, quotes=chain(GOOD_QUOTES, size=size), settings=SETTINGS)
    assert sum(part.units for part in done) == units
    unlimited = PaperSettings(limited_by_size=False)
    whole = fill(order(units=7), key="k", at=NOON, quotes=chain(GOOD_QUOTES, size=size), settings=unlimited)
    assert whole[0].units == 7


async def test_the_same_key_is_answered_the_same_though_the_market_has_moved():
    broker = PaperBroker(SETTINGS)
    first = await broker.submit(order(), key="k", at=NOON, quotes=chain(GOOD_QUOTES))
    moved = chain({SHORT: (9.0, 9.1), LONG: (2.5, 2.6)}, at=NOON + DAY)
    assert await broker.submit(order(), key="k", at=NOON + DAY, quotes=moved) == first


QUOTE = st.tuples(st.integers(1, 5000), st.integers(0, 300)).map(lambda q: (q[0] / 100, (q[0] + q[1]) / 100))


@given(short=QUOTE, long=QUOTE, fraction=st.floats(0, 1), worst=st.decimals("-50", "50", places=2))
def test_no_fill_is_ever_worse_than_accepted_nor_better_than_mid(short, long, fraction, worst):
    staged = order(worst=str(worst))
    quotes = {SHORT: short, LONG: long}
    for done in filled(staged, quotes, settings=PaperSettings(half_spread_fraction=fraction)):
        premium = -sum((part.price * part.quantity for part in done.legs), Decimal(0)) / done.units
        assert premium >= worst
        assert float(premium) <= sum(short) / 2 - sum(long) / 2 + 1e-9
        assert done.cash == premium * 100 * done.units - done.fees
