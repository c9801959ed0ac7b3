"""Histories as of an instant: pieces of one basis joined, cut at holes, and nothing from the future.

Two rules keep windows honest. Pieces of different bases (another vendor's count of the same thing) are never
joined: the basis that reaches closest to the instant speaks alone. And a history begins after its last hole, so that
no window rolls across months that are not there.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np

from domain.market import DataNote, Series
from domain.units import Bools, Days, to_datetime64
from feeds.importers.imported import StoredSeries
from feeds.recorded.settings import RecordedSettings


def known_series(
    pieces: Iterable[StoredSeries], as_of: datetime, settings: RecordedSettings
) -> tuple[dict[str, Series], list[DataNote]]:
    """One history a name, ascending by name, with notes on what was cut at a hole or left out as ended."""
    by_name: dict[str, dict[str, list[Series]]] = {}
    for piece in pieces:
        by_name.setdefault(piece.series.name, {}).setdefault(piece.basis, []).append(piece.series.known_by(as_of))
    found: dict[str, Series] = {}
    cut: list[str] = []
    ended: list[str] = []
    for name, bases in sorted(by_name.items()):
        joined = [(basis, _join(parts)) for basis, parts in sorted(bases.items())]
        current = [(series.day[-1], len(series), basis, series) for basis, series in joined if len(series)]
        if not current:
            continue
        series = max(current, key=lambda item: item[:3])[3]
        keep, was_cut = usable_days(series.day, as_of, settings)
        if not keep.any():
            ended.append(name)
            continue
        if was_cut:
            cut.append(name)
        found[name] = Series(name, series.unit, series.day[keep], series.known_at[keep], series.value[keep])
    return found, hole_notes(cut, ended, settings)


def usable_days(days: Days, as_of: datetime, settings: RecordedSettings) -> tuple[Bools, bool]:
    """Mask of `days` (ascending, `(n,)`) after the last hole and within the history window, and whether a hole inside
    the window cut it. All False when the history ended more than `max_lag_days` before `as_of`.
    """
    today = to_datetime64(as_of).astype("datetime64[D]")
    hole = np.timedelta64(settings.gap_days, "D")
    if not len(days) or today - days[-1] > np.timedelta64(settings.max_lag_days, "D"):
        return np.zeros(len(days), dtype=bool), False
    holes = np.flatnonzero(np.diff(days) > hole)
    begin = int(holes[-1]) + 1 if len(holes) else 0
    in_window = days >= to_datetime64(as_of - timedelta(days=settings.history_days)).astype("datetime64[D]")
    after_hole = np.arange(len(days)) >= begin
    return in_window & after_hole, bool((in_window & ~after_hole).any())


def hole_notes(cut: Sequence[str], ended: Sequence[str], settings: RecordedSettings) -> list[DataNote]:
    """What people should know about histories that begin late or are not there."""
    notes: list[DataNote] = []
    if cut:
        detail = f"begin after their last hole of more than {settings.gap_days} days: {', '.join(cut)}"
        notes.append(DataNote(code="history_gap", subject="histories", detail=detail, count=len(cut)))
    if ended:
        detail = f"ended more than {settings.max_lag_days} days earlier and were left out: {', '.join(ended)}"
        notes.append(DataNote(code="history_ended", subject="histories", detail=detail, count=len(ended)))
    return notes


def _join(parts: Sequence[Series]) -> Series:
    """Of several values for a day the one of the later piece stands."""
    day = np.concatenate([part.day for part in parts])
    order = np.argsort(day, kind="stable")
    order = order[np.append(day[order][1:] != day[order][:-1], True)] if len(order) else order
    return Series(
        parts[0].name,
        parts[0].unit,
        day[order],
        np.concatenate([part.known_at for part in parts])[order],
        np.concatenate([part.value for part in parts])[order],
    )
