"""Prices and volatility states of the simulated names, session by session and minute by minute.

One market factor with stochastic volatility and leverage; names add a sector factor, their own noise, jumps, earnings
reactions and the planted drifts. Volatility states are log Ornstein-Uhlenbeck processes sampled daily. All draws
come from streams keyed by seed and ticker, so a name's path does not depend on which others were asked for.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np

from domain.units import Bools, Floats
from feeds.simulated import events
from feeds.simulated.randomness import block, stream
from feeds.simulated.settings import SimulatedName, SimulatedSettings
from feeds.simulated.timeline import Timeline

KNOTS = 130  # points of the path within a session: one in three minutes, straight in between
_REPORT_MOVE = 0.15  # standard deviation of the log jump after a report, over the name's yearly volatility
RISK_PREMIUM = 0.12  # share by which quiet implied volatility exceeds realised
_BLOCK = 132
_DAY = 1 / 252
_GAP = 0.2  # overnight noise in units of a day's standard deviation
_WITHIN = 0.85  # noise within the session, same unit


@dataclass(frozen=True, eq=False)
class Path:
    """One name over all sessions; arrays of shape `(n,)`, prices in USD per share.

    `level` and `slope` are the implied-volatility state at each close: long-run volatility is vol·exp(level),
    short-dated is that times exp(slope). `sigma` is the realised daily standard deviation, `earnings` marks sessions
    after whose close a report comes.
    """

    name: SimulatedName
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    returns: Floats
    sigma: Floats
    level: Floats
    slope: Floats
    rho: Floats
    earnings: Bools
    effects: events.Effects


def market_path(settings: SimulatedSettings, line: Timeline) -> Path:
    """The factor that SPX and SPY follow, at a level of 1."""
    count = len(line.days)
    draws = stream(settings.seed, "market", "daily").standard_normal((count, 6))
    stressed = events.stress(line.days, settings)
    level = _ornstein(draws[:, 0] * -0.7 + draws[:, 1] * 0.71, phi=0.97, deviation=0.22)
    slope = -0.08 + 0.25 * level + _ornstein(draws[:, 2], phi=0.85, deviation=0.05)
    fear = np.convolve(stressed.astype(np.float64), [0.6, 1.0, 0.8, 0.5, 0.3], mode="full")[:count].clip(0, 1)
    sigma = 0.155 * np.exp(level + slope + 0.5 * fear) / (1 + RISK_PREMIUM) * np.sqrt(_DAY)
    drift = 0.06 * _DAY - sigma**2 / 2 - 0.012 * stressed
    returns = drift + sigma * draws[:, 0] + _jumps(draws[:, 3], draws[:, 4], size=2.5 * sigma)
    name = SimulatedName(ticker="MARKET", kind="index", sector="index", spot=1.0, vol=0.155, rho=-0.7, eta=0.7)
    return _path(
        name,
        settings,
        line,
        returns=returns,
        jump=np.zeros(count),
        sigma=sigma,
        level=level + 0.5 * fear,
        slope=slope + 0.3 * fear,
        rho=name.rho + _ornstein(draws[:, 5], phi=0.93, deviation=0.05),
        market_walk=None,
    )


def name_path(name: SimulatedName, market: Path, settings: SimulatedSettings, line: Timeline) -> Path:
    """The path of `name` beside the market's."""
    if name.tracks_market:
        return _scaled(market, name)
    count = len(line.days)
    draws = stream(settings.seed, name.ticker, "daily").standard_normal((count, 7))
    sector = stream(settings.seed, "sector", name.sector).standard_normal(count)
    told = events.effects(name, line.days, settings)
    earnings = np.isin(line.days, events.earnings_days(name, line.days, settings))
    own_level = _ornstein(draws[:, 0], phi=0.97, deviation=0.06) + 0.35 * market.level
    own_slope = -0.05 + _ornstein(draws[:, 1], phi=0.85, deviation=0.04) + 0.4 * (market.slope + 0.08)
    total = name.vol * np.exp(own_level) / (1 + RISK_PREMIUM) * np.sqrt(_DAY)
    idiosyncratic = np.sqrt(np.maximum(total**2 - (name.beta * market.sigma) ** 2, 0.1 * total**2))
    noise = idiosyncratic * told.noise
    jump = np.zeros(count)
    jump[1:] = report_move(name) * draws[1:, 6] * earnings[:-1]
    returns = (
        name.beta * market.returns * np.where(told.noise < 1, 0.5, 1.0)
        + noise * (0.4 * sector + 0.92 * draws[:, 2])
        + _jumps(draws[:, 3], draws[:, 4], size=2.0 * noise)
        + told.drift
        + jump
    )
    return _path(
        name,
        settings,
        line,
        returns=returns,
        jump=jump,
        sigma=np.sqrt((name.beta * market.sigma) ** 2 + noise**2),
        level=_pulled(own_level, told.level, told.level_pull),
        slope=_pulled(own_slope, told.slope, told.slope_pull),
        rho=_pulled(name.rho + _ornstein(draws[:, 5], phi=0.93, deviation=0.04), told.rho, told.rho_pull),
        market_walk=_market_walks(settings, count),
        earnings=earnings,
        told=told,
    )


def report_move(name: SimulatedName) -> float:
    """Standard deviation of the log jump after a report: what the market expects and what happens."""
    return _REPORT_MOVE * name.vol


def spot_at(path: Path, index: int, elapsed: float, settings: SimulatedSettings) -> float:
    """USD per share in session `index` when the share `elapsed` in [0, 1] of it has passed, rounded to the cent."""
    name = path.name
    own = _walk(settings, "market" if name.tracks_market else name.ticker, index)
    if not name.tracks_market:
        own = _mixed(_walk(settings, "market", index), own)
    logs = _within(path.open[index : index + 1], path.close[index : index + 1], path.sigma[index : index + 1], own)[0]
    return round(float(np.exp(np.interp(elapsed * KNOTS, np.arange(KNOTS + 1), logs))), 2)


def state_at(path: Path, index: int, elapsed: float) -> tuple[float, float, float]:
    """Level, slope and rho in session `index`: they drift from the close before to this one."""
    before = max(index - 1, 0)

    def between(values: Floats) -> float:
        return float(values[before] + elapsed * (values[index] - values[before]))

    return between(path.level), between(path.slope), between(path.rho)


def _path(
    name: SimulatedName,
    settings: SimulatedSettings,
    line: Timeline,
    *,
    returns: Floats,
    jump: Floats,
    sigma: Floats,
    level: Floats,
    slope: Floats,
    rho: Floats,
    market_walk: Floats | None,
    earnings: Bools | None = None,
    told: events.Effects | None = None,
) -> Path:
    count = len(line.days)
    extra = stream(settings.seed, name.ticker, "bars").standard_normal((count, 2))
    logs = np.log(name.spot) + np.cumsum(returns)
    before = np.concatenate(([np.log(name.spot)], logs[:-1]))
    open_, close = np.exp(before + 0.3 * (returns - jump) + jump + _GAP * sigma * extra[:, 0]), np.exp(logs)
    walk = _walks(settings, name.ticker if market_walk is not None else "market", count)
    within = _within(open_, close, sigma, walk if market_walk is None else _mixed(market_walk, walk))
    volume = 5e6 * np.exp(0.25 * extra[:, 1]) * (1 + 1.5 * np.abs(returns) / np.maximum(sigma, 1e-9))
    return Path(
        name=name,
        open=open_,
        high=np.exp(within.max(axis=1)),
        low=np.exp(within.min(axis=1)),
        close=close,
        volume=np.round(volume),
        returns=returns,
        sigma=sigma,
        level=level,
        slope=slope,
        rho=np.clip(rho, -0.95, 0.95),
        earnings=np.zeros(count, dtype=np.bool_) if earnings is None else earnings,
        effects=events.effects(name, line.days, settings) if told is None else told,
    )


def _scaled(market: Path, name: SimulatedName) -> Path:
    prices = {field: getattr(market, field) * name.spot for field in ("open", "high", "low", "close")}
    rest = {
        field: getattr(market, field) for field in ("returns", "sigma", "level", "slope", "rho", "earnings", "effects")
    }
    volume = market.volume * (14 if name.kind == "etf" else 0)
    return Path(name=name, volume=volume, **prices, **rest)


def _ornstein(shocks: Floats, *, phi: float, deviation: float) -> Floats:
    """AR(1) of stationary standard deviation `deviation` driven by unit shocks, started at its mean."""
    scaled = (deviation * np.sqrt(1 - phi**2) * shocks).tolist()
    return np.fromiter(accumulate(scaled, lambda state, shock: phi * state + shock), np.float64, len(scaled))


def _jumps(trigger: Floats, size_draw: Floats, *, size: Floats) -> Floats:
    """Rare jumps: about one session in a hundred, normal in size."""
    return np.where(trigger > 2.33, size * size_draw, 0.0)


def _pulled(state: Floats, target: Floats, pull: Floats) -> Floats:
    return (1 - pull) * state + pull * target


def _walk(settings: SimulatedSettings, source: str, index: int) -> Floats:
    """Brownian bridge over one session, shape `(1, 131)`; unit variance of the underlying walk."""
    return _bridge(block(index, _BLOCK, settings.seed, source, "minutes").reshape(1, _BLOCK))


def _walks(settings: SimulatedSettings, source: str, count: int) -> Floats:
    """The bridges of all sessions, shape `(count, 131)`; row `i` equals `_walk(…, i)`."""
    return _bridge(block(0, count * _BLOCK, settings.seed, source, "minutes").reshape(count, _BLOCK))


@lru_cache(maxsize=1)
def _market_walks(settings: SimulatedSettings, count: int) -> Floats:
    return _walks(settings, "market", count)


def _bridge(draws: Floats) -> Floats:
    # Uniform steps: after 130 of them the walk is Gaussian for every purpose here, and they cost exactly one draw each.
    steps = (draws[:, :KNOTS] - 0.5) * np.sqrt(12 / KNOTS)
    walk = np.concatenate((np.zeros((len(draws), 1)), np.cumsum(steps, axis=1)), axis=1)
    return np.asarray(walk - np.linspace(0, 1, KNOTS + 1) * walk[:, -1:], dtype=np.float64)


def _mixed(market: Floats, own: Floats) -> Floats:
    return np.asarray(0.5 * market + np.sqrt(0.75) * own, dtype=np.float64)


def _within(open_: Floats, close: Floats, sigma: Floats, bridge: Floats) -> Floats:
    """Log prices at the knots of each session, shape `(n, 131)`."""
    start, end = np.log(open_)[:, None], np.log(close)[:, None]
    return np.asarray(
        start + (end - start) * np.linspace(0, 1, KNOTS + 1) + _WITHIN * sigma[:, None] * bridge, dtype=np.float64
    )
