from datetime import timedelta

import numpy as np
import pytest

from agents.contract import Analyst, analyse
from agents.registry import ANALYSTS, analyst
from agents.social import Social
from agents.technical import Technical
from domain.market import Headline, Post
from domain.signals import SOURCES
from tests.options.made_chain import made_chain
from tests.support.analyst_cases import AS_OF, bars, context, read, series, snapshot

RISING = 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0.006, 0.008, 120)))


def technical(closes, **more):
    return read(Technical(), snapshot(bars=[bars("XYZ", closes, **more)]), context())


def test_a_steady_rise_is_a_bullish_trend_with_its_figures():
    signals, _ = technical(RISING)
    assert signals["trend"].direction == "bullish"
    assert signals["trend"].metadata["closes_only"] is True
    assert signals["trend"].metadata["adx"] is None
    assert -1 <= signals["trend"].metadata["tech_score"] <= 1
    assert signals["trend"].metadata["evidence"] == ("bars:XYZ@2026-02-27",)
    assert technical(RISING[::-1])[0]["trend"].direction == "bearish"


def test_nothing_notable_is_a_neutral_answer_not_an_abstention():
    signals, abstained = technical(100 + np.tile([0.0, 0.5, 0.0, -0.5], 30))
    assert signals["trend"].direction == "neutral"
    assert signals["trend"].conviction == 0
    assert not abstained


def test_volume_that_confirms_is_worth_more_than_none():
    ranges = (RISING, RISING * 1.004, RISING * 0.996)
    confirmed, _ = technical(RISING, ranges=ranges, volume=np.full(120, 1e6))
    unknown, _ = technical(RISING, ranges=ranges)
    assert confirmed["momentum"].metadata["volume_score"] > 0
    assert unknown["trend"].conviction == pytest.approx(confirmed["trend"].conviction * 0.7)


@pytest.mark.parametrize(("jump", "side"), [(1.02, "bearish"), (0.98, "bullish")])
def test_an_exhausted_run_outside_its_band_reverts(jump, side):
    flat = np.full(100, 100.0) + np.tile([0.05, -0.05], 50)
    run = flat[-1] * jump ** np.arange(1, 6)
    assert technical([*flat, *run])[0]["mean_reversion"].direction == side


def test_a_breakout_with_surging_volume_counts_in_full():
    base = np.tile([100, 101, 102, 103, 102, 101, 100, 99], 10).astype(float)
    closes = np.array([*base, 100, 101, 102, 106])
    ranges = (closes, closes + 0.2, closes - 0.2)
    volume = np.full(len(closes), 1e6)
    loud = technical(closes, ranges=ranges, volume=[*volume[:-1], 3e6])[0]["breakout"]
    silent = technical(closes, ranges=ranges, volume=volume)[0]["breakout"]
    assert loud.direction == "bullish"
    assert silent.conviction == pytest.approx(0.7 * loud.conviction)
    assert loud.metadata["broken_level_usd"] == pytest.approx(103.2)


def test_bars_missing_short_stale_or_holed_abstain_with_their_code():
    def codes(*rows):
        return [item.code for item in read(Technical(), snapshot(bars=rows), context())[1]]

    assert codes() == ["no_history"]
    assert codes(bars("XYZ", RISING[:40])) == ["short_history"]
    assert codes(bars("XYZ", RISING, last=np.datetime64("2026-02-20").astype(object))) == ["stale_history"]
    holed = bars("XYZ", RISING, volume=[*np.full(119, 1e6), np.nan])
    assert codes(holed) == ["bad_bars"]
    lost = bars("XYZ", [*RISING[:-3], np.nan, *RISING[-2:]])
    assert codes(lost) == ["bad_bars"]


def test_a_hole_in_the_calendar_shortens_the_history():
    whole = bars("XYZ", RISING)
    whole.day[:80] -= np.timedelta64(300, "D")
    assert [item.code for item in read(Technical(), snapshot(bars=[whole]), context())[1]] == ["short_history"]


def test_bars_not_yet_known_are_not_read():
    todays = bars("XYZ", [*RISING, 500.0], last=AS_OF.date())  # its close comes four hours after the run
    assert (
        technical(RISING)[0]["trend"].metadata
        == read(Technical(), snapshot(bars=[todays]), context())[0]["trend"].metadata
    )


def post(number, *, hours=0.5, author=None, sentiment=0.8, known_later=False):
    at = AS_OF - timedelta(hours=hours)
    return Post(
        id=f"p{number}",
        source="reddit",
        channel="wsb",
        author=author or f"author{number}",
        published_at=at,
        known_at=AS_OF + timedelta(hours=1) if known_later else at,
        text=f"post {number} of {hours} on the squeeze",
        tickers=("XYZ",),
        sentiment=sentiment,
        sentiment_model="test-1",
    )


USUAL = [post(f"u{day}-{n}", hours=24 * day + 0.3, sentiment=0.0) for day in range(1, 9) for n in range(2)]


def social(posts=(), headlines=(), rows=()):
    return read(Social(), snapshot(posts=tuple(posts), headlines=tuple(headlines), series=rows), context())


def test_a_burst_with_a_strong_mood_is_strong_and_takes_its_side():
    burst = [post(n) for n in range(60)]
    up = social([*USUAL, *burst])[0]["mention_velocity"]
    assert (up.direction, up.metadata["mentions_unit"]) == ("bullish", "posts in 24 hours")
    assert up.conviction == pytest.approx(0.9)  # the quality of a meme
    assert up.metadata["velocity_ratio"] == pytest.approx(30.0)
    down = social([*USUAL, *[post(n, sentiment=-0.8) for n in range(60)]])[0]
    assert down["mention_velocity"].direction == "bearish"
    assert down["crowd_sentiment"].direction == "bearish"
    mild = social([*USUAL, *[post(n, sentiment=0.1) for n in range(60)]])[0]["mention_velocity"]
    assert mild.direction == "bullish"
    assert mild.conviction <= 0.3


def test_an_ordinary_hour_is_neutral():
    found = social([*USUAL, post(1), post(2)])[0]["mention_velocity"]
    assert (found.direction, found.conviction) == ("neutral", 0.0)


def test_a_burst_of_few_authors_is_discounted_and_flagged():
    few = social([*USUAL, *[post(n, author="one") for n in range(60)]])[0]["mention_velocity"]
    assert few.metadata["doubts"] == ("few_voices",)
    assert few.conviction < 0.2


def test_posts_known_later_do_not_count():
    found = social([*USUAL, *[post(n, known_later=True) for n in range(60)]])[0]["mention_velocity"]
    assert found.metadata["mentions"] == 0


def test_mention_counts_by_day_stand_in_for_posts():
    counts = [3.0] * 20
    spike = social(rows=[series("mentions.XYZ", [*counts, 80.0])])[0]["mention_velocity"]
    assert (spike.direction, spike.metadata["mentions_unit"]) == ("bullish", "posts a day")
    assert spike.metadata["evidence"] == ("series:mentions.XYZ",)
    assert spike.conviction <= 0.3  # attention without a mood
    stale = series("mentions.XYZ", counts, last=np.datetime64("2026-02-20").astype(object))
    assert "stale_history" in [item.code for item in social(rows=[stale])[1]]


def test_no_texts_at_all_abstains_three_times_and_says_what_is_missing():
    signals, abstained = social()
    assert not signals
    assert [item.code for item in abstained] == ["no_posts", "too_few_texts", "too_few_texts"]
    assert abstained[1].numbers == {"texts": 0.0, "texts_needed": 5.0}
    young = social([post(n) for n in range(3)])[1]
    assert young[0].code == "short_history"


def test_news_have_their_own_mood_and_name_the_model():
    rows = [
        Headline(
            id=f"h{n}",
            source="wire",
            published_at=AS_OF - timedelta(hours=n),
            known_at=AS_OF - timedelta(hours=n),
            text=f"piece {n} of the news is not piece {n + 1} of it",
            tickers=("XYZ",),
            sentiment=-0.9,
            sentiment_model="test-1",
        )
        for n in range(1, 9)
    ]
    found = social(headlines=rows)[0]["news_sentiment"]
    assert found.direction == "bearish"
    assert found.metadata["sentiment_model"] == "test-1"
    assert found.metadata["evidence"][0] == "headline:h1"


def test_the_registry_holds_one_analyst_per_source_in_order():
    assert tuple(each.name for each in ANALYSTS) == SOURCES
    checked: tuple[Analyst, ...] = ANALYSTS
    assert analyst("flow") is checked[1]


def test_one_failing_ticker_is_an_abstention_and_the_others_are_read():
    good = made_chain(reach=0.2)

    def priced(ticker):
        if ticker == "BAD":
            raise ZeroDivisionError("planted")
        return good

    shared = context()
    shared = type(shared)(settings=shared.settings, priced=priced)
    report = analyse(analyst("vol_surface"), snapshot(tickers=("BAD", "XYZ")), shared)
    assert [item.code for item in report.abstentions if item.ticker == "BAD"] == ["failed"]
    assert report.signals


def test_a_halted_analyst_says_nothing_else():
    report = analyse(analyst("social"), snapshot(halted=("social",)), context())
    assert [item.code for item in report.abstentions] == ["halted"]


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_snapshot_gives_the_same_report(name):
    shot = snapshot(bars=[bars("XYZ", RISING)], posts=tuple(USUAL), series=[series("mentions.XYZ", [3.0] * 20)])
    shared = context(made_chain(reach=0.2))
    assert analyse(analyst(name), shot, shared) == analyse(analyst(name), shot, shared)
