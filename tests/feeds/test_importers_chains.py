"""Chain layouts: what each reads, from when its rows may be used, and what it refuses."""

import io
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from domain.contract import Right, parse_occ
from domain.errors import DataError
from domain.market import Chain
from domain.units import to_datetime64
from feeds.importers.imported import Imported
from feeds.importers.presets import PRESETS, recognise
from feeds.importers.roots import guess_root, rule_of
from feeds.importers.table import read_table


def read(name: str, text: str) -> Imported:
    table = read_table(name, text.encode())
    return recognise(table).read(table)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def codes(imported: Imported) -> dict[str, int]:
    return {note.code: note.count for note in imported.notes}


def quoted_pairs(spot: float, strikes: list[float], **cells: object) -> list[dict[str, object]]:
    """Calls and puts whose mids satisfy parity at `spot` without rates."""
    rows: list[dict[str, object]] = []
    for strike in strikes:
        for kind, intrinsic in (("call", max(spot - strike, 0)), ("put", max(strike - spot, 0))):
            mid = intrinsic + 5.0
            rows.append({"type": kind, "strike": strike, "bid": mid - 0.05, "ask": mid + 0.05, **cells})
    return rows


QUOTE_TABLE = """
Standard & Poors 500 Index,Last: 4505.10,Change:  37.66
"Date: September 14, 2023 at 4:31 PM EDT",Bid: 4483.25,Ask: 4526.27,Size: 1*1,Volume: 0
Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,Puts,Last Sale,Net,Bid,Ask,\
Volume,IV,Delta,Gamma,Open Interest
Fri Sep 15 2023,SPX230915C04500000,30,0,20.1,20.9,7,0.11,0,0,900,4500.00,SPX230915P04500000,9,0,15,15.4,3,0.12,0,0,800
Fri Sep 15 2023,SPXW230915C04500000,30,0,20.2,20.8,5,0.11,0,0,90,4500.00,SPXW230915P04500000,9,0,15.1,15.3,2,0.12,0,0,80
"""


def test_quote_table_is_known_from_its_stated_minute_and_separates_am_from_pm_settlement() -> None:
    (chain,) = read("spx_quotedata.csv", QUOTE_TABLE).chains
    assert (chain.ticker, chain.as_of, chain.spot) == ("SPX", utc("2023-09-14T20:31"), 4505.10)
    assert chain.symbol.tolist() == [
        "SPX   230915C04500000",
        "SPX   230915P04500000",
        "SPXW  230915C04500000",
        "SPXW  230915P04500000",
    ]
    assert chain.am_settled.tolist() == [True, True, False, False]
    assert chain.expires_at.astype(str).tolist() == [*["2023-09-15T13:30:00"] * 2, *["2023-09-15T20:00:00"] * 2]
    assert chain.european.all()
    assert chain.bid.tolist() == [20.1, 15.0, 20.2, 15.1]
    assert chain.open_interest.tolist() == [900, 800, 90, 80]


@pytest.mark.parametrize("line", ["Date: September 14, 2023 at 4:31 PM EDT", "Last: 4505.10"])
def test_quote_table_without_its_time_or_price_is_refused(line: str) -> None:
    with pytest.raises(DataError, match="capture time and the last price"):
        read("spx_quotedata.csv", QUOTE_TABLE.replace(line, "unreadable"))


def test_quote_table_with_two_underlyings_is_refused() -> None:
    with pytest.raises(DataError, match="one underlying"):
        read("spx_quotedata.csv", QUOTE_TABLE.replace("SPXW2", "SPY2"))


def datashop(day: str = "2024-07-03", code: str = "") -> str:
    header = (
        "underlying_symbol,quote_date,root,expiration,strike,option_type,open,high,low,close,trade_volume,bid_size_1545,"
        "bid_1545,ask_size_1545,ask_1545,underlying_bid_1545,underlying_ask_1545,bid_size_eod,bid_eod,ask_size_eod,"
        "ask_eod,underlying_bid_eod,underlying_ask_eod,vwap,open_interest,delivery_code\n"
    )
    row = (
        "{s},{d},{r},2024-07-19,550,{k},1,2,0.5,1.5,777,10,1.4,11,1.6,549.9,550.1,12,1.3,13,1.7,550.9,551.1,1,555,{c}\n"
    )
    lines = (row.format(s=s, d=day, r=r, k=k, c=code) for s, r in (("SPY", "SPY"), ("^SPX", "SPXW")) for k in "CP")
    return header + "".join(lines)


def test_datashop_gives_two_pictures_and_the_earlier_one_does_not_know_the_days_volume() -> None:
    imported = read("UnderlyingOptionsEODCalcs.csv", datashop())
    by_key = {(chain.ticker, chain.as_of): chain for chain in imported.chains}
    # 2024-07-03 closes at 13:00 New York: pictures at 12:45 and 13:00, index options at 16:15.
    assert sorted(by_key) == [
        ("SPX", utc("2024-07-03T16:45")),
        ("SPX", utc("2024-07-03T20:15")),
        ("SPY", utc("2024-07-03T16:45")),
        ("SPY", utc("2024-07-03T17:00")),
    ]
    early, late = by_key["SPY", utc("2024-07-03T16:45")], by_key["SPY", utc("2024-07-03T17:00")]
    assert np.isnan(early.volume).all()
    assert np.isnan(early.last).all()
    assert (early.spot, early.bid[0], early.ask_size[0]) == (550.0, 1.4, 11)
    assert (late.spot, late.bid[0], late.volume[0], late.last[0]) == (551.0, 1.3, 777, 1.5)
    assert early.open_interest.tolist() == [555, 555]


def test_datashop_delivery_code_marks_a_changed_deliverable() -> None:
    assert not any(chain.standard.any() for chain in read("calcs.csv", datashop(code="A")).chains)


OPTIONSDX_HEADER = (
    "[QUOTE_UNIXTIME], [QUOTE_READTIME], [QUOTE_DATE], [QUOTE_TIME_HOURS], [UNDERLYING_LAST], [EXPIRE_DATE], "
    "[EXPIRE_UNIX], [DTE], [C_DELTA], [C_IV], [C_VOLUME], [C_LAST], [C_SIZE], [C_BID], [C_ASK], [STRIKE], [P_BID], "
    "[P_ASK], [P_SIZE], [P_LAST], [P_IV], [P_VOLUME]\n"
)


def optionsdx(expiry: str = "2022-01-14", size: str = "10 x 12") -> str:
    return OPTIONSDX_HEADER + (
        f"1641243600, 2022-01-03 16:00, 2022-01-03, 16.0, 477.70, {expiry}, 1, 11, 0.5, 0.13, 40, 5.1, {size}, 5.0, "
        "5.2, 477.0, 4.1, 4.3, 7 x 8, 4.2, 0.14, 30\n"
    )


def test_optionsdx_takes_the_ticker_from_the_file_name_and_the_time_from_the_quote() -> None:
    (chain,) = read("spy_eod_202201.txt", optionsdx()).chains
    assert (chain.ticker, chain.as_of, chain.spot) == ("SPY", utc("2022-01-03T21:00"), 477.70)
    assert chain.is_call.tolist() == [True, False]
    assert chain.bid_size.tolist() == [10, 7]
    assert chain.ask_size.tolist() == [12, 8]
    assert chain.vendor_iv.tolist() == [0.13, 0.14]
    assert np.isnan(chain.open_interest).all()
    assert chain.standard.all()


def test_optionsdx_third_friday_of_an_index_has_unknown_settlement_and_is_never_proposed() -> None:
    imported = read("spx_eod_202201.txt", optionsdx("2022-01-21"))
    assert codes(imported)["settlement_unknown"] == 2
    assert not imported.chains[0].standard.any()
    (weekly,) = read("spx_eod_202201.txt", optionsdx("2022-01-14")).chains
    assert weekly.root.tolist() == ["SPXW", "SPXW"]
    assert weekly.standard.all()


def test_optionsdx_refuses_unreadable_sizes_and_missing_times() -> None:
    with pytest.raises(DataError, match="10 x 12"):
        read("spy_eod.txt", optionsdx(size="many"))
    with pytest.raises(DataError, match="missing quote time"):
        read("spy_eod.txt", optionsdx().replace("1641243600", ""))


def history(day: str = "2019-07-03", strike: str = "2950", kind: str = "call") -> str:
    return (
        "quote_date,root,type,expiration,strike,bid,ask,last,volume,open_interest,implied_vol,delta,gamma,underlying_price\n"
        f"{day},SPX,{kind},2019-07-19,{strike},60,61,0,0,10,0.1,0.5,0,2995.8\n"
        f"{day},SPXW,put,2019-07-19,2950,12,11,0,0,10,0.1,-0.5,0,2995.8\n"
        f"{day},SPXW,put,2019-07-19,2950,12,11,0,0,10,0.1,-0.5,0,2995.8\n"
    )


def test_dated_chains_are_known_from_the_close_half_days_included() -> None:
    (chain,) = read("spx_2019-07.csv", history()).chains
    assert chain.as_of == utc("2019-07-03T17:00")
    assert chain.am_settled.tolist() == [True, False, False]


def test_crossed_and_duplicate_rows_are_kept_and_counted() -> None:
    imported = read("spx_2019-07.csv", history())
    assert len(imported.chains[0]) == 3
    assert codes(imported) == {"crossed": 2, "duplicate": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (history(strike=""), "strike is missing"),
        (history().replace(",SPX,", ",../../etc/x,"), "is not a ticker"),
        (history().replace(",SPXW,", ",LONGERR,"), "is not a root"),
        (history(strike="-5"), "strike is missing, not positive"),
        (history(strike="inf"), "absurd"),
        (history(strike="2950.00049"), "finer than a thousandth"),
        (history(strike="about 3000"), "not a number"),
        (history(kind="straddle"), "neither call nor put"),
        (history(day=""), "missing or absurd date"),
        (history(day="1875-01-01"), "missing or absurd date"),
        (history(day="someday"), "not a date"),
        (history(day="1999-07-01"), "before the trading calendar"),
        (history().replace("2019-07-19", "2077-07-16"), "missing or absurd date"),
    ],
)
def test_garbage_is_refused_with_the_name_of_the_file(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as refused:
        read("spx_2019-07.csv", text)
    assert "spx_2019-07.csv" in str(refused.value)


def test_optionsuite_reads_pm_settled_roots() -> None:
    text = (
        "quote_date,root,contract,type,expiration,strike,style,bid,ask,mid,settlement,volume,open_interest,implied_vol,"
        "underlying_price,forward_price\n"
        "2011-01-03,SPXPM,x,put,2011-01-21,1250,E,10,10.4,10.2,0,1,2,0.15,1271.87,1271.6\n"
    )
    (chain,) = read("spx_2011.csv", text).chains
    assert (chain.ticker, chain.european.tolist(), chain.am_settled.tolist()) == ("SPX", [True], [False])
    assert np.isnan(chain.last).all()


def yahoo(column: str, day: str, last_trade: str, spot: float, *, quoted_at: float = 100.0) -> str:
    rows = quoted_pairs(quoted_at, [90, 95, 100, 105, 110], expiration="2026-08-21", ticker="SPY")
    frame = pd.DataFrame(rows)
    letters = frame["type"].str[0].str.upper()
    frame["contract"] = [
        "SPY260821" + c + f"{int(k * 1000):08d}" for c, k in zip(letters, frame["strike"], strict=True)
    ]
    frame = frame.assign(last=1.0, volume=1, open_interest=2, implied_vol=0.2, last_trade_utc=last_trade)
    frame = frame.assign(underlying_price=spot, **{column: day})
    return frame.to_csv(index=False)


def test_captured_chain_is_known_from_its_minute_and_keeps_its_own_spot() -> None:
    text = yahoo("snapshot_utc", "2026-08-12 15:10:00+00:00", "2026-08-12 15:10:11+00:00", 100.9)
    (chain,) = read("chains.csv", text).chains
    assert (chain.as_of, chain.spot, chain.spot_source) == (utc("2026-08-12T15:10"), 100.9, "quoted")


def test_planted_breach_a_trade_after_the_stated_capture_moves_the_whole_chain_to_it() -> None:
    text = yahoo("snapshot_utc", "2026-08-12 15:10:00+00:00", "2026-08-12 15:42:07+00:00", 100.9)
    imported = read("chains.csv", text)
    assert imported.chains[0].as_of == utc("2026-08-12T15:42:07")
    assert codes(imported)["captured_later"] == 1


def test_session_dated_chain_with_next_mornings_trades_is_known_next_morning_with_parity_spot() -> None:
    text = yahoo("session_date", "2026-08-12", "2026-08-13 15:58:32+00:00", 108.0)
    imported = read("chains.csv", text)
    (chain,) = imported.chains
    assert chain.as_of == utc("2026-08-13T15:58:32")
    assert chain.spot_source == "parity"
    assert chain.spot == pytest.approx(100.0, abs=0.1), "the stale close of 108 must not be used"
    assert codes(imported)["parity_spot"] == 1


def test_day_dated_chain_with_earlier_trades_is_known_from_the_close_with_parity_spot() -> None:
    (chain,) = read("chains.csv", yahoo("snapshot_date", "2026-08-12", "2026-08-12 19:15:00+00:00", 101.0)).chains
    assert (chain.as_of, chain.spot_source) == (utc("2026-08-12T20:00"), "parity")


def test_stale_repeat_dated_on_a_holiday_is_dropped_even_if_trades_came_later() -> None:
    text = yahoo("snapshot_date", "2025-11-27", "2025-11-28 15:00:00+00:00", 100.0)
    imported = read("chains.csv", text)
    assert imported.chains == ()
    assert codes(imported) == {"not_a_session": 10}


def test_chain_without_spot_and_without_pairs_is_left_out_and_said() -> None:
    text = yahoo("snapshot_date", "2026-08-12", "2026-08-12 19:15:00+00:00", 100.0)
    only_calls = "\n".join(line for line in text.splitlines() if not line.startswith("put"))
    imported = read("chains.csv", only_calls)
    assert imported.chains == ()
    assert codes(imported)["no_spot"] == 5


def test_adjusted_root_is_flagged_non_standard_under_its_plain_ticker() -> None:
    text = yahoo("snapshot_utc", "2026-08-12 15:10:00+00:00", "2026-08-12 15:00:00+00:00", 100.0)
    (chain,) = read("chains.csv", text.replace("SPY260821", "SPY1260821")).chains
    assert not chain.standard.any()
    assert rule_of("SPY1").underlying == "SPY"


def test_after_a_split_unquoted_old_strikes_keep_open_interest_but_are_non_standard() -> None:
    rows = quoted_pairs(93.7, [85, 90, 95, 100, 105], expiration="2014-06-20")
    rows += [{"type": "call", "strike": 645, "bid": None, "ask": None, "expiration": "2014-06-20"}]
    frame = pd.DataFrame(rows).assign(
        underlying="AAPL", quote_date="2014-06-09", bid_size=1, ask_size=2, last=None, volume=None, open_interest=7
    )
    imported = read("aapl_split.csv", frame.to_csv(index=False))
    (chain,) = imported.chains
    assert chain.spot == pytest.approx(93.7, abs=0.1)
    assert chain.strike[~chain.standard].tolist() == [645.0]
    assert chain.open_interest[~chain.standard].tolist() == [7.0]
    assert codes(imported)["old_share_units"] == 1


def test_liquid_subset_reads_its_underlying() -> None:
    text = (
        "quote_date,underlying,contract,type,expiration,strike,bid,ask,last,volume,open_interest,implied_vol,underlying_price\n"
        "2021-01-04,SPY,SPY210129P00345000,put,2021-01-29,345,2.76,2.78,2.71,7424,48199,0.288,368.79\n"
    )
    (chain,) = read("spy_2021.csv", text).chains
    assert (chain.ticker, chain.as_of, chain.symbol[0]) == ("SPY", utc("2021-01-04T21:00"), "SPY   210129P00345000")


def test_last_price_surface_has_interest_and_volume_but_nothing_tradeable() -> None:
    text = (
        "quote_date,ticker,expiration,strike,call_price,call_delta,call_volume,call_iv,call_oi,put_price,put_delta,"
        "put_volume,put_iv,put_oi,underlying_price\n"
        "2026-05-26,AAPL,2026-06-19,310,9,0.5,10,25.5,100,8,-0.5,20,26.5,200,308.33\n"
    )
    imported = read("last_price_surface.csv", text)
    (chain,) = imported.chains
    assert np.isnan(chain.bid).all()
    assert np.isnan(chain.ask).all()
    assert chain.vendor_iv.tolist() == [0.255, 0.265]
    assert chain.open_interest.tolist() == [100, 200]
    assert codes(imported)["last_prices_only"] == 2


def test_option_totals_become_volume_histories_known_from_the_close() -> None:
    text = (
        "quote_date,ticker,underlying_price,call_volume,put_volume,call_oi,put_oi,n_strikes\n"
        "2026-05-26,AAPL,308.33,655387,277493,1,1,9\n2026-05-27,AAPL,310.85,,339460,1,1,9\n"
    )
    series = {item.series.name: item.series for item in read("daily_totals.csv", text).series}
    assert series["volume.call.AAPL"].value.tolist() == [655387]
    assert series["volume.put.AAPL"].value.tolist() == [277493, 339460]
    assert series["volume.put.AAPL"].known_at[0] == to_datetime64(utc("2026-05-26T20:00"))


def test_symbols_agree_with_the_domains_own() -> None:
    (chain,) = read("spx_2019-07.csv", history(strike="2952.5")).chains
    parts = [parse_occ(str(symbol)) for symbol in chain.symbol]
    assert [(part.root, float(part.strike), part.right is Right.CALL) for part in parts] == list(
        zip(chain.root.tolist(), chain.strike.tolist(), chain.is_call.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("underlying", "expiry", "root", "sure"),
    [
        ("SPX", "2024-07-19", "SPX", False),
        ("SPX", "2024-07-26", "SPXW", True),
        ("SPX", "2024-07-18", "SPXW", True),
        ("RUT", "2024-07-15", "RUTW", True),
        ("SPY", "2024-07-19", "SPY", True),
        ("XSP", "2024-07-19", "XSP", True),
    ],
)
def test_root_is_guessed_only_where_settlement_is_certain(underlying: str, expiry: str, root: str, sure: bool) -> None:
    assert guess_root(underlying, datetime.fromisoformat(expiry).date()) == (root, sure)


def test_oex_is_american_and_its_european_twin_is_not() -> None:
    assert (rule_of("OEX").european, rule_of("XEO").european, rule_of("AAPL").european) == (False, True, False)


def test_damaged_files_name_themselves() -> None:
    whole = io.BytesIO()
    pd.DataFrame({"a": range(1000)}).to_parquet(whole)
    with pytest.raises(DataError, match=r"cut\.parquet: not a whole Parquet"):
        read_table("cut.parquet", whole.getvalue()[:-100])
    with pytest.raises(DataError, match=r"cut\.csv\.gz: cannot be unpacked"):
        read_table("cut.csv.gz", b"\x1f\x8b\x08garbage")
    with pytest.raises(DataError, match=r"empty\.csv: not a readable CSV"):
        read_table("empty.csv", b"")
    with pytest.raises(DataError, match=r"bare\.csv: the file has a header but no rows"):
        read_table("bare.csv", b"date,close\n")


def test_the_symbol_na_is_not_an_empty_cell() -> None:
    table = read_table("top.csv", b"ticker,x\nNA,1\n,2\n")
    assert table.words("ticker").tolist() == ["NA", ""]


def test_unknown_layout_says_what_the_nearest_one_lacks() -> None:
    with pytest.raises(DataError, match="also needs") as refused:
        recognise(read_table("x.csv", history().replace("expiration", "maturity").encode()))
    assert "expiration" in str(refused.value)
    assert "--columns" in str(refused.value)
    with pytest.raises(DataError, match="resembles it"):
        recognise(read_table("x.csv", b"a,b\n1,2\n"))
    with pytest.raises(DataError, match="does not begin with the symbol"):
        recognise(read_table("quotes.csv", b"date,open,high,low,close,volume\n2017-01-03,1,1,1,1,1\n"))


def test_every_preset_states_its_knowledge_rule_and_has_its_own_name() -> None:
    assert all(preset.known and preset.title for preset in PRESETS)
    assert len({preset.name for preset in PRESETS}) == len(PRESETS)


def test_chains_are_ordered_by_key_whatever_the_order_of_rows() -> None:
    forward = read("spx_2019-07.csv", history())
    header, *lines = history().splitlines()
    backward = read("spx_2019-07.csv", "\n".join([header, *reversed(lines)]))
    one, other = forward.chains[0], backward.chains[0]
    assert isinstance(one, Chain)
    assert one.symbol.tolist() == other.symbol.tolist()
    assert one.bid.tolist() == other.bid.tolist()


def test_captures_without_a_time_or_outside_the_calendar_are_refused() -> None:
    good = yahoo("snapshot_utc", "2026-08-12 15:10:00+00:00", "2026-08-12 15:00:00+00:00", 100.0)
    with pytest.raises(DataError, match="capture time is missing"):
        read("chains.csv", good.replace("2026-08-12 15:10:00+00:00", ""))
    with pytest.raises(DataError, match="cannot be placed"):
        read("chains.csv", good.replace("2026-08-12 15", "1999-08-12 15"))
