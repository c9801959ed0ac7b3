"""Verification of the decision log: walks the chain once and names the first row that is not as it was written.

Holding no more than a batch of rows, it recomputes both hashes of every row, follows the links, and compares the
chain with the seals in the database and in the file. What was done to a row (changed, added, missing, re-ordered) is
worked out afterwards, from where the genuine rows stand now.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from psycopg.sql import SQL, Identifier

from domain.audit import Seal, VerifyReport
from domain.errors import TamperError
from memory.audit import GENESIS, Link, link_hash, payload_hash, stamp
from memory.engine import conninfo, translated
from memory.seals import read_seals

if TYPE_CHECKING:
    import psycopg

BATCH = 2_000
MOST_FAULTS = 20


class Stored(NamedTuple):
    """A row as it stands in the table."""

    seq: int
    logged_at: datetime
    code_version: str
    run_id: str
    node: str
    ticker: str
    kind: str
    author: str
    payload_hash: str
    previous_hash: str
    entry: str
    hash: str

    def hash_at(self, seq: int) -> str:
        """What the row would hash to if it stood at `seq`."""
        return link_hash(Link(seq, stamp(self.logged_at), *self[2:10]))

    @property
    def entry_intact(self) -> bool:
        """Whether the entry is the one that was hashed."""
        return payload_hash(self.entry) == self.payload_hash

    def __str__(self) -> str:
        return f"row {self.seq} (run {self.run_id}, {self.node}, {self.ticker}, {self.kind})"


COLUMNS = SQL(", ").join(map(Identifier, Stored._fields))


@dataclass
class Walk:
    """How far the walk has come, and what it met."""

    seq: int = 0
    head: str = GENESIS
    seen: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)  # first and last missing seq
    suspects: list[tuple[str, Stored]] = field(default_factory=list)  # hash of the row before, the row
    broken_seals: list[Seal] = field(default_factory=list)

    def step(self, row: Stored, sealed: dict[int, list[Seal]]) -> None:
        """Take the next row."""
        gap = row.seq > self.seq + 1
        if gap and len(self.gaps) < MOST_FAULTS:
            self.gaps.append((self.seq + 1, row.seq - 1))
        sound = (gap or row.previous_hash == self.head) and row.entry_intact and row.hash_at(row.seq) == row.hash
        if not sound and len(self.suspects) < MOST_FAULTS:
            self.suspects.append((self.head, row))
        if row.seq in sealed:
            self.broken_seals += [seal for seal in sealed[row.seq] if seal.head_hash != row.hash]
        self.seq, self.head = row.seq, row.hash
        self.seen += 1


def verify(url: str, seal_path: Path) -> VerifyReport:
    """Walk the whole log. Never raises for what it finds; `first_fault` is the earliest row that is not sound.

    Synchronous, to be run in a thread: it is the processor that it keeps busy. Raises `DatabaseDown`.
    """
    import psycopg

    try:
        before = read_seals(seal_path)
    except TamperError as error:
        return VerifyReport(rows=0, seals=0, sound=False, first_fault=error.message, faults=(error.message,))
    try:
        with psycopg.connect(conninfo(url)) as link:
            link.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return _verify(link, before, seal_path)
    except psycopg.Error as error:
        meaning = translated(error, "the configured address")
        if meaning is None:
            raise
        raise meaning from error


def _verify(link: "psycopg.Connection", before: dict[str, Seal], seal_path: Path) -> VerifyReport:
    columns = ("run_id", "sealed_at", "rows", "head_hash")
    found = link.execute("SELECT run_id, sealed_at, rows, head_hash FROM seals ORDER BY rows, run_id")
    seals = [Seal(**dict(zip(columns, row, strict=True))) for row in found]
    # Read again inside the snapshot: a run sealed meanwhile is in the file before it can be missed there.
    outside = {**before, **read_seals(seal_path)}
    sealed: dict[int, list[Seal]] = {}
    for seal in {**outside, **{seal.run_id: seal for seal in seals}}.values():
        sealed.setdefault(seal.rows, []).append(seal)

    walk = Walk()
    for row in _stored(link):
        walk.step(row, sealed)

    faults = [(first, _missing(first, last)) for first, last in walk.gaps]
    faults += [
        (row.seq, _diagnose(link, head, row, walk.seq if number == 0 else 0))
        for number, (head, row) in enumerate(walk.suspects)
    ]
    words = [said for _, said in sorted(faults)]
    words += _cut(walk.seq, sealed)
    words += [
        f"row {seal.rows} does not hash to what was sealed for run {seal.run_id}: the log was rewritten."
        for seal in walk.broken_seals
    ]
    words += _disagreements(seals, before, outside)
    words = words[:MOST_FAULTS]
    return VerifyReport(
        rows=walk.seen,
        seals=len(seals),
        sound=not words,
        first_fault=words[0] if words else None,
        faults=tuple(words),
    )


def _stored(link: "psycopg.Connection") -> Iterator[Stored]:
    """All rows in order, a batch at a time."""
    query = SQL("SELECT {} FROM decision_log WHERE seq > %s ORDER BY seq LIMIT %s").format(COLUMNS)
    last = 0
    while batch := link.execute(query, (last, BATCH), binary=True).fetchall():
        yield from map(Stored._make, batch)
        last = batch[-1][0]


def _diagnose(link: "psycopg.Connection", head: str, row: Stored, search_up_to: int) -> str:
    """What was done to `row`, which should follow the row that hashes to `head`.

    If it hashes under another number it was moved (looked for up to `search_up_to`); if the genuine follower of
    `head` stands elsewhere, something was put in its place.
    """
    query = SQL("SELECT {} FROM decision_log WHERE previous_hash = %s AND seq <> %s ORDER BY seq").format(COLUMNS)
    followers = [Stored._make(other) for other in link.execute(query, (head, row.seq))]
    genuine = next((other.seq for other in followers if other.hash_at(row.seq) == other.hash), None)
    written = next((seq for seq in range(1, search_up_to + 1) if row.hash_at(seq) == row.hash), None)
    if genuine is not None and written not in (None, row.seq):
        return f"{row} was written as row {written}; row {row.seq} now stands at {genuine}: rows were re-ordered."
    if genuine is not None:
        return f"{row} was added: the row written there now stands at {genuine}."
    if written is not None and written > row.seq:
        return f"row {row.seq} is missing: what stands there, {row}, was written as row {written}."
    if written is not None and written < row.seq:
        return f"row {written} was added: {row} was written as row {written}."
    if not row.entry_intact:
        return f"{row} was changed: its entry does not hash to its payload hash."
    if row.hash_at(row.seq) == row.hash:
        return f"row {row.seq - 1} was changed and hashed anew: {row} follows another one."
    return f"{row} was changed or added: its columns do not hash to its hash."


def _missing(first: int, last: int) -> str:
    return f"row {first} is missing." if first == last else f"rows {first} to {last} are missing."


def _cut(last: int, sealed: dict[int, list[Seal]]) -> list[str]:
    longest = max(sealed, default=0)
    if longest <= last:
        return []
    run = sealed[longest][0].run_id
    return [f"rows {last + 1} to {longest} were cut off: the seal of run {run} counts {longest}."]


def _disagreements(inside: list[Seal], before: dict[str, Seal], outside: dict[str, Seal]) -> list[str]:
    """Seals that the database and the file do not both hold alike."""
    stored = {seal.run_id: seal for seal in inside}
    words = [f"the seal of run {run} is missing from the database." for run in sorted(before.keys() - stored.keys())]
    for run, seal in sorted(stored.items()):
        if run not in outside:
            words.append(f"the seal of run {run} is missing from the file of seals; seal the run again.")
        elif outside[run] != seal:
            words.append(f"the seal of run {run} differs between the database and the file of seals.")
    return words
