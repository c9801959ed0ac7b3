"""Which contracts are listed: once listed, a contract stays until it expires, so a held one always has a quote."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np

from domain.contract import Right, occ_symbol
from domain.market import Strings
from domain.sessions import expiry_instant, is_session
from domain.units import Bools, Days, Floats, Instants, to_datetime64
from feeds.simulated.paths import Path
from feeds.simulated.settings import SimulatedName
from feeds.simulated.timeline import Timeline, listed_expiry, third_friday

_STEPS = (0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0)
Cycle = Literal["monthly", "weekly", "daily"]
_LISTED_DAYS: dict[Cycle, int] = {"weekly": 42, "daily": 14}
_FAR_MONTHS = (3, 6, 9, 12)  # listed a year ahead; the other months half a year


@dataclass(frozen=True)
class Grid:
    """One family of strikes of one expiry, with the day from which it is listed."""

    root: str
    expiry: date
    am_settled: bool
    cycle: Cycle
    listed: date


@dataclass(frozen=True, eq=False)
class Listing:
    """The contracts of one name on one day, by expiry instant, root, strike, call first. Shape `(n,)`."""

    symbol: Strings
    root: Strings
    is_call: Bools
    strike: Floats
    expiry: Days
    expires_at: Instants
    am_settled: Bools
    monthly: Bools
    listed: Days


def grids(name: SimulatedName, day: date) -> tuple[Grid, ...]:
    """Strike families listed on `day`, ascending by expiry."""
    found: list[Grid] = []
    for ahead in range(14):
        month = (day.month - 1 + ahead) % 12 + 1
        expiry = listed_expiry(third_friday(day.year + (day.month - 1 + ahead) // 12, month))
        listed = expiry - timedelta(days=364 if month in _FAR_MONTHS else 182)
        found.append(Grid(name.ticker, expiry, name.kind == "index", "monthly", listed))
    weekly_root = f"{name.ticker}W" if name.kind == "index" else name.ticker
    for ahead in range(43):
        dated = day + timedelta(days=ahead)
        cycle: Cycle = "weekly" if dated.weekday() == 4 else "daily"
        if dated.weekday() > 4 or (cycle == "daily" and (name.kind == "stock" or not is_session(dated))):
            continue
        expiry = listed_expiry(dated)
        found.append(Grid(weekly_root, expiry, False, cycle, expiry - timedelta(days=_LISTED_DAYS[cycle])))
        if cycle == "weekly" and name.kind != "stock":  # finer strikes as the end nears
            found.append(Grid(weekly_root, expiry, False, "daily", expiry - timedelta(days=_LISTED_DAYS["daily"])))
    kept = {grid for grid in found if grid.listed <= day <= grid.expiry}
    return tuple(sorted(kept, key=lambda grid: (grid.expiry, grid.root, grid.cycle)))


def strikes(grid: Grid, path: Path, line: Timeline, index: int) -> Floats:
    """Strikes of a family on session `index`, ascending, shape `(m,)`.

    Every close from listing to the one before `index` has widened them to a few standard deviations around itself.
    """
    start = min(max(line.position(grid.listed) - 1, 0), index - 1)
    closes = path.close[start:index]
    tau = np.maximum((np.datetime64(grid.expiry) - line.days[start:index]).astype(np.float64), 1.0) / 365
    widths = 1.8 if grid.cycle == "monthly" else 2.3
    half = np.maximum(widths * path.name.vol * np.sqrt(tau), 0.03)
    low, high = closes * np.exp(-half), closes * np.exp(half)
    wanted = 42 if path.name.kind == "stock" else 64
    step = next((s for s in _STEPS if s >= (high[0] - low[0]) / wanted), _STEPS[-1])
    first, last = max(1, int(np.floor(low.min() / step))), int(np.ceil(high.max() / step))
    return np.asarray(np.arange(first, last + 1) * step, dtype=np.float64)


def listing(path: Path, line: Timeline, index: int) -> Listing:
    """All contracts of a name listed in session `index`."""
    name, day = path.name, line.day(index)
    families: dict[tuple[datetime, str, date, bool], list[Grid]] = {}
    for grid in grids(name, day):
        instant = expiry_instant(grid.expiry, am_settled=grid.am_settled)
        families.setdefault((instant, grid.root, grid.expiry, grid.am_settled), []).append(grid)
    parts: list[tuple[Floats, tuple[datetime, str, date, bool], bool, date]] = []
    for key in sorted(families):
        members = families[key]
        union = np.unique(np.concatenate([strikes(grid, path, line, index) for grid in members]))
        parts.append((union, key, any(g.cycle == "monthly" for g in members), min(g.listed for g in members)))
    sizes = [2 * len(union) for union, *_ in parts]
    strike = np.repeat(np.concatenate([union for union, *_ in parts]), 2)
    is_call = np.tile(np.array([True, False]), len(strike) // 2)
    symbols = [
        f"{stem}{right}{thousandths:08d}"
        for union, (_, root, expiry, _), *_ in parts
        for stem in (
            occ_symbol(root, expiry, Right.CALL, 1.0)[:12],
        )  # formatting every strike anew costs ten times more
        for thousandths in np.round(union * 1000).astype(np.int64).tolist()
        for right in "CP"
    ]
    return Listing(
        symbol=np.array(symbols),
        root=np.repeat(np.array([key[1] for _, key, *_ in parts]), sizes),
        is_call=is_call,
        strike=strike,
        expiry=np.repeat(np.array([key[2] for _, key, *_ in parts], dtype="datetime64[D]"), sizes),
        expires_at=np.repeat(np.array([to_datetime64(key[0]) for _, key, *_ in parts]), sizes),
        am_settled=np.repeat(np.array([key[3] for _, key, *_ in parts]), sizes),
        monthly=np.repeat(np.array([monthly for *_, monthly, _ in parts]), sizes),
        listed=np.repeat(np.array([listed for *_, listed in parts], dtype="datetime64[D]"), sizes),
    )
