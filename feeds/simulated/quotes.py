"""Option chains of the simulated market: bid and ask around the surface, sizes, volume and open interest."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from domain.market import Chain
from domain.units import Floats, Instants, to_datetime64, year_fraction
from feeds.simulated.activity import Activity, activity, share_traded
from feeds.simulated.curve import zero_rate
from feeds.simulated.listing import Listing, listing
from feeds.simulated.paths import Path, report_move, spot_at, state_at
from feeds.simulated.randomness import uniforms
from feeds.simulated.settings import SimulatedName, SimulatedSettings
from feeds.simulated.smile import Surface, atm_variance, total_variance
from feeds.simulated.timeline import Timeline
from options import black

_REPORT_AFTER_CLOSE = np.timedelta64(300, "s")


@dataclass(frozen=True, eq=False)
class Board:
    """What stays the same through a session: its contracts and their activity."""

    listing: Listing
    activity: Activity


@dataclass(frozen=True, eq=False)
class Theory:
    """Model values of a listing at one instant, shape `(n,)`: what the quotes are drawn around. `mid` and `forward` are
    USD per share, `vol` decimal, `vega` per 1.00.
    """

    spot: float
    tau: Floats
    forward: Floats
    discount: Floats
    vol: Floats
    mid: Floats
    vega: Floats


def board(path: Path, line: Timeline, index: int, settings: SimulatedSettings) -> Board:
    """Lay out session `index` of a name."""
    listed = listing(path, line, index)
    return Board(listing=listed, activity=activity(path, line, index, listed, settings))


def event_variance(path: Path, line: Timeline, index: int, as_of: datetime, expires_at: Instants) -> Floats:
    """Total variance that reports between `as_of` and each expiry add, shape as `expires_at`."""
    added = np.zeros(len(expires_at))
    for report in np.flatnonzero(path.earnings[index:]) + index:
        instant = line.close_known[report] + _REPORT_AFTER_CLOSE
        if instant > to_datetime64(as_of):
            added += report_move(path.name) ** 2 * (expires_at > instant)
    return added


def theory(
    path: Path,
    line: Timeline,
    index: int,
    *,
    as_of: datetime,
    elapsed: float,
    curve_row: Floats,
    listed: Listing,
    settings: SimulatedSettings,
) -> Theory:
    """Value a listing whose contracts all expire after `as_of`.

    American-style contracts are worth their European value, or their exercise value where that is more; the
    early-exercise premium between the two is left out.
    """
    name, spot = path.name, spot_at(path, index, elapsed, settings)
    tau = year_fraction(as_of, listed.expires_at)
    rate = zero_rate(curve_row, tau)
    forward, discount = spot * np.exp((rate - name.dividend_yield) * tau), np.exp(-rate * tau)
    level, slope, rho = state_at(path, index, elapsed)
    surface = Surface(vol=name.vol, level=level, slope=slope, rho=rho, eta=name.eta)
    theta = atm_variance(surface, tau, event_variance(path, line, index, as_of, listed.expires_at))
    root = np.sqrt(total_variance(surface, theta, np.log(listed.strike / forward)))
    vol = root / np.sqrt(tau)
    value = black.price(
        forward=forward, strike=listed.strike, tau=tau, discount=discount, vol=vol, is_call=listed.is_call
    )
    if name.kind != "index":
        value = np.maximum(value, np.where(listed.is_call, spot - listed.strike, listed.strike - spot))
    d1 = np.log(forward / listed.strike) / root + root / 2
    vega = discount * forward * np.exp(-(d1**2) / 2) * np.sqrt(tau / (2 * np.pi))
    return Theory(spot=spot, tau=tau, forward=forward, discount=discount, vol=vol, mid=value, vega=vega)


def chain(
    path: Path,
    line: Timeline,
    index: int,
    *,
    as_of: datetime,
    elapsed: float,
    curve_row: Floats,
    day: Board,
    settings: SimulatedSettings,
) -> Chain:
    """The chain of a name at `as_of`, the instant at which the share `elapsed` of session `index` has passed."""
    alive = day.listing.expires_at > to_datetime64(as_of)
    listed = Listing(**{field: getattr(day.listing, field)[alive] for field in Listing.__dataclass_fields__})
    model = theory(
        path, line, index, as_of=as_of, elapsed=elapsed, curve_row=curve_row, listed=listed, settings=settings
    )
    name, ids = path.name, day.activity.ids[alive]
    depth = np.abs(np.log(listed.strike / model.forward)) / (model.vol * np.sqrt(model.tau))
    tick = _tick(name, model.mid)
    bid, ask = _quotes(name, model, depth, tick)
    volume = np.floor(day.activity.volume[alive] * share_traded(elapsed))
    count = len(listed.symbol)

    def size(side: str) -> Floats:
        busy = (60.0 if name.kind != "stock" else 25.0) * np.exp(-depth / 2)
        return np.asarray(1 + np.floor(busy * uniforms(ids, settings.seed, side, as_of)), dtype=np.float64)

    return Chain(
        ticker=name.ticker,
        as_of=as_of,
        spot=model.spot,
        spot_source="quoted",
        symbol=listed.symbol,
        root=listed.root,
        is_call=listed.is_call,
        strike=listed.strike,
        expiry=listed.expiry,
        expires_at=listed.expires_at,
        am_settled=listed.am_settled,
        european=np.full(count, name.kind == "index"),
        standard=np.ones(count, dtype=np.bool_),
        multiplier=np.full(count, 100.0),
        bid=bid,
        ask=ask,
        last=np.where(volume > 0, np.maximum(np.round(model.mid / tick) * tick, tick), np.nan).round(2),
        volume=volume,
        open_interest=day.activity.open_interest[alive],
        bid_size=np.where(bid > 0, size("bid"), 0.0),
        ask_size=size("ask"),
        vendor_iv=model.vol.round(6),
    )


def _tick(name: SimulatedName, price: Floats) -> Floats:
    """ETFs in pennies; stocks in pennies below 3 USD and nickels above; index options in nickels and dimes."""
    if name.kind == "etf":
        return np.full(len(price), 0.01)
    small, large = (0.05, 0.10) if name.kind == "index" else (0.01, 0.05)
    return np.where(price < 3.0, small, large)


def _quotes(name: SimulatedName, model: Theory, depth: Floats, tick: Floats) -> tuple[Floats, Floats]:
    """Bid and ask on the tick grid that contain the model value; width grows with vega, depth and price."""
    points = 0.0015 if name.kind != "stock" else 0.004 + 60.0 / name.option_volume
    half = tick / 2 + points * model.vega * (1 + depth / 2) + 0.001 * model.mid
    bid = np.floor((model.mid - half) / tick + 1e-9).clip(0.0)
    ask = np.maximum(np.ceil((model.mid + half) / tick - 1e-9), bid + 1)
    return np.round(bid * tick, 2), np.round(ask * tick, 2)
