"""The recorded feed: what may be seen at an instant, in which share units, and what is refused."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DataError, UsageError
from domain.market import Bars, Series
from domain.sessions import close_known_at
from domain.units import to_datetime64
from feeds.importers.imported import StoredBars, StoredSeries
from feeds.library import MarketLibrary
from feeds.recorded.feed import RecordedFeed
from feeds.recorded.history import known_series
from feeds.recorded.prices import in_units_of, known_bars, split_ratio
from feeds.recorded.settings import RecordedSettings

SETTINGS = RecordedSettings()
NOW = datetime(2026, 11, 20, tzinfo=UTC)
CAPTURED = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)


class StandingClock:
    def now(self) -> datetime:
        return NOW


def days(first: str, count: int) -> np.ndarray:
    return np.datetime64(first, "D") + np.arange(count)


def piece(name: str, first: str, values: list[float], basis: str = "Cboe") -> StoredSeries:
    day = days(first, len(values))
    return StoredSeries(Series(name, "u", day, close_known_at(day), np.array(values, dtype=float)), basis)


def stored_bars(
    first: str, closes: list[float], adjusted: date | None, *, split: dict[int, float] | None = None, full: bool = True
) -> StoredBars:
    day, close = days(first, len(closes)), np.array(closes, dtype=float)
    rest = close if full else np.full(len(close), np.nan)
    bars = Bars("NVDA", day, close_known_at(day), rest, rest, rest, close, rest * 100, adjusted)
    splits = np.ones(len(close))
    for at, ratio in (split or {}).items():
        splits[at] = ratio
    return StoredBars(bars, splits)


def test_pieces_of_one_basis_join_and_the_future_is_cut() -> None:
    pieces = [piece("VIX", "2026-02-06", [1, 2, 3]), piece("VIX", "2026-02-01", [7, 8, 9, 9, 9, 5])]
    found, notes = known_series(pieces, datetime(2026, 2, 7, 12, tzinfo=UTC), SETTINGS)
    assert found["VIX"].day.astype(str).tolist()[-1] == "2026-02-06"
    assert found["VIX"].value.tolist() == [7, 8, 9, 9, 9, 5]
    assert notes == []


def test_different_bases_are_never_joined_the_more_current_one_speaks_alone() -> None:
    pieces = [piece("m", "2026-01-01", [100] * 30, "Quiver"), piece("m", "2026-01-25", [1] * 14, "ApeWisdom")]
    found, _ = known_series(pieces, datetime(2026, 2, 10, tzinfo=UTC), SETTINGS)
    assert set(found["m"].value.tolist()) == {1.0}


def test_no_window_rolls_across_the_ten_missing_months() -> None:
    pieces = [piece("VIX", "2024-12-01", [30] * 31), piece("VIX", "2025-11-03", [15] * 5)]
    found, notes = known_series(pieces, datetime(2025, 11, 8, tzinfo=UTC), SETTINGS)
    assert found["VIX"].value.tolist() == [15] * 5
    assert [note.code for note in notes] == ["history_gap"]


@pytest.mark.parametrize(("gap", "kept"), [(30, 4), (31, 2)])
def test_a_hole_cuts_only_when_longer_than_the_setting(gap: int, kept: int) -> None:
    last = np.datetime64("2026-02-01") + gap + 1
    pieces = [piece("VIX", "2026-02-01", [1, 1]), piece("VIX", str(last), [2, 2])]
    found, _ = known_series(pieces, datetime(2026, 3, 8, tzinfo=UTC), SETTINGS)
    assert len(found["VIX"]) == kept


@pytest.mark.parametrize(("lag", "current"), [(7, True), (8, False)])
def test_a_history_that_ended_is_left_out_instead_of_posing_as_current(lag: int, current: bool) -> None:
    as_of = datetime(2026, 2, 3, tzinfo=UTC) + timedelta(days=lag)
    found, notes = known_series([piece("VIX", "2026-02-01", [1, 1, 1])], as_of, SETTINGS)
    assert ("VIX" in found) is current
    assert [note.code for note in notes] == ([] if current else ["history_ended"])


def test_only_the_history_window_is_handed_out() -> None:
    found, notes = known_series(
        [piece("VIX", "2025-01-01", [1] * 100)], datetime(2025, 4, 11, tzinfo=UTC), RecordedSettings(history_days=10)
    )
    assert len(found["VIX"]) == 10
    assert notes == []


@given(st.floats(0.76, 1.33))
def test_a_price_move_is_not_a_split(ratio: float) -> None:
    assert split_ratio(ratio) == 1.0


@given(st.sampled_from([2, 3, 4, 5, 7, 10, 20]), st.floats(0.95, 1.05), st.booleans())
def test_clean_splits_are_found_through_an_overnight_move(split: int, move: float, reverse: bool) -> None:
    clean = 1 / split if reverse else float(split)
    assert split_ratio(clean * move) == clean


@pytest.mark.parametrize("ratio", [1.5, 0.6, 2.3, 0.44, 1000.0, 0.001])
def test_neither_a_move_nor_a_clean_split_is_nothing(ratio: float) -> None:
    assert split_ratio(ratio) is None


def test_bars_adjusted_years_later_come_back_in_the_share_units_of_the_instant() -> None:
    pieces = [stored_bars("2021-01-20", [80.0, 86.88], date(2024, 2, 16))]
    found, notes = known_bars(pieces, datetime(2021, 1, 22, tzinfo=UTC), {"NVDA": 350.0}, SETTINGS)
    assert found["NVDA"].close.tolist() == [320.0, 347.52]
    assert found["NVDA"].volume.tolist() == [2000.0, 2172.0]
    assert found["NVDA"].adjusted_as_of == date(2021, 1, 21)
    assert [note.code for note in notes] == ["split_rescaled"]


def test_the_close_before_a_split_is_rescaled_on_the_morning_after() -> None:
    bars, note = in_units_of(stored_bars("2014-06-05", [647.0, 645.57], None).bars, CAPTURED, 92.2)
    assert bars is not None
    assert bars.close.tolist() == pytest.approx([647 / 7, 645.57 / 7])
    assert note is not None
    assert note.code == "split_rescaled"


def test_bars_that_agree_with_the_spot_stay_and_claim_no_later_basis() -> None:
    bars, note = in_units_of(stored_bars("2026-02-10", [100.0], date(2026, 8, 6)).bars, CAPTURED, 110.0)
    assert note is None
    assert bars is not None
    assert (bars.close.tolist(), bars.adjusted_as_of) == ([100.0], date(2026, 2, 12))


def test_bars_in_units_nobody_can_tell_are_left_out() -> None:
    later = stored_bars("2026-02-10", [100.0], date(2026, 8, 6)).bars
    bars, note = in_units_of(later, CAPTURED, None)
    assert (bars, note and note.code) == (None, "units_unknown")
    bars, note = in_units_of(later, CAPTURED, 160.0)
    assert (bars, note and note.code) == (None, "units_differ")
    earlier = stored_bars("2026-02-10", [100.0], date(2026, 2, 10)).bars
    assert in_units_of(earlier, CAPTURED, None) == (earlier, None)


def test_adjustment_dates_are_never_spliced() -> None:
    pieces = [
        stored_bars("2026-01-20", [10.0] * 20, date(2026, 8, 6)),
        stored_bars("2026-01-01", [100.0] * 38, date(2026, 2, 7)),
    ]
    found, _ = known_bars(pieces, datetime(2026, 2, 10, tzinfo=UTC), {"NVDA": 101.0}, SETTINGS)
    assert set(found["NVDA"].close.tolist()) in ({10.0}, {100.0})
    assert len(set(found["NVDA"].close.tolist())) == 1


def test_raw_bars_use_their_own_split_only_once_it_has_happened() -> None:
    raw = [stored_bars("2017-08-21", [12.0, 12.0, 48.0], None, split={2: 0.25})]
    before, _ = known_bars(raw, datetime(2017, 8, 23, 12, tzinfo=UTC), {}, SETTINGS)
    assert before["NVDA"].close.tolist() == [12, 12]
    after, _ = known_bars(raw, datetime(2017, 8, 24, tzinfo=UTC), {}, SETTINGS)
    assert after["NVDA"].close.tolist() == [48, 48, 48]
    assert after["NVDA"].volume.tolist() == [300, 300, 4800]
    assert after["NVDA"].adjusted_as_of == date(2017, 8, 23)


def test_a_full_bar_stands_before_a_bare_close_of_the_same_day() -> None:
    pieces = [stored_bars("2026-02-01", [5.0, 5.0], None), stored_bars("2026-02-01", [6.0, 6.0, 6.0], None, full=False)]
    found, _ = known_bars(pieces, datetime(2026, 2, 4, tzinfo=UTC), {}, SETTINGS)
    assert found["NVDA"].close.tolist() == [5, 5, 6]


def test_bars_with_a_hole_or_an_end_are_noted() -> None:
    pieces = [stored_bars("2025-11-01", [5.0] * 3, None), stored_bars("2026-02-01", [6.0] * 3, None)]
    found, notes = known_bars(pieces, datetime(2026, 2, 4, tzinfo=UTC), {}, SETTINGS)
    assert (len(found["NVDA"]), [note.code for note in notes]) == (3, ["history_gap"])
    found, notes = known_bars(pieces, datetime(2026, 3, 4, tzinfo=UTC), {}, SETTINGS)
    assert (found, [note.code for note in notes]) == ({}, ["history_ended"])
    assert known_bars(pieces, datetime(2020, 1, 1, tzinfo=UTC), {}, SETTINGS) == ({}, [])


def chain_csv(ticker: str, snapshots: list[str], bid: str = "4.9") -> str:
    header = "snapshot_utc,ticker,contract,type,expiration,strike,bid,ask,last,volume,open_interest,implied_vol,"
    lines = [header + "last_trade_utc,underlying_price"]
    for when in snapshots:
        for letter, kind in (("C", "call"), ("P", "put")):
            lines.append(
                f"{when},{ticker},{ticker}260320{letter}00100000,{kind},2026-03-20,100,{bid},5.1,5,1,1,0.2,"
                f"2026-02-01 15:00:00+00:00,100.5"
            )
    return "\n".join(lines)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> RecordedFeed:
    folder = tmp_path_factory.mktemp("recorded")
    source = folder / "in"
    source.mkdir()
    moments = ["2026-02-12 15:10:00+00:00", "2026-02-12 15:30:00+00:00"]
    for name, text in {
        "spy_chain": chain_csv("SPY", moments),
        "nvda_chain": chain_csv("NVDA", moments[:1]),
        "ghost_chain": chain_csv("GHST", moments[:1], bid=""),
        "VIX_a": "date,open,high,low,close\n2026-02-10,1,1,1,15\n2026-02-11,1,1,1,17\n2026-02-12,1,1,1,99\n",
        "closes": "ticker,date,close\nSPY,2026-02-10,99\nSPY,2026-02-11,100\nSPY,2026-02-12,101\nSPY,2026-08-06,90\n",
        "SPX_daily": "date,open,high,low,close,volume\n2026-02-11,1,2,1,2,0\n",
        "mentions": "ticker,date,mentions,mention_rank\nNVDA,2026-02-11,5,1\nNVDA,2026-02-12,50,1\n",
        "gme_posts": "date,id,num_comments,score,slug\n2026-02-11,a,1,5,nvda_is_GREAT\n2026-02-12,b,1,5,late\n",
        "calendar": "kind,ticker,at,known_at\nearnings,NVDA,2026-02-25T21:20:00Z,2026-01-30T14:00:00Z\n",
        "own_sectors": "ticker,sector\nNVDA,chips\n",
    }.items():
        (source / f"{name}.csv").write_text(text)
    library = MarketLibrary(folder / "library")
    assert {file.status for file in library.import_path(source).files} == {"imported"}
    return RecordedFeed(library, StandingClock(), sectors={"SPY": "index"})


async def test_planted_later_rows_of_every_kind_are_invisible(feed: RecordedFeed) -> None:
    market = await feed.gather(CAPTURED, ["SPY", "NVDA"])
    assert {ticker: chain.as_of for ticker, chain in market.chains.items()} == {"NVDA": CAPTURED, "SPY": CAPTURED}
    assert market.series["VIX"].value.tolist() == [15, 17]
    assert market.series["mentions.NVDA"].value.tolist() == [5]
    assert market.bars["SPY"].close.tolist() == [99, 100]
    assert "SPX" in market.bars
    for item in (*market.series.values(), *market.bars.values()):
        assert (item.known_at <= to_datetime64(CAPTURED)).all()
    assert [event.kind for event in market.events] == ["earnings"]
    assert market.events_known == {"NVDA"}
    assert market.sectors == {"NVDA": "chips", "SPY": "index"}
    assert (market.feed, market.tickers) == ("recorded", ("NVDA", "SPY"))
    assert set(market.provenance) == {"chains", "bars", "series", "posts", "calendar", "sectors"}
    assert "spy_chain.csv" in market.provenance["chains"]
    assert [note.subject for note in market.notes if note.code == "no_bars"] == ["NVDA"]


async def test_posts_are_tagged_with_the_runs_tickers_and_scored(feed: RecordedFeed) -> None:
    market = await feed.gather(CAPTURED, ["GME", "SPY"])
    assert [post.id for post in market.posts] == ["a"]
    assert market.posts[0].sentiment_model


async def test_the_same_instant_gives_the_same_picture_whatever_the_order_of_tickers(feed: RecordedFeed) -> None:
    one = await feed.gather(CAPTURED, ["SPY", "NVDA"])
    other = await feed.gather(CAPTURED, ["NVDA", "SPY", "SPY"])
    assert list(one.chains) == list(other.chains)
    assert list(one.series) == list(other.series)
    assert (one.notes, one.tickers, one.provenance) == (other.notes, other.tickers, other.provenance)


async def test_universe_is_every_quoted_underlying_within_the_maximum_age(feed: RecordedFeed) -> None:
    assert await feed.universe(CAPTURED) == ("NVDA", "SPY"), "GHST has no quotes"
    assert await feed.universe(CAPTURED + timedelta(minutes=30)) == ("NVDA", "SPY")
    assert await feed.universe(CAPTURED + timedelta(minutes=31)) == ("SPY",)
    assert await feed.universe(CAPTURED - timedelta(seconds=1)) == ()
    assert (await feed.gather(CAPTURED, [])).tickers == ("NVDA", "SPY")


async def test_a_stale_or_unknown_ticker_is_named_and_the_others_go_on(feed: RecordedFeed) -> None:
    market = await feed.gather(CAPTURED + timedelta(minutes=40), ["SPY", "NVDA", "ZZZ"])
    assert list(market.chains) == ["SPY"]
    assert market.tickers == ("NVDA", "SPY")
    notes = {note.code: note for note in market.notes}
    assert notes["unknown_ticker"].subject == "ZZZ"
    assert notes["no_fresh_chain"].subject == "NVDA"
    assert "before it 2026-02-12 10:10:00 New York" in notes["no_fresh_chain"].detail


async def test_a_chain_without_quotes_is_handed_out_only_when_named_and_says_so(feed: RecordedFeed) -> None:
    market = await feed.gather(CAPTURED, ["GHST"])
    assert np.isnan(market.chains["GHST"].bid).all()
    assert "last_prices_only" in {note.code for note in market.notes}
    assert await feed.quotes(CAPTURED, ["GHST"]) == {}


@pytest.mark.parametrize(
    ("as_of", "says"),
    [
        ("2010-01-04T15:00:00+00:00", r"Nothing is recorded by.*first chain is of 2026-02-12 10:10:00 New York"),
        ("2026-12-01T15:00:00+00:00", "lies in the future"),
        ("2026-02-16T15:00:00+00:00", r"2026-02-16 is not a New York trading session.*2026-02-17"),
        ("2026-02-13T15:00:00+00:00", r"at most 30 minutes old.*Nearest captures: before it 2026-02-12 10:30:00"),
        ("2026-02-12T15:10:00", "no time zone"),
    ],
)
async def test_instants_without_a_picture_are_refused_with_the_reason(
    feed: RecordedFeed, as_of: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        await feed.gather(datetime.fromisoformat(as_of), ["SPY"])


async def test_only_unknown_tickers_is_a_usage_error(feed: RecordedFeed) -> None:
    with pytest.raises(UsageError, match=r"no option chain of ZZZ.*It has GHST, NVDA, SPY"):
        await feed.gather(CAPTURED, ["ZZZ"])


async def test_an_empty_library_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="desk data import"):
        await RecordedFeed(MarketLibrary(tmp_path / "none"), StandingClock()).gather(CAPTURED, ["SPY"])


async def test_quotes_give_the_latest_chain_at_or_before_however_old(feed: RecordedFeed) -> None:
    later = await feed.quotes(CAPTURED + timedelta(days=2), ["SPY", "NVDA", "ZZZ"])
    assert {ticker: chain.as_of.minute for ticker, chain in later.items()} == {"NVDA": 10, "SPY": 30}
    assert (await feed.quotes(CAPTURED + timedelta(minutes=5), ["SPY"]))["SPY"].as_of == CAPTURED
    assert await feed.quotes(CAPTURED - timedelta(minutes=5), ["SPY"]) == {}
    with pytest.raises(UsageError, match="future"):
        await feed.quotes(NOW + timedelta(seconds=1), ["SPY"])
