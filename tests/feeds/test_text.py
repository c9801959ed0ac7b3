"""Text from outside: nothing hidden survives, and a word is not a company."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.market import Headline, Post
from feeds.text import MAX_CHARACTERS, clean, tag_and_score, tickers_in

UNIVERSE = {"GME", "SPY", "A", "IT", "ALL", "DD", "AAPL", "BRK.B", "F", "YOLO"}
NOW = datetime(2026, 3, 16, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("Buy <b>now</b> &amp; hold", "Buy now & hold"),
        ("ＧＭＥ ﬁrst", "GME first"),
        ("a\u200bb\u202ec\x00d\x1b[31m", "abcd[31m"),
        ("[see this](https://example.org/x) please", "see this please"),
        ("line one\n\n  line\ttwo ", "line one line two"),
        ("&lt;script&gt;x&lt;/script&gt; y", "x y"),
    ],
)
def test_mark_up_hidden_characters_and_disguises_are_removed(raw: str, plain: str):
    assert clean(raw) == plain


@given(st.text(max_size=300))
def test_cleaned_text_is_one_visible_line_within_the_cap(raw: str):
    plain = clean(raw)
    assert len(plain) <= MAX_CHARACTERS
    assert plain == plain.strip()
    assert not any(unicodedata.category(character)[0] == "C" for character in plain)


def test_a_very_long_post_is_cut():
    assert len(clean("word " * 100_000)) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("GME to the moon", ("GME",)),
        ("$gme and $A, but $a is no cashtag", ("A", "GME")),
        ("IT is ALL about DD and YOLO", ()),
        ("$IT, $ALL!", ("ALL", "IT")),
        ("A share of F", ()),
        ("it cost $5 and $GMEX", ()),
        ("I said SPY, not SPYING", ("SPY",)),
        ("gme", ("GME",)),  # a text without a capital: small letters are all it has
        ("Watch gme", ()),
        ("I bought $GME. And $brk.b.", ("BRK.B", "GME")),
        ("BUY GME NOW BEFORE IT IS GONE", ()),
        ("BUY $GME NOW BEFORE IT IS GONE", ("GME",)),
        ("mail me at GME@example.org or see /GME", ()),
    ],
)
def test_only_a_cashtag_or_an_unmistakable_symbol_names_a_company(text: str, found: tuple[str, ...]):
    assert tickers_in(text, UNIVERSE) == found


def test_scoring_keeps_known_tickers_adds_those_in_the_text_and_names_the_model():
    post = Post(
        id="1",
        source="reddit",
        channel="stocks",
        author=None,
        published_at=NOW,
        known_at=NOW,
        text="Very <i>bullish</i>, strong growth at GME",
        tickers=("SPY",),
    )
    scored = tag_and_score(post, UNIVERSE)
    assert scored.tickers == ("GME", "SPY")
    assert scored.sentiment is not None
    assert scored.sentiment > 0.3
    assert scored.sentiment_model
    assert scored.text == "Very bullish, strong growth at GME"
    assert tag_and_score(scored, UNIVERSE) == scored


def test_a_headline_without_words_has_no_sentiment_rather_than_zero():
    headline = Headline(id="1", source="wire", published_at=NOW, known_at=NOW, text="2026 – 12.5", tickers=("GME",))
    assert tag_and_score(headline).sentiment is None


def test_mark_up_in_wide_letters_is_mark_up():
    """The trap: stripping tags before NFKC turns ＜b＞ into one."""
    assert clean("a ＜script＞bad＜/script＞ end &lt;b&gt;bold&lt;/b&gt;") == "a bad end bold"
