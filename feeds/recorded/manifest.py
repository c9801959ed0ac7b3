"""What the library knows of each source without opening it."""

from datetime import datetime

import numpy as np

from domain.market import Chain, DataNote
from domain.record import Instant, Record
from domain.units import Instants, from_datetime64
from feeds.importers.imported import Imported


class Capture(Record):
    """One stored chain. `quoted`: it has rows with both bid and ask."""

    source_id: str
    ticker: str
    as_of: Instant
    rows: int
    quoted: bool
    file: str


class Source(Record):
    """Manifest of one imported file."""

    id: str
    name: str
    preset: str
    known: str
    sha256: str
    rows: int
    first_known: Instant | None
    last_known: Instant | None
    captures: tuple[Capture, ...] = ()
    bars: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    posts: int = 0
    events: int = 0
    sectors: dict[str, str] = {}
    notes: tuple[DataNote, ...] = ()

    @property
    def tickers(self) -> tuple[str, ...]:
        """Underlyings with chains, ascending."""
        return tuple(sorted({capture.ticker for capture in self.captures}))


def describe(source_id: str, name: str, preset: str, known: str, sha256: str, imported: Imported) -> Source:
    instants: list[Instants] = [np.array([_stamp(chain.as_of) for chain in imported.chains], dtype="datetime64[s]")]
    instants += [item.bars.known_at for item in imported.bars]
    instants += [item.series.known_at for item in imported.series]
    instants.append(np.array([_stamp(post.known_at) for post in imported.posts], dtype="datetime64[s]"))
    instants.append(np.array([_stamp(event.known_at) for event in imported.events], dtype="datetime64[s]"))
    known_at = np.concatenate(instants)
    return Source(
        id=source_id,
        name=name,
        preset=preset,
        known=known,
        sha256=sha256,
        rows=imported.rows,
        first_known=from_datetime64(known_at.min()) if len(known_at) else None,
        last_known=from_datetime64(known_at.max()) if len(known_at) else None,
        captures=tuple(_capture(source_id, chain) for chain in imported.chains),
        bars=tuple(item.bars.ticker for item in imported.bars),
        series=tuple(item.series.name for item in imported.series),
        posts=len(imported.posts),
        events=len(imported.events),
        sectors=dict(imported.sectors),
        notes=imported.notes,
    )


def _stamp(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.replace(tzinfo=None, microsecond=0), "s") + int(instant.microsecond > 0)


def _capture(source_id: str, chain: Chain) -> Capture:
    return Capture(
        source_id=source_id,
        ticker=chain.ticker,
        as_of=chain.as_of,
        rows=len(chain),
        quoted=bool((np.isfinite(chain.bid) & (chain.ask > 0)).any()),
        file=f"{chain.ticker}@{chain.as_of:%Y%m%dT%H%M%SZ}.parquet",
    )
