"""What each news service's answers mean, from saved payloads, and what a hostile answer can do: nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import DataError
from feeds.news.alpaca import Alpaca
from feeds.news.benzinga import Benzinga
from feeds.news.finnhub import Finnhub
from feeds.news.item import canonical_url, instant_of, listed, news_item
from feeds.news.rss import Rss
from feeds.news.search import GNews, NewsApi
from feeds.news.settings import FeedSettings, VendorSettings
from feeds.news.vendor import Scope

PAYLOADS = Path(__file__).parent / "news_payloads"
NOW = datetime(2026, 3, 16, 15, 0, tzinfo=UTC)
TWO = datetime(2026, 3, 16, 14, 0, tzinfo=UTC)  # Monday 10:00 New York, summer time
SETTINGS = VendorSettings(base_url="https://service.example", page_size=2, pages=3)
NAMES = {"AAPL": ("Apple Inc", "iPhone"), "LONG": tuple(f"name number {n}" for n in range(100))}
FEED = FeedSettings(name="wire", url="https://wire.example/rss")
VENDORS = {
    "finnhub": Finnhub(SETTINGS, "k"),
    "alpaca": Alpaca(SETTINGS, "k", "s"),
    "benzinga": Benzinga(SETTINGS, "k"),
    "newsapi": NewsApi(SETTINGS, "k", NAMES),
    "gnews": GNews(SETTINGS, "k", NAMES),
    "rss": Rss(FEED),
}
JSON = tuple(name for name in VENDORS if name != "rss")


def read(name: str, body: bytes | None = None, file: str | None = None, vendor=None, headers=None):
    vendor = vendor or VENDORS[name]
    scope = vendor.scopes(["AAPL"])[0]
    asked = vendor.question(scope, since=NOW - timedelta(days=3), until=NOW)
    return vendor.read(body if body is not None else (PAYLOADS / file).read_bytes(), headers or {}, asked)


def test_finnhub_seconds_related_tickers_and_items_that_are_none():
    page = read("finnhub", file="finnhub.json")
    first, second = page.items
    assert (first.id, first.published_at, first.tickers) == ("7501", TWO, ("AAPL",))
    assert first.title == "Apple raises its full-year guidance & buys back more shares"
    assert first.url == "https://reuters.example/tech/apple-guidance"
    assert second.tickers == ("AAPL", "TSM")
    assert second.id != "0", "0 is no id: two such items would be one"
    assert page.dropped == 3
    assert page.following is None


def test_alpaca_text_is_known_from_its_last_edit_on():
    page = read("alpaca", file="alpaca.json")
    first, second = page.items
    assert (first.published_at, first.known_at) == (TWO, TWO + timedelta(minutes=5, seconds=30))
    assert first.tickers == ("AAPL",), "a currency pair is no share"
    assert second.title == "Nvidia 'sold out' through year-end"
    assert (second.tickers, second.url, second.known_at.second) == (("BRK.B", "NVDA"), "", 0)
    assert page.dropped == 1
    assert page.following.params["page_token"].startswith("MTc3")
    assert page.following.page == 2
    assert page.following.params["symbols"] == "AAPL"


def test_benzinga_dates_carry_new_york_offsets_of_summer_and_winter():
    page = read("benzinga", file="benzinga.json")
    summer, winter = page.items
    assert summer.published_at == TWO
    assert winter.published_at == datetime(2026, 11, 13, 15, 0, tzinfo=UTC)
    assert summer.tickers == ("AAPL", "MSFT")
    assert page.following.params["page"] == "1", "a full page may have another behind it"


def test_the_same_story_of_two_services_has_one_canonical_address():
    alpaca, benzinga = read("alpaca", file="alpaca.json").items[0], read("benzinga", file="benzinga.json").items[0]
    finnhub, newsapi = read("finnhub", file="finnhub.json").items[0], read("newsapi", file="newsapi.json").items[0]
    assert alpaca.url == benzinga.url != ""
    assert finnhub.url == newsapi.url == read("gnews", file="gnews.json").items[0].url != ""


def test_newsapi_removed_articles_are_none_and_a_search_hit_proves_no_ticker():
    page = read("newsapi", file="newsapi.json")
    assert [item.title for item in page.items] == ["Apple raises its full-year guidance", "iPhone sold out in stores"]
    assert {item.tickers for item in page.items} == {()}
    assert page.dropped == 1
    assert page.items[0].publisher == "Reuters"


def test_newsapi_errors_under_a_friendly_status_are_errors():
    with pytest.raises(DataError, match="apiKeyExhausted"):
        read("newsapi", b'{"status": "error", "code": "apiKeyExhausted", "message": "x"}')


def test_gnews_pages_until_all_are_seen_and_needs_no_id():
    page = read("gnews", file="gnews.json")
    assert page.items[0].id == "1f0a9c"
    assert len(page.items[1].id) == 20
    assert page.items[1].url == "https://phone.example/a?a=1&b=2"
    assert page.following.params["page"] == "2"


def test_searches_ask_for_names_in_titles_and_for_no_ticker_without_one():
    vendor = VENDORS["newsapi"]
    assert vendor.scopes(["A", "AAPL", "AAPL"]) == (Scope(("AAPL",), ("AAPL",)),)
    asked = vendor.question(Scope(("AAPL",), ("AAPL",)), since=TWO, until=NOW)
    assert asked.params["q"] == '"Apple Inc" OR "iPhone"'
    assert asked.params["searchIn"] == "title"
    assert (asked.params["from"], asked.params["to"]) == ("2026-03-16T14:00:00", "2026-03-16T15:00:00")
    for name, longest in (("newsapi", 500), ("gnews", 200)):
        query = VENDORS[name].question(Scope(("LONG",), ("LONG",)), since=TWO, until=NOW).params["q"]
        assert longest - 30 < len(query) <= longest
        assert query.count('"') % 2 == 0


def test_no_question_shows_its_key():
    for vendor in VENDORS.values():
        asked = vendor.question(Scope(("AAPL",), ("AAPL",)), since=TWO, until=NOW)
        assert "'k'" not in repr(asked)


def test_rss_items_and_their_several_ways_to_write_a_date():
    page = read("rss", file="rss20.xml")
    assert [(item.title, item.published_at) for item in page.items] == [
        ("Apple & Co: $AAPL up 4%", TWO),
        ("GameStop sold out of consoles", TWO + timedelta(minutes=30)),
        ("Dublin Core has dates, too", TWO + timedelta(minutes=45)),
    ]
    assert page.items[0].url == "https://wire.example/a"
    assert (page.items[0].provider, page.items[0].publisher, page.items[0].id) == ("rss-wire", "Market Wire", "wire-1")
    assert page.dropped == 3, "without a date, a zone or a title an item cannot be used"


def test_a_configured_zone_makes_zoneless_dates_usable():
    vendor = Rss(FEED.model_copy(update={"time_zone": "America/New_York"}))
    items = read("rss", file="rss20.xml", vendor=vendor).items
    assert ("A date without a zone", TWO + timedelta(minutes=45)) in [(i.title, i.published_at) for i in items]
    assert items[0].published_at == TWO, "a date with a zone keeps its own"


def test_atom_entries_are_known_from_their_update_on():
    first, second = read("rss", file="atom.xml").items
    assert (first.published_at, first.known_at) == (TWO + timedelta(minutes=30), TWO + timedelta(minutes=31))
    assert second.published_at == second.known_at == TWO + timedelta(minutes=40)
    assert first.url == "https://filings.example/8k/1"


def test_a_feed_a_ticker_is_asked_once_a_ticker_and_its_items_are_about_it():
    vendor = Rss(FeedSettings(name="per", url="https://wire.example/rss?s={ticker}&x=1"))
    scopes = vendor.scopes(["GME", "AAPL"])
    assert [scope.tickers for scope in scopes] == [("AAPL",), ("GME",)]
    asked = vendor.question(scopes[1], since=TWO, until=NOW)
    assert (asked.base_url, asked.path) == ("https://wire.example", "/rss?s=GME&x=1")
    assert {i.tickers for i in read("rss", file="rss20.xml", vendor=vendor).items} == {("AAPL",)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_feed_can_neither_expand_entities_nor_read_files(tmp_path: Path, encoding: str):
    secret = tmp_path / "secret"
    secret.write_text("do not tell")
    text = (PAYLOADS / "bomb.xml").read_text().replace("SECRET_FILE", secret.as_uri())
    titles = [
        item.title for item in read("rss", text.replace("1.0", f'1.0" encoding="{encoding}').encode(encoding)).items
    ]
    assert all(len(title) < 60 and "do not tell" not in title for title in titles)


def test_a_body_that_is_a_file_name_or_an_address_is_not_opened(tmp_path: Path):
    own = tmp_path / "feed.xml"
    own.write_bytes((PAYLOADS / "rss20.xml").read_bytes())
    for body in (str(own).encode(), b"http://127.0.0.1:9/feed.xml"):
        with pytest.raises(DataError, match="no RSS or Atom feed"):
            read("rss", body)


def test_a_feed_made_to_keep_the_parser_busy_is_refused_unread():
    with pytest.raises(DataError, match="too large"):
        read("rss", b"<rss><channel>" + b"<a>" * 200_000)


def test_a_feed_in_another_encoding_than_it_says_is_still_read():
    body = (PAYLOADS / "rss20.xml").read_text().replace("GameStop sold", "Café “GameStop” sold").encode("cp1252")
    assert "Café “GameStop” sold out of consoles" in [i.title for i in read("rss", body).items]


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "nothing"),
        (b'[{"id": 1, "head', "not whole"),
        (b"<!doctype html><html><body>502 Bad Gateway</body></html>", "a web page"),
        (b'"a string"', "no list"),
        (b'{"unexpected": true}', "no list"),
        (b"[" * 100_000, "not whole"),
    ],
)
def test_what_is_no_answer_is_one_clear_error(name: str, body: bytes, says: str):
    with pytest.raises(DataError, match=says):
        read(name, body)


@pytest.mark.parametrize("name", JSON)
def test_a_service_that_breaks_utf_8_is_read_as_windows_text(name: str):
    file = (PAYLOADS / f"{name}.json").read_text(encoding="utf-8").replace("…", "")
    broken = file.replace("Apple raises", "Apple’s café raises").encode("cp1252")
    assert read(name, broken).items[0].title.startswith("Apple’s café raises")
    marked = read(name, b"\xef\xbb\xbf" + file.encode())
    assert marked.items[0].title.startswith("Apple raises")


@pytest.mark.parametrize("name", JSON)
@settings(max_examples=30)
@given(
    rows=st.lists(
        st.none()
        | st.text()
        | st.dictionaries(
            st.sampled_from(
                ["id", "headline", "title", "url", "datetime", "created_at", "created", "updated", "updated_at",
                 "symbols", "stocks", "source", "publishedAt", "related"]
            ),
            st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
            | st.lists(st.text() | st.none(), max_size=3) | st.just("Infinity") | st.just("9999-12-31T23:59:59-12:00"),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_no_row_however_odd_breaks_the_reading_of_the_others(name: str, rows: list[object]):
    import json

    good = {
        "id": 1, "headline": "Good", "title": "Good", "url": "https://a.example/b", "datetime": 1773669600,
        "created_at": "2026-03-16T14:00:00Z", "created": "Mon, 16 Mar 2026 10:00:00 -0400",
        "publishedAt": "2026-03-16T14:00:00Z", "symbols": ["AAPL"], "stocks": [{"name": "AAPL"}],
    }  # fmt: skip
    items = [*rows, good]
    answer = {"news": items, "articles": items} if name in ("alpaca", "newsapi", "gnews") else items
    page = read(name, json.dumps(answer).encode())
    assert page.items[-1].title == "Good"
    assert len(page.items) + page.dropped == len(items)


def test_lone_surrogates_control_and_bidi_characters_do_not_get_in():
    item = news_item(
        provider="p", vendor_id="\ud800", title="a\u202eb\u0000c\ud800\u200b\n d", url="https://a.example/\ud800",
        publisher="x\u2066y", published=TWO,
    )  # fmt: skip
    assert item is not None
    assert (item.title, item.url, item.publisher) == ("abc d", "", "xy")
    assert len(item.id) == 20


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("HTTP://WWW.Example.COM:80/a/b/?utm_source=x&b=2&a=1&fbclid=9#top", "https://example.com/a/b?a=1&b=2"),
        ("https://user:pass@example.com/a", "https://example.com/a"),
        ("https://example.com/caf%C3%A9%20x", "https://example.com/caf%C3%A9%20x"),
        ("https://example.com/café x", "https://example.com/caf%C3%A9%20x"),
        ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://example.com/?p=12", "https://example.com?p=12"),
        ("https://example.com/", ""),  # a front page is no article
        ("https://example.com/?utm_source=x", ""),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("https://exa mple.com/a", ""),
        ("https://example.com:99999/a", ""),
        ("https://[::1/a", ""),
        ("https://example.com/" + "a" * 3000, ""),
    ],
)
def test_the_same_article_has_one_address_and_what_is_none_has_none(address: str, canonical: str):
    assert canonical_url(address) == canonical


@given(st.text(max_size=200))
def test_a_canonical_address_is_canonical_plain_and_safe_to_show(text: str):
    once = canonical_url(f"https://a.example/{text}")
    assert once.isascii()
    assert once.isprintable()
    assert canonical_url(once) == once


def test_tickers_are_spelt_one_way_and_what_is_none_is_left_out():
    given_ = ["$aapl", "NASDAQ:AAPL", " brk/b ", "BTCUSD", "X:BTCUSD", "7203", "", None, 5, "TOOLONGNAME", "GME"]
    assert listed(given_) == ("AAPL", "BRK.B", "GME")


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (1773669600, TWO),
        (1773669600000, TWO),
        ("2026-03-16T10:00:00-04:00", TWO),
        ("Mon, 16 Mar 2026 10:00:00 EDT", TWO),
        ("Mon, 16 Mar 2026 14:00:00 -0000", TWO),
        ("2026-03-16T14:00:00", None),
        ("Mon, 16 Mar 2026 14:00:00", None),
        ("2026-03-16", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        (float("nan"), None),
        (1e30, None),
        (True, None),
        ([], None),
        ("soon", None),
    ],
)
def test_a_time_is_an_instant_only_with_a_zone(value: object, instant: datetime | None):
    assert instant_of(value) == instant
    naive = instant_of("2026-03-16T14:00:00", naive_is_utc=True)
    assert naive == TWO


@pytest.mark.parametrize("change", [{"base_url": "http://service.example"}, {"base_url": "ftp://x"}, {"pages": 0}])
def test_keys_do_not_travel_in_the_open(change: dict[str, object]):
    with pytest.raises(ValueError, match=r"https://|greater"):
        VendorSettings.model_validate({"base_url": "https://a.example", **change})


def test_feeds_have_names_of_their_own_and_real_zones():
    with pytest.raises(ValueError, match="no time zone"):
        FeedSettings(name="a", url="https://a.example/", time_zone="Mars/Olympus")
    with pytest.raises(ValueError, match="https://"):
        FeedSettings(name="a", url="http://a.example/")
