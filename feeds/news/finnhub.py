"""Finnhub's company news (GET /company-news): one ticker a question, whole days, no pages.

Times are epoch seconds, UTC; `related` repeats the ticker that was asked about. The key travels in X-Finnhub-Token.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from feeds.news.item import NewsItem, instant_of, news_item
from feeds.news.settings import VendorSettings
from feeds.news.vendor import Page, Question, Scope, in_groups, json_answer, page_of, rows_of


class Finnhub:
    """Implements `feeds.news.vendor.Vendor`."""

    name = "finnhub"
    oldest_first = False
    most_pages = 1

    def __init__(self, settings: VendorSettings, key: str) -> None:
        self._settings = settings
        self.secret_headers = {"X-Finnhub-Token": key}
        self.cache_minutes = settings.cache_minutes
        self.overlap_minutes = settings.overlap_minutes

    def scopes(self, tickers: Sequence[str]) -> tuple[Scope, ...]:
        """A scope a ticker."""
        return in_groups(tickers, 1)

    def question(self, scope: Scope, *, since: datetime, until: datetime) -> Question:
        """From the day of `since` to the day of `until`."""
        params = {"symbol": scope.tickers[0], "from": f"{since:%Y-%m-%d}", "to": f"{until:%Y-%m-%d}"}
        return Question(self._settings.base_url, "company-news", scope, params)

    def read(self, body: bytes, headers: Mapping[str, str], asked: Question) -> Page:
        """See `Vendor`."""
        rows = rows_of(json_answer(body, self.name), self.name)
        return page_of([self._item(row, asked) for row in rows])

    def _item(self, row: Any, asked: Question) -> NewsItem | None:
        if not isinstance(row, dict):
            return None
        return news_item(
            provider=self.name,
            vendor_id=row.get("id") or None,  # 0 where it has none
            title=row.get("headline"),
            url=row.get("url"),
            publisher=row.get("source"),
            published=instant_of(row.get("datetime")),
            tickers=(*str(row.get("related") or "").split(","), *asked.scope.tickers),
        )
