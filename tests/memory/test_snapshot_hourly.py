"""Series by the hour beside series by the day, and what a post tells of its author, survive being frozen."""

from datetime import timedelta

import numpy as np

from domain.market import Post, Series, hourly_mentions
from memory.snapshot_parts import from_parts, to_parts
from tests.support.analyst_cases import AS_OF, series, snapshot


def test_hours_and_days_come_back_as_they_went():
    hours = np.array(["2026-03-02T13", "2026-03-02T14"], dtype="datetime64[h]").astype("datetime64[s]")
    hourly = Series(
        hourly_mentions("XYZ"), "posts an hour", hours, hours + np.timedelta64(3600, "s"), np.array([3.0, 0.0])
    )
    post = Post(
        id="p1", source="reddit", channel="stocks", author="a", published_at=AS_OF - timedelta(hours=1), known_at=AS_OF,
        text="t", tickers=("XYZ",), thread="t1", author_age_days=12.5, context="meme",
    )  # fmt: skip
    frozen = snapshot(series=[series("mentions.XYZ", [1.0, 2.0]), hourly], posts=(post,))
    back = from_parts(to_parts(frozen)).market
    assert back.posts == (post,)
    for name, row in frozen.market.series.items():
        found = back.series[name]
        assert found.day.dtype == row.day.dtype
        assert np.array_equal(found.day, row.day)
        assert np.array_equal(found.value, row.value)
