"""The options-flow analyst: put/call extremes, unusual volume, dealer gamma and pins.

* Put/call extremes are read against the crowd (Pan & Poteshman 2006 find information in opening trades only; total
  volume is mostly hedging and fear): many puts lean BULLISH. Conviction rises from the percentile bound to the end.
* Unusual volume leans with its right. No print says who bought, so the claim is capped.
* Dealer gamma: dealers long gamma trade against every move and damp it (implied volatility rich: BEARISH), short gamma
  they chase it (BULLISH); conviction with |net| / gross gamma. Who is dealer is an assumption, named in `convention`.
* Pin: near expiry, spot close to the strike of maximum open interest share, dealers long gamma there (Ni, Pearson &
  Poteshman 2005; Avellaneda & Lipkin 2003): a damped last mile, BEARISH on volatility.
"""

import numpy as np

from agents.contract import AnalystContext
from domain.market import Series, option_volume
from domain.signals import Abstention, Direction, MetaValue, Signal
from domain.snapshot import MarketSnapshot
from domain.units import DAYS_PER_YEAR
from options.priced import ChainRefusal, PricedChain
from signals.claim import abstain, claim, ramp
from signals.history import Refusal, recent_series, share_below
from signals.positioning import plausible, put_call, put_call_history, unusual
from signals.settings import SignalSettings

NAME = "flow"
NOISE = 1e-9

Found = Signal | Abstention


class Flow:
    """Reads the priced chain with its volume and open interest, and put/call histories."""

    name = NAME

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Found]:
        """See `agents.contract.Analyst`."""
        settings = context.settings
        found: list[Found] = [_put_call(snapshot, ticker, settings)]
        priced = context.priced(ticker)
        if isinstance(priced, ChainRefusal):
            refusal = Refusal(priced.code, priced.detail, dict(priced.numbers))
            return [*found, abstain(NAME, ticker, refusal)]
        found += [_unusual(snapshot, priced, settings, calls=calls) for calls in (True, False)]
        found.append(_dealer_gamma(snapshot, priced, settings))
        pin = _pin(snapshot, priced, settings)
        return [*found, pin] if pin else found


def _put_call(snapshot: MarketSnapshot, ticker: str, settings: SignalSettings) -> Found:
    chosen, flow = settings.history, settings.flow
    ratios = _ratios(snapshot, ticker, settings)
    if isinstance(ratios, Refusal):
        return abstain(NAME, ticker, ratios, measure="put/call")
    current = float(ratios.value[-1])
    share = share_below(ratios.value[:-1], current, min_days=chosen.min_days, window_days=chosen.window_days)
    if isinstance(share, Refusal):
        refusal = Refusal(share.code, share.detail, {**share.numbers, "put_call_ratio": current})
        return abstain(NAME, ticker, refusal, measure="put/call")
    side = Direction.NEUTRAL
    if share >= flow.percentile_high:
        side = Direction.BULLISH
    elif share <= flow.percentile_low:
        side = Direction.BEARISH
    conviction = max(
        ramp(share, start=flow.percentile_high, full=1.0), ramp(share, start=flow.percentile_low, full=0.0)
    )
    chain = snapshot.market.chains.get(ticker)
    today = put_call(chain) if chain is not None else None
    figures: dict[str, MetaValue] = {
        "put_call_ratio": current,
        "put_call_percentile": share,
        "put_call_source": ratios.name,
        "put_call_day": str(ratios.day[-1]),
        "history_days": min(len(ratios) - 1, chosen.window_days),
        "chain_volume_ratio": today.volume_ratio if today else None,
        "chain_oi_ratio": today.oi_ratio if today else None,
    }
    return claim(
        NAME,
        ticker,
        "put_call_extreme",
        side,
        min(conviction, flow.cap),
        as_of=snapshot.as_of,
        evidence=(f"series:{ratios.name}",),
        figures=figures,
        settings=settings,
    )


def _ratios(snapshot: MarketSnapshot, ticker: str, settings: SignalSettings) -> Series | Refusal:
    """The ticker's own daily put/call ratio, or the market-wide one that speaks for its kind."""

    def usable(name: str) -> Series | Refusal:
        ages = {"max_gap_days": settings.history.max_gap_days, "max_age_days": settings.history.max_age_days}
        return recent_series(snapshot.market.series.get(name), name, snapshot.as_of, **ages)

    proxy = settings.flow.put_call_series.get(ticker)
    puts, calls = usable(option_volume(ticker, "put")), usable(option_volume(ticker, "call"))
    if isinstance(puts, Series) and isinstance(calls, Series):
        own = put_call_history(puts, calls, ratio_max=settings.flow.put_call_max)
        if proxy is None or (isinstance(own, Series) and len(own) > settings.history.min_days):
            return own
    if proxy is None:
        return puts if isinstance(puts, Refusal) else calls
    market_wide = usable(proxy)
    if isinstance(market_wide, Refusal):
        return market_wide
    return plausible(market_wide, ratio_max=settings.flow.put_call_max)


def _unusual(snapshot: MarketSnapshot, priced: PricedChain, settings: SignalSettings, *, calls: bool) -> Found:
    flow, chain = settings.flow, priced.chain
    edge = "unusual_calls" if calls else "unusual_puts"
    found = unusual(
        chain,
        calls=calls,
        volume_to_oi=flow.volume_to_oi,
        min_contracts=flow.min_contracts,
        min_expiry_days=flow.min_expiry_days,
    )
    if isinstance(found, Refusal):
        return abstain(NAME, chain.ticker, found, measure=edge.replace("_", " "))
    conviction = min(ramp(found.share, start=flow.unusual_share, full=flow.unusual_full), flow.cap)
    side = Direction.NEUTRAL
    if conviction > 0:
        side = Direction.BULLISH if calls else Direction.BEARISH
    symbols = tuple(str(symbol) for symbol in chain.symbol[found.rows[:5]])
    figures: dict[str, MetaValue] = {
        "unusual_contracts": found.contracts,
        "unusual_share_of_volume": found.share,
        "unusual_rows": len(found.rows),
        "top_volume_over_oi": found.top_ratio,
        "top_symbols": symbols,
        "side_of_trades": "unknown",
    }
    return _claim(snapshot, priced, edge, side, conviction, figures, settings)


def _dealer_gamma(snapshot: MarketSnapshot, priced: PricedChain, settings: SignalSettings) -> Found:
    from options.exposure import gamma_exposure, walls, zero_gamma

    flow = settings.flow
    # With every sign alike nothing cancels: that total is the gross.
    gross = abs(gamma_exposure(priced, "dealers_short_all").total)
    if not gross > 0:
        refusal = Refusal("no_open_interest", f"no row of {priced.ticker} has both gamma and open interest")
        return abstain(NAME, priced.ticker, refusal, measure="dealer gamma")
    net = gamma_exposure(priced, flow.gamma_convention).total
    share = net / gross
    # Where calls and puts cancel everywhere the sign of the total is rounding noise, and so would any root be.
    root = zero_gamma(priced, flow.gamma_convention) if abs(share) > NOISE else None
    call_wall, put_wall = walls(priced)
    conviction = min(ramp(abs(share), start=flow.gamma_share, full=flow.gamma_full), flow.cap)
    side = Direction.NEUTRAL
    if conviction > 0:
        side = Direction.BEARISH if share > 0 else Direction.BULLISH
    figures: dict[str, MetaValue] = {
        "net_gamma_usd_per_1pct": net,
        "gross_gamma_usd_per_1pct": gross,
        "net_share_of_gross": share,
        "zero_gamma_usd": root,
        "spot_over_zero_gamma_decimal": priced.spot / root - 1.0 if root else None,
        "call_wall_usd": call_wall,
        "put_wall_usd": put_wall,
        "convention": flow.gamma_convention,
    }
    edge = "dealer_long_gamma" if share >= 0 else "dealer_short_gamma"
    return _claim(snapshot, priced, edge, side, conviction, figures, settings)


def _pin(snapshot: MarketSnapshot, priced: PricedChain, settings: SignalSettings) -> Signal | None:
    """Only when an expiry is near and spot close to its heaviest strike; otherwise there is nothing to say."""
    from options.exposure import gamma_exposure, max_pain

    flow, chain = settings.flow, priced.chain
    near = [piece for piece in priced.slices if piece.tau * DAYS_PER_YEAR <= flow.pin_days]
    interest = np.nan_to_num(chain.open_interest)
    rows = near[0].rows if near else np.empty(0, dtype=np.int64)
    total = float(interest[rows].sum())
    if not total > 0:
        return None
    strikes, at = np.unique(chain.strike[rows], return_inverse=True)
    held = np.bincount(at, weights=interest[rows])
    heaviest = int(np.argmax(held))
    strike, share = float(strikes[heaviest]), float(held[heaviest]) / total
    distance = abs(strike / priced.spot - 1.0)
    if distance > flow.pin_distance or share < flow.pin_share:
        return None
    if gamma_exposure(priced, flow.gamma_convention).by_strike.get(strike, 0.0) <= 0:
        return None
    closeness = 1.0 - distance / flow.pin_distance
    conviction = min(ramp(share, start=flow.pin_share, full=flow.pin_full), flow.cap) * closeness
    figures: dict[str, MetaValue] = {
        "pin_strike_usd": strike,
        "open_interest_share": share,
        "distance_decimal": distance,
        "days_to_expiry": near[0].tau * DAYS_PER_YEAR,
        "max_pain_usd": max_pain(priced, near[0].expiry),
        "convention": flow.gamma_convention,
    }
    return _claim(snapshot, priced, "pin", Direction.BEARISH, conviction, figures, settings)


def _claim(
    snapshot: MarketSnapshot,
    priced: PricedChain,
    edge: str,
    side: Direction,
    conviction: float,
    figures: dict[str, MetaValue],
    settings: SignalSettings,
) -> Signal:
    return claim(
        NAME,
        priced.ticker,
        edge,
        side,
        conviction,
        as_of=snapshot.as_of,
        evidence=(f"chain:{priced.ticker}@{priced.chain.as_of:%Y-%m-%dT%H:%M:%SZ}",),
        figures=figures,
        settings=settings,
    )
