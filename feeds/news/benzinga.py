"""Benzinga's newsfeed (GET /api/v2/news): many tickers a question, changes since an instant, numbered pages from 0.

Dates are RFC 5322 with New York's offset; an edit moves `updated`, from which the text that is served may be known. The
key travels in the query, as documented; JSON comes only to those who ask for it in `accept`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from feeds.news.item import NewsItem, instant_of, news_item
from feeds.news.settings import VendorSettings
from feeds.news.vendor import Page, Question, Scope, in_groups, json_answer, page_of, rows_of

_TICKERS_AT_ONCE = 50
_MOST_A_PAGE = 100
_LAG_SECONDS = 5  # stamps are whole seconds and arrive late: the documentation asks for this much overlap


class Benzinga:
    """Implements `feeds.news.vendor.Vendor`."""

    name = "benzinga"
    oldest_first = True

    def __init__(self, settings: VendorSettings, key: str) -> None:
        self._settings = settings
        self._key = key
        self.secret_headers = {"Accept": "application/json"}
        self.cache_minutes = settings.cache_minutes
        self.overlap_minutes = settings.overlap_minutes
        self.most_pages = settings.pages

    def scopes(self, tickers: Sequence[str]) -> tuple[Scope, ...]:
        """Tickers in groups."""
        return in_groups(tickers, _TICKERS_AT_ONCE)

    def question(self, scope: Scope, *, since: datetime, until: datetime) -> Question:
        """Everything that changed since `since`."""
        params = {
            "token": self._key,
            "tickers": ",".join(scope.tickers),
            "updatedSince": str(int(since.timestamp()) - _LAG_SECONDS),
            "sort": "updated:asc",
            "displayOutput": "headline",
            "pageSize": str(self._page_size),
            "page": "0",
        }
        return Question(self._settings.base_url, "api/v2/news", scope, params)

    def read(self, body: bytes, headers: Mapping[str, str], asked: Question) -> Page:
        """See `Vendor`. A full page may have another behind it."""
        rows = rows_of(json_answer(body, self.name), self.name)
        following = None
        if len(rows) >= self._page_size:
            following = replace(asked, params={**asked.params, "page": str(asked.page)}, page=asked.page + 1)
        return page_of([self._item(row) for row in rows], following)

    @property
    def _page_size(self) -> int:
        return min(self._settings.page_size, _MOST_A_PAGE)

    def _item(self, row: Any) -> NewsItem | None:
        if not isinstance(row, dict):
            return None
        stocks = row.get("stocks")
        return news_item(
            provider=self.name,
            vendor_id=row.get("id"),
            title=row.get("title"),
            url=row.get("url"),
            publisher="Benzinga",
            published=instant_of(row.get("created")),
            updated=instant_of(row.get("updated")),
            tickers=[stock.get("name") for stock in stocks if isinstance(stock, dict)]
            if isinstance(stocks, list)
            else (),
        )
