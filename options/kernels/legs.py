"""Structures by the million: priced at the quotes, screened, and valued over equally likely prices, one at a time.

A structure's profit is a sum over its legs of what each contract is worth, so contracts are valued once, in `values`,
and no matrix of structures × prices is ever built.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.kernels.compiled import inlined, kernel

PASSED, WRONG_PREMIUM, ILLIQUID, NOT_EXECUTABLE, TOO_LARGE, RISKLESS, WIDE, THIN_CREDIT, DELTA, GREEKS = range(10)
DEBIT, CREDIT, EITHER, FINANCED = range(4)
SAME_SIDE = 1e-9  # USD per share; widths below count as this


class Contracts(NamedTuple):
    """One value a row of the chain, shape `(rows,)`, USD per share unless it says otherwise."""

    bid: Floats
    ask: Floats
    strike: Floats
    sign: Floats  # +1 call, −1 put
    multiplier: Floats  # shares
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    liquid: Floats  # 1 or 0
    buyable: Floats  # contracts at the ask
    sellable: Floats  # contracts at the bid
    shortfall: Floats  # how far a European contract that outlives the front expiry may stand below exercise value
    place: NDArray[np.int64]  # which row of `values` is its own


class Limits(NamedTuple):
    """What every structure of one call is held against."""

    premium: int  # DEBIT, CREDIT, EITHER or FINANCED (even or better)
    certain: bool  # the outcome is the same at every price: then all that is paid or owed counts as at stake
    tick: float  # USD per share
    tick_slack: float  # of a tick
    slippage: float  # share of the gap from mid to natural that is conceded
    fees: float  # USD per unit, both sides
    max_loss: float  # USD per unit
    least_loss: float  # USD per unit; below it the quotes promise a gain without risk
    max_spread_of_loss: float
    min_credit_of_width: float
    max_abs_delta: float  # per share of one unit
    max_gamma: float  # per USD at stake, as the next two: per share per USD
    max_vega: float  # per 1.00 of volatility
    max_theta: float  # per year
    doubt: float  # probability given to the maximum loss
    least_value: float  # USD per unit; the chance of profit and the tail are worked out above this expected value
    tail: int  # equally likely prices in the tail


class Scores(NamedTuple):
    """Results, each shape `(structures,)`. `pop` and `tail_loss` are left as they were where they are not reached."""

    code: NDArray[np.int8]
    max_loss: Floats  # USD per unit at the worst acceptable premium, after fees
    value: Floats  # expected, USD per unit, after fees and doubt
    pop: Floats  # share of the equally likely prices with a profit
    tail_loss: Floats  # mean loss in the tail, USD per unit, without doubt


@inlined
def _least_exercise(rows: NDArray[np.int64], n: int, quantities: Floats, strike: Floats, sign: Floats) -> float:
    """Least exercise value over all prices ≥ 0, per share: it lies at zero or at a strike."""
    least = 0.0
    for leg in range(rows.shape[1]):
        least += quantities[leg] * max(-sign[rows[n, leg]] * strike[rows[n, leg]], 0.0)
    for kink in range(rows.shape[1]):
        price, value = strike[rows[n, kink]], 0.0
        for leg in range(rows.shape[1]):
            value += quantities[leg] * max(sign[rows[n, leg]] * (price - strike[rows[n, leg]]), 0.0)
        least = min(least, value)
    return least


@inlined
def _mean_of_least(pnl: Floats, least: Floats) -> float:
    """Mean of the `len(least)` smallest of `pnl`; `least` is scratch and ends ascending.

    Fastest where the smallest come first: a value that is none of them costs one comparison.
    """
    last, bound = len(least) - 1, np.inf
    least[:] = np.inf
    for value in pnl:
        if value < bound:
            rank = last
            while rank > 0 and least[rank - 1] > value:
                least[rank] = least[rank - 1]
                rank -= 1
            least[rank] = value
            bound = least[last]
    total = 0.0
    for value in least:
        total += value
    return total / len(least)


@kernel
def evaluate(
    rows: NDArray[np.int64],
    quantities: Floats,
    contracts: Contracts,
    limits: Limits,
    values: Floats,
    mean: Floats,
    scores: Scores,
    first: int,
    last: int,
) -> None:
    """Fill `scores[first:last]`. `rows` `(structures, legs)` are chain rows with signed `quantities` `(legs,)`.

    `values` `(contracts, atoms)` is each contract's present value at equally likely prices, USD per share, in any order
    of the prices (the outermost first is fastest); `mean` `(contracts,)` its row means. `code` names the first screen
    that failed, in the order of the codes.
    """
    legs, atoms = rows.shape[1], values.shape[1]
    pnl, least = np.empty(atoms), np.empty(limits.tail)
    held = np.zeros((legs + 1, atoms))  # value of the first 0, 1, … legs of the structure last valued
    valued = -1
    for n in range(first, last):
        mid = natural = delta = gamma = vega = theta = shortfall = expected = 0.0
        liquid, units = 1.0, np.inf
        for leg in range(legs):
            row, quantity = rows[n, leg], quantities[leg]
            bid, ask = contracts.bid[row], contracts.ask[row]
            mid -= quantity * ((bid + ask) / 2)
            natural -= quantity * (ask if quantity > 0 else bid)
            delta += quantity * contracts.delta[row]
            gamma += quantity * contracts.gamma[row]
            vega += quantity * contracts.vega[row]
            theta += quantity * contracts.theta[row]
            shortfall += max(quantity, 0.0) * contracts.shortfall[row]
            expected += quantity * mean[contracts.place[row]]
            liquid = min(liquid, contracts.liquid[row])
            size = contracts.buyable[row] if quantity > 0 else contracts.sellable[row]
            units = min(units, np.floor(size / abs(quantity)))
        multiplier = contracts.multiplier[rows[n, 0]]
        width = -_least_exercise(rows, n, quantities, contracts.strike, contracts.sign)
        limit = np.floor(mid / limits.tick + 0.5 + limits.tick_slack)
        conceded = mid - limits.slippage * (mid - natural)
        worst_ticks = min(np.ceil(conceded / limits.tick - limits.tick_slack), limit)
        worst = worst_ticks * limits.tick
        max_loss = multiplier * (shortfall + width - worst) + limits.fees
        if limits.certain:
            max_loss = max(max_loss, multiplier * max(-worst, width) + limits.fees)
        value = multiplier * (worst + expected) - limits.fees
        value = (1.0 - limits.doubt) * value - limits.doubt * max_loss
        scores.max_loss[n] = max_loss
        scores.value[n] = value

        wrong = limit * worst_ticks < 0
        if limits.premium == DEBIT:
            wrong |= worst_ticks >= 0
        elif limits.premium == CREDIT:
            wrong |= worst_ticks <= 0
        elif limits.premium == FINANCED:
            wrong |= worst_ticks < 0
        thin = limits.premium == CREDIT and worst < limits.min_credit_of_width * max(width, SAME_SIDE)
        per_loss = multiplier / max_loss
        if wrong:
            scores.code[n] = WRONG_PREMIUM
        elif liquid == 0.0:
            scores.code[n] = ILLIQUID
        elif not units >= 1.0:
            scores.code[n] = NOT_EXECUTABLE
        elif not max_loss <= limits.max_loss:
            scores.code[n] = TOO_LARGE
        elif not max_loss >= limits.least_loss:
            scores.code[n] = RISKLESS
        elif not multiplier * (mid - natural) <= limits.max_spread_of_loss * max_loss:
            scores.code[n] = WIDE
        elif thin:
            scores.code[n] = THIN_CREDIT
        elif not abs(delta) <= limits.max_abs_delta:
            scores.code[n] = DELTA
        elif not (
            abs(gamma) * per_loss <= limits.max_gamma
            and abs(vega) * per_loss <= limits.max_vega
            and abs(theta) * per_loss <= limits.max_theta
        ):
            scores.code[n] = GREEKS
        else:
            scores.code[n] = PASSED
        if scores.code[n] != PASSED or not value > limits.least_value:
            continue

        known = 0  # neighbours share their first legs, whose sum is kept
        while valued >= 0 and known < legs and rows[n, known] == rows[valued, known]:
            known += 1
        valued = n
        for leg in range(known, legs):
            quantity, one = quantities[leg], values[contracts.place[rows[n, leg]]]
            before, after = held[leg], held[leg + 1]
            for a in range(atoms):
                after[a] = before[a] + quantity * one[a]
        wins, whole = 0, held[legs]
        for a in range(atoms):
            pnl[a] = multiplier * (worst + whole[a]) - limits.fees
            wins += pnl[a] > 0.0
        scores.pop[n] = wins / atoms
        if limits.tail:
            scores.tail_loss[n] = -_mean_of_least(pnl, least)
