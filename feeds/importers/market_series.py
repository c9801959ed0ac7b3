"""Market-wide histories: volatility indices, yields, positioning, strategy indices, search interest."""

from dataclasses import dataclass

import numpy as np

from domain.market import DIX, FED_FUNDS, GEX, PUT_CALL, VIX_FAMILY, YIELDS, Bars, DataNote, Series
from domain.sessions import NEW_YORK, close_known_at, is_session, next_midnight_known_at, next_morning_known_at
from domain.units import Bools, Days, Floats, Instants
from feeds.importers.imported import Imported, StoredBars, StoredSeries
from feeds.importers.table import RawTable

FAULTY_RATIO = 11.0  # a scraping fault writes 11.00 where about 1.1 is meant

# Outside these a value is a fault, not news: (lowest, highest), in the unit of the series.
_PLAUSIBLE: dict[str, tuple[float, float]] = {
    **dict.fromkeys(VIX_FAMILY[:4], (4.0, 200.0)),
    "VVIX": (50.0, 300.0),
    "SKEW": (90.0, 250.0),
    **dict.fromkeys(YIELDS, (-2.0, 25.0)),
    FED_FUNDS: (-2.0, 25.0),
    **dict.fromkeys(PUT_CALL, (0.05, 8.0)),
    DIX: (0.0, 1.0),
}


@dataclass(frozen=True)
class Column:
    """One column that becomes a history."""

    name: str
    series: str
    unit: str


_YIELD_COLUMNS = tuple(Column(name.lower(), name, "percent a year") for name in YIELDS)
_RATIO_COLUMNS = tuple(
    Column(f"{name}_put_call_ratio", series, "ratio of volumes")
    for name, series in zip(("total", "index", "etp", "equity", "vix", "spx_spxw"), PUT_CALL, strict=True)
)
_FUTURES_COLUMNS = (
    Column("vx_m1", "VX1", "vol points"),
    Column("vx_m2", "VX2", "vol points"),
    Column("vx_30d_weighted", "VX30", "vol points"),
)
_STRATEGY_COLUMNS = tuple(
    Column(name.lower(), f"{name}.monthly", "index points") for name in ("PUT", "BXM", "CNDR", "BXY", "SPTR")
)


def history(
    table: RawTable,
    name: str,
    *,
    unit: str,
    basis: str,
    day: Days,
    known_at: Instants,
    value: Floats,
    notes: list[DataNote],
) -> StoredSeries:
    """Ascending history without NaN, without implausible values and with one value a day; what was left out is noted.

    Of several values for a day the last in the file stands. Arrays have shape `(n,)`.
    """
    present = np.isfinite(value)
    low, high = _PLAUSIBLE.get(name, (-np.inf, np.inf))
    faulty = present & (name in PUT_CALL) & (value == FAULTY_RATIO)
    absurd = present & ~faulty & ((value < low) | (value > high))
    for rejected, code, detail in (
        (faulty, "faulty_ratio", "the value 11.00 is a known scraping fault and was rejected"),
        (absurd, "out_of_range", f"outside {low:g} to {high:g} and rejected"),
    ):
        if rejected.any():
            listed = ", ".join(str(item) for item in day[rejected].tolist()[:6])
            more = int(rejected.sum())
            notes.append(
                DataNote(code=code, subject=f"{name} in {table.name}", detail=f"{detail}: {listed}", count=more)
            )
    keep = np.flatnonzero(present & ~faulty & ~absurd)
    order = keep[np.lexsort((keep, day[keep]))]
    last_of_day = np.append(day[order][1:] != day[order][:-1], True) if len(order) else np.zeros(0, dtype=bool)
    chosen = order[last_of_day]
    series = Series(name=name, unit=unit, day=day[chosen], known_at=known_at[chosen], value=value[chosen])
    return StoredSeries(series=series, basis=basis)


def _sessions_only(table: RawTable, days: Days, notes: list[DataNote]) -> Bools:
    traded = np.array([is_session(day) if day.year >= 2000 else day.weekday() < 5 for day in days.tolist()], dtype=bool)
    if not traded.all():
        notes.append(
            DataNote(
                code="not_a_session",
                subject=table.name,
                detail="rows on days New York did not trade were dropped",
                count=int((~traded).sum()),
            )
        )
    return traded


def _histories(
    table: RawTable, columns: tuple[Column, ...], *, basis: str, day: Days, known_at: Instants, notes: list[DataNote]
) -> tuple[StoredSeries, ...]:
    found = (
        history(
            table,
            column.series,
            unit=column.unit,
            basis=basis,
            day=day,
            known_at=known_at,
            value=table.numbers(column.name),
            notes=notes,
        )
        for column in columns
        if column.name in table.columns
    )
    return tuple(item for item in found if len(item.series))


def is_volatility_index(table: RawTable) -> bool:
    """Whether the file is named after a Cboe volatility index ("VIX9D_to_2024.csv")."""
    return table.first_word in VIX_FAMILY


def read_volatility_index(table: RawTable) -> Imported:
    """`date, open, high, low, close` or `date, vvix|skew`. Known from 16:15 New York."""
    name = table.first_word
    days = table.days("date")
    notes: list[DataNote] = []
    keep = _sessions_only(table, days, notes)
    value = table.numbers("close" if "close" in table.columns else name.lower())
    unit = "index points" if name == "SKEW" else "vol points"
    found = history(
        table,
        name,
        unit=unit,
        basis="Cboe",
        day=days[keep],
        known_at=close_known_at(days[keep], index_close=True),
        value=value[keep],
        notes=notes,
    )
    return Imported(series=(found,), notes=tuple(notes))


def read_yields(table: RawTable) -> Imported:
    """`date, DGS1MO ... DGS30`, percent a year. Known from 09:00 New York of the next session."""
    return _next_morning(table, _YIELD_COLUMNS, "FRED")


def read_fed_funds(table: RawTable) -> Imported:
    """`date, DFF`, percent a year, calendar days. Known from 09:00 New York of the next session."""
    return _next_morning(table, (Column("dff", FED_FUNDS, "percent a year"),), "FRED")


def read_put_call_ratios(table: RawTable) -> Imported:
    """`date, total_put_call_ratio, ...`. Known from 09:00 New York of the next session."""
    return _next_morning(table, _RATIO_COLUMNS, "Cboe")


def read_total_put_call(table: RawTable) -> Imported:
    """`date, calls, puts, total, ratio`: Cboe's older file. Known from 09:00 New York of the next session."""
    return _next_morning(table, (Column("ratio", PUT_CALL[0], "ratio of volumes"),), "Cboe")


def read_dix_gex(table: RawTable) -> Imported:
    """`date, price, dix, gex`. DIX and GEX known from 09:00 New York of the next session; `price`, the SPX close, is an
    index close and known from 16:15.
    """
    columns = (Column("dix", DIX, "share of volume"), Column("gex", GEX, "USD"))
    found = _next_morning(table, columns, "SqueezeMetrics")
    days, price = table.days("date"), table.numbers("price")
    order = np.argsort(days, kind="stable")
    order = order[np.isfinite(price[order]) & (price[order] > 0)]
    order = order[np.append(days[order][1:] != days[order][:-1], True)] if len(order) else order
    nothing = np.full(len(order), np.nan)
    closes = Bars(
        ticker="SPX",
        day=days[order],
        known_at=close_known_at(days[order], index_close=True),
        open=nothing,
        high=nothing,
        low=nothing,
        close=price[order],
        volume=nothing,
        adjusted_as_of=None,
    )
    return Imported(bars=(StoredBars(closes, np.ones(len(order))),), series=found.series, notes=found.notes)


def _next_morning(table: RawTable, columns: tuple[Column, ...], basis: str) -> Imported:
    days, notes = table.days("date"), list[DataNote]()
    found = _histories(table, columns, basis=basis, day=days, known_at=next_morning_known_at(days), notes=notes)
    return Imported(series=found, notes=tuple(notes))


def read_vix_futures(table: RawTable) -> Imported:
    """`date, time_ny, vx_m1, vx_m2, vx_30d_weighted`: VIX futures. Known from the sampling time."""
    import pandas as pd

    days, notes = table.days("date"), list[DataNote]()
    try:
        local = pd.to_datetime(table.words("date") + " " + table.words("time_ny"), format="%Y-%m-%d %H:%M")
    except ValueError as error:
        raise table.bad(f"column 'time_ny' holds something that is not a time ({error})") from error
    known = local.dt.tz_localize(str(NEW_YORK)).dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    found = _histories(
        table, _FUTURES_COLUMNS, basis="futures", day=days, known_at=known.astype("datetime64[s]"), notes=notes
    )
    return Imported(series=found, notes=tuple(notes))


def read_strategy_indexes(table: RawTable) -> Imported:
    """`month_end, PUT, BXM, ...`: month-end levels of Cboe strategy indices. Known from 16:15 New York."""
    days, notes = table.days("month_end"), list[DataNote]()
    known = close_known_at(days, index_close=True)
    found = _histories(table, _STRATEGY_COLUMNS, basis="Cboe monthly", day=days, known_at=known, notes=notes)
    return Imported(series=found, notes=tuple(notes))


def _next_month(start: Days) -> Days:
    months = start.astype("datetime64[M]") + np.timedelta64(1, "M")
    return np.asarray(months.astype("datetime64[D]"))


def read_trends(table: RawTable) -> Imported:
    """`week|month, interest`: search interest 0 to 100 of what the file is named after ("<1" counts as 0.5).

    Known from 00:00 UTC after the week or month that a row covers is over.
    """
    weekly = "week" in table.columns
    start = table.days("week" if weekly else "month")
    following = start + np.timedelta64(7, "D") if weekly else _next_month(start)
    last: Days = following - np.timedelta64(1, "D")
    words = table.words("interest").str.strip().replace("<1", "0.5")
    try:
        value = np.asarray(words.to_numpy(dtype=object), dtype=np.float64)
    except ValueError as error:
        raise table.bad("column 'interest' holds something other than 0 to 100 or '<1'") from error
    notes: list[DataNote] = []
    found = history(
        table,
        f"trends.{table.first_word}",
        unit="interest 0-100",
        basis="Google Trends",
        day=last,
        known_at=next_midnight_known_at(last),
        value=value,
        notes=notes,
    )
    return Imported(series=(found,), notes=tuple(notes))
