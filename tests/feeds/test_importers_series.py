"""Histories, bars, posts and listings: values, faults and the instant each row becomes usable."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from domain.errors import DataError
from domain.market import Bars, Series
from domain.units import Instants, to_datetime64
from feeds.importers.imported import Imported
from feeds.importers.presets import recognise
from feeds.importers.table import RawTable, read_table


def read(name: str, text: str) -> Imported:
    table = read_table(name, text.encode())
    return recognise(table).read(table)


def series(imported: Imported) -> dict[str, Series]:
    return {item.series.name: item.series for item in imported.series}


def bars(imported: Imported) -> dict[str, Bars]:
    return {item.bars.ticker: item.bars for item in imported.bars}


def at(text: str) -> np.datetime64:
    return to_datetime64(datetime.fromisoformat(text).replace(tzinfo=UTC))


def not_before(known: Instants, instant: str) -> bool:
    """Planted breach: one second earlier nothing is visible, at the instant everything is."""
    return bool((known > at(instant) - np.timedelta64(1, "s")).all() and (known <= at(instant)).all())


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        # (file, one row dated Friday 2024-07-05 or noted otherwise, first usable instant)
        ("VIX_x.csv", "date,open,high,low,close\n2024-07-05,12,13,11,12.5\n", "2024-07-05T20:15"),
        ("VVIX_x.csv", "date,vvix\n2024-07-03,80\n", "2024-07-03T20:15"),
        ("SKEW_x.csv", "date,skew\n2024-07-05,140\n", "2024-07-05T20:15"),
        ("treasury.csv", "date,DGS3MO,DGS10\n2024-07-05,5.4,4.3\n", "2024-07-08T13:00"),
        ("fed_funds.csv", "date,DFF\n2024-07-06,5.33\n", "2024-07-08T13:00"),
        ("totalpc.csv", "date,calls,puts,total,ratio\n2018-07-03,1,1,2,0.9\n", "2018-07-05T13:00"),
        ("pcr.csv", "date,total_put_call_ratio,equity_put_call_ratio\n2024-07-05,0.9,0.6\n", "2024-07-08T13:00"),
        ("dix.csv", "date,price,dix,gex\n2024-07-05,5567,0.45,1e9\n", "2024-07-08T13:00"),
        ("vx.csv", "date,time_ny,vx_m1,vx_m2,vx_30d_weighted\n2020-03-16,16:33,70,60,65\n", "2020-03-16T20:33"),
        ("put.csv", "month_end,PUT,BXM\n2021-12-31,2000,1500\n", "2021-12-31T21:15"),
        ("m.csv", "ticker,date,mentions,mention_rank,sentiment\nTSLA,2024-07-05,9,1,0\n", "2024-07-06T00:00"),
        ("t.csv", "date,rank,ticker,mentions,upvotes\n2026-07-05,1,NA,9,1\n", "2026-07-06T00:00"),
        ("LCID_w.csv", "week,interest\n2021-01-03,<1\n", "2021-01-10T00:00"),
        ("tesla_m.csv", "month,interest,x\n2020-02-01,3,1\n", "2020-03-01T00:00"),
    ],
)
def test_no_history_is_visible_a_second_too_early(name: str, text: str, known: str) -> None:
    imported = read(name, text)
    assert imported.series
    assert all(not_before(item.series.known_at, known) for item in imported.series)


def test_spx_close_of_the_gamma_file_is_an_index_close_while_its_gamma_waits_until_morning() -> None:
    imported = read("dix.csv", "date,price,dix,gex\n2024-07-05,5567,0.45,1e9\n2024-07-08,,0.46,2e9\n")
    assert bars(imported)["SPX"].close.tolist() == [5567]
    assert not_before(bars(imported)["SPX"].known_at, "2024-07-05T20:15")
    assert series(imported)["GEX"].value.tolist() == [1e9, 2e9]


def test_the_eleven_fault_is_rejected_and_listed_while_a_real_high_ratio_stays() -> None:
    text = (
        "date,total_put_call_ratio,equity_put_call_ratio,spx_spxw_put_call_ratio\n"
        "2020-10-26,11.0,0.7,4.2\n2020-10-27,1.05,0.7,21.0\n"
    )
    imported = read("pcr.csv", text)
    assert series(imported)["PCR_TOTAL"].value.tolist() == [1.05]
    assert series(imported)["PCR_SPX"].value.tolist() == [4.2]
    faults = {note.code: note for note in imported.notes}
    assert faults["faulty_ratio"].subject == "PCR_TOTAL in pcr.csv"
    assert "2020-10-26" in faults["faulty_ratio"].detail
    assert faults["out_of_range"].subject == "PCR_SPX in pcr.csv"


def test_yields_skip_empty_holiday_rows() -> None:
    imported = read("treasury.csv", "date,DGS3MO,DGS10\n2024-07-03,5.4,4.3\n2024-07-04,,\n2024-07-05,5.5,4.2\n")
    assert series(imported)["DGS3MO"].value.tolist() == [5.4, 5.5]


def test_volatility_rows_on_holidays_are_dropped_and_counted() -> None:
    text = "date,open,high,low,close\n2024-07-03,12,12,12,12\n2024-07-04,13,13,13,13\n2024-07-05,14,14,14,14\n"
    imported = read("VIX_to_2024.csv", text)
    assert series(imported)["VIX"].value.tolist() == [12, 14]
    assert [(note.code, note.count) for note in imported.notes] == [("not_a_session", 1)]


def test_absurd_volatility_is_rejected() -> None:
    assert series(read("VVIX_a.csv", "date,vvix\n2006-03-15,15.71\n2006-03-22,80\n"))["VVIX"].value.tolist() == [80]


def test_of_two_values_for_a_day_the_later_row_stands() -> None:
    imported = read(
        "VIX_a.csv", "date,open,high,low,close\n2024-07-05,1,1,1,14\n2024-07-03,1,1,1,12\n2024-07-05,1,1,1,15\n"
    )
    assert series(imported)["VIX"].value.tolist() == [12, 15]


def test_search_interest_below_one_is_half_and_nonsense_is_refused() -> None:
    found = series(read("LCID_weekly.csv", "week,interest\n2021-01-03,<1\n2021-01-10,40\n"))
    assert found["trends.LCID"].value.tolist() == [0.5, 40]
    with pytest.raises(DataError, match="interest"):
        read("LCID_weekly.csv", "week,interest\n2021-01-03,lots\n")


def test_futures_with_an_unreadable_time_are_refused() -> None:
    with pytest.raises(DataError, match="time_ny"):
        read("vx.csv", "date,time_ny,vx_m1,vx_m2,vx_30d_weighted\n2020-03-16,noon,70,60,65\n")


DAILY = "ticker,date,open,high,low,close,adj_close,volume\n"


def test_adjusted_bars_never_read_the_dividend_adjusted_close_and_say_their_basis() -> None:
    text = DAILY + "SPY,2024-02-15,499,502,498,501,400.5,10\nSPY,2024-02-16,501,503,497,499,399.5,11\n"
    found = bars(read("us_daily.csv", text))["SPY"]
    assert found.close.tolist() == [501, 499]
    assert str(found.adjusted_as_of) == "2024-02-16"
    assert found.known_at[0] == at("2024-02-15T21:00")


def test_bars_on_half_days_are_known_from_the_early_close() -> None:
    found = bars(read("us_daily.csv", DAILY + "SPY,2024-07-03,1,1,1,1,1,1\n"))["SPY"]
    assert not_before(found.known_at, "2024-07-03T17:00")


def test_impossible_bars_are_dropped_and_counted() -> None:
    text = DAILY + "SPY,2024-02-14,1,1,1,0,1,1\nSPY,2024-02-15,5,4,3,5,5,1\nSPY,2024-02-16,5,6,4,5,5,1\n"
    imported = read("us_daily.csv", text)
    assert len(bars(imported)["SPY"]) == 1
    assert [(note.code, note.count) for note in imported.notes] == [("bad_bar", 2)]
    assert read("us_daily.csv", DAILY + "SPY,2024-02-14,1,1,1,0,1,1\n").bars == ()


def test_raw_bars_keep_traded_prices_and_their_splits() -> None:
    text = (
        "ticker,date,open,high,low,close,adj_close,volume,dividend_amount,split_coefficient\n"
        "VXX,2017-08-22,12,12,12,12,1,4,0,1\nVXX,2017-08-23,48,48,48,48,1,1,0,0.25\nVXX,2017-08-24,47,47,47,47,,1,,\n"
    )
    (item,) = read("etf.csv", text).bars
    assert item.bars.adjusted_as_of is None
    assert item.bars.close.tolist() == [12, 48, 47]
    assert item.split.tolist() == [1, 0.25, 1]


def test_closes_alone_leave_the_rest_of_the_bar_unknown() -> None:
    found = bars(read("closes.csv", "ticker,date,close\nAAPL,2026-08-06,200\n"))["AAPL"]
    assert found.close.tolist() == [200]
    assert all(np.isnan(getattr(found, name)).all() for name in ("open", "high", "low", "volume"))


def test_index_bars_take_zero_volume_as_unknown_and_are_known_at_a_quarter_past_four() -> None:
    found = bars(read("SPX_daily.csv", "date,open,high,low,close,volume\n2019-07-05,1,2,1,2,0\n"))["SPX"]
    assert np.isnan(found.volume).all()
    assert not_before(found.known_at, "2019-07-05T20:15")


def minutes(day: str, first: str, last: str, *, ticker: str = "SPY") -> pd.DataFrame:
    ts = pd.date_range(f"{day} {first}", f"{day} {last}", freq="min", tz="America/New_York")
    level = np.arange(len(ts), dtype=float) + 100
    return pd.DataFrame(
        {"ticker": ticker, "ts": ts, "open": level, "high": level + 1, "low": level - 1, "close": level, "volume": 2}
    )


def test_minutes_are_gathered_over_regular_hours_and_partial_days_are_left_out() -> None:
    frame = pd.concat(
        [
            minutes("2024-07-02", "04:00", "19:59"),
            minutes("2024-07-03", "09:30", "12:59"),
            minutes("2024-07-05", "11:00", "15:59"),
            minutes("2024-07-06", "09:30", "15:59"),
        ]
    )
    table = RawTable("one_minute.parquet", frame)
    imported = recognise(table).read(table)
    found = bars(imported)["SPY"]
    assert found.day.astype(str).tolist() == ["2024-07-02", "2024-07-03"]
    assert found.open.tolist() == [100 + 330, 100]
    assert found.close.tolist() == [100 + 719, 100 + 209]
    assert found.high.tolist() == [100 + 720, 100 + 210]
    assert found.volume.tolist() == [780, 420]
    assert {note.code: note.count for note in imported.notes}["partial_day"] == 1


def test_day_dated_posts_and_their_counts_wait_for_the_next_midnight() -> None:
    text = "date,id,num_comments,score,slug\n2021-01-27,b,3,,to_the_moon\n2021-01-27,a,1,5,gme\n2021-01-27,a,1,5,gme\n"
    imported = read("gme_posts.csv", text)
    assert [post.id for post in imported.posts] == ["a", "b"]
    assert imported.posts[1].text == "to the moon"
    assert imported.posts[1].score is None
    assert all(post.known_at == datetime(2021, 1, 28, tzinfo=UTC) for post in imported.posts)
    assert not_before(series(imported)["mentions.GME"].known_at, "2021-01-28T00:00")


def test_posts_stamped_with_the_beginning_of_their_day_wait_a_day_and_ignore_false_tickers() -> None:
    text = (
        "id,ticker,title,flair,score,upvote_ratio,num_comments,text,timestamp\n"
        "x,GME,gme,YOLO,15,1.0,290,we hold,2021-01-27 05:00:00\ny,HOLD,hold,YOLO,15,1.0,290,,2021-01-27 05:00:00\n"
    )
    first, second = read("wsb.csv", text).posts
    assert first.known_at == datetime(2021, 1, 28, 5, tzinfo=UTC)
    assert (first.text, first.tickers, second.tickers) == ("gme\nwe hold", ("GME",), ())
    with pytest.raises(DataError, match="timestamp"):
        read("wsb.csv", text.replace("2021-01-27 05:00:00\ny", "\ny"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("phrasebank.csv", "sentence,label,agree_at_least_pct\na,neutral,50\n"),
        ("fiqa.csv", "id,kind,sentence,target,sentiment_score,aspects,snippets\n1,post,a,b,0.1,,\n"),
        ("tweets.csv", "text,label\na,bullish\n"),
        ("days.csv", "quote_date,underlying_price,contracts,expirations,volume,open_interest\n2019-04-25,1,1,1,1,1\n"),
    ],
)
def test_sets_that_are_not_market_data_are_recognised_and_say_so(name: str, text: str) -> None:
    imported = read(name, text)
    assert imported.rows == 0
    assert imported.refusal


def test_calendar_rows_need_both_times_and_a_known_kind() -> None:
    good = "kind,ticker,at,known_at,amount,title\nearnings,nvda,2026-02-25T21:20:00Z,2026-01-30T14:00:00Z,,Q4\n"
    (event,) = read("calendar.csv", good).events
    assert (event.ticker, event.kind, event.known_at) == ("NVDA", "earnings", datetime(2026, 1, 30, 14, tzinfo=UTC))
    with pytest.raises(DataError, match="became known"):
        read("calendar.csv", good.replace("2026-01-30T14:00:00Z", ""))
    with pytest.raises(DataError, match="party"):
        read("calendar.csv", good.replace("earnings", "party"))


def test_a_ticker_in_two_sectors_is_refused() -> None:
    assert read("sectors.csv", "ticker,sector\nxom,Energy\n").sectors == {"XOM": "energy"}
    with pytest.raises(DataError, match="XOM"):
        read("sectors.csv", "ticker,sector\nXOM,energy\nXOM,technology\n")
