"""Posts and headlines of the simulated market: how many, when, by whom and in which words."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from domain.market import Headline, Post, Series, mentions
from domain.sessions import next_midnight_known_at
from domain.units import Days, Floats
from feeds.simulated import events
from feeds.simulated.randomness import stream
from feeds.simulated.settings import SimulatedName, SimulatedSettings
from feeds.text import tag_and_score

POST_DAYS = 9  # today and the eight days before: a full trailing week for every hour
HEADLINE_DAYS = 5
# Share of a day's posts by UTC hour: a New York day with a long evening.
_HOURS = np.array([4, 3, 2, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 8, 9, 8, 7, 7, 7, 8, 7, 5, 4, 4], dtype=np.float64)
_AUTHORS = 900
_OPINIONATED = 0.7
_CROWD = 2.0  # multiple of the usual talk beyond which a crowd has gathered ...
_CROWD_POSTS = 6.0  # ... even around names that few talk about

_OPENERS = (
    "Looking at ${t} again.",
    "${t} on my screen all day.",
    "Quick note on ${t}:",
    "Been following ${t} for a year now.",
    "My view on ${t} after the last filing:",
    "${t}, for those still watching.",
)
_GOOD = (
    "Strong demand and rising margins, I am bullish.",
    "Buyers keep stepping in and the breakout looks real, bought more calls.",
    "Revenue growth beats what anyone expected, this rally has room.",
    "Product sold out in two stores near me, great sign for the quarter.",
    "Upgrade after upgrade, outperform from here, loading calls.",
    "Profit rose again and guidance was raised, very positive.",
    "Shorts are trapped, squeeze is on, huge gains ahead.",
    "Best setup I have seen this year, strong upside.",
)
_BAD = (
    "Demand is weak and margins fall, I am bearish.",
    "Sellers in control, support is broken, bought puts.",
    "Revenue missed and guidance was cut, this decline is not over.",
    "Returns pile up at the shop, bad sign for the quarter.",
    "Downgrade after downgrade, underperform from here.",
    "Losses widened again, I expect a further drop.",
    "Overvalued and crashing, took the loss and sold.",
    "Worst chart in my list, big downside risk.",
)
_FLAT = (
    "What are people doing into the close?",
    "Which expiry do you use for this one?",
    "Does anybody have the date of the next report?",
    "Watching, no position.",
    "Volume is about what it always is.",
    "Thinking about a spread, no view yet.",
)
_TAILS = (
    "Level {n} is where I look.",
    "Holding {n} contracts.",
    "Day {n} of waiting.",
    "",
    "{n} shares in the old account.",
)
_GOOD_NEWS = (
    "{t} raises full-year guidance as demand improves",
    "Analysts upgrade {t}, citing strong order growth",
    "{t} profit beats estimates on higher margins",
    "{t} wins large contract, shares gain",
)
_BAD_NEWS = (
    "{t} cuts outlook as sales decline",
    "Analysts downgrade {t} on weak demand",
    "{t} misses profit estimates, costs rise",
    "{t} faces recall, shares fall",
)
_FLAT_NEWS = (
    "{t} to present at an industry conference",
    "{t} names date of annual meeting",
    "What to watch at {t} this week",
)


def post_counts(name: SimulatedName, days: Days, settings: SimulatedSettings) -> Floats:
    """Posts that name `name` on each calendar day, shape `(n,)`; `days` must begin at the start of the history."""
    told = events.effects(name, days, settings)
    weekend = (days.astype(np.int64) + 3) % 7 > 4
    base = np.where(told.mentions > _CROWD, max(name.posts, _CROWD_POSTS), name.posts)
    rate = base * told.mentions * np.where(weekend, 0.5, 1.0)
    return stream(settings.seed, name.ticker, "post counts").poisson(rate).astype(np.float64)


def calendar_days(first: date, last: date) -> Days:
    """Every day from `first` to `last`."""
    return np.arange(np.datetime64(first), np.datetime64(last) + 1, dtype="datetime64[D]")


def mention_series(name: SimulatedName, days: Days, counts: Floats) -> Series:
    """Daily mention counts, each known from the next midnight UTC."""
    return Series(
        name=mentions(name.ticker), unit="posts a day", day=days, known_at=next_midnight_known_at(days), value=counts
    )


def posts_of(name: SimulatedName, day: date, count: int, settings: SimulatedSettings) -> tuple[Post, ...]:
    """The `count` posts of one UTC day, ascending in time, cleaned, tagged and scored."""
    draws = stream(settings.seed, name.ticker, "posts", day).random((count, 8))
    told = events.effects(name, np.array([day], dtype="datetime64[D]"), settings)
    hours = np.concatenate(([0.0], np.cumsum(_HOURS) / _HOURS.sum()))
    seconds = np.sort((np.interp(draws[:, 0], hours, np.arange(25)) * 3600).astype(np.int64).clip(0, 86_399))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found = []
    for number, row in enumerate(draws.tolist()):
        at = midnight + timedelta(seconds=int(seconds[number]))
        lines = _GOOD if row[2] < told.kind[0] else _BAD
        words = (
            _pick(_OPENERS, row[3]).replace("${t}", f"${name.ticker}"),
            _pick(lines if row[1] < _OPINIONATED else _FLAT, row[4]),
            _pick(_TAILS, row[5]).replace("{n}", str(1 + int(row[6] * 60))),
        )
        found.append(
            Post(
                id=f"sim-{name.ticker}-{day:%Y%m%d}-{number:04d}",
                source="simulated",
                channel="options" if row[7] < 0.5 else "stocks",
                author=f"user{int(row[0] * 7919) % _AUTHORS:03d}",
                published_at=at,
                known_at=at,
                text=" ".join(word for word in words if word),
                tickers=(name.ticker,),
                score=int(40 * row[7] ** 3),
                comments=int(15 * row[6] ** 2),
            )
        )
    return tuple(tag_and_score(post) for post in found)


def headlines_of(name: SimulatedName, day: date, settings: SimulatedSettings) -> tuple[Headline, ...]:
    """Headlines about `name` on one day: about one in three days, one or two a day in a week with a direction."""
    told = events.effects(name, np.array([day], dtype="datetime64[D]"), settings)
    kind = float(told.kind[0])
    draws = stream(settings.seed, name.ticker, "headlines", day).random((3, 4))
    chance = 0.12 + abs(kind - 0.55)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found = []
    for number, (happens, minute, tone, words) in enumerate(draws.tolist()):
        if happens > chance:
            continue
        at = midnight + timedelta(minutes=int(60 * 11 + 600 * minute))  # 11:00 to 21:00 UTC
        lines = _GOOD_NEWS if tone < kind * 0.8 else _BAD_NEWS if tone < 0.8 else _FLAT_NEWS
        headline = Headline(
            id=f"sim-news-{name.ticker}-{day:%Y%m%d}-{number}",
            source="simulated",
            published_at=at,
            known_at=at,
            text=_pick(lines, words).format(t=name.ticker),
            tickers=(name.ticker,),
        )
        found.append(tag_and_score(headline))
    return tuple(found)


def _pick(lines: tuple[str, ...], draw: float) -> str:
    return lines[int(draw * len(lines))]
