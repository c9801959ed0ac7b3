"""The library: whole or not at all, once and not twice, and back exactly as it went in."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from domain.errors import DataError, StorageFull, UsageError
from domain.market import CHAIN_COLUMNS
from feeds.importers.columns import ColumnMapping
from feeds.importers.presets import recognise
from feeds.importers.table import read_table
from feeds.library import MarketLibrary
from feeds.recorded import tables

CHAIN = (
    "quote_date,root,type,expiration,strike,bid,ask,last,volume,open_interest,implied_vol,delta,gamma,underlying_price\n"
    "2019-06-20,SPX,call,2019-07-19,2950,30,31,0,5,10,0.1,0.5,0,2954\n"
    "2019-06-20,SPXW,put,2019-07-19,2950,,31,0,5,10,0.1,0.5,0,2954\n"
    "2019-06-21,SPXW,put,2019-07-19,2950,30,31,0,5,10,0.1,0.5,0,2950\n"
)
VIX = "date,open,high,low,close\n2019-06-19,14,14,14,14.33\n2019-06-20,14,15,14,14.75\n"
BARS = (
    "ticker,date,open,high,low,close,adj_close,volume\n"
    "SPY,2019-06-19,290,292,289,291,280,9\nQQQ,2019-06-19,1,1,1,1,1,1\n"
)
POSTS = "date,id,num_comments,score,slug\n2021-01-27,a,1,5,to_the_moon\n2021-01-28,b,1,,gme\n"
EVENTS = "kind,ticker,at,known_at\nfomc,,2019-07-31T18:00:00Z,2018-06-01T00:00:00Z\n"
SECTORS = "ticker,sector\nXOM,energy\n"


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(
        tmp_path / "in", spx_2019=CHAIN, VIX_a=VIX, us_daily=BARS, gme_posts=POSTS, calendar=EVENTS, sectors=SECTORS
    )


@pytest.fixture
def library(tmp_path: Path) -> MarketLibrary:
    return MarketLibrary(tmp_path / "library")


def test_what_goes_in_comes_back_exactly(source: Path, library: MarketLibrary) -> None:
    report = library.import_path(source)
    assert [file.status for file in report.files] == ["imported"] * 6
    assert report.rows == 3 + 2 + 2 + 2 + 2 + 1 + 1
    table = read_table("spx_2019.csv", CHAIN.encode())
    for original, capture in zip(recognise(table).read(table).chains, library.captures(), strict=True):
        stored = library.chain(capture)
        assert (stored.ticker, stored.as_of, stored.spot, stored.spot_source) == (
            "SPX",
            original.as_of,
            original.spot,
            "quoted",
        )
        for name in CHAIN_COLUMNS:
            before, after = getattr(original, name), getattr(stored, name)
            assert before.dtype == after.dtype, name
            np.testing.assert_array_equal(before, after, err_msg=name)
    (bars,) = library.bars(["SPY"])
    assert (bars.bars.close.tolist(), str(bars.bars.adjusted_as_of)) == ([291], "2019-06-19")
    assert bars.bars.day.dtype == "datetime64[D]"
    (vix,) = library.series(["VIX", "VVIX"])
    assert (vix.series.value.tolist(), vix.basis, vix.series.unit) == ([14.33, 14.75], "Cboe", "vol points")
    posts = library.posts(since=datetime(2021, 1, 28, tzinfo=UTC), until=datetime(2021, 1, 29, tzinfo=UTC))
    assert [post.id for post in posts] == ["b"]
    assert [event.kind for event in library.events(until=datetime(2019, 1, 1, tzinfo=UTC))] == ["fomc"]
    assert library.events(until=datetime(2018, 1, 1, tzinfo=UTC)) == ()
    assert library.sectors() == {"XOM": "energy"}


def test_importing_again_changes_nothing(source: Path, library: MarketLibrary) -> None:
    library.import_path(source)
    before = {path: path.stat().st_mtime_ns for path in library.root.rglob("*")}
    again = library.import_path(source)
    assert {file.status for file in again.files} == {"already_there"}
    assert {path: path.stat().st_mtime_ns for path in library.root.rglob("*")} == before


def test_manifest_says_source_preset_rows_span_and_hash(source: Path, library: MarketLibrary) -> None:
    (report,) = library.import_path(source / "spx_2019.csv").files
    (entry,) = library.list()
    assert (entry.name, entry.preset, entry.rows, len(entry.sha256)) == ("spx_2019.csv", "index_history", 3, 64)
    assert (report.first_known, report.last_known) == (
        datetime(2019, 6, 20, 20, tzinfo=UTC),
        datetime(2019, 6, 21, 20, tzinfo=UTC),
    )
    assert entry.tickers == report.tickers == ("SPX",)
    assert [capture.rows for capture in entry.captures] == [2, 1]


def test_a_folder_goes_on_past_damaged_and_unknown_files(source: Path, library: MarketLibrary) -> None:
    write(source, strange="a,b\n1,2\n", spx_bad=CHAIN.replace("2950", "nan", 1), tweets="text,label\na,bullish\n")
    pd.DataFrame({"a": range(100)}).to_parquet(source / "cut.parquet")
    (source / "cut.parquet").write_bytes((source / "cut.parquet").read_bytes()[:-20])
    (source / "notes.md").write_text("not a table")
    report = library.import_path(source)
    by_file = {file.file: file for file in report.files}
    assert by_file["cut.parquet"].status == by_file["spx_bad.csv"].status == "failed"
    assert "Fetch the file again" in by_file["spx_bad.csv"].detail
    assert [file.file for file in report.of("unknown_layout")] == ["strange.csv"]
    assert [file.file for file in report.of("not_market_data")] == ["tweets.csv"]
    assert len(report.of("imported")) == 6
    assert "notes.md" not in by_file


def test_a_single_bad_file_raises_and_leaves_nothing_behind(source: Path, library: MarketLibrary) -> None:
    write(source, spx_bad=CHAIN.replace("2950", "nan", 1))
    with pytest.raises(DataError, match=r"spx_bad\.csv"):
        library.import_path(source / "spx_bad.csv")
    with pytest.raises(UsageError, match="no file or folder"):
        library.import_path(source / "absent")
    (source / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no file"):
        library.import_path(source / "empty")
    assert library.list() == ()


def test_a_file_whose_every_row_is_dropped_is_refused_with_the_reason(source: Path, library: MarketLibrary) -> None:
    write(source, spx_holiday=CHAIN.replace("2019-06-2", "2019-06-3").replace("2019-06-31", "2019-06-30"))
    with pytest.raises(DataError, match="did not trade"):
        library.import_path(source / "spx_holiday.csv")


def test_an_interrupted_write_is_invisible_and_reported_as_storage(
    source: Path, library: MarketLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "write_series", full)
    with pytest.raises(StorageFull, match="No space left"):
        library.import_path(source / "VIX_a.csv")
    assert library.list() == ()
    assert list(library.root.iterdir()) == []
    monkeypatch.undo()
    assert library.import_path(source / "VIX_a.csv").files[0].status == "imported"


def test_a_library_that_cannot_be_written_says_so(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFull, match="cannot be written"):
        MarketLibrary(tmp_path / "file" / "library").import_path(source / "VIX_a.csv")


def test_importers_at_the_same_time_store_a_file_once(source: Path, library: MarketLibrary) -> None:
    statuses: list[str] = []
    gate = threading.Barrier(4)

    def work() -> None:
        gate.wait()
        statuses.append(MarketLibrary(library.root).import_path(source / "spx_2019.csv").files[0].status)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 4
    assert len(library.list()) == 1
    assert [path.name for path in library.root.iterdir() if path.name.startswith(".")] == []


def test_new_and_removed_sources_are_seen_by_an_open_library(source: Path, library: MarketLibrary) -> None:
    reader = MarketLibrary(library.root)
    assert reader.list() == ()
    library.import_path(source / "VIX_a.csv")
    assert [entry.name for entry in reader.list()] == ["VIX_a.csv"]
    (folder,) = library.root.iterdir()
    folder.rename(library.root / ".gone")
    assert reader.list() == ()


def test_damaged_stored_files_name_themselves_and_the_remedy(source: Path, library: MarketLibrary) -> None:
    library.import_path(source / "spx_2019.csv")
    (capture, _) = library.captures()
    stored = library.root / capture.source_id / capture.file
    stored.write_bytes(stored.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"SPX@20190620T200000Z\.parquet.*import the source file again"):
        library.chain(capture)
    pd.DataFrame({"a": [1]}).to_parquet(stored)
    with pytest.raises(DataError, match="is damaged"):
        library.chain(capture)
    manifest = stored.parent / "manifest.json"
    manifest.write_text(json.dumps({"id": "x"}))
    with pytest.raises(DataError, match="missing or damaged"):
        MarketLibrary(library.root).list()


def test_a_column_mapping_is_used_only_where_no_preset_fits(source: Path, library: MarketLibrary) -> None:
    write(source, own="when,level\n2019-06-19,3\n")
    mapping = ColumnMapping(kind="series", columns={"day": "when", "value": "level"}, name="OWN")
    report = library.import_path(source, mapping)
    assert {file.preset for file in report.files} >= {"columns", "volatility_index"}
    assert [item.series.name for item in library.series(["OWN"])] == ["OWN"]
    changed = mapping.model_copy(update={"unit": "points"})
    assert library.import_path(source / "own.csv", changed).files[0].status == "imported"


def test_captures_are_bounded_by_time(source: Path, library: MarketLibrary) -> None:
    library.import_path(source)
    first = datetime(2019, 6, 20, 20, tzinfo=UTC)
    assert [item.as_of for item in library.captures(until=first)] == [first]
    assert library.captures(until=first - timedelta(seconds=1)) == ()
    assert len(library.captures(since=first)) == 1
