"""Services that search by words and know no tickers: NewsAPI and GNews.

A ticker is asked for by its company's names and brands (tickers.yaml), in titles only. A search proves nothing: the
items come without tickers, and are about those that their titles turn out to name. A ticker without a name is not asked
for: a symbol is too often a word. Times are ISO 8601 UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.errors import DataError
from feeds.news.item import NewsItem, instant_of, news_item
from feeds.news.settings import VendorSettings
from feeds.news.vendor import Page, Question, Scope, json_answer, page_of, rows_of, stamp

_LONGEST_QUERY = {"newsapi": 500, "gnews": 200}


class _Search:
    """What the two have in common. Implements `feeds.news.vendor.Vendor`."""

    name: str
    oldest_first = False
    _path: str
    _total: str  # where the answer says how many articles match

    def __init__(self, settings: VendorSettings, key: str, names: Mapping[str, Sequence[str]]) -> None:
        self._settings = settings
        self._key = key
        self._names = names
        self.cache_minutes = settings.cache_minutes
        self.overlap_minutes = settings.overlap_minutes
        self.most_pages = settings.pages
        self.secret_headers: Mapping[str, str] = {}

    def scopes(self, tickers: Sequence[str]) -> tuple[Scope, ...]:
        """A scope a ticker that has a name."""
        return tuple(Scope((name,), (name,)) for name in sorted(set(tickers)) if self._names.get(name))

    def question(self, scope: Scope, *, since: datetime, until: datetime) -> Question:
        """Newest first, between the two instants."""
        params = self._params(self._query(scope.tickers[0]), stamp(since), stamp(until))
        return Question(self._settings.base_url, self._path, scope, params)

    def read(self, body: bytes, headers: Mapping[str, str], asked: Question) -> Page:
        """See `Vendor`."""
        answer = json_answer(body, self.name)
        rows = rows_of(answer, self.name, "articles")
        total = answer.get(self._total)
        seen = (asked.page - 1) * self._settings.page_size + len(rows)
        following = None
        if rows and isinstance(total, int) and total > seen:
            following = replace(asked, params={**asked.params, "page": str(asked.page + 1)}, page=asked.page + 1)
        return page_of([self._item(row) for row in rows], following)

    def _params(self, query: str, since: str, until: str) -> dict[str, str]:
        raise NotImplementedError

    def _query(self, ticker: str) -> str:
        """As many of the names, each in quotes, as the service takes."""
        query = ""
        for name in self._names[ticker]:
            longer = f'{query} OR "{name}"' if query else f'"{name}"'
            if len(longer) <= _LONGEST_QUERY[self.name]:
                query = longer
        return query

    def _item(self, row: Any) -> NewsItem | None:
        if not isinstance(row, dict):
            return None
        source = row.get("source")
        return news_item(
            provider=self.name,
            vendor_id=row.get("id"),  # GNews has begun to give one; without it the address identifies
            title=row.get("title"),
            url=row.get("url"),
            publisher=source.get("name") if isinstance(source, dict) else None,
            published=instant_of(row.get("publishedAt")),
        )


class NewsApi(_Search):
    """NewsAPI's /v2/everything. Its free plan serves articles a day late and 100 of one search."""

    name = "newsapi"
    _path = "v2/everything"
    _total = "totalResults"

    def __init__(self, settings: VendorSettings, key: str, names: Mapping[str, Sequence[str]]) -> None:
        super().__init__(settings, key, names)
        self.secret_headers = {"X-Api-Key": key}

    def read(self, body: bytes, headers: Mapping[str, str], asked: Question) -> Page:
        """As any search; a failure may come with a friendly status and say so only in `status`."""
        answer = json_answer(body, self.name)
        if isinstance(answer, dict) and answer.get("status") == "error":
            code = str(answer.get("code"))
            raise DataError(f"newsapi answered with the error {code if code.isalnum() else 'unknown'}.")
        return super().read(body, headers, asked)

    def _params(self, query: str, since: str, until: str) -> dict[str, str]:
        return {
            "q": query,
            "searchIn": "title",
            "language": "en",
            "from": since.removesuffix("Z"),
            "to": until.removesuffix("Z"),
            "sortBy": "publishedAt",
            "pageSize": str(self._settings.page_size),
            "page": "1",
        }


class GNews(_Search):
    """GNews' /api/v4/search. The key travels in the query; without paying there is one page of 10."""

    name = "gnews"
    _path = "api/v4/search"
    _total = "totalArticles"

    def _params(self, query: str, since: str, until: str) -> dict[str, str]:
        return {
            "q": query,
            "in": "title",
            "lang": "en",
            "from": since,
            "to": until,
            "sortby": "publishedAt",
            "max": str(self._settings.page_size),
            "page": "1",
            "apikey": self._key,
        }
