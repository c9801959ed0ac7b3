"""No voice may be a mood alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.social.context import context_mix
from signals.social.influence import InfluenceSettings, capped, held_back
from tests.support.debate_cases import headline, post

sizes = st.lists(st.tuples(st.floats(0.1, 50), st.sampled_from("abcdefgh")), min_size=1, max_size=40)


@given(sizes, st.floats(0.05, 1.0))
def test_no_group_holds_more_than_its_share_and_nothing_is_added(items, most):
    given_, groups = [size for size, _ in items], [group for _, group in items]
    kept, total = capped(given_, groups, most=most)
    for group in set(groups):
        held = math.fsum(size for size, name in zip(kept, groups, strict=True) if name == group)
        assert held <= most * total * (1 + 1e-9)
    assert all(new <= old * (1 + 1e-12) for new, old in zip(kept, given_, strict=True))
    assert total <= math.fsum(given_) * (1 + 1e-9)


def test_a_crowd_of_many_is_left_as_it_is_and_a_crowd_of_one_is_mostly_silence():
    assert capped([1.0] * 5, list("abcde"), most=0.2) == ([1.0] * 5, 5.0)
    kept, total = capped([1.0] * 5, ["a"] * 5, most=0.2)
    assert math.fsum(kept) / total == pytest.approx(0.2)


def test_one_loud_voice_among_quiet_ones_keeps_a_fifth():
    kept, total = capped([30.0, 1, 1, 1, 1, 1, 1, 1, 1], list("abcdefghi"), most=0.2)
    assert kept[0] / total == pytest.approx(0.2)
    assert math.fsum(kept) == pytest.approx(total), "the others speak in full"


def test_posts_without_an_author_are_voices_of_their_own_and_one_forum_is_held_too():
    crowd = [post("x", name=f"p{n}").model_copy(update={"author": None}) for n in range(10)]
    kept, total = held_back(crowd, [1.0] * 10, InfluenceSettings())
    assert math.fsum(kept) / total == pytest.approx(0.8), "ten voices, one forum"
    alone = [post("x", name=f"p{n}") for n in range(10)]  # all by one author
    kept, total = held_back(alone, [1.0] * 10, InfluenceSettings())
    assert math.fsum(kept) / total == pytest.approx(0.5 * 0.8), "a crowd of one is half a crowd, of one forum"
    wires = [headline("x", name=f"h{n}").model_copy(update={"source": f"w{n % 2}"}) for n in range(3)]
    assert held_back(wires, [1.0] * 3, InfluenceSettings()) == ([1.0] * 3, 3.0), "three of three speak in full"
    assert held_back([], [], InfluenceSettings()) == ([], 0.0)


def test_one_much_voted_post_cannot_say_why_everybody_talks():
    """A reason gives a burst its quality and its half-life: sold out is worth ten times the days of a meme."""
    silent = [post("hm", name=f"s{n}").model_copy(update={"author": f"a{n}"}) for n in range(20)]
    loud = post("sold out", name="loud").model_copy(update={"author": "mallory", "score": 10**6, "comments": 10**5})
    assert context_mix([*silent, loud]).main == "sold_out", "without the cap"
    assert context_mix([*silent, loud], InfluenceSettings()).main == "other"
    memes = [post("to the moon", name=f"m{n}").model_copy(update={"author": f"b{n}"}) for n in range(6)]
    assert context_mix([*memes, loud]).main == "sold_out"
    mixed = context_mix([*memes, loud], InfluenceSettings())
    assert mixed.main == "meme"
    assert mixed.mean({"meme": 0.0, "sold_out": 1.0}) <= 0.2 + 1e-9
