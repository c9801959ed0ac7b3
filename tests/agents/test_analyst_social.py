"""The social analyst on planted talk: what it publishes, what confirms, what is doubted, what it must not see."""

from datetime import timedelta

import numpy as np
import pytest

from agents.social import Social
from domain.market import FORUM, Headline, Post, Series, hourly_mentions, hourly_tone, search_interest
from tests.support.analyst_cases import AS_OF, context, read, series, snapshot

HOUR = np.timedelta64(3600, "s")


def post(name, *, hours=0.5, text=None, sentiment=0.8, ticker="XYZ", source="reddit", **more):
    at = AS_OF - timedelta(hours=hours)
    return Post(
        id=f"{name}", source=source, channel="wsb", author=f"author of {name}", published_at=at, known_at=at,
        text=text or f"{name} thinks that {hours} hours ago the squeeze of {name} began", tickers=(ticker,),
        sentiment=sentiment, sentiment_model="test-1", **more,
    )  # fmt: skip


def headline(name, *, sentiment=0.5, hours=2.0, text=None):
    at = AS_OF - timedelta(hours=hours)
    return Headline(
        id=name, source="wire", published_at=at, known_at=at, text=text or f"{name} has this to say of {name} today",
        tickers=("XYZ",), sentiment=sentiment, sentiment_model="test-1",
    )  # fmt: skip


USUAL = [post(f"u{day}-{n}", hours=24 * day + n + 0.3, sentiment=0.0) for day in range(1, 9) for n in range(2)]
BURST = [post(f"b{n}", hours=0.2 + n % 20) for n in range(17)]


def burst(posts=(), headlines=(), rows=()):
    shot = snapshot(posts=tuple(posts), headlines=tuple(headlines), series=rows)
    return read(Social(), shot, context())[0]["mention_velocity"]


def test_every_figure_that_the_score_rests_on_is_published():
    found = burst([*USUAL, *BURST])
    assert found.direction == "bullish"
    assert {
        "mentions", "mentions_expected", "mentions_unit", "velocity_ratio", "z_score", "dispersion",
        "forum_tide", "tone", "sentiment_mean", "sentiment_texts", "burst_strength", "context", "context_share",
        "context_quality", "sources", "confirmations", "alpha_decay_days", "doubts", "conviction_kept",
        "author_share", "young_account_share", "copy_share", "one_thread_share",
    } <= set(found.metadata)  # fmt: skip
    assert found.metadata["alpha_decay_days"] == found.metadata["half_life_days"] == 1.5
    assert found.conviction == pytest.approx(
        found.metadata["burst_strength"] * found.metadata["context_quality"] * found.metadata["conviction_kept"]
    )


def test_a_reason_that_lasts_gives_a_longer_half_life():
    sold = [post(f"s{n}", hours=0.2 + n % 20, text=f"{n} stores in {n} towns are sold out of it") for n in range(17)]
    assert burst([*USUAL, *sold]).metadata["half_life_days"] == 15


def test_wires_and_searches_confirm_and_the_second_adds_less_than_the_first():
    wires = [headline("Reuters"), headline("Dow Jones")]
    searches = series(search_interest("XYZ"), [10.0] * 30 + [60.0])
    steps = [
        burst([*USUAL, *BURST]),
        burst([*USUAL, *BURST], wires),
        burst([*USUAL, *BURST], wires, [searches]),
    ]
    assert [step.metadata["confirmations"] for step in steps] == [0, 1, 2]
    first, second = np.diff([step.conviction for step in steps])
    assert 0 < second < first
    assert steps[2].metadata["sources"] == ("news", "reddit", "trends")


def test_reposts_of_a_headline_and_wires_that_disagree_do_not_confirm():
    story = "the maker of consoles said on Friday that it sold more of them in a week than in the year before"
    copies = [headline(f"w{n}", text=story, hours=3 - n / 2) for n in range(4)]
    assert burst([*USUAL, *BURST], copies).metadata["confirmations"] == 0  # one story, whoever prints it
    against = [
        headline("Reuters", sentiment=-0.9),
        headline("Dow Jones", sentiment=-0.9),
        headline("AP", sentiment=-0.9),
    ]
    assert burst([*USUAL, *BURST], against).metadata["confirmations"] == 0


def test_search_interest_that_is_flat_short_or_stale_does_not_confirm():
    for values, more in (([10.0] * 31, {}), ([10.0] * 5 + [60.0], {})):
        assert (
            burst([*USUAL, *BURST], rows=[series(search_interest("XYZ"), values, **more)]).metadata["confirmations"]
            == 0
        )
    stale = series(search_interest("XYZ"), [10.0] * 30 + [60.0], last=np.datetime64("2026-02-20").astype(object))
    assert burst([*USUAL, *BURST], rows=[stale]).metadata["confirmations"] == 0


def test_a_burst_in_one_thread_by_young_accounts_is_discounted_and_says_so():
    planted = [
        post(f"b{n}", hours=0.2 + n % 20).model_copy(update={"thread": "t1", "author_age_days": 2.0}) for n in range(17)
    ]
    found = burst([*USUAL, *planted])
    assert found.metadata["doubts"] == ("young_accounts", "one_thread")
    assert found.conviction < 0.3 * burst([*USUAL, *BURST]).conviction


def test_copies_within_a_burst_make_neither_mentions_nor_mood():
    text = "buy this now my friends because it will be gone to the moon before the end of the week is here"
    copies = [post(f"c{n}", text=f"{text} {'!' * n}") for n in range(60)]
    found = burst([*USUAL, *copies])
    assert found.metadata["mentions"] == 1
    assert found.direction == "neutral"


def hourly_rows(name, values):
    end = np.datetime64(AS_OF.replace(tzinfo=None), "s")
    hours = end - HOUR * np.arange(len(values), 0, -1)
    return Series(name, "posts an hour", hours, hours + HOUR, np.asarray(values, dtype=float))


def counted(own, forum=400.0, tone=0.6):
    length = len(own)
    return [
        hourly_rows(hourly_mentions("XYZ"), own),
        hourly_rows(hourly_mentions(FORUM), np.full(length, forum)),
        hourly_rows(hourly_tone("XYZ"), np.full(length, tone)),
    ]


def test_stored_hourly_counts_speak_with_the_mood_they_bring():
    found = burst(rows=counted([*[3.0] * 168, *[20.0] * 24]))
    assert (found.direction, found.metadata["context"]) == ("bullish", "unknown")
    assert found.metadata["tone"] == pytest.approx(0.6 * 480 / 490)
    assert found.metadata["evidence"] == ("series:mentions.hour.XYZ", "series:mentions.hour.*", "series:tone.hour.XYZ")
    mute = burst(rows=counted([*[3.0] * 168, *[20.0] * 24])[:2])
    assert (mute.metadata["tone"], mute.conviction) == (None, 0.3)


def test_a_quiet_ticker_does_not_fire_and_a_stopped_counter_abstains():
    quiet = burst(rows=counted([3.0] * 192))
    assert (quiet.direction, quiet.conviction) == ("neutral", 0.0)
    stopped = counted([3.0] * 192)
    stopped[1] = hourly_rows(hourly_mentions(FORUM), [400.0] * 192)
    stopped[1].day[-24:] -= HOUR * 10_000
    codes = [item.code for item in read(Social(), snapshot(series=stopped), context())[1]]
    assert codes[0] == "short_history"


def test_hours_known_later_are_not_seen():
    rows = counted([*[3.0] * 168, *[20.0] * 24])
    for row in rows:
        row.known_at[-24:] += HOUR * 48
    assert "mention_velocity" not in read(Social(), snapshot(series=rows), context())[0]


def test_others_in_the_feed_are_the_tide():
    market = [post(f"o{h}-{n}", hours=h + 0.5, ticker="ABC") for h in range(24, 200) for n in range(3)]
    loud = [post(f"l{h}-{n}", hours=h + 0.5, ticker="ABC") for h in range(24) for n in range(9)]
    tide = burst([*USUAL, *BURST, *market, *loud]).metadata["forum_tide"]
    assert 1.5 < tide < 3
