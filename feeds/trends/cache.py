"""Answers of Google Trends on disk: what was fetched once is not asked again, and a pause outlives the process."""

import hashlib
import os
from datetime import date, datetime
from pathlib import Path

from pydantic import ValidationError

from domain.errors import StorageFull
from domain.record import Instant, Record
from feeds.trends.windows import Window


class Pause(Record):
    """Not to be asked before `until`; `strikes` times in a row Google has asked for fewer requests."""

    until: Instant
    strikes: int


class TrendsCache:
    """One file an answer, in a folder a term. An answer is never changed: a later one stands beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def windows(self, term: str, geo: str, as_of: datetime) -> tuple[Window, ...]:
        """Answers fetched by `as_of`, by start, then fetch. A file that cannot be read counts as not there."""
        found = [window for path in sorted(self._home(term, geo).glob("*.json")) if (window := _read(path))]
        known = [window for window in found if window.fetched_at <= as_of]
        return tuple(sorted(known, key=lambda window: (window.start, window.fetched_at)))

    def latest(self, term: str, geo: str, start: date, as_of: datetime) -> Window | None:
        """The latest answer for the window that begins at `start`."""
        return next((w for w in reversed(self.windows(term, geo, as_of)) if w.start == start), None)

    def keep(self, window: Window) -> None:
        """Store an answer, whole or not at all. Raises `StorageFull`."""
        name = f"{window.start}_{window.fetched_at:%Y%m%dT%H%M%SZ}.json"
        _write(self._home(window.term, window.geo) / name, window)

    @property
    def pause(self) -> Pause | None:
        """The pause in force or the last one; None if Google never asked for one."""
        try:
            return Pause.model_validate_json(self._pause.read_bytes())
        except (OSError, ValidationError):
            return None

    def set_pause(self, pause: Pause | None) -> None:
        """Begin a pause; None forgets it."""
        if pause is None:
            self._pause.unlink(missing_ok=True)
        else:
            _write(self._pause, pause)

    @property
    def _pause(self) -> Path:
        return self._folder / "pause.json"

    def _home(self, term: str, geo: str) -> Path:
        return self._folder / hashlib.sha256(f"{geo}\0{term}".encode()).hexdigest()[:16]


def _read(path: Path) -> Window | None:
    try:
        return Window.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, record: Record) -> None:
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(record.model_dump_json(), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StorageFull(
            f"An answer of Google Trends cannot be kept in {path.parent}: {error.strerror}.",
            remedy="Make room, or let the desk write there; what is kept may be deleted, it is asked for again.",
        ) from error
