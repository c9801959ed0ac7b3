"""Value at risk and expected shortfall of a book over one day, by four methods that state what they rest on.

All amounts are USD, positive losses. Structures that cannot be revalued, and those whose names have too few returns,
stand at their worst case on top of everything else and are named in `missing`; where one of those has no bound there is
no figure at all (`var` None), never a small one. No figure is above the sum of all worst cases where those are bounded.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from domain.errors import DataError
from domain.record import Record
from domain.units import Floats
from risk.cornish_fisher import Moments, expansion
from risk.correlation import Covariance, covariance, days_of
from risk.revaluation import RiskBook, Scenarios, covering, revalue, sensitivities

Method = Literal["historical", "delta_gamma_historical", "parametric", "cornish_fisher", "full_revaluation"]
CONFIDENCES = (0.95, 0.99)
HORIZON_DAYS = 1
_ROUNDING = 1e-9  # of an observation: 0.05 · 100 is five, not a hair less


class Measure(Record):
    """What may be lost over the horizon. `var` and `cvar` are None where a loss has no bound or the method no answer:
    `note` says which.
    """

    method: Method
    confidence: float
    horizon_days: int
    var: float | None  # USD, ≥ 0
    cvar: float | None  # USD, mean loss beyond, at least `var`
    observations: int
    window: str  # what it was taken from
    missing: tuple[str, ...]  # what stands at its worst case, and why
    note: str


class Tail(NamedTuple):
    """Of a distribution of P&L, as losses: negative where even the tail is a profit."""

    var: float
    cvar: float


def var_of(pnl: Floats, confidence: float) -> Tail:
    """VaR and CVaR of equally likely outcomes `pnl` `(n_s,)`, USD.

    With k = max(1, ⌊n·(1 − confidence)⌋) the VaR is the k-th largest loss, an order statistic and rounded to the worse
    side, and the CVaR the mean of the k largest: coherent (Acerbi and Tasche 2002), and never below the VaR. Raises
    `DataError` on no outcomes, NaN, or a confidence outside (0, 1).
    """
    if not len(pnl) or np.isnan(pnl).any():
        raise DataError("Value at risk needs outcomes that are numbers.", remedy="Give at least one scenario.")
    _check(confidence)
    tail = max(1, math.floor(len(pnl) * (1.0 - confidence) + _ROUNDING))
    worst = np.sort(np.partition(pnl, tail - 1)[:tail])
    if not math.isfinite(worst[0]):
        return Tail(math.inf, math.inf)
    losses = -worst
    return Tail(float(losses[-1]), max(float(losses.mean()), float(losses[-1])))


def historical(
    book: RiskBook,
    scenarios: Scenarios,
    *,
    confidence: float = 0.95,
    delta_gamma: bool = False,
    threads: int | None = None,
) -> Measure:
    """What the spot moves of past days would do to today's book, its volatilities staying with their moneyness.

    Full revaluation; with `delta_gamma` the second-order expansion instead: what the book's Greeks alone would say.
    """
    kept = covering(book, scenarios)
    pnl = _delta_gamma(kept, scenarios) if delta_gamma else _revalued(kept, _spot_only(scenarios), threads)
    method: Method = "delta_gamma_historical" if delta_gamma else "historical"
    how = "second-order expansion of" if delta_gamma else "full revaluation of"
    return _measure(method, kept, var_of(pnl, confidence), scenarios, confidence, f"{how} past spot moves")


def full_revaluation(
    book: RiskBook, scenarios: Scenarios, *, confidence: float = 0.95, threads: int | None = None
) -> Measure:
    """Every option repriced in every scenario, spot, volatility surface, rate and time moved jointly."""
    kept = covering(book, scenarios)
    note = "; ".join(("every option repriced under joint spot and volatility moves", *scenarios.notes))
    return _measure(
        "full_revaluation", kept, var_of(_revalued(kept, scenarios, threads), confidence), scenarios, confidence, note
    )


def parametric(book: RiskBook, moves: Covariance, *, confidence: float = 0.95) -> Measure:
    """Delta-normal: the book as its deltas, spot moves jointly normal with mean zero. Blind to curvature and time."""
    _check(confidence)
    kept = _known(book, moves)
    delta = _placed(sensitivities(kept).delta, kept, moves)
    deviation = math.sqrt(max(float(delta @ moves.spot @ delta), 0.0))
    z, normal = NormalDist().inv_cdf(confidence), NormalDist()
    tail = Tail(deviation * z, deviation * normal.pdf(z) / (1.0 - confidence))
    note = f"deltas only; correlations shrunk by {moves.shrinkage:.2f}"
    return _measure("parametric", kept, tail, moves, confidence, note)


def cornish_fisher(book: RiskBook, moves: Covariance, *, confidence: float = 0.95) -> Measure:
    """Delta-gamma-vega-theta: the book's second-order expansion under jointly normal spot and volatility moves, its
    quantile by `risk.cornish_fisher`. Outside the expansion's domain there is no figure.

    Cumulants of a quadratic form (Mina and Ulmer 1999, "Delta-gamma four ways"): κᵣ = ½·r!·δᵀΣ(ΓΣ)ʳ⁻²δ +
    ½·(r − 1)!·tr((ΓΣ)ʳ).
    """
    _check(confidence)
    kept = _known(book, moves)
    moments = _moments(kept, moves)
    quantile = expansion(moments, confidence)
    shape = f"skewness {moments.skewness:+.2f}, excess kurtosis {moments.excess:.2f}"
    if quantile is None:
        note = f"no figure: {shape} lie outside the domain of the expansion (Maillard 2012)"
        return _measure("cornish_fisher", kept, None, moves, confidence, note)
    note = f"{shape}; correlations shrunk by {moves.shrinkage:.2f}"
    return _measure("cornish_fisher", kept, Tail(*quantile), moves, confidence, note)


def all_measures(
    book: RiskBook,
    scenarios: Scenarios,
    *,
    confidences: Iterable[float] = CONFIDENCES,
    threads: int | None = None,
) -> tuple[Measure, ...]:
    """Every method at every confidence, methods in the order of `Method`."""
    given = tuple(confidences)
    if len(scenarios) < 2 or not scenarios.tickers:
        nothing = covering(book, scenarios)
        tail = Tail(0.0, 0.0)
        note = "nothing in the book moves by these scenarios"
        return tuple(_measure("full_revaluation", nothing, tail, scenarios, level, note) for level in given)
    moves = covariance(scenarios)
    return (
        *(historical(book, scenarios, confidence=level, threads=threads) for level in given),
        *(historical(book, scenarios, confidence=level, delta_gamma=True) for level in given),
        *(parametric(book, moves, confidence=level) for level in given),
        *(cornish_fisher(book, moves, confidence=level) for level in given),
        *(full_revaluation(book, scenarios, confidence=level, threads=threads) for level in given),
    )


def _check(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise DataError(f"A confidence of {confidence} cannot be.", remedy="Give a share between 0 and 1, as 0.95.")


def _revalued(book: RiskBook, scenarios: Scenarios, threads: int | None) -> Floats:
    """P&L of what can be revalued; the missing are added once, in `_measure`."""
    return revalue(replace(book, missing=()), scenarios, threads=threads)


def _spot_only(scenarios: Scenarios) -> Scenarios:
    return replace(scenarios, vol=np.zeros_like(scenarios.vol), notes=())


def _delta_gamma(book: RiskBook, scenarios: Scenarios) -> Floats:
    found = sensitivities(book)
    columns = [scenarios.tickers.index(ticker) for ticker in book.tickers]
    spot = scenarios.spot[:, columns]
    return np.asarray(spot @ found.delta + 0.5 * (spot * spot) @ found.gamma + found.theta * scenarios.days)


def _moments(book: RiskBook, moves: Covariance) -> Moments:
    found = sensitivities(book)
    none = np.zeros(len(moves.tickers))
    delta = np.concatenate([_placed(found.delta, book, moves), _placed(found.vega, book, moves)])
    curved = np.concatenate([_placed(found.gamma, book, moves), none])[:, None] * moves.matrix  # ΓΣ
    powers = [np.eye(len(curved))]
    for _ in range(4):
        powers.append(powers[-1] @ curved)
    spread = moves.matrix @ delta
    mean = found.theta * HORIZON_DAYS + 0.5 * float(np.trace(curved))
    cumulants = [
        0.5 * math.factorial(r) * float(spread @ (powers[r - 2] @ delta))
        + 0.5 * math.factorial(r - 1) * float(np.trace(powers[r]))
        for r in (2, 3, 4)
    ]
    variance = max(cumulants[0], 0.0)
    if variance == 0.0:
        return Moments(mean, 0.0, 0.0, 0.0)
    return Moments(mean, math.sqrt(variance), cumulants[1] / variance**1.5, cumulants[2] / variance**2)


def _known(book: RiskBook, moves: Covariance) -> RiskBook:
    return book.without(set(book.tickers) - set(moves.tickers), "too few returns of its underlying")


def _placed(values: Floats, book: RiskBook, moves: Covariance) -> Floats:
    """Values by the book's tickers in the columns of `moves`, 0 elsewhere."""
    out = np.zeros(len(moves.tickers))
    out[[moves.tickers.index(ticker) for ticker in book.tickers]] = values
    return out


def _measure(
    method: Method, book: RiskBook, tail: Tail | None, source: Scenarios | Covariance, confidence: float, note: str
) -> Measure:
    """The tail, floored at no loss, with the missing on top, capped at all that can be lost."""
    added, bound = book.missing_worst_case, book.worst_case
    notes = [note]
    if book.missing:
        stands = "has no bound: no figure" if added is None else f"{added:,.2f} USD stands in for it"
        notes.append(f"worst case of {len(book.missing)} that cannot be revalued {stands}")
    amounts: tuple[float | None, float | None] = (None, None)
    if tail is not None and added is not None and math.isfinite(tail.cvar):
        var, cvar = (max(loss, 0.0) + added for loss in tail)
        if bound is not None and cvar > bound:
            var, cvar = min(var, bound), bound
            notes.append(f"capped at the worst case of everything, {bound:,.2f} USD")
        amounts = var, cvar
    counted = len(source) if isinstance(source, Scenarios) else source.observations
    return Measure(
        method=method,
        confidence=confidence,
        horizon_days=HORIZON_DAYS,
        var=amounts[0],
        cvar=amounts[1],
        observations=counted,
        window=days_of(source) if isinstance(source, Scenarios) else source.window,
        missing=book.missing_names,
        note="; ".join(notes),
    )
