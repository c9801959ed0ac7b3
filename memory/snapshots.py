"""Content-addressed, immutable snapshots: a few files named by their SHA-256 and a manifest that names them."""

import asyncio
import errno
import hashlib
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import MachineError, StorageFull, TamperError, UsageError
from domain.record import canonical_json
from domain.snapshot import MarketSnapshot, SnapshotRef
from memory.snapshot_parts import PARTS, from_parts, to_parts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

FORMAT = 1
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ParquetSnapshotStore:
    """`domain.ports.SnapshotStore` under `root`; registered in table `snapshots` where an engine is given.

    The manifest is written last: a snapshot exists whole or not at all. Files of a put that failed half-way stay; they
    are complete, belong to no snapshot, and are taken up when the same content is put again. The last `kept` snapshots
    read stay in memory; what was put is read back like any other, so that a run and its replay see the same.
    """

    def __init__(self, root: Path, engine: "AsyncEngine | None" = None, *, kept: int = 2) -> None:
        self._root = root
        self._engine = engine
        self._kept = kept
        self._loaded: OrderedDict[str, MarketSnapshot] = OrderedDict()

    async def put(self, snapshot: MarketSnapshot) -> SnapshotRef:
        """See `domain.ports.SnapshotStore.put`."""
        ref, manifest = await asyncio.to_thread(self._write, snapshot)
        if self._engine is not None:
            await _register(self._engine, ref, manifest)
        return ref

    async def get(self, snapshot_id: str) -> MarketSnapshot:
        """See `domain.ports.SnapshotStore.get`."""
        if snapshot_id not in self._loaded:
            manifest = await self._manifest(snapshot_id)
            self._loaded[snapshot_id] = await asyncio.to_thread(self._read, manifest)
            while len(self._loaded) > self._kept:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(snapshot_id)
        return self._loaded[snapshot_id]

    def _write(self, snapshot: MarketSnapshot) -> tuple[SnapshotRef, str]:
        named = {name: (_sha256(content), content) for name, content in to_parts(snapshot).items()}
        manifest = canonical_json(
            {
                "format": FORMAT,
                "as_of": snapshot.as_of,
                "feed": snapshot.market.feed,
                "parts": {name: {"sha256": sha, "bytes": len(content)} for name, (sha, content) in named.items()},
            }
        )
        snapshot_id = _sha256(manifest.encode())
        for sha, content in named.values():
            write_whole(self._part(sha), content)
        write_whole(self._manifest_path(snapshot_id), manifest.encode())
        size = sum(len(content) for _, content in named.values()) + len(manifest)
        return (
            SnapshotRef(snapshot_id=snapshot_id, as_of=snapshot.as_of, feed=snapshot.market.feed, bytes=size),
            manifest,
        )

    def _read(self, manifest: Mapping[str, Any]) -> MarketSnapshot:
        return from_parts({name: self._checked(name, manifest["parts"][name]["sha256"]) for name in PARTS})

    def _checked(self, name: str, sha: str) -> bytes:
        path = self._part(sha)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise TamperError(f"The snapshot's {name} are missing: {path} is gone.", remedy="Restore it.") from error
        if _sha256(content) != sha:
            raise TamperError(f"The snapshot's {name} are damaged: {path} does not hash to its name.")
        return content

    async def _manifest(self, snapshot_id: str) -> dict[str, Any]:
        text = await asyncio.to_thread(_text, self._manifest_path(snapshot_id))
        if text is None and self._engine is not None:
            text = await _registered(self._engine, snapshot_id)
        if text is None:
            raise UsageError(
                f"There is no snapshot {snapshot_id!r}.", remedy="'desk audit show' names those of each run."
            )
        if _sha256(text.encode()) != snapshot_id:
            raise TamperError(f"The manifest {self._manifest_path(snapshot_id)} does not hash to its name.")
        manifest: dict[str, Any] = json.loads(text)
        if manifest["format"] != FORMAT:
            raise UsageError(f"Snapshot {snapshot_id} has format {manifest['format']}; this program reads {FORMAT}.")
        return manifest

    def _part(self, sha: str) -> Path:
        return self._root / "parts" / sha[:2] / sha

    def _manifest_path(self, snapshot_id: str) -> Path:
        # A name from outside must not lead out of the folder.
        return self._root / "manifests" / f"{Path(snapshot_id).name}.json"


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole and durably, or leave nothing; a file that is there already is kept if equal.

    Raises `StorageFull` when the disk is full, `MachineError` when it cannot be written otherwise.
    """
    temporary: Path | None = None
    try:
        if path.exists() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if error.errno in FULL:
            raise StorageFull(
                f"No space to store {path}.", remedy="Free some; nothing half-written was left."
            ) from error
        raise MachineError(f"{path} cannot be written: {error.strerror}.") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def _register(engine: "AsyncEngine", ref: SnapshotRef, manifest: str) -> None:
    from sqlalchemy.dialects.postgresql import insert

    from memory.tables.snapshots import SnapshotTable

    row = {**ref.model_dump(), "manifest": manifest}
    async with engine.begin() as link:
        await link.execute(insert(SnapshotTable).values(row).on_conflict_do_nothing())


async def _registered(engine: "AsyncEngine", snapshot_id: str) -> str | None:
    from sqlalchemy import select

    from memory.tables.snapshots import SnapshotTable

    async with engine.connect() as link:
        found = await link.execute(select(SnapshotTable.manifest).where(SnapshotTable.snapshot_id == snapshot_id))
        return found.scalar_one_or_none()
