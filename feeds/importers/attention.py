"""Posts and mention counts.

Known from: the next 00:00 UTC for what is dated by day; the stated time plus a day for stamps that mark only the
beginning of a day in another zone; the end of the hour for hourly counts.
"""

from datetime import UTC, datetime, timedelta

import numpy as np

from domain.market import FORUM, DataNote, Post, hourly_mentions, hourly_price, hourly_tone, mentions
from domain.sessions import next_midnight_known_at
from domain.units import Days, Floats, from_datetime64
from feeds.importers.imported import Imported, StoredSeries
from feeds.importers.market_series import history
from feeds.importers.table import RawTable
from signals.social.velocity import stuck

_DAY = timedelta(days=1)


def _counts(table: RawTable, tickers: np.ndarray, days: Days, counts: Floats, basis: str) -> Imported:
    notes: list[DataNote] = []
    known = next_midnight_known_at(days)
    found: list[StoredSeries] = []
    for ticker in sorted(set(tickers.tolist())):
        rows = tickers == ticker
        found.append(
            history(
                table,
                mentions(ticker),
                unit="posts a day",
                basis=basis,
                day=days[rows],
                known_at=known[rows],
                value=counts[rows],
                notes=notes,
            )
        )
    return Imported(series=tuple(found), notes=tuple(notes))


def read_mention_counts(table: RawTable) -> Imported:
    """`ticker, date, mentions, mention_rank, sentiment`. Days without mentions are absent from the source."""
    tickers = table.words("ticker").to_numpy(dtype=object)
    return _counts(table, tickers, table.days("date"), table.numbers("mentions"), "Quiver")


def read_top_mentions(table: RawTable) -> Imported:
    """`date, rank, ticker, mentions, ...`: the day's top 150. Absence means a lower rank, not silence."""
    tickers = table.words("ticker").to_numpy(dtype=object)
    return _counts(table, tickers, table.days("date"), table.numbers("mentions"), "ApeWisdom")


def read_hourly_activity(table: RawTable) -> Imported:
    """`hour, cnt_all_post, cnt_gme_post, cnt_gme_comments, avg_gme_post_pos, avg_gme_post_neg, ...`: posts an hour of
    the forum and about GME, their tone as the file's own model (VADER) scored it, GME mentions a day, and its prices.

    Hours in which the forum's count, or GME's volume, stands still were not counted, but filled with the last value.
    """
    hours = table.instants("hour").astype("datetime64[s]")
    over = (hours + np.timedelta64(3600, "s")).astype("datetime64[s]")
    posts, comments = table.numbers("cnt_gme_post"), table.numbers("cnt_gme_comments")
    forum = table.numbers("cnt_all_post")
    counted = np.isfinite(forum) & np.isfinite(posts) & ~(stuck(np.nan_to_num(forum)) | (forum == 0))
    good, bad = table.numbers("avg_gme_post_pos"), table.numbers("avg_gme_post_neg")
    opinion = np.nan_to_num(good + bad)
    heard = counted & (posts > 0) & (opinion > 0)
    tone = np.divide(good - bad, opinion, out=np.zeros(len(opinion)), where=opinion > 0)
    price = table.numbers("close_price")
    traded = np.isfinite(price) & ~stuck(np.nan_to_num(table.numbers("volume")))
    by_hour: list[StoredSeries] = []
    notes: list[DataNote] = []
    for name, unit, rows, value in (
        (hourly_mentions("GME"), "posts an hour", counted, posts),
        (hourly_mentions(FORUM), "posts an hour", counted, forum),
        (hourly_tone("GME"), "tone of an hour", heard, tone),
        (hourly_price("GME"), "USD a share", traded, price),
    ):
        made = history(
            table,
            name,
            unit=unit,
            basis="hourly activity",
            day=hours[rows],
            known_at=over[rows],
            value=value[rows],
            notes=notes,
        )
        by_hour.append(made)
    unique, where = np.unique(hours.astype("datetime64[D]"), return_inverse=True)
    totals = np.asarray(np.bincount(where, weights=np.nan_to_num(posts + comments)), dtype=np.float64)
    found = _counts(table, np.full(len(unique), "GME", dtype=object), unique, totals, "hourly activity")
    notes += [
        DataNote(
            code="prices_filled", subject=table.name, detail="hours without a trade have no price",
            count=int((~traded).sum()),
        ),
        DataNote(
            code="hours_filled", subject=table.name, detail="hours filled with the last value were left out",
            count=int((~counted).sum()),
        ),
    ]  # fmt: skip
    return Imported(series=(*by_hour, *found.series), notes=(*notes, *found.notes))


def read_gme_posts(table: RawTable) -> Imported:
    """`date, id, num_comments, score, slug`: GME submissions with the words of their titles, dated by day."""
    days = table.days("date")
    known = next_midnight_known_at(days)
    score, comments = table.numbers("score"), table.numbers("num_comments")
    posts = [
        Post(
            id=identity,
            source="reddit",
            channel="wallstreetbets",
            author=None,
            published_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
            known_at=from_datetime64(from_when),
            text=slug.replace("_", " "),
            tickers=("GME",),
            score=_whole(points),
            comments=_whole(replies),
        )
        for identity, day, from_when, slug, points, replies in zip(
            table.words("id").tolist(),
            days.tolist(),
            known,
            table.words("slug").tolist(),
            score.tolist(),
            comments.tolist(),
            strict=True,
        )
    ]
    unique, counts = np.unique(days, return_counts=True)
    daily = _counts(table, np.full(len(unique), "GME", dtype=object), unique, counts.astype(np.float64), "submissions")
    return Imported(posts=_once(posts), series=daily.series, notes=daily.notes)


def read_wsb_posts(table: RawTable) -> Imported:
    """`id, ticker, title, flair, score, ..., text, timestamp`: posts whose stamp is the beginning of their day.

    Punctuation and capitals are gone from the text, so the source's own guess of the ticker is kept where it is not a
    common word ("HOLD", "NOW"); what else the text names is tagged when a run collects.
    """
    from signals.social.extraction import AMBIGUOUS

    stamps = table.instants("timestamp")
    if np.isnat(stamps).any():
        raise table.bad("column 'timestamp' has a missing time")
    score, comments = table.numbers("score"), table.numbers("num_comments")
    posts = [
        Post(
            id=identity,
            source="reddit",
            channel="wallstreetbets",
            author=None,
            published_at=from_datetime64(stamp),
            known_at=from_datetime64(stamp) + _DAY,
            text=f"{title}\n{text}".strip(),
            tickers=(ticker,) if len(ticker) > 1 and ticker not in AMBIGUOUS else (),
            score=_whole(points),
            comments=_whole(replies),
        )
        for identity, ticker, stamp, title, text, points, replies in zip(
            table.words("id").tolist(),
            table.words("ticker").str.strip().str.upper().tolist(),
            stamps,
            table.words("title").tolist(),
            table.words("text").tolist(),
            score.tolist(),
            comments.tolist(),
            strict=True,
        )
    ]
    return Imported(posts=_once(posts))


def _whole(number: float) -> int | None:
    return int(number) if np.isfinite(number) else None


def _once(posts: list[Post]) -> tuple[Post, ...]:
    """The same item twice is one item; ordered by knowledge time, then id."""
    return tuple(sorted({post.id: post for post in posts}.values(), key=lambda post: (post.known_at, post.id)))
