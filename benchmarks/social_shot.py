"""A snapshot that holds talk about one ticker and nothing else."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from domain.book import Baseline, Book
from domain.market import Headline, MarketData, Post, Series
from domain.risk import TradingState
from domain.snapshot import DeskContext, MarketSnapshot


def snapshot(
    at: datetime,
    ticker: str,
    *,
    series: Sequence[Series] = (),
    posts: Sequence[Post] = (),
    headlines: Sequence[Headline] = (),
) -> MarketSnapshot:
    """As of `at`, with an empty book."""
    market = MarketData(
        as_of=at,
        feed="recorded",
        tickers=(ticker,),
        chains={},
        bars={},
        series={row.name: row for row in series},
        posts=tuple(posts),
        headlines=tuple(headlines),
    )
    book = Book(
        as_of=at, cash=Decimal(0), positions=(), nlv=Decimal(0), nlv_as_of=at, realised=Decimal(0), fees=Decimal(0)
    )
    desk = DeskContext(
        book=book,
        exposures=(),
        open_orders=(),
        baseline=Baseline(session=at.date(), nlv=Decimal(0), source="none"),
        trading_state=TradingState.ACTIVE,
        trading_state_reason="",
        halted_agents=(),
        earlier_signals=(),
        reliability=(),
        regime_history=(),
    )
    return MarketSnapshot(market=market, desk=desk)
