"""What the desk holds against new risk by itself: on the edge of each limit, and for as long as each cause lasts."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.book import Baseline, Book, Position, SharePosition
from domain.risk import HardLimits, Restraint, TradingState
from risk.state import CAUSES, OwnSwitch, desired_state, moves, restraints, session_begun
from tests.support.orders import LONG, NOON, empty_desk

MONDAY = date(2026, 3, 2)
LIMIT_S = 60.0


def desk(*, nlv="100000", baseline="100000", age=0.0, held=False, shares=False, breaks=(), mark=1.0):
    """An account at `NOON`; `held` holds an option, `shares` shares, without a usable quote where `mark` is None."""
    option = Position(
        order_id="o-1", ticker="SPY", strategy="long_put", leg=LONG, quantity=1, average_price=Decimal(1), mark=mark,
        mark_source="mid",
    )  # fmt: skip
    stock = SharePosition(ticker="IBM", quantity=100, average_price=Decimal(1), mark=mark, mark_source="close")
    book = Book(
        as_of=NOON, cash=Decimal(0), positions=(option,) if held else (), shares=(stock,) if shares else (),
        nlv=None if nlv is None else Decimal(nlv), nlv_as_of=None if age is None else NOON - timedelta(seconds=age),
        realised=Decimal(0), fees=Decimal(0),
    )  # fmt: skip
    opened = Baseline(session=MONDAY, nlv=Decimal(baseline), source="test")
    return empty_desk().model_copy(update={"book": book, "baseline": opened, "breaks": tuple(breaks)})


def found(context, **limits):
    return restraints(context, as_of=NOON, hard=HardLimits(**limits), max_nlv_age_s=LIMIT_S)


def test_an_account_in_good_order_restrains_nothing():
    assert found(desk()) == ()
    assert desired_state(found(desk())) is None


@pytest.mark.parametrize(
    ("nlv", "limit", "reached"),
    [("97000.01", 0.03, False), ("97000", 0.03, True), ("96999.99", 0.03, True), ("99000.01", 0.01, False),
     ("99000", 0.01, True), ("130000", 0.03, False)],
)  # fmt: skip
def test_the_daily_loss_is_reached_at_its_limit_and_not_a_cent_before(nlv, limit, reached):
    (said,) = found(desk(nlv=nlv), daily_loss=limit) or (None,)
    assert (said is not None) == reached
    if said is not None:
        assert (said.cause, said.limit) == ("daily_loss", limit)
        assert said.measured == pytest.approx(1 - float(nlv) / 100_000, rel=1e-12)


def test_the_daily_loss_says_what_was_lost_of_what():
    (said,) = found(desk(nlv="96000"))
    assert said == Restraint(
        cause="daily_loss", measured=0.04, limit=0.03,
        detail="daily loss: 4.00% of the baseline (100,000.00 USD) is lost, NLV is 96,000.00 USD; the limit is 3.00%",
    )  # fmt: skip


@pytest.mark.parametrize("baseline", ["0", "-5"])
def test_a_loss_that_cannot_be_measured_counts_as_reached(baseline):
    (said,) = found(desk(baseline=baseline))
    assert (said.cause, said.measured, said.limit) == ("daily_loss", None, 0.03)
    assert said.detail == f"daily loss: it cannot be measured from a baseline of {float(baseline):,.2f} USD"


@pytest.mark.parametrize(("age", "stale"), [(0.0, False), (60.0, False), (60.001, True), (-0.001, True)])
@pytest.mark.parametrize("what", [{"held": True}, {"shares": True}])
def test_a_value_older_than_its_limit_or_from_the_future_is_stale(age, stale, what):
    said = found(desk(age=age, **what))
    assert [each.cause for each in said] == (["stale_data"] if stale else [])
    if stale:
        assert (said[0].measured, said[0].limit) == (pytest.approx(age, abs=1e-9), 60.0)
        assert said[0].detail == f"stale data: NLV is {age:.0f} s old; the limit is 60 s"


@pytest.mark.parametrize("unknown", [{"nlv": None}, {"age": None}])
def test_what_is_held_without_a_quote_is_named_and_cash_alone_is_never_stale(unknown):
    assert found(desk(**unknown)) == ()
    (said,) = found(desk(held=True, shares=True, mark=None, **unknown))
    assert (said.cause, said.measured, said.limit) == ("stale_data", None, 60.0)
    assert said.detail == "stale data: NLV is unknown, no usable quote in IBM, SPY"


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (("order a is filled with 1 of 2 units filled",), "order a is filled with 1 of 2 units filled"),
        (("x", "y", "z"), "x, and 2 more"),
    ],
)
def test_a_ledger_that_contradicts_itself_restrains(breaks, words):
    (said,) = found(desk(breaks=breaks))
    assert (said.cause, said.measured, said.limit) == ("reconciliation", float(len(breaks)), 0.0)
    assert said.detail == f"reconciliation: {words}"


def test_several_causes_make_one_state_with_every_reason():
    said = found(desk(nlv="90000", held=True, age=61.0, breaks=("x",)))
    assert [each.cause for each in said] == list(CAUSES)
    state, reason = desired_state(said)
    assert state is TradingState.REDUCING
    assert reason == "; ".join(each.detail for each in said)


OPEN = datetime(2026, 3, 3, 14, 30, tzinfo=UTC)  # Tuesday
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (OPEN - SECOND, date(2026, 3, 2)),
        (OPEN, date(2026, 3, 3)),
        (OPEN + timedelta(hours=12), date(2026, 3, 3)),
        (datetime(2026, 3, 7, 18, tzinfo=UTC), date(2026, 3, 6)),  # Saturday
        (datetime(2026, 11, 26, 18, tzinfo=UTC), date(2026, 11, 25)),  # Thanksgiving
        (datetime(2026, 11, 27, 19, tzinfo=UTC), date(2026, 11, 27)),  # an hour after the half-day's close
    ],
)
def test_a_session_lasts_from_its_opening_to_the_next_ones(at, day):
    assert session_begun(at) == day


def restraint(cause):
    return Restraint(cause=cause, measured=0.04, limit=0.03, detail=f"{cause} now")


def standing(*, reducing=True, by_person=False, session=MONDAY):
    return OwnSwitch(reducing=reducing, by_person=by_person, session=session)


def moved(causes, stands, at=NOON):
    changes = moves([restraint(cause) for cause in causes], stands, as_of=at)
    return [(change.cause, change.setting.value, change.reason) for change in changes]


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_is_set_once_and_said_anew_in_the_next_session(cause):
    assert moved([cause], {}) == [(cause, "reducing", f"{cause} now")]
    assert moved([cause], {cause: standing()}) == []
    assert moved([cause], {cause: standing()}, OPEN - SECOND) == []
    assert moved([cause], {cause: standing()}, OPEN) == [(cause, "reducing", f"{cause} now")]
    assert moved([cause], {cause: standing(reducing=False)}) == [(cause, "reducing", f"{cause} now")]


def test_a_loss_that_was_earned_back_still_holds_until_the_next_opening():
    stands = {"daily_loss": standing()}
    assert moved([], stands) == []
    assert moved([], stands, OPEN - SECOND) == []
    assert moved([], stands, OPEN) == [("daily_loss", "active", "daily loss: session 2026-03-03 has a new baseline")]


@pytest.mark.parametrize("cause", ["stale_data", "reconciliation"])
def test_other_causes_end_as_soon_as_they_are_gone(cause):
    words = cause.replace("_", " ")
    assert moved([], {cause: standing()}) == [(cause, "active", f"{words}: no longer found")]
    assert moved([], {cause: standing(reducing=False)}) == []
    assert moved([], {}) == []


@pytest.mark.parametrize("cause", CAUSES)
def test_a_persons_word_on_a_cause_stands_for_that_session_only(cause):
    lifted = {cause: standing(reducing=False, by_person=True)}
    assert moved([cause], lifted) == []
    assert moved([cause], lifted, OPEN - SECOND) == []
    assert moved([cause], lifted, OPEN) == [(cause, "reducing", f"{cause} now")]
    assert moved([], lifted) == []


@given(
    st.lists(st.sampled_from(CAUSES), unique=True),
    st.dictionaries(
        st.sampled_from(CAUSES),
        st.builds(
            OwnSwitch,
            reducing=st.booleans(),
            by_person=st.booleans(),
            session=st.sampled_from([MONDAY, date(2026, 2, 27)]),
        ),
    ),
)
def test_to_look_twice_moves_nothing_and_a_found_cause_is_never_lifted(causes, stands):
    changes = moves([restraint(cause) for cause in causes], stands, as_of=NOON)
    assert not [change for change in changes if change.cause in causes and change.setting is TradingState.ACTIVE]
    after = dict(stands)
    for change in changes:
        after[change.cause] = standing(reducing=change.setting is TradingState.REDUCING)
    assert moves([restraint(cause) for cause in causes], after, as_of=NOON) == ()
