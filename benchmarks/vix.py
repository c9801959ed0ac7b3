"""A VIX-style index from the SPX chains of spring 2019 beside the published close of those days.

The Cboe computed its close from quotes at 16:15 New York; the chains were captured when the vendor's file was written,
mostly some minutes before 16:00. How far the index of the underlying at capture lies from its official close tells the
captures at the close from the others. Alone: `python -m benchmarks.vix`.
"""

import os
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from domain.errors import DataError
from domain.market import Chain
from feeds.importers.dated_chains import read_index_history
from feeds.importers.table import read_table
from options.rates import RateCurve
from options.variance import VixIndex, vix_style_index

DATA = Path(os.environ.get("DESK_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
YEARS = {"DGS1MO": 1 / 12, "DGS3MO": 0.25, "DGS6MO": 0.5, "DGS1": 1.0}
CENT = 0.005  # USD: captures whose underlying is the official close to the cent are taken to be at the close
EARLY = "2019-04-25"  # a morning snapshot: a twentieth of a day's volume
TARGET = 0.05  # volatility points, on captures at the close
SHOWN = 8


class Day(NamedTuple):
    """`gap` is the underlying at capture over its official close, less 1; `at_close` whether they are the same to the
    cent; the rest are volatility points.
    """

    day: str
    found: VixIndex
    close: float
    low: float
    high: float
    gap: float
    at_close: bool

    @property
    def miss(self) -> float:
        return self.found.index - self.close


def main() -> bool:
    """Print the distribution of differences; whether captures at the close agree with what was published."""
    days, refused = measured()
    later = [day for day in days if day.day != EARLY]
    at_close = [day for day in later if day.at_close]
    misses, gaps = (np.array(column) for column in zip(*((day.miss, day.gap) for day in later), strict=True))
    slope, level = np.polyfit(100.0 * gaps, misses, 1)
    inside = sum(day.low <= day.found.index <= day.high for day in days)
    print(f"{len(days)} days, {len(refused)} refused{''.join(f'; {why}' for why in refused)}")
    _distribution("all days", days)
    _distribution("captured at the close", at_close)
    _distribution("captured at another moment", [day for day in later if not day.at_close])
    print(f"within that day's published low and high: {inside} of {len(days)}")
    print(
        f"without {EARLY} (captured in the morning): {slope:+.2f} points per 1 % of underlying above its close, "
        f"correlation {np.corrcoef(gaps, misses)[0, 1]:+.2f}; "
        f"median |difference| left {np.median(np.abs(misses - slope * 100.0 * gaps - level)):.3f}"
    )
    print(
        f"\nlargest differences\n{'day':<12}{'index':>8}{'close':>8}{'low':>8}{'high':>8}{'diff':>8}{'gap %':>8}  terms"
    )
    for day in sorted(days, key=lambda each: -abs(each.miss))[:SHOWN]:
        print(_line(day))
    print("captured at the close")
    for day in at_close:
        print(_line(day))
    return max(abs(day.miss) for day in at_close) <= TARGET


def measured() -> tuple[list[Day], list[str]]:
    """Every captured day, and the refusals in words."""
    import pandas as pd

    vix = pd.read_csv(DATA / "volatility" / "VIX_to_2024.csv").set_index("date")
    spx = pd.read_csv(DATA / "volatility" / "SPX_daily_1990_2022.csv").set_index("date").close
    yields = pd.read_csv(DATA / "rates" / "treasury_yields_to_2024.csv").set_index("date")[list(YEARS)].dropna()
    days, refused = [], []
    for chain in _chains():
        day = chain.as_of.date().isoformat()
        known = yields[yields.index < day].iloc[-1].to_numpy(float)  # published the next morning
        curve = RateCurve(np.array(list(YEARS.values())), 2.0 * np.log1p(known / 200.0))
        try:
            found = vix_style_index(chain, curve=curve)
        except DataError as error:
            refused.append(f"{day}: {error}")
            continue
        row, close = vix.loc[day], float(spx[day])
        at_close = abs(chain.spot - close) < CENT
        days.append(Day(day, found, row.close, row.low, row.high, chain.spot / close - 1.0, at_close))
    return days, refused


def _chains() -> list[Chain]:
    files = sorted((DATA / "spx_chains_2019").glob("*.parquet"))
    if not files:
        raise SystemExit(f"No SPX chains under {DATA}: set DESK_DATA to the folder of market data.")
    return [chain for file in files for chain in read_index_history(read_table(file.name, file.read_bytes())).chains]


def _distribution(name: str, days: list[Day]) -> None:
    misses = np.array([day.miss for day in days])
    low, middle, high = np.quantile(misses, (0.05, 0.5, 0.95))
    size = np.quantile(np.abs(misses), (0.5, 0.9, 1.0))
    print(
        f"{name:<28}{len(days):>4} days: difference 5 % {low:+.3f}, median {middle:+.3f}, 95 % {high:+.3f}; "
        f"size median {size[0]:.3f}, 90 % {size[1]:.3f}, largest {size[2]:.3f} points"
    )


def _line(day: Day) -> str:
    terms = " + ".join(
        f"{_short(term.expiry)}{'am' if term.am_settled else ''} ({len(term.strikes)})"
        for term in (day.found.near, day.found.next)
    )
    return (
        f"{day.day:<12}{day.found.index:>8.2f}{day.close:>8.2f}{day.low:>8.2f}{day.high:>8.2f}{day.miss:>+8.2f}"
        f"{100 * day.gap:>+8.2f}  {terms}"
    )


def _short(day: date) -> str:
    return f"{day:%m-%d}"


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
