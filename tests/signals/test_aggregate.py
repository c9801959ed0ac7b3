from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from domain.errors import DataError
from domain.signals import EDGE_AXIS, SOURCES, Axis, CompositeSignal, Direction, Reliability, Signal
from signals.aggregate import aggregate, aggregate_all, conflict, live_signals, reliability_factor, vol_view
from signals.rank import rank

AS_OF = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
PRICE_EDGES = sorted(name for name, axis in EDGE_AXIS.items() if axis is Axis.PRICE)


def signal(
    source="technical", edge="trend", direction="bullish", conviction=0.5, *, age_days=0.0, ticker="SPY", **life
):
    return Signal(
        source=source,
        ticker=ticker,
        direction=direction,
        conviction=conviction,
        edge_type=edge,
        timestamp=AS_OF - timedelta(days=age_days),
        metadata={"horizon_days": 20.0, "half_life_days": 5.0, "evidence": ("bars:SPY",), **life},
    )


signals_of_any_kind = st.lists(
    st.builds(
        signal,
        source=st.sampled_from(SOURCES),
        edge=st.sampled_from(sorted(EDGE_AXIS)),
        direction=st.sampled_from(list(Direction)),
        conviction=st.floats(0, 1),
        age_days=st.floats(0, 40),
        half_life_days=st.floats(1e-6, 1e6),
        horizon_days=st.floats(0.1, 100),
    ),
    max_size=9,
)
records = st.lists(
    st.integers(0, 200).flatmap(
        lambda closed: st.builds(
            Reliability, source=st.sampled_from(SOURCES), closed=st.just(closed), hits=st.integers(0, closed)
        )
    ),
    max_size=4,
    unique_by=lambda row: row.source,
)


@pytest.fixture(scope="module")
def compose(settings):
    def build(signals, *, reliability=(), expected=SOURCES) -> CompositeSignal:
        return aggregate(
            "SPY", signals, as_of=AS_OF, settings=settings, reliability=reliability, expected_sources=expected
        )

    return build


@effort(max_examples=60)
@given(signals_of_any_kind, records)
def test_bounds_hold_and_contributions_add_up_under_any_input(compose, signals, reliability):
    found = compose(signals, reliability=reliability)  # the record itself refuses anything out of bounds
    for axis, score in ((Axis.PRICE, found.price_score), (Axis.VOLATILITY, found.vol_score)):
        assert sum(part.value for part in found.contributions if part.axis is axis) == pytest.approx(score, abs=1e-12)
    assert found.conviction <= found.coverage
    assert 0 <= conflict(found) <= 1


@effort(max_examples=60)
@given(signals_of_any_kind.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))), records)
def test_order_of_arrival_changes_nothing(compose, both, reliability):
    signals, shuffled = both
    assert compose(shuffled, reliability=reliability) == compose(signals, reliability=reliability)


@effort(max_examples=60)
@given(signals_of_any_kind, records, st.sampled_from(SOURCES), st.sampled_from(PRICE_EDGES), st.floats(0, 1))
def test_one_more_bullish_signal_never_lowers_the_price_score(compose, signals, reliability, source, edge, conviction):
    before = [item for item in signals if (item.source, item.edge_type) != (source, edge)]
    after = [*before, signal(source, edge, "bullish", conviction)]
    lower, higher = (compose(items, reliability=reliability).price_score for items in (before, after))
    assert higher >= lower - 1e-15
    mirrored = compose([*before, signal(source, edge, "bearish", conviction)], reliability=reliability).price_score
    assert mirrored <= lower + 1e-15


def test_a_weak_bullish_signal_does_not_dilute_strong_ones(compose):
    strong = [signal("technical", "trend", "bullish", 1.0), signal("flow", "unusual_calls", "bullish", 1.0)]
    assert (
        compose([*strong, signal("social", "crowd_sentiment", "bullish", 0.01)]).price_score
        > compose(strong).price_score
    )


def test_no_signals_no_conviction(compose):
    empty = compose([])
    assert (empty.conviction, empty.coverage, empty.agreement, empty.price_score) == (0, 0, 0, 0)
    assert compose([signal(ticker="QQQ")]) == empty


def test_a_missing_analyst_lowers_coverage_and_conviction_and_is_not_a_neutral_one(compose):
    speaking = [signal("technical"), signal("flow", "unusual_calls")]
    neutral = [signal("social", "crowd_sentiment", "neutral", 0.0), signal("vol_surface", "iv_rich", "neutral", 0.0)]
    missing, complete = compose(speaking), compose([*speaking, *neutral])
    assert missing.price_score == complete.price_score
    assert (missing.coverage, complete.coverage) == (0.5, 1.0)
    assert missing.conviction == pytest.approx(complete.conviction / 2)
    assert compose(speaking, expected=()).conviction == 0


def test_yesterdays_claim_is_evidence_but_not_todays_answer(compose):
    found = compose([signal(age_days=1.0)])
    assert found.price_score > 0
    assert found.coverage == 0


def test_decay_halves_and_the_horizon_ends_a_claim(compose):
    fresh, aged = compose([signal()]).contributions[0], compose([signal(age_days=5.0)]).contributions[0]
    assert (fresh.decay, aged.decay) == (1.0, 0.5)
    assert compose([signal(age_days=20.0)]).contributions
    assert not compose([signal(age_days=20.001)]).contributions


def test_latest_per_source_and_edge_counts_and_opposites_replace_each_other(compose):
    old, new = signal(age_days=2.0, conviction=0.9), signal(direction="bearish")
    assert live_signals([new, old], AS_OF) == (new,)
    rich = signal("vol_surface", "iv_rich", "bearish", 0.9, age_days=1.0)
    cheap = signal("vol_surface", "iv_cheap", "bullish", 0.4)
    assert live_signals([cheap, rich], AS_OF) == (cheap,)
    assert compose([rich, cheap]).vol_score > 0


def test_a_signal_from_the_future_is_a_breach_not_an_input(compose):
    with pytest.raises(DataError, match="stamped after the run's instant"):
        compose([signal(age_days=-0.001)])


def test_a_talkative_source_does_not_outvote_two_quiet_ones(compose):
    chorus = [signal("technical", edge, "bullish", 1.0) for edge in PRICE_EDGES]
    others = [signal("flow", "unusual_puts", "bearish", 1.0), signal("social", "crowd_sentiment", "bearish", 1.0)]
    assert compose([*chorus, *others]).price_score < 0


def test_reliability_is_shrunk_towards_one(compose):
    assert reliability_factor(Reliability(source="flow", closed=0, hits=0), prior=20) == 1.0
    assert reliability_factor(Reliability(source="flow", closed=3, hits=3), prior=20) == pytest.approx(26 / 23)
    assert reliability_factor(Reliability(source="flow", closed=2_000, hits=2_000), prior=20) == pytest.approx(
        2, abs=0.02
    )
    trusted = compose([signal()], reliability=[Reliability(source="technical", closed=100, hits=80)])
    assert trusted.price_score > compose([signal()]).price_score


def test_conflict_is_a_third_at_three_to_one_and_one_when_even(compose):
    three = [signal("technical", edge) for edge in ("trend", "momentum", "breakout")]
    against = signal("technical", "mean_reversion", "bearish")
    assert conflict(compose([*three, against])) == pytest.approx(1 / 3)
    assert conflict(compose([three[0], against])) == pytest.approx(1.0)
    assert conflict(compose(three)) == 0
    assert conflict(compose([])) == 0
    assert compose([three[0], against]).agreement == pytest.approx(0)


def test_vol_view_speaks_at_the_threshold_and_on_the_right_side(settings, compose):
    base = compose([])
    limit = settings.aggregate.vol_view
    views = [
        vol_view(base.model_copy(update={"vol_score": score}), settings)
        for score in (limit, limit - 1e-9, 0.0, -limit + 1e-9, -limit)
    ]
    assert views == ["long", "none", "none", "none", "short"]


def test_rank_orders_by_conviction_breaks_ties_by_name_and_says_why(settings):
    sources = [
        ("technical", "trend"),
        ("flow", "unusual_calls"),
        ("social", "crowd_sentiment"),
        ("vol_surface", "iv_rich"),
    ]
    strength = {"B": 0.8, "A": 0.8, "C": 0.9, "D": 0.6, "E": 0.0}
    signals = [
        signal(source, edge, "bullish", value, ticker=ticker)
        for ticker, value in strength.items()
        for source, edge in sources
    ]
    composites = aggregate_all(
        ["E", "D", "C", "B", "A"], signals, as_of=AS_OF, settings=settings, reliability=(), expected_sources=SOURCES
    )
    assert [row.ticker for row in composites] == ["A", "B", "C", "D", "E"]
    three = settings.model_copy(update={"rank": settings.rank.model_copy(update={"top_n": 3})})
    ranked = rank(reversed(composites), three)
    assert [row.ticker for row in ranked] == ["C", "A", "B", "D", "E"]
    assert [row.rank for row in ranked] == [1, 2, 3, 4, 5]
    assert [row.debated for row in ranked] == [True, True, True, False, False]
    assert "only the best 3" in ranked[3].reason
    assert "no edge" in ranked[4].reason


def test_what_happened_at_an_instant_stands_alone_there(compose):
    burst, quiet = (signal("social", "mention_velocity", *said) for said in (("bearish", 0.3), ("neutral", 0.5)))
    assert compose([burst, quiet]) == compose([quiet, burst]) == compose([burst])


def test_a_burst_decays_beside_a_later_quiet_hour_and_ends_with_a_later_burst(compose):
    burst = signal("social", "mention_velocity", "bullish", 0.9, age_days=2.0, half_life_days=2.0)
    quiet = signal("social", "mention_velocity", "neutral", 0.0)
    faded = compose([burst, quiet])
    assert faded.price_score == compose([burst]).price_score > 0
    assert {part.signal_id for part in faded.contributions} == {burst.id, quiet.id}
    before = signal("social", "mention_velocity", "neutral", 0.0, age_days=3.0)
    assert {part.signal_id for part in compose([before, burst]).contributions} == {burst.id}
    doubted = signal("social", "mention_velocity", "bullish", 0.1, age_days=1.0, half_life_days=2.0)
    assert compose([burst, doubted, quiet]).price_score == compose([doubted]).price_score
    assert compose([signal("social", "crowd_sentiment", "bullish", 0.9, age_days=2.0),
                    signal("social", "crowd_sentiment", "neutral", 0.0)]).price_score == 0  # fmt: skip
