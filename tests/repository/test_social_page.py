"""docs/social.md is true: its worked example is what the code computes, and it names every key, feed and threshold."""

import re
from pathlib import Path

import pytest
import yaml

from app.newsroom import KEYS
from signals.settings import SignalSettings
from signals.social.camillo import camillo_score
from signals.social.context import UNKNOWN
from signals.social.settings import SocialSettings
from signals.social.velocity import Velocity

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "social.md").read_text(encoding="utf-8")
GME = Velocity(
    observed=310, expected=70.4, velocity=4.4, z_score=7.96, dispersion=10.9, tide=1.6, unit="posts in 24 hours"
)


@pytest.fixture(scope="module")
def social():
    content = yaml.safe_load((ROOT / "config" / "signals.yaml").read_text(encoding="utf-8"))
    return SignalSettings.model_validate(content).social


def test_the_worked_example_is_what_the_code_computes(social):
    def scored(confirmations, author_share):
        kept = min(author_share / social.doubt.min_author_share, 1.0)
        return camillo_score(GME, tone=0.32, context=UNKNOWN, confirmations=confirmations, kept=kept, settings=social)

    alone = scored(0, 1.0)
    assert f"/ ({social.spike.z_full:g} − {social.spike.z:g}) = {alone.strength:.2f}" in PAGE
    assert f"conviction {alone.conviction:.2f}**, half-life {alone.life.half_life_days:g} days" in PAGE
    wires, searches = scored(1, 1.0).conviction, scored(2, 1.0).conviction
    assert f"it would be {wires:.2f}, with searches as well {searches:.2f}" in PAGE
    assert f"one to {1 / social.doubt.min_author_share:g} is the least" in PAGE
    assert f"it would be {scored(0, 0.1).conviction:.2f}." in PAGE


def test_every_key_and_threshold_is_named_and_nothing_else():
    keys = {"DESK_REDDIT_CLIENT_ID", "DESK_REDDIT_CLIENT_SECRET"}
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE)) == keys | {
        name for names in KEYS.values() for name in names
    }
    said = PAGE[PAGE.index("All in `signals.yaml`") : PAGE.index("`z_full` was chosen")]
    named = set(re.findall(r"`([a-z_]+)`", said)) - {"social", "z_full"}
    counts = {"speaks_from", "sentiment_hours", "news_hours", "min_texts", "min_headlines", "shrink_texts"}
    assert named == set(SocialSettings.model_fields) - counts
