"""What the crowd trades and holds: put/call extremes and unusual volume.

* Put/call extremes are read against the crowd (Pan & Poteshman 2006 find information in opening trades only; total
  volume is mostly hedging and fear): many puts lean BULLISH. Conviction rises from the percentile bound to the end.
  Volume is read first; open interest, where its history is known, speaks when volume's is not.
* Unusual volume leans with its right (Roll, Schwartz & Subrahmanyam 2010 on option volume before news). No print says
  who bought, so the claim is capped; and it keeps less conviction unless the side's whole volume is high in its own
  history as well.
"""

from typing import Literal

from agents.flow.view import NAME, Found, View
from domain.market import Series, open_interest, option_volume
from domain.signals import Direction, MetaValue
from domain.snapshot import MarketSnapshot
from signals.claim import abstain, claim, ramp
from signals.history import Refusal, recent_series, share_below
from signals.positioning import PutCall, Standing, plausible, put_call, put_call_history, standing, unusual
from signals.settings import SignalSettings


def put_call_extreme(snapshot: MarketSnapshot, ticker: str, settings: SignalSettings) -> Found:
    """Percentiles of the put/call ratios of volume and of open interest; needs no chain."""
    flow = settings.flow
    chain = snapshot.market.chains.get(ticker)
    today = put_call(chain) if chain is not None else None
    ratios = _volume_ratios(snapshot, ticker, settings)
    share = _percentile(ratios, settings)
    interest = _interest_percentile(snapshot, ticker, today, settings)
    if isinstance(share, Refusal) and interest is None:
        known = {"put_call_ratio": float(ratios.value[-1])} if isinstance(ratios, Series) else {}
        return abstain(NAME, ticker, Refusal(share.code, share.detail, {**share.numbers, **known}), measure="put/call")
    speaks = interest if isinstance(share, Refusal) else share
    assert speaks is not None  # noqa: S101 - tells the type checker
    side = Direction.NEUTRAL
    if speaks >= flow.percentile_high:
        side = Direction.BULLISH
    elif speaks <= flow.percentile_low:
        side = Direction.BEARISH
    conviction = max(
        ramp(speaks, start=flow.percentile_high, full=1.0), ramp(speaks, start=flow.percentile_low, full=0.0)
    )
    figures: dict[str, MetaValue] = {
        "chain_volume_ratio": today.volume_ratio if today else None,
        "chain_oi_ratio": today.oi_ratio if today else None,
        "oi_ratio_percentile": interest,
        "read_from": "open interest" if isinstance(share, Refusal) else "volume",
    }
    evidence = f"chain:{ticker}"
    if isinstance(ratios, Series) and not isinstance(share, Refusal):
        evidence = f"series:{ratios.name}"
        figures |= {
            "put_call_ratio": float(ratios.value[-1]),
            "put_call_percentile": share,
            "put_call_source": ratios.name,
            "put_call_day": str(ratios.day[-1]),
            "history_days": min(len(ratios) - 1, settings.history.window_days),
        }
    return claim(
        NAME,
        ticker,
        "put_call_extreme",
        side,
        min(conviction, flow.cap),
        as_of=snapshot.as_of,
        evidence=(evidence,),
        figures=figures,
        settings=settings,
    )


def unusual_volume(view: View, *, calls: bool) -> Found:
    """Rows traded at a multiple of their open interest, and the side's size against its own history."""
    flow, chain = view.flow, view.priced.chain
    right: Literal["call", "put"] = "call" if calls else "put"
    edge = f"unusual_{right}s"
    found = unusual(
        chain,
        calls=calls,
        volume_to_oi=flow.volume_to_oi,
        min_contracts=flow.min_contracts,
        min_expiry_days=flow.min_expiry_days,
    )
    if isinstance(found, Refusal):
        return view.abstain(found, edge.replace("_", " "))
    totals = put_call(chain)
    traded = totals.call_volume if calls else totals.put_volume
    size = _standing(view, right, traded)
    confirmed = isinstance(size, Standing) and size.percentile >= flow.percentile_high
    conviction = ramp(found.share, start=flow.unusual_share, full=flow.unusual_full)
    side = Direction.NEUTRAL
    if conviction > 0:
        side = Direction.BULLISH if calls else Direction.BEARISH
    figures: dict[str, MetaValue] = {
        "unusual_contracts": found.contracts,
        "unusual_share_of_volume": found.share,
        "unusual_rows": len(found.rows),
        "top_volume_over_oi": found.top_ratio,
        "top_symbols": tuple(str(symbol) for symbol in chain.symbol[found.rows[:5]]),
        "side_of_trades": "unknown",
        "side_volume_contracts": traded,
        "side_volume_percentile": size.percentile if isinstance(size, Standing) else None,
        "side_volume_over_median": size.over_median if isinstance(size, Standing) else None,
    }
    kept = 1.0 if confirmed else flow.unconfirmed
    return view.claim(edge, side, min(conviction, flow.cap) * kept, figures)


def _usable(snapshot: MarketSnapshot, name: str, settings: SignalSettings) -> Series | Refusal:
    ages = {"max_gap_days": settings.history.max_gap_days, "max_age_days": settings.history.max_age_days}
    return recent_series(snapshot.market.series.get(name), name, snapshot.as_of, **ages)


def _volume_ratios(snapshot: MarketSnapshot, ticker: str, settings: SignalSettings) -> Series | Refusal:
    """The ticker's own daily put/call ratio, or the market-wide one that speaks for its kind."""
    proxy = settings.flow.put_call_series.get(ticker)
    puts = _usable(snapshot, option_volume(ticker, "put"), settings)
    calls = _usable(snapshot, option_volume(ticker, "call"), settings)
    if isinstance(puts, Series) and isinstance(calls, Series):
        own = put_call_history(puts, calls, ratio_max=settings.flow.put_call_max)
        if proxy is None or (isinstance(own, Series) and len(own) > settings.history.min_days):
            return own
    if proxy is None:
        return puts if isinstance(puts, Refusal) else calls
    market_wide = _usable(snapshot, proxy, settings)
    if isinstance(market_wide, Refusal):
        return market_wide
    return plausible(market_wide, ratio_max=settings.flow.put_call_max)


def _percentile(ratios: Series | Refusal, settings: SignalSettings) -> float | Refusal:
    if isinstance(ratios, Refusal):
        return ratios
    chosen = settings.history
    return share_below(
        ratios.value[:-1], float(ratios.value[-1]), min_days=chosen.min_days, window_days=chosen.window_days
    )


def _interest_percentile(
    snapshot: MarketSnapshot, ticker: str, today: PutCall | None, settings: SignalSettings
) -> float | None:
    """Where the chain's put/call ratio of open interest stands among the days before; None where that is unknown."""
    if today is None or today.oi_ratio is None:
        return None
    puts = _usable(snapshot, open_interest(ticker, "put"), settings)
    calls = _usable(snapshot, open_interest(ticker, "call"), settings)
    if isinstance(puts, Refusal) or isinstance(calls, Refusal):
        return None
    ratios = put_call_history(puts, calls, ratio_max=settings.flow.put_call_max)
    if isinstance(ratios, Refusal):
        return None
    found = standing(
        today.oi_ratio,
        ratios,
        snapshot.as_of,
        min_days=settings.history.min_days,
        window_days=settings.history.window_days,
    )
    return found.percentile if isinstance(found, Standing) else None


def _standing(view: View, right: Literal["call", "put"], traded: float) -> Standing | Refusal:
    series = _usable(view.snapshot, option_volume(view.priced.ticker, right), view.settings)
    if isinstance(series, Refusal):
        return series
    chosen = view.settings.history
    return standing(traded, series, view.snapshot.as_of, min_days=chosen.min_days, window_days=chosen.window_days)
