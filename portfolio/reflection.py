"""What a closed trade teaches: what was predicted, what happened, where the profit came from. Rules, no model.

The surprise is the distance of the outcome from the mean of the distribution that the trade was sized on, in its
standard deviations; importance follows from it alone. Nothing but the trade's own record is read, so that a lesson does
not depend on when it is drawn.
"""

import math

from domain.debate import Verdict
from domain.experience import Attribution, ClosedTrade, Finding, Lesson
from domain.units import SECONDS_PER_YEAR
from portfolio.greek_parts import attribution, leg_vols, price_move

IMPORTANCE_FLOOR = 0.5
"""Importance of an outcome exactly as expected. Not lower: the losses of most defined-risk structures are far rarer and
larger than their wins, so a steeper scale would recall little but disasters."""
SIGN = {Verdict.BULL: 1, Verdict.BEAR: -1, Verdict.INCONCLUSIVE: 0}
VOL_SIGN = {"long": 1, "short": -1, "none": 0}


def reflect(trade: ClosedTrade) -> Lesson:
    """The lesson of one trade: same trade, same lesson, whenever and by whichever run it is drawn."""
    order, thesis = trade.opening, trade.opening.thesis
    candidate = order.sized.candidate
    at_risk = float(candidate.max_loss) * trade.units
    outcome = float(trade.profit) / at_risk
    mean, deviation = _expected(candidate.outcomes, float(candidate.max_loss))
    surprise = abs(outcome - mean) / deviation if deviation > 0 else abs(outcome - mean)
    move, vols = price_move(trade), leg_vols(trade)
    sigmas = _in_sigmas(move, candidate.forecast_vol, trade)
    parts = attribution(trade, move=move, vols=vols)
    finding = _finding(trade, move, parts)
    return Lesson(
        order_id=order.order_id,
        run_id=order.run_id,
        ticker=order.ticker,
        strategy=candidate.strategy,
        opened_at=trade.opened_at,
        known_at=trade.known_at,
        verdict=thesis.verdict,
        confidence=thesis.confidence,
        vol_view=thesis.vol_view,
        expected=mean,
        win_chance=candidate.pop,
        outcome=outcome,
        profit=trade.profit,
        surprise=surprise,
        importance=importance(surprise),
        price_move=move,
        move_in_sigmas=sigmas,
        vol_change=None if vols is None else vols.change,
        attribution=parts,
        finding=finding,
        text=_told(trade, finding, outcome, mean, sigmas, parts),
        evidence=_evidence(trade),
    )


def importance(surprise: float) -> float:
    """From ½ for an outcome just as expected towards 1: halfway there at one standard deviation, and so on."""
    return 1.0 - (1.0 - IMPORTANCE_FLOOR) * math.exp2(-surprise)


def _expected(outcomes: tuple[tuple[float, float], ...], max_loss: float) -> tuple[float, float]:
    """Mean and standard deviation of the outcome over worst-case loss, as seen at entry."""
    mean = math.fsum(chance * profit for chance, profit in outcomes) / max_loss
    square = math.fsum(chance * (profit / max_loss - mean) ** 2 for chance, profit in outcomes)
    return mean, math.sqrt(square)


def _in_sigmas(move: float | None, vol: float, trade: ClosedTrade) -> float | None:
    years = (trade.known_at - trade.opened_at).total_seconds() / SECONDS_PER_YEAR
    return None if move is None or years <= 0 or vol <= 0 else math.log1p(move) / (vol * math.sqrt(years))


def _finding(trade: ClosedTrade, move: float | None, parts: Attribution) -> Finding:
    """A view on price is right if the underlying went that way; with none, a view on volatility is right if the
    exposures to it (gamma, theta, vega) earned in sum; with neither known the result speaks for itself.
    """
    thesis, won = trade.opening.thesis, trade.profit > 0
    if trade.profit == 0:
        return "even"
    sign = SIGN[thesis.verdict]
    if sign and move:
        right = sign * move > 0
    elif VOL_SIGN[thesis.vol_view] and parts.gamma is not None:
        right = parts.gamma + parts.theta + (parts.vega or 0.0) > 0
    else:
        right = won
    if right:
        return "right" if won else "unpaid"
    return "lucky" if won else "wrong"


def _told(
    trade: ClosedTrade, finding: Finding, outcome: float, mean: float, sigmas: float | None, parts: Attribution
) -> str:
    thesis, candidate = trade.opening.thesis, trade.opening.sized.candidate
    view = thesis.verdict.value if SIGN[thesis.verdict] else f"volatility {thesis.vol_view}"
    moved = "how far the price went is not known" if sigmas is None else f"the price went {sigmas:+.1f} sigma"
    name, amount = _largest(parts, gains=trade.profit > 0)
    advice = {
        "right": "The view and the structure agreed with what came.",
        "unpaid": f"The view was right, the structure was not: {name} cost most ({amount:+,.0f} USD).",
        "lucky": f"It paid by {name} ({amount:+,.0f} USD), not by the view: no reason to trust the view more.",
        "wrong": f"The view was wrong and {name} cost most ({amount:+,.0f} USD): weigh what spoke for it less.",
        "even": "Nothing was learned about the view.",
    }[finding]
    return (
        f"{view} by {candidate.strategy.replace('_', ' ')}: {outcome:+.2f} of worst case against {mean:+.2f} expected "
        f"and a {candidate.pop:.0%} chance to win; {moved}. {advice}"
    )


def _largest(parts: Attribution, *, gains: bool) -> tuple[str, float]:
    """The part that did most for the result: the greatest gain of a winner, the greatest cost of a loser."""
    named = {name: value for name, value in parts.model_dump().items() if value is not None}
    pick = max if gains else min
    name = pick(named, key=lambda part: (named[part], part))
    return ("what the Greeks at entry do not explain" if name == "rest" else name), named[name]


def _evidence(trade: ClosedTrade) -> tuple[str, ...]:
    orders = [trade.opening.order_id, *(order.order_id for order in trade.closings)]
    settled = [f"settlement/{price.ticker}/{price.expiry}/{price.timing}" for price in trade.settlements]
    return (*trade.opening.thesis.signal_ids, *orders, *(fill.fill_id for fill in trade.fills), *settled)
