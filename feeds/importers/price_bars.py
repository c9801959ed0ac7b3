"""Daily bars, closes and one-minute bars.

Known from: the session's close, half-days included; index bars 16:15 New York. Split-adjusted files do not say as of
when: the last day in the file stands for it. `adj_close` is never read: it depends on later dividends.
"""

from datetime import date

import numpy as np

from domain.market import Bars, DataNote
from domain.sessions import NEW_YORK, close_known_at, is_session, session_close, session_open
from domain.units import Days, Floats, Instants
from feeds.importers.imported import Imported, StoredBars
from feeds.importers.table import RawTable

_INDEX_BARS = ("SPX", "NDX", "RUT")
_EDGE_MINUTES = 5  # a day whose first or last minute lies further inside the session is partial


def read_adjusted(table: RawTable) -> Imported:
    """`ticker, date, open, high, low, close, adj_close, volume`, split-adjusted."""
    days = table.days("date")
    return bars_by_ticker(table, table.words("ticker").to_numpy(dtype=object), days, days.max().astype(object))


def read_raw(table: RawTable) -> Imported:
    """As above with `split_coefficient` (new shares per old): raw traded prices."""
    return bars_by_ticker(table, table.words("ticker").to_numpy(dtype=object), table.days("date"), None)


def read_closes(table: RawTable) -> Imported:
    """`ticker, date, close`, split-adjusted; everything but the close is NaN."""
    return read_adjusted(table)


def is_index(table: RawTable) -> bool:
    """Whether a file of bars without a ticker column is named after an index."""
    return table.first_word in _INDEX_BARS


def read_index(table: RawTable) -> Imported:
    """`date, open, high, low, close, volume` of the index the file is named after; volume 0 means unknown."""
    days = table.days("date")
    return bars_by_ticker(table, np.full(len(days), table.first_word, dtype=object), days, None, index=True)


def bars_by_ticker(
    table: RawTable, tickers: np.ndarray, days: Days, adjusted_as_of: date | None, *, index: bool = False
) -> Imported:
    columns = {name: table.numbers(name) for name in ("open", "high", "low", "close", "volume")}
    split = table.numbers("split_coefficient")
    split = np.where(np.isfinite(split) & (split > 0), split, 1.0)
    if index:
        columns["volume"] = np.where(columns["volume"] > 0, columns["volume"], np.nan)
    notes: list[DataNote] = []
    sane = _sane(columns)
    if not sane.all():
        notes.append(
            DataNote(
                code="bad_bar",
                subject=table.name,
                detail="bars without a positive close, or whose high and low do not contain it, were dropped",
                count=int((~sane).sum()),
            )
        )
    found: list[StoredBars] = []
    for ticker in sorted(set(tickers.tolist())):
        rows = np.flatnonzero((tickers == ticker) & sane)
        rows = rows[np.argsort(days[rows], kind="stable")]
        if not len(rows):
            continue
        rows = rows[np.append(days[rows][1:] != days[rows][:-1], True)]
        bars = Bars(
            ticker=ticker,
            day=days[rows],
            known_at=close_known_at(days[rows], index_close=index),
            adjusted_as_of=adjusted_as_of,
            **{name: column[rows] for name, column in columns.items()},
        )
        found.append(StoredBars(bars, split[rows]))
    return Imported(bars=tuple(found), notes=tuple(notes))


def _sane(columns: dict[str, Floats]) -> np.ndarray:
    close, high, low = columns["close"], columns["high"], columns["low"]
    slack = 1e-6 * np.abs(close)
    inside = (np.isnan(high) | (close <= high + slack)) & (np.isnan(low) | (close >= low - slack))
    return np.asarray(np.isfinite(close) & (close > 0) & inside)


def read_minutes(table: RawTable) -> Imported:
    """`ticker, ts, open, high, low, close, volume`, raw prices: regular hours gathered into daily bars.

    Open of the first minute, close of the last, extremes and volume in between. A day whose minutes do not
    reach within five minutes of the open and the close is dropped; extended hours are left out.
    """
    ts = table.instants("ts")
    if np.isnat(ts).any():
        raise table.bad("column 'ts' has a missing time")
    tickers = table.words("ticker").str.lstrip("^").to_numpy(dtype=object)
    day = _new_york_days(ts)
    columns = {name: table.numbers(name) for name in ("open", "high", "low", "close", "volume")}
    kept: dict[str, list[tuple[np.datetime64, list[float]]]] = {}
    partial = 0
    for when in np.unique(day).tolist():
        if not is_session(when):
            continue
        opens, closes = (
            np.datetime64(bound(when).replace(tzinfo=None), "s") for bound in (session_open, session_close)
        )
        today = (day == np.datetime64(when)) & (ts >= opens) & (ts < closes)
        for ticker in sorted(set(tickers[today].tolist())):
            rows = np.flatnonzero(today & (tickers == ticker))
            rows = rows[np.argsort(ts[rows], kind="stable")]
            late = (ts[rows[0]] - opens).astype(int) > _EDGE_MINUTES * 60
            early = (closes - ts[rows[-1]]).astype(int) > _EDGE_MINUTES * 60
            if late or early:
                partial += 1
                continue
            bar = [
                columns["open"][rows[0]],
                columns["high"][rows].max(),
                columns["low"][rows].min(),
                columns["close"][rows[-1]],
                columns["volume"][rows].sum(),
            ]
            kept.setdefault(ticker, []).append((np.datetime64(when), [float(item) for item in bar]))
    notes = [
        DataNote(
            code="minutes_gathered",
            subject=table.name,
            detail="regular-hours minutes were gathered into daily bars; extended hours left out",
            count=len(ts),
        )
    ]
    if partial:
        notes.append(
            DataNote(
                code="partial_day", subject=table.name, detail="days not covered from open to close", count=partial
            )
        )
    found = [_daily(ticker, bars) for ticker, bars in sorted(kept.items())]
    return Imported(bars=tuple(found), notes=tuple(notes))


def _new_york_days(instants: Instants) -> Days:
    import pandas as pd

    local = pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(str(NEW_YORK)).tz_localize(None)
    return np.asarray(local.to_numpy().astype("datetime64[D]"))


def _daily(ticker: str, bars: list[tuple[np.datetime64, list[float]]]) -> StoredBars:
    days = np.array([when for when, _ in bars], dtype="datetime64[D]")
    values = np.array([numbers for _, numbers in bars], dtype=np.float64).T
    volume = values[4] if values[4].any() else np.full(len(days), np.nan)
    daily = Bars(
        ticker=ticker,
        day=days,
        known_at=close_known_at(days),
        open=values[0],
        high=values[1],
        low=values[2],
        close=values[3],
        volume=volume,
        adjusted_as_of=None,
    )
    return StoredBars(daily, np.ones(len(days)))
