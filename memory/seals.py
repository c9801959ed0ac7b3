"""The second place in which a run's seal is kept: a file beside the database, one JSON line a seal.

Whoever can rewrite the whole table cannot thereby rewrite this file; copy it elsewhere for more.
"""

import fcntl
import os
from pathlib import Path

from pydantic import ValidationError

from domain.audit import Seal
from domain.errors import StorageFull, TamperError
from domain.record import canonical_json


def append_seal(path: Path, seal: Seal) -> None:
    """Add `seal` durably, once. A last line cut short by a crash was never acknowledged and is dropped.

    Raises `TamperError` if the file holds another seal of the same run, `StorageFull` if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            whole = file.read()
            whole = whole[: whole.rfind(b"\n") + 1]
            known = _parse(whole, path).get(seal.run_id)
            if known is not None and known != seal:
                raise TamperError(f"{path} seals run {seal.run_id} at {known.rows} rows, the database at {seal.rows}.")
            file.truncate(len(whole))
            if known is None:
                file.write(canonical_json(seal).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageFull(f"The seal of run {seal.run_id} could not be written to {path}: {error.strerror}.") from error


def read_seals(path: Path) -> dict[str, Seal]:
    """Seals by run; empty if there is no file. Raises `TamperError` naming a line that is not a seal."""
    whole = path.read_bytes() if path.exists() else b""
    return _parse(whole[: whole.rfind(b"\n") + 1], path)


def _parse(whole: bytes, path: Path) -> dict[str, Seal]:
    seals: dict[str, Seal] = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            seal = Seal.model_validate_json(line)
        except ValidationError as error:
            raise TamperError(f"Line {number} of {path} is not a seal.") from error
        if seal.run_id in seals:
            raise TamperError(f"Line {number} of {path} seals run {seal.run_id} a second time.")
        seals[seal.run_id] = seal
    return seals


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
