"""A priced chain made from a known smile, so that tests know every number in it."""

from datetime import UTC, datetime, timedelta

import numpy as np

from domain.contract import Right, occ_symbol
from domain.market import Chain
from domain.sessions import expiry_instant, session_before, session_on_or_after
from domain.units import from_datetime64, to_datetime64, year_fraction
from options import black
from options.priced import ExpirySlice, PricedChain, SliceQuality, Smile
from options.surface import Residuals, VolSurface
from options.svi_forms import RawSvi

AS_OF = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
PERFECT = SliceQuality(0.0, 1.0, 0.0, 58, "svi", poor=False, reason="")


def svi_slice(*, tau, vol, skew=0.0, curve=0.0):
    """The slice centred at the forward whose volatility there is vol + skew·k + curve·k² to second order."""
    level, slope, bend = vol**2 * tau, 2 * vol * skew * tau, (2 * skew**2 + 4 * vol * curve) * tau
    if bend == 0:
        return RawSvi(level, 0.0, 0.0, 0.0, 1.0)
    sigma = 2 * abs(slope) / bend if slope else 0.5
    return RawSvi(level - bend * sigma**2, bend * sigma, slope / (bend * sigma), 0.0, sigma)


def made_smile(*, tau=0.5, forward=100.0, k_low=-0.6, k_high=0.6, **shape):
    """A smile of that slice, with perfect quality."""
    return Smile(tau, forward, svi_slice(tau=tau, **shape), k_low, k_high, PERFECT)


def made_surface(smiles, *, spot=100.0, as_of=AS_OF, rows=0):
    """A surface of those smiles, none of whose `rows` was fitted."""
    nothing = np.full(rows, np.nan)
    return VolSurface("XYZ", as_of, spot, tuple(smiles), Residuals(nothing, nothing, nothing > 0))


def made_chain(
    *,
    root="XYZ",
    spot=100.0,
    vol=0.20,
    skew=-0.10,
    curve=0.10,
    term=0.0,
    dtes=(18, 32, 46, 74),
    step=2.5,
    reach=0.35,
    rate=0.03,
    dividend_yield=0.01,
    european=False,
    multiplier=100.0,
    half_spread=0.01,
    size=50.0,
    as_of=AS_OF,
    standard=True,
):
    """vol(k) = vol + term·tau + skew·k + curve·k² near the money, both rights on one strike ladder at every expiry."""
    ladder = np.arange(np.ceil(spot * (1 - reach) / step), np.floor(spot * (1 + reach) / step) + 1) * step
    columns = {name: [] for name in ("expiry", "expires", "strike", "is_call", "tau", "forward", "discount", "smile")}
    slices, start = [], 0
    for dte in dtes:
        day = (as_of + timedelta(days=dte)).date()
        expiry = session_on_or_after(day)
        while expiry.weekday() > 4:
            expiry = session_before(expiry)
        expires = to_datetime64(expiry_instant(expiry, am_settled=False))
        tau = float(year_fraction(as_of, np.array([expires]))[0])
        forward, discount = spot * np.exp((rate - dividend_yield) * tau), np.exp(-rate * tau)
        smile = made_smile(tau=tau, forward=forward, vol=vol + term * tau, skew=skew, curve=curve)
        count = 2 * len(ladder)
        columns["expiry"] += [np.datetime64(expiry)] * count
        columns["expires"] += [expires] * count
        columns["strike"] += list(ladder) * 2
        columns["is_call"] += [True] * len(ladder) + [False] * len(ladder)
        for name, value in (("tau", tau), ("forward", forward), ("discount", discount)):
            columns[name] += [value] * count
        slices.append(
            ExpirySlice(
                root=root,
                expiry=expiry,
                expires_at=from_datetime64(expires),
                am_settled=False,
                european=european,
                tau=tau,
                forward=forward,
                discount=discount,
                forward_source="parity",
                parity_pairs=len(ladder),
                parity_residual=0.0,
                rows=np.arange(start, start + count),
                atm_vol=float(smile.vol(np.array([0.0]))[0]),
                smile=smile,
            )
        )
        start += count
    strike, is_call = np.array(columns["strike"]), np.array(columns["is_call"])
    tau, forward, discount = (np.array(columns[name]) for name in ("tau", "forward", "discount"))
    k = np.log(strike / forward)
    iv = np.concatenate([s.smile.vol(k[s.rows]) for s in slices])
    greeks = black.greeks(
        spot=spot, strike=strike, tau=tau, rate=rate, dividend_yield=dividend_yield, vol=iv, is_call=is_call
    )
    tick = 0.01
    bid = np.maximum(np.round((greeks.price - half_spread) / tick) * tick, 0.0)
    ask = np.maximum(np.round((greeks.price + half_spread) / tick) * tick, bid + tick)
    n = len(strike)
    symbol = [
        occ_symbol(root, e.astype(object), Right.CALL if c else Right.PUT, float(s))
        for e, c, s in zip(columns["expiry"], is_call, strike, strict=True)
    ]
    chain = Chain(
        ticker=root,
        as_of=as_of,
        spot=spot,
        spot_source="quoted",
        symbol=np.array(symbol),
        root=np.full(n, root),
        is_call=is_call,
        strike=strike,
        expiry=np.array(columns["expiry"], dtype="datetime64[D]"),
        expires_at=np.array(columns["expires"], dtype="datetime64[s]"),
        am_settled=np.zeros(n, dtype=bool),
        european=np.full(n, european),
        standard=np.full(n, standard),
        multiplier=np.full(n, multiplier),
        bid=bid,
        ask=ask,
        last=np.full(n, np.nan),
        volume=np.full(n, 500.0),
        open_interest=np.full(n, 1000.0),
        bid_size=np.full(n, size),
        ask_size=np.full(n, size),
        vendor_iv=np.full(n, np.nan),
    )
    return PricedChain(
        chain=chain,
        good=bid > 0,
        flags=np.zeros(n, dtype=np.uint32),
        flag_counts={},
        mid=(bid + ask) / 2,
        spread=ask - bid,
        tau=tau,
        forward=forward,
        discount=discount,
        k=k,
        iv=iv,
        iv_status=np.zeros(n, dtype=np.int8),
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega,
        theta=greeks.theta,
        rho=greeks.rho,
        vanna=greeks.vanna,
        charm=greeks.charm,
        slices=tuple(slices),
        notes=(),
        surface=made_surface([piece.smile for piece in slices], spot=spot, as_of=as_of, rows=n),
    )
