"""The move that options expect from a known event, read off the at-the-money term structure.

An event at an instant tₑ adds its own variance V to the total variance of every expiry after it:
w(τ) = a(τ) + V·1{τ > tₑ} with a the ambient, diffusive part (Patell & Wolfson 1979; Dubinsky, Johannes, Kaeck & Seeger
2019, "Option pricing of earnings announcement risks"). Between the last expiry before the event and the first after it

    V = w(after) − w(before) − ambient rate · (τ_after − τ_before)

where the ambient rate (variance a year) is carried over from the intervals on either side, in which nothing is known to
happen: on the line through their midpoints. Each is measured over a week at least, so that weekends weigh alike. With
no expiry before the event the line runs through the next two intervals after it, kept within a factor of two of the
nearer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from domain.units import DAYS_PER_YEAR, SECONDS_PER_YEAR, Floats
from options.priced import ExpirySlice, PricedChain

WEEK = 7.0 / DAYS_PER_YEAR
FIRST_DAY = 1.0 / DAYS_PER_YEAR  # an expiry closer than this says too little about a rate
REACH = 75.0 / DAYS_PER_YEAR  # ambient variance is not carried back from further away: the next event may lie between
BEND = 2.0  # largest factor by which a rate is extrapolated
LEAST_MOVE = 0.001  # a smaller one is rounding, not an event
NEAR_MONEY = 1.5  # standard deviations
HALF_NORMAL = float(np.sqrt(2.0 / np.pi))


@dataclass(frozen=True, slots=True)
class EventMove:
    """What the market expects of the event. Moves are decimals of the underlying's log price."""

    at: datetime
    before: date | None  # last expiry before the event; None: there is none
    after: date  # first expiry after it, the one that carries the figure
    ambient_from: tuple[date, ...]  # expiries that the ambient rate was read off
    variance: float  # of the event alone, not annual
    move: float  # one standard deviation, √variance
    expected_absolute: float  # mean of the absolute move: move · √(2/π)
    ambient_vol: float  # decimal a year, around the event without it
    error: float  # standard error of `move`, from the errors of the slices' fits


@dataclass(frozen=True, slots=True)
class NoEventMove:
    """Why no move can be read off: not_ahead, no_expiry_after, no_neighbour, no_ambient, no_event_variance."""

    code: str
    detail: str
    numbers: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """At-the-money total variances `w` with errors, ascending in `tau` (years), each shape `(n,)`."""

    tau: Floats
    w: Floats
    error: Floats
    expiry: tuple[date, ...]


def straddling(priced: PricedChain, at: datetime) -> tuple[date, ...]:
    """Expiry dates whose contracts live through the instant `at`, ascending, each once."""
    return tuple(sorted({piece.expiry for piece in priced.slices if piece.expires_at > at}))


def atm_error(priced: PricedChain, piece: ExpirySlice) -> float:
    """Standard error (decimal) of a slice's at-the-money volatility: root mean square miss of the smile at the good
    out-of-the-money mids within 1.5 standard deviations of the forward; NaN without any.
    """
    rows = piece.rows[priced.good[piece.rows]]
    near = rows[np.abs(priced.k[rows]) < NEAR_MONEY * piece.atm_vol * np.sqrt(piece.tau)]
    near = near[(priced.chain.is_call[near] == (priced.k[near] >= 0)) & np.isfinite(priced.iv[near])]
    if piece.smile is None or len(near) == 0:
        return float("nan")
    return float(np.sqrt(np.mean((piece.smile.vol(priced.k[near]) - priced.iv[near]) ** 2)))


def event_move(
    priced: PricedChain,
    at: datetime,
    *,
    errors: Sequence[float] | None = None,
    usable: Sequence[bool] | None = None,
) -> EventMove | NoEventMove:
    """Implied move of the event at the instant `at` from the chain's at-the-money volatilities.

    `errors` are standard errors of each slice's at-the-money volatility (decimal, one per `priced.slices`; default
    `atm_error`); `usable` marks slices whose fit may be believed (default: all with a volatility). Refuses an event
    that is past, one without an expiry after it, one without a further expiry to tell the ambient volatility from, and
    a variance that is nothing or less: the options then see no event.
    """
    when = (at - priced.chain.as_of).total_seconds() / SECONDS_PER_YEAR
    if when < 0:
        return NoEventMove("not_ahead", f"the event of {at:%Y-%m-%d} is past", {"days": when * DAYS_PER_YEAR})
    known = [atm_error(priced, piece) for piece in priced.slices] if errors is None else errors
    term = _term(priced, known, usable)
    later = np.flatnonzero(term.tau > when)
    earlier = np.flatnonzero((term.tau <= when) & (term.tau >= FIRST_DAY))
    if len(later) == 0:
        return NoEventMove(
            "no_expiry_after", f"no fitted expiry lies after the event of {at:%Y-%m-%d}", {"expiries": len(term.tau)}
        )
    after, before = int(later[0]), int(earlier[-1]) if len(earlier) else None
    found = _ambient(term, before, after)
    if isinstance(found, NoEventMove):
        return found
    rate, used = found
    span = np.zeros(len(term.tau))
    span[after] = 1.0
    start = 0.0
    if before is not None:
        span[before], start = -1.0, float(term.tau[before])
    weights = span - rate * (term.tau[after] - start)
    ambient, variance = float(rate @ term.w), float(weights @ term.w)
    error = float(np.sqrt(np.sum((weights * term.error) ** 2)))
    numbers = {"event_variance": variance, "ambient_variance_a_year": ambient, "variance_error": error}
    if not ambient > 0:
        return NoEventMove("no_ambient", "the expiries around the event leave no ambient variance", numbers)
    if not variance > LEAST_MOVE**2:
        return NoEventMove(
            "no_event_variance", f"{term.expiry[after]} carries no more variance than its neighbours", numbers
        )
    move = float(np.sqrt(variance))
    return EventMove(
        at=at,
        before=None if before is None else term.expiry[before],
        after=term.expiry[after],
        ambient_from=tuple(term.expiry[index] for index in used),
        variance=variance,
        move=move,
        expected_absolute=move * HALF_NORMAL,
        ambient_vol=float(np.sqrt(ambient)),
        error=error / (2.0 * move),
    )


def without_events(priced: PricedChain, moves: Sequence[EventMove]) -> PricedChain:
    """The chain with each slice's at-the-money volatility freed of the `moves` it lives through.

    Only `atm_vol` changes, so that constant maturities, slopes and forward volatilities read from it are event-free. A
    slice that would be left without variance gets NaN.
    """

    def ambient(piece: ExpirySlice) -> ExpirySlice:
        added = sum(move.variance for move in moves if piece.expires_at > move.at)
        left = piece.atm_vol**2 - added / piece.tau
        return replace(piece, atm_vol=float(np.sqrt(left)) if left > 0 else float("nan"))

    return replace(priced, slices=tuple(ambient(piece) for piece in priced.slices))


def _term(priced: PricedChain, errors: Sequence[float], usable: Sequence[bool] | None) -> _Term:
    """One point per expiry instant; of several roots settling together the best known."""
    keep = [True] * len(priced.slices) if usable is None else usable
    points: dict[float, tuple[float, ExpirySlice]] = {}
    for piece, error, good in zip(priced.slices, errors, keep, strict=True):
        known = good and np.isfinite(piece.atm_vol) and np.isfinite(error)
        if known and (piece.tau not in points or error < points[piece.tau][0]):
            points[piece.tau] = (float(error), piece)
    tau = np.array(sorted(points))
    vol = np.array([points[at][1].atm_vol for at in tau])
    known_to = np.array([points[at][0] for at in tau])
    return _Term(tau, vol**2 * tau, 2.0 * vol * tau * known_to, tuple(points[at][1].expiry for at in tau))


def _ambient(term: _Term, before: int | None, after: int) -> tuple[Floats, list[int]] | NoEventMove:
    """Ambient variance rate in the event's interval as weights on the total variances, and the expiries used."""
    tau = term.tau
    start = 0.0 if before is None else float(tau[before])
    middle = 0.5 * (start + float(tau[after]))
    following = _following(tau, after, until=float(tau[after]) + REACH)
    if following is None:
        return NoEventMove(
            "no_neighbour",
            f"no expiry follows {term.expiry[after]} within {REACH * DAYS_PER_YEAR:.0f} days to tell the ambient "
            "volatility from",
            {"expiries": float(len(tau))},
        )
    near = _rate(tau, after, following)
    near_at = 0.5 * float(tau[after] + tau[following])
    if before is not None:
        origin = _preceding(tau, before)
        other, other_at = _rate(tau, origin, before), 0.5 * (start + (0.0 if origin is None else float(tau[origin])))
        used = [before, after, following] if origin is None else [origin, before, after, following]
    else:
        further = _following(tau, following, until=float(tau[following]) + REACH)
        if further is None:
            return near, [after, following]
        other, other_at = _rate(tau, following, further), 0.5 * float(tau[following] + tau[further])
        used = [after, following, further]
    share = (middle - near_at) / (other_at - near_at)
    line = near + share * (other - near)
    at_near, at_line = float(near @ term.w), float(line @ term.w)
    if before is None and at_near > 0 and not at_near / BEND <= at_line <= at_near * BEND:
        line = near * (BEND if at_line > at_near else 1.0 / BEND)
    return line, used


def _rate(tau: Floats, low: int | None, high: int) -> Floats:
    """Weights on total variances that give the variance rate between two expiries (None: from now)."""
    weights = np.zeros(len(tau))
    span = float(tau[high]) - (0.0 if low is None else float(tau[low]))
    weights[high] = 1.0 / span
    if low is not None:
        weights[low] = -1.0 / span
    return weights


def _following(tau: Floats, index: int, *, until: float) -> int | None:
    """The first expiry a week or more after `index`, else the last one after it; None beyond `until`."""
    later = np.flatnonzero((np.arange(len(tau)) > index) & (tau <= until))
    if len(later) == 0:
        return None
    far = later[tau[later] >= tau[index] + WEEK - FIRST_DAY / 2]
    return int(far[0] if len(far) else later[-1])


def _preceding(tau: Floats, index: int) -> int | None:
    """The last expiry a week or more before `index`; None: from now on."""
    far = np.flatnonzero(tau <= tau[index] - WEEK + FIRST_DAY / 2)
    return int(far[-1]) if len(far) else None
