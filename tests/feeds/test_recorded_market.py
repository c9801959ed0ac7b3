"""The recorded feed over the real data sets: the two instants that matter most, and every file's quirks."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from domain.market import PUT_CALL, VIX_FAMILY, YIELDS
from domain.units import to_datetime64
from feeds.library import ImportReport, MarketLibrary
from feeds.recorded.feed import RecordedFeed

pytestmark = pytest.mark.shared_data
SEVEN = ("AAPL", "AMZN", "IBIT", "NVDA", "QQQ", "SPY", "TSLA")
FILES = (
    "multi_ticker_chains_2026_02",
    "spx_chains_2019/spx_2019-06.parquet",
    "stock_chains_2025_11",
    "etf_chains_2026_08",
    "aapl_chains_2014_split",
    "cboe_quote_table_2023_09_14",
    "daily_bars",
    "volatility",
    "rates",
    "positioning",
    "reddit_wsb/mention_counts_2018_2025.csv",
)


class StandingClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def imported(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[MarketLibrary, ImportReport]:
    source = tmp_path_factory.mktemp("data")
    for name in FILES:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).symlink_to(shared_data / name) if (shared_data / name).is_file() else shutil.copytree(
            shared_data / name, source / name, copy_function=lambda a, b: Path(b).symlink_to(a)
        )
    library = MarketLibrary(tmp_path_factory.mktemp("library"))
    return library, library.import_path(source)


@pytest.fixture(scope="module")
def feed(imported: tuple[MarketLibrary, ImportReport]) -> RecordedFeed:
    return RecordedFeed(imported[0], StandingClock())


def nothing_later(market: object, as_of: datetime) -> bool:
    histories = [*market.bars.values(), *market.series.values()]
    return all((item.known_at <= to_datetime64(as_of)).all() for item in histories) and all(
        chain.as_of <= as_of for chain in market.chains.values()
    )


def test_every_file_is_imported_and_its_faults_are_reported(imported: tuple[MarketLibrary, ImportReport]) -> None:
    report = imported[1]
    assert {file.status for file in report.files} == {"imported"}
    notes = {(note.code, note.subject): note.count for file in report.files for note in file.notes}
    assert notes["crossed", "seven_tickers.parquet"] == 79
    assert notes["crossed", "aapl_nvda_meta.parquet"] == 46
    assert notes["not_a_session", "aapl_nvda_meta.parquet"] == 9_730  # the stale repeat of Thanksgiving
    assert notes["faulty_ratio", "PCR_TOTAL in put_call_ratios_to_2024.csv"] == 11
    assert notes["old_share_units", "aapl_2014-06_split.parquet"] == 2_339


async def test_seven_tickers_on_2026_02_12_with_everything_known_by_then(feed: RecordedFeed) -> None:
    as_of = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
    assert await feed.universe(as_of) == SEVEN
    market = await feed.gather(as_of, SEVEN)
    assert tuple(market.chains) == SEVEN
    assert len(market.chains["SPY"]) == 7_529
    assert {str(item.day[-1]) for name, item in market.series.items() if name in VIX_FAMILY} == {"2026-02-11"}
    assert set(market.series) >= {*VIX_FAMILY, *YIELDS, *PUT_CALL, "DIX", "GEX", "DFF"}
    assert set(market.bars) == {"AAPL", "NVDA", "QQQ", "SPX", "SPY", "TSLA"}
    assert all(str(bars.day[0]) == "2025-11-03" for bars in market.bars.values()), "nothing from before the hole"
    assert nothing_later(market, as_of)


async def test_spx_at_the_close_of_2019_06_20_with_both_settlements(feed: RecordedFeed) -> None:
    as_of = datetime(2019, 6, 20, 20, tzinfo=UTC)
    market = await feed.gather(as_of, ["SPX"])
    chain = market.chains["SPX"]
    assert len(chain) == 14_330
    assert chain.european.all()
    assert set(chain.root.tolist()) == {"SPX", "SPXW"}
    assert (chain.am_settled == (chain.root == "SPX")).all()
    assert str(market.bars["SPX"].day[-1]) == "2019-06-19", "the index closes at 16:15, a quarter of an hour later"
    assert set(market.series) >= {*VIX_FAMILY, *YIELDS, "PCR_TOTAL", "DIX", "GEX"}
    assert nothing_later(market, as_of)


async def test_mention_counts_are_given_for_the_tickers_asked_for(feed: RecordedFeed) -> None:
    market = await feed.gather(datetime(2019, 6, 20, 20, tzinfo=UTC), ["SPX", "SPY", "NVDA", "TSLA"])
    assert {"mentions.SPY", "mentions.NVDA", "mentions.TSLA"} <= set(market.series)


async def test_quotes_of_the_next_morning_are_unknown_in_their_stated_session(feed: RecordedFeed) -> None:
    assert await feed.universe(datetime(2026, 8, 13, 15, 58, 31, tzinfo=UTC)) == ()
    late = datetime(2026, 8, 13, 15, 58, 39, tzinfo=UTC)
    market = await feed.gather(late, await feed.universe(late))
    assert tuple(market.chains) == ("IWM", "QQQ", "SPY")
    assert {chain.spot_source for chain in market.chains.values()} == {"parity"}
    assert market.chains["SPY"].spot == pytest.approx(775.7, abs=0.5)  # the file's own 772.49 is the evening before


async def test_half_day_chain_is_known_from_one_o_clock(feed: RecordedFeed) -> None:
    assert await feed.universe(datetime(2025, 11, 28, 17, 59, tzinfo=UTC)) == ()
    assert await feed.universe(datetime(2025, 11, 28, 18, 0, tzinfo=UTC)) == ("AAPL", "META", "NVDA")


async def test_after_the_split_only_new_strikes_are_standard(feed: RecordedFeed) -> None:
    market = await feed.gather(datetime(2014, 6, 9, 20, tzinfo=UTC), ["AAPL"])
    chain = market.chains["AAPL"]
    assert chain.spot == pytest.approx(93.7, abs=0.3)
    assert chain.strike[chain.standard].max() == 150
    assert np.isnan(chain.bid[~chain.standard]).all()


def test_one_instant_has_every_capture_of_its_moment(imported: tuple[MarketLibrary, ImportReport]) -> None:
    as_of = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
    captures = [item for item in imported[0].captures(until=as_of) if item.as_of == as_of]
    assert len({imported[0].chain(capture).ticker for capture in captures}) == 7


@pytest.mark.slow
def test_every_shared_set_is_recognised(shared_data: Path, tmp_path: Path) -> None:
    report = MarketLibrary(tmp_path).import_path(shared_data)
    assert report.of("failed") == ()
    assert {file.file.split("/")[0] for file in report.of("unknown_layout")} == {"ta_golden"}
    assert {file.preset for file in report.of("not_market_data")} == {
        "phrasebank",
        "fiqa",
        "labelled_tweets",
        "chain_days",
    }
    assert len(report.of("imported", "unknown_layout", "not_market_data")) == len(report.files)
