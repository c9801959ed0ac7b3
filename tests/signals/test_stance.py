"""What the selector is told of a ticker's volatility; unknown figures stay unknown."""

import numpy as np
import pytest

from domain.signals import Direction, Signal
from signals.stance import NoStance, Stance, read_stance
from tests.options.made_chain import made_chain
from tests.support.analyst_cases import AS_OF, bars, signal_settings, snapshot

SETTINGS = signal_settings()
CLOSES = 100 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, 80)))


def said(edge, direction, **figures):
    metadata = {"horizon_days": 30.0, "half_life_days": 10.0, "evidence": (), **figures}
    return Signal(
        source="vol_surface", ticker="XYZ", direction=direction, conviction=0.5, edge_type=edge, timestamp=AS_OF,
        metadata=metadata,
    )  # fmt: skip


def stance(*signals, priced=None, history=CLOSES):
    market = snapshot(bars=(bars("XYZ", history),) if history is not None else ()).market
    return read_stance(signals, market, priced or made_chain(), SETTINGS)


def test_the_forecast_is_no_copy_of_the_implied_volatility():
    found = stance()
    assert isinstance(found, Stance)
    assert found.atm_iv == pytest.approx(0.20, abs=0.005)
    assert found.forecast_vol != pytest.approx(found.atm_iv, abs=1e-3)
    assert found.iv_premium == pytest.approx(found.atm_iv - found.forecast_vol)


def test_a_measure_nobody_published_is_unknown_not_neutral():
    found = stance()
    assert (found.iv_rank, found.term, found.skew) == (None, None, None)


def test_figures_come_from_the_analysts_own_signals():
    found = stance(
        said("iv_rich", Direction.NEUTRAL, iv_rank=0.7), said("term_backwardation", Direction.BEARISH),
        said("skew_puts_rich", Direction.BEARISH),
    )  # fmt: skip
    assert (found.iv_rank, found.term, found.skew) == (0.7, "backwardation", "puts_rich")


def test_a_neutral_reading_is_flat_and_normal():
    found = stance(said("term_contango", Direction.NEUTRAL), said("skew_calls_rich", Direction.NEUTRAL))
    assert (found.term, found.skew) == ("flat", "normal")


def test_another_tickers_or_analysts_signals_do_not_count():
    other = said("iv_rich", Direction.BEARISH, iv_rank=0.9).model_copy(update={"ticker": "ABC"})
    assert stance(other).iv_rank is None


def test_rising_term_structure_makes_the_forward_dearer_than_the_front():
    assert (
        stance(priced=made_chain(term=0.3)).front_over_forward
        < 1
        < stance(priced=made_chain(term=-0.3)).front_over_forward
    )
    assert stance(priced=made_chain(dtes=(32,))).front_over_forward is None


@pytest.mark.parametrize("history", [None, CLOSES[:20]])
def test_without_enough_bars_there_is_no_forecast_and_no_guess(history):
    found = stance(history=history)
    assert isinstance(found, NoStance)
    assert found.code == "no_forecast_vol"


def test_without_an_expiry_near_thirty_days_there_is_no_stance():
    found = stance(priced=made_chain(dtes=(200,)))
    assert isinstance(found, NoStance)
    assert found.code == "no_atm"
