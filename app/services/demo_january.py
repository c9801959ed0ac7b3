"""January 2021 as the desk would have read it: GME's talk day by day from the library, nothing known too early.

Every analyst reads the recorded picture at the desk's own slots; where the talk fires, the composite is made and
debated by the rules. The library holds no option chains of GME of that month, so nothing could be traded on it, and who
needs chains says so. Prices and quiet names stand beside it for comparison; no decision reads them.

GME's mood is the one that came with its counts. Of the quiet names hardly any is recorded (of TSLA on six sessions, by
imported posts), and without one they cannot fire: what is counted of them is the days on which their counts would, were
the mood strong.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import prod
from statistics import median
from typing import Any

import numpy as np

from agents.contract import AnalystContext
from agents.registry import ANALYSTS, analyst
from app.clock import FixedClock
from app.debaters import rules_engine
from app.documents import plain
from app.services.demo_facts import Fact
from app.services.demo_squeeze import FIRES, Told, citing, loud
from app.wiring import Configuration, market_feed
from domain.book import Baseline, Book
from domain.errors import DataError, StorageFull
from domain.market import FORUM, MarketData, Series, hourly_mentions, hourly_price, mentions
from domain.risk import TradingState
from domain.sessions import is_session, new_york
from domain.signals import Abstention, Signal
from domain.snapshot import DeskContext, MarketSnapshot
from feeds.library import MarketLibrary
from feeds.recorded.feed import RecordedFeed
from graph.deps import GraphSettings, priced_chain
from signals.aggregate import aggregate
from signals.social.velocity import series_back

Document = dict[str, Any]

NAME, QUIET = "GME", ("NVDA", "SPY", "TSLA")
FIRST, LAST = date(2021, 1, 4), date(2021, 2, 5)
DEADLINE = date(2021, 1, 15)
JUMPED = 0.10  # of the close before: a price that has gone further has moved already
PLAIN, BEFORE = 3.0, 7  # the plain rule: more than three times the mean of the seven days before
THIN = 0.1  # of the month's usual posts in the whole forum: below it the source had all but stopped
SPLIT = 4.0  # GME split four for one on 2022-07-22; the imported closes are in shares after it
REMEDY = (
    "Import the recorded talk and daily bars: 'desk data import FOLDER' with "
    "gme_hourly_activity_2020_04_2021_02.csv.gz, mention_counts_2018_2025.csv and us_daily_2015_2024.csv.gz in it."
)


async def january(config: Configuration, told: Told) -> Document:
    """Every session of the month. Raises `DataError` where the library lacks the talk, saying how to import it."""
    try:
        config.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFull(f"{config.home} cannot be made: {error.strerror}.", remedy="Check DESK_HOME.") from error
    library = MarketLibrary(config.home / "library")
    prices = await asyncio.to_thread(_needed, library)
    seen: list[Document] = []
    instants = tuple(slots(config.desk.schedule.times))
    async with AsyncExitStack() as closing:
        feed = market_feed(config, "recorded", FixedClock(instants[-1]), closing)
        if not isinstance(feed, RecordedFeed):
            raise TypeError("the recorded feed is another one")
        for number, at in enumerate(instants):
            told(at, f"reading {NAME} and {len(QUIET)} quiet names", number / len(instants))
            market = await feed.histories(at, (NAME, *QUIET))
            seen.append({**await _look(market, config.graph), "price": prices.at(at)})
    return _document(seen, prices)


def slots(times: Sequence[time]) -> Iterator[datetime]:
    """The instants read: New York `times` of every session of the month, ascending."""
    day = FIRST
    while day <= LAST:
        if is_session(day):
            yield from (new_york(day, at) for at in times)
        day += timedelta(days=1)


class Prices:
    """GME's prices of the month in the shares of that time, USD: by the hour, and each day's close and high."""

    def __init__(self, hours: Sequence[Series], close: dict[date, float], high: dict[date, float]) -> None:
        self._hours, self.close, self.high = hours, close, high

    def at(self, instant: datetime) -> float:
        """The last price of the latest full hour of trading by `instant`."""
        known = [series.known_by(instant) for series in self._hours]
        return float(max((series for series in known if len(series)), key=lambda series: series.day[-1]).value[-1])


def _needed(library: MarketLibrary) -> Prices:
    """GME's prices, once it is sure that the talk is there as well."""
    talk = library.series((hourly_mentions(NAME), *(mentions(name) for name in QUIET)))
    held = {piece.series.name for piece in talk}
    if hourly_mentions(NAME) not in held:
        raise DataError(f"The library at {library.root} holds no hourly talk about {NAME}.", remedy=REMEDY)
    if lacking := [name for name in QUIET if mentions(name) not in held]:
        raise DataError(f"The library at {library.root} holds no talk about {', '.join(lacking)}.", remedy=REMEDY)
    hours = [piece.series for piece in library.series((hourly_price(NAME),))]
    if not any(len(series.known_by(next(slots((time.min,))))) for series in hours):
        raise DataError(f"The library at {library.root} holds no hourly prices of {NAME}.", remedy=REMEDY)
    close: dict[date, float] = {}
    high: dict[date, float] = {}
    for piece in library.bars((NAME,)):
        factor = SPLIT if piece.bars.adjusted_as_of is not None else 1.0
        for found, column in ((close, piece.bars.close), (high, piece.bars.high)):
            pairs = zip(piece.bars.day.tolist(), column.tolist(), strict=True)
            found |= {day: round(price * factor, 2) for day, price in pairs if FIRST <= day <= LAST}
    if not close:
        raise DataError(f"The library at {library.root} holds no closes of {NAME} of January 2021.", remedy=REMEDY)
    return Prices(hours, close, high)


async def _look(market: MarketData, settings: GraphSettings) -> Document:
    """One slot: what every analyst says of GME, the social one of the quiet names, the debate where the talk fires."""
    snapshot = MarketSnapshot(market=market, desk=_nothing_held(market.as_of))
    context = AnalystContext(
        settings=settings.signals, priced=lambda ticker: priced_chain(market, ticker, settings.chain)
    )
    found = [item for each in ANALYSTS for item in await asyncio.to_thread(each.read, snapshot, NAME, context)]
    signals = [item for item in found if isinstance(item, Signal)]
    social = analyst("social")
    fired = loud([plain(signal) for signal in signals], NAME)
    look: Document = {
        "as_of": plain(market.as_of),
        **_burst(found, NAME),
        "forum": _forum(market),
        "fired": fired and fired["id"],
        "abstentions": [plain(item) for item in found if isinstance(item, Abstention)],
        "notes": plain([note for note in market.notes if note.subject == NAME]),
        "quiet": {
            name: {
                **_burst(social.read(snapshot, name, context), name),
                "plain": _plain_rule(market.series[mentions(name)].known_by(market.as_of)),
            }
            for name in QUIET
        },
        "debate": None,
    }
    if fired:
        composite = aggregate(
            NAME, signals, as_of=market.as_of, settings=settings.signals, reliability=(),
            expected_sources=settings.signals.aggregate.expected_sources,
        )  # fmt: skip
        look["debate"] = plain(await rules_engine(settings).debate("january-2021", composite, signals, (), snapshot))
    return look


def _burst(found: Sequence[Signal | Abstention], ticker: str) -> Document:
    """The talk's conviction with its figures, and `strong`, what it would be at least with a strong mood; conviction
    None where the measure abstained, and why.
    """
    for item in found:
        if isinstance(item, Signal) and item.edge_type == "mention_velocity":
            names = ("mentions", "mentions_expected", "mentions_unit", "z_score", "tone", "context", "doubts")
            figures = {name: plain(item.metadata[name]) for name in (*names, "alpha_decay_days")}
            parts = (item.metadata[name] for name in ("burst_strength", "context_quality", "conviction_kept"))
            strong = prod(part for part in parts if isinstance(part, float))
            return {"conviction": item.conviction * item.direction.sign, "strong": strong, "silent": None, **figures}
    said = [item.detail for item in found if isinstance(item, Abstention) and item.source == "social"]
    return {
        "conviction": None,
        "strong": 0.0,
        "tone": None,
        "silent": said[0] if said else f"nothing was said of {ticker}",
    }


def _forum(market: MarketData) -> int:
    """Posts counted in the whole forum in the 24 hours before the slot."""
    counted = market.series[hourly_mentions(FORUM)].known_by(market.as_of)
    return int(np.nansum(series_back(counted, market.as_of, 24)))


def _plain_rule(counts: Series) -> bool:
    """Whether the last day's mentions are more than three times the mean of the seven days before, at least one a day.
    A day without mentions is absent from the counts.
    """
    by_day = dict(zip(counts.day.tolist(), counts.value.tolist(), strict=True))
    last = max(by_day)
    usual = sum(by_day.get(last - timedelta(days=back), 0.0) for back in range(1, BEFORE + 1)) / BEFORE
    return bool(by_day[last] > PLAIN * max(usual, 1.0))


def _document(seen: list[Document], prices: Prices) -> Document:
    days = [_day(day, [look for look in seen if _date(look) == day.isoformat()], prices.close) for day in _dates(seen)]
    fired = next((day for day in days if day["loudest"]["fired"]), None)
    peak = max((day for day in days if day["close"] is not None), key=lambda day: day["close"])
    quiet = {name: _counted(name, seen) for name in QUIET}
    usual = median(day["loudest"]["forum"] for day in days)
    facts = (_early(days, fired, peak), _price_then(days, fired, prices), _cited(fired), _quiet(quiet))
    return {
        "name": NAME,
        "quiet": list(QUIET),
        "fires": FIRES,
        "days": days,
        "forum_usual": usual,
        "thin": [day["day"] for day in days if day["loudest"]["forum"] < THIN * usual],
        "looks": seen,
        "first": fired,
        "peak": {"day": peak["day"], "close": peak["close"]},
        "quiet_days": quiet,
        "facts": plain(facts),
        "holds": all(fact.holds is not False for fact in facts),
    }


def _day(day: date, looks: list[Document], closes: dict[date, float]) -> Document:
    """A session: its first slot that fires, else its loudest."""
    loudest = max(looks, key=lambda look: -2.0 if look["conviction"] is None else look["conviction"])
    first = next((look for look in looks if look["fired"]), loudest)
    return {"day": day.isoformat(), "close": closes.get(day), "loudest": first}


def _dates(seen: list[Document]) -> list[date]:
    return sorted({date.fromisoformat(_date(look)) for look in seen})


def _early(days: list[Document], fired: Document | None, peak: Document) -> Fact:
    expected = f"the talk fires by {DEADLINE} and before the highest close"
    if fired is None:
        return Fact(name="early", expected=expected, found="it never fired", holds=False)
    ahead, look = days.index(peak) - days.index(fired), fired["loudest"]
    found = (
        f"fired on {fired['day']} at {look['as_of'][11:16]}Z with {look['conviction']:.2f}, {ahead} sessions before "
        f"the highest close, {peak['close']:,.2f} on {peak['day']}"
    )
    numbers: dict[str, Any] = {
        "fired_at": look["as_of"], "conviction": look["conviction"],
        "peak_on": peak["day"], "peak_close": peak["close"], "sessions_ahead": ahead,
    }  # fmt: skip
    holds = fired["day"] <= DEADLINE.isoformat() and ahead > 0
    return Fact(name="early", expected=expected, found=found, holds=holds, numbers=numbers)


def _price_then(days: list[Document], fired: Document | None, prices: Prices) -> Fact:
    """How far the price had gone when it fired: told, whatever it is."""
    expected = "the price at the slot that fires, against the close before"
    before = fired and next((day["close"] for day in reversed(days) if day["day"] < fired["day"]), None)
    if fired is None or before is None:
        return Fact(name="price then", expected=expected, found="there is nothing to compare", holds=None)
    price, high = fired["loudest"]["price"], prices.high[date.fromisoformat(fired["day"])]
    gone = price / before - 1
    late = "late for that day's jump" if gone > JUMPED else "before the price had moved"
    found = (
        f"{price:,.2f} at the end of the hour just counted, {gone:+.0%} on {before:,.2f} the day before: {late}. "
        f"That day's high is {high:,.2f}, its close {fired['close']:,.2f}"
    )
    numbers: dict[str, Any] = {
        "price": price, "close_before": before, "gone": gone, "high": high, "close_fired": fired["close"],
    }  # fmt: skip
    return Fact(name="price then", expected=expected, found=found, holds=None, numbers=numbers)


def _cited(fired: Document | None) -> Fact:
    expected = "the debate by rules cites the signal that fired"
    if fired is None:
        return Fact(name="cited", expected=expected, found="there was no debate", holds=False)
    debate, signal = fired["loudest"]["debate"], fired["loudest"]["fired"]
    ids = tuple(claim["id"] for claim in citing(debate, signal))
    found = f"{', '.join(ids)} cites {signal}" if ids else f"no claim cites {signal}"
    found += f"; verdict {debate['verdict']} at {debate['confidence']:.2f}"
    numbers: dict[str, Any] = {"claims": ids, "signal_id": signal, "verdict": debate["verdict"]}
    return Fact(name="cited", expected=expected, found=found, holds=bool(ids), numbers=numbers)


def _counted(name: str, seen: list[Document]) -> Document:
    """Sessions on which a quiet name's talk fires or would with a strong mood, beside those of the plain rule."""
    heard = [(_date(look), look["quiet"][name]) for look in seen]
    loudest = [(day, max(burst["strong"], burst["conviction"] or 0.0)) for day, burst in heard]
    return {
        "fires": sorted({day for day, conviction in loudest if conviction > FIRES}),
        "plain": sorted({day for day, burst in heard if burst["plain"]}),
        "mood": any(burst["tone"] is not None for _, burst in heard),
    }


def _quiet(counted: dict[str, Document]) -> Fact:
    expected = "by counts alone the quiet names would fire on at most a third of the days on which a plain rule does"
    each = "; ".join(f"{name} {len(days['fires'])} against {len(days['plain'])}" for name, days in counted.items())
    moodless = [name for name, days in counted.items() if not days["mood"]]
    found = f"days that would fire with a strong mood, against a plain threefold rule's: {each}"
    found += f". No mood is recorded of {', '.join(moodless)}: as they are they cannot fire" if moodless else ""
    fires, usual = (sum(len(days[rule]) for days in counted.values()) for rule in ("fires", "plain"))
    numbers: dict[str, Any] = {"fires": fires, "plain": usual}
    return Fact(name="quiet", expected=expected, found=found, holds=3 * fires <= usual, numbers=numbers)


def _date(look: Document) -> str:
    """The session of a slot: New York's day and UTC's are one while the market is open."""
    return str(look["as_of"])[:10]


def _nothing_held(at: datetime) -> DeskContext:
    """An account without positions: the analysts look at the market alone."""
    nothing = Decimal(0)
    book = Book(as_of=at, cash=nothing, positions=(), nlv=nothing, nlv_as_of=at, realised=nothing, fees=nothing)
    return DeskContext(
        book=book, exposures=(), open_orders=(), baseline=Baseline(session=at.date(), nlv=nothing, source="none"),
        trading_state=TradingState.ACTIVE, trading_state_reason="", halted_agents=(), earlier_signals=(),
        reliability=(), regime_history=(),
    )  # fmt: skip
