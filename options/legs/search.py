"""The leg optimiser: every combination the chain quotes, screened, valued and ranked by EV over CVaR95."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np

from domain.order import Candidate, Intent
from domain.units import Floats
from options.distribution import physical
from options.legs.candidate import NoCandidate, View, build
from options.legs.evaluation import SCREENS, evaluate
from options.legs.outcomes import atoms, slice_index
from options.legs.settings import LegSettings
from options.priced import Distribution, ExpirySlice, PricedChain
from options.selector import StrategyChoice
from options.strategies import Rows, Structure

ATOMS = 100  # equally likely prices in the first, coarse ranking: one percent each
SHORTLIST = 3  # times `top_k` go on to the exact valuation


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Survivors of one front expiry with their coarse scores, best first."""

    rows: Rows
    front: ExpirySlice
    distribution: Distribution
    scores: Floats


def candidates(
    priced: PricedChain,
    choice: StrategyChoice,
    *,
    spot: float,
    drift: float,
    forecast_vol: float,
    settings: LegSettings,
    as_of: datetime,
    intent: Intent = "open",
    top_k: int = 5,
    max_loss: float = float("inf"),
) -> tuple[Candidate, ...] | NoCandidate:
    """The `top_k` best structures of the chosen type, best first; never empty.

    `drift` (beyond the forward's, see `forecast`) and `forecast_vol` are annual decimals; `max_loss` is the most
    one unit may lose, in USD: a better structure that the account cannot hold is no candidate. Exhaustive over the
    structure's window; ties are broken by contract symbols. Raises `ConfigError` if the structure is unknown.
    """
    refused = unusable(priced, spot=spot, forecast_vol=forecast_vol, as_of=as_of)
    if refused:
        return refused
    structure = settings.structure(choice.strategy)
    rows = structure.enumerate_rows(priced)
    tally: dict[str, float] = {"enumerated": float(len(rows))}
    if not len(rows):
        return NoCandidate("no_legs", f"The chain quotes no {structure.strategy} within its window.", tally)
    fronts = slice_index(priced)[rows[:, _front_column(structure)]]
    found = []
    for position in np.unique(fronts):
        front = priced.slices[position]
        distribution = forecast(front, spot=spot, drift=drift, forecast_vol=forecast_vol)
        found.append(
            _ranked(
                priced, structure, rows[fronts == position], front, distribution, settings, tally, max_loss=max_loss,
                keep=top_k * SHORTLIST,
            )
        )  # fmt: skip
    best = _exact(priced, structure, found, spot, View(drift, forecast_vol), settings, choice.reason, tally, top_k)
    if not best:
        return _nothing(structure, tally)
    return tuple(candidate.model_copy(update={"intent": intent}) for candidate in best)


@lru_cache(maxsize=256)
def forecast(front: ExpirySlice, *, spot: float, drift: float, forecast_vol: float) -> Distribution:
    """Physical distribution of the price at `front`: its mean is forward · exp(drift · τ).

    `drift` counts from the forward, not from spot: without a view the desk agrees with the market's mean, else
    interest alone would make every bearish structure look good. Needs the expiry's smile (`KeyError`).
    """
    if front.smile is None:
        raise KeyError(f"{front.root} {front.expiry} has no smile")
    carry = float(np.log(front.forward / spot)) / front.tau
    return physical(front.smile, spot=spot, drift=carry + drift, forecast_vol=forecast_vol, tau=front.tau)


def unusable(priced: PricedChain, *, spot: float, forecast_vol: float, as_of: datetime) -> NoCandidate | None:
    """Why this chain and view cannot be valued, if so."""
    if priced.chain.as_of > as_of:
        late = (priced.chain.as_of - as_of).total_seconds() / 60
        return NoCandidate("future_chain", f"The chain was taken {late:.0f} min after the run.", {"minutes": late})
    if not 0 < spot < np.inf:
        return NoCandidate("no_spot", "There is no positive spot price.", {"spot": spot})
    if not 0 < forecast_vol < np.inf:
        return NoCandidate("no_forecast_vol", "There is no positive volatility forecast.", {"vol": forecast_vol})
    return None


def _front_column(structure: Structure) -> int:
    return [leg.term for leg in structure.template].index("front")


def _ranked(
    priced: PricedChain,
    structure: Structure,
    rows: Rows,
    front: ExpirySlice,
    distribution: Distribution,
    settings: LegSettings,
    tally: dict[str, float],
    *,
    max_loss: float,
    keep: int,
) -> _Found:
    """Coarse score of every structure over equally likely prices; the best `keep`. The tally counts what each screen
    took away.
    """
    found = evaluate(priced, structure, rows, front, atoms(distribution, ATOMS), settings, max_loss=max_loss)
    counts = np.bincount(found.code, minlength=len(SCREENS))
    for name, count in zip(SCREENS[1:], counts[1:], strict=True):
        tally[name] = tally.get(name, 0.0) + float(count)
    passed = found.code == 0
    if passed.any():
        best = round(float(found.value[passed].max()), 6)
        tally["best_expected_value"] = max(tally.get("best_expected_value", -np.inf), best)
    promising = passed & (found.value > 0)
    likely = promising & (found.pop >= settings.min_pop - 1 / ATOMS)
    for name, taken in (("no_edge", passed & ~promising), ("unlikely", promising & ~likely)):
        tally[name] = tally.get(name, 0.0) + float(taken.sum())
    remaining = np.flatnonzero(likely)
    scores = found.score[remaining]
    order = np.argsort(-scores, kind="stable")[:keep]
    return _Found(rows[remaining[order]], front, distribution, scores[order])


def _exact(
    priced: PricedChain,
    structure: Structure,
    found: list[_Found],
    spot: float,
    view: View,
    settings: LegSettings,
    reason: str,
    tally: dict[str, float],
    top_k: int,
) -> list[Candidate]:
    """The shortlist valued on the whole distribution, best first."""
    shortlist = sorted(((-score, n, place) for n, each in enumerate(found) for place, score in enumerate(each.scores)))[
        : top_k * SHORTLIST
    ]
    built = []
    for _, n, place in shortlist:
        each = found[n]
        made = build(
            priced,
            each.rows[place],
            structure.quantities,
            each.front,
            each.distribution,
            strategy=structure.strategy,
            family=structure.family,
            spot=spot,
            view=view,
            settings=settings,
            reason=f"{reason} Best of {tally['enumerated']:.0f} quoted combinations by expected value over CVaR95.",
        )
        if isinstance(made, Candidate) and made.expected_value > 0 and made.pop >= settings.min_pop:
            built.append(made)
    built.sort(key=lambda made: (-made.score, [leg.symbol for leg in made.legs]))
    return built[:top_k]


def _nothing(structure: Structure, tally: dict[str, float]) -> NoCandidate:
    """The refusal, named after the screen that took most."""
    lost = {name: count for name, count in tally.items() if name not in ("enumerated", "best_expected_value")}
    code = max(sorted(lost), key=lambda name: lost[name])
    listed = ", ".join(f"{count:.0f} {name}" for name, count in lost.items() if count)
    detail = f"None of {tally['enumerated']:.0f} {structure.strategy} combinations passed: {listed}."
    return NoCandidate(code, detail, tally)
