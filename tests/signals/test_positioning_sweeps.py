"""Sweeps: clusters of prints of one contract and side across exchanges."""

import numpy as np

from domain.market import Prints
from signals.sweeps import sweeps

RULE = {"window_ms": 500, "min_exchanges": 3, "min_premium": 10_000.0}
START = np.datetime64("2026-02-12T15:10:00.000")


def prints(rows):
    """Rows of (milliseconds, exchange, price, size[, symbol]); every contract is quoted 1.00 - 1.10."""
    rows = [(*row, "A")[:5] for row in rows]
    after, exchange, price, size, symbol = (np.array(column) for column in zip(*rows, strict=True))
    return Prints(
        ticker="SPY",
        symbol=symbol,
        at=START + after.astype("timedelta64[ms]"),
        price=price.astype(float),
        size=size.astype(float),
        bid=np.full(len(rows), 1.0),
        ask=np.full(len(rows), 1.1),
        exchange=exchange,
        multiplier=np.full(len(rows), 100.0),
    )


TAKEN = [(0, "C", 1.1, 50), (2, "A", 1.1, 60), (3, "X", 1.15, 40)]


def test_one_order_taken_from_three_exchanges_is_a_sweep_with_its_premium():
    (found,) = sweeps(prints(TAKEN), **RULE)
    assert (found.symbol, found.bought, found.contracts, found.prints, found.exchanges) == ("A", True, 150.0, 3, 3)
    assert found.premium == 100 * (1.1 * 50 + 1.1 * 60 + 1.15 * 40)
    assert found.end - found.start == np.timedelta64(3, "ms")
    mixed = prints(TAKEN[::-1])
    assert sweeps(mixed, **RULE) == (found,)


def test_too_slow_too_few_exchanges_or_too_small_is_none():
    assert sweeps(prints([(0, "C", 1.1, 50), (501, "A", 1.1, 60), (1_100, "X", 1.1, 40)]), **RULE) == ()
    assert sweeps(prints([(0, "C", 1.1, 50), (2, "A", 1.1, 60), (3, "A", 1.1, 40)]), **RULE) == ()
    assert sweeps(prints([(0, "C", 1.1, 5), (2, "A", 1.1, 6), (3, "X", 1.1, 4)]), **RULE) == ()


def test_prints_inside_the_quote_neither_join_nor_break_a_sweep_and_sides_are_kept_apart():
    sold = [(1, "C", 1.0, 70), (2, "A", 0.95, 70), (4, "X", 1.0, 70)]
    found = sweeps(prints([*TAKEN, (2, "N", 1.05, 900), *sold]), **RULE)
    assert [(sweep.bought, sweep.contracts) for sweep in found] == [(False, 210.0), (True, 150.0)]


def test_contracts_are_kept_apart_and_the_most_premium_comes_first():
    other = [(after, exchange, price, 2 * size, "B") for after, exchange, price, size in TAKEN]
    assert [sweep.symbol for sweep in sweeps(prints([*TAKEN, *other]), **RULE)] == ["B", "A"]
    split = [(*TAKEN[0], "A"), (*TAKEN[1], "B"), (*TAKEN[2], "A")]
    assert sweeps(prints(split), **RULE) == ()


def test_without_a_sound_quote_nobody_can_be_said_to_have_bought():
    rows = prints(TAKEN)
    for bid, ask in ((np.nan, np.nan), (1.1, 1.1), (1.2, 1.1)):
        blind = Prints(**{**{name: getattr(rows, name) for name in rows.__slots__}, "bid": np.full(3, bid)})
        blind = Prints(**{**{name: getattr(blind, name) for name in rows.__slots__}, "ask": np.full(3, ask)})
        assert sweeps(blind, **RULE) == ()
