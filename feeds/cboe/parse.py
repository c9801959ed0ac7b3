"""Pure reading of Cboe's free delayed-quotes document (one JSON per underlying, all expiries at once).

Times in it: the outer `timestamp` is when Cboe published the document, UTC, without saying so; `last_trade_time` is New
York time; prices lag publication by 15 minutes.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from domain.contract import OccParts, Right, occ_symbol, parse_occ
from domain.errors import DataError
from domain.market import Chain, DataNote
from domain.sessions import NEW_YORK, expiry_instant, session_before, session_close, session_of, session_on_or_after
from domain.units import Floats, to_datetime64

DELAY = timedelta(minutes=15)
# Cash-settled, European; Cboe publishes them under a leading underscore.
INDEX_ROOTS = {
    "SPX": "SPX",
    "NDX": "NDX",
    "RUT": "RUT",
    "VIX": "VIX",
    "XSP": "XSP",
    "DJX": "DJX",
    "OEX": "OEX",
    "XEO": "XEO",
}
_AMERICAN_INDICES = frozenset({"OEX"})
_AM_ROOTS = frozenset({"SPX", "NDX", "RUT", "VIX", "DJX"})  # SPXW, NDXP, RUTW, VIXW ... are other roots
_NUMBERS = ("bid", "ask", "last_trade_price", "volume", "open_interest", "bid_size", "ask_size", "iv")


@dataclass(frozen=True, eq=False)
class Delayed:
    """A chain as published: `known_at` is the publication, `chain.as_of` the instant of its quotes, minutes earlier."""

    chain: Chain
    known_at: datetime
    notes: tuple[DataNote, ...]


def document_name(ticker: str) -> str:
    """File name of a ticker's document, e.g. "_SPX.json" or "SPY.json"."""
    return f"_{ticker}.json" if ticker in INDEX_ROOTS else f"{ticker}.json"


def parse_chain(body: bytes, ticker: str) -> Delayed:
    """Read one document. Raises `DataError` when it is cut off, of another shape, without a single readable contract,
    or without a spot; unreadable contracts are dropped and counted in a note.
    """
    published, data = _envelope(body, ticker)
    quoted_at = quote_instant(published, data.get("last_trade_time"))
    contracts: list[tuple[OccParts, dict[str, Any]]] = []
    bad: list[str] = []
    for row in data["options"]:
        symbol = str(row.get("option", "")) if isinstance(row, dict) else ""
        try:
            contracts.append((parse_occ(symbol), row))
        except DataError:
            bad.append(symbol)
    if not contracts:
        raise DataError(f"Cboe's document for {ticker} holds no readable contract.", remedy=_SHAPE)
    contracts.sort(key=lambda item: (item[0].expiry, item[0].root, item[0].strike, item[0].right.value))
    notes = (
        [_note("bad_symbol", ticker, f"contracts with an unreadable symbol, e.g. {bad[0]!r}", len(bad))] if bad else []
    )
    return Delayed(
        chain=_chain(ticker, quoted_at, float(data["current_price"]), contracts),
        known_at=published,
        notes=tuple(notes),
    )


_SHAPE = "If this lasts, Cboe has changed the document and feeds/cboe/parse.py needs an update."


def quote_instant(published: datetime, last_trade: Any) -> datetime:
    """When the quotes were taken: 15 minutes before publication where that lies within a session.

    Otherwise at the last trade (naive New York text), or the close of its session if that was earlier.
    """
    taken = published - DELAY
    if session_of(taken) is not None:
        return taken
    try:
        traded = datetime.fromisoformat(str(last_trade)).replace(tzinfo=NEW_YORK).astimezone(UTC)
    except ValueError:
        traded = taken
    day = session_on_or_after(traded.astimezone(NEW_YORK).date())
    if traded < session_close(day) and session_of(traded) is None:
        day = session_before(day)
    return min(taken, traded, session_close(day))


def _envelope(body: bytes, ticker: str) -> tuple[datetime, dict[str, Any]]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise DataError(f"Cboe's answer for {ticker} is not whole JSON: {error}.", remedy="Try again.") from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("options"), list):
        raise DataError(f"Cboe's answer for {ticker} has no data.options list.", remedy=_SHAPE)
    try:
        published = datetime.fromisoformat(document["timestamp"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"Cboe's answer for {ticker} has no readable timestamp.", remedy=_SHAPE) from error
    spot = data.get("current_price")
    if isinstance(spot, bool) or not isinstance(spot, int | float) or not 0 < spot < float("inf"):
        raise DataError(f"Cboe's answer for {ticker} gives {spot!r} as the current price.", remedy=_SHAPE)
    return published.replace(tzinfo=UTC) if published.tzinfo is None else published.astimezone(UTC), data


def _chain(ticker: str, as_of: datetime, spot: float, contracts: list[tuple[OccParts, dict[str, Any]]]) -> Chain:
    numbers = {name: _column(contracts, name) for name in _NUMBERS}
    am_settled = [_am_settled(parts) for parts, _ in contracts]
    expires: dict[tuple[date, bool], np.datetime64] = {}
    for (parts, _), am in zip(contracts, am_settled, strict=True):
        if (parts.expiry, am) not in expires:
            expires[parts.expiry, am] = to_datetime64(expiry_instant(parts.expiry, am_settled=am))
    # Adjusted deliverables trade under the root with a digit added (AAPL1).
    standard = np.array([not parts.root[-1].isdigit() for parts, _ in contracts])
    return Chain(
        ticker=ticker,
        as_of=as_of,
        spot=spot,
        spot_source="quoted",
        symbol=np.array([occ_symbol(p.root, p.expiry, p.right, p.strike) for p, _ in contracts]),
        root=np.array([parts.root for parts, _ in contracts]),
        is_call=np.array([parts.right is Right.CALL for parts, _ in contracts]),
        strike=np.array([float(parts.strike) for parts, _ in contracts]),
        expiry=np.array([parts.expiry for parts, _ in contracts], dtype="datetime64[D]"),
        expires_at=np.array(
            [expires[parts.expiry, am] for (parts, _), am in zip(contracts, am_settled, strict=True)],
            dtype="datetime64[s]",
        ),
        am_settled=np.array(am_settled),
        european=np.full(len(contracts), ticker in INDEX_ROOTS and ticker not in _AMERICAN_INDICES),
        standard=standard,
        multiplier=np.where(standard, 100.0, np.nan),  # listed US options; an adjusted deliverable is unknown here
        bid=numbers["bid"],
        ask=numbers["ask"],
        last=np.where(numbers["last_trade_price"] > 0, numbers["last_trade_price"], np.nan),
        volume=numbers["volume"],
        open_interest=numbers["open_interest"],
        bid_size=numbers["bid_size"],
        ask_size=numbers["ask_size"],
        vendor_iv=np.where(numbers["iv"] > 0, numbers["iv"], np.nan),
    )


def _am_settled(parts: OccParts) -> bool:
    return parts.root in _AM_ROOTS


def _column(contracts: list[tuple[OccParts, dict[str, Any]]], name: str) -> Floats:
    """A numeric field of all rows, NaN where it is missing, negative or not a number."""

    def number(value: Any) -> float:
        usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
        return float(value) if usable else float("nan")

    return np.array([number(row.get(name)) for _, row in contracts], dtype=np.float64)


def _note(code: str, subject: str, detail: str, count: int) -> DataNote:
    return DataNote(code=code, subject=subject, detail=detail, count=count)
