"""Two logs compared: every difference is found and placed, and only the last bits are forgiven."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.comparison import SHOWN, TOLERANCE, differences, verdict
from domain.audit import AuditEntry
from domain.record import canonical_json

NODES = ["collect", "flow", "aggregate", "stage"]
NUMBERS = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def entry(output, *, node="flow", ticker="SPY", kind="reading", author="rule", **inputs):
    return AuditEntry(
        run_id="r",
        node=node,
        ticker=ticker,
        kind=kind,
        author=author,
        inputs=inputs,
        output=output,
        versions={"code": "1"},
    )


def compared(then, now):
    return differences([entry(then)], [entry(now)], NODES)


@given(PLAIN)
def test_equal_values_have_no_difference(value):
    assert compared(value, value) == ()


@given(PLAIN, PLAIN)
def test_values_whose_texts_differ_have_one(then, now):
    assert bool(compared(then, now)) == (canonical_json(then) != canonical_json(now))


@given(st.floats(1e-3, 1e12), st.floats(-1e-6, 1e-6))
def test_the_relative_difference_decides_at_the_tolerance(value, nudge):
    moved = value * (1.0 + nudge)
    relative = abs(value - moved) / max(value, moved, 1e-3)
    expected = "identical" if value == moved else "within_tolerance" if relative <= TOLERANCE else "differs"
    assert verdict(compared({"x": value}, {"x": moved})) == expected


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        (0.0, 1e-13, "within_tolerance"),  # noise around zero
        (0.0, 1e-11, "differs"),
        (1, 1.0, "within_tolerance"),
        (True, 1, "differs"),
        ("1.20", "1.21", "differs"),  # money is decided to the cent
        (None, 0.0, "differs"),
        ([1.0], [1.0, 2.0], "differs"),
        ({"a": 1}, {"b": 1}, "differs"),
        (5, 6, "differs"),
    ],
)
def test_only_the_last_bits_of_numbers_are_forgiven(then, now, expected):
    assert verdict(compared({"x": then}, {"x": now})) == expected


def test_a_hash_may_move_only_where_a_figure_moved():
    nudged = math.nextafter(0.3, 1)
    then, now = entry(0.3, debate="aa"), entry(nudged, debate="bb")
    assert verdict(differences([then], [now], NODES)) == "within_tolerance"
    assert verdict(differences([entry(0.3, debate="aa")], [entry(0.3, debate="bb")], NODES)) == "differs"


def test_differences_come_in_the_order_of_the_graph_outermost_first():
    then = [
        entry({"z": 1, "a": {"b": 1}}, ticker="B"),
        entry(1, node="aggregate"),
        entry(1, node="review"),
        entry(1, ticker="A"),
    ]
    now = [
        entry(2, node="aggregate"),
        entry(2, ticker="A"),
        entry({"z": 2, "a": {"b": 2}}, ticker="B"),
        entry(9, node="stage"),
    ]
    found = differences(then, now, NODES)
    assert [(d.node, d.ticker, d.path) for d in found] == [
        ("flow", "A", "output"),
        ("flow", "B", "output.z"),
        ("flow", "B", "output.a.b"),
        ("aggregate", "SPY", "output"),
        ("stage", "SPY", ""),
    ]
    assert (found[-1].recorded, found[-1].replayed) == ("(absent)", "logged")


def test_long_values_are_cut_and_author_and_versions_are_no_difference():
    (found,) = compared("a" * 500, "b")
    assert len(found.recorded) == SHOWN + 1
    other = entry(1).model_copy(update={"author": "model", "versions": {"code": "2"}})
    assert differences([entry(1)], [other], NODES) == ()
