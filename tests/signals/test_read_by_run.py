"""Texts read run by run: the same tokens as of the whole text, for every reader that does so."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals import vocabulary
from signals.runs import LONGEST, by_run
from signals.social import extraction, stories

LETTERS = "aB$GME+-.,'’&@#/%€0123 \t\n\u2003\x1cİΣK\u200b🚀"
TEXTS = st.text(LETTERS, max_size=80) | st.text(max_size=80) | st.just("x" * (LONGEST + 1) + " $gme it's")


def every_token(text):
    return [
        (cash, word, extraction._plain(word.lower())) for cash, word in extraction._TOKEN.findall(text)
    ]  # fmt: skip


READERS = {
    "names": (extraction._tokens, every_token),
    "words": (
        lambda text: vocabulary.words_of(f"ab {text}"),
        lambda text: vocabulary._TOKEN.findall(
            vocabulary._SPLIT_DECIMAL.sub("", vocabulary._LINK.sub(" ", f"ab {text}".lower().replace("’", "'")))
        ),
    ),
    "shingles": (
        stories._hashes, lambda text: [zlib.crc32(word.encode()) for word in stories._WORD.findall(text.casefold())],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
@given(text=TEXTS)
def test_a_text_read_run_by_run_has_the_tokens_of_the_whole(name, text):
    quick, plain = READERS[name]
    assert quick(text) == plain(text)


def test_a_sign_before_a_number_is_seen_over_the_space():
    assert vocabulary.words_of("sales + 4 %") == ["sales", "+", "4", "%"]
    assert vocabulary.words_of("sales + more") == ["sales", "more"]


def test_a_long_run_is_read_but_not_kept():
    read = []

    def halves(run):
        read.append(run)
        return (run[: len(run) // 2], run[len(run) // 2 :])

    whole = by_run(halves)
    long = "y" * (LONGEST + 1)
    for _ in range(2):
        assert whole(f"ab {long}") == ["a", "b", "y" * (LONGEST // 2), "y" * (LONGEST // 2 + 1)]
    assert read == ["ab", long, long]
    assert whole(" ") == []
