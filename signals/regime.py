"""The market's regime, decided here and nowhere else.

Each input alone asks for a severity; the raw regime is the worst asked for. Calm (`low_vol`) needs every input known
and calm. An unknown VIX fails closed: the raw regime is then at least `high_vol`, however quiet the rest looks.

The regime is a fold over the readings: up at once, down only after `hold_observations` raw readings in a row lay below
it, and then to the worst of those readings. It is a function of today's level and the stored readings, never of a
running maximum: a VIX that only grew once kept an earlier system in crisis for good.
"""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.errors import DataError
from domain.market import MarketData, Series
from domain.record import Record
from domain.regime import Regime, RegimeReading
from signals.history import Refusal, recent_bars, recent_series
from signals.realised import close_to_close
from signals.volatility import VIX, vix_term

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Levels(Record):
    """One severity's threshold for each input: VIX in vol points, VIX/VIX3M, realised volatility as a decimal."""

    vix: Positive
    term: Positive
    realised: Positive


class RegimeSettings(Record):
    """The whole of `config/regime.yaml`, the only place of these figures."""

    low_vol_below: Levels
    high_vol_from: Levels
    crisis_from: Levels
    high_vol_odds: Annotated[float, Field(gt=0, le=1)]
    odds_market: str
    odds_max_age_days: Count
    hold_observations: Count
    rv_window: Annotated[int, Field(ge=2)]
    index_tickers: tuple[str, ...]
    max_age_days: Count
    max_gap_days: Count
    vix_max: Positive

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for name in Levels.model_fields:
            low, high, crisis = (
                getattr(levels, name) for levels in (self.low_vol_below, self.high_vol_from, self.crisis_from)
            )
            if not low <= high < crisis:
                raise ValueError(f"{name}: needs low_vol_below <= high_vol_from < crisis_from")
        return self


def read_regime(market: MarketData, history: tuple[RegimeReading, ...], settings: RegimeSettings) -> RegimeReading:
    """The regime at `market.as_of`, given the earlier readings (ascending, all before it).

    Missing, stale or absurd inputs are None and named in `missing`. Raises `DataError` for a reading that is not
    earlier than the market or out of order.
    """
    _check_order(market, history)
    vix = _vix(market, settings)
    curve = vix_term(market, max_gap_days=settings.max_gap_days, max_age_days=settings.max_age_days)
    term = None if isinstance(curve, Refusal) or vix is None else curve
    realised = _realised(market, settings)
    odds = _odds(market, settings)
    named = {"vix": vix, "vix_term": term, "realised_vol": realised}
    if settings.odds_market:
        named["odds"] = odds
    raw, why = _raw(vix, term, realised, odds, settings)
    regime, held = _fold(raw, history, settings.hold_observations)
    if regime is not raw:
        why = f"held at {regime} ({held} of {settings.hold_observations} readings below it); now {why}"
    return RegimeReading(
        as_of=market.as_of,
        regime=regime,
        raw=raw,
        held=held,
        vix=vix,
        vix_term=term,
        realised_vol=realised,
        odds=odds,
        missing=tuple(sorted(name for name, value in named.items() if value is None)),
        reason=f"{regime}: {why}",
    )


def _raw(
    vix: float | None, term: float | None, realised: float | None, odds: float | None, settings: RegimeSettings
) -> tuple[Regime, str]:
    """What the thresholds alone say, and which input said it."""
    inputs = (("VIX", "vix", vix), ("VIX/VIX3M", "term", term), ("realised volatility", "realised", realised))
    asked: list[tuple[Regime, str]] = []
    for label, name, value in inputs:
        if value is None:
            continue
        for regime, levels in ((Regime.CRISIS, settings.crisis_from), (Regime.HIGH_VOL, settings.high_vol_from)):
            if value >= getattr(levels, name):
                asked.append((regime, f"{label} {value:.4g} >= {getattr(levels, name):g}"))
                break
    if vix is None:
        asked.append((Regime.HIGH_VOL, "VIX unknown, so at least high_vol"))
    if odds is not None and odds >= settings.high_vol_odds:
        asked.append((Regime.HIGH_VOL, f"{settings.odds_market} odds {odds:.2f} >= {settings.high_vol_odds:g}"))
    if asked:
        worst = max(regime.severity for regime, _ in asked)
        return list(Regime)[worst], "; ".join(text for regime, text in asked if regime.severity == worst)
    calm = all(value is not None and value < getattr(settings.low_vol_below, name) for _, name, value in inputs)
    known = ", ".join(f"{label} {value:.4g}" for label, _, value in inputs if value is not None)
    if calm:
        return Regime.LOW_VOL, f"{known}: all below the calm thresholds"
    return Regime.NEUTRAL, f"{known}: neither calm on all counts nor stressed on any"


def _fold(raw: Regime, history: tuple[RegimeReading, ...], hold: int) -> tuple[Regime, int]:
    """Up at once; down after `hold` raw readings in a row below, to the worst of them."""
    if not history or raw.severity >= history[-1].regime.severity:
        return raw, 0
    current = history[-1].regime
    held = history[-1].held + 1
    if held < hold:
        return current, held
    below = [reading.raw.severity for reading in history[-(held - 1) :]] if held > 1 else []
    return list(Regime)[max([*below, raw.severity])], 0


def _vix(market: MarketData, settings: RegimeSettings) -> float | None:
    found = recent_series(
        market.series.get(VIX),
        VIX,
        market.as_of,
        max_gap_days=settings.max_gap_days,
        max_age_days=settings.max_age_days,
    )
    if not isinstance(found, Series):
        return None
    value = float(found.value[-1])
    return value if 0 < value <= settings.vix_max else None


def _realised(market: MarketData, settings: RegimeSettings) -> float | None:
    for ticker in settings.index_tickers:
        bars = recent_bars(
            market.bars.get(ticker),
            ticker,
            market.as_of,
            max_gap_days=settings.max_gap_days,
            max_age_days=settings.max_age_days,
            min_bars=settings.rv_window + 1,
        )
        if not isinstance(bars, Refusal):
            return float(close_to_close(closes=bars.close, window=settings.rv_window)[-1])
    return None


def _odds(market: MarketData, settings: RegimeSettings) -> float | None:
    known = [
        row
        for row in market.odds
        if row.market == settings.odds_market
        and row.known_at <= market.as_of
        and (market.as_of - row.known_at).days <= settings.odds_max_age_days
    ]
    return max(known, key=lambda row: (row.known_at, row.probability)).probability if known else None


def _check_order(market: MarketData, history: tuple[RegimeReading, ...]) -> None:
    instants = [reading.as_of for reading in history] + [market.as_of]
    for earlier, later in pairwise(instants):
        if earlier >= later:
            raise DataError(
                f"Regime history is out of order: a reading of {earlier:%Y-%m-%dT%H:%M:%SZ} stands before "
                f"{later:%Y-%m-%dT%H:%M:%SZ}.",
                remedy="Give only earlier readings, ascending.",
            )
