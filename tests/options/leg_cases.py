"""A made market, the shipped settings, and views under which each structure has an edge."""

from pathlib import Path

import yaml

from options.legs import LegSettings, candidates
from options.selector import StrategyChoice
from options.strategies import structure_named
from tests.options.made_chain import AS_OF, made_chain

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "strategies.yaml").read_text())
SETTINGS = LegSettings.model_validate(CONFIG["legs"])
MARKET = made_chain(step=1.0)
LENIENT = LegSettings(min_pop=0.0, min_credit_of_width=0.0, max_spread_of_loss=9.0)
VIEWS = {"debit": 0.30, "credit": 0.12, "either": 0.12, "financed": 0.6}


def choice(name):
    return StrategyChoice(strategy=name, family=structure_named(name).family, priority=1, reason="A test.")


def search(name, priced=MARKET, settings=SETTINGS, **changes):
    view = {"spot": priced.spot, "drift": 0.0, "forecast_vol": 0.2, "settings": settings, "as_of": AS_OF}
    return candidates(priced, choice(name), **{**view, **changes})


def favourable(structure, priced=MARKET, settings=LENIENT):
    """A view under which the structure has an edge."""
    drift = 2.0 * structure.signs.delta
    vol = 0.09 if structure.family in ("calendar", "butterfly") else VIEWS[structure.premium]
    return search(structure.strategy, priced, settings, drift=drift, forecast_vol=vol)


def price_of(priced, strike, *, call, expiry=0):
    piece = priced.slices[expiry]
    rows = piece.rows[(priced.chain.strike[piece.rows] == strike) & (priced.chain.is_call[piece.rows] == call)]
    return int(rows[0])
