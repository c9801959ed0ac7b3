"""The compiled pass over structures: equal to plain NumPy on every structure, screen by screen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as options_of
from hypothesis import strategies as st

from benchmarks.engine.legs import in_numpy
from options.kernels.compiled import LEAST_CHUNK
from options.legs import LegSettings
from options.legs.candidate import View, build
from options.legs.evaluation import SCREENS, evaluate
from options.legs.outcomes import atoms, slice_index
from options.legs.search import ATOMS, candidates, forecast
from options.legs.settings import GreekLimits
from options.selector import StrategyChoice
from options.strategies import PROPOSABLE, structure_named
from options.strategies.iron_condor import IronCondor
from tests.options.made_chain import AS_OF, made_chain

MARKETS = {european: made_chain(step=1.0, european=european) for european in (False, True)}
LENIENT = LegSettings(min_pop=0.0, min_credit_of_width=0.0, max_spread_of_loss=9.0)


def question(priced, structure, *, vol=0.17, drift=0.05):
    """All rows of the first front expiry, that expiry, and equally likely prices there."""
    rows = structure.enumerate_rows(priced)
    column = [leg.term for leg in structure.template].index("front")
    fronts = slice_index(priced)[rows[:, column]]
    front = priced.slices[fronts[0]]
    view = forecast(front, spot=priced.spot, drift=drift, forecast_vol=vol)
    return rows[fronts == fronts[0]], front, atoms(view, ATOMS)


def differing(ours, plain):
    """Names of the columns that are not the same."""
    near = {"code": 0.0, "max_loss": 1e-8, "value": 1e-8, "pop": 1e-12, "cvar95": 1e-8}
    pairs = {name: (getattr(ours, name), getattr(plain, name)) for name in near}
    return [name for name, (one, other) in pairs.items() if one != pytest.approx(other, abs=near[name], nan_ok=True)]


@pytest.mark.parametrize("structure", PROPOSABLE, ids=lambda structure: structure.strategy)
@pytest.mark.parametrize("least_value", [0.0, -np.inf], ids=["with_an_edge", "all"])
def test_the_compiled_pass_equals_plain_numpy(structure, least_value):
    priced = MARKETS[structure.family == "arbitrage"]
    rows, front, prices = question(priced, structure)
    for settings in (LegSettings(), LENIENT):
        ours = evaluate(priced, structure, rows, front, prices, settings, least_value=least_value)
        plain = in_numpy(priced, structure, rows, front, prices, settings, least_value=least_value)
        assert differing(ours, plain) == []
    assert least_value == 0.0 or np.isfinite(ours.cvar95[ours.code == 0]).all()


@example(102, "long_box")  # a net mid half-way between two ticks
@given(st.integers(0, 2**32 - 1), st.sampled_from(["iron_condor", "put_calendar", "broken_wing_butterfly", "long_box"]))
@options_of(max_examples=25)
def test_torn_quotes_are_screened_alike(seed, name):
    chance, structure = np.random.default_rng(seed), structure_named(name)
    priced = MARKETS[name == "long_box"]
    n = len(priced.chain)
    bid = np.round(priced.chain.bid * chance.uniform(0.7, 1.1, n), 2)
    ask = np.round(np.maximum(priced.chain.ask * chance.uniform(0.95, 1.4, n), bid + 0.01), 2)
    sizes = {s: np.where(chance.random(n) < 0.5, np.nan, chance.integers(0, 4, n)) for s in ("bid_size", "ask_size")}
    known = {
        "open_interest": chance.choice([np.nan, 0.0, 9.0, 50.0, 400.0], n),
        "volume": chance.choice([0.0, 90.0], n),
    }
    chain = replace(priced.chain, bid=bid, ask=ask, **sizes, **known)
    torn = replace(priced, chain=chain, mid=(bid + ask) / 2, spread=ask - bid)
    limits = GreekLimits(gamma=chance.uniform(0.01, 1), vega=chance.uniform(0.01, 0.3), theta=chance.uniform(0.01, 0.3))
    settings = LegSettings(greeks=limits, model_doubt=float(chance.uniform(0, 0.04)), min_credit_of_width=0.2)
    rows, front, prices = question(torn, structure)
    rows = rows[chance.permutation(len(rows))[:3_000]]
    changes = {"max_loss": float(chance.uniform(50, 2_000)), "least_value": -500.0}
    ours = evaluate(torn, structure, rows, front, prices, settings, **changes)
    plain = in_numpy(torn, structure, rows, front, prices, settings, **changes)
    assert differing(ours, plain) == []


def test_every_screen_can_strike():
    """Else the comparison above would compare nothing."""
    priced, structure = MARKETS[False], structure_named("iron_condor")
    rows, front, prices = question(priced, structure)
    n, chain = len(priced.chain), priced.chain
    torn = {
        "wrong_premium": replace(priced, chain=replace(chain, bid=chain.bid - 5, ask=chain.ask + 5)),
        "illiquid": replace(priced, chain=replace(chain, open_interest=np.zeros(n))),
        "not_executable": replace(priced, chain=replace(chain, bid_size=np.zeros(n))),
    }
    strict = {
        "wide": LegSettings(max_spread_of_loss=1e-6),
        "thin_credit": LegSettings(min_credit_of_width=0.9),
        "greeks": LegSettings(greeks=GreekLimits(vega=1e-6)),
    }
    for name, market in torn.items():
        assert SCREENS.index(name) in evaluate(market, structure, rows, front, prices, LegSettings()).code
    for name, settings in strict.items():
        assert SCREENS.index(name) in evaluate(priced, structure, rows, front, prices, settings).code
    narrow = structure.model_copy(update={"max_abs_delta": 1e-9})
    assert SCREENS.index("delta") in evaluate(priced, narrow, rows, front, prices, LENIENT).code
    small = evaluate(priced, structure, rows, front, prices, LENIENT, max_loss=1.0)
    assert SCREENS.index("too_large") in small.code
    low, high = rows[0, 1], rows[0, 2]
    gift = chain.bid.copy()
    gift[[low, high]] += 10
    free = replace(priced, chain=replace(chain, bid=gift, ask=np.maximum(chain.ask, gift + 0.01)))
    assert SCREENS.index("riskless") in evaluate(free, structure, rows, front, prices, LENIENT).code


def test_neither_threads_nor_order_change_a_figure():
    priced = made_chain(step=0.5)
    wide = IronCondor(dte=(30, 40), width=(0.005, 0.15), sold_delta=(0.05, 0.5), bought_delta=(0.01, 0.5), balance=1.0)
    rows, front, prices = question(priced, wide)
    rows = np.tile(rows, (12, 1))
    assert len(rows) > 4 * LEAST_CHUNK  # else one thread does it all
    one = evaluate(priced, wide, rows, front, prices, LENIENT, threads=1)
    many = evaluate(priced, wide, rows, front, prices, LENIENT, threads=4)
    shuffled = np.random.default_rng(1).permutation(len(rows))
    mixed = evaluate(priced, wide, rows[shuffled], front, prices, LENIENT, threads=1)
    for name in one._fields:
        assert getattr(one, name).tobytes() == getattr(many, name).tobytes()
        assert np.array_equal(getattr(one, name)[shuffled], getattr(mixed, name), equal_nan=True)


@pytest.mark.parametrize("name", ["bull_put_spread", "call_butterfly", "put_calendar"])
def test_the_shortlist_loses_nothing_to_valuing_every_structure_in_full(name):
    priced, structure = MARKETS[False], structure_named(name)
    view = View(drift=0.08, forecast_vol=0.13)
    spot, settings = priced.spot, LegSettings()
    choice = StrategyChoice(strategy=name, family=structure.family, priority=1, reason="A test.")
    found = candidates(
        priced, choice, spot=spot, drift=view.drift, forecast_vol=view.forecast_vol, settings=settings, as_of=AS_OF
    )
    scores = []
    every = structure.enumerate_rows(priced)
    column = [leg.term for leg in structure.template].index("front")
    for position in np.unique(slice_index(priced)[every[:, column]]):
        front = priced.slices[position]
        rows = every[slice_index(priced)[every[:, column]] == position]
        distribution = forecast(front, spot=spot, drift=view.drift, forecast_vol=view.forecast_vol)
        passed = evaluate(priced, structure, rows, front, atoms(distribution, ATOMS), settings).code == 0
        for row in rows[passed]:
            made = build(
                priced, row, structure.quantities, front, distribution, strategy=name, family=structure.family,
                spot=spot, view=view, settings=settings, reason="A test.",
            )  # fmt: skip
            if made.pop >= settings.min_pop and made.expected_value > 0:
                scores.append(made.score)
    best = sorted(scores, reverse=True)[: len(found)]
    assert [item.score for item in found] == pytest.approx(best, rel=0.02)
    assert found[0].score == pytest.approx(best[0], rel=1e-9)
