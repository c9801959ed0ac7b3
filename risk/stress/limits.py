"""Which limits a loss would break."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from domain.regime import Regime
from domain.risk import Check, Exposure, HardLimits

ANY = "*"


@dataclass(frozen=True, slots=True)
class Account:
    """What limits are measured against, at the instant of the stress. Amounts in USD."""

    nlv: float
    baseline_nlv: float
    margin: float
    exposures: tuple[Exposure, ...]
    regime: Regime
    hard: HardLimits
    var_budget: float | None  # one-day 95 %, share of NLV; None: the regime has none


def checks_after(profit: float, account: Account) -> tuple[Check, ...]:
    """Every limit that speaks of NLV, once `profit` USD (negative: a loss) has struck; those not `passed` would break.

    Worst cases and margin are taken as they stand today: a loss has used up part of them, so that the shares after it
    are overstated, never understated. An NLV of nothing or less breaks them all.
    """
    hard, nlv = account.hard, account.nlv + profit
    crisis = account.regime is Regime.CRISIS
    lost = (account.baseline_nlv - nlv) / account.baseline_nlv if account.baseline_nlv > 0 else None
    in_name, name = _largest(account.exposures, "ticker")
    in_sector, sector = _largest(account.exposures, "sector")
    in_one = hard.position_at_risk_crisis if crisis else hard.position_at_risk
    against = f"NLV {nlv:,.2f} USD against a baseline of {account.baseline_nlv:,.2f} USD"
    bound = f"margin {account.margin:,.2f} USD"
    found = [
        _check("daily_loss", lost, hard.daily_loss, "share of baseline NLV", against, at_limit=False),
        _share("free_margin", nlv - account.margin, nlv, hard.free_margin, bound, least=True),
        _share("position_at_risk", in_name, nlv, in_one, name),
        _share("sector_exposure", in_sector, nlv, hard.sector_exposure, sector),
    ]
    if account.var_budget is not None:
        detail = "the loss against what one day in twenty may lose"
        found.append(
            _share("var_budget", max(0.0, -profit), account.nlv, account.var_budget, detail).model_copy(
                update={"hard": False}
            )
        )
    return tuple(found)


def _share(name: str, amount: float, nlv: float, limit: float, detail: str, *, least: bool = False) -> Check:
    return _check(name, amount / nlv if nlv > 0 else None, limit, "share of NLV", detail, least=least)


def _check(
    name: str,
    measured: float | None,
    limit: float,
    unit: str,
    detail: str,
    *,
    least: bool = False,
    at_limit: bool = True,
) -> Check:
    """Passes on the good side of `limit`, and on it if `at_limit`."""
    room = None if measured is None else measured - limit if least else limit - measured
    passed = room is not None and (room > 0 or (at_limit and room == 0))
    return Check(
        name=name, ticker=ANY, stage="final", measured=measured, limit=limit, unit=unit, passed=passed, hard=True,
        detail=detail,
    )  # fmt: skip


def _largest(exposures: Iterable[Exposure], by: str) -> tuple[float, str]:
    """The largest worst case of one ticker or sector, USD, and whose it is; ties go to the first name."""
    total: dict[str, float] = defaultdict(float)
    for exposure in exposures:
        total[getattr(exposure, by)] += float(exposure.worst_case)
    if not total:
        return 0.0, "nothing held"
    name = max(sorted(total), key=lambda one: total[one])
    return total[name], name
