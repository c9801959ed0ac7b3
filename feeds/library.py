"""The library of imported market data: a folder of sources, each one folder of canonical Parquet and a manifest.

A source is written beside its final place and renamed into it, so it is there whole or not at all; its name
carries the hash of the file it came from, so importing a file again changes nothing. Chains lie one file for each
underlying and instant: reading a moment touches nothing else.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from domain.errors import DataError, StorageFull, UsageError
from domain.market import CalendarEvent, Chain, DataNote, Post
from domain.record import Instant, Record, canonical_json, digest
from feeds.importers.columns import ColumnMapping, read_mapped
from feeds.importers.imported import Imported, Preset, StoredBars, StoredSeries
from feeds.importers.presets import recognise
from feeds.importers.table import SUFFIXES, RawTable, read_table
from feeds.recorded import tables
from feeds.recorded.manifest import Capture, Source, describe

FORMAT = 1  # of the stored files: a change makes every source be imported anew
_MANIFEST = "manifest.json"
_MAPPED = "columns"


class FileReport(Record):
    """What became of one file. `detail` says why nothing was stored."""

    file: str
    status: Literal["imported", "already_there", "not_market_data", "unknown_layout", "failed"]
    preset: str = ""
    rows: int = 0
    chains: int = 0
    tickers: tuple[str, ...] = ()
    first_known: Instant | None = None
    last_known: Instant | None = None
    notes: tuple[DataNote, ...] = ()
    detail: str = ""


class ImportReport(Record):
    """What became of every file, ascending by name."""

    files: tuple[FileReport, ...]

    @property
    def rows(self) -> int:
        """Rows of all files that are in the library now."""
        return sum(file.rows for file in self.files)

    def of(self, *statuses: str) -> tuple[FileReport, ...]:
        """Files with one of `statuses`."""
        return tuple(file for file in self.files if file.status in statuses)


class MarketLibrary:
    """Sources under `root`. Several processes may read and import at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[str, Source] = {}

    def import_path(self, path: Path, columns: ColumnMapping | None = None) -> ImportReport:
        """Import a file, or every file of a folder and its subfolders.

        A single file that cannot be read raises `DataError`; in a folder it is reported and the others go on.
        `columns` describes files that no preset knows, and is used for these only.
        """
        if path.is_file():
            return ImportReport(files=(self._import_file(path, path.name, columns),))
        if not path.is_dir():
            raise UsageError(f"There is no file or folder {path}.")
        files = sorted(item for item in path.rglob("*") if item.is_file() and item.name.lower().endswith(SUFFIXES))
        if not files:
            raise UsageError(f"{path} holds no file to import.", remedy=f"Known endings: {', '.join(SUFFIXES)}.")
        reports = []
        for item in files:
            name = item.relative_to(path).as_posix()
            try:
                reports.append(self._import_file(item, name, columns))
            except DataError as error:
                status: Literal["unknown_layout", "failed"] = (
                    "unknown_layout" if isinstance(error, _UnknownLayout) else "failed"
                )
                reports.append(FileReport(file=name, status=status, detail=str(error)))
        return ImportReport(files=tuple(reports))

    def list(self) -> tuple[Source, ...]:
        """Manifests of everything imported, ascending by file name. Raises `DataError` for a damaged one."""
        if not self.root.is_dir():
            return ()
        ids = sorted(item.name for item in self.root.iterdir() if item.is_dir() and not item.name.startswith("."))
        for gone in set(self._seen) - set(ids):
            del self._seen[gone]
        for source_id in ids:
            if source_id not in self._seen:
                self._seen[source_id] = self._manifest(source_id)
        return tuple(sorted(self._seen.values(), key=lambda source: (source.name, source.id)))

    def captures(self, *, until: datetime | None = None, since: datetime | None = None) -> tuple[Capture, ...]:
        """Chains known after `since` and by `until` where given, ascending by (as_of, ticker, quoted, rows, source)."""
        found = [
            capture
            for source in self.list()
            for capture in source.captures
            if (until is None or capture.as_of <= until) and (since is None or capture.as_of > since)
        ]
        return tuple(sorted(found, key=lambda item: (item.as_of, item.ticker, item.quoted, item.rows, item.source_id)))

    def chain(self, capture: Capture) -> Chain:
        """The stored chain."""
        return tables.read_chain(self.root / capture.source_id / capture.file)

    def bars(self, tickers: Sequence[str]) -> tuple[StoredBars, ...]:
        """Bars of `tickers` from every source, by source then ticker."""
        wanted = set(tickers)
        return tuple(
            item
            for source in self.list()
            if wanted & set(source.bars)
            for item in tables.read_bars(self.root / source.id / "bars.parquet", sorted(wanted))
        )

    def series(self, names: Sequence[str]) -> tuple[StoredSeries, ...]:
        """Histories called `names` from every source, by source then name."""
        wanted = set(names)
        return tuple(
            item
            for source in self.list()
            if wanted & set(source.series)
            for item in tables.read_series(self.root / source.id / "series.parquet", sorted(wanted))
        )

    def posts(self, *, since: datetime, until: datetime) -> tuple[Post, ...]:
        """Posts with `since` < known_at ≤ `until`, once each, by knowledge time then id."""
        found = {
            post.id: post
            for source in self.list()
            if source.posts and _overlaps(source, since, until)
            for post in tables.read_posts(self.root / source.id / "posts.parquet", since, until)
        }
        return tuple(sorted(found.values(), key=lambda post: (post.known_at, post.id)))

    def events(self, *, until: datetime) -> tuple[CalendarEvent, ...]:
        """Calendar rows known by `until`, coverage rows included, by time."""
        found = [
            event
            for source in self.list()
            if source.events
            for event in tables.read_events(self.root / source.id / "events.parquet", until)
        ]
        return tuple(sorted(set(found), key=lambda event: (event.at, event.ticker or "", event.kind, event.title)))

    def sectors(self) -> Mapping[str, str]:
        """Imported sector map, later file names over earlier ones."""
        return {ticker: sector for source in self.list() for ticker, sector in source.sectors.items()}

    def _import_file(self, path: Path, name: str, columns: ColumnMapping | None) -> FileReport:
        content = path.read_bytes()
        table = read_table(path.name, content)
        preset = _layout(table, columns)
        sha256 = hashlib.sha256(content).hexdigest()
        mapping = canonical_json(columns) if preset.name == _MAPPED else ""
        source_id = f"{preset.name}-{digest([FORMAT, path.name, preset.name, mapping, sha256])[:16]}"
        if (self.root / source_id).is_dir():
            return _report(name, self._manifest(source_id), "already_there")
        imported = preset.read(table)
        if imported.refusal:
            return FileReport(file=name, status="not_market_data", preset=preset.name, detail=imported.refusal)
        if not imported.rows:
            raise DataError(f"{path.name}: nothing in it can be used: {_reasons(imported)}.")
        source = describe(source_id, path.name, preset.name, preset.known, sha256, imported)
        self._store(source, imported)
        return _report(name, source, "imported")

    def _store(self, source: Source, imported: Imported) -> None:
        """Write aside, then rename: the source appears whole or not at all."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".importing-", dir=self.root))
        except OSError as error:
            raise StorageFull(f"The library at {self.root} cannot be written ({error.strerror}).") from error
        try:
            for chain, capture in zip(imported.chains, source.captures, strict=True):
                tables.write_chain(aside / capture.file, chain)
            if imported.bars:
                tables.write_bars(aside / "bars.parquet", imported.bars)
            if imported.series:
                tables.write_series(aside / "series.parquet", imported.series)
            if imported.posts:
                tables.write_records(aside / "posts.parquet", imported.posts)
            if imported.events:
                tables.write_records(aside / "events.parquet", imported.events)
            (aside / _MANIFEST).write_text(source.model_dump_json(indent=1), encoding="utf-8")
            aside.chmod(0o755)
            aside.rename(self.root / source.id)
        except OSError as error:
            if (self.root / source.id / _MANIFEST).is_file():
                return  # another process imported the same file first
            raise StorageFull(
                f"{source.name} could not be stored whole ({error.strerror}); nothing was kept."
            ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _manifest(self, source_id: str) -> Source:
        path = self.root / source_id / _MANIFEST
        try:
            return Source.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise DataError(
                f"The manifest of {source_id} in the library is missing or damaged.",
                remedy=f"Remove the folder {self.root / source_id} and import the file again.",
            ) from error


class _UnknownLayout(DataError):
    """No preset fits: in a folder this is listed apart from damaged files."""


def _layout(table: RawTable, columns: ColumnMapping | None) -> Preset:
    try:
        return recognise(table)
    except DataError as error:
        if columns is None:
            raise _UnknownLayout(error.message, remedy=error.remedy) from error
        read = partial(read_mapped, mapping=columns)
        return Preset(_MAPPED, "Layout described by the user", "as the column mapping says", frozenset(), read)


def _reasons(imported: Imported) -> str:
    return "; ".join(f"{note.count} rows: {note.detail}" for note in imported.notes) or "it is empty"


def _overlaps(source: Source, since: datetime, until: datetime) -> bool:
    if source.first_known is None or source.last_known is None:
        return False
    return source.first_known <= until and source.last_known > since


def _report(name: str, source: Source, status: Literal["imported", "already_there"]) -> FileReport:
    return FileReport(
        file=name,
        status=status,
        preset=source.preset,
        rows=source.rows,
        chains=len(source.captures),
        tickers=source.tickers,
        first_known=source.first_known,
        last_known=source.last_known,
        notes=source.notes,
    )
