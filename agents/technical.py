"""The technical analyst: trend, momentum, mean reversion and breakout from daily bars.

Convictions: trend and momentum speak with the size of their component in [−1, 1], from `speaks_from`; mean reversion
with how far RSI lies beyond its bound; breakout with the distance beyond the level in typical bar ranges. Volume that
is unknown or against leaves `unconfirmed` of it. A component within ± `speaks_from` is published as NEUTRAL.
"""

import numpy as np

from agents.contract import AnalystContext
from domain.errors import DataError
from domain.market import Bars
from domain.signals import Abstention, Direction, MetaValue, Signal
from domain.snapshot import MarketSnapshot
from signals.claim import abstain, claim, lean, ramp
from signals.history import Refusal, recent_bars
from signals.settings import SignalSettings, TechnicalSettings
from signals.technical import Indicators, TechnicalReading, indicators, read_technical

NAME = "technical"


class Technical:
    """Reads bars only; publishes trend and momentum always, the others when they occur."""

    name = NAME

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Signal | Abstention]:
        """See `agents.contract.Analyst`."""
        settings = context.settings.technical
        bars = recent_bars(
            snapshot.market.bars.get(ticker),
            ticker,
            snapshot.as_of,
            max_gap_days=settings.max_gap_days,
            max_age_days=settings.max_age_days,
            min_bars=settings.min_bars,
        )
        if isinstance(bars, Refusal):
            return [abstain(NAME, ticker, bars)]
        try:
            reading, found = read_technical(bars, settings), indicators(bars, settings)
        except DataError as error:
            return [abstain(NAME, ticker, Refusal("bad_bars", str(error)))]
        claims = [
            ("trend", *_component(reading.trend, reading, settings)),
            ("momentum", *_component(reading.momentum, reading, settings)),
            *_mean_reversion(bars, found, settings),
            *_breakout(reading, settings),
        ]
        return [
            _publish(edge, side, conviction, snapshot, bars, reading, found, context.settings)
            for edge, side, conviction in claims
        ]


def _component(value: float, reading: TechnicalReading, settings: TechnicalSettings) -> tuple[Direction, float]:
    side = lean(value, speaks_from=settings.speaks_from)
    confirmed = reading.volume is not None and reading.volume * value > 0
    return side, abs(value) * (1.0 if confirmed else settings.unconfirmed)


def _mean_reversion(bars: Bars, found: Indicators, settings: TechnicalSettings) -> list[tuple[str, Direction, float]]:
    """Against an RSI beyond its bound, when the close is also outside its Bollinger band."""
    rsi, close = float(found.rsi[-1]), float(bars.close[-1])
    if rsi >= settings.rsi_overbought and close > found.band_upper[-1]:
        return [("mean_reversion", Direction.BEARISH, ramp(rsi, start=settings.rsi_overbought, full=100.0))]
    if rsi <= settings.rsi_oversold and close < found.band_lower[-1]:
        return [("mean_reversion", Direction.BULLISH, ramp(rsi, start=settings.rsi_oversold, full=0.0))]
    return []


def _breakout(reading: TechnicalReading, settings: TechnicalSettings) -> list[tuple[str, Direction, float]]:
    if reading.broken is None:
        return []
    surged = reading.volume_ratio is not None and reading.volume_ratio >= settings.volume_surge
    conviction = ramp(abs(reading.break_distance), start=0.0, full=settings.breakout_full)
    return [("breakout", lean(reading.break_distance), conviction * (1.0 if surged else settings.unconfirmed))]


def _publish(
    edge: str,
    side: Direction,
    conviction: float,
    snapshot: MarketSnapshot,
    bars: Bars,
    reading: TechnicalReading,
    found: Indicators,
    settings: SignalSettings,
) -> Signal:
    figures: dict[str, MetaValue] = {
        "tech_score": reading.tech_score,
        "trend_score": reading.trend,
        "momentum_score": reading.momentum,
        "volume_score": reading.volume,
        "proximity_score": reading.proximity,
        "swing_structure": reading.structure,
        "rsi": float(found.rsi[-1]),
        "macd_histogram_usd": float(found.macd_histogram[-1]),
        "adx": float(found.adx[-1]) if found.adx is not None and np.isfinite(found.adx[-1]) else None,
        "typical_range_usd": reading.typical_range,
        "support_usd": reading.support,
        "resistance_usd": reading.resistance,
        "broken_level_usd": reading.broken,
        "break_distance_ranges": reading.break_distance,
        "volume_over_mean": reading.volume_ratio,
        "close_usd": float(bars.close[-1]),
        "bars": len(bars),
        "closes_only": found.atr is None,
    }
    return claim(
        NAME,
        bars.ticker,
        edge,
        side,
        conviction,
        as_of=snapshot.as_of,
        evidence=(f"bars:{bars.ticker}@{bars.day[-1]}",),
        figures=figures,
        settings=settings,
    )
