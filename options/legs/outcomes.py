"""What contracts are worth when the front expiry comes, and how a structure's P&L is then distributed."""

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.payoff import exercise_shortfall, intrinsic
from options.priced import Distribution, ExpirySlice, PricedChain

TAIL = 0.05
LEAST_FORWARD = 1e-8  # USD per share; keeps Black's formula defined where dividends exceed the price
MOST_OUTCOMES = 40


def atoms(distribution: Distribution, count: int) -> Floats:
    """`count` equally likely prices with the distribution's mean, shape `(count,)`: mean price of each quantile bin."""
    probability = np.concatenate([[0.0], np.cumsum(distribution.probabilities)])
    moment = np.concatenate([[0.0], np.cumsum(distribution.probabilities * distribution.prices)])
    edges = np.linspace(0.0, probability[-1], count + 1)
    return np.asarray(np.diff(np.interp(edges, probability, moment)) * count / probability[-1])


def slice_index(priced: PricedChain) -> NDArray[np.int64]:
    """Position of each row's expiry in `priced.slices`, shape `(n,)`; −1 for rows without one."""
    index = np.full(len(priced.chain), -1, dtype=np.int64)
    for position, item in enumerate(priced.slices):
        index[item.rows] = position
    return index


def contract_values(
    priced: PricedChain, rows: NDArray[np.int64], front: ExpirySlice, prices: Floats, *, slippage: float
) -> Floats:
    """Value of one long contract of each row at the front expiry, USD per share, shape `(len(rows), len(prices))`.

    Contracts expiring then are worth their exercise value. Later ones are sold at Black's value on their own
    smile, sticky in moneyness, less `slippage` of the half-spread – or kept, so never below the bound of
    `exercise_shortfall` (American ones: exercise value). Rates and cash dividends over the gap are those implied by
    the two forwards. Raises `KeyError` for a row whose expiry has no smile.
    """
    chain, where = priced.chain, slice_index(priced)
    values = intrinsic(prices=prices[None, :], strikes=chain.strike[rows, None], is_call=chain.is_call[rows, None])
    for position in np.unique(where[rows]):
        back = priced.slices[position]
        if back.expires_at > front.expires_at:
            late = where[rows] == position
            values[late] = _sold_later(priced, rows[late], front, back, prices, slippage)
    return values


def shortfalls(priced: PricedChain, rows: NDArray[np.int64], front: ExpirySlice) -> Floats:
    """`exercise_shortfall` of each row at the front expiry, USD per share, shape of `rows`; 0 where it expires then
    or is American.
    """
    chain, where = priced.chain, slice_index(priced)
    result = np.zeros(rows.shape)
    for position in np.unique(where[rows]):
        back = priced.slices[position]
        if back.expires_at > front.expires_at:
            discount, dividends = _gap(front, back)
            late = (where[rows] == position) & chain.european[rows]
            result[late] = exercise_shortfall(
                strike=chain.strike[rows[late]],
                is_call=chain.is_call[rows[late]],
                gap_discount=np.array(discount),
                gap_dividends=np.array(dividends),
            )
    return result


def tail_loss(outcomes: Floats, probabilities: Floats) -> float:
    """CVaR at 95 %: mean loss of the worst twentieth of probability, positive (Rockafellar and Uryasev 2000)."""
    order = np.argsort(outcomes, kind="stable")
    reached = np.cumsum(probabilities[order])
    share = np.clip(TAIL - (reached - probabilities[order]), 0.0, probabilities[order])
    return -float(share @ outcomes[order]) / TAIL


def compressed(outcomes: Floats, probabilities: Floats) -> tuple[tuple[float, float], ...]:
    """At most 40 (probability, P&L) points, ascending in P&L, with the same mean and no new extremes."""
    order = np.argsort(outcomes, kind="stable")
    weight, value = probabilities[order] / probabilities.sum(), outcomes[order]
    middle = np.cumsum(weight) - weight / 2
    place = np.minimum((middle * MOST_OUTCOMES).astype(np.int64), MOST_OUTCOMES - 1)
    mass = np.bincount(place, weights=weight, minlength=MOST_OUTCOMES)
    total = np.bincount(place, weights=weight * value, minlength=MOST_OUTCOMES)
    held = mass > 0
    means = np.clip(total[held] / mass[held], value[0], value[-1])
    return tuple((float(m), float(v)) for m, v in zip(mass[held], means, strict=True))


def _gap(front: ExpirySlice, back: ExpirySlice) -> tuple[float, float]:
    """Discount from back to front expiry, and present value at the front one of dividends between, USD per share."""
    discount = back.discount / front.discount
    return discount, front.forward - back.forward * discount


def _sold_later(
    priced: PricedChain,
    rows: NDArray[np.int64],
    front: ExpirySlice,
    back: ExpirySlice,
    prices: Floats,
    slippage: float,
) -> Floats:
    from options import black

    if back.smile is None:
        raise KeyError(f"{back.root} {back.expiry} has no smile")
    chain = priced.chain
    discount, dividends = _gap(front, back)
    forward = np.maximum((prices - dividends) / discount, LEAST_FORWARD)[None, :]
    strike, is_call = chain.strike[rows, None], chain.is_call[rows, None]
    value = black.price(
        forward=forward,
        strike=strike,
        tau=np.array(back.tau - front.tau),
        discount=np.array(discount),
        vol=back.smile.vol(np.log(strike / forward)),
        is_call=is_call,
    )
    kept = np.where(
        chain.european[rows, None],
        discount * intrinsic(prices=forward, strikes=strike, is_call=is_call),
        intrinsic(prices=prices[None, :], strikes=strike, is_call=is_call),
    )
    return np.maximum(value - slippage * priced.spread[rows, None] / 2, kept)
