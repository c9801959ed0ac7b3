"""Chains of the shared market data, built without any feed: what a test of the numerics needs and no more."""

from datetime import UTC, date
from functools import lru_cache

import numpy as np
import pandas as pd

from domain.contract import Right, occ_symbol
from domain.market import Chain
from domain.sessions import expiry_instant, session_close
from domain.units import to_datetime64
from feeds.importers.presets import recognise
from feeds.importers.table import read_table
from options.rates import RateCurve

YEARS = np.array([1 / 12, 0.25, 0.5, 1.0, 2.0])
CURVE_2019_06 = RateCurve(YEARS, np.array([0.0215, 0.0219, 0.0213, 0.0196, 0.0176]))
CURVE_2026_02 = RateCurve(YEARS, np.array([0.0370, 0.0367, 0.0361, 0.0347, 0.0346]))


def spx_close(folder, day="2019-06-20"):
    """SPX and SPXW at the close of a day of spring 2019, European."""
    table = pd.read_parquet(folder / "spx_chains_2019" / f"spx_{day[:7]}.parquet")
    table = table[pd.to_datetime(table["quote_date"]) == day]
    roots = table["root"].to_numpy(str)
    return _chain(table, "SPX", session_close(date.fromisoformat(day)), roots, european=True)


def snapshot(folder, ticker, moment=0):
    """One of the four moments of February 2026, American; the quoted spot may be a per cent off the quotes."""
    table = pd.read_parquet(folder / "multi_ticker_chains_2026_02" / "seven_tickers.parquet")
    table = table[table["ticker"] == ticker]
    stamp = sorted(table["snapshot_utc"].unique())[moment]
    table = table[table["snapshot_utc"] == stamp]
    as_of = pd.Timestamp(stamp)
    as_of = as_of.tz_localize(UTC) if as_of.tzinfo is None else as_of.tz_convert(UTC)
    return _chain(table, ticker, as_of.to_pydatetime(), np.full(len(table), ticker), european=False)


def _chain(table, ticker, as_of, roots, *, european):
    expiries = pd.to_datetime(table["expiration"]).dt.date.to_numpy()
    am_settled = roots == "SPX"
    kinds = set(zip(expiries, am_settled, strict=True))
    instants = {(day, am): to_datetime64(expiry_instant(day, am_settled=bool(am))) for day, am in kinds}
    is_call = (table["type"] == "call").to_numpy()
    strikes = table["strike"].to_numpy(float)
    rows = zip(roots, expiries, is_call, strikes, strict=True)
    count = len(table)
    return Chain(
        ticker=ticker,
        as_of=as_of,
        spot=float(table["underlying_price"].iloc[0]),
        spot_source="quoted",
        symbol=np.array([occ_symbol(r, e, Right.CALL if c else Right.PUT, float(k)) for r, e, c, k in rows]),
        root=roots,
        is_call=is_call,
        strike=strikes,
        expiry=expiries.astype("datetime64[D]"),
        expires_at=np.array([instants[kind] for kind in zip(expiries, am_settled, strict=True)]),
        am_settled=am_settled,
        european=np.full(count, european),
        standard=np.ones(count, dtype=bool),
        multiplier=np.full(count, 100.0),
        bid=table["bid"].to_numpy(float),
        ask=table["ask"].to_numpy(float),
        last=table["last"].to_numpy(float),
        volume=table["volume"].to_numpy(float),
        open_interest=table["open_interest"].to_numpy(float),
        bid_size=np.full(count, np.nan),
        ask_size=np.full(count, np.nan),
        vendor_iv=table["implied_vol"].to_numpy(float),
    )


@lru_cache(maxsize=2)
def captured(path):
    """Every chain of one shared file, as the feeds read it."""
    table = read_table(path.name, path.read_bytes())
    return recognise(table).read(table).chains
