"""Pure reading of Polymarket's Gamma answer to `/markets?slug=…`: markets whose lists are JSON inside strings."""

import json
from datetime import UTC, datetime
from typing import Any

from domain.errors import DataError
from domain.market import OddsReading

_SUM_TOLERANCE = 0.05  # prices of all outcomes may miss 1 by the spread, not by more


def parse_odds(body: bytes, slug: str) -> OddsReading:
    """Price of "Yes" in the market `slug`, known from its last update.

    Raises `DataError` when the market is missing, closed, without a "Yes" outcome, or its prices are no probabilities.
    """
    market = _market(body, slug)
    if market.get("closed"):
        raise DataError(f"Polymarket's market {slug!r} is closed.", remedy="Configure an open one, or remove it.")
    outcomes, prices = _list(market, "outcomes", slug), _list(market, "outcomePrices", slug)
    try:
        chances = {str(name): float(price) for name, price in zip(outcomes, prices, strict=True)}
        known_at = datetime.fromisoformat(market["updatedAt"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"Polymarket's market {slug!r} cannot be read: {error!r}.") from error
    if "Yes" not in chances or not all(0 <= chance <= 1 for chance in chances.values()):
        raise DataError(f"Polymarket's market {slug!r} has no usable price of Yes: {chances}.")
    if abs(sum(chances.values()) - 1) > _SUM_TOLERANCE:
        raise DataError(f"Polymarket's prices of {slug!r} add up to {sum(chances.values()):.3f} instead of 1.")
    aware = known_at.replace(tzinfo=UTC) if known_at.tzinfo is None else known_at
    return OddsReading(market=slug, probability=chances["Yes"], known_at=aware)


def _market(body: bytes, slug: str) -> dict[str, Any]:
    try:
        markets = json.loads(body)
    except ValueError as error:
        raise DataError(f"Polymarket's answer about {slug!r} is not whole JSON.", remedy="Try again.") from error
    found = (
        [item for item in markets if isinstance(item, dict) and item.get("slug") == slug]
        if isinstance(markets, list)
        else []
    )
    if not found:
        raise DataError(f"Polymarket has no market {slug!r}.", remedy="Check the slug in the market's address.")
    chosen: dict[str, Any] = found[0]
    return chosen


def _list(market: dict[str, Any], field: str, slug: str) -> list[Any]:
    value = market.get(field)
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise DataError(f"Polymarket's market {slug!r} has no list of {field}.")
    return value
