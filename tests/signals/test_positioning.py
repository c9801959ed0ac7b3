from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from domain.market import Chain
from signals.history import Refusal
from signals.positioning import plausible, put_call, put_call_history, standing, unusual

AS_OF = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
RULE = {"volume_to_oi": 2.0, "min_contracts": 500, "min_expiry_days": 3}


def chain(rows):
    """Rows of (is call, days to expiry, volume, open interest)."""
    count = len(rows)
    calls, days, volume, interest = (np.array(column) for column in zip(*rows, strict=True))
    hole = np.full(count, np.nan)
    expires = np.datetime64(AS_OF.replace(tzinfo=None), "s") + days.astype("timedelta64[D]")
    return Chain(
        ticker="SPY",
        as_of=AS_OF,
        spot=600.0,
        spot_source="quoted",
        symbol=np.array([f"row{n}" for n in range(count)]),
        root=np.array(["SPY"] * count),
        is_call=calls.astype(bool),
        strike=np.linspace(580, 620, count),
        expiry=expires.astype("datetime64[D]"),
        expires_at=expires,
        am_settled=np.zeros(count, dtype=bool),
        european=np.zeros(count, dtype=bool),
        standard=np.ones(count, dtype=bool),
        multiplier=np.full(count, 100.0),
        bid=hole,
        ask=hole,
        last=hole,
        volume=volume.astype(float),
        open_interest=interest.astype(float),
        bid_size=hole,
        ask_size=hole,
        vendor_iv=hole,
    )


def test_totals_and_ratios_leave_unknown_rows_out():
    found = put_call(chain([(True, 30, 100, 1_000), (True, 30, np.nan, 500), (False, 30, 150, np.nan)]))
    assert found.volume_ratio == 1.5
    assert found.oi_ratio == 0.0
    empty = put_call(chain([(False, 30, 5, 5)]))
    assert empty.volume_ratio is None
    assert empty.oi_ratio is None


@pytest.mark.parametrize(
    ("volume", "interest", "hit"),
    [(1_001, 500, True), (1_000, 500, False), (499, 10, False), (500, 0, True), (5_000, np.nan, False)],
)
def test_unusual_needs_more_than_twice_open_interest_and_a_floor(volume, interest, hit):
    found = unusual(chain([(True, 30, volume, interest), (False, 30, 10, 100)]), calls=True, **RULE)
    assert (len(found.rows) == 1) is hit
    assert found.contracts == (volume if hit else 0)


def test_same_day_options_trade_above_open_interest_every_day_and_do_not_count():
    assert not len(unusual(chain([(True, 0, 90_000, 100), (True, 40, 10, 100)]), calls=True, **RULE).rows)


def test_rows_come_largest_first_and_share_is_of_both_rights():
    found = unusual(chain([(True, 30, 600, 10), (True, 30, 900, 10), (False, 30, 1_500, 10_000)]), calls=True, **RULE)
    assert found.rows.tolist() == [1, 0]
    assert found.share == 0.5
    assert found.top_ratio == 90.0


def test_adjusted_contracts_are_left_out():
    base = chain([(True, 30, 9_000, 10), (True, 30, 10, 10)])
    assert not len(unusual(replace(base, standard=np.array([False, True])), calls=True, **RULE).rows)


def test_without_volume_or_open_interest_it_refuses():
    assert unusual(chain([(True, 30, np.nan, 5)]), calls=True, **RULE).code == "no_volume"
    assert unusual(chain([(True, 30, 5_000, np.nan)]), calls=True, **RULE).code == "no_open_interest"


def test_an_absurd_ratio_is_refused_when_last_and_dropped_when_earlier(make_series):
    earlier = plausible(make_series("PCR_ETP", [1.0, 11.0, 1.2]), ratio_max=8.0)
    assert earlier.value.tolist() == [1.0, 1.2]
    last = plausible(make_series("PCR_ETP", [1.0, 1.2, 11.0]), ratio_max=8.0)
    assert (last.code, last.numbers["ratio"]) == ("absurd_value", 11.0)


def test_a_tickers_own_ratio_joins_days_and_skips_those_without_calls(make_series):
    puts, calls = make_series("volume.put.A", [3.0, 4.0, 5.0]), make_series("volume.call.A", [0.0, 2.0, 5.0])
    assert put_call_history(puts, calls, ratio_max=8.0).value.tolist() == [2.0, 1.0]
    none = put_call_history(puts, make_series("volume.call.A", [0.0]), ratio_max=8.0)
    assert isinstance(none, Refusal)


def test_a_size_stands_among_the_days_before_today_only(make_series):
    as_of = datetime(2019, 6, 20, 18, tzinfo=UTC)
    days = make_series("volume.call.A", [*np.arange(1.0, 201.0), 9_999.0], last=as_of.date())
    found = standing(150.5, days, as_of, min_days=126, window_days=200)
    assert (found.percentile, found.over_median) == (0.75, 150.5 / 100.5)
    assert standing(1.0, days, as_of, min_days=201, window_days=300).code == "short_history"
    idle = make_series("volume.call.A", np.zeros(200))
    assert standing(1.0, idle, as_of, min_days=126, window_days=200).code == "flat_history"
