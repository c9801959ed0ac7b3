"""From flat option rows to one `Chain` for each underlying and instant."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import numpy as np

from domain.errors import UsageError
from domain.market import Chain, DataNote
from domain.sessions import FIRST_DAY, NEW_YORK, close_known_at, expiry_instant, is_session
from domain.units import Bools, Days, Floats, Instants, from_datetime64
from feeds.importers.imported import Imported
from feeds.importers.roots import guess_root, is_adjusted_root, rule_of
from feeds.importers.table import RawTable

_NEUTRAL_RATE = 0.025
_TICKER = re.compile(r"[A-Z][A-Z0-9.\-]{0,9}")  # also a file name in the library
_ROOT = re.compile(r"[A-Z0-9.]{0,6}")


@dataclass(frozen=True, slots=True, eq=False)
class ChainRows:
    """Option rows of any number of underlyings and instants, shape `(n,)`; units as in `domain.market.Chain`.

    `as_of` is both when the quotes were captured and from when they may be used (UTC, `datetime64[s]`). An empty
    `root` means that the layout names only the underlying. `spot` is NaN where it must come from parity.
    """

    ticker: np.ndarray
    as_of: Instants
    spot: Floats
    root: np.ndarray
    is_call: Bools
    strike: Floats
    expiry: Days
    bid: Floats
    ask: Floats
    last: Floats
    volume: Floats
    open_interest: Floats
    bid_size: Floats
    ask_size: Floats
    vendor_iv: Floats
    multiplier: Floats
    standard: Bools

    def only(self, keep: np.ndarray) -> "ChainRows":
        """Rows selected by a mask or an index."""
        return ChainRows(*(getattr(self, name)[keep] for name in self.__slots__))


def rights(table: RawTable, column: str) -> Bools:
    """True for calls. Raises `DataError` for anything that is neither call nor put."""
    initials = table.words(column).str[:1].str.upper()
    if not initials.isin(["C", "P"]).all():
        raise table.bad(f"column {column!r} holds something that is neither call nor put")
    return np.asarray(initials == "C", dtype=bool)


def session_closes(table: RawTable, days: Days) -> tuple[Instants, Bools]:
    """Close of each day's session and whether the day is one: the knowledge rule of chains dated without a time."""
    unique, where = np.unique(days, return_inverse=True)
    if (unique < np.datetime64(FIRST_DAY)).any():
        raise table.bad(f"{unique[0]} lies before the trading calendar, which begins {FIRST_DAY}")
    return close_known_at(unique)[where], np.array([is_session(day) for day in unique.tolist()], dtype=bool)[where]


def assemble(table: RawTable, rows: ChainRows, notes: Iterable[DataNote] = ()) -> Imported:
    """Group `rows` into chains and count what is odd about them.

    Raises `DataError` for a strike that is missing, not positive, infinite or finer than a thousandth. Rows on a day
    without a session (stale holiday repeats) are dropped and counted; crossed, zero-bid and duplicate rows are kept as
    captured and counted: judging them is the pricing's task.
    """
    found = list(notes)
    _refuse_garbage(table, rows)
    rows = _drop_holidays(table, rows, found)
    roots, certain = _roots(rows)
    if not certain.all():
        found.append(
            DataNote(
                code="settlement_unknown",
                subject=table.name,
                detail="third-Friday index options without a root may be AM- or PM-settled; never proposed",
                count=int((~certain).sum()),
            )
        )
    adjusted = _of_each(roots, is_adjusted_root)
    rows = replace(rows, root=roots, standard=rows.standard & certain & ~adjusted)
    rows = rows.only(_order(rows))
    chains = _chains(table, rows, found)
    _count_oddities(table, rows, chains, found)
    return Imported(chains=tuple(chains), notes=tuple(found))


def _refuse_garbage(table: RawTable, rows: ChainRows) -> None:
    strike = rows.strike
    if not (np.isfinite(strike) & (strike > 0) & (strike < 100_000)).all():
        raise table.bad("a strike is missing, not positive or absurd")
    if (np.abs(strike * 1000 - np.rint(strike * 1000)) > 0.01).any():
        raise table.bad("a strike is finer than a thousandth, which no listed contract is")
    for words, pattern, what in ((rows.ticker, _TICKER, "ticker"), (rows.root, _ROOT, "root")):
        odd = [word for word in _codes(words)[0] if not pattern.fullmatch(word)]
        if odd:
            raise table.bad(f"{odd[0]!r} is not a {what}")
    if np.isnat(rows.as_of).any():
        raise table.bad("a capture time is missing")


def _drop_holidays(table: RawTable, rows: ChainRows, found: list[DataNote]) -> ChainRows:
    unique, where = np.unique(rows.as_of, return_inverse=True)
    days = [from_datetime64(instant).astimezone(NEW_YORK).date() for instant in unique]
    try:
        traded = np.array([is_session(day) for day in days], dtype=bool)
    except UsageError as error:
        raise table.bad(f"a capture date cannot be placed: {error.message}") from error
    keep = traded[where]
    if keep.all():
        return rows
    closed = sorted({day.isoformat() for day, open_ in zip(days, traded, strict=True) if not open_})
    found.append(
        DataNote(
            code="not_a_session",
            subject=table.name,
            detail=f"rows dated {', '.join(closed)}, when New York did not trade, were dropped",
            count=int((~keep).sum()),
        )
    )
    return rows.only(keep)


def _roots(rows: ChainRows) -> tuple[np.ndarray, Bools]:
    """Roots with the missing ones filled in, and whether each is certain."""
    certain = np.ones(len(rows.root), dtype=bool)
    nameless = rows.root == ""
    if not nameless.any():
        return rows.root, certain
    roots = rows.root.copy()
    tickers, ticker_at = _codes(rows.ticker)
    days, day_at = np.unique(rows.expiry, return_inverse=True)
    pairs = np.where(nameless, ticker_at * len(days) + day_at, -1)
    for pair in np.unique(pairs[nameless]).tolist():
        here = pairs == pair
        root, sure = guess_root(tickers[pair // len(days)], days[pair % len(days)].astype(object))
        roots[here], certain[here] = root, sure
    return roots, certain


def _order(rows: ChainRows) -> np.ndarray:
    """By underlying, instant, expiry, root, strike, calls first."""
    thousandths = np.rint(rows.strike * 1000).astype(np.int64)
    root, ticker = _codes(rows.root)[1], _codes(rows.ticker)[1]
    return np.lexsort((~rows.is_call, thousandths, root, rows.expiry, rows.as_of, ticker))


def _codes(words: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Distinct words, ascending, and the position of each row's word among them."""
    import pandas as pd

    codes, names = pd.factorize(words, sort=True)
    return [str(name) for name in names], codes


def _of_each(words: np.ndarray, judge: Callable[[str], bool]) -> Bools:
    names, codes = _codes(words)
    return np.asarray(np.array([judge(name) for name in names], dtype=bool)[codes])


def _chains(table: RawTable, rows: ChainRows, found: list[DataNote]) -> list[Chain]:
    if not len(rows.strike):
        return []
    am_settled = _of_each(rows.root, lambda root: rule_of(root).am_settled)
    european = _of_each(rows.root, lambda root: rule_of(root).european)
    expires_at = _expires_at(table, rows.expiry, am_settled)
    symbols = _symbols(rows)
    changes = (rows.ticker[1:] != rows.ticker[:-1]) | (rows.as_of[1:] != rows.as_of[:-1])
    starts = [0, *(np.flatnonzero(changes) + 1).tolist()]
    chains: list[Chain] = []
    for start, stop in zip(starts, [*starts[1:], len(rows.strike)], strict=True):
        part = slice(start, stop)
        ticker, as_of = str(rows.ticker[start]), from_datetime64(rows.as_of[start])
        quoted = rows.spot[part][np.isfinite(rows.spot[part]) & (rows.spot[part] > 0)]
        chain = Chain(
            ticker=ticker,
            as_of=as_of,
            spot=float(np.median(quoted)) if len(quoted) else float("nan"),
            spot_source="quoted",
            symbol=np.array(symbols[part]),
            root=np.array(rows.root[part].tolist()),
            is_call=rows.is_call[part],
            strike=np.rint(rows.strike[part] * 1000) / 1000,
            expiry=rows.expiry[part].astype("datetime64[D]"),
            expires_at=expires_at[part],
            am_settled=am_settled[part],
            european=european[part],
            standard=rows.standard[part],
            multiplier=rows.multiplier[part],
            bid=rows.bid[part],
            ask=rows.ask[part],
            last=rows.last[part],
            volume=rows.volume[part],
            open_interest=rows.open_interest[part],
            bid_size=rows.bid_size[part],
            ask_size=rows.ask_size[part],
            vendor_iv=rows.vendor_iv[part],
        )
        chain = chain if len(quoted) else _with_parity_spot(chain)
        if chain.spot > 0:
            chains.append(chain)
            continue
        found.append(
            DataNote(
                code="no_spot",
                subject=f"{ticker} {as_of:%Y-%m-%d %H:%M}Z",
                detail="the source gives no usable spot and parity cannot be formed; the chain was left out",
                count=len(chain),
            )
        )
    return chains


def _with_parity_spot(chain: Chain) -> Chain:
    """The chain with the spot its own quotes imply, NaN if they imply none. No yields are at hand during an import:
    within 2.5 points of the neutral rate the spot is off by at most 0.05 % for expiries a week away.
    """
    from options.parity import implied_spot
    from options.rates import RateCurve
    from options.settings import ChainSettings

    curve = RateCurve(years=np.array([1.0]), rates=np.array([_NEUTRAL_RATE]))
    # An unknown multiplier forbids trading, not reading prices per share.
    readable = replace(chain, multiplier=np.ones(len(chain)))
    implied = implied_spot(readable, curve=curve, settings=ChainSettings())
    spot = round(implied.spot, 4) if implied else float("nan")
    return replace(chain, spot=spot, spot_source="parity")


def _expires_at(table: RawTable, expiry: Days, am_settled: Bools) -> Instants:
    keys = expiry.astype("datetime64[D]").astype(np.int64) * 2 + am_settled
    unique, where = np.unique(keys, return_inverse=True)
    instants = []
    for key in unique.tolist():
        day = cast("date", np.datetime64(key // 2, "D").astype(object))
        try:
            instant = expiry_instant(day, am_settled=bool(key % 2))
        except UsageError as error:
            raise table.bad(f"an expiry cannot be placed: {error.message}") from error
        instants.append(np.datetime64(instant.replace(tzinfo=None), "s"))
    return np.array(instants, dtype="datetime64[s]")[where]


def _symbols(rows: ChainRows) -> list[str]:
    """OCC symbols, as `domain.contract.occ_symbol` writes them, for all rows at once."""
    days, where = np.unique(rows.expiry, return_inverse=True)
    stamps = [f"{day:%y%m%d}" for day in days.tolist()]
    right = np.where(rows.is_call, "C", "P").tolist()
    thousandths = np.rint(rows.strike * 1000).astype(np.int64).tolist()
    return [
        f"{root:<6}{stamps[day]}{letter}{strike:08d}"
        for root, day, letter, strike in zip(rows.root.tolist(), where.tolist(), right, thousandths, strict=True)
    ]


def _count_oddities(table: RawTable, rows: ChainRows, chains: list[Chain], found: list[DataNote]) -> None:
    repeated = sum(len(chain) - len(np.unique(chain.symbol)) for chain in chains)
    counts = {
        "crossed": (int((rows.bid > rows.ask).sum()), "bid above ask: kept as captured, flagged in pricing"),
        "zero_bid": (int((rows.bid == 0).sum()), "bid of zero: kept as captured, flagged in pricing"),
        "duplicate": (repeated, "the same contract twice in one chain: kept as captured, flagged in pricing"),
        "parity_spot": (
            sum(chain.spot_source == "parity" for chain in chains),
            "chains whose spot was implied from put-call parity because the source's own is missing or out of step",
        ),
        "non_standard": (int((~rows.standard).sum()), "deliverable changed or unclear: never proposed"),
    }
    found += [
        DataNote(code=code, subject=table.name, detail=detail, count=count)
        for code, (count, detail) in counts.items()
        if count
    ]


def missing(length: int) -> Floats:
    """A column the source does not have."""
    return np.full(length, np.nan)
