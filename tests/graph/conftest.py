"""One simulated picture of three names, gathered once, and the shipped settings with every name let into the debate."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from app.logs import configure
from app.settings import Environment
from app.wiring import configuration
from domain.market import Chain, MarketData
from graph.deps import GraphSettings
from tests.support.fakes import World
from tests.support.scripted import ScriptedDebate

TICKERS = ("JPM", "SPY", "XOM")


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    configure("critical")


@pytest.fixture(scope="session")
def market() -> MarketData:
    """JPM, SPY and XOM on the first simulated day, an hour after the opening."""
    from feeds.simulated.feed import SimulatedFeed
    from feeds.simulated.settings import SimulatedSettings
    from feeds.simulated.timeline import first_instant

    feed = SimulatedFeed(SimulatedSettings())
    whole = asyncio.run(feed.gather(first_instant(feed.settings), TICKERS))
    return replace(whole, chains={ticker: near(chain) for ticker, chain in whole.chains.items()})


def near(chain: Chain) -> Chain:
    """A quarter of the chain: expiries from one to ten weeks, strikes within an eighth of spot."""
    days = (chain.expiry - np.datetime64(chain.as_of.date())).astype(int)
    return chain.rows((days >= 7) & (days <= 70) & (np.abs(chain.strike / chain.spot - 1.0) < 0.125))


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> GraphSettings:
    """The settings as they ship."""
    return configuration(Environment(desk_home=tmp_path_factory.mktemp("home"), desk_config=None)).graph


@pytest.fixture(scope="session")
def settings(shipped: GraphSettings) -> GraphSettings:
    """As shipped, but the weakest conviction is enough to be debated."""
    signals = shipped.signals
    floor = signals.aggregate.model_copy(update={"conviction": 0.0})
    return shipped.model_copy(update={"signals": signals.model_copy(update={"aggregate": floor})})


@pytest.fixture
def world(market: MarketData, settings: GraphSettings):
    """Builds a world whose debates follow `script`; any other part of it may be given."""

    def build(script=None, **parts) -> World:
        given = {"market": market, "settings": settings, "debate": ScriptedDebate(script or {}), **parts}
        return World(**given)

    return build
