"""What the measures of the flow analyst share: the picture, the priced chain and dealers' exposures on it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from domain.signals import Abstention, Direction, MetaValue, Signal
from domain.snapshot import MarketSnapshot
from domain.units import Bools, Floats
from options.exposure import Exposures, exposures
from options.priced import ExpirySlice, PricedChain
from signals.claim import abstain, claim
from signals.dealers import average_turnover, poor_share
from signals.history import Refusal
from signals.settings import FlowSettings, SignalSettings

NAME = "flow"

Found = Signal | Abstention


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One ticker's chain with dealers' exposures under the configured convention."""

    snapshot: MarketSnapshot
    priced: PricedChain
    settings: SignalSettings
    exposure: Exposures
    turnover: float | None  # of the underlying, USD a day; None where unknown

    @classmethod
    def of(cls, snapshot: MarketSnapshot, priced: PricedChain, settings: SignalSettings) -> "View":
        bars = snapshot.market.bars.get(priced.ticker)
        return cls(
            snapshot=snapshot,
            priced=priced,
            settings=settings,
            exposure=exposures(priced, settings.flow.gamma_convention),
            turnover=average_turnover(bars, snapshot.as_of, days=settings.flow.turnover_days),
        )

    @property
    def flow(self) -> FlowSettings:
        return self.settings.flow

    def claim(self, edge: str, side: Direction, conviction: float, figures: Mapping[str, MetaValue]) -> Signal:
        """A claim on this chain; no claim resting on an assumed side is surer than the cap."""
        return claim(
            NAME,
            self.priced.ticker,
            edge,
            side,
            min(conviction, self.flow.cap),
            as_of=self.snapshot.as_of,
            evidence=(f"chain:{self.priced.ticker}@{self.priced.chain.as_of:%Y-%m-%dT%H:%M:%SZ}",),
            figures=figures,
            settings=self.settings,
        )

    def abstain(self, refusal: Refusal, measure: str) -> Abstention:
        """Why one measure says nothing."""
        return abstain(NAME, self.priced.ticker, refusal, measure=measure)

    def unfit(self, greek: Floats) -> Refusal | None:
        """Why exposures by `greek` (a column of the priced chain) cannot be relied on, if they cannot."""
        if not self.exposure.gamma.gross > 0:
            return Refusal("no_open_interest", f"no row of {self.priced.ticker} has both gamma and open interest")
        share, limit = poor_share(self.priced, greek, self._poor_rows()), self.flow.poor_share
        if share <= limit:
            return None
        numbers = {"poor_share": share, "poor_share_max": limit}
        return Refusal("poor_fit", f"{share:.0%} of the exposure lies in badly fitted expiries", numbers)

    def _poor_rows(self) -> Bools:
        poor = np.zeros(len(self.priced.chain), dtype=np.bool_)
        for piece in self.priced.slices:
            poor[piece.rows] = poorly_fitted(piece)
        return poor


def poorly_fitted(piece: ExpirySlice) -> bool:
    """Whether the smile of an expiry was fitted badly. Without a smile quotes stand for themselves."""
    return piece.smile is not None and piece.smile.quality.poor
