"""How sizes are found: `sizing` in `config/risk_matrix.yaml`."""

from itertools import pairwise
from typing import Self

from pydantic import model_validator

from domain.record import Record
from domain.regime import Regime
from risk.sizing.dynamic import DynamicSizer
from risk.sizing.kelly import KellySizer


class RiskParity(Record):
    """The alternative to Kelly: worst-case budget shared among strategy types so that each contributes alike."""

    budget: dict[Regime, float]  # worst case of all strategies together, share of NLV

    @model_validator(mode="after")
    def _no_larger_in_wilder_markets(self) -> Self:
        require_falling(self.budget, "budget")
        return self


class SizingSettings(Record):
    """Every sizer that is set has its say, and the smallest cap wins. `risk_parity` takes the place of `kelly`'s share
    of the candidate's own distribution; the live record, the regime's cap and the hard limits speak in any case.
    """

    regime_cap: dict[Regime, float]  # worst-case loss of one order, share of NLV
    kelly: KellySizer = KellySizer()
    risk_parity: RiskParity | None = None
    dynamic: DynamicSizer | None = None

    @model_validator(mode="after")
    def _no_larger_in_wilder_markets(self) -> Self:
        require_falling(self.regime_cap, "regime_cap")
        return self


def require_falling(shares: dict[Regime, float], name: str) -> None:
    """Raise `ValueError` unless every regime has a share of NLV in [0, 1], none larger than a calmer regime's."""
    missing = [regime.value for regime in Regime if regime not in shares]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}")
    ordered = [shares[regime] for regime in Regime]
    if not all(0 <= share <= 1 for share in ordered):
        raise ValueError(f"{name} is a share of NLV, between 0 and 1")
    if any(wilder > calmer for calmer, wilder in pairwise(ordered)):
        raise ValueError(f"{name} may not grow from low_vol to crisis")
