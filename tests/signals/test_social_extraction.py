"""Whom a post names. The hand-labelled sample is read from the shared Reddit files; only ids and labels are stored."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.social_sets import labelled_posts
from signals.social.extraction import AMBIGUOUS, Listings, name_index, tickers_in

ROOT = Path(__file__).parents[2]
LISTINGS = Listings.model_validate(yaml.safe_load((ROOT / "config" / "tickers.yaml").read_text(encoding="utf-8")))
NAMES = name_index(LISTINGS)
UNIVERSE = frozenset(LISTINGS.listings)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("GameStop's new stores look great", ("GME",)),
        ("gamestop and bed bath & beyond", ("BBBY", "GME")),
        ("Tesla, Nvidia and the iPhone", ("AAPL", "NVDA", "TSLA")),
        ("my price target is 40", ()),
        ("Target hit.", ()),
        ("I went to Target yesterday", ("TGT",)),
        ("I paid with my visa", ()),
        ("Everyone I know pays with Visa now", ("V",)),
        ("Why Everyone Wants To Pay With Visa", ()),  # every word is capitalised: it says nothing
        ("The Coca-Cola Company and coca cola zero", ("KO",)),
        ("lockheed martin, lockheed", ("LMT",)),
        ("gme to the moon with amc and bb", ("AMC", "BB", "GME")),
        ("it is all about dd and cash", ()),
        ("Watch gme closely", ()),  # small letters in a text that has capitals are no symbol
        ("so $coin and COIN", ("COIN",)),
        ("COIN and COST are words", ()),
        ("GME's run, TSLA's too", ("GME", "TSLA")),
        ("booking.com is busy, mail a@tesla.com", ("BKNG",)),
        ("$GME’s price", ("GME",)),
        ("", ()),
    ],
)
def test_names_brands_and_symbols_but_not_the_words_that_look_like_them(text: str, found: tuple[str, ...]):
    assert tickers_in(text, UNIVERSE, NAMES) == found


def test_only_the_universe_is_found_and_an_empty_one_finds_nothing():
    assert tickers_in("GME and Tesla", {"TSLA"}, NAMES) == ("TSLA",)
    assert tickers_in("GME", (), NAMES) == ()


@given(st.text(max_size=200))
def test_any_text_can_be_read_and_twice_says_the_same(text: str):
    found = tickers_in(text, UNIVERSE, NAMES)
    assert set(found) <= UNIVERSE
    assert found == tickers_in(text, UNIVERSE, NAMES)


def test_the_list_has_no_listing_whose_symbol_or_name_is_taken_twice():
    taken: dict[str, str] = {}
    for ticker, known in LISTINGS.listings.items():
        for name in (*known.names, *known.words, *known.brands):
            assert taken.setdefault(name.lower(), ticker) == ticker, name
    assert len(UNIVERSE) > 250
    assert set(LISTINGS.ambiguous).isdisjoint({"GME", "AMC", "TSLA", "PLTR"})
    assert NAMES.ambiguous >= AMBIGUOUS


def test_a_misspelt_symbol_in_the_file_is_refused():
    with pytest.raises(ValidationError, match="not a symbol: gme"):
        Listings.model_validate({"listings": {"gme": {"names": ["GameStop"]}}})


def precision_and_recall(rows) -> tuple[float, float, list[str]]:
    hits = wrong = missed = 0
    odd = []
    for text, wanted, post in rows:
        found = frozenset(tickers_in(text, UNIVERSE, NAMES))
        hits += len(found & wanted)
        wrong += len(found - wanted)
        missed += len(wanted - found)
        if found != wanted:
            odd.append(f"{post}: +{sorted(found - wanted)} -{sorted(wanted - found)}")
    return hits / (hits + wrong), hits / (hits + missed), odd


@pytest.mark.shared_data
@pytest.mark.parametrize("half", ["develop", "report"])
def test_precision_and_recall_on_the_labelled_sample(shared_data, half):
    rows = labelled_posts(shared_data, half)
    precision, recall, odd = precision_and_recall(rows)
    print(f"{half}: {len(rows)} posts, precision {precision:.3f}, recall {recall:.3f}\n" + "\n".join(odd))
    assert len(rows) > 150
    assert precision >= 0.9
    assert recall >= 0.85
