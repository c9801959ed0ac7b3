from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.history import Refusal
from signals.volatility import (
    forward_vols,
    half_life,
    iv_history,
    iv_percentile,
    iv_rank,
    premium_in_its_past,
    variance_premium,
    vix_term,
)

SPAN = {"min_days": 5, "window_days": 252}
vols = st.lists(st.floats(0.01, 3.0), min_size=5, max_size=300).map(np.array)


def history_of(market, ticker, current, settings):
    return iv_history(market, ticker, current, settings.history, vix_proxies=settings.vol.vix_proxies)


@given(vols, st.floats(0.01, 3.0))
def test_rank_and_percentile_stay_in_bounds_and_rise_with_the_current_value(history, current):
    rank, share = iv_rank(history, current, **SPAN), iv_percentile(history, current, **SPAN)
    assert isinstance(rank, Refusal) or 0 <= rank <= 1
    assert 0 <= share <= 1
    higher = iv_rank(history, current + 0.1, **SPAN)
    assert isinstance(rank, Refusal) or higher >= rank - 1e-12
    assert iv_percentile(history, current + 0.1, **SPAN) >= share


def test_percentile_counts_days_strictly_below():
    assert iv_percentile(np.array([0.1, 0.2, 0.2, 0.3, 0.4]), 0.2, **SPAN) == 0.2


def test_rank_by_hand_and_at_a_new_extreme():
    history = np.array([0.10, 0.20, 0.15, 0.12, 0.18])
    assert iv_rank(history, 0.19, **SPAN) == pytest.approx(0.9)
    assert iv_rank(history, 0.50, **SPAN) == 1.0
    assert iv_rank(history, 0.05, **SPAN) == 0.0


def test_only_the_window_counts():
    history = np.concatenate([[9.0], np.linspace(0.1, 0.2, 252)])
    assert iv_rank(history, 0.2, **SPAN) == 1.0


def test_short_and_flat_histories_are_refused_with_numbers():
    short = iv_rank(np.array([0.1, 0.2]), 0.15, **SPAN)
    assert (short.code, short.numbers) == ("short_history", {"days": 2.0, "days_needed": 5.0})
    assert iv_percentile(np.array([0.1]), 0.1, **SPAN).code == "short_history"
    assert iv_rank(np.full(10, 0.2), 0.2, **SPAN).code == "flat_history"
    with pytest.raises(ValueError, match="finite"):
        iv_rank(np.array([0.1, np.nan, 0.2, 0.2, 0.2]), 0.15, **SPAN)


def test_own_history_comes_first_and_leaves_out_today(settings, make_market, make_series):
    own = make_series("iv30.SPY", np.linspace(0.1, 0.2, 200), last=date(2019, 6, 20))
    vix = make_series("VIX", np.linspace(10, 20, 200))
    found = history_of(make_market(as_of=_evening(), series=[own, vix]), "SPY", 0.19, settings)
    assert (found.source, found.proxy, found.current) == ("iv30.SPY", False, 0.19)
    assert len(found.value) == 199
    assert found.day[-1] == np.datetime64("2019-06-19")


def test_vix_stands_in_for_spy_labelled_and_compared_with_itself(settings, make_market, make_series):
    vix = make_series("VIX", [*np.linspace(10, 20, 199), 30.0])
    market = make_market(series=[vix, make_series("iv30.SPY", [0.1] * 20)])
    found = history_of(market, "SPY", 0.12, settings)
    assert (found.source, found.proxy, found.current) == ("VIX", True, 0.30)
    assert len(found.value) == 199


def test_no_proxy_for_a_single_name_or_for_qqq(settings, make_market, make_series):
    market = make_market(series=[make_series("VIX", np.linspace(10, 20, 200))])
    for ticker in ("AAPL", "QQQ"):
        assert history_of(market, ticker, 0.2, settings).code == "no_history"


def test_a_history_too_short_before_today_stale_or_absurd_is_refused(settings, make_market, make_series):
    days = settings.history.min_days
    edge = make_series("iv30.AAPL", [0.2] * (days + 1), last=date(2019, 6, 20))
    assert not isinstance(history_of(make_market(as_of=_evening(), series=[edge]), "AAPL", 0.2, settings), Refusal)
    future = make_series("iv30.AAPL", [0.2] * (days + 1), last=date(2019, 6, 21))
    assert history_of(make_market(as_of=_evening(), series=[future]), "AAPL", 0.2, settings).code == "short_history"
    old = make_series("iv30.AAPL", [0.2] * 200, last=date(2019, 6, 13))
    assert history_of(make_market(series=[old]), "AAPL", 0.2, settings).code == "stale_history"
    bad = make_series("iv30.AAPL", [0.2] * 199 + [0.0])
    assert history_of(make_market(series=[bad]), "AAPL", 0.2, settings).code == "absurd_history"
    assert history_of(make_market(), "SPY", 0.2, settings).code == "no_history"


def test_variance_premium_is_a_series_on_the_days_both_know():
    iv_day = np.array(["2019-06-03", "2019-06-04", "2019-06-05"], dtype="datetime64[D]")
    rv_day = np.array(["2019-06-04", "2019-06-05", "2019-06-06"], dtype="datetime64[D]")
    day, premium = variance_premium(iv_day, np.array([0.3, 0.2, 0.2]), rv_day, np.array([np.nan, 0.1, 0.1]))
    assert day.tolist() == [date(2019, 6, 5)]
    assert premium.tolist() == [pytest.approx(0.03)]


def test_vix_term_refuses_what_it_cannot_read(make_market, make_series):
    ages = {"max_gap_days": 10, "max_age_days": 5}
    vix, vix3m = make_series("VIX", [10.0]), make_series("VIX3M", [12.5])
    assert vix_term(make_market(series=[vix, vix3m]), **ages) == 0.8
    assert vix_term(make_market(series=[vix]), **ages).code == "no_history"
    apart = make_series("VIX3M", [12.5], last=date(2019, 6, 18))
    assert vix_term(make_market(series=[vix, apart]), **ages).code == "stale_history"
    assert vix_term(make_market(series=[vix, make_series("VIX3M", [0.0])]), **ages).code == "absurd_value"


@given(st.floats(0.80, 0.95), st.integers(0, 50))
def test_the_half_life_of_a_series_that_reverts_is_near_its_own(phi, seed):
    rng = np.random.default_rng(seed)
    series = np.zeros(6_000)
    for at in range(1, len(series)):
        series[at] = phi * series[at - 1] + rng.normal()
    assert half_life(series) == pytest.approx(np.log(2) / -np.log(phi), rel=0.35)


def test_a_random_walk_a_trend_and_a_constant_have_no_half_life():
    rng = np.random.default_rng(11)
    walks = [half_life(np.cumsum(rng.normal(size=252))) for _ in range(200)]
    assert sum(value is not None for value in walks) <= 30  # one in ten is what the test's level allows
    assert half_life(np.linspace(0, 1, 100)) is None
    assert half_life(np.full(100, 0.02)) is None
    assert half_life(np.tile([1.0, -1.0], 50)) is None, "it overshoots: phi is negative"


def test_the_premium_is_placed_in_its_own_past_by_hand():
    past = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    found = premium_in_its_past(past, 0.045, **SPAN)
    assert (found.percentile, found.days, found.half_life_sessions) == (0.8, 5, None)
    assert found.z_score == pytest.approx((0.045 - 0.03) / np.std(past, ddof=1))
    assert premium_in_its_past(past[:3], 0.045, **SPAN).code == "short_history"
    assert premium_in_its_past(np.full(9, 0.02), 0.045, **SPAN).code == "flat_history"


def test_forward_volatility_between_maturities_is_what_variance_gains():
    found = forward_vols([(30, 0.2), (60, 0.25), (90, 0.1)])
    assert found[30, 60] == pytest.approx(np.sqrt((0.0625 * 60 - 0.04 * 30) / 30))
    assert found[60, 90] is None, "total variance falls"


def _evening():
    from datetime import UTC, datetime

    return datetime(2019, 6, 20, tzinfo=UTC) + timedelta(hours=22)
