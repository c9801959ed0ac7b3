"""A priced chain as tables for people: plain numbers, None where there is none, units in the names."""

import math
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.documents import plain
from domain.market import MarketData
from domain.units import DAYS_PER_YEAR, Floats, theta_per_day, vega_per_point
from options import black
from options.arbitrage import Arbitrage, boxes, parity_gaps
from options.distribution import probability_between, risk_neutral
from options.events import EventMove, event_move, straddling
from options.exposure import Convention, exposures, max_pain, walls, zero_gamma
from options.measures import butterfly_25, forward_vol, risk_reversal_25
from options.priced import ExpirySlice, PricedChain
from signals.settings import VolSettings

Rows = NDArray[np.int64]
TOP_STRIKES = 10
EVENT_HORIZON = timedelta(days=120)
SIGNS = {
    "dealers_long_calls_short_puts": "dealers assumed long calls and short puts",
    "dealers_short_calls_long_puts": "dealers assumed short calls and long puts",
    "dealers_short_all": "dealers assumed short every option",
}
SOURCES = {
    "svi": "good",
    "ssvi": "good; few quotes, the whole surface lends the shape",
    "prior": "good; few quotes, the neighbours lend the shape",
}
MOVES = (0.02, 0.05, 0.10, 0.20)
RANGES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def term(priced: PricedChain) -> list[dict[str, Any]]:
    """One row per expiry and root, ascending."""
    rows, before = [], None
    for piece in priced.slices:
        fitted = piece.smile is not None
        after = before is not None and piece.tau > before.tau
        rows.append(
            {
                "expiry": plain(piece.expiry),
                "root": piece.root,
                "settles": "AM" if piece.am_settled else "PM",
                "days": piece.tau * DAYS_PER_YEAR,
                "forward": piece.forward,
                "forward_from": piece.forward_source,
                "carry_per_year": math.log(piece.forward / priced.spot) / piece.tau,
                "rate_per_year": -math.log(piece.discount) / piece.tau,
                "atm_iv": _number(piece.atm_vol),
                "risk_reversal_25": _number(risk_reversal_25(piece)),
                "butterfly_25": _number(butterfly_25(piece)),
                "forward_iv": _number(forward_vol(before, piece)) if before is not None and after and fitted else None,
                "quotes": int(np.count_nonzero(priced.good[piece.rows])),
                **fit(piece),
            }
        )
        before = piece if fitted else before
    return rows


def fit(piece: ExpirySlice) -> dict[str, Any]:
    """How well the slice meets its quotes between 5 and 95 delta: vol points, shares, and in words."""
    if piece.smile is None:
        none = {"rmse_vol_points": None, "inside_share": None, "max_error_vol_points": None}
        return {**none, "poor": True, "fit": "none", "quality": "too few good quotes for a fit"}
    quality = piece.smile.quality
    return {
        "rmse_vol_points": quality.rmse_vol_points,
        "inside_share": quality.inside_share,
        "max_error_vol_points": quality.max_error_vol_points,
        "poor": quality.poor,
        "fit": "poor" if quality.poor else ("good" if quality.source == "svi" else "lent"),
        "quality": quality.reason if quality.poor else SOURCES[quality.source],
    }


def smile(priced: PricedChain, piece: ExpirySlice) -> dict[str, NDArray[Any]]:
    """Columns of the out-of-the-money quotes of one expiry, ascending by strike, shape `(n,)`.

    Volatilities are decimals; `residual_vol_points` is the mid less the fit, `residual_spreads` the same in bid-ask
    spreads of volatility; `mispriced` where bid and ask do not contain the fit. Rows flagged as bad have no volatility
    but the fit.
    """
    chain = priced.chain
    rows = piece.rows[chain.is_call[piece.rows] == (priced.k[piece.rows] >= 0)]
    rows = rows[np.argsort(chain.strike[rows], kind="stable")]
    k, good = priced.k[rows], priced.good[rows]
    fitted = np.full(len(rows), np.nan) if piece.smile is None else piece.smile.vol(k)
    low, middle, high = (
        _vols(priced, piece, rows, np.where(good, price, np.nan))
        for price in (chain.bid[rows], priced.mid[rows], chain.ask[rows])
    )
    # Bid and ask lie around the row's own volatility as Black's formula says, early exercise being the same for both.
    mid = priced.iv[rows]
    low, high = mid + low - middle, mid + high - middle
    residuals = None if priced.surface is None else priced.surface.residuals
    return {
        "row": rows,
        "strike": chain.strike[rows],
        "k": k,
        "is_call": chain.is_call[rows],
        "good": good,
        "bid": chain.bid[rows],
        "ask": chain.ask[rows],
        "mid": priced.mid[rows],
        "iv_bid": low,
        "iv_mid": mid,
        "iv_ask": high,
        "iv_fit": fitted,
        "residual_vol_points": np.full(len(rows), np.nan) if residuals is None else residuals.vol_points[rows],
        "residual_spreads": np.full(len(rows), np.nan) if residuals is None else residuals.spreads[rows],
        "mispriced": np.zeros(len(rows), dtype=np.bool_) if residuals is None else residuals.mispriced[rows],
        "delta": priced.delta[rows],
        "gamma": priced.gamma[rows],
        "vega_per_point": np.array([vega_per_point(value) for value in priced.vega[rows]]),
        "theta_per_day": np.array([theta_per_day(value) for value in priced.theta[rows]]),
        "open_interest": chain.open_interest[rows],
        "volume": chain.volume[rows],
    }


def expiry_table(priced: PricedChain, piece: ExpirySlice) -> dict[str, Any]:
    """The smile of one expiry, quote by quote, and the distribution that it implies."""
    table = smile(priced, piece)
    names = [name for name in table if name != "row"]
    quotes = [
        {name: _plain(table[name][at]) for name in names} | {"symbol": str(priced.chain.symbol[table["row"][at]])}
        for at in range(len(table["row"]))
    ]
    return {
        "expiry": plain(piece.expiry),
        "root": piece.root,
        "days": piece.tau * DAYS_PER_YEAR,
        "forward": piece.forward,
        "discount": piece.discount,
        "atm_iv": _number(piece.atm_vol),
        **fit(piece),
        "max_pain": max_pain(priced, piece.expiry),
        "density": density(priced, piece),
        "quotes": quotes,
    }


def density(priced: PricedChain, piece: ExpirySlice) -> dict[str, Any] | None:
    """Moments of the log return ln(S/F) to expiry under the market's own probabilities, and where the price is likely
    to be.
    """
    if piece.smile is None or priced.surface is None:
        return None
    spot, market = priced.spot, risk_neutral(piece.smile, 2_000)
    moments = priced.surface.moments(piece.tau)
    cumulative = np.cumsum(market.probabilities) - 0.5 * market.probabilities
    return {
        "mean_log_return": moments.mean,
        "deviation_log_return": moments.std,
        "skewness": moments.skew,
        "kurtosis": moments.kurtosis,
        "quantiles": [
            {"probability": share, "price": float(np.interp(share, cumulative, market.prices))} for share in RANGES
        ],
        "moves": [
            {
                "move": move,
                "beyond_down": probability_between(market, 0.0, spot * (1.0 - move)),
                "beyond_up": probability_between(market, spot * (1.0 + move), float("inf")),
            }
            for move in MOVES
        ],
    }


def exposure(priced: PricedChain, piece: ExpirySlice, convention: Convention) -> dict[str, Any]:
    """What dealers hold if `convention` is right, with units in the names."""
    found = exposures(priced, convention)
    heaviest = sorted(found.gamma.by_strike.items(), key=lambda item: (-abs(item[1]), item[0]))[:TOP_STRIKES]
    call, put = walls(priced)
    root = zero_gamma(priced, convention)
    return {
        "convention": convention,
        "convention_in_words": SIGNS[convention],
        "gamma_usd_per_1pct": found.gamma.total,
        "vanna_usd_of_delta_per_vol_point": found.vanna.total,
        "charm_usd_of_delta_per_day": found.charm.total,
        "zero_gamma": root,
        "call_wall": call,
        "put_wall": put,
        "max_pain": max_pain(priced, piece.expiry),
        "max_pain_expiry": plain(piece.expiry),
        "by_expiry": [{"expiry": plain(day), "gamma_usd_per_1pct": usd} for day, usd in found.gamma.by_expiry.items()],
        "by_strike": [{"strike": strike, "gamma_usd_per_1pct": usd} for strike, usd in sorted(heaviest)],
    }


def events(market: MarketData, priced: PricedChain) -> list[dict[str, Any]]:
    """Known reports ahead, the expiries that live through them, and the move that options expect."""
    ahead = [
        event
        for event in market.events
        if event.kind == "earnings"
        and event.ticker == priced.ticker
        and event.known_at <= market.as_of <= event.at <= market.as_of + EVENT_HORIZON
    ]
    found = []
    for event in sorted(ahead, key=lambda item: item.at):
        move = event_move(priced, event.at)
        told: dict[str, Any] = {
            "at": plain(event.at),
            "title": event.title,
            "straddled_by": plain(straddling(priced, event.at)),
        }
        if isinstance(move, EventMove):
            told |= {
                "implied_move": move.move,
                "expected_absolute_move": move.expected_absolute,
                "error": move.error,
                "ambient_iv": move.ambient_vol,
                "before": plain(move.before),
                "after": plain(move.after),
                "refused": None,
            }
        else:
            told |= {"implied_move": None, "refused": f"{move.code}: {move.detail}"}
        found.append(told)
    return found


def arbitrage(priced: PricedChain, settings: VolSettings) -> dict[str, Any]:
    """What parity and boxes lock in at executable quotes, net of fees, early exercise and doubts; USD per share."""
    believed = settings.arbitrage
    fee, rate_doubt = settings.fee_per_contract, believed.rate_doubt
    gaps = parity_gaps(priced, fee_per_contract=fee, doubts=believed.forward_doubts, rate_doubt=rate_doubt)
    found = boxes(priced, fee_per_contract=fee, rate_doubt=rate_doubt)
    return {
        "strikes": len(gaps),
        "stale_strikes": gaps.stale,
        "boxes": found.pairs,
        "profitable_boxes": found.profitable,
        "synchronous": gaps.stale <= believed.max_stale_share * (len(gaps) + gaps.stale),
        "parity": [_finding(item) for item in gaps.found],
        "best_boxes": [_finding(item) for item in found.best],
    }


def _finding(item: Arbitrage) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "root": item.root,
        "expiry": plain(item.expiry),
        "strikes": list(item.strikes),
        "legs": [{"symbol": leg.symbol, "quantity": leg.quantity, "price": leg.price} for leg in item.legs],
        "hedge_shares_per_share": item.hedge,
        "profit_per_share": item.profit,
        "profit_per_unit": item.profit_per_unit,
        "annual_return": item.annual_return,
        "units": item.units,
    }


def _vols(priced: PricedChain, piece: ExpirySlice, rows: Rows, price: Floats) -> Floats:
    """Black's volatility (decimal) of each price; NaN where there is none."""
    found = black.implied_vol(
        price=price,
        forward=piece.forward,
        strike=priced.chain.strike[rows],
        tau=piece.tau,
        discount=piece.discount,
        is_call=priced.chain.is_call[rows],
    )
    return np.asarray(found.vol)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    found = value.item()
    return _number(found) if isinstance(found, float) else found
