"""Small market files as finance portals give them: a whole chain at one moment, priced off one volatility."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from domain.contract import Right, occ_symbol
from domain.sessions import expiry_instant
from options.black import price

CAPTURED = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
EXPIRIES = (date(2026, 2, 27), date(2026, 3, 20), date(2026, 4, 17))
Change = Callable[[pd.DataFrame], pd.DataFrame]


def chain_rows(ticker: str = "SPY", *, spot: float = 690.0, vol: float = 0.18, at: datetime = CAPTURED) -> pd.DataFrame:
    """Calls and puts on 21 strikes and three expiries, quoted a spread of 2 % around their value."""
    rows: list[dict[str, Any]] = []
    for expiry in EXPIRIES:
        years = (expiry_instant(expiry, am_settled=False) - at).total_seconds() / (365 * 86_400)
        for strike in np.round(spot * np.linspace(0.9, 1.1, 21)):
            for right in Right:
                worth = price(
                    strike=strike, tau=years, vol=vol, is_call=right is Right.CALL, spot=spot, rate=0.04,
                    dividend_yield=0.0,
                )  # fmt: skip
                half = max(0.01, 0.01 * float(worth))
                rows.append(
                    {
                        "snapshot_utc": f"{at:%Y-%m-%d %H:%M:%S}", "ticker": ticker,
                        "contract": occ_symbol(ticker, expiry, right, float(strike)).replace(" ", ""),
                        "type": right.value, "expiration": expiry.isoformat(), "strike": strike,
                        "bid": round(float(worth) - half, 2), "ask": round(float(worth) + half, 2),
                        "last": round(float(worth), 2), "volume": 100.0, "open_interest": 500.0,
                        "implied_vol": vol, "last_trade_utc": f"{at:%Y-%m-%d %H:%M:%S}", "underlying_price": spot,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def chain_file(folder: Path, *frames: pd.DataFrame, name: str = "chains.csv") -> Path:
    """The rows as one file, CSV or Parquet by its name."""
    path = folder / name
    whole = pd.concat(frames, ignore_index=True)
    if path.suffix == ".parquet":
        whole.to_parquet(path, index=False)
    else:
        whole.to_csv(path, index=False)
    return path
