"""`desk doctor` on the sources of text: keys by name only, half a pair is a slip, the model has to read a sentence."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import yaml

from app.clock import FixedClock
from app.crowd import trends_source
from app.services.sources import text_sources
from app.settings import Environment
from feeds.sentiment.settings import SentimentSettings
from feeds.trends.cache import Pause, TrendsCache
from tests.support.finbert import VOCABULARY, WEIGHTS, handmade

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
LEXICON = SentimentSettings()


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def told(home, own, settings=LEXICON, **keys):
    environment = Environment(desk_home=home, desk_config=own, **keys)
    found = text_sources(environment, settings, FixedClock(NOW))
    assert not [finding for finding in found if "hush" in finding.model_dump_json()]
    assert all(finding.remedy for finding in found if finding.status != "ok")
    return {finding.name: finding for finding in found}


def test_without_a_key_each_source_names_what_is_not_set(desk_home, own):
    found = told(desk_home, own)
    assert {finding.status for finding in found.values()} == {"ok"}
    assert "DESK_REDDIT_CLIENT_ID, DESK_REDDIT_CLIENT_SECRET not set" in found["reddit"].detail
    assert "reddit.com/prefs/apps" in found["reddit"].detail
    assert found["alpaca"].detail == "APCA_API_KEY_ID, APCA_API_SECRET_KEY not set: not asked"
    assert found["gnews"].detail == "GNEWS_API_KEY not set: not asked"
    assert "no trends.terms" in found["trends"].detail
    assert "no feeds" in found["rss"].detail
    assert found["sentiment"].detail.startswith("optiondesk-lexicon-2 reads good news as +")


def test_what_is_set_is_said_by_name_and_half_a_pair_is_a_slip(desk_home, own):
    (own / "news.yaml").write_text(
        yaml.safe_dump({"feeds": [{"name": "fed", "url": "https://x.example"}], "gnews": {"enabled": False}})
    )
    half = told(desk_home, own, desk_reddit_client_id="hush", apca_api_secret_key="hush", finnhub_api_key="hush")
    assert (half["reddit"].status, half["reddit"].remedy) == ("warn", "Set DESK_REDDIT_CLIENT_SECRET too.")
    assert (half["alpaca"].status, half["alpaca"].remedy) == ("warn", "Set APCA_API_KEY_ID too.")
    assert half["finnhub"].detail == "FINNHUB_API_KEY set"
    assert half["gnews"].detail == "switched off in news.yaml"
    assert half["rss"].detail == "needs no key; fed"
    both = told(desk_home, own, desk_reddit_client_id="hush", desk_reddit_client_secret="hush")
    assert both["reddit"].detail.startswith("keys set; r/wallstreetbets, r/stocks")


def test_a_pause_that_google_asked_for_is_told_until_it_is_over(desk_home, own):
    (own / "social_feeds.yaml").write_text("trends: {terms: {GME: [gamestop]}}\n")
    cache = TrendsCache(desk_home / "cache" / "trends")
    cache.set_pause(Pause(until=NOW + timedelta(minutes=20), strikes=1))
    paused = told(desk_home, own)["trends"]
    assert paused.status == "warn"
    assert "not asked before 2026-11-20 14:55 UTC" in paused.detail
    cache.set_pause(Pause(until=NOW, strikes=1))
    assert told(desk_home, own)["trends"].detail == "needs no key; terms of GME"
    assert trends_source(Environment(desk_home=desk_home, desk_config=own), FixedClock(NOW)).pause is None


@pytest.mark.parametrize("name", ["social_feeds", "news"])
def test_a_misspelt_setting_is_a_finding_and_the_rest_is_examined(desk_home, own, name):
    (own / f"{name}.yaml").write_text("redddit: {}\n")
    found = told(desk_home, own)
    assert found[f"{name}.yaml"].status == "fail"
    assert "redddit" in found[f"{name}.yaml"].detail
    assert found["sentiment"].status == "ok"


def test_a_model_folder_that_is_absent_empty_or_holds_no_trained_model_fails(desk_home, own, tmp_path):
    def found(folder, model="finbert-onnx"):
        return told(desk_home, own, SentimentSettings(model=model, folder=folder))["sentiment"]

    assert "There is no model folder" in found(tmp_path / "absent").detail
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no config.json" in found(empty).detail
    assert {found(tmp_path / "absent").status, found(empty).status} == {"fail"}
    assert found(empty).remedy
    weights = np.zeros_like(WEIGHTS)
    weights[VOCABULARY.index("profit")] = (2.0, 0.0, 0.0)
    sound = found(handmade(tmp_path / "sound", weights))
    assert (sound.status, sound.detail[:13], sound.detail[-5:]) == ("ok", "finbert-onnx:", "+0.68")
    wrong = found(handmade(tmp_path / "wrong", -weights))
    assert (wrong.status, wrong.detail[-5:]) == ("fail", "-0.40")
