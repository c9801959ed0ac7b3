"""Alpaca's news (GET /v1beta1/news): many tickers a question, oldest first, a page token until there is none.

Times are ISO 8601 UTC; an edit moves `updated_at`, from which the text that is served may be known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from feeds.news.item import NewsItem, instant_of, news_item
from feeds.news.settings import VendorSettings
from feeds.news.vendor import Page, Question, Scope, in_groups, json_answer, page_of, rows_of, stamp

_TICKERS_AT_ONCE = 40  # keeps the address short
_MOST_A_PAGE = 50


class Alpaca:
    """Implements `feeds.news.vendor.Vendor`."""

    name = "alpaca"
    oldest_first = True

    def __init__(self, settings: VendorSettings, key_id: str, secret: str) -> None:
        self._settings = settings
        self.secret_headers = {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
        self.cache_minutes = settings.cache_minutes
        self.overlap_minutes = settings.overlap_minutes
        self.most_pages = settings.pages

    def scopes(self, tickers: Sequence[str]) -> tuple[Scope, ...]:
        """Tickers in groups."""
        return in_groups(tickers, _TICKERS_AT_ONCE)

    def question(self, scope: Scope, *, since: datetime, until: datetime) -> Question:
        """Articles updated between the two instants."""
        params = {
            "symbols": ",".join(scope.tickers),
            "start": stamp(since),
            "end": stamp(until),
            "limit": str(min(self._settings.page_size, _MOST_A_PAGE)),
            "sort": "asc",
            "include_content": "false",
        }
        return Question(self._settings.base_url, "v1beta1/news", scope, params)

    def read(self, body: bytes, headers: Mapping[str, str], asked: Question) -> Page:
        """See `Vendor`."""
        answer = json_answer(body, self.name)
        rows = rows_of(answer, self.name, "news")
        token = answer.get("next_page_token")
        following = None
        if isinstance(token, str) and token:
            following = replace(asked, params={**asked.params, "page_token": token}, page=asked.page + 1)
        return page_of([self._item(row) for row in rows], following)

    def _item(self, row: Any) -> NewsItem | None:
        if not isinstance(row, dict):
            return None
        symbols = row.get("symbols")
        return news_item(
            provider=self.name,
            vendor_id=row.get("id"),
            title=row.get("headline"),
            url=row.get("url"),
            publisher=row.get("source"),
            published=instant_of(row.get("created_at")),
            updated=instant_of(row.get("updated_at")),
            tickers=symbols if isinstance(symbols, list) else (),
        )
