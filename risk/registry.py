"""Every rule there is: one line each. Hard rules always apply; soft ones come from `config/risk_matrix.yaml`."""

from typing import Annotated

from pydantic import Field

from risk.rules.contracts_per_order import ContractsPerOrderRule
from risk.rules.correlated_positions import CorrelatedPositionsRule
from risk.rules.correlation_increase import CorrelationIncreaseRule
from risk.rules.daily_loss import DailyLossRule
from risk.rules.data_freshness import DataFreshnessRule
from risk.rules.defined_risk import DefinedRiskRule
from risk.rules.event_blackout import EventBlackoutRule
from risk.rules.free_margin import FreeMarginRule
from risk.rules.max_positions import MaxPositionsRule
from risk.rules.nlv_known import NlvKnownRule
from risk.rules.portfolio_greeks import PortfolioGreekRule
from risk.rules.position_at_risk import PositionAtRiskRule
from risk.rules.regime_family import RegimeFamilyRule
from risk.rules.sector_exposure import SectorExposureRule
from risk.rules.theta_concentration import ThetaConcentrationRule
from risk.rules.trading_state import TradingStateRule
from risk.rules.var_budget import VarBudgetRule

HardRule = (
    TradingStateRule
    | NlvKnownRule
    | DailyLossRule
    | PositionAtRiskRule
    | SectorExposureRule
    | FreeMarginRule
    | ContractsPerOrderRule
    | DefinedRiskRule
)
HARD_RULES: tuple[HardRule, ...] = (
    TradingStateRule(),
    NlvKnownRule(),
    DailyLossRule(),
    PositionAtRiskRule(),
    SectorExposureRule(),
    FreeMarginRule(),
    ContractsPerOrderRule(),
    DefinedRiskRule(),
)
SoftRule = Annotated[
    DataFreshnessRule
    | EventBlackoutRule
    | RegimeFamilyRule
    | VarBudgetRule
    | CorrelatedPositionsRule
    | CorrelationIncreaseRule
    | ThetaConcentrationRule
    | PortfolioGreekRule
    | MaxPositionsRule,
    Field(discriminator="rule"),
]
REQUIRED_SOFT_RULES = frozenset(
    {"data_freshness", "event_blackout", "regime_family", "var_budget", "correlated_positions", "correlation_increase",
     "theta_concentration", "portfolio_greek", "max_positions"}
)  # fmt: skip
