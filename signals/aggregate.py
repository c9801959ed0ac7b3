"""All signals on one ticker become one view of it.

On each axis a source first sums its own live claims, conviction × decay × sign, and is squashed by tanh, so that a
talkative source cannot outvote the others; then the sources add up with weight × reliability over the axis' whole
configured weight, and tanh squashes the sum again:

    score = tanh( Σ_s w_s r_s tanh(Σ_i c_i d_i sign_i) / (W · saturation) )

Every step rises in every claim and nothing is divided by what happens to be present, so another bullish claim can
never lower the score, as it would in a mean that it dilutes. A silent source adds nothing to the sum, lowers
coverage and with it conviction; a neutral claim adds nothing to the sum but counts as an answer.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from domain.errors import DataError
from domain.record import canonical_json
from domain.signals import Axis, CompositeSignal, Contribution, Direction, Reliability, Signal, VolView
from signals.settings import AggregateSettings, SignalSettings

SECONDS_PER_DAY = 86_400.0

# Readings that exclude each other: the later one of a source replaces the earlier.
EXCLUSIVE: Mapping[str, str] = {
    "iv_rich": "iv_level",
    "iv_cheap": "iv_level",
    "skew_puts_rich": "skew",
    "skew_calls_rich": "skew",
    "term_backwardation": "term",
    "term_contango": "term",
    "dealer_long_gamma": "dealer_gamma",
    "dealer_short_gamma": "dealer_gamma",
}

EVENTS = frozenset({"mention_velocity"})
"""Readings of something that happened. That it does not happen again does not undo it: its edge decays by its own
half-life, beside a later neutral reading; a later burst, whatever its direction or the doubts about it, replaces it.
"""


def aggregate(
    ticker: str,
    signals: Iterable[Signal],
    *,
    as_of: datetime,
    settings: SignalSettings,
    reliability: Sequence[Reliability],
    expected_sources: Sequence[str],
) -> CompositeSignal:
    """The composite of `ticker` from the latest live signal per (source, edge type); signals on others are ignored.

    Conviction is the stronger axis' |score| × coverage. Contributions add up to the score of their axis (1e-12).
    Raises `DataError` for a signal stamped after `as_of`.
    """
    chosen = settings.aggregate
    live = live_signals((signal for signal in signals if signal.ticker == ticker), as_of)
    trust = {row.source: reliability_factor(row, prior=chosen.reliability_prior) for row in reliability}
    contributions: list[Contribution] = []
    scores: dict[Axis, float] = {}
    for axis in Axis:
        scores[axis], parts = _axis(axis, live, as_of, chosen, trust)
        contributions += parts
    coverage = _coverage(live, as_of, expected_sources, chosen.answer_hours)
    return CompositeSignal(
        ticker=ticker,
        as_of=as_of,
        price_score=scores[Axis.PRICE],
        vol_score=scores[Axis.VOLATILITY],
        conviction=max(abs(score) for score in scores.values()) * coverage,
        agreement=_agreement(contributions),
        coverage=coverage,
        contributions=tuple(sorted(contributions, key=lambda part: part.signal_id)),
    )


def aggregate_all(
    tickers: Iterable[str],
    signals: Sequence[Signal],
    *,
    as_of: datetime,
    settings: SignalSettings,
    reliability: Sequence[Reliability],
    expected_sources: Sequence[str],
) -> tuple[CompositeSignal, ...]:
    """One composite per ticker, ascending; a ticker nobody spoke of gets an empty one with conviction 0."""
    return tuple(
        aggregate(
            ticker,
            signals,
            as_of=as_of,
            settings=settings,
            reliability=reliability,
            expected_sources=expected_sources,
        )
        for ticker in sorted(set(tickers))
    )


def live_signals(signals: Iterable[Signal], as_of: datetime) -> tuple[Signal, ...]:
    """The latest signal per (source, edge type) that has not outlived its horizon, ordered by id. Edge types that
    exclude each other count as one, so that yesterday's `iv_rich` does not outlive today's `iv_cheap`; of `EVENTS` the
    latest that happened and a later neutral reading are both live.
    """
    latest: dict[tuple[str, str, bool], Signal] = {}
    for signal in signals:
        if signal.timestamp > as_of:
            raise DataError(
                f"Signal {signal.id} is stamped after the run's instant {as_of:%Y-%m-%dT%H:%M:%SZ}.",
                remedy="A run may only read what was known by then.",
            )
        key = (signal.source, EXCLUSIVE.get(signal.edge_type, signal.edge_type), _no_event(signal))
        held = latest.get(key)
        if held is None or _later(signal, held):
            latest[key] = signal
    happened = {
        (source, edge_type): signal.timestamp for (source, edge_type, quiet), signal in latest.items() if not quiet
    }
    alive = (
        signal
        for (source, edge_type, quiet), signal in latest.items()
        if _age_days(signal, as_of) <= _figure(signal, "horizon_days")
        and not (quiet and (source, edge_type) in happened and signal.timestamp <= happened[source, edge_type])
    )
    return tuple(sorted(alive, key=lambda signal: signal.id))


def _no_event(signal: Signal) -> bool:
    return signal.edge_type in EVENTS and signal.direction is Direction.NEUTRAL


def reliability_factor(row: Reliability, *, prior: float) -> float:
    """2 × hit rate in [0, 2], shrunk towards 1 as if `prior` further decisions had hit by half."""
    return 2.0 * (row.hits + 0.5 * prior) / (row.closed + prior)


def vol_view(composite: CompositeSignal, settings: SignalSettings) -> VolView:
    """Long volatility when it is cheap, short when rich, by arithmetic from `vol_score` alone."""
    if composite.vol_score >= settings.aggregate.vol_view:
        return "long"
    return "short" if composite.vol_score <= -settings.aggregate.vol_view else "none"


def conflict(composite: CompositeSignal) -> float:
    """Opposed over dominant price evidence, in [0, 1]: 0 unopposed, ⅓ at three to one, 1 evenly split."""
    values = [part.value for part in composite.contributions if part.axis is Axis.PRICE]
    up = math.fsum(value for value in values if value > 0)
    down = math.fsum(-value for value in values if value < 0)
    return min(up, down) / max(up, down) if max(up, down) > 0 else 0.0


def _axis(
    axis: Axis, live: Sequence[Signal], as_of: datetime, settings: AggregateSettings, trust: Mapping[str, float]
) -> tuple[float, list[Contribution]]:
    weights = settings.weights[axis]
    scale = math.fsum(weights.values()) * settings.saturation
    speaking = [signal for signal in live if signal.axis is axis]
    decays = {signal.id: 2.0 ** (-_age_days(signal, as_of) / _figure(signal, "half_life_days")) for signal in speaking}
    claims = {signal.id: signal.conviction * decays[signal.id] * signal.direction.sign for signal in speaking}
    sources = sorted({signal.source for signal in speaking})
    sums = {source: math.fsum(claims[s.id] for s in speaking if s.source == source) for source in sources}
    pulls = {source: weights[source] * trust.get(source, 1.0) / scale for source in sources}
    evidence = math.fsum(pulls[source] * math.tanh(sums[source]) for source in sources)
    squash = _tanh_ratio(evidence)
    parts = [
        Contribution(
            signal_id=signal.id,
            source=signal.source,
            edge_type=signal.edge_type,
            axis=axis,
            weight=pulls[signal.source],
            decay=decays[signal.id],
            value=squash * pulls[signal.source] * _tanh_ratio(sums[signal.source]) * claims[signal.id],
        )
        for signal in speaking
    ]
    return math.tanh(evidence), parts


def _tanh_ratio(x: float) -> float:
    """tanh(x)/x, 1 at 0: shares a squashed sum among its terms."""
    return math.tanh(x) / x if x else 1.0


def _coverage(live: Sequence[Signal], as_of: datetime, expected: Sequence[str], answer_hours: float) -> float:
    """Share of the expected sources that answered in this run; an older claim still counts as evidence, but not as
    an answer.
    """
    answered = {signal.source for signal in live if _age_days(signal, as_of) * 24.0 <= answer_hours}
    wanted = set(expected)
    return len(answered & wanted) / len(wanted) if wanted else 0.0


def _agreement(contributions: Sequence[Contribution]) -> float:
    """Net over gross evidence, summed over both axes: 1 when nothing is opposed, 0 when evenly split or empty."""
    gross = math.fsum(abs(part.value) for part in contributions)
    if not gross > 0:
        return 0.0
    net = math.fsum(abs(math.fsum(part.value for part in contributions if part.axis is axis)) for axis in Axis)
    return min(net / gross, 1.0)


def _later(signal: Signal, held: Signal) -> bool:
    """Whether `signal` replaces `held`; two of one instant are told apart by content, never by arrival."""
    mine, theirs = (signal.timestamp, signal.id), (held.timestamp, held.id)
    return mine > theirs or (mine == theirs and canonical_json(signal) > canonical_json(held))


def _age_days(signal: Signal, as_of: datetime) -> float:
    return (as_of - signal.timestamp).total_seconds() / SECONDS_PER_DAY


def _figure(signal: Signal, name: str) -> float:
    value = signal.metadata[name]
    return float(value) if isinstance(value, int | float) else math.nan  # the record guarantees a positive number
