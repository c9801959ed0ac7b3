"""Residuals: strikes whose bid and ask do not contain the fitted surface."""

from agents.vol_surface.view import Found, View, poor_fit
from domain.signals import Direction, MetaValue
from signals.claim import ramp
from signals.history import Refusal
from signals.volatility import OffSurface, off_surface


def residual(view: View) -> Found:
    """`surface_residual`: names the rich and the cheap strikes, largest first. Its side is that of what they would earn
    in sum; strikes that balance, or barely miss, leave it NEUTRAL.
    """
    chosen = view.settings.vol.residual
    fits = [piece for piece in view.priced.slices if piece.smile is not None]
    if fits and all(poor_fit([piece]) for piece in fits) and (poor := poor_fit(fits)):
        return view.abstain(poor, "surface residuals")
    found = off_surface(view.priced, chosen, fee_per_contract=view.settings.vol.fee_per_contract)
    if isinstance(found, Refusal):
        return view.abstain(found, "surface residuals")
    rich = sum(item.gain for item in found.quotes if item.points > 0)
    cheap = sum(item.gain for item in found.quotes if item.points < 0)
    worst = found.quotes[0] if found.quotes else None
    beyond = max((abs(item.spreads) - 0.5 for item in found.quotes), default=0.0)
    side, conviction = Direction.NEUTRAL, 0.0
    if beyond >= chosen.start_spreads and rich != cheap:
        side = Direction.BEARISH if rich > cheap else Direction.BULLISH
        lean = abs(rich - cheap) / (rich + cheap)
        conviction = min(ramp(beyond, start=chosen.start_spreads, full=chosen.full_spreads) * lean, chosen.cap)
    figures: dict[str, MetaValue] = {
        "quotes_judged": found.judged,
        "quotes_thin": found.thin,
        "expiries_left_out_for_their_fit": tuple(sorted({day.isoformat() for day in found.poor})),
        "mispriced_strikes": len(found.quotes),
        "rich_strikes": _named(found.quotes, chosen.named, rich=True),
        "cheap_strikes": _named(found.quotes, chosen.named, rich=False),
        "largest_residual_vol_points": worst.points if worst else None,
        "largest_residual_spreads": worst.spreads if worst else None,
        "gain_after_fees_usd_per_share": rich + cheap,
    }
    return view.claim("surface_residual", side, conviction, (), figures)


def _named(quotes: tuple[OffSurface, ...], most: int, *, rich: bool) -> tuple[str, ...]:
    chosen = [item for item in quotes if (item.points > 0) == rich][:most]
    return tuple(
        f"{item.symbol} {item.points:+.2f} vol points, {item.spreads:+.2f} spreads from the fit" for item in chosen
    )
