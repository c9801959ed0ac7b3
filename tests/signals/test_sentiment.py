import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals import lexicon
from signals.sentiment import MODEL_NAME, NEUTRAL_BAND, LexiconModel, readable, score

ITS_OWN_WORDS = [
    "profit", "rose", "fell", "loss", "from", "12.5", "mn", "%", "+", "-", "not", ".", ",", "swung", "to", "a", "net",
    "compared", "with", "eur", "$gme", "long", "despite", "?", "share", "capital",
]  # fmt: skip


def side(text):
    value = score(text)
    return "none" if value is None else "up" if value > NEUTRAL_BAND else "down" if value < -NEUTRAL_BAND else "flat"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Operating profit rose to EUR 13.1 mn from EUR 8.7 mn", "up"),
        ("Operating profit fell to EUR 8.7 mn from EUR 13.1 mn", "down"),
        ("The loss widened to EUR 4 mn", "down"),
        ("The loss narrowed to EUR 4 mn", "up"),
        ("The net loss contracted to EUR 49 million from EUR 229 million", "up"),
        ("Unemployment fell and costs decreased", "up"),
        ("Jobless claims jump", "down"),
        ("The company cut costs", "up"),
        ("The company cut guidance", "down"),
        ("China to suspend tariffs", "up"),
        ("The bank suspends its dividend", "down"),
    ],
)
def test_what_moves_decides_whether_up_is_good(text, wanted):
    assert side(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The company swung to a loss", "down"),
        ("It swung to a net profit of 84.1 mln euro", "up"),
        ("The group slipped to a net loss of EUR 115,000 from a profit of EUR 845,000", "down"),
        ("Operating profit totalled EUR 7.0 mn, up from a loss of EUR 4.0 mn", "up"),
        ("Operating loss totalled EUR 0.9 mn, down from a profit of EUR 2.7 mn", "down"),
        ("Pretax loss totalled EUR 162.3 mn compared to a profit of EUR 253.5 mn", "down"),
    ],
)
def test_a_result_landed_in_or_come_from_decides_over_the_movement(text, wanted):
    assert side(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Net sales were EUR 55 mn, compared to EUR 62 mn a year ago", "down"),
        ("Net sales of EUR 58.9 mn in the second quarter of 2007, down from EUR 62.4 mn a year earlier", "down"),
        ("Net profit of 7.99 mln euro $ 10.4 mln for 2006, compared to 8.4 mln euro $ 10.9 mln for 2005", "down"),
        ("Earnings per share were EUR0 .45 versus EUR0 .31 in 2009", "up"),
        ("Q1 EPS $1.52 vs. $1.50 a year ago", "up"),
        ("Sales of EUR 1.2 bn against EUR 900 mn", "up"),
        ("Sales in 2008 compared with 2007", "flat"),
        ("Date 1.234.567 from 2.3.4 revenue", "flat"),
    ],
)
def test_two_amounts_of_one_unit_are_compared_and_years_are_no_amounts(text, wanted):
    assert side(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The company is based in Helsinki and has 200 employees", "flat"),
        ("The increase in share capital was registered on May 8", "flat"),
        ("The fine print is here", "flat"),
        ("The contract includes 12 ships", "flat"),
        ("Is Public Storage a good stock to buy?", "flat"),
        ("Comtech declares $0.25 dividend", "flat"),
        ("$EPD: settlement prices", "flat"),
    ],
)
def test_neutral_reporting_stays_neutral_however_financial_its_words(text, wanted):
    assert side(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$TSLA +4.5% pre-market", "up"),
        ("$SLV -4.44% at 18", "down"),
        ("Growth of 20 % -40 % a year is planned", "flat"),
        ("Shares of the airline down 7 %", "down"),
        ("Price target cut at Nomura", "down"),
        ("stock price target raised to $40 from $34", "up"),
        ("Revenue beats estimates", "up"),
        ("Taubman downgraded to sector weight from overweight", "down"),
        ("Hedge Funds Have Never Been This Bullish On $OPRA", "up"),
        ("Analysts were not bullish", "down"),
        ("long $AAPL", "up"),
        ("loading $SPY puts", "down"),
        ("selling $SPY puts", "up"),
        ("short $SPY", "down"),
        ("Shares rise despite weak results", "up"),
    ],
)
def test_headlines_and_posts_speak_of_moves_ratings_and_positions(text, wanted):
    assert side(text) == wanted


@pytest.mark.parametrize("text", ["https://t.co/abc @user 12 %", "", "🚀🚀🚀 12", "$ 5 %", "\N{NO-BREAK SPACE}"])
def test_a_text_without_a_word_is_no_neutral_text(text):
    assert score(text) is None
    assert not readable(text)


def test_a_mail_address_or_a_link_neither_hides_words_nor_speaks():
    assert score("profit rose, see https://x.y/crash-fraud-miss") == score("profit rose, see")
    assert score("@bearish_fraud profit rose") == score("profit rose")


def test_modifiers_scale_and_negation_turns_round():
    plain, strong, weak = (
        score("the outlook is bullish"),
        score("the outlook is very bullish"),
        score("slightly bullish"),
    )
    assert strong > plain > weak > 0
    assert score("never bullish") < 0
    assert 0 < score("Is it bullish?") < plain
    assert 0 < score("despite the bullish call it waits") < plain


def test_two_mild_words_make_a_stance_and_one_does_not():
    mild = next(word for word in lexicon.POSITIVE[lexicon.MILD].split() if word.isalpha())
    assert side(mild) == "flat"
    assert side(f"{mild} {mild}") == "up"
    hints = [word for word in lexicon.POSITIVE[lexicon.HINT].split() if word.isalpha()][:5]
    assert side(" ".join(hints)) == "flat"


def test_no_word_of_the_lists_says_both_good_and_bad():
    good = {form for listing in lexicon.POSITIVE.values() for form in lexicon.expanded(listing)}
    bad = {form for listing in lexicon.NEGATIVE.values() for form in lexicon.expanded(listing)}
    assert good & bad == set()
    assert set(lexicon.expanded(lexicon.UP)) & set(lexicon.expanded(lexicon.DOWN)) == set()
    assert set(lexicon.GOOD_THINGS.split()) & set(lexicon.BAD_THINGS.split()) == set()


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("raise", ("raise", "raises", "raised", "raising")),
        ("miss", ("miss", "misses", "missed", "missing")),
        ("jump", ("jump", "jumps", "jumped", "jumping")),
    ],
)
def test_endings_follow_english_spelling(word, wanted):
    assert lexicon.forms(word) == wanted


def test_the_model_answers_text_by_text_in_order_and_signs():
    texts = ["profit rose", "", "profit fell"]
    found = LexiconModel().score(texts)
    assert [each.model for each in found] == [MODEL_NAME] * 3
    assert [each.score for each in found] == [score(text) for text in texts]
    assert LexiconModel().score([]) == ()


@given(st.text(max_size=400))
def test_any_text_gives_a_bounded_score_or_none_and_always_the_same(text):
    found = score(text)
    assert found is None or -1 <= found <= 1
    assert (found is None) == (not readable(text))
    assert score(text) == found


@given(st.lists(st.sampled_from(ITS_OWN_WORDS), max_size=60))
def test_any_run_of_its_own_words_stays_bounded(words):
    found = score(" ".join(words))
    assert found is None or -1 <= found <= 1


@pytest.mark.parametrize("unit", ["profit 1 ", "rose from 1 mn ", "compared to 5 mn ", "$gme long ", "not very "])
def test_the_time_for_a_long_hostile_text_grows_no_faster_than_the_text(unit):
    def spent(repeats):
        start = time.process_time()
        score(unit * repeats)
        return time.process_time() - start

    short, long = (min(spent(repeats) for _ in range(3)) for repeats in (2_000, 8_000))
    assert long < 12 * short + 0.05  # quadratic would be 16 times
