"""Records for tests: sensible by default, every field can be replaced."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from domain.contract import Leg, Right, Settlement, occ_symbol
from domain.order import Candidate, Greeks, SizedCandidate, Sizing, SizingCap
from domain.regime import Regime
from domain.risk import DollarGreeks, Exposure, HardLimits, TradingState
from risk.correlation import Correlations
from risk.settings import RiskSettings
from risk.view import Portfolio, RiskView, TickerFacts

AS_OF = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
EXPIRY = date(2026, 3, 20)


def leg(quantity: int, strike: float, right: Right = Right.PUT, expiry: date = EXPIRY, **changes: Any) -> Leg:
    """One leg of SPY."""
    fields: dict[str, Any] = {
        "symbol": occ_symbol("SPY", expiry, right, strike), "root": "SPY", "right": right,
        "strike": Decimal(str(strike)),
        "expiry": expiry, "settlement": Settlement.PM, "european": False, "multiplier": 100, "quantity": quantity,
        "bid": 1.0, "ask": 1.1, "iv": 0.2,
    }  # fmt: skip
    return Leg(**{**fields, **changes})


def candidate(**changes: Any) -> Candidate:
    """A bull put spread of SPY, 5 wide, 1.20 credit."""
    fields: dict[str, Any] = {
        "ticker": "SPY", "intent": "open", "strategy": "bull_put_spread", "family": "credit_vertical",
        "legs": (leg(-1, 680), leg(1, 675)), "spot": 690.0, "limit_per_share": Decimal("1.20"),
        "worst_per_share": Decimal("1.10"), "natural_per_share": Decimal("1.00"), "fees": Decimal("2.60"),
        "max_loss": Decimal("392.60"), "max_profit": Decimal("117.40"), "payoff_basis": "exact",
        "breakevens": (678.8,), "pop": 0.85, "expected_value": 20.0, "cvar95": 350.0, "score": 20 / 350,
        "outcomes": ((0.85, 117.4), (0.15, -392.6)), "greeks": Greeks(delta=8, gamma=-0.5, vega=-900, theta=700, rho=3),
        "margin": Decimal("380.00"), "liquidity": 50, "first_expiry": EXPIRY, "last_expiry": EXPIRY, "drift": 0.05,
        "forecast_vol": 0.14, "reason": "put skew is rich",
    }  # fmt: skip
    return Candidate(**{**fields, **changes})


def sized(units: int = 1, **changes: Any) -> SizedCandidate:
    """The candidate at a given size."""
    caps = (SizingCap(name="test", units=units, detail="as the test says"),)
    sizing = Sizing(units=units, binding="test", caps=caps, budget=Decimal(0))
    return SizedCandidate(candidate=candidate(**changes), sizing=sizing)


def exposure(**changes: Any) -> Exposure:
    """An open structure in QQQ."""
    fields: dict[str, Any] = {
        "order_id": "O-1", "ticker": "QQQ", "sector": "index", "strategy": "iron_condor", "state": "open", "units": 1,
        "contracts": 1, "worst_case": Decimal(400), "margin": Decimal(400), "theta": 500.0, "opened_on": "2026-02-10",
        "greeks": DollarGreeks(delta=500, gamma=-50, vega=-10, theta=500 / 365),
    }  # fmt: skip
    return Exposure(**{**fields, **changes})


def portfolio(**changes: Any) -> Portfolio:
    """An empty account of 100,000 USD in good order."""
    fields: dict[str, Any] = {
        "as_of": AS_OF, "nlv": 100_000.0, "nlv_age_seconds": 0.0, "baseline_nlv": 100_000.0,
        "trading_state": TradingState.ACTIVE, "trading_state_reason": "normal", "exposures": (),
    }  # fmt: skip
    return Portfolio(**{**fields, **changes})


def facts(**changes: Any) -> TickerFacts:
    """SPY with fresh quotes and a known, empty calendar."""
    fields: dict[str, Any] = {
        "ticker": "SPY", "sector": "index", "quote_age_minutes": 0.5, "earnings_in_days": None,
        "ex_dividend_in_days": None, "events_known": True,
    }  # fmt: skip
    return TickerFacts(**{**fields, **changes})


def view(**changes: Any) -> RiskView:
    """A final question about one bull put spread in a neutral regime."""
    fields: dict[str, Any] = {
        "stage": "final", "ticker": "SPY", "regime": Regime.NEUTRAL, "hard": HardLimits(), "portfolio": portfolio(),
        "facts": facts(), "correlations": Correlations(window=60, minimum=60, pairs={}), "market_events_in_hours": {},
        "order": sized(),
    }  # fmt: skip
    return RiskView(**{**fields, **changes})


def risk_settings(**changes: Any) -> RiskSettings:
    """The shipped risk matrix, with changes laid over its top level."""
    content = yaml.safe_load((Path(__file__).parents[1] / "config" / "risk_matrix.yaml").read_text())
    return RiskSettings.model_validate({**content, **changes})
