"""Dealer gamma of 56 SPX days against the published series, beside the sum of the vendor's own gammas.

`python -m benchmarks.gex [DATA]` prints the table of `benchmarks/gex.md`. DATA holds the shared market data (default:
DESK_DATA, else ../shared/data). The published series has its own unit and scale: what can be compared is the order of
days and the sign.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from domain.market import Chain
from domain.sessions import session_close
from feeds.importers.presets import recognise
from feeds.importers.table import read_table
from options.chain import price_chain
from options.exposure import exposures, gamma_roots, walls
from options.holdings import SIGNS, counted, shares
from options.priced import PricedChain
from options.rates import RateCurve, rate_curve
from options.settings import ChainSettings

CONVENTION = "dealers_long_calls_short_puts"
LEAST_CORRELATION = 0.89
Keyed = Mapping[str, float]


class Day(NamedTuple):
    """Totals in USD per 1 % move; `variants` are sums with the vendor's and our gammas mixed by kind of row."""

    day: str
    spot: float
    published: float
    naive: float
    ours: float
    vanna: float
    charm: float
    roots: tuple[float, ...]
    variants: Mapping[str, float]


def main() -> bool:
    """Print and judge."""
    folder = Path(os.environ.get("DESK_DATA", "../shared/data"))
    series = folder / "positioning" / "DIX_GEX_to_2024.csv"
    published = pd.read_csv(series, index_col="date")["gex"]
    days = [measured(*found, published, folder) for found in spx_days(folder)]
    for line in table(days):
        print(line)
    print()
    for line in summary(days):
        print(line)
    print()
    print(quote_table(folder, published))
    there = np.array([day.published for day in days])
    return correlation(np.array([day.ours for day in days]), there) >= LEAST_CORRELATION


def spx_days(folder: Path) -> Iterator[tuple[Chain, Keyed]]:
    """Every chain of spring 2019 with the vendor's gamma by contract."""
    for path in sorted((folder / "spx_chains_2019").glob("spx_*.parquet")):
        raw = read_table(path.name, path.read_bytes())
        frame = raw.frame
        side = np.where(frame["type"] == "call", "C", "P")
        stamp = pd.to_datetime(frame["expiration"]).dt.strftime("%y%m%d")
        symbol = (
            frame["root"].str.ljust(6)
            + stamp
            + side
            + (frame["strike"] * 1000).round().astype(int).map("{:08d}".format)
        )
        day = pd.to_datetime(frame["quote_date"]).dt.strftime("%Y-%m-%d")
        vendor = {
            each: dict(zip(symbol[rows], frame["gamma"][rows], strict=True))
            for each, rows in day.groupby(day).groups.items()
        }
        for chain in sorted(recognise(raw).read(raw).chains, key=lambda chain: chain.as_of):
            yield chain, vendor[f"{chain.as_of:%Y-%m-%d}"]


def measured(chain: Chain, vendor: Keyed, published: "pd.Series[float]", folder: Path) -> Day:
    priced = price_chain(chain, as_of=chain.as_of, curve=curve(folder, chain), settings=ChainSettings())
    if not isinstance(priced, PricedChain):
        raise SystemExit(f"{chain.as_of:%Y-%m-%d}: {priced.detail}")
    found, day = exposures(priced, CONVENTION), f"{chain.as_of:%Y-%m-%d}"
    quoted = np.array([vendor[symbol] for symbol in chain.symbol])
    call, put = SIGNS[CONVENTION]
    scale = np.where(chain.is_call, call, put) * chain.open_interest * 100 * chain.spot**2 * 0.01
    ours = np.zeros(len(chain))
    rows = counted(priced)
    ours[rows] = priced.gamma[rows] * shares(priced, rows, CONVENTION) * chain.spot**2 * 0.01
    theirs = np.nan_to_num(scale * quoted)
    over, unpriced = ~(priced.tau > 0), chain.vendor_iv == 0
    kinds = {
        "contracts that end at the picture's own close": over,
        "rows the vendor left without a volatility": unpriced & ~over,
        "all others": ~(unpriced | over),
    }
    return Day(
        day=day,
        spot=chain.spot,
        published=float(published[day]),
        naive=float(theirs.sum()),
        ours=found.gamma.total,
        vanna=found.vanna.total,
        charm=found.charm.total,
        roots=gamma_roots(priced, CONVENTION),
        variants={name: float(np.where(kind, ours, theirs).sum()) for name, kind in kinds.items()},
    )


def curve(folder: Path, chain: Chain) -> RateCurve | None:
    name = "treasury_yields_to_2024.csv"
    raw = read_table(name, (folder / "rates" / name).read_bytes())
    series = {item.series.name: item.series.known_by(chain.as_of) for item in recognise(raw).read(raw).series}
    return rate_curve(series, as_of=chain.as_of)


def table(days: list[Day]) -> Iterator[str]:
    """USD bn: published as published; gammas per 1 % move; vanna per volatility point; charm per calendar day."""
    heads = ("day", "spot", "published GEX", "vendor's gammas", "ours", "zero gamma", "vanna", "charm")
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|---|"
    for day in days:
        roots = ", ".join(f"{root:,.1f}" for root in day.roots) or "none"
        figures = f"{day.published / 1e9:+.2f} | {day.naive / 1e9:+.1f} | {day.ours / 1e9:+.1f} | {roots}"
        yield f"| {day.day} | {day.spot:,.1f} | {figures} | {day.vanna / 1e9:+.1f} | {day.charm / 1e9:+.1f} |"


def summary(days: list[Day]) -> Iterator[str]:
    there = np.array([day.published for day in days])
    yield f"| {len(days)} days, {int((there < 0).sum())} of them negative | rank correlation | balanced sign accuracy |"
    yield "|---|---|---|"
    sums = {"vendor's gammas": [day.naive for day in days], "ours": [day.ours for day in days]}
    sums |= {f"vendor's, but ours in {kind}": [day.variants[kind] for day in days] for kind in days[0].variants}
    for name, totals in sums.items():
        here = np.array(totals)
        yield f"| {name} | {correlation(here, there):.3f} | {balanced(here, there):.3f} |"


def quote_table(folder: Path, published: "pd.Series[float]") -> str:
    """The Cboe quote table of 2023-09-14, taken at 16:31: read as of the close, which its quotes are from."""
    name = "spx_quotedata.csv.gz"
    raw = read_table(name, (folder / "cboe_quote_table_2023_09_14" / name).read_bytes())
    (chain,) = recognise(raw).read(raw).chains
    chain = replace(chain, as_of=session_close(chain.as_of.date()) - timedelta(seconds=1))
    priced = price_chain(chain, as_of=chain.as_of, curve=curve(folder, chain), settings=ChainSettings())
    if not isinstance(priced, PricedChain):
        return f"2023-09-14: {priced.detail}"
    frame = raw.frame
    sums = [(frame[f"gamma{side}"] * frame[f"open_interest{side}"]).astype(float).sum() for side in ("", ".1")]
    naive = (sums[0] - sums[1]) * 100 * chain.spot**2 * 0.01
    found = exposures(priced, CONVENTION).gamma
    roots = ", ".join(f"{root:,.1f}" for root in gamma_roots(priced, CONVENTION))
    call, put = walls(priced)
    return (
        f"Cboe quote table of 2023-09-14, SPX at {chain.spot:,.1f}: vendor's gammas {naive / 1e9:+.1f} bn, ours "
        f"{found.total / 1e9:+.1f} bn per 1 %, published {published['2023-09-14'] / 1e9:+.2f} bn; zero gamma {roots}, "
        f"call wall {call:,.0f}, put wall {put:,.0f}."
    )


def correlation(here: np.ndarray, there: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(here, there).statistic)


def balanced(here: np.ndarray, there: np.ndarray) -> float:
    """Mean of the shares of positive and of negative days whose sign is right."""
    return float(((here > 0)[there > 0].mean() + (here < 0)[there < 0].mean()) / 2)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
