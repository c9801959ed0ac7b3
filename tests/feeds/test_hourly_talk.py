"""Talk by the hour: known when its hour is over, filled hours left out, and still by the hour after the library."""

from datetime import UTC, datetime

import numpy as np
import pytest

from app.clock import FixedClock
from domain.market import FORUM, hourly_mentions, hourly_price, hourly_tone, mentions
from domain.sentiment import Sentiment
from feeds.importers.imported import Imported
from feeds.importers.presets import recognise
from feeds.importers.table import read_table
from feeds.library import MarketLibrary
from feeds.recorded.feed import RecordedFeed

HEAD = "hour,cnt_all_post,cnt_gme_post,cnt_gme_comments,avg_gme_post_pos,avg_gme_post_neg\n"
TEXT = HEAD + "".join(
    f"2021-01-12 {hour:02d}:00:00,{forum},{gme},{comments},{good},{bad}\n"
    for hour, forum, gme, comments, good, bad in (
        (13, 200, 4, 5, 0.3, 0.1),
        (14, 250, 0, 2, 0.0, 0.0),  # counted, and nobody named it
        (15, 180, 6, 1, 0.1, 0.1),
        (16, 180, 6, 1, 0.1, 0.1),  # the counter stands still: filled
        (17, 180, 6, 1, 0.1, 0.1),
        (18, 220, 9, 3, 0.4, 0.0),
    )
)


def imported() -> Imported:
    table = read_table("h.csv", TEXT.encode())
    return recognise(table).read(table)


def test_an_hour_counts_when_it_is_over_and_only_if_it_was_counted():
    found = {item.series.name: item.series for item in imported().series}
    own, forum = found[hourly_mentions("GME")], found[hourly_mentions(FORUM)]
    assert (
        [str(hour)[11:13] for hour in own.day] == [str(hour)[11:13] for hour in forum.day] == ["13", "14", "15", "18"]
    )
    assert own.value.tolist() == [4.0, 0.0, 6.0, 9.0]
    assert (own.known_at - own.day == np.timedelta64(1, "h")).all()
    assert len(own.known_by(datetime(2021, 1, 12, 13, 59, 59, tzinfo=UTC))) == 0
    assert len(own.known_by(datetime(2021, 1, 12, 14, 0, tzinfo=UTC))) == 1
    assert found[hourly_tone("GME")].value.tolist() == pytest.approx([0.5, 0.0, 1.0])
    assert {note.code: note.count for note in imported().notes}["hours_filled"] == 2


def test_a_price_is_known_when_its_hour_is_over_and_is_not_carried_over_hours_without_a_trade():
    rows = ((14, 900, 20.0), (15, 800, 22.5), (16, 800, 22.5), (17, 800, 22.5), (18, 950, 31.75))
    text = HEAD.strip() + ",volume,close_price\n"
    text += "".join(f"2021-01-12 {hour}:00:00,{hour},1,1,0.1,0.1,{volume},{price}\n" for hour, volume, price in rows)
    table = read_table("h.csv", text.encode())
    found = {item.series.name: item.series for item in recognise(table).read(table).series}
    prices = found[hourly_price("GME")]
    assert prices.value.tolist() == [20.0, 22.5, 31.75]
    assert prices.known_by(datetime(2021, 1, 12, 18, 59, 59, tzinfo=UTC)).value[-1] == 22.5


def test_counts_by_the_day_stay_and_wait_for_midnight():
    daily = next(item.series for item in imported().series if item.series.name == mentions("GME"))
    assert daily.value.tolist() == [31 + 13.0]
    assert [str(known) for known in daily.known_at] == ["2021-01-13T00:00:00"]


async def test_the_recorded_feed_hands_hours_on_as_hours_and_days_as_days(tmp_path):
    (tmp_path / "h.csv").write_text(TEXT)
    library = MarketLibrary(tmp_path / "library")
    library.import_path(tmp_path / "h.csv")
    at = datetime(2021, 1, 12, 15, 30, tzinfo=UTC)
    series = (await RecordedFeed(library, FixedClock(at)).histories(at, ["GME"])).series
    own = series[hourly_mentions("GME")]
    assert own.day.dtype == np.dtype("datetime64[s]")
    assert own.value.tolist() == [4.0, 0.0]
    assert mentions("GME") not in series
    later = datetime(2021, 1, 13, 1, 0, tzinfo=UTC)
    series = (await RecordedFeed(library, FixedClock(later)).histories(later, ["GME"])).series
    assert series[mentions("GME")].day.dtype == np.dtype("datetime64[D]")
    assert series[hourly_mentions(FORUM)].value.tolist() == [200.0, 250.0, 180.0, 220.0]


async def test_a_post_is_read_once_while_the_instant_moves_and_anew_when_it_changed(tmp_path):
    (tmp_path / "p.csv").write_text("date,id,num_comments,score,slug\n2021-01-12,a1,2,3,gme_to_the_moon\n")
    library = MarketLibrary(tmp_path / "library")
    library.import_path(tmp_path / "p.csv")
    scored: list[str] = []

    class Counting:
        name = "counting"

        def score(self, texts):
            scored.extend(texts)
            return [Sentiment(score=0.5, model=self.name) for _ in texts]

    feed = RecordedFeed(library, FixedClock(datetime(2021, 1, 20, tzinfo=UTC)), sentiment=Counting())
    first, second = [(await feed.histories(datetime(2021, 1, day, 15, tzinfo=UTC), ["GME"])).posts for day in (13, 14)]
    assert first == second
    assert first[0].sentiment == 0.5
    once = len(scored)
    await feed.histories(datetime(2021, 1, 15, 15, tzinfo=UTC), ["GME"])
    assert len(scored) == once
    await feed.histories(datetime(2021, 1, 15, 15, tzinfo=UTC), ["GME", "AMC"])  # other names may be tagged in it
    assert len(scored) > once
