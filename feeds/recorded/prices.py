"""Daily bars as of an instant, in the share units of that instant.

A file that was split-adjusted years later quotes old prices in later shares, and a close from the evening before a
split is in old shares on the morning after. The chain's spot is the check: if spot over last close is a clean split
ratio, the bars are multiplied by it; if it is neither that nor near one, they are left out. Bars on different
adjustment dates are never joined.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np

from domain.market import BARS_COLUMNS, Bars, DataNote
from domain.sessions import NEW_YORK
from domain.units import Floats, to_datetime64
from feeds.importers.imported import StoredBars
from feeds.recorded.history import hole_notes, usable_days
from feeds.recorded.settings import RecordedSettings

_NO_SPLIT = (0.75, 4 / 3)  # spot over last close: moves, not splits
_SPLITS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
_CLEAN = 0.08  # how far an overnight move may take the ratio from a split's


def known_bars(
    pieces: Iterable[StoredBars], as_of: datetime, spots: Mapping[str, float], settings: RecordedSettings
) -> tuple[dict[str, Bars], list[DataNote]]:
    """Bars of each ticker knowable at `as_of`; `spots` are its chains' spots in USD per share."""
    by_ticker: dict[str, dict[date | None, list[StoredBars]]] = {}
    for piece in pieces:
        bases = by_ticker.setdefault(piece.bars.ticker, {})
        bases.setdefault(piece.bars.adjusted_as_of, []).append(_known(piece, as_of))
    found: dict[str, Bars] = {}
    notes: list[DataNote] = []
    cut: list[str] = []
    ended: list[str] = []
    for ticker, bases in sorted(by_ticker.items()):
        joined = [_join(parts) for _, parts in sorted(bases.items(), key=lambda item: item[0] or date.min)]
        current = [item for item in joined if len(item.bars)]
        if not current:
            continue
        chosen = max(current, key=lambda item: (item.bars.day[-1], len(item.bars)))
        keep, was_cut = usable_days(chosen.bars.day, as_of, settings)
        if not keep.any():
            ended.append(f"bars of {ticker}")
            continue
        if was_cut:
            cut.append(f"bars of {ticker}")
        bars, note = in_units_of(_unsplit(_rows(chosen, keep)), as_of, spots.get(ticker))
        if bars is not None:
            found[ticker] = bars
        if note is not None:
            notes.append(note)
    return found, [*notes, *hole_notes(cut, ended, settings)]


def in_units_of(bars: Bars, as_of: datetime, spot: float | None) -> tuple[Bars | None, DataNote | None]:
    """`bars` in the share units of `as_of`; None where that cannot be told."""
    today = as_of.astimezone(NEW_YORK).date()
    if spot is None:
        if bars.adjusted_as_of is None or bars.adjusted_as_of <= today:
            return bars, None
        detail = f"adjusted as of {bars.adjusted_as_of} and no chain shows the share units of {today}; left out"
        return None, DataNote(code="units_unknown", subject=bars.ticker, detail=detail)
    ratio = spot / float(bars.close[-1])
    factor = split_ratio(ratio)
    if factor is None:
        detail = f"spot {spot:g} is {ratio:.3g} times the last close {bars.close[-1]:g}: no clean split; left out"
        return None, DataNote(code="units_differ", subject=bars.ticker, detail=detail)
    if factor == 1.0:
        basis = bars.adjusted_as_of if bars.adjusted_as_of is None else min(bars.adjusted_as_of, today)
        return replace(bars, adjusted_as_of=basis), None
    detail = f"spot {spot:g} over last close {bars.close[-1]:g} is a split: prices multiplied by {factor:g}"
    return _scaled(bars, factor, today), DataNote(code="split_rescaled", subject=bars.ticker, detail=detail)


def split_ratio(ratio: float) -> float | None:
    """The clean split ratio nearest to `ratio`, 1.0 if it is only a price move, None if it is neither."""
    if _NO_SPLIT[0] <= ratio <= _NO_SPLIT[1]:
        return 1.0
    ratios = (*_SPLITS, *(1 / split for split in _SPLITS))
    nearest = min(ratios, key=lambda split: abs(ratio / split - 1))
    return nearest if abs(ratio / nearest - 1) <= _CLEAN else None


def _known(piece: StoredBars, as_of: datetime) -> StoredBars:
    return _rows(piece, piece.bars.known_at <= to_datetime64(as_of))


def _rows(piece: StoredBars, keep: np.ndarray) -> StoredBars:
    bars = replace(piece.bars, **{name: getattr(piece.bars, name)[keep] for name in BARS_COLUMNS})
    return StoredBars(bars, piece.split[keep])


def _join(parts: Sequence[StoredBars]) -> StoredBars:
    """Pieces on one basis; of several bars for a day a full one stands before a bare close."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part.bars, name) for part in parts]) for name in BARS_COLUMNS
    }
    split = np.concatenate([part.split for part in parts])
    order = np.lexsort((np.isfinite(columns["high"]), columns["day"]))
    days = columns["day"][order]
    order = order[np.append(days[1:] != days[:-1], True)] if len(order) else order
    bars = replace(parts[0].bars, **{name: column[order] for name, column in columns.items()})
    return StoredBars(bars, split[order])


def _unsplit(piece: StoredBars) -> Bars:
    """Raw prices before a split that the rows themselves report, in shares after it."""
    bars, split = piece.bars, piece.split
    if bars.adjusted_as_of is not None or (split == 1.0).all():
        return bars
    later = np.append(np.cumprod(split[::-1])[::-1][1:], 1.0)
    return _scaled(bars, 1 / later, bars.day[-1].astype(object))


def _scaled(bars: Bars, factor: float | Floats, adjusted_as_of: date) -> Bars:
    return replace(
        bars,
        open=bars.open * factor,
        high=bars.high * factor,
        low=bars.low * factor,
        close=bars.close * factor,
        volume=bars.volume / factor,
        adjusted_as_of=adjusted_as_of,
    )
