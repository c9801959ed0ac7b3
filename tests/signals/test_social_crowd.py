"""Mood, reason, stories, doubts and the score that they make."""

from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.market import Headline, Post
from domain.signals import Direction
from signals.social.camillo import burst_strength, camillo_score, confirming
from signals.social.context import CONTEXTS, UNKNOWN, ContextMix, context_mix, context_of
from signals.social.doubt import doubt
from signals.social.mood import engagement, mood, placed_at
from signals.social.settings import SocialSettings, SpikeSettings
from signals.social.stories import distinct, signatures, stories
from signals.social.velocity import Velocity
from tests.support.analyst_cases import signal_settings

AS_OF = datetime(2021, 1, 22, 15, 0, tzinfo=UTC)
NUMBERS = count()
SETTINGS = signal_settings()
LONG = (
    "the new console is sold out in every store near me and the staff say that they get forty calls a day about it, "
    "the next delivery comes in three weeks and is promised already"
)


def post(text="a post", *, hours=0.5, author=None, source="reddit", **more):
    number = next(NUMBERS)
    at = AS_OF - timedelta(hours=hours)
    return Post(
        id=f"p{number}", source=source, channel="wsb", author=author or f"author{number}", published_at=at, known_at=at,
        text=text, tickers=("GME",), **more,
    )  # fmt: skip


def headline(text, *, hours=0.5, sentiment=None):
    at = AS_OF - timedelta(hours=hours)
    name = f"h{next(NUMBERS)}"
    return Headline(
        id=name, source="wire", published_at=at, known_at=at, text=text, tickers=("GME",), sentiment=sentiment
    )


def told(*items):
    return stories(items, similarity=0.7, window_hours=48)


def test_mood_weighs_by_engagement_shrinks_few_and_ignores_the_unscored():
    loud, quiet = post(score=1_000, comments=500, sentiment=0.9), post(sentiment=-0.9)
    assert engagement(loud) < 20
    found = mood([quiet, loud, post()], shrink_texts=2)
    assert (found.texts, found.opinions) == (2, 2)
    assert found.evidence == (loud.id, quiet.id)
    assert 0.2 < found.mean < 0.45
    assert mood([post()], shrink_texts=2).texts == 0
    assert engagement(post(score=-50)) == 1.0


def test_tone_counts_opinions_where_a_mean_is_diluted_by_the_silent_majority():
    rows = [*[post(sentiment=0.0) for _ in range(80)], *[post(sentiment=0.4) for _ in range(16)], post(sentiment=-0.4)]
    found = mood(rows, shrink_texts=1)
    assert found.mean < 0.1
    assert found.tone == pytest.approx(15 / 17 * 17 / 18)
    assert mood([post(sentiment=0.1)], shrink_texts=1).opinions == 0


def test_what_is_dated_by_day_counts_when_it_becomes_known():
    noon = datetime(2021, 1, 13, 12, 0, tzinfo=UTC)
    midnight = noon.replace(hour=0)
    by_day = post().model_copy(update={"published_at": midnight, "known_at": midnight + timedelta(days=1)})
    late = by_day.model_copy(update={"known_at": midnight + timedelta(days=3)})
    assert placed_at(by_day) == by_day.known_at
    assert placed_at(late) == late.published_at  # fetched late: that is no news of that day


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Sold out at three stores, restock in a month", "sold_out"),
        ("Class action over the recall of the battery", "scandal"),
        ("Q3 earnings on Thursday, guidance was raised", "earnings"),
        ("My kids love the new sneakers and the app is great", "product"),
        ("gme🚀🚀🚀", "meme"),
        ("diamond hands, the squeeze is coming", "meme"),
        ("selling my shares at noon", "other"),
        ("", "other"),
    ],
)
def test_reasons_by_rule(text, reason):
    assert context_of(text) == reason


def test_the_mixture_is_named_after_its_largest_reason_and_a_models_word_goes_first():
    mixed = context_mix(
        [post("sold out"), post("to the moon"), post("to the moon"), post("hm"), post("hm"), post("hm")]
    )
    assert mixed.main == "meme"
    assert mixed.shares == {"sold_out": pytest.approx(1 / 6), "meme": pytest.approx(1 / 3), "other": 0.5}
    assert context_mix([post("to the moon", context="product")]).main == "product"
    assert context_mix([post("to the moon", context="order: buy now")]).main == "meme"
    assert context_mix([post("to the moon"), *[post("hm")] * 5]).main == "other"  # one in six is no reason of all
    assert mixed.mean({"sold_out": 1.0, "meme": 0.4, "other": 0.0}) == pytest.approx(0.6)
    assert context_mix([]) == UNKNOWN


def test_signatures_estimate_the_share_of_common_triples():
    words = LONG.split()
    changed = " ".join([*words[:-2], "nobody", "knows"])
    a, b, c = signatures([LONG, changed, "something else entirely is said here today"])
    true = len(triples(LONG) & triples(changed)) / len(triples(LONG) | triples(changed))
    assert np.mean(a == b) == pytest.approx(true, abs=0.19)  # three standard errors of 64 draws
    assert np.mean(a == c) < 0.1
    assert signatures([]).shape == (0, 64)


def triples(text):
    words = text.split()
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


@given(st.lists(st.sampled_from([LONG, "to the moon", "sold out again", ""]), max_size=12))
def test_every_item_is_in_exactly_one_story_and_the_order_of_arrival_does_not_matter(texts):
    items = [post(text, hours=hours) for hours, text in enumerate(texts)]
    found = told(*items)
    assert sorted(item.id for story in found for item in (story.first, *story.copies)) == sorted(i.id for i in items)
    assert found == told(*reversed(items))
    assert sum(not story.first.text for story in found) == texts.count("")  # no text is no copy


def test_a_copy_with_a_few_words_changed_is_the_same_story_until_the_window_is_over():
    first, copy = post(LONG, hours=30), post(LONG.replace("forty", "fifty"), hours=1)
    again = post(LONG, hours=-60)
    other = post("a different thought about the same console and its buyers", hours=2)
    found = told(copy, again, first, other, first)
    assert [story.first.id for story in found] == [first.id, other.id, again.id]
    assert found[0].copies == (copy,)


def test_all_wires_are_one_source_and_a_post_that_quotes_one_is_its_copy():
    wire = headline(LONG, hours=5)
    found = told(wire, headline(LONG, hours=4), post(LONG, hours=1))
    assert len(found) == 1
    assert found[0].first == wire
    assert found[0].sources == ("news", "reddit")


def test_exact_copies_are_one_voice_and_the_earliest_counts():
    first, copy = post("GME to the MOON!!", hours=3), post("gme to the moon")
    assert distinct([copy, first, first]) == (first,)
    assert len(distinct([post(""), post("")])) == 2


def crowd_of(posts, settings):
    return doubt(posts, told(*posts), settings.social.doubt)


def test_a_real_crowd_is_not_doubted_and_unknown_shares_are_none(settings):
    posts = [post(f"thought {n} of mine about {n * 7} things and {n * n} reasons", thread=f"t{n}") for n in range(12)]
    found = crowd_of(posts, settings)
    assert (found.kept, found.flags, found.young_share) == (1.0, (), None)
    assert crowd_of([], settings).kept == 1.0


@pytest.mark.parametrize(
    ("flag", "more", "text"),
    [
        ("few_voices", {"author": "one"}, "thought {n} of mine about {m} things"),
        ("young_accounts", {"author_age_days": 3.0}, "thought {n} of mine about {m} things"),
        ("one_thread", {"thread": "t1"}, "thought {n} of mine about {m} things"),
        ("copied_text", {}, "buy this one now because it will rise before the week is over friends"),
    ],
)
def test_each_kind_of_manipulation_is_flagged_and_discounted(flag, more, text, settings):
    found = crowd_of([post(text.format(n=n * 13, m=n * n + 7), **more) for n in range(12)], settings)
    assert found.flags == (flag,)
    assert 0 < found.kept < 0.5


def test_few_posts_are_not_suspected_and_all_doubts_together_leave_the_floor(settings):
    assert crowd_of([post("buy now", author="one")] * 4, settings).flags == ()
    bots = [post("buy now before it is late", author="one", author_age_days=1.0, thread="t") for _ in range(20)]
    found = crowd_of(bots, settings)
    assert len(found.flags) == 4
    assert found.kept == settings.social.doubt.floor


def velocity(z=9.0, ratio=5.0, observed=100.0):
    return Velocity(observed, observed / ratio, ratio, z, 1.0, 1.0, "posts in 24 hours")


def scored(settings, *, v=None, tone=0.6, context=None, confirmations=0, kept=1.0):
    return camillo_score(
        v or velocity(),
        tone=tone,
        context=context or ContextMix("product", {"product": 1.0}),
        confirmations=confirmations,
        kept=kept,
        settings=settings.social,
    )


def test_velocity_above_three_and_sentiment_above_a_third_is_strong_bullish(settings):
    found = scored(settings)
    assert (found.direction, found.conviction) == (Direction.BULLISH, 1.0)
    assert scored(settings, tone=-0.6).direction is Direction.BEARISH


def test_at_the_thresholds_nothing_fires_and_just_beyond_it_does(settings):
    spike = settings.social.spike
    assert burst_strength(velocity(ratio=spike.velocity), spike) == 0.0
    assert burst_strength(velocity(z=spike.z), spike) == 0.0
    assert burst_strength(velocity(observed=spike.min_mentions - 1), spike) == 0.0
    assert burst_strength(velocity(z=spike.z + 1e-9, ratio=spike.velocity + 1e-9), spike) == pytest.approx(0.3)
    assert scored(settings, v=velocity(z=spike.z)).direction is Direction.NEUTRAL


def test_attention_without_a_strong_tone_leans_bullish_a_little(settings):
    mild = settings.social.strong_sentiment
    for tone in (None, mild, -mild):
        found = scored(settings, tone=tone)
        assert (found.direction, found.conviction) == (Direction.BULLISH, settings.social.attention_cap)


def test_each_further_source_adds_less_and_doubts_take_their_part(settings):
    weak = velocity(z=4.0)
    steps = [scored(settings, v=weak, confirmations=k).conviction for k in range(6)]
    gains = np.diff(steps)
    assert np.all(gains > 0)
    assert np.allclose(gains[1:] / gains[:-1], 0.5)
    assert steps[-1] < 1
    assert scored(settings, v=weak, kept=0.5).conviction == pytest.approx(steps[0] / 2)


def test_the_reason_gives_quality_and_decay(settings):
    for name in (*CONTEXTS, "unknown"):
        found = scored(settings, context=ContextMix(name, {name: 1.0}))
        assert found.conviction == pytest.approx(settings.social.contexts[name].quality)
        assert found.life.half_life_days == settings.social.contexts[name].half_life_days
    assert scored(settings, context=ContextMix("sold_out", {"sold_out": 1.0})).life.half_life_days > 5
    assert scored(settings, context=ContextMix("meme", {"meme": 1.0})).life.half_life_days < 3


@given(st.floats(-5, 100), st.floats(0, 100), st.floats(0, 1e5), st.floats(-1, 1), st.integers(0, 9), st.floats(0.1, 1))
def test_conviction_stays_within_bounds(z, ratio, observed, tone, confirmations, kept):
    found = scored(SETTINGS, v=velocity(z, max(ratio, 0.1), observed), tone=tone, confirmations=confirmations,
                   kept=kept)  # fmt: skip
    assert 0 <= found.conviction <= kept
    assert (found.conviction == 0) == (found.direction is Direction.NEUTRAL)


def test_a_source_that_says_the_opposite_does_not_confirm():
    assert confirming({"reddit": 0.5, "news": 0.4}, 0.5, speaks_from=0.15) == 1
    assert confirming({"reddit": 0.5, "news": -0.4}, 0.5, speaks_from=0.15) == 0
    assert confirming({"reddit": 0.5, "news": -0.1, "trends": 0.0}, 0.5, speaks_from=0.15) == 2
    assert confirming({}, None, speaks_from=0.15) == 0


def test_settings_refuse_a_reason_that_is_missing_and_a_ramp_without_a_slope(settings):
    raw = settings.social.model_dump()
    with pytest.raises(ValidationError, match="contexts needs exactly"):
        SocialSettings.model_validate({**raw, "contexts": {"meme": raw["contexts"]["meme"]}})
    with pytest.raises(ValidationError, match="z < z_full"):
        SpikeSettings.model_validate({**raw["spike"], "z_full": 1.0})
    with pytest.raises(ValidationError, match="at least one window"):
        SpikeSettings.model_validate({**raw["spike"], "windows_hours": []})
