"""Option volume and open interest: daily totals of a name, and how they fall on its contracts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from domain.units import Bools, Floats
from feeds.simulated.listing import Listing
from feeds.simulated.paths import Path
from feeds.simulated.randomness import stream, uniforms
from feeds.simulated.settings import SimulatedSettings
from feeds.simulated.timeline import Timeline

_OPEN_INTEREST_DAYS = 8.0  # open interest over a quiet day's volume
_UNUSUAL = 6.0  # day's volume over open interest in a squeeze's favourite strikes
_UNUSUAL_SHARE = 0.7  # of the day's call volume at most


@dataclass(frozen=True, eq=False)
class Activity:
    """Per row of a listing, shape `(n,)`: open interest of the morning and volume by the close (contracts), a key."""

    open_interest: Floats
    volume: Floats
    ids: NDArray[np.uint64]


def daily_volumes(path: Path, settings: SimulatedSettings) -> tuple[Floats, Floats]:
    """Calls and puts traded in each session, whole contracts, shape `(n,)` each."""
    name = path.name
    noise = stream(settings.seed, name.ticker, "option volume").standard_normal((len(path.close), 2))
    excitement = 1 + 0.25 * np.abs(path.returns) / np.maximum(path.sigma, 1e-9)
    call_share = 0.6 if name.kind == "stock" else 0.45
    calls = name.option_volume * call_share * excitement * np.exp(0.18 * noise[:, 0]) * path.effects.calls
    puts = name.option_volume * (1 - call_share) * excitement * np.exp(0.18 * noise[:, 1]) * path.effects.puts
    return np.round(calls), np.round(puts)


def share_traded(elapsed: float) -> float:
    """Share of a day's volume done when the share `elapsed` of the session has passed: busiest at the open."""
    return float(0.6 * elapsed + 0.4 * np.sqrt(elapsed))


def activity(path: Path, line: Timeline, index: int, listed: Listing, settings: SimulatedSettings) -> Activity:
    """Spread the totals of session `index` over its contracts; depends on the close before, not on today's spot."""
    name, day, before = path.name, line.days[index], float(path.close[index - 1])
    tau = np.maximum((listed.expiry - day).astype(np.float64), 0.5) / 365
    distance = np.log(listed.strike / before)
    z = distance / (name.vol * np.sqrt(tau))
    ids = _ids(listed)
    rounded = _roundness(listed.strike, coarse=name.spot > 1000)
    monthly = np.where(listed.monthly, 3.0, 1.0)
    outside = np.where(listed.is_call == (distance > 0), 1.3, 0.7)

    age = (day - listed.listed).astype(np.float64)
    stock = np.exp(-0.5 * (z / 1.6) ** 2) * rounded**2 * monthly * outside * (1 - np.exp(-(age + 1) / 15))
    stock *= np.exp(0.5 * ndtri(uniforms(ids, settings.seed, name.ticker, "open interest")))
    total = name.option_volume * _OPEN_INTEREST_DAYS
    open_interest = np.round(total * stock / stock.sum())

    flow = (np.exp(-0.5 * (z / 1.1) ** 2) + 0.002) * rounded * monthly * outside * (np.exp(-4 * tau) + 0.03)
    flow *= np.exp(0.7 * ndtri(uniforms(ids, settings.seed, name.ticker, "volume", index)))
    calls, puts = (float(totals[index]) for totals in daily_volumes(path, settings))
    wanted = _favourites(path, index, listed, tau, distance)
    unusual = np.where(wanted, _UNUSUAL * open_interest + 100, 0.0)
    unusual *= min(1.0, _UNUSUAL_SHARE * calls / max(unusual.sum(), 1.0))
    flow[wanted] = 0.0
    volume = unusual.copy()
    for side, amount in ((listed.is_call, calls - unusual.sum()), (~listed.is_call, puts)):
        volume[side] += amount * flow[side] / flow[side].sum()
    return Activity(open_interest=open_interest, volume=volume, ids=ids)


def _favourites(path: Path, index: int, listed: Listing, tau: Floats, distance: Floats) -> Bools:
    """Out-of-the-money calls of the next two weeks, which a squeeze's crowd buys."""
    if not path.effects.squeeze[index]:
        return np.zeros(len(tau), dtype=np.bool_)
    return np.asarray(listed.is_call & (tau < 15 / 365) & (distance > 0.03) & (distance < 0.12), dtype=np.bool_)


def _ids(listed: Listing) -> NDArray[np.uint64]:
    expiry = listed.expiry.astype(np.int64).astype(np.uint64)
    strike = np.round(listed.strike * 1000).astype(np.uint64)
    sides = listed.is_call.astype(np.uint64) + np.uint64(2) * listed.am_settled.astype(np.uint64)
    return np.asarray((expiry << np.uint64(40)) | (strike << np.uint64(2)) | sides, dtype=np.uint64)


def _roundness(strike: Floats, *, coarse: bool) -> Floats:
    """People like round numbers: a weight of 3 at the roundest strikes, 1 at the others."""
    weight = np.ones(len(strike))
    scale = 10.0 if coarse else 1.0
    for multiple, factor in ((5.0, 1.4), (10.0, 2.0), (50.0, 3.0)):
        weight[np.abs(np.remainder(strike, multiple * scale)) < 1e-9] = factor
    return weight
