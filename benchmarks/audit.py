"""How fast `desk audit verify` walks the decision log: rows of a real run, repeated until there are 200,000.

The copies are written with the log's own hash functions but without its lock and one commit a node, which is what
makes it quick to set up; verification reads them like any others.
"""

import asyncio
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from benchmarks.children import DESK, measured
from domain.audit import AuditRow, Seal
from domain.record import canonical_json
from memory.audit import GENESIS, Link, PostgresAuditLog, link_hash, payload_hash, stamp
from memory.engine import Database, connected, conninfo, open_database

ROWS = 200_000
ROUNDS = 5
TARGET = 20_000


def main() -> bool:
    """Print the rate; whether the target is met."""
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as folder:
        home = Path(folder)
        with open_database(home) as database:
            measured([DESK, "run", "--json"], {"DESK_HOME": folder})
            return asyncio.run(_rate(home, database))


async def _rate(home: Path, database: Database) -> bool:
    from app.clock import WallClock

    seals = home / "audit" / "seals.jsonl"
    async with connected(database.pipeline_url) as engine:
        log = PostgresAuditLog(engine, WallClock(), "benchmark", seals)
        one = [row async for row in log.export()]
        rows, size = await asyncio.to_thread(_repeat, one, database.admin_url, seals)
        walls, processors = [], []
        for _ in range(ROUNDS):
            begun, burnt = time.perf_counter(), time.process_time()
            report = await log.verify()
            walls.append(time.perf_counter() - begun)
            processors.append(time.process_time() - burnt)
            if not report.sound or report.rows != rows:
                raise SystemExit(f"The log should be sound and have {rows} rows: {report}")
    rate = rows / median(walls)
    print(f"{rows:,} rows (a run of {len(one)}, repeated), {size / 2**20:,.0f} MiB, {report.seals:,} seals")
    print(
        f"verified in {median(walls):.1f} s wall, {median(processors):.1f} s processor (the server's apart): "
        f"{rate:,.0f} rows/s, best {rows / min(walls):,.0f} (target >= {TARGET:,}); median of {ROUNDS} walks"
    )
    return rate >= TARGET


def _repeat(one: list[AuditRow], admin_url: str, seals: Path) -> tuple[int, int]:
    """Fill the log with copies of `one` run; returns rows and bytes of entries."""
    import psycopg

    run_id, first = one[0].entry.run_id, one[-1]
    seq, head, size, sealed = first.seq, first.hash, 0, []
    assert one[0].previous_hash == GENESIS
    texts = [canonical_json(row.entry) for row in one]
    copies = -(-(ROWS - len(one)) // len(one))
    columns = (*Link._fields, "entry", "hash")
    with psycopg.connect(conninfo(admin_url)) as link:
        with link.cursor().copy(f"COPY decision_log ({', '.join(columns)}) FROM STDIN") as copy:
            for number in range(1, copies + 1):
                copied = f"{run_id}-{number:05d}"
                for row, pattern in zip(one, texts, strict=True):
                    seq += 1
                    entry, text = row.entry, pattern.replace(run_id, copied)
                    size += len(text)
                    chained = Link(
                        seq, stamp(row.logged_at + timedelta(minutes=number)), row.code_version, copied, entry.node,
                        entry.ticker, entry.kind, entry.author, payload_hash(text), head,
                    )  # fmt: skip
                    head = link_hash(chained)
                    copy.write_row((*chained, text, head))
                sealed.append(Seal(run_id=copied, sealed_at=first.logged_at, rows=seq, head_hash=head))
        with link.cursor().copy("COPY seals (run_id, sealed_at, rows, head_hash) FROM STDIN") as copy:
            for seal in sealed:
                copy.write_row((seal.run_id, seal.sealed_at, seal.rows, seal.head_hash))
    with psycopg.connect(conninfo(admin_url), autocommit=True) as link:
        link.execute("ANALYZE decision_log")
    with seals.open("a") as file:
        file.writelines(canonical_json(seal) + "\n" for seal in sealed)
        file.flush()
        os.fsync(file.fileno())
    return seq, size
