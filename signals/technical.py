"""Price action by TA-Lib: indicators, swing structure, levels and one score.

TA-Lib (0.8) returns plausible numbers after a NaN for some functions and nothing but NaN for others, so NaN is
refused before it gets there. Warm-up rows stay NaN.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import DataError
from domain.market import Bars
from domain.units import Floats
from signals.settings import TechnicalSettings


@dataclass(frozen=True, slots=True, eq=False)
class Indicators:
    """Rolling indicators, each of shape `(n,)`, NaN in warm-up. Those that need ranges or volume are None where the
    bars have only closes.
    """

    rsi: Floats  # 0 to 100, Wilder
    macd: Floats  # USD per share
    macd_signal: Floats
    macd_histogram: Floats
    band_upper: Floats  # USD per share, population deviation
    band_middle: Floats
    band_lower: Floats
    sma_fast: Floats
    sma_slow: Floats
    atr: Floats | None  # USD per share, Wilder
    adx: Floats | None  # 0 to 100
    plus_di: Floats | None
    minus_di: Floats | None
    obv: Floats | None  # shares


@dataclass(frozen=True, slots=True)
class TechnicalReading:
    """The last bar, judged. Components lie in [−1, 1], > 0 bullish; None: not known from these bars."""

    trend: float
    momentum: float
    volume: float | None
    proximity: float | None
    tech_score: float
    structure: int  # +1 higher highs and higher lows, −1 lower ones, 0 neither
    support: float | None  # USD per share, nearest swing low below the last close
    resistance: float | None
    broken: float | None  # level the last close crossed, USD per share
    break_distance: float  # signed distance beyond it, in typical bar ranges; 0 without a break
    volume_ratio: float | None  # last bar's volume over the mean of the bars before it
    typical_range: float  # USD per share: ATR, or the mean absolute close change


def indicators(bars: Bars, settings: TechnicalSettings) -> Indicators:
    """All indicators of `bars`, equal to TA-Lib's own. Raises `DataError` on NaN among the closes, or scattered among
    ranges or volumes (all NaN means "only closes are known").
    """
    import talib

    close = _clean(bars, "close")
    macd, macd_signal, histogram = talib.MACD(
        close, fastperiod=settings.macd_fast, slowperiod=settings.macd_slow, signalperiod=settings.macd_signal
    )
    width = settings.band_width
    upper, middle, lower = talib.BBANDS(close, timeperiod=settings.band_period, nbdevup=width, nbdevdn=width)
    atr = adx = plus_di = minus_di = obv = None
    if known(bars, "high") and known(bars, "low"):
        high, low = _clean(bars, "high"), _clean(bars, "low")
        atr = talib.ATR(high, low, close, timeperiod=settings.atr_period)
        adx = talib.ADX(high, low, close, timeperiod=settings.adx_period)
        plus_di = talib.PLUS_DI(high, low, close, timeperiod=settings.adx_period)
        minus_di = talib.MINUS_DI(high, low, close, timeperiod=settings.adx_period)
    if known(bars, "volume"):
        obv = talib.OBV(close, _clean(bars, "volume"))
    return Indicators(
        rsi=talib.RSI(close, timeperiod=settings.rsi_period),
        macd=macd,
        macd_signal=macd_signal,
        macd_histogram=histogram,
        band_upper=upper,
        band_middle=middle,
        band_lower=lower,
        sma_fast=talib.SMA(close, timeperiod=settings.sma_fast),
        sma_slow=talib.SMA(close, timeperiod=settings.sma_slow),
        atr=atr,
        adx=adx,
        plus_di=plus_di,
        minus_di=minus_di,
        obv=obv,
    )


def known(bars: Bars, column: str) -> bool:
    """Whether the column exists at all; a source with only closes leaves it all NaN."""
    return not bool(np.isnan(getattr(bars, column)).all())


def swing_points(prices: Floats, *, width: int, highs: bool) -> NDArray[np.int64]:
    """Indices where a price exceeds (falls short of, if not `highs`) the `width` bars on both sides. The last `width`
    bars can never be one: it takes that long to know. Of a plateau the first bar counts.
    """
    signed = prices if highs else -prices
    if len(signed) < 2 * width + 1:
        return np.empty(0, dtype=np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(signed, 2 * width + 1)
    middle = windows[:, width]
    before, after = windows[:, :width].max(axis=1), windows[:, width + 1 :].max(axis=1)
    return np.flatnonzero((middle > before) & (middle >= after)) + width


def swing_structure(highs: Floats, lows: Floats, *, width: int) -> int:
    """+1 if the last two swing highs and the last two swing lows both rise, −1 if both fall, else 0."""
    tops = highs[swing_points(highs, width=width, highs=True)][-2:]
    bottoms = lows[swing_points(lows, width=width, highs=False)][-2:]
    if len(tops) < 2 or len(bottoms) < 2:
        return 0
    moves = {int(np.sign(tops[1] - tops[0])), int(np.sign(bottoms[1] - bottoms[0]))}
    return moves.pop() if len(moves) == 1 else 0


def read_technical(bars: Bars, settings: TechnicalSettings) -> TechnicalReading:
    """Judge the last bar. `tech_score` = Σ weight × component; an unknown component adds nothing, so the score of
    bars without volume is nearer to 0. Where ranges are unknown, closes stand in for highs and lows. Raises
    `DataError` on NaN or when the bars are too short to warm up.
    """
    found = indicators(bars, settings)
    close = bars.close
    highs = bars.high if known(bars, "high") else close
    lows = bars.low if known(bars, "low") else close
    if not np.isfinite([found.sma_slow[-1], found.macd_histogram[-1], found.rsi[-1], found.band_middle[-1]]).all():
        raise DataError(f"{len(close)} bars of {bars.ticker} are too few for the indicators to warm up.")
    typical = float(found.atr[-1]) if found.atr is not None else float(np.mean(np.abs(np.diff(close[-15:]))))
    typical = max(typical, 1e-9 * float(close[-1]))  # a price that never moved has no range
    structure = swing_structure(highs, lows, width=settings.swing_width)
    trend = _trend(found, structure, typical)
    momentum = _momentum(found, typical)
    volume = _volume(found, bars, settings.volume_window)
    support, resistance = _levels(highs, lows, float(close[-1]), settings.swing_width)
    proximity = _proximity(float(close[-1]), support, resistance)
    broken, distance = _break(highs, lows, close, typical, settings.swing_width)
    parts = {"trend": trend, "momentum": momentum, "volume": volume, "proximity": proximity}
    score = sum(settings.score_weights[name] * (value or 0.0) for name, value in parts.items())
    return TechnicalReading(
        trend=trend,
        momentum=momentum,
        volume=volume,
        proximity=proximity,
        tech_score=min(max(score, -1.0), 1.0),
        structure=structure,
        support=support,
        resistance=resistance,
        broken=broken,
        break_distance=distance,
        volume_ratio=_volume_ratio(bars, settings.volume_window),
        typical_range=typical,
    )


def _trend(found: Indicators, structure: int, typical: float) -> float:
    """Mean of swing structure, distance of the moving averages in typical ranges, and ADX signed by its DI lines."""
    averages = float(np.tanh((found.sma_fast[-1] - found.sma_slow[-1]) / (2.0 * typical)))
    parts = [float(structure), averages]
    if found.adx is not None and found.plus_di is not None and found.minus_di is not None:
        side = float(np.sign(found.plus_di[-1] - found.minus_di[-1]))
        parts.append(side * min(float(found.adx[-1]) / 50.0, 1.0))  # Wilder: 25 a trend, 50 a strong one
    return float(np.mean(parts))


def _momentum(found: Indicators, typical: float) -> float:
    """Mean of RSI's distance from 50 and the MACD histogram in typical ranges."""
    rsi = min(max((float(found.rsi[-1]) - 50.0) / 25.0, -1.0), 1.0)
    return 0.5 * (rsi + float(np.tanh(2.0 * found.macd_histogram[-1] / typical)))


def _volume(found: Indicators, bars: Bars, window: int) -> float | None:
    """Change of OBV over the window as a share of the volume traded in it."""
    if found.obv is None:
        return None
    traded = float(bars.volume[-window:].sum())
    if not traded > 0:
        return None
    share = float(found.obv[-1] - found.obv[-1 - window]) / traded
    return min(max(share, -1.0), 1.0)  # a running total of shares loses its last digits


def _volume_ratio(bars: Bars, window: int) -> float | None:
    if not known(bars, "volume"):
        return None
    usual = float(bars.volume[-1 - window : -1].mean())
    return float(bars.volume[-1]) / usual if usual > 0 else None


def _levels(highs: Floats, lows: Floats, close: float, width: int) -> tuple[float | None, float | None]:
    tops = highs[swing_points(highs, width=width, highs=True)]
    bottoms = lows[swing_points(lows, width=width, highs=False)]
    below, above = bottoms[bottoms < close], tops[tops > close]
    return (float(below.max()) if len(below) else None), (float(above.min()) if len(above) else None)


def _proximity(close: float, support: float | None, resistance: float | None) -> float | None:
    """+1 at support, −1 at resistance, straight in between; None where one of them is unknown."""
    if support is None or resistance is None:
        return None
    return 1.0 - 2.0 * (close - support) / (resistance - support)


def _break(highs: Floats, lows: Floats, close: Floats, typical: float, width: int) -> tuple[float | None, float]:
    """The latest swing level that the last close crossed and the close before had not."""
    tops = highs[swing_points(highs[:-1], width=width, highs=True)][-1:]
    bottoms = lows[swing_points(lows[:-1], width=width, highs=False)][-1:]
    if len(tops) and close[-2] <= tops[0] < close[-1]:
        return float(tops[0]), float((close[-1] - tops[0]) / typical)
    if len(bottoms) and close[-1] < bottoms[0] <= close[-2]:
        return float(bottoms[0]), float((close[-1] - bottoms[0]) / typical)
    return None, 0.0


def _clean(bars: Bars, column: str) -> Floats:
    values = np.asarray(getattr(bars, column), dtype=np.float64)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise DataError(f"{bad} of {len(values)} {column} values of {bars.ticker} are missing.", remedy="Mend them.")
    return values
