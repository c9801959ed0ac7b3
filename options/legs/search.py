"""The leg optimiser: every combination the chain quotes, screened, valued and ranked by EV over CVaR95."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from domain.order import Candidate, Intent
from domain.units import Bools, Floats
from options.distribution import physical
from options.legs.candidate import NoCandidate, View, build
from options.legs.outcomes import TAIL, atoms, slice_index
from options.legs.quotes import legs_liquid, units_executable
from options.legs.settings import LegSettings
from options.legs.valuation import Batch, Outcomes, batch
from options.priced import Distribution, ExpirySlice, PricedChain
from options.selector import StrategyChoice
from options.strategies import Structure

ATOMS = 100  # equally likely prices in the first, coarse ranking: one percent each
BLOCK = 2_048  # structures valued at once, so that temporaries stay in cache
SHORTLIST = 3  # times `top_k` go on to the exact valuation


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Survivors of one front expiry with their coarse scores, best first."""

    batch: Batch
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
        survivors = _screened(priced, structure, rows[fronts == position], front, settings, tally, max_loss)
        if survivors is not None:
            distribution = forecast(front, spot=spot, drift=drift, forecast_vol=forecast_vol)
            found.append(_ranked(priced, survivors, distribution, settings, tally, top_k * SHORTLIST))
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


def _screened(
    priced: PricedChain,
    structure: Structure,
    rows: NDArray[np.int64],
    front: ExpirySlice,
    settings: LegSettings,
    tally: dict[str, float],
    max_loss: float,
) -> Batch | None:
    """What survives the screens that need no distribution; the tally counts what each took away."""
    quantities = np.array(structure.quantities, dtype=np.float64)
    every = batch(priced, rows, quantities, front, settings)
    alive = np.ones(len(rows), dtype=np.bool_)
    for name, passed in _screens(priced, structure, every, settings, max_loss).items():
        tally[name] = tally.get(name, 0.0) + float((alive & ~passed).sum())
        alive &= passed
    return every.take(np.flatnonzero(alive)) if alive.any() else None


def _screens(
    priced: PricedChain, structure: Structure, every: Batch, settings: LegSettings, max_loss: float
) -> Mapping[str, Bools]:
    quotes, width = every.quotes, np.maximum(every.width, 1e-9)
    delta = np.abs(priced.delta[every.rows] @ every.quantities)
    signed = {
        "debit": quotes.worst_ticks < 0,
        "credit": quotes.worst_ticks > 0,
        "either": np.ones(len(quotes.mid), dtype=np.bool_),
    }
    rich = quotes.worst >= settings.min_credit_of_width * width if structure.premium == "credit" else signed["either"]
    gap = every.multiplier * (quotes.mid - quotes.natural)
    return {
        "wrong_premium": signed[structure.premium] & (quotes.limit_ticks * quotes.worst_ticks >= 0),
        "illiquid": legs_liquid(priced, every.rows, settings),
        "not_executable": units_executable(priced, every.rows, every.quantities, settings) >= 1,
        "too_large": every.max_loss <= max_loss,
        "riskless": every.max_loss >= 0.01,
        "wide": gap <= settings.max_spread_of_loss * every.max_loss,
        "thin_credit": rich,
        "delta": delta <= structure.max_abs_delta,
    }


def _ranked(
    priced: PricedChain,
    survivors: Batch,
    distribution: Distribution,
    settings: LegSettings,
    tally: dict[str, float],
    keep: int,
) -> _Found:
    """Coarse score of every survivor over equally likely prices; the best `keep`."""
    outcomes = Outcomes(priced, survivors, atoms(distribution, ATOMS), settings)
    doubt = settings.model_doubt
    value = (1 - doubt) * outcomes.mean() - doubt * survivors.max_loss
    tally["best_expected_value"] = max(tally.get("best_expected_value", -np.inf), round(float(value.max()), 6))
    promising = np.flatnonzero(value > 0)
    tally["no_edge"] = tally.get("no_edge", 0.0) + float(len(value) - len(promising))
    scores = np.full(len(value), -np.inf)
    tail = max(1, round((TAIL - doubt) / (1 - doubt) * ATOMS))
    for start in range(0, len(promising), BLOCK):
        some = promising[start : start + BLOCK]
        pnl = outcomes.matrix(some)
        likely = (pnl > 0).mean(axis=1) >= settings.min_pop - 1 / ATOMS
        worst = -np.partition(pnl, tail - 1, axis=1)[:, :tail].mean(axis=1)
        risk = (doubt * survivors.max_loss[some] + (TAIL - doubt) * worst) / TAIL
        scores[some] = np.where(likely, value[some] / np.maximum(risk, 0.01), -np.inf)
    tally["unlikely"] = tally.get("unlikely", 0.0) + float(np.isneginf(scores[promising]).sum())
    order = np.argsort(-scores, kind="stable")[:keep]
    order = order[np.isfinite(scores[order])]
    return _Found(survivors.take(order), distribution, scores[order])


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
            each.batch.rows[place],
            structure.quantities,
            each.batch.front,
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
