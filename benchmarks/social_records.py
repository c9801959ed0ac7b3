"""The recorded talk of r/wallstreetbets as the social analyst would have met it: counts by the hour and day, titles."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from domain.market import FORUM, Post, Series, hourly_mentions, hourly_tone
from domain.sessions import next_midnight_known_at
from feeds.text import tag_and_score
from signals.social.settings import SocialSettings
from signals.social.velocity import Velocity, daily_velocity, stuck

if TYPE_CHECKING:
    import pandas as pd

MIN_DAYS = 60  # of the 99 of the top 150 on which a ticker must stand there to be judged
SQUEEZE = (date(2021, 1, 13), date(2021, 1, 31))


@dataclass(frozen=True)
class Day:
    """One ticker on one day: its velocity, whether the plain rule fires, and the analyst's word where it was asked."""

    ticker: str
    day: date
    velocity: Velocity | None
    plain: bool
    conviction: float = 0.0
    tone: float | None = None

    @property
    def odd(self) -> bool:
        """In the half on which thresholds were chosen."""
        return self.day.isocalendar().week % 2 == 1

    @property
    def squeeze(self) -> bool:
        """In the weeks of January 2021 in which firing was right."""
        return self.ticker == "GME" and SQUEEZE[0] <= self.day <= SQUEEZE[1]


def hourly(path: Path) -> tuple[Series, ...]:
    """Hourly counts of GME and of the forum and GME's tone; hours filled with the last value are left out."""
    table = _read(path)
    hour = table["hour"].to_numpy().astype("datetime64[s]")
    forum, own = table["cnt_all_post"].to_numpy(dtype=np.float64), table["cnt_gme_post"].to_numpy(dtype=np.float64)
    counted = ~(stuck(forum) | (forum == 0))
    good, bad = (table[f"avg_gme_post_{side}"].to_numpy(dtype=np.float64) for side in ("pos", "neg"))
    opinion = good + bad
    heard = counted & (own > 0) & (opinion > 0)
    tone = np.divide(good - bad, opinion, out=np.zeros(len(opinion)), where=opinion > 0)
    known = hour + np.timedelta64(3600, "s")

    def series(name: str, rows: Any, value: Any) -> Series:
        return Series(name, "posts an hour", hour[rows], known[rows], value[rows])

    return (
        series(hourly_mentions("GME"), counted, own),
        series(hourly_mentions(FORUM), counted, forum),
        series(hourly_tone("GME"), heard, tone),
    )


def title_posts(path: Path) -> list[Post]:
    """GME submissions of January 2021 with the words of their titles, cleaned and scored by the embedded lexicon."""
    table = _read(path).drop_duplicates("id")
    table = table[table.date < "2021-02-01"]
    items = []
    for row in table.itertuples():
        at = row.date.to_pydatetime().replace(tzinfo=UTC)
        items.append(
            tag_and_score(
                Post(
                    id=row.id,
                    source="reddit",
                    channel="wallstreetbets",
                    author=None,
                    published_at=at,
                    known_at=at + timedelta(days=1),
                    text=str(row.slug).replace("_", " "),
                    tickers=("GME",),
                    score=int(row.score),
                    comments=int(row.num_comments),
                )
            )
        )
    return items


def quiver_days(folder: Path, settings: SocialSettings) -> Iterator[Day]:
    """NVDA, TSLA and SPY by the day, 2018 to 2024."""
    table = _read(folder / "mention_counts_2018_2025.csv")
    yield from daily_days(dict(iter(table.groupby("ticker"))), settings, absent_is_zero=True)


def top_days(folder: Path, settings: SocialSettings) -> Iterator[Day]:
    """The steady names of the daily top 150, May to August 2026. Absence there is a low rank, not silence."""
    table = _read(folder / "top150_mentions_2026.csv.gz")
    everyone = table.groupby("date").mentions.sum()
    tickers = {ticker: rows for ticker, rows in table.groupby("ticker") if len(rows) >= MIN_DAYS}
    yield from daily_days(tickers, settings, everyone=everyone)


def daily_days(
    tables: "dict[str, pd.DataFrame]",
    settings: SocialSettings,
    *,
    everyone: "pd.Series | None" = None,
    absent_is_zero: bool = False,
) -> Iterator[Day]:
    """Each day of each ticker's counts; the others are the remaining tickers, or `everyone` less the ticker."""
    series = {ticker: _daily(ticker, rows.date, rows.mentions) for ticker, rows in sorted(tables.items())}
    spike = settings.spike
    for ticker, own in series.items():
        plain = plain_rule(dict(zip(own.day.tolist(), own.value.tolist(), strict=True)), absent_is_zero=absent_is_zero)
        if everyone is None:
            others = [other for name, other in series.items() if name != ticker]
        else:
            rest = everyone.reindex(tables[ticker].date.to_numpy()).to_numpy() - own.value
            others = [replace(own, name="rest", value=rest)]
        for at in range(spike.baseline_days, len(own)):
            cut = slice(max(0, at - 63), at + 1)
            shown = replace(own, day=own.day[cut], known_at=own.known_at[cut], value=own.value[cut])
            found = daily_velocity(
                shown, [other.known_by(_instant(own.known_at[at])) for other in others],
                baseline_days=spike.baseline_days, tide_prior=spike.tide_prior,
            )  # fmt: skip
            day = own.day[at].astype(object)
            yield Day(ticker, day, found if isinstance(found, Velocity) else None, plain.get(day, False))


def plain_rule(counts: dict[date, float], *, absent_is_zero: bool = True) -> dict[date, bool]:
    """More than three times the mean of the seven days before (at least one mention a day)."""
    days = sorted(counts)
    fired = {}
    for day in days:
        before = [counts.get(day - timedelta(days=back), 0.0 if absent_is_zero else None) for back in range(1, 8)]
        known = [count for count in before if count is not None]
        if known and days[0] <= day - timedelta(days=7):
            fired[day] = counts[day] > 3 * max(sum(known) / len(known), 1.0)
    return fired


def daily_counts(path: Path) -> dict[date, float]:
    """The file's own GME posts a day, filled hours and all: what a plain rule sees."""
    table = _read(path)
    by_day = table.groupby(table["hour"].dt.date).cnt_gme_post.sum()
    return {day: float(count) for day, count in by_day.items()}


def _daily(name: str, days: "pd.Series", counts: "pd.Series") -> Series:
    day = days.to_numpy().astype("datetime64[D]")
    order = np.argsort(day)
    return Series(name, "posts a day", day[order], next_midnight_known_at(day[order]), counts.to_numpy(float)[order])


def _instant(stamp: np.datetime64) -> datetime:
    return stamp.astype("datetime64[s]").astype(datetime).replace(tzinfo=UTC)


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    if not path.exists():
        raise SystemExit(f"{path} is missing: set DESK_DATA to the folder of market data.")
    return pd.read_csv(path, parse_dates=["hour"] if "hourly" in path.name else ["date"])
