"""Joint scenarios of spot and volatility, taken from what happened on the same days."""

from collections.abc import Iterable, Mapping

import numpy as np

from domain.market import Bars, Series, iv30
from domain.units import Days, Floats
from portfolio.returns import joint_returns
from risk.revaluation import Scenarios

VIX_NAMES = frozenset({"SPX", "XSP", "SPY"})  # whose 30-day volatility the VIX is
FALL, RISE = 4.493, 2.990  # relative change of volatility per relative fall, and per rise, of the underlying


def historical(
    bars: Mapping[str, Bars],
    tickers: Iterable[str],
    *,
    window: int = 250,
    minimum: int = 60,
    vols: Mapping[str, Series] | None = None,
    days: float = 1.0,
) -> tuple[Scenarios, tuple[str, ...]]:
    """One scenario for each of the last `window` days that all names have in common, and the tickers without `minimum`
    returns, ascending: about those the scenarios say nothing, and their worst case must stand in.

    `vols` holds series by name: a name's volatility moves as its own `iv30` series did over the same days (SPX, XSP and
    SPY as the VIX, without one). On days without a reading, and on all days where fewer than `minimum` have one, it
    follows the spot by the leverage effect: ln(1 + v) = −4.493·r for a fall r and −2.990·r for a rise. That is the
    regression of VIX on S&P 500 changes in Whaley (2009), "Understanding the VIX"; for single names it is an upper
    estimate (Dennis, Mayhew and Stivers 2006). `notes` says of which names. Each scenario lets `days` calendar days
    pass; bars and series must already be cut at the run's instant.
    """
    joint = joint_returns(bars, tickers, window=window, minimum=minimum)
    vol = leverage_effect(joint.values)
    notes = []
    for column, ticker in enumerate(joint.tickers):
        moved = _vol_moves(ticker, joint.start, joint.day, vols or {})
        known = np.isfinite(moved)
        if known.sum() >= minimum:
            vol[known, column] = moved[known]
        if known.sum() < minimum or not known.all():
            days_short = len(known) if known.sum() < minimum else int((~known).sum())
            notes.append(f"volatility of {ticker} by the leverage effect on {days_short} of {len(known)} days")
    rows = len(joint.day)
    scenarios = Scenarios(
        tickers=joint.tickers,
        spot=joint.values,
        vol=vol,
        rate=np.zeros(rows),
        days=np.full(rows, days),
        names=tuple(str(day) for day in joint.day),
        notes=tuple(notes),
    )
    return scenarios, joint.missing


def leverage_effect(returns: Floats) -> Floats:
    """Relative change of 30-day volatility that goes with simple `returns` of the underlying, any shape, above −1."""
    return np.expm1(-np.where(returns < 0.0, FALL, RISE) * returns)


def _vol_moves(ticker: str, start: Days, day: Days, vols: Mapping[str, Series]) -> Floats:
    """Relative change over each interval; NaN without a reading at both ends."""
    series = vols.get(iv30(ticker)) or (vols.get("VIX") if ticker in VIX_NAMES else None)
    if series is None or not len(series):
        return np.full(len(day), np.nan)
    ends = []
    for moment in (start, day):
        place = np.minimum(np.searchsorted(series.day, moment), len(series) - 1)
        found = (series.day[place] == moment) & (series.value[place] > 0.0)
        ends.append(np.where(found, series.value[place], np.nan))
    return np.asarray(ends[1] / ends[0] - 1.0)
