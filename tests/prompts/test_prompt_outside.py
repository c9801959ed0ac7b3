"""Outside text: whatever comes in, one short visible line comes out."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.outside import clean, clean_deep


@given(st.text(max_size=300), st.integers(min_value=10, max_value=100))
def test_result_is_short_visible_and_stable(text, limit):
    line = clean(text, limit=limit)
    assert len(line) <= limit
    assert all(not unicodedata.category(char).startswith("C") for char in line)
    assert clean(line, limit=limit) == line


@pytest.mark.parametrize(
    ("dirty", "seen"),
    [
        ("buy\u200b\u2060 now\ufeff", "buy now"),
        ("\u202eevil\u202c", "evil"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("line\r\none\u2028two\ttabs", "line one two tabs"),
        ("ｆｕｌｌ＜ｗｉｄｔｈ＞", "full<width>"),
        ("plain\U000e0041\U000e0042", "plain"),
        ("a\ufe0f\U000e0101b", "ab"),
        ("x" * 2000, "x" * 597 + "..."),
    ],
)
def test_hidden_and_controlling_characters_are_gone(dirty, seen):
    assert clean(dirty) == seen


def test_strings_are_cleaned_at_any_depth_and_strange_things_refused():
    assert clean_deep({"a\x00": ["b\x00", (1, None, True, 2.5)]}) == {"a": ["b", [1, None, True, 2.5]]}
    with pytest.raises(TypeError, match="not object"):
        clean_deep({"a": object()})
