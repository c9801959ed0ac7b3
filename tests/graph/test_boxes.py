"""Boxes are proposed where an analyst counted paying ones, on options that nobody can exercise early."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from domain.signals import Direction, Signal
from graph.nodes.strategy_selector import boxes
from tests.options.made_chain import made_chain

FAMILIES = frozenset({"arbitrage"})


def parity(ticker, count):
    figures = {"horizon_days": 1, "half_life_days": 1, "evidence": (), "profitable_boxes": count}
    return Signal(
        source="vol_surface", ticker=ticker, direction=Direction.NEUTRAL, conviction=0.1, edge_type="parity_arbitrage",
        timestamp=datetime(2026, 2, 12, 15, 10, tzinfo=UTC), metadata=figures,
    )  # fmt: skip


@pytest.mark.parametrize(("count", "names"), [(1, ["long_box", "short_box"]), (0, []), (None, [])])
def test_boxes_follow_a_count_of_paying_ones(count, names):
    priced = made_chain(european=True)
    assert [box.strategy for box in boxes([parity(priced.ticker, count)], priced, FAMILIES)] == names


def test_no_box_on_another_name_on_american_options_or_against_the_regime():
    priced = made_chain(european=True)
    assert boxes([parity("ELSE", 3)], priced, FAMILIES) == ()
    assert boxes([parity(priced.ticker, 3)], priced, frozenset({"butterfly"})) == ()
    european = np.ones(len(priced.chain), dtype=np.bool_)
    european[0] = False
    mixed = replace(priced, chain=replace(priced.chain, european=european))
    assert boxes([parity(priced.ticker, 3)], mixed, FAMILIES) == ()
