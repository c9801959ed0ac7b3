"""One underlying's chain at one instant, judged, priced and fitted: what `desk chain` shows. Needs no database."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.clock import WallClock
from app.documents import plain
from app.services.chain_tables import arbitrage, events, expiry_table, exposure, term
from app.settings import FeedName
from app.wiring import Configuration, market_feed
from domain.errors import Refused, UsageError
from domain.market import MarketData
from domain.ports import MarketFeed
from graph.deps import priced_chain
from options.priced import ChainRefusal, ExpirySlice, PricedChain
from signals.settings import SignalSettings

if TYPE_CHECKING:
    from feeds.library import MarketLibrary

FRESH = timedelta(days=1)
NEAREST_DAYS = 30.0


@dataclass(frozen=True, eq=False)
class ChainView:
    """What was read and how it was priced."""

    feed: str
    market: MarketData
    priced: PricedChain
    settings: SignalSettings


async def chain_view(config: Configuration, ticker: str, *, feed: FeedName | None, at: datetime | None) -> ChainView:
    """The chain of `ticker` at `at`. Without `feed` a past instant is read from what was imported, else from the feed
    of desk.yaml; without `at` the feed's own present is shown: the first simulated slot, the latest recorded chain,
    now. Raises `UsageError` for what no feed has, and `Refused` with the refusal's numbers for an unusable chain.
    """
    from feeds.library import MarketLibrary

    library, clock = MarketLibrary(config.home / "library"), WallClock()
    name = feed or _likely(config, ticker, at, library)
    async with AsyncExitStack() as closing:
        source = market_feed(config, name, clock, closing)
        instant = at or _present(source, ticker, library)
        market = await source.gather(instant, (ticker,))
    if ticker not in market.chains:
        told = next((note.detail for note in market.notes if note.subject == ticker), "")
        raise UsageError(
            f"The {name} feed has no option chain of {ticker} at {instant:%Y-%m-%dT%H:%M:%SZ}.", remedy=told
        )
    priced = priced_chain(market, ticker, config.graph.chain)
    if isinstance(priced, ChainRefusal):
        measured = next(iter(priced.numbers.values()), None)
        raise Refused(priced.detail, code=priced.code, measured=measured)
    return ChainView(feed=name, market=market, priced=priced, settings=config.graph.signals)


def chosen_slice(priced: PricedChain, expiry: date | None) -> ExpirySlice:
    """The fitted slice dated `expiry`, of several roots the one with most rows; without a date the one nearest 30 days.

    Raises `UsageError` naming the expiries there are.
    """
    fitted = [piece for piece in priced.slices if piece.smile is not None]
    if not fitted:
        raise UsageError(f"No expiry of {priced.ticker} has enough good quotes for a smile.")
    if expiry is None:
        return min(fitted, key=lambda piece: (abs(piece.tau * 365.0 - NEAREST_DAYS), -len(piece.rows)))
    dated = [piece for piece in fitted if piece.expiry == expiry]
    if not dated:
        known = ", ".join(sorted({piece.expiry.isoformat() for piece in fitted}))
        raise UsageError(f"{priced.ticker} has no fitted expiry on {expiry}.", remedy=f"There are {known}.")
    return max(dated, key=lambda piece: len(piece.rows))


def chain_document(view: ChainView, expiry: date | None = None) -> dict[str, Any]:
    """Everything about the chain: volatilities are decimals, residuals vol points, prices USD per share, and every
    other unit is in the name.
    """
    priced, settings = view.priced, view.settings
    piece = chosen_slice(priced, expiry)
    chain = priced.chain
    return {
        "ticker": priced.ticker,
        "as_of": plain(view.market.as_of),
        "quoted_at": plain(chain.as_of),
        "feed": view.feed,
        "source": view.market.provenance.get("chains", view.feed),
        "spot": priced.spot,
        "spot_source": chain.spot_source,
        "quotes": {"rows": len(chain), "good": int(priced.good.sum()), "flags": dict(priced.flag_counts)},
        "notes": plain((*view.market.notes, *priced.notes)),
        "term": term(priced),
        "expiry": expiry_table(priced, piece),
        "exposure": exposure(priced, piece, settings.flow.gamma_convention),
        "events": events(view.market, priced),
        "arbitrage": arbitrage(priced, settings.vol),
    }


def _likely(config: Configuration, ticker: str, at: datetime | None, library: "MarketLibrary") -> FeedName:
    """Imported chains for a past instant that they cover, and for one before the simulated market begins."""
    configured = config.desk.feed
    if at is None or configured == "recorded":
        return configured
    if any(item.ticker == ticker for item in library.captures(until=at, since=at - FRESH)):
        return "recorded"
    if configured == "simulated":
        from app.settings import load
        from feeds.simulated.settings import SimulatedSettings

        simulated = load(SimulatedSettings, "simulated", config.environment.desk_config)
        return "simulated" if at.date() >= simulated.epoch else "recorded"
    return "recorded"


def _present(source: MarketFeed, ticker: str, library: "MarketLibrary") -> datetime:
    """The instant a feed is looked at when none was asked for."""
    from feeds.simulated.feed import SimulatedFeed
    from feeds.simulated.timeline import first_instant

    if isinstance(source, SimulatedFeed):
        return first_instant(source.settings)
    if source.name != "recorded":
        return WallClock().now()
    captures = [item.as_of for item in library.captures() if item.ticker == ticker and item.quoted]
    if not captures:
        raise UsageError(
            f"Nothing of {ticker} was imported.",
            remedy="'desk data import PATH' reads market files, 'desk data list' shows them.",
        )
    return max(captures)
