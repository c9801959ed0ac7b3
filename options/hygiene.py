"""Which quotes may be believed: one flag for each reason they may not."""

from collections.abc import Mapping
from datetime import datetime
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from domain.market import Chain
from domain.units import Bools, Floats, to_datetime64
from options.settings import ChainSettings

Flags = NDArray[np.uint32]


class Flag(IntFlag):
    """Why a row is not good. Several may hold at once."""

    BAD_NUMBER = 1  # strike not positive, negative or infinite quote, no expiry instant
    NO_QUOTE = 2  # bid or ask absent, or an ask of zero
    ZERO_BID = 4
    CROSSED = 8  # bid above ask
    LOCKED = 16  # bid equals ask
    WIDE = 32  # spread too large a share of mid
    DUPLICATE = 64  # a repeat of an identical row, or every copy where copies disagree
    NON_STANDARD = 128  # deliverable changed by a corporate action
    NO_MULTIPLIER = 256  # shares per contract unknown: never assumed
    EXPIRED = 512
    NO_FORWARD = 1024  # its expiry has neither parity pairs nor a rate curve
    STATIC_BOUND = 2048  # ask below discounted intrinsic value, or bid above the underlying (call) or strike (put)
    OFF_SMILE = 4096  # far from its neighbours: a stale or mistaken quote, not an opportunity


def flag_rows(chain: Chain, *, as_of: datetime, settings: ChainSettings) -> Flags:
    """Flags that need no forward, shape `(n,)` uint32; every flag but NO_FORWARD, STATIC_BOUND and OFF_SMILE."""
    bid, ask = chain.bid, chain.ask
    mid, spread = 0.5 * (bid + ask), ask - bid
    bad = ~(np.isfinite(chain.strike) & (chain.strike > 0)) | (bid < 0) | (ask < 0) | np.isinf(bid) | np.isinf(ask)
    found = {
        Flag.BAD_NUMBER: bad | np.isnat(chain.expires_at),
        Flag.NO_QUOTE: np.isnan(bid) | np.isnan(ask) | (ask == 0),
        Flag.ZERO_BID: (bid == 0) & (ask > 0),
        Flag.CROSSED: bid > ask,
        Flag.LOCKED: (bid == ask) & (bid > 0),
        Flag.WIDE: (bid > 0) & (spread > settings.wide_spread * mid) & (spread > settings.wide_spread_floor),
        Flag.DUPLICATE: _duplicates(chain),
        Flag.NON_STANDARD: ~chain.standard,
        Flag.NO_MULTIPLIER: ~(np.isfinite(chain.multiplier) & (chain.multiplier > 0)),
        Flag.EXPIRED: chain.expires_at <= to_datetime64(as_of),
    }
    flags = np.zeros(len(chain), dtype=np.uint32)
    for flag, rows in found.items():
        flags[rows] |= np.uint32(flag)
    return flags


def outside_bounds(chain: Chain, *, forward: Floats, discount: Floats, settings: ChainSettings) -> Bools:
    """Rows that no arbitrage-free market could quote, shape `(n,)` (Merton 1973, "Theory of rational option pricing").

    `forward` and `discount` have shape `(n,)`; rows with NaN are not judged. An American option is worth at least the
    European one and at most the spot (call) or the strike (put).
    """
    slack = settings.bound_tolerance * forward
    intrinsic = discount * np.maximum(np.where(chain.is_call, forward - chain.strike, chain.strike - forward), 0.0)
    european_most = discount * np.where(chain.is_call, forward, chain.strike)
    american_most = np.where(chain.is_call, np.maximum(chain.spot, discount * forward), chain.strike)
    most = np.where(chain.european, european_most, american_most)
    return np.asarray((chain.ask < intrinsic - slack) | (chain.bid > most + slack))


def count_flags(flags: Flags) -> Mapping[str, int]:
    """Rows carrying each flag, by lower-case name in the order of `Flag`; flags that no row carries are absent."""
    counts = {str(flag.name).lower(): int(np.count_nonzero(flags & flag)) for flag in Flag}
    return {name: count for name, count in counts.items() if count}


def _duplicates(chain: Chain) -> Bools:
    _, first, group, size = np.unique(chain.symbol, return_index=True, return_inverse=True, return_counts=True)
    if len(first) == len(chain):
        return np.zeros(len(chain), dtype=np.bool_)
    original = first[group]
    differs = np.zeros(len(chain), dtype=np.bool_)
    for column in (chain.bid, chain.ask, chain.open_interest):
        differs |= ~((column == column[original]) | (np.isnan(column) & np.isnan(column[original])))
    disagree = np.bincount(group, weights=differs) > 0
    return np.asarray((size[group] > 1) & (disagree[group] | (np.arange(len(chain)) != original)))
