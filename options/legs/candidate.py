"""One structure, fully priced, as the record that travels on; or the reason why there is none."""

from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import cast

import numpy as np

from domain.contract import Leg, Right, Settlement
from domain.order import Candidate, Greeks
from domain.units import CENT, DAYS_PER_YEAR, Floats
from options.legs.evaluation import LEAST_RISK
from options.legs.outcomes import compressed, slice_index, tail_loss
from options.legs.quotes import units_executable
from options.legs.settings import LegSettings
from options.legs.valuation import batch, outcomes
from options.payoff import Unbounded, bounded_max_loss, break_evens, crossings, max_profit
from options.priced import Distribution, ExpirySlice, PricedChain
from options.strategies import Rows

NOISE = 1e-7  # USD; binary noise that must not cost a cent when amounts are rounded against us


@dataclass(frozen=True, slots=True)
class NoCandidate:
    """Why no structure can be proposed: `code`, one sentence, and the numbers behind it."""

    code: str
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the trade believes: annual drift beyond the forward's, and annual volatility, decimals."""

    drift: float
    forecast_vol: float


def leg_of(priced: PricedChain, row: int, quantity: int) -> Leg:
    """The contract of one chain row as a leg, with its quotes and volatility. Its multiplier comes from the chain."""
    chain = priced.chain
    iv = float(priced.iv[row])
    if np.isnan(iv):
        smile = priced.slices[slice_index(priced)[row]].smile
        iv = float(smile.vol(priced.k[row : row + 1])[0]) if smile is not None else float("nan")
    return Leg(
        symbol=str(chain.symbol[row]),
        root=str(chain.root[row]),
        right=Right.CALL if chain.is_call[row] else Right.PUT,
        strike=Decimal(repr(float(chain.strike[row]))),
        expiry=cast("date", chain.expiry[row].astype("datetime64[D]").astype(object)),
        settlement=Settlement.AM if chain.am_settled[row] else Settlement.PM,
        european=bool(chain.european[row]),
        multiplier=int(chain.multiplier[row]),
        quantity=quantity,
        bid=float(chain.bid[row]),
        ask=float(chain.ask[row]),
        iv=None if np.isnan(iv) else iv,
    )


def position_greeks(priced: PricedChain, rows: Rows, quantities: Floats, multiplier: float) -> Greeks:
    """Greeks of one unit: per-share Greeks × signed quantity × multiplier. `rows` has shape `(legs,)`."""
    return Greeks(
        **{
            name: float(getattr(priced, name)[rows] @ quantities) * multiplier
            for name in ("delta", "gamma", "vega", "theta", "rho")
        }
    )


def build(
    priced: PricedChain,
    rows: Rows,
    quantities: tuple[int, ...],
    front: ExpirySlice,
    distribution: Distribution,
    *,
    strategy: str,
    family: str,
    spot: float,
    view: View,
    settings: LegSettings,
    reason: str,
) -> Candidate | NoCandidate:
    """Price one structure (`rows` of shape `(legs,)`) under `distribution` at its front expiry.

    Every figure – outcomes, EV, CVaR, break-evens, maximum profit – assumes the worst acceptable premium and fees of
    both sides, so no permitted fill is worse than shown. Outcomes are present values; break-evens and maximum
    profit are those of the payoff at expiry. `settings.model_doubt` of the probability sits on the maximum loss:
    without it, selling what the model calls impossible would look free. An arbitrage pays the same at every price:
    nothing is modelled or doubted, and all it pays, or owes at expiry, counts as maximum loss. Refuses what cannot be
    proven to be of defined risk.
    """
    signed = np.array(quantities, dtype=np.float64)
    certain = family == "arbitrage"
    doubt = 0.0 if certain else settings.model_doubt
    one = batch(priced, rows[None, :], signed, front, settings, certain=certain)
    legs = tuple(leg_of(priced, int(row), quantity) for row, quantity in zip(rows, quantities, strict=True))
    worst = int(one.quotes.worst_ticks[0]) * one.quotes.tick
    multiplier = legs[0].multiplier
    proven = bounded_max_loss(legs, float(worst), shortfall_per_share=float(one.shortfall[0]))
    if isinstance(proven, Unbounded):
        return NoCandidate("unbounded", f"The loss of this {strategy} cannot be bounded: {proven.reason}.")
    loss = max(proven + one.fees, float(one.max_loss[0])) if certain else proven + one.fees
    if loss < LEAST_RISK:
        return NoCandidate("riskless", "The quotes promise a gain without risk, so they are wrong.", {"loss": loss})
    max_loss = _cents(loss - NOISE, ROUND_CEILING)
    pnl = np.maximum(outcomes(priced, one, distribution.prices, settings)[0], -float(max_loss))
    chance = distribution.probabilities * (1 - doubt)
    if doubt:
        pnl, chance = np.append(pnl, -float(max_loss)), np.append(chance, doubt)
    value = float(pnl @ chance)
    risk = max(tail_loss(pnl, chance), LEAST_RISK)
    exact = len({(leg.expiry, leg.settlement) for leg in legs}) == 1
    net = float(worst) - one.fees / multiplier
    gain = max_profit(legs, net) if exact and not certain else float(pnl.max())
    premium = worst * multiplier
    return Candidate(
        ticker=priced.ticker,
        intent="open",
        strategy=strategy,
        family=family,
        legs=legs,
        spot=spot,
        limit_per_share=int(one.quotes.limit_ticks[0]) * one.quotes.tick,
        worst_per_share=worst,
        natural_per_share=Decimal(repr(round(float(one.quotes.natural[0]), 6))),
        fees=_cents(one.fees - NOISE, ROUND_CEILING),
        max_loss=max_loss,
        max_profit=None if gain is None else _cents(gain + NOISE, ROUND_FLOOR),
        payoff_basis="exact" if exact else "bound",
        breakevens=break_evens(legs, net) if exact else crossings(distribution.prices, pnl[: len(distribution.prices)]),
        pop=min(float(chance[pnl > 0].sum()), 1.0),
        expected_value=value,
        cvar95=risk,
        score=value / risk,
        outcomes=compressed(pnl, chance),
        greeks=position_greeks(priced, rows, signed, multiplier),
        margin=max_loss if min(quantities) < 0 else _cents(float(-premium), ROUND_CEILING),
        liquidity=int(units_executable(priced, one.rows, signed, settings)[0]),
        first_expiry=min(leg.expiry for leg in legs),
        last_expiry=max(leg.expiry for leg in legs),
        drift=view.drift,
        forecast_vol=view.forecast_vol,
        reason=reason,
        breakdown={
            "mid_per_share": float(one.quotes.mid[0]),
            "gap_to_natural_per_share": float(one.quotes.mid[0] - one.quotes.natural[0]),
            "expected_value_at_mid": value + multiplier * (float(one.quotes.mid[0]) - float(worst)),
            "slippage_per_unit": multiplier * (float(one.quotes.mid[0]) - float(worst)),
            "fees_per_unit": one.fees,
            "shortfall_per_share": float(one.shortfall[0]),
            "front_dte": front.tau * DAYS_PER_YEAR,
            "front_forward": front.forward,
            "carry": float(np.log(front.forward / spot)) / front.tau,
            "expected_price": float(distribution.prices @ distribution.probabilities),
            "model_doubt": doubt,
            "return_on_risk": value / float(max_loss),
        },
    )


def _cents(amount: float, rounding: str) -> Decimal:
    return Decimal(repr(amount)).quantize(CENT, rounding=rounding)
