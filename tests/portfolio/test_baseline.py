"""What a day's loss is measured from: the prior close and nothing later, whenever and however often the desk looked."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from domain.book import CashFlow
from portfolio.baseline import NlvMark, baseline, bounds

SECOND = timedelta(seconds=1)
FRIDAY_CLOSE = datetime(2026, 2, 27, 21, 0, tzinfo=UTC)
MONDAY_OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
MONDAY_NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


def measured_from(marks, *, as_of=MONDAY_NOON, flows=()):
    """Baseline over `marks` (instant, NLV) and `flows` (instant, amount)."""
    return baseline(
        [NlvMark(at=at, nlv=Decimal(nlv)) for at, nlv in marks],
        [CashFlow(at=at, amount=Decimal(amount), note="test") for at, amount in flows],
        starting_cash=Decimal(100_000),
        as_of=as_of,
    )


def test_the_last_mark_up_to_the_prior_close_counts_and_its_very_instant_does():
    marks = [(FRIDAY_CLOSE - SECOND, 1), (FRIDAY_CLOSE, 2), (FRIDAY_CLOSE - 2 * SECOND, 3)]
    found = measured_from(marks)
    assert (found.nlv, found.session) == (2, date(2026, 3, 2))
    assert found.source == "last NLV before this session (2026-02-27 21:00Z), adjusted for cash flows"


def test_what_was_marked_after_the_close_cannot_hide_an_overnight_loss():
    overnight = [(FRIDAY_CLOSE + SECOND, 96_000), (MONDAY_OPEN - SECOND, 95_000)]
    assert measured_from([(FRIDAY_CLOSE, 100_000), *overnight]).nlv == 100_000
    assert measured_from([(FRIDAY_CLOSE, 100_000), *overnight], as_of=MONDAY_OPEN - 2 * SECOND).nlv == 100_000


def test_without_a_mark_at_the_close_the_first_one_after_it_serves_and_says_so():
    found = measured_from([(MONDAY_OPEN - SECOND, 95_000), (FRIDAY_CLOSE + SECOND, 96_000)])
    assert found.nlv == 96_000
    assert "after the prior close" in found.source


@pytest.mark.parametrize("at", [MONDAY_OPEN, MONDAY_OPEN + SECOND, MONDAY_NOON, MONDAY_NOON + SECOND])
def test_a_mark_at_the_opening_or_later_is_no_baseline_of_its_own_session(at):
    found = measured_from([(at, 90_000)])
    assert (found.nlv, found.source) == (100_000, "opening NLV of the first session")


def test_a_mark_at_the_instant_looked_at_is_no_baseline_either():
    saturday = FRIDAY_CLOSE + timedelta(hours=20)
    assert measured_from([(saturday, 90_000)], as_of=saturday).source == "opening NLV of the first session"
    assert measured_from([(saturday - SECOND, 90_000)], as_of=saturday).nlv == 90_000


@pytest.mark.parametrize(
    ("as_of", "close"),
    [
        (datetime(2026, 3, 3, 17, tzinfo=UTC), datetime(2026, 3, 2, 21, tzinfo=UTC)),
        (datetime(2026, 3, 3, 1, tzinfo=UTC), datetime(2026, 2, 27, 21, tzinfo=UTC)),  # Monday evening in New York
        (datetime(2026, 3, 7, 17, tzinfo=UTC), datetime(2026, 3, 6, 21, tzinfo=UTC)),  # Saturday counts to Monday
        (datetime(2026, 3, 9, 17, tzinfo=UTC), datetime(2026, 3, 6, 21, tzinfo=UTC)),  # over the change of the clocks
        (datetime(2026, 11, 27, 17, tzinfo=UTC), datetime(2026, 11, 25, 21, tzinfo=UTC)),  # after Thanksgiving
        (datetime(2026, 11, 30, 17, tzinfo=UTC), datetime(2026, 11, 27, 18, tzinfo=UTC)),  # after a half-day: 13:00
    ],
)
def test_the_prior_close_is_that_of_the_last_session_half_days_and_holidays_included(as_of, close):
    assert bounds(as_of)[0] == close
    assert measured_from([(close, 7), (close + SECOND, 8)], as_of=as_of).nlv == 7


def test_deposits_since_the_mark_move_the_baseline_and_later_or_earlier_ones_do_not():
    flows = [
        (FRIDAY_CLOSE, 1), (FRIDAY_CLOSE + SECOND, 10), (MONDAY_NOON, 100), (MONDAY_NOON + SECOND, 1_000),
    ]  # fmt: skip
    assert measured_from([(FRIDAY_CLOSE, 50_000)], flows=flows).nlv == 50_110
    assert measured_from([], flows=flows).nlv == 100_111  # the first session ever: starting cash and all so far


def test_a_mark_of_an_older_session_serves_and_says_so():
    opened = datetime(2026, 2, 27, 14, 30, tzinfo=UTC)
    assert "before the prior session" not in measured_from([(opened, 5)]).source
    found = measured_from([(opened - SECOND, 5)])
    assert found.nlv == 5
    assert "before the prior session" in found.source
