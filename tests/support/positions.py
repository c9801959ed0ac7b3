"""A position with round figures, for the tests of rules: every fact can be replaced, or taken away with None."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.regime import Regime
from risk.manager.context import Features, MarketFacts, PortfolioFacts, PositionFacts, RiskContext

NOON = datetime(2026, 2, 12, 17, 0, tzinfo=UTC)  # Thursday, four hours before the close in New York
_MARKET = frozenset(MarketFacts.__dataclass_fields__)
_POSITION = frozenset(PositionFacts.__dataclass_fields__)
_PORTFOLIO = frozenset(PortfolioFacts.__dataclass_fields__)


def context(**changes: Any) -> RiskContext:
    """Two put spreads sold for 120 USD with 400 USD at risk, ten days ago, now at 100 USD: a profit of 20 USD each.

    The underlying stands at 500 with an average range of 10; delta is 4,000 USD, gamma −200 USD per 1 %.
    """
    as_of = changes.pop("as_of", NOON)
    market: dict[str, Any] = {"as_of": as_of, "price": 500.0, "highs": (505.0, 520.0), "lows": (480.0, 490.0)}
    position: dict[str, Any] = {
        "key": "O-1", "as_of": as_of, "ticker": "SPY", "strategy": "bull_put_spread", "family": "credit_vertical",
        "quantity": 2, "opened_quantity": 2, "entry_price": 120.0, "entry_time": as_of - timedelta(days=10),
        "unit_value": -100.0, "unit_profit": 20.0, "unit_max_loss": 400.0, "unit_max_profit": 100.0, "mfe": 50.0,
        "mae": -40.0, "high_water": -70.0, "low_water": -160.0, "delta": 4_000.0, "gamma": -200.0, "entry_theta": 3.0,
        "first_expiry_at": as_of + timedelta(days=20), "last_expiry_at": as_of + timedelta(days=50),
    }  # fmt: skip
    portfolio: dict[str, Any] = {"equity": 100_000.0, "peak_equity": 125_000.0, "baseline_equity": 102_000.0}
    features: dict[str, Any] = {"regime": Regime.NEUTRAL, "atr": 10.0, "iv": 0.2}
    for name, value in changes.items():
        group = next(
            (
                facts
                for known, facts in ((_MARKET, market), (_POSITION, position), (_PORTFOLIO, portfolio))
                if name in known
            ),
            features,
        )
        group[name] = value
    return RiskContext(
        market=MarketFacts(**market),
        position=PositionFacts(**position),
        portfolio=PortfolioFacts(**portfolio),
        features=Features(**features),
    )
