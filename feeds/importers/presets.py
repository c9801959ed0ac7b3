"""The registry of file layouts. A new one is a reader and a line here."""

from domain.errors import DataError
from feeds.importers import (
    attention,
    datashop,
    dated_chains,
    listings,
    market_series,
    optionsdx,
    price_bars,
    quote_table,
    surface,
    yahoo_chains,
)
from feeds.importers.imported import Imported, Preset
from feeds.importers.table import RawTable

_CLOSE = "the session's close, half-days included"
_INDEX_CLOSE = "16:15 New York"
_MORNING = "09:00 New York of the next session"
_MIDNIGHT = "the next 00:00 UTC"
_STAMPED = "the stated time, or the latest last-trade stamp where that is later"


def _columns(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _not_market(reason: str) -> "Imported":
    return Imported(refusal=reason)


def _text_set(_: RawTable) -> Imported:
    return _not_market("a labelled text set for measuring sentiment, not market data")


def _day_totals(_: RawTable) -> Imported:
    return _not_market("a summary of chain files, which are imported themselves")


_PRICES = "open high low close"
_CHAIN = "type strike expiration bid ask last volume open_interest"

# Order matters where one header contains another: the more specific layout comes first.
PRESETS: tuple[Preset, ...] = (
    Preset(
        "cboe_quote_table",
        "Cboe quote table download",
        "the stated capture time",
        _columns("expiration_date calls puts strike last_sale last_sale.1 open_interest.1"),
        quote_table.read,
        named=lambda table: bool(table.preamble),
    ),
    Preset(
        "cboe_datashop_eod",
        "Cboe DataShop end-of-day options summary",
        "15 minutes before the close, and the close (16:15 New York for index options)",
        _columns(
            "underlying_symbol quote_date root expiration strike option_type close trade_volume bid_1545 ask_1545"
            " bid_eod ask_eod underlying_bid_1545 underlying_ask_1545 underlying_bid_eod underlying_ask_eod"
            " open_interest"
        ),
        datashop.read,
    ),
    Preset(
        "optionsdx",
        "OptionsDX chains",
        "the quote's own time",
        _columns("quote_unixtime underlying_last expire_date strike c_bid c_ask p_bid p_ask"),
        optionsdx.read,
    ),
    Preset(
        "optionsuite",
        "OptionSuite (iVolatility) index chains",
        _CLOSE,
        _columns("quote_date root contract type expiration strike style bid ask underlying_price"),
        dated_chains.read_index_history,
    ),
    Preset(
        "index_history",
        "End-of-day index chains",
        _CLOSE,
        _columns(f"quote_date root {_CHAIN} implied_vol underlying_price"),
        dated_chains.read_index_history,
    ),
    Preset(
        "yahoo_captured",
        "Yahoo-like chains with a capture time",
        _STAMPED,
        _columns(f"snapshot_utc ticker contract {_CHAIN} last_trade_utc underlying_price"),
        yahoo_chains.read_captured,
    ),
    Preset(
        "yahoo_dated",
        "Yahoo-like chains dated by day",
        f"{_CLOSE}, or the latest last-trade stamp where that is later",
        _columns(f"snapshot_date ticker contract {_CHAIN} last_trade_utc"),
        yahoo_chains.read_dated,
    ),
    Preset(
        "yahoo_session",
        "Yahoo-like chains dated by session",
        f"{_CLOSE}, or the latest last-trade stamp where that is later",
        _columns(f"session_date ticker contract {_CHAIN} last_trade_utc"),
        yahoo_chains.read_dated,
    ),
    Preset(
        "algoseek",
        "AlgoSeek closing chains with sizes",
        _CLOSE,
        _columns(f"underlying quote_date {_CHAIN} bid_size ask_size"),
        dated_chains.read_algoseek,
    ),
    Preset(
        "liquid_subset",
        "A few liquid contracts a day",
        _CLOSE,
        _columns(f"quote_date underlying contract {_CHAIN} underlying_price"),
        dated_chains.read_subset,
    ),
    Preset(
        "last_price_surface",
        "Last prices, open interest and volume by strike",
        _CLOSE,
        _columns("quote_date ticker expiration strike call_price call_oi put_price put_oi underlying_price"),
        surface.read,
    ),
    Preset(
        "option_totals",
        "Daily option totals by ticker",
        _CLOSE,
        _columns("quote_date ticker call_volume put_volume call_oi put_oi"),
        surface.read_totals,
    ),
    Preset(
        "daily_bars_raw",
        "Daily bars, traded prices with split coefficients",
        _CLOSE,
        _columns(f"ticker date {_PRICES} volume split_coefficient"),
        price_bars.read_raw,
    ),
    Preset(
        "daily_bars_adjusted",
        "Daily bars, split-adjusted",
        _CLOSE,
        _columns(f"ticker date {_PRICES} adj_close volume"),
        price_bars.read_adjusted,
    ),
    Preset("minute_bars", "One-minute bars", _CLOSE, _columns(f"ticker ts {_PRICES} volume"), price_bars.read_minutes),
    Preset(
        "closes", "Closes, split-adjusted", _CLOSE, _columns("ticker date close"), price_bars.read_closes, exact=True
    ),
    Preset(
        "volatility_index",
        "Cboe volatility index",
        _INDEX_CLOSE,
        _columns(f"date {_PRICES}"),
        market_series.read_volatility_index,
        named=market_series.is_volatility_index,
    ),
    Preset("vvix", "Cboe VVIX", _INDEX_CLOSE, _columns("date vvix"), market_series.read_volatility_index, exact=True),
    Preset("skew", "Cboe SKEW", _INDEX_CLOSE, _columns("date skew"), market_series.read_volatility_index, exact=True),
    Preset(
        "index_bars",
        "Daily bars of an index",
        _INDEX_CLOSE,
        _columns(f"date {_PRICES} volume"),
        price_bars.read_index,
        named=price_bars.is_index,
    ),
    Preset(
        "vix_futures",
        "VIX futures, first and second month",
        "the sampling time",
        _columns("date time_ny vx_m1 vx_m2 vx_30d_weighted"),
        market_series.read_vix_futures,
    ),
    Preset("treasury_yields", "Treasury yields", _MORNING, _columns("date dgs3mo dgs10"), market_series.read_yields),
    Preset("fed_funds", "Federal funds rate", _MORNING, _columns("date dff"), market_series.read_fed_funds),
    Preset(
        "dix_gex",
        "DIX and GEX with the SPX close",
        f"{_MORNING}; the SPX close {_INDEX_CLOSE}",
        _columns("date price dix gex"),
        market_series.read_dix_gex,
    ),
    Preset(
        "put_call_ratios",
        "Cboe put/call ratios",
        _MORNING,
        _columns("date total_put_call_ratio equity_put_call_ratio"),
        market_series.read_put_call_ratios,
    ),
    Preset(
        "total_put_call",
        "Cboe total put/call, older file",
        _MORNING,
        _columns("date calls puts total ratio"),
        market_series.read_total_put_call,
    ),
    Preset(
        "mention_counts",
        "Daily mention counts",
        _MIDNIGHT,
        _columns("ticker date mentions mention_rank"),
        attention.read_mention_counts,
    ),
    Preset(
        "top_mentions",
        "Daily most mentioned tickers",
        _MIDNIGHT,
        _columns("date rank ticker mentions upvotes"),
        attention.read_top_mentions,
    ),
    Preset(
        "hourly_activity",
        "Hourly talk of a forum and of GME in it",
        "the end of the hour; counts by the day: the next 00:00 UTC",
        _columns("hour cnt_all_post cnt_gme_post cnt_gme_comments avg_gme_post_pos avg_gme_post_neg"),
        attention.read_hourly_activity,
    ),
    Preset(
        "gme_posts",
        "GME submissions dated by day",
        _MIDNIGHT,
        _columns("date id num_comments score slug"),
        attention.read_gme_posts,
    ),
    Preset(
        "wsb_posts",
        "Posts stamped with the beginning of their day",
        "a day after the stamp",
        _columns("id ticker title flair score num_comments text timestamp"),
        attention.read_wsb_posts,
    ),
    Preset(
        "strategy_indexes",
        "Cboe strategy indices, month-end",
        _INDEX_CLOSE,
        _columns("month_end put bxm"),
        market_series.read_strategy_indexes,
    ),
    Preset(
        "trends_weekly",
        "Weekly search interest",
        "00:00 UTC after the week",
        _columns("week interest"),
        market_series.read_trends,
    ),
    Preset(
        "trends_monthly",
        "Monthly search interest",
        "00:00 UTC after the month",
        _columns("month interest"),
        market_series.read_trends,
    ),
    Preset(
        "calendar",
        "Calendar of events",
        "each row's own known_at",
        _columns("kind ticker at known_at"),
        listings.read_calendar,
    ),
    Preset("sectors", "Sector map", "always", _columns("ticker sector"), listings.read_sectors, exact=True),
    Preset("phrasebank", "Labelled sentences", "never used", _columns("sentence label"), _text_set),
    Preset("fiqa", "Labelled sentences", "never used", _columns("sentence sentiment_score"), _text_set),
    Preset("labelled_tweets", "Labelled tweets", "never used", _columns("text label"), _text_set, exact=True),
    Preset(
        "chain_days",
        "Summary of chain days",
        "never used",
        _columns("quote_date contracts expirations"),
        _day_totals,
    ),
)


def recognise(table: RawTable) -> Preset:
    """The first preset that fits. Raises `DataError` saying which columns the nearest layout lacks."""
    for preset in PRESETS:
        if preset.fits(table):
            return preset
    header = set(table.columns)
    likeness = [len(preset.columns & header) / len(preset.columns) for preset in PRESETS]
    nearest = PRESETS[likeness.index(max(likeness))]
    lacking = sorted(nearest.columns - header)
    found = ", ".join(table.columns[:12])
    if max(likeness) <= 0.5:
        says = f"none of the {len(PRESETS)} known layouts resembles it"
    elif lacking:
        says = f"the nearest layout, {nearest.name}, also needs {', '.join(lacking)}"
    else:
        says = f"it looks like {nearest.name}, but the file name does not begin with the symbol it is about"
    raise DataError(
        f"{table.name}: unknown layout ({found}); {says}.",
        remedy="Describe its columns in a YAML file (see config/columns.example.yaml) and pass it with --columns.",
    )
