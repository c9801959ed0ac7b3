"""Parity: profits that executable quotes lock in."""

from agents.vol_surface.view import Found, View
from domain.signals import Direction, MetaValue
from options.arbitrage import Arbitrage, boxes, parity_gaps
from signals.claim import ramp
from signals.history import Refusal

NAMED = 5


def parity(view: View) -> Found:
    """`parity_arbitrage`: conversions, reversals and boxes above zero after fees, early exercise and doubts.

    A locked profit is no view on volatility: the direction is NEUTRAL, and conviction rises with the best one's annual
    return. A chain with too many strikes out of line is no picture of one instant: abstention.
    """
    chosen, fee = view.settings.vol.arbitrage, view.settings.vol.fee_per_contract
    gaps = parity_gaps(
        view.priced, fee_per_contract=fee, doubts=chosen.forward_doubts, rate_doubt=chosen.rate_doubt, top=NAMED
    )
    search = boxes(view.priced, fee_per_contract=fee, rate_doubt=chosen.rate_doubt, top=NAMED)
    strikes = len(gaps) + gaps.stale
    if len(gaps) == 0:
        refusal = Refusal("no_parity", f"no strike of {view.ticker} quotes both rights around a parity forward")
        return view.abstain(refusal, "parity")
    if gaps.stale > chosen.max_stale_share * strikes:
        numbers = {"stale_strikes": float(gaps.stale), "strikes": float(strikes), "limit": chosen.max_stale_share}
        detail = f"{gaps.stale} of {strikes} strikes are quoted out of line: not one instant"
        return view.abstain(Refusal("asynchronous_quotes", detail, numbers), "parity")
    found = sorted((*gaps.found, *search.best), key=lambda item: (-item.profit_per_unit, item.kind, item.strikes))
    best = found[0] if found else None
    figures: dict[str, MetaValue] = {
        "strikes_judged": len(gaps),
        "stale_strikes": gaps.stale,
        "boxes_judged": search.pairs,
        "profitable_boxes": search.profitable,
        "found": tuple(_told(item) for item in found[:NAMED]),
        "best_profit_usd_per_unit": best.profit_per_unit if best else None,
        "best_annual_return_decimal": best.annual_return if best else None,
        "executable_units": best.units if best else None,
        "fee_usd_per_contract": fee,
    }
    signal = view.claim("parity_arbitrage", Direction.NEUTRAL, 0.0, (), figures)
    if best is None:
        return signal
    # `claim` gives a NEUTRAL reading no conviction; a locked profit has one without taking a side.
    conviction = min(ramp(best.annual_return, start=0.0, full=chosen.full_return), chosen.cap)
    return signal.model_copy(update={"conviction": conviction})


def _told(item: Arbitrage) -> str:
    strikes = "/".join(f"{strike:g}" for strike in item.strikes)
    return (
        f"{item.kind.replace('_', ' ')} {item.root} {item.expiry} {strikes}: {item.profit_per_unit:.2f} USD per unit, "
        f"{item.annual_return:.1%} a year"
    )
