"""`desk news`, its place in the live picture, and what the doctor says: over a local server, as a person types it."""

import io
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from rich.console import Console

from app.cli import app
from app.cli.outcome import guarded
from app.clock import FixedClock, WallClock
from app.newsroom import KEYS
from app.screens.news import show_fetch
from app.settings import Environment
from app.wiring import configuration, market_feed
from tests.support.market_server import Reply, cboe_document, market_server
from tests.support.news_server import KEY, SECRET, Article, Fault, NewsServer, news_server, news_yaml

LIVE = datetime(2026, 3, 16, 15, 15, tzinfo=UTC)  # Monday 11:15 New York


@pytest.fixture
def server():
    with news_server() as news:
        yield news


@pytest.fixture
def at_home(server: NewsServer, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "news.yaml").write_text(yaml.safe_dump(news_yaml(server.base_url)))
    for variable in (name for names in KEYS.values() for name in names):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DESK_CONFIG", str(own))
    monkeypatch.setenv("FINNHUB_API_KEY", KEY)
    monkeypatch.setenv("BENZINGA_API_KEY", "a-wrong-key")
    return own


def desk(capsys, *words: str) -> tuple[int, str, str]:
    code = guarded(app, list(words))
    out, err = capsys.readouterr()
    return code, out, err


def ago(**step: float) -> datetime:
    return WallClock().now() - timedelta(**step)


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_fetch_says_how_each_service_fared_and_what_to_do(server, at_home, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    server.articles = [Article(1, "Apple raises its full-year guidance", ago(hours=2))]
    server.faults["rss"] = [Fault(status=500)] * 2
    code, out, _ = desk(capsys, "news", "fetch", "aapl", "NVDA")
    told = " ".join(out.split())
    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= columns
    assert "AAPL 1 NVDA 0" in told
    assert "the key was refused, or its plan has no news (HTTP 401)" in told
    assert "rss-local HTTP 500" in told
    assert "newsapi: NEWSAPI_API_KEY not set" in told
    assert "APCA_API_KEY_ID and APCA_API_SECRET_KEY not set" in told
    assert "a-wrong-key" not in out
    code, out, _ = desk(capsys, "news", "fetch", "AAPL")
    assert "resting" in out
    assert "cached" in out
    before = len(server.requests)
    desk(capsys, "news", "fetch", "AAPL", "--anew")
    assert len(server.requests) == before + 3


def test_fetch_without_tickers_asks_for_the_live_watchlist(server, at_home, capsys):
    (at_home / "desk.yaml").write_text("watchlist: {cboe: [GME, SPY]}\n")
    code, out, _ = desk(capsys, "news", "fetch", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["headlines"] == {"GME": 0, "SPY": 0}
    assert [(row["provider"], row["state"]) for row in found["providers"]] == [
        ("benzinga", "denied"),
        ("finnhub", "ok"),
        ("rss-local", "ok"),
    ]


def test_show_lists_what_was_known_then_with_its_mood_and_as_text_only(server, at_home, capsys):
    server.articles = [
        Article(1, "Apple raises its full-year guidance [bold red]NOW[/]", ago(hours=2), source="[blink]X[/]"),
        Article(2, "Apple supplier warns of weak demand", ago(hours=20)),
    ]
    desk(capsys, "news", "fetch", "AAPL")
    code, out, _ = desk(capsys, "news", "show", "AAPL")
    assert code == 0
    assert "2 headlines of the 72 hours before" in out
    assert "[bold red]NOW[/]" in " ".join(out.split())
    assert "[blink]X[/]" in out
    code, out, _ = desk(capsys, "news", "show", "AAPL", "--json")
    new, old = json.loads(out)["headlines"]
    assert new["sentiment"] > 0 > old["sentiment"]
    assert (new["url"], new["tickers"]) == ("https://news.example/1", ["AAPL"])
    code, out, _ = desk(capsys, "news", "show", "AAPL", "--at", ago(hours=10).isoformat(), "--json")
    assert [row["text"] for row in json.loads(out)["headlines"]] == ["Apple supplier warns of weak demand"]


def test_show_asks_nobody_and_says_who_would(server, at_home, capsys):
    code, out, _ = desk(capsys, "news", "show", "ZZZ")
    assert code == 0
    assert "'desk news fetch ZZZ' asks the configured services." in out
    assert server.requests == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "not a ticker"), "is no ticker"),
        (("fetch", "AAPL", "12345678"), "'12345678' is no ticker"),
        (("show", "AAPL", "--at", "2999-01-01T00:00:00Z"), "lies in the future"),
    ],
)
def test_bad_input_is_said_in_one_sentence(at_home, capsys, words, says):
    code, _, err = desk(capsys, "news", *words)
    assert code == 2
    assert says in err


def test_without_any_service_the_remedy_names_a_key_and_the_feeds(at_home, capsys, monkeypatch):
    monkeypatch.delenv("FINNHUB_API_KEY")
    monkeypatch.delenv("BENZINGA_API_KEY")
    (at_home / "news.yaml").unlink()
    code, _, err = desk(capsys, "news", "fetch", "AAPL")
    assert code == 2
    assert "FINNHUB_API_KEY" in err
    assert "news.yaml" in err


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("feeds: [{name: a, url: 'http://a.example/rss'}]", "https://"),
        ("finnhub: {base_urls: x}", "unknown key 'finnhub.base_urls'"),
        ("alpaca: {base_url: 'http://data.alpaca.markets'}", "https://"),
    ],
)
def test_a_mistake_in_the_settings_names_file_and_key(at_home, capsys, wrong, says):
    (at_home / "news.yaml").write_text(wrong)
    code, _, err = desk(capsys, "news", "fetch", "AAPL")
    assert code == 2
    assert "news.yaml" in err
    assert says in err


async def test_the_live_picture_holds_the_headlines_known_at_its_instant(server, at_home, tmp_path):
    server.articles = [
        Article(1, "Apple raises its full-year guidance", LIVE - timedelta(hours=1)),
        Article(2, "Apple a minute later", LIVE + timedelta(minutes=1)),
    ]
    with market_server() as cboe:
        cboe.script("/AAPL.json", Reply(cboe_document("AAPL", LIVE - timedelta(seconds=30))))
        (at_home / "feeds.yaml").write_text(f"cboe: {{base_url: '{cboe.base_url}/'}}\n")
        async with AsyncExitStack() as closing:
            feed = market_feed(configuration(Environment()), "cboe", FixedClock(LIVE), closing)
            data = await feed.gather(LIVE, ["AAPL"])
    assert [(h.text, h.id) for h in data.headlines] == [("Apple raises its full-year guidance", "finnhub:1")]
    assert data.headlines[0].sentiment is not None
    assert list(data.chains) == ["AAPL"]
    assert ("news_denied", "benzinga") in [(note.code, note.subject) for note in data.notes]
    assert "headlines" in data.provenance


async def test_every_service_with_a_key_is_wired(server, at_home, capsys, monkeypatch):
    for name, value in (("APCA_API_KEY_ID", KEY), ("APCA_API_SECRET_KEY", SECRET), ("NEWSAPI_API_KEY", KEY)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GNEWS_API_KEY", KEY)
    monkeypatch.setenv("BENZINGA_API_KEY", KEY)
    async with AsyncExitStack() as closing:
        from app.newsroom import news_wire

        wire = news_wire(Environment(), WallClock(), closing)
        reports = await wire.refresh(["AAPL"])
    assert {report.provider: report.state for report in reports} == dict.fromkeys(
        ("alpaca", "benzinga", "finnhub", "gnews", "newsapi", "rss-local"), "ok"
    )
    switched = yaml.safe_load((at_home / "news.yaml").read_text())
    switched["gnews"]["enabled"] = False
    (at_home / "news.yaml").write_text(yaml.safe_dump(switched))
    async with AsyncExitStack() as closing:
        assert "gnews" not in news_wire(Environment(), WallClock(), closing).providers


async def test_a_sentiment_model_that_cannot_be_loaded_costs_the_headlines_and_nothing_else(server, at_home, tmp_path):
    """Never another reader in silence: its scores would compare with no other run's."""
    server.articles = [Article(1, "Apple raises its full-year guidance", LIVE - timedelta(hours=1))]
    (at_home / "sentiment.yaml").write_text(f"model: finbert-onnx\nfolder: {tmp_path / 'absent'}\n")
    with market_server() as cboe:
        cboe.script("/AAPL.json", Reply(cboe_document("AAPL", LIVE - timedelta(seconds=30))))
        (at_home / "feeds.yaml").write_text(f"cboe: {{base_url: '{cboe.base_url}/'}}\n")
        async with AsyncExitStack() as closing:
            feed = market_feed(configuration(Environment()), "cboe", FixedClock(LIVE), closing)
            data = await feed.gather(LIVE, ["AAPL"])
    (note,) = [note for note in data.notes if note.code == "no_news"]
    assert "There is no model folder" in note.detail
    assert data.headlines == ()
    assert "no_history" not in {note.code for note in data.notes}
    assert list(data.chains) == ["AAPL"]


def test_what_was_cut_short_and_who_could_not_be_asked_have_a_remedy():
    report = {
        "questions": 0, "received": 0, "new": 0, "dropped": 0, "detail": "", "resting_until": None, "cut_short": False,
    }  # fmt: skip
    providers = [
        {**report, "provider": "gnews", "state": "nothing_to_ask"},
        {
            **report,
            "provider": "alpaca",
            "state": "ok",
            "questions": 10,
            "received": 500,
            "new": 500,
            "cut_short": True,
        },
    ]
    console = Console(file=io.StringIO(), width=80)
    show_fetch(console, {"providers": providers, "off": {}, "lookback_hours": 72.0, "headlines": {"AAPL": 500}})
    shown = " ".join(console.file.getvalue().split())
    assert "gnews none of the tickers has a name in tickers.yaml" in shown
    assert "alpaca there was more than the allowed pages: raise `pages` in news.yaml if this stays" in shown
