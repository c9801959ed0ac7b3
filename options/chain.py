"""From a captured chain to a priced one: refuse, flag, find forwards, imply volatilities, value every row."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import cast

import numpy as np
from numpy.typing import NDArray

from domain.market import Chain, DataNote
from domain.units import Bools, Floats, from_datetime64, year_fraction
from options import black
from options.calibration import calibrate
from options.early_exercise import implied_vol, without_early_exercise
from options.hygiene import Flag, Flags, count_flags, flag_rows, outside_bounds
from options.measures import row_vols
from options.parity import (
    Forward,
    ImpliedSpot,
    call_put_pairs,
    completed,
    forward_curve,
    forwards_of,
    implied_spot,
    spot_of,
)
from options.priced import ChainRefusal, ExpirySlice, PricedChain, Smile
from options.quotes import Quotes
from options.rates import RateCurve
from options.refusal import refusal, refuse_rows, refuse_stamp
from options.settings import ChainSettings
from options.surface import Residuals, VolSurface

__all__ = ["Flag", "ImpliedSpot", "forward_curve", "implied_spot", "price_chain"]

_AMERICAN_READINGS = 3
_GREEKS = ("delta", "gamma", "vega", "theta", "rho", "vanna", "charm")


def price_chain(
    chain: Chain, *, as_of: datetime, curve: RateCurve | None, settings: ChainSettings
) -> PricedChain | ChainRefusal:
    """Judge and price every row of `chain` for a run at `as_of`, or say why the chain cannot be used at all.

    Times to expiry run from the chain's own instant. Where the quoted spot disagrees with parity beyond
    `spot_tolerance` (and beyond what parity itself can tell), the chain is priced on the implied spot, and
    `PricedChain.chain` carries it with `spot_source="parity"` and a note with both numbers.

    Volatilities come from the mid of good rows, net of early exercise on American-style ones; Greeks are those of the
    European option at that volatility. Refusal codes: empty_chain, future_chain, out_of_session, stale_chain,
    bad_numbers, expired, all_crossed, mostly_crossed, one_sided_chain, no_forward, spot_mismatch.
    """
    if refused := refuse_stamp(chain, as_of, settings):
        return refused
    flags = flag_rows(chain, as_of=as_of, settings=settings)
    if refused := refuse_rows(chain, flags, as_of, settings):
        return refused
    parities = _parities(chain, flags == 0, curve, settings)
    mended = _mend_spot(chain, spot_of(parities, curve, settings), settings)
    if isinstance(mended, ChainRefusal):
        return mended
    chain, notes = mended
    forwards = [
        found for found in completed(chain, parities, curve, settings) if not (flags[found.rows] & Flag.EXPIRED).any()
    ]
    if not forwards:
        return refusal(
            "no_forward", chain, "has no expiry with enough call-put pairs, and no rate curve is known", rows=len(chain)
        )
    return _price_rows(chain, flags, forwards, (*notes, *_forward_notes(chain, forwards)), settings)


def _parities(chain: Chain, usable: Bools, curve: RateCurve | None, settings: ChainSettings) -> list[Forward]:
    """Parity forwards, read again with the value of early exercise taken off American quotes.

    Each reading leaves about a fifth of the bias of the one before.
    """
    pairs = call_put_pairs(chain, usable)
    found = forwards_of(chain, pairs, curve, settings)
    for _ in range(0 if chain.european.all() else _AMERICAN_READINGS):
        implied = spot_of(found, curve, settings)
        if implied is None:
            break
        spot = chain.spot if _agrees(chain, implied, settings) else implied.spot
        european = without_early_exercise(chain, found, spot=spot, usable=usable, settings=settings)
        found = forwards_of(european, pairs, curve, settings)
    return found


def _price_rows(
    chain: Chain, flags: Flags, forwards: list[Forward], notes: tuple[DataNote, ...], settings: ChainSettings
) -> PricedChain:
    tau = year_fraction(chain.as_of, chain.expires_at)
    tau[np.isnat(chain.expires_at)] = np.nan
    forward, discount = (np.full(len(chain), np.nan) for _ in range(2))
    for found in forwards:
        forward[found.rows], discount[found.rows] = found.forward, found.discount
    flags[np.isnan(forward)] |= np.uint32(Flag.NO_FORWARD)
    flags[outside_bounds(chain, forward=forward, discount=discount, settings=settings)] |= np.uint32(Flag.STATIC_BOUND)

    good = flags == 0
    mid, spread = 0.5 * (chain.bid + chain.ask), chain.ask - chain.bid
    with np.errstate(divide="ignore", invalid="ignore"):
        k = np.log(np.where(np.isfinite(chain.strike) & (chain.strike > 0), chain.strike, np.nan) / forward)
    implied = implied_vol(
        chain,
        price=np.where(good, mid, np.nan),
        forward=forward,
        discount=discount,
        tau=tau,
        american_rows=~chain.european,
    )
    status = np.where(flags & Flag.EXPIRED != 0, np.int8(black.IvStatus.EXPIRED), implied.status)
    values = {name: np.full(len(chain), np.nan) for name in ("price", *_GREEKS)}
    own = np.flatnonzero(np.isfinite(implied.vol))
    _fill_greeks(values, own, implied.vol, chain, tau, forward, discount)
    with np.errstate(divide="ignore", invalid="ignore"):  # without vega a quote says nothing of volatility
        half_spread = 0.5 * spread / values["vega"]
    smiles = _smiles(chain, forwards, good, k, implied.vol, half_spread, settings)
    slices = tuple(_slice(chain, found, smiles[found.tau]) for found in forwards)

    fitted = row_vols(np.full(len(chain), np.nan), k, slices)
    model = black.greeks(
        forward=forward, strike=chain.strike, tau=tau, discount=discount, vol=fitted, is_call=chain.is_call
    )
    worth = values.pop("price")  # of the European option at the row's own volatility
    worth = np.where(np.isfinite(worth), worth, mid)
    odd = good & (np.abs(worth - model.price) > _allowance(chain, fitted * model.vega, spread, forward, k, settings))
    flags[odd] |= np.uint32(Flag.OFF_SMILE)
    good, iv = good & ~odd, np.where(odd, np.nan, implied.vol)
    status = np.where(odd, np.int8(black.IvStatus.BAD_INPUT), status)
    vols = np.where(np.isfinite(iv), iv, fitted)
    smiled = np.flatnonzero(np.isfinite(vols) & ~np.isfinite(iv) & (tau > 0))
    _fill_greeks(values, smiled, vols, chain, tau, forward, discount)
    return PricedChain(
        chain=chain,
        good=good,
        flags=flags,
        flag_counts=count_flags(flags),
        mid=mid,
        spread=spread,
        tau=tau,
        forward=forward,
        discount=discount,
        k=k,
        iv=iv,
        iv_status=status,
        slices=slices,
        notes=notes,
        surface=_surface(chain, smiles, implied.vol - fitted, half_spread),
        **values,
    )


def _smiles(
    chain: Chain,
    forwards: list[Forward],
    good: Bools,
    k: Floats,
    iv: Floats,
    half_spread: Floats,
    settings: ChainSettings,
) -> dict[float, Smile | None]:
    """The smile of each settlement instant, by its time to expiry: all roots settled then share it."""
    instants: dict[float, list[Forward]] = {}
    for found in forwards:
        instants.setdefault(found.tau, []).append(found)
    outside = good & (chain.is_call == (k >= 0)) & np.isfinite(iv) & np.isfinite(half_spread) & (half_spread > 0)
    quoted = []
    for together in instants.values():
        rows = np.concatenate([found.rows for found in together])
        rows = rows[outside[rows]]
        quoted.append(rows[np.lexsort((chain.symbol[rows], k[rows]))])
    rows = np.concatenate(quoted)
    best = [min(together, key=lambda f: (f.source != "parity", f.error)) for together in instants.values()]
    quotes = Quotes(
        tau=np.array(list(instants)),
        forward=np.array([found.forward for found in best]),
        offsets=np.concatenate([[0], np.cumsum([len(found) for found in quoted])]),
        k=k[rows],
        iv=iv[rows],
        half_spread=half_spread[rows],
    )
    return dict(zip(instants, calibrate(quotes, settings), strict=True))


def _surface(chain: Chain, smiles: dict[float, Smile | None], miss: Floats, half_spread: Floats) -> VolSurface | None:
    slices = tuple(smile for smile in smiles.values() if smile is not None)
    if not slices:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        spreads = 0.5 * miss / half_spread
    return VolSurface(
        ticker=chain.ticker,
        as_of=chain.as_of,
        spot=chain.spot,
        slices=slices,
        residuals=Residuals(100.0 * miss, spreads, np.abs(spreads) > 0.5),
    )


def _allowance(
    chain: Chain, vega_vol: Floats, spread: Floats, forward: Floats, k: Floats, settings: ChainSettings
) -> Floats:
    """USD by which a mid may miss its smile: spreads, a share of volatility, and early exercise in the money."""
    inside = ~chain.european & (chain.is_call == (k < 0))
    return (
        settings.outlier_floor
        + settings.outlier_spreads * spread
        + settings.outlier_vol * vega_vol
        + np.where(inside, settings.early_exercise * forward, 0.0)
    )


def _fill_greeks(
    values: Mapping[str, Floats],
    rows: NDArray[np.int64],
    vols: Floats,
    chain: Chain,
    tau: Floats,
    forward: Floats,
    discount: Floats,
) -> None:
    """Write spot Greeks of `rows`, at the rate and the yield that discount and forward imply."""
    t = tau[rows]
    rate = -np.log(discount[rows]) / t
    found = black.greeks(
        spot=chain.spot,
        strike=chain.strike[rows],
        tau=t,
        rate=rate,
        dividend_yield=rate - np.log(forward[rows] / chain.spot) / t,
        vol=vols[rows],
        is_call=chain.is_call[rows],
    )
    for name, column in values.items():
        column[rows] = getattr(found, name)


def _slice(chain: Chain, found: Forward, smile: Smile | None) -> ExpirySlice:
    rows, first = found.rows, int(found.rows[0])
    return ExpirySlice(
        root=str(chain.root[first]),
        expiry=cast("date", chain.expiry[first].astype("datetime64[D]").astype(object)),
        expires_at=from_datetime64(chain.expires_at[first]),
        am_settled=bool(chain.am_settled[first]),
        european=bool(chain.european[rows].all()),
        tau=found.tau,
        forward=found.forward,
        discount=found.discount,
        forward_source=found.source,
        parity_pairs=found.pairs,
        parity_residual=found.residual,
        rows=rows,
        atm_vol=float("nan") if smile is None else float(smile.vol(0.0)),
        smile=smile,
    )


def _mend_spot(
    chain: Chain, implied: ImpliedSpot | None, settings: ChainSettings
) -> tuple[Chain, tuple[DataNote, ...]] | ChainRefusal:
    if implied is None:
        return chain, ()
    gap = abs(implied.spot / chain.spot - 1.0)
    if gap > settings.max_spot_gap:
        return refusal(
            "spot_mismatch",
            chain,
            f"quotes a spot of {chain.spot:g} while its options imply {implied.spot:.2f}: other units or day",
            quoted=chain.spot,
            implied=implied.spot,
        )
    if _agrees(chain, implied, settings):
        return chain, ()
    note = DataNote(
        code="spot_from_parity",
        subject=chain.ticker,
        detail=f"quoted spot {chain.spot:.2f} is {gap:.2%} off the {implied.spot:.2f} implied by put-call parity over "
        f"{implied.expiries} expiries; priced on the implied one",
    )
    return replace(chain, spot=implied.spot, spot_source="parity"), (note,)


def _agrees(chain: Chain, implied: ImpliedSpot, settings: ChainSettings) -> bool:
    gap = abs(implied.spot / chain.spot - 1.0)
    return gap <= max(settings.spot_tolerance, 2.0 * implied.error / chain.spot)


def _forward_notes(chain: Chain, forwards: list[Forward]) -> list[DataNote]:
    by_curve = [found for found in forwards if found.source == "curve"]
    guessed = [found for found in forwards if not found.rate_known]
    american = [found for found in forwards if found.source == "parity" and not chain.european[found.rows].all()]
    texts = {
        "forward_from_curve": (by_curve, "no parity: forward is spot grown at the riskless rate, dividends unknown"),
        "rate_unknown": (guessed, "no rate curve and too few pairs to imply a rate: discount taken as 1"),
        "american_parity": (
            american,
            "American style: forward from near-the-money parity less the value of early exercise",
        ),
    }
    return [
        DataNote(
            code=code,
            subject=chain.ticker,
            detail=f"{len(found)} of {len(forwards)} expiries: {text}",
            count=len(found),
        )
        for code, (found, text) in texts.items()
        if found
    ]
