"""The riskless curve from published yields."""

from datetime import UTC, datetime

import numpy as np
import pytest

from domain.errors import DataError
from domain.market import Series
from options.rates import rate_curve


def yields(name, *rows):
    """Rows are (day, percent, known at)."""
    day, value, known = zip(*rows, strict=True)
    return Series(
        name,
        "percent a year",
        np.array(day, dtype="datetime64[D]"),
        np.array(known, dtype="datetime64[s]"),
        np.array(value, dtype=float),
    )


def test_bond_equivalent_yield_becomes_continuous_and_curve_is_linear_then_flat():
    curve = rate_curve(
        {
            "DGS1MO": yields("DGS1MO", ("2026-02-19", 3.70, "2026-02-20T14:00")),
            "DGS1": yields("DGS1", ("2026-02-19", 3.50, "2026-02-20T14:00")),
        }
    )
    assert curve.rate(1.0) == pytest.approx(2 * np.log(1 + 0.035 / 2), rel=1e-14)
    middle = (1 / 12 + 1) / 2
    assert curve.rate(middle) == pytest.approx(np.mean(curve.rates), rel=1e-14)
    assert curve.rate([0.001, 30.0]).tolist() == curve.rates[[0, -1]].tolist()
    assert curve.discount(2.0) == pytest.approx((1 + 0.035 / 2) ** -4, rel=1e-14)


def test_the_latest_row_counts_unless_it_was_not_yet_known():
    rows = [("2026-02-18", 3.6, "2026-02-19T14:00"), ("2026-02-19", 9.9, "2026-02-20T14:00")]
    series = {"DGS1": yields("DGS1", *rows)}
    assert rate_curve(series).rate(1) == pytest.approx(2 * np.log(1 + 0.099 / 2))
    before = rate_curve(series, as_of=datetime(2026, 2, 20, 13, 59, tzinfo=UTC))
    assert before.rate(1) == pytest.approx(2 * np.log(1 + 0.036 / 2))


def test_a_tenor_left_behind_or_a_stale_curve_is_not_todays_curve():
    old, new = ("2024-12-31", 4.0, "2025-01-02T14:00"), ("2026-02-19", 3.5, "2026-02-20T14:00")
    curve = rate_curve({"DGS3MO": yields("DGS3MO", old), "DGS1": yields("DGS1", new)})
    assert curve.years.tolist() == [1.0]
    assert rate_curve({"DGS3MO": yields("DGS3MO", old)}, as_of=datetime(2025, 11, 3, tzinfo=UTC)) is None


def test_no_yields_is_no_curve_and_an_absurd_one_is_an_error():
    assert rate_curve({}) is None
    assert (
        rate_curve(
            {"DGS1": yields("DGS1", ("2026-02-19", 3.5, "2026-02-20T14:00")).known_by(datetime(2026, 1, 1, tzinfo=UTC))}
        )
        is None
    )
    with pytest.raises(DataError, match=r"DGS1 of 2026-02-19 is 350\.0 percent"):
        rate_curve({"DGS1": yields("DGS1", ("2026-02-19", 350.0, "2026-02-20T14:00"))})
