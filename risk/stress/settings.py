"""Stress settings: the named shocks with their sources, the grid, and the random market. See `config/stress.yaml`."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domain.record import Record
from domain.regime import Regime

Move = Annotated[float, Field(gt=-1.0)]  # relative; −1 would leave nothing
STRESSED_CORRELATION = 0.8


class Source(Record):
    """Where figures come from."""

    text: str
    computed: bool  # True: last ÷ first − 1 of a closing series (yields: last − first) over the shock's two days


class NamedShock(Record):
    """One episode of market history as a joint move from the close of `since` to the close of `until`.

    `spot` is the index's relative move, decimal; each name moves by its beta times that. `vol` is the relative change
    of 30-day at-the-money volatility; the smile scales with it, so that skew in points steepens as volatility rises.
    `rate` is the parallel shift of the curve, decimal a year.
    """

    name: str = Field(pattern=r"[a-z0-9_]+")
    title: str
    since: date
    until: date
    spot: Move
    vol: Move
    rate: float = Field(ge=-0.10, le=0.10)
    spot_from: str  # names of `StressSettings.sources`
    vol_from: str
    rate_from: str
    note: str = ""

    @property
    def days(self) -> int:
        """Calendar days that the episode lasted."""
        return (self.until - self.since).days

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.until <= self.since:
            raise ValueError("until must be later than since")
        return self


class GridSettings(Record):
    """Axes of the P&L matrix; 0 must be on each, so that the matrix shows where the book stands."""

    spot: tuple[Move, ...]  # index move, decimal, ascending
    vol: tuple[Move, ...]  # relative change of 30-day volatility, ascending
    days: tuple[Annotated[int, Field(ge=0)], ...]  # calendar days passed, ascending

    @model_validator(mode="after")
    def _axes(self) -> Self:
        for axis, values in (("spot", self.spot), ("vol", self.vol), ("days", self.days)):
            if list(values) != sorted(set(values)) or 0 not in values:
                raise ValueError(f"{axis} must be ascending, without repeats, and contain 0")
        return self


class RandomMarket(Record):
    """The market that Monte Carlo draws from in one regime."""

    freedom: float = Field(gt=2.0)  # degrees of freedom of Student's t; above 2, or there is no variance to scale
    vol_factor: float = Field(ge=1.0)  # realised volatility to be feared, over implied
    vol_of_vol: float = Field(gt=0.0, le=1.0)  # standard deviation of the daily log change of 30-day volatility
    spot_vol_correlation: float = Field(ge=-1.0, le=0.0)  # leverage effect


class MonteCarloSettings(Record):
    """How many paths, over which horizon, and the market of each regime."""

    paths: int = Field(default=20_000, ge=1_000, le=200_000)
    sessions: int = Field(default=1, ge=1, le=21)
    market: dict[Regime, RandomMarket]

    @model_validator(mode="after")
    def _every_regime(self) -> Self:
        missing = [regime.value for regime in Regime if regime not in self.market]
        if missing:
            raise ValueError(f"market lacks {', '.join(missing)}")
        return self


class StressSettings(Record):
    """`config/stress.yaml`."""

    index: Literal["SPX"] = "SPX"
    stand_in_betas: tuple[float, ...] = Field(default=(0.0, 1.5, 3.0), min_length=2)  # the worst counts, if unknown
    sources: dict[str, Source]
    shocks: tuple[NamedShock, ...] = Field(min_length=1)
    grid: GridSettings
    monte_carlo: MonteCarloSettings

    @model_validator(mode="after")
    def _sources_known_and_names_unique(self) -> Self:
        names = [shock.name for shock in self.shocks]
        if len(set(names)) != len(names):
            raise ValueError("two shocks bear the same name")
        for shock in self.shocks:
            for named in (shock.spot_from, shock.vol_from, shock.rate_from):
                if named not in self.sources:
                    raise ValueError(f"{shock.name} names the source {named!r}, which is not listed in sources")
        return self
