"""The implied move of a known event: what was put into the term structure comes out of it."""

from dataclasses import replace
from datetime import date, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.sessions import new_york
from feeds.simulated.feed import SimulatedFeed
from feeds.simulated.paths import report_move
from feeds.simulated.settings import SimulatedSettings
from graph.deps import priced_chain
from options.events import EventMove, NoEventMove, event_move, straddling, without_events
from options.settings import ChainSettings
from tests.options.made_chain import AS_OF, made_chain

WEEKLY = (4, 11, 18, 25, 32, 46, 74)
BASE = made_chain(dtes=WEEKLY)
REPORT = AS_OF + timedelta(days=14)  # between the expiries of 11 and 18 days


def chain_with(ambient, *events, base=BASE):
    """`ambient(tau)` total variance, and events (instant, variance)."""

    def loaded(piece):
        extra = sum(variance for at, variance in events if piece.expires_at > at)
        return replace(piece, atm_vol=float(np.sqrt((ambient(piece.tau) + extra) / piece.tau)))

    return replace(base, slices=tuple(loaded(piece) for piece in base.slices))


def exact(priced, at, **more):
    return event_move(priced, at, errors=[0.0] * len(priced.slices), **more)


@given(st.floats(0.1, 1.0), st.floats(-0.5, 0.5), st.floats(0.01, 0.2), st.sampled_from([1, 6, 9, 14, 20, 28, 40]))
@settings(max_examples=60)
def test_an_event_on_a_curve_whose_rate_changes_steadily_is_recovered_exactly(vol, bend, move, days):
    """Ambient rate linear in time: w(τ) = σ²·(τ + bend·τ²)."""
    at = AS_OF + timedelta(days=days, hours=4)
    found = exact(chain_with(lambda tau: vol**2 * (tau + bend * tau**2), (at, move**2)), at)
    assert isinstance(found, EventMove)
    assert found.move == pytest.approx(move, rel=1e-6)
    assert found.expected_absolute == pytest.approx(move * np.sqrt(2 / np.pi))
    assert found.ambient_vol == pytest.approx(vol, rel=0.15)
    assert found.error == 0


def test_what_was_used_is_named():
    found = exact(chain_with(lambda tau: 0.09 * tau, (REPORT, 0.0036)), REPORT)
    days = [piece.expiry for piece in BASE.slices]
    assert (found.before, found.after) == (days[1], days[2])
    assert found.ambient_from == (days[0], days[1], days[2], days[3])
    assert found.ambient_vol == pytest.approx(0.3)
    assert straddling(BASE, REPORT) == tuple(days[2:])


def test_before_the_first_expiry_the_rate_comes_from_after_the_event_and_is_not_extrapolated_far():
    at = AS_OF + timedelta(hours=5)
    calm = exact(chain_with(lambda tau: 0.09 * tau, (at, 0.0025)), at)
    assert (calm.before, calm.move) == (None, pytest.approx(0.05))
    wild = chain_with(lambda tau: 0.09 * tau + 0.8 * max(tau - 0.04, 0) ** 2, (at, 0.0025))
    assert exact(wild, at).ambient_vol > 0.3 / np.sqrt(2.1)


def test_the_error_is_that_of_the_fits_carried_through():
    priced = chain_with(lambda tau: 0.09 * tau, (REPORT, 0.0036))
    found = event_move(priced, REPORT, errors=[0.002] * len(WEEKLY))
    rng = np.random.default_rng(3)
    draws = []
    for _ in range(400):
        noisy = tuple(replace(s, atm_vol=s.atm_vol + 0.002 * rng.normal()) for s in priced.slices)
        draws.append(exact(replace(priced, slices=noisy), REPORT).move)
    assert found.error == pytest.approx(np.std(draws), rel=0.15)
    assert event_move(priced, REPORT, errors=[0.004] * len(WEEKLY)).error == pytest.approx(2 * found.error)


def test_a_slice_that_is_not_usable_or_has_no_volatility_is_passed_over():
    priced = chain_with(lambda tau: 0.09 * tau, (REPORT, 0.0036))
    wrong = tuple(replace(s, atm_vol=3.0) if i == 2 else s for i, s in enumerate(priced.slices))
    usable = [i != 2 for i in range(len(WEEKLY))]
    found = exact(replace(priced, slices=wrong), REPORT, usable=usable)
    assert (found.after, found.move) == (priced.slices[3].expiry, pytest.approx(0.06))
    blind = tuple(replace(s, atm_vol=float("nan")) if i == 2 else s for i, s in enumerate(priced.slices))
    assert exact(replace(priced, slices=blind), REPORT).after == priced.slices[3].expiry


@pytest.mark.parametrize(
    ("priced", "at", "code"),
    [
        (BASE, AS_OF - timedelta(days=1), "not_ahead"),
        (BASE, AS_OF + timedelta(days=200), "no_expiry_after"),
        (BASE, AS_OF + timedelta(days=60), "no_neighbour"),
        (made_chain(dtes=(18, 200)), AS_OF + timedelta(days=3), "no_neighbour"),
        (chain_with(lambda tau: 0.09 * tau, (REPORT, -0.001)), REPORT, "no_event_variance"),
        (chain_with(lambda tau: 0.02 / (1 + 30 * tau)), REPORT, "no_ambient"),
    ],
)
def test_what_the_term_structure_cannot_say_is_refused_with_a_code(priced, at, code):
    found = exact(priced, at)
    assert isinstance(found, NoEventMove)
    assert found.code == code
    assert all(np.isfinite(value) for value in found.numbers.values())


def test_without_the_event_the_ambient_volatility_is_left_and_two_events_add_up():
    second = AS_OF + timedelta(days=40)
    priced = chain_with(lambda tau: 0.09 * tau, (REPORT, 0.0036), (second, 0.0016))
    one = exact(priced, REPORT)
    two = replace(one, at=second, variance=0.0016)
    free = without_events(priced, [one, two])
    assert [piece.atm_vol for piece in free.slices] == pytest.approx([0.3] * len(WEEKLY))
    assert free.slices[0].atm_vol == priced.slices[0].atm_vol
    assert np.isnan(without_events(priced, [replace(one, variance=0.1)]).slices[2].atm_vol)


async def test_reports_planted_in_the_simulated_market_are_recovered():
    """Within 3 % of the planted move, and within four standard errors of it."""
    market = SimulatedSettings()
    feed, names = SimulatedFeed(market), {name.ticker: name for name in market.roster()}
    misses = []
    for day in (date(2025, 2, 7), date(2025, 4, 2)):
        as_of = new_york(day, time(12))
        picture = await feed.gather(as_of, tuple(t for t, name in names.items() if name.kind == "stock"))
        for event in picture.events:
            if event.kind != "earnings" or not timedelta(0) < event.at - as_of < timedelta(days=40):
                continue
            priced = priced_chain(picture, event.ticker, ChainSettings())
            found = event_move(priced, event.at)
            planted = report_move(names[event.ticker])
            assert isinstance(found, EventMove), (event.ticker, found)
            assert abs(found.move - planted) < 4 * found.error
            misses.append(abs(found.move / planted - 1))
    assert len(misses) > 8
    assert max(misses) < 0.03
