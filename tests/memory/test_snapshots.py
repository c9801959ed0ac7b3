"""Snapshots come back as they went in, or not at all."""

import errno
import json
import os
from dataclasses import fields, replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from domain.errors import MachineError, StorageFull, TamperError, UsageError
from domain.market import Bars, CalendarEvent, DataNote, Headline, OddsReading, Post, Series
from domain.snapshot import MarketSnapshot
from memory.snapshots import ParquetSnapshotStore
from tests.support.orders import GOOD_QUOTES, HOUR, NOON, chain, empty_desk, market

DAYS = np.array(["2026-02-26", "2026-02-27"], dtype="datetime64[D]")
KNOWN = np.array(["2026-02-26T21:00:00", "2026-02-27T21:00:00"], dtype="datetime64[s]")


def bars(ticker, *, adjusted=date(2026, 3, 1)):
    gap = np.array([1.0, np.nan])
    return Bars(
        ticker=ticker, day=DAYS, known_at=KNOWN, open=gap, high=gap, low=gap, close=np.array([1.0, -0.0]), volume=gap,
        adjusted_as_of=adjusted,
    )  # fmt: skip


def post(number, **changes):
    fields = {
        "id": f"p{number}", "source": "reddit", "channel": "wsb", "author": None,
        "published_at": datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC), "known_at": NOON, "text": "gl\u00fcck 🚀\n",
        "tickers": ("SPY", "QQQ"), "score": 3, "sentiment": 0.1 + 0.2, "sentiment_model": "lexicon",
    }  # fmt: skip
    return Post(**(fields | changes))


def rich(**changes):
    """A snapshot with something, and something missing, of every kind."""
    empty = chain(GOOD_QUOTES, ticker="EMPTY").rows(np.zeros(2, dtype=bool))
    unknown_spot = replace(chain(GOOD_QUOTES, ticker="NAN"), spot=float("nan"), spot_source="parity")
    content = {
        "chains": {"SPY": chain(GOOD_QUOTES), "EMPTY": empty, "NAN": unknown_spot},
        "bars": {"SPY": bars("SPY"), "RAW": bars("RAW", adjusted=None)},
        "series": {
            "VIX": Series(name="VIX", unit="vol points", day=DAYS, known_at=KNOWN, value=np.array([17.0, 18.5]))
        },
        "posts": (post(1), post(2, sentiment=None, score=None, tickers=())),
        "headlines": (Headline(id="h", source="wire", published_at=NOON, known_at=NOON, text="Fed", tickers=("SPY",)),),
        "events": (
            CalendarEvent(kind="ex_dividend", ticker="SPY", at=NOON + HOUR, known_at=NOON, amount=1.75, title="x"),
            CalendarEvent(kind="fomc", ticker=None, at=NOON + HOUR, known_at=NOON),
        ),
        "events_known": frozenset({"", "SPY"}),
        "sectors": {"SPY": "index"},
        "odds": (OddsReading(market="cut", probability=0.3, known_at=NOON),),
        "notes": (DataNote(code="mended", subject="SPY", detail="1 row", count=2),),
        "provenance": {"chains": "simulated"},
    }
    return MarketSnapshot(market=market(tickers=("SPY", "NAN", "EMPTY"), **(content | changes)), desk=empty_desk())


def assert_identical(one, other):
    """Field by field; arrays to the bit, type and shape included."""
    assert type(one) is type(other)
    for field in fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, field.name
            assert left.tobytes() == right.tobytes(), field.name
        elif field.name in {"chains", "bars", "series"}:
            assert left.keys() == right.keys()
            for key in left:
                assert_identical(left[key], right[key])
        elif isinstance(left, float) and np.isnan(left):
            assert np.isnan(right)
        else:
            assert left == right, field.name


def files(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


@pytest.fixture(params=["files only", "registered"])
def store(request, tmp_path):
    engine = request.getfixturevalue("engine") if request.param == "registered" else None
    return ParquetSnapshotStore(tmp_path / "snapshots", engine)


async def test_everything_comes_back_identical_and_arrays_are_read_only(store):
    snapshot = rich()
    ref = await store.put(snapshot)
    back = await store.get(ref.snapshot_id)
    assert_identical(snapshot.market, back.market)
    assert back.desk == snapshot.desk
    assert (ref.as_of, ref.feed) == (NOON, "simulated")
    with pytest.raises(ValueError, match="read-only"):
        back.market.chains["SPY"].bid[0] = 1.0


async def test_the_same_content_is_the_same_id_and_the_same_bytes_whatever_the_order_of_arrival(tmp_path):
    one, other = ParquetSnapshotStore(tmp_path / "a"), ParquetSnapshotStore(tmp_path / "b")
    turned = dict(reversed(rich().market.chains.items()))
    first, second = await one.put(rich()), await other.put(rich(chains=turned))
    assert first == second
    assert [path.read_bytes() for path in files(tmp_path / "a")] == [p.read_bytes() for p in files(tmp_path / "b")]
    before = [path.stat().st_mtime_ns for path in files(tmp_path / "a")]
    assert await one.put(rich()) == first
    assert [path.stat().st_mtime_ns for path in files(tmp_path / "a")] == before


@pytest.mark.parametrize(
    "change",
    [
        {"posts": (post(1),)},
        {"chains": {"SPY": chain(GOOD_QUOTES, spot=600.01)}},
        {"provenance": {}},
        {"bars": {"SPY": bars("SPY", adjusted=None), "RAW": bars("RAW", adjusted=None)}},
    ],
)
async def test_any_difference_is_another_id(store, change):
    assert (await store.put(rich(**change))).snapshot_id != (await store.put(rich())).snapshot_id


async def test_a_snapshot_of_nothing_comes_back_too(store):
    empty = MarketSnapshot(market=market(chains={}), desk=empty_desk())
    back = await store.get((await store.put(empty)).snapshot_id)
    assert_identical(empty.market, back.market)


@pytest.mark.parametrize("unknown", ["0" * 64, "", "../../etc/passwd"])
async def test_an_unknown_id_is_said_to_be_unknown(store, unknown):
    with pytest.raises(UsageError, match="no snapshot"):
        await store.get(unknown)


async def test_damage_to_any_file_is_named_and_never_read(tmp_path):
    store = ParquetSnapshotStore(tmp_path)
    ref = await store.put(rich())
    for path in files(tmp_path):
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
            path.write_bytes(damaged)
            with pytest.raises(TamperError, match=path.name):
                await store.get(ref.snapshot_id)
        path.write_bytes(whole)
    gone = next(path for path in files(tmp_path) if path.suffix != ".json")
    gone.unlink()
    with pytest.raises(TamperError, match="missing"):
        await store.get(ref.snapshot_id)


async def test_a_lost_manifest_is_found_again_in_the_register(tmp_path, engine):
    store = ParquetSnapshotStore(tmp_path, engine)
    ref = await store.put(rich())
    next((tmp_path / "manifests").iterdir()).unlink()
    assert (await store.get(ref.snapshot_id)).market.feed == "simulated"


async def test_a_newer_format_is_refused_by_name(tmp_path):
    import hashlib

    text = json.dumps({"format": 2})
    name = hashlib.sha256(text.encode()).hexdigest()
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / f"{name}.json").write_text(text)
    with pytest.raises(UsageError, match="format 2"):
        await ParquetSnapshotStore(tmp_path).get(name)


@pytest.mark.parametrize("fails_at", [1, 4, 8])
@pytest.mark.parametrize(("code", "raised"), [(errno.ENOSPC, StorageFull), (errno.EROFS, MachineError)])
async def test_a_full_disk_leaves_nothing_half_written_and_the_next_try_succeeds(
    tmp_path, monkeypatch, fails_at, code, raised
):
    store, calls, fsync = ParquetSnapshotStore(tmp_path), iter(range(1, 1000)), os.fsync

    def full(handle):
        if next(calls) == fails_at:
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(raised):
        await store.put(rich())
    monkeypatch.undo()
    assert not [path for path in files(tmp_path) if path.name.startswith(".") or path.suffix == ".json"]
    ref = await store.put(rich())
    assert_identical(rich().market, (await store.get(ref.snapshot_id)).market)


async def test_only_a_few_stay_in_memory(tmp_path):
    store = ParquetSnapshotStore(tmp_path, kept=1)
    one, other = await store.put(rich()), await store.put(rich(provenance={}))
    first = await store.get(one.snapshot_id)
    assert await store.get(one.snapshot_id) is first
    await store.get(other.snapshot_id)
    assert await store.get(one.snapshot_id) is not first
