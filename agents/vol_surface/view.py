"""What the measures share: the chain with and without the known events, its history, and which fits may be believed."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from agents.contract import AnalystContext
from domain.signals import Abstention, Direction, MetaValue, Signal
from domain.snapshot import MarketSnapshot
from domain.units import DAYS_PER_YEAR
from options.priced import ExpirySlice, PricedChain
from signals.claim import abstain, claim
from signals.history import Refusal
from signals.settings import SignalSettings
from signals.volatility import IvHistory, iv_history

NAME = "vol_surface"
HORIZON_DAYS = 30
EVENTS_AHEAD_DAYS = 120  # no listed tenor that is read lies beyond

Found = Signal | Abstention


@dataclass(frozen=True, slots=True)
class Event:
    """A known report and what the term structure says of it; without a move, `refused` says why."""

    at: datetime
    straddled_by: tuple[str, ...]  # expiry dates that live through it
    move: float | None  # decimal, one standard deviation
    expected_absolute: float | None
    error: float | None
    ambient_vol: float | None
    refused: str | None

    def figures(self) -> dict[str, MetaValue]:
        """As published with every claim."""
        return {
            "earnings_at": f"{self.at:%Y-%m-%dT%H:%M:%SZ}",
            "expiries_over_earnings": self.straddled_by,
            "implied_event_move_decimal": self.move,
            "expected_absolute_event_move_decimal": self.expected_absolute,
            "implied_event_move_error_decimal": self.error,
            "ambient_iv_decimal": self.ambient_vol,
            "event_move_refused": self.refused,
        }


@dataclass(frozen=True, eq=False)
class View:
    """One ticker at one instant. `ambient` is `priced` with the moves of believed events taken out of its at-the-money
    volatilities, so that what is read off it is event-free.
    """

    snapshot: MarketSnapshot
    priced: PricedChain
    ambient: PricedChain
    settings: SignalSettings
    calendar_known: bool
    events: tuple[Event, ...]  # ahead, ascending

    @property
    def ticker(self) -> str:
        return self.priced.ticker

    @property
    def tenors(self) -> tuple[int, int, int]:
        """Days."""
        return self.settings.vol.tenors_days

    @cached_property
    def atm(self) -> tuple[float, float, float]:
        """Event-free at-the-money volatility (decimal) by tenor; NaN where the chain does not reach."""
        from options.measures import atm_vol_at

        near, middle, far = (atm_vol_at(self.ambient, days) for days in self.tenors)
        return near, middle, far

    @property
    def iv(self) -> float:
        return self.atm[0]

    @cached_property
    def history(self) -> IvHistory | Refusal:
        vol = self.settings.vol
        return iv_history(
            self.snapshot.market, self.ticker, self.iv, self.settings.history, vix_proxies=vol.vix_proxies
        )

    def trust(self, days: int) -> float:
        """Conviction kept by a claim on the volatility to `days`: less where a report lies inside that could not be
        taken out, or where nobody knows whether one does.
        """
        until = self.snapshot.as_of + timedelta(days=days)
        left_in = any(event.at <= until and event.move is None for event in self.events)
        return self.settings.vol.event_discount if left_in or not self.calendar_known else 1.0

    def poor(self, *tenors: int) -> Refusal | None:
        """Why the fits that these constant maturities are read off may not be voted on, if they may not."""
        return poor_fit(piece for days in tenors for piece in resting_on(self.priced, days))

    def abstain(self, refusal: Refusal, measure: str) -> Abstention:
        return abstain(NAME, self.ticker, refusal, measure=measure)

    def claim(
        self, edge: str, side: Direction, conviction: float, evidence: tuple[str, ...], figures: Mapping[str, MetaValue]
    ) -> Signal:
        """A signal with the figures that all claims on volatility share."""
        atm = zip(self.tenors, self.atm, strict=True)
        shared: dict[str, MetaValue] = {
            f"atm_iv_{days}d_decimal": vol if math.isfinite(vol) else None for days, vol in atm
        }
        horizon = self.snapshot.as_of + timedelta(days=HORIZON_DAYS)
        inside = any(event.at <= horizon for event in self.events)
        shared["earnings_within_horizon"] = inside if self.calendar_known else None
        if self.events:
            shared |= self.events[0].figures()
            shared["iv_is_event_free"] = all(event.move is not None for event in self.events)
        stamp = f"{self.priced.chain.as_of:%Y-%m-%dT%H:%M:%SZ}"
        return claim(
            NAME,
            self.ticker,
            edge,
            side,
            conviction,
            as_of=self.snapshot.as_of,
            evidence=(f"chain:{self.ticker}@{stamp}", *evidence),
            figures={**shared, **figures},
            settings=self.settings,
        )


def view_of(snapshot: MarketSnapshot, priced: PricedChain, context: AnalystContext) -> View:
    """Read the calendar, take known events out of the term structure where that can be done."""
    from options.events import EventMove, event_move, straddling, without_events

    settings, ticker = context.settings, priced.ticker
    usable = [piece.smile is not None and not piece.smile.quality.poor for piece in priced.slices]
    moves: list[EventMove] = []
    events: list[Event] = []
    for at in _reports(snapshot, ticker, settings):
        dates = tuple(day.isoformat() for day in straddling(priced, at))
        found = event_move(without_events(priced, moves), at, usable=usable)
        if not isinstance(found, EventMove):
            events.append(Event(at, dates, None, None, None, None, f"{found.code}: {found.detail}"))
        elif found.error > settings.vol.event_max_error * found.move:
            why = f"uncertain: {found.move:.3f} with a standard error of {found.error:.3f}"
            events.append(Event(at, dates, None, None, found.error, None, why))
        else:
            moves.append(found)
            events.append(Event(at, dates, found.move, found.expected_absolute, found.error, found.ambient_vol, None))
    return View(
        snapshot=snapshot,
        priced=priced,
        ambient=without_events(priced, moves),
        settings=settings,
        calendar_known=ticker in settings.vol.index_like or ticker in snapshot.market.events_known,
        events=tuple(events),
    )


def resting_on(priced: PricedChain, days: float) -> list[ExpirySlice]:
    """The fitted slices that a constant maturity is read off: the nearest on either side."""
    fitted = [piece for piece in priced.slices if piece.smile is not None]
    target = days / DAYS_PER_YEAR
    return [p for p in fitted if p.tau <= target][-1:] + [p for p in fitted if p.tau > target][:1]


def poor_fit(pieces: Iterable[ExpirySlice]) -> Refusal | None:
    """The first poor fit among `pieces` as a refusal with its numbers."""
    for piece in pieces:
        if piece.smile is not None and piece.smile.quality.poor:
            quality = piece.smile.quality
            return Refusal(
                "poor_fit",
                f"the fit of {piece.expiry} {quality.reason}",
                {
                    "rmse_vol_points": quality.rmse_vol_points,
                    "inside_share": quality.inside_share,
                    "quotes": float(quality.quotes),
                },
            )
    return None


def _reports(snapshot: MarketSnapshot, ticker: str, settings: SignalSettings) -> list[datetime]:
    """Instants of the ticker's known reports ahead, ascending; an index has none of its own."""
    if ticker in settings.vol.index_like:
        return []
    until = snapshot.as_of + timedelta(days=EVENTS_AHEAD_DAYS)
    return sorted(
        event.at
        for event in snapshot.market.events
        if event.kind == "earnings" and event.ticker == ticker and event.known_at <= snapshot.as_of <= event.at <= until
    )
