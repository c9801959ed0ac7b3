"""Every structure of one front expiry screened and valued in one compiled pass, whatever their number."""

from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from domain.units import DAYS_PER_YEAR, Floats
from options.kernels import legs as kernels
from options.kernels.compiled import spread
from options.legs.outcomes import TAIL, shortfalls
from options.legs.quotes import TICK_SLACK, contracts_executable, liquid
from options.legs.settings import LegSettings
from options.legs.valuation import present_values
from options.priced import ExpirySlice, PricedChain
from options.strategies import Rows, Structure
from options.strategies.structure import Premium

LEAST_RISK = 0.01  # USD; keeps EV over CVaR finite where the worst twentieth loses nothing
SCREENS = (
    "passed", "wrong_premium", "illiquid", "not_executable", "too_large", "riskless", "wide", "thin_credit", "delta",
    "greeks",
)  # fmt: skip
"""Names of the kernel's codes."""
PREMIUMS: tuple[Premium, ...] = get_args(Premium)


class Evaluation(NamedTuple):
    """Structures valued over equally likely prices, each shape `(n,)`; NaN where a screen or `least_value` spared the
    work. Amounts are USD per unit at the worst acceptable premium, after fees.
    """

    code: NDArray[np.int8]  # index into SCREENS
    max_loss: Floats
    value: Floats  # expected value, `model_doubt` on the maximum loss
    pop: Floats
    cvar95: Floats  # mean loss of the worst twentieth, with the same doubt; at least LEAST_RISK

    @property
    def score(self) -> Floats:
        """Expected value over CVaR95."""
        return np.asarray(self.value / self.cvar95)


def evaluate(
    priced: PricedChain,
    structure: Structure,
    rows: Rows,
    front: ExpirySlice,
    prices: Floats,
    settings: LegSettings,
    *,
    max_loss: float = float("inf"),
    least_value: float = 0.0,
    threads: int | None = None,
) -> Evaluation:
    """Screen and value `rows` `(n, legs)` at the equally likely `prices` `(m,)` of `front`, USD per share.

    Chance of profit and tail are worked out where the expected value exceeds `least_value` (−inf: everywhere that
    passed). The result does not depend on `threads` (None: all processors).
    """
    doubt = 0.0 if structure.certain else settings.model_doubt
    tail = max(1, round((TAIL - doubt) / (1 - doubt) * len(prices)))
    held = np.flatnonzero(np.bincount(rows.ravel(), minlength=len(priced.chain)))
    outermost_first = np.argsort(-np.abs(np.argsort(np.argsort(prices, kind="stable")) - (len(prices) - 1) / 2))
    values = present_values(priced, held, front, prices[outermost_first], settings)
    scores = kernels.Scores(
        code=np.zeros(len(rows), dtype=np.int8),
        max_loss=np.empty(len(rows)),
        value=np.empty(len(rows)),
        pop=np.full(len(rows), np.nan),
        tail_loss=np.full(len(rows), np.nan),
    )
    fixed = (
        np.ascontiguousarray(rows),
        np.array(structure.quantities, dtype=np.float64),
        _contracts(priced, held, front, settings),
        _limits(structure, front, settings, max_loss=max_loss, spot=priced.spot, doubt=doubt)._replace(
            least_value=least_value, tail=tail
        ),
        values,
        values.mean(axis=1),
        scores,
    )
    spread(lambda first, last: kernels.evaluate(*fixed, first, last), len(rows), threads)
    cvar95 = (doubt * scores.max_loss + (TAIL - doubt) * scores.tail_loss) / TAIL
    return Evaluation(scores.code, scores.max_loss, scores.value, scores.pop, np.maximum(cvar95, LEAST_RISK))


def _contracts(
    priced: PricedChain, held: NDArray[np.int64], front: ExpirySlice, settings: LegSettings
) -> kernels.Contracts:
    """The chain as columns; only `held` rows have a place and a shortfall."""
    chain = priced.chain
    place, shortfall = np.zeros(len(chain), dtype=np.int64), np.zeros(len(chain))
    place[held] = np.arange(len(held))
    shortfall[held] = shortfalls(priced, held, front)
    buyable, sellable = contracts_executable(priced, settings)
    return kernels.Contracts(
        bid=chain.bid,
        ask=chain.ask,
        strike=chain.strike,
        sign=np.where(chain.is_call, 1.0, -1.0),
        multiplier=chain.multiplier,
        delta=priced.delta,
        gamma=priced.gamma,
        vega=priced.vega,
        theta=priced.theta,
        liquid=liquid(priced, settings).astype(np.float64),
        buyable=buyable,
        sellable=sellable,
        shortfall=shortfall,
        place=place,
    )


def _limits(
    structure: Structure, front: ExpirySlice, settings: LegSettings, *, max_loss: float, spot: float, doubt: float
) -> kernels.Limits:
    def most(limit: float | None, unit: float) -> float:
        return float("inf") if limit is None else limit / unit

    contracts = sum(abs(quantity) for quantity in structure.quantities)
    return kernels.Limits(
        premium=PREMIUMS.index(structure.premium),
        certain=structure.certain,
        tick=float(settings.tick_of(front.root)),
        tick_slack=TICK_SLACK,
        slippage=settings.slippage,
        fees=2 * float(settings.fee_per_contract) * contracts,
        max_loss=max_loss,
        least_loss=LEAST_RISK,
        max_spread_of_loss=settings.max_spread_of_loss,
        min_credit_of_width=settings.min_credit_of_width,
        max_abs_delta=structure.max_abs_delta,
        max_gamma=most(settings.greeks.gamma, 0.01 * spot**2),
        max_vega=most(settings.greeks.vega, 0.01),
        max_theta=most(settings.greeks.theta, 1 / DAYS_PER_YEAR),
        doubt=doubt,
        least_value=0.0,
        tail=1,
    )
