"""Orders staged the way the pipeline stages them – real quotes, real checks, real database – without a whole run."""

import dataclasses
from contextlib import AsyncExitStack
from functools import lru_cache

from app.clock import FixedClock
from app.settings import Environment
from app.wiring import Desk, configuration
from domain.debate import Verdict
from domain.order import Allocation, Exit, ExitReason, SizedCandidate, Sizing, SizingCap
from domain.run import RunRequest
from domain.snapshot import MarketSnapshot
from feeds.simulated.feed import SimulatedFeed
from feeds.simulated.settings import SimulatedSettings
from feeds.simulated.timeline import first_instant
from graph.deps import priced_chain
from graph.orders import staged_order
from options.legs import candidates, closing, drift_from_score
from options.selector import StrategyChoice
from options.strategies import DEFAULTS
from risk.allocator import allocate_exit
from risk.facts import correlations_of, measured_portfolio, view_of
from risk.gate import decide
from signals.regime import read_regime
from signals.stance import read_stance

TICKER = "JPM"
_FOUND = {}
SCORES = {"bull_call_spread": 1.0, "bear_put_spread": -1.0}


@lru_cache(maxsize=1)
def simulated() -> SimulatedFeed:
    """One feed for all tests: its paths are drawn once."""
    return SimulatedFeed(SimulatedSettings())


@lru_cache(maxsize=1)
def _shipped():
    """The shipped settings, parsed once."""
    return configuration(Environment())


OPENING = first_instant(SimulatedSettings())


def desk_at(home, database, engine, *, feed=None, **settings):
    """A desk on `engine`, with settings of `desk.yaml` replaced."""
    config = dataclasses.replace(_shipped(), environment=Environment(desk_home=home))
    if settings:
        config = dataclasses.replace(config, desk=config.desk.model_copy(update=settings))
    return Desk(config, database, engine, feed or simulated(), FixedClock(OPENING), "rules", AsyncExitStack())


async def picture(desk, at, ticker=TICKER):
    """The market and the desk at `at`, stored; with its id."""
    market = await desk.feed.gather(at, sorted({ticker, *await desk.state.exposed_tickers(at)}))
    snapshot = MarketSnapshot(market=market, desk=await desk.state.context(at, market))
    return snapshot, (await desk.snapshots.put(snapshot)).snapshot_id


def question(snapshot, settings, ticker=TICKER):
    regime = read_regime(snapshot.market, snapshot.desk.regime_history, settings.regime).regime
    portfolio = measured_portfolio(
        snapshot, settings.risk, (ticker,), lambda name: priced_chain(snapshot.market, name, settings.chain)
    )
    return view_of(
        "final", ticker, market=snapshot.market, regime=regime, portfolio=portfolio,
        pairs=correlations_of(snapshot, settings.risk, (ticker,)), settings=settings.risk,
    )  # fmt: skip


async def begun(desk, at, snapshot_id, name="one"):
    run = RunRequest(
        run_id=f"{desk.account}-{name}", slot=None, as_of=at, feed=desk.account, watchlist=(TICKER,), debate="rules",
        fingerprint="f",
    )  # fmt: skip
    await desk.runs.begin(run)
    await desk.runs.remember_snapshot(run.run_id, snapshot_id)
    return run


def _best(snapshot, settings, ticker, strategy):
    """The best structure of its type under a full view; the same instant always quotes the same chain."""
    key = (ticker, snapshot.as_of, strategy)
    if key not in _FOUND:
        priced = priced_chain(snapshot.market, ticker, settings.chain)
        stance = read_stance((), snapshot.market, priced, settings.signals)
        structure = next(item for item in DEFAULTS if item.strategy == strategy)
        choice = StrategyChoice(strategy=strategy, family=structure.family, priority=1, reason="a test's view")
        drift = drift_from_score(SCORES.get(strategy, 0.0), stance.forecast_vol, settings.legs)
        found = candidates(
            priced, choice, spot=priced.spot, drift=drift, forecast_vol=stance.forecast_vol, settings=settings.legs,
            as_of=snapshot.as_of, max_loss=1_500.0, top_k=1,
        )  # fmt: skip
        assert isinstance(found, tuple), found
        _FOUND[key] = found[0]
    return _FOUND[key]


async def stage_opening(
    desk, *, units=2, strategy="bull_call_spread", at=OPENING, name="one", doctor=None, ticker=TICKER
):
    """Stage the best structure of its type under a full view; `doctor` may change the candidate before it is sized."""
    settings = desk.configuration.graph
    snapshot, snapshot_id = await picture(desk, at, ticker)
    best = _best(snapshot, settings, ticker, strategy)
    candidate = best if doctor is None else doctor(best)
    caps = (SizingCap(name="test", units=units, detail="as the test says"),)
    sizing = Sizing(units=units, binding="test", caps=caps, budget=candidate.max_loss * units)
    sized = SizedCandidate(candidate=candidate, sizing=sizing)
    decision = decide(dataclasses.replace(question(snapshot, settings, ticker), order=sized), settings.risk)
    run = await begun(desk, at, snapshot_id, name)
    allocation = Allocation(ticker=ticker, sized=sized, decision=decision, tried=1)
    order = staged_order(run, snapshot_id, allocation, None, None, desk.configuration.desk.order_life_minutes)
    assert order.thesis.verdict is Verdict.INCONCLUSIVE
    await desk.orders.stage(order)
    return order


async def stage_closing(desk, opening, *, at, name="two"):
    """Stage the order that closes all that `opening` holds."""
    settings = desk.configuration.graph
    snapshot, snapshot_id = await picture(desk, at)
    staged = opening.sized.candidate
    found = closing(
        staged.legs, priced_chain(snapshot.market, TICKER, settings.chain), strategy=staged.strategy,
        family=staged.family, settings=settings.legs, as_of=at, reason="test",
    )  # fmt: skip
    reason = ExitReason(rule="exit_dte", measured=1.0, limit=2.0, detail="test")
    leaving = Exit(closes=opening.order_id, units=opening.units, candidate=found, reason=reason)
    allocation = allocate_exit(question(snapshot, settings), leaving, settings.risk)
    order = staged_order(await begun(desk, at, snapshot_id, name), snapshot_id, allocation, None, None, 240)
    await desk.orders.stage(order)
    return order
