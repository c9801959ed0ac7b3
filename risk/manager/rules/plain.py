"""The rules that stand alone, one line each: about positions, about orders, or both."""

from risk.manager.rules.atr_trail import AtrTrailRule
from risk.manager.rules.break_even import BreakEvenRule
from risk.manager.rules.chandelier import ChandelierRule
from risk.manager.rules.credit_loss import CreditLossRule
from risk.manager.rules.exit_dte import ExitDteRule
from risk.manager.rules.max_correlated import MaxCorrelatedRule
from risk.manager.rules.max_daily_loss import MaxDailyLossRule
from risk.manager.rules.max_drawdown import MaxDrawdownRule
from risk.manager.rules.max_gross import MaxGrossRule
from risk.manager.rules.max_leverage import MaxLeverageRule
from risk.manager.rules.max_margin import MaxMarginRule
from risk.manager.rules.max_net import MaxNetRule
from risk.manager.rules.max_position import MaxPositionRule
from risk.manager.rules.max_sector import MaxSectorRule
from risk.manager.rules.scale_out import ScaleOutRule
from risk.manager.rules.session_exit import SessionExitRule
from risk.manager.rules.stop_loss import StopLossRule
from risk.manager.rules.take_profit import TakeProfitRule
from risk.manager.rules.theta_shortfall import ThetaShortfallRule
from risk.manager.rules.tightening_trail import TighteningTrailRule
from risk.manager.rules.time_exit import TimeExitRule
from risk.manager.rules.trailing_stop import TrailingStopRule
from risk.manager.rules.volatility_levels import VolatilityLevelsRule

PlainPositionRule = (
    StopLossRule
    | TakeProfitRule
    | CreditLossRule
    | ExitDteRule
    | TimeExitRule
    | SessionExitRule
    | TrailingStopRule
    | AtrTrailRule
    | ChandelierRule
    | TighteningTrailRule
    | VolatilityLevelsRule
    | ScaleOutRule
    | BreakEvenRule
    | ThetaShortfallRule
    | MaxDrawdownRule
    | MaxDailyLossRule
)
"""Have `evaluate(context)`. The last two have `admit(order, portfolio)` as well."""
PlainOrderRule = (
    MaxPositionRule | MaxGrossRule | MaxNetRule | MaxSectorRule | MaxCorrelatedRule | MaxLeverageRule | MaxMarginRule
)
"""Have `admit(order, portfolio)` only."""
