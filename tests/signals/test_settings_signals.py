import pytest
from pydantic import ValidationError

from domain.signals import EDGE_AXIS, Direction
from signals.claim import claim, lean, ramp
from signals.settings import SignalSettings


def broken(settings, path, value):
    plain = settings.model_dump(mode="json")
    *parents, last = path.split(".")
    inner = plain
    for name in parents:
        inner = inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return plain


def test_the_shipped_file_covers_every_edge(settings):
    assert set(settings.edges) == set(EDGE_AXIS)
    assert (settings.vol.rank_low, settings.vol.rank_high) == (0.15, 0.85)
    assert (settings.social.spike.velocity, settings.social.strong_sentiment) == (3.0, 0.3)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("vol.rank_hihg", 0.9, "rank_hihg"),
        ("vol.rank_low", 0.9, "rank_low < rank_high"),
        ("edges.trend", None, "missing \\['trend'\\]"),
        ("edges.trnd", {"horizon_days": 1, "half_life_days": 1}, "unknown \\['trnd'\\]"),
        ("edges.trend.half_life_days", 0, "half_life_days"),
        ("flow.pin_risk", 0.9, "must lie below"),
        ("technical.score_weights.trend", 0.9, "add up to 1"),
        ("technical.score_weights.trend", None, "exactly trend"),
        ("social.spike.z_full", 1.0, "z < z_full"),
        ("aggregate.expected_sources", ["flow", "oracle"], "must be among"),
        ("aggregate.weights.price.flow", None, "one weight for each"),
        ("rank.top_n", 0, "top_n"),
    ],
)
def test_a_misspelt_missing_or_contradictory_setting_names_itself(settings, path, value, message):
    with pytest.raises(ValidationError, match=message):
        SignalSettings.model_validate(broken(settings, path, value))


def test_conviction_ramp_is_zero_short_of_the_start_and_full_beyond():
    assert ramp(0.84, start=0.85, full=1.0) == 0.0
    assert ramp(0.85, start=0.85, full=1.0) == pytest.approx(0.3)
    assert ramp(2.00, start=0.85, full=1.0) == 1.0
    assert ramp(0.0, start=0.15, full=0.0) == 1.0
    assert ramp(0.16, start=0.15, full=0.0) == 0.0


def test_a_neutral_claim_has_no_conviction_and_carries_its_life(settings):
    from datetime import UTC, datetime

    found = claim(
        "flow",
        "SPY",
        "pin",
        lean(0.1, speaks_from=0.2),
        0.9,
        as_of=datetime(2026, 2, 12, tzinfo=UTC),
        evidence=["chain:SPY"],
        figures={"distance_decimal": 0.01},
        settings=settings,
    )
    assert (found.direction, found.conviction) == (Direction.NEUTRAL, 0.0)
    assert found.metadata["half_life_days"] == settings.edges["pin"].half_life_days
    assert found.metadata["evidence"] == ("chain:SPY",)
    assert [lean(value) for value in (0.0, 1.0, -1.0)] == [Direction.NEUTRAL, Direction.BULLISH, Direction.BEARISH]
