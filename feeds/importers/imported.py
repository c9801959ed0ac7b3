"""What an importer returns, and what a preset is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from domain.market import Bars, CalendarEvent, Chain, DataNote, Post, Series
from domain.units import Floats

if TYPE_CHECKING:
    from feeds.importers.table import RawTable


@dataclass(frozen=True, slots=True, eq=False)
class StoredSeries:
    """A history and its `basis`: only series of one name and one basis may be joined end to end."""

    series: Series
    basis: str


@dataclass(frozen=True, slots=True, eq=False)
class StoredBars:
    """Bars and, for raw prices, the split that took effect on each day (new shares per old, 1 = none). Shape `(n,)`."""

    bars: Bars
    split: Floats


@dataclass(frozen=True, eq=False)
class Imported:
    """One file in canonical form. `refusal` says why a recognised file holds no market data."""

    chains: tuple[Chain, ...] = ()
    bars: tuple[StoredBars, ...] = ()
    series: tuple[StoredSeries, ...] = ()
    posts: tuple[Post, ...] = ()
    events: tuple[CalendarEvent, ...] = ()
    sectors: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[DataNote, ...] = ()
    refusal: str = ""

    @property
    def rows(self) -> int:
        """Canonical rows of every kind."""
        return (
            sum(len(chain) for chain in self.chains)
            + sum(len(item.bars) for item in self.bars)
            + sum(len(item.series) for item in self.series)
            + len(self.posts)
            + len(self.events)
            + len(self.sectors)
        )


@dataclass(frozen=True)
class Preset:
    """One file layout: recognised by its `columns` (and `named`, where the header alone does not tell the subject).

    `known` states from which instant its rows may be used.
    """

    name: str
    title: str
    known: str
    columns: frozenset[str]
    read: "Callable[[RawTable], Imported]"
    named: "Callable[[RawTable], bool]" = lambda _: True
    exact: bool = False

    def fits(self, table: "RawTable") -> bool:
        """Whether `table` has this layout."""
        header = set(table.columns)
        matches = self.columns == header if self.exact else self.columns <= header
        return matches and self.named(table)
