import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.amounts import amount_at, larger


def compared(text):
    words = text.split()
    return larger(words, words.index("versus"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("eur 13.1 mn versus eur 8.7 mn", 1),
        ("eur 8.7 mn versus eur 13.1 mn", -1),
        ("eur 5 mn versus eur 5 mn", 0),
        ("1.2 bn versus 900 mn", 1),
        ("$ 1.52 versus $ 1.50", 1),
        ("12 % versus 9 per cent", 1),
        ("eur 5 mn versus 7 %", 0),
        ("7.99 mln euro $ 10.4 mln versus 8.4 mln euro", -1),
        ("eur 1,200 versus eur 900", 1),
        ("eur 5 mn in 2008 versus eur 4 mn in 2007", 1),
        ("2008 versus 2007", 0),
        ("eur 5 mn . versus eur 4 mn", 0),
        ("eur 5 mn versus . eur 4 mn", 0),
        ("versus eur 4 mn", 0),
        ("eur 4 mn versus", 0),
    ],
)
def test_amounts_of_one_unit_in_one_sentence_are_compared(text, wanted):
    assert compared(text) == wanted


def test_a_malformed_number_is_no_amount_and_a_year_with_a_currency_is_one():
    assert amount_at(["1.234.567"], 0) is None
    assert amount_at(["2008"], 0) is None
    assert amount_at(["eur", "2008"], 1).size == 2008


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_turning_the_comparison_round_turns_the_answer_round(first, second):
    a, b = f"{first:.2f}", f"{second:.2f}"
    assert compared(f"eur {a} mn versus eur {b} mn") == -compared(f"eur {b} mn versus eur {a} mn")
