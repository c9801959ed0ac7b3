"""The underlying falls too far from its high, or rises too far from its low."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing


class ChandelierRule(Record):
    """Leave a bullish position when the underlying is `multiple` average true ranges below the highest high since
    entry, a bearish one that far above the lowest low.

    C. LeBeau's exit, as told by A. Elder (Come Into My Trading Room, 2002). The position's delta says which side it is
    on; with `side` it is said by hand. A position without direction is not its business.
    """

    rule: Literal["chandelier"] = "chandelier"
    multiple: float = Field(default=3.0, gt=0)
    side: Literal["long", "short"] | None = None

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold."""
        market, atr, side = context.market, context.features.atr, self.side
        if side is None:
            delta = context.position.delta
            if delta is None:
                return RiskDecision.hold(self.rule, unknown=["delta"])
            if delta == 0:
                return HOLD
            side = "long" if delta > 0 else "short"
        bullish = side == "long"
        extremes = market.highs if bullish else market.lows
        if atr is None or market.price is None or not extremes:
            named = () if extremes else ("highs" if bullish else "lows",)
            unknown = missing(context.features, "atr") + missing(market, "price") + named
            return RiskDecision.hold(self.rule, unknown=unknown)
        distance = self.multiple * atr
        level = max(extremes) - distance if bullish else min(extremes) + distance
        if market.price > level if bullish else market.price < level:
            return HOLD
        where = "below the high" if bullish else "above the low"
        words = f"{market.price:,.2f} is {self.multiple:g} ATR {where} since entry, {level:,.2f}"
        return RiskDecision.exit(self.rule, words, measured=market.price, limit=level)
