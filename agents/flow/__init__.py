"""The options-flow analyst: what the crowd trades (`crowd`) and what dealers who hedge it must trade (`dealers`)."""

from agents.contract import AnalystContext
from agents.flow.crowd import put_call_extreme, unusual_volume
from agents.flow.dealers import charm_flow, dealer_gamma, pinning, vanna_flow
from agents.flow.view import NAME, Found, View
from domain.snapshot import MarketSnapshot
from options.priced import ChainRefusal
from signals.claim import abstain
from signals.history import Refusal

__all__ = ["Flow"]


class Flow:
    """Reads the priced chain with its volume and open interest, put/call and volatility histories, and turnover."""

    name = NAME

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Found]:
        """See `agents.contract.Analyst`."""
        found: list[Found] = [put_call_extreme(snapshot, ticker, context.settings)]
        priced = context.priced(ticker)
        if isinstance(priced, ChainRefusal):
            refusal = Refusal(priced.code, priced.detail, dict(priced.numbers))
            return [*found, abstain(NAME, ticker, refusal)]
        view = View.of(snapshot, priced, context.settings)
        found += [unusual_volume(view, calls=calls) for calls in (True, False)]
        return [*found, dealer_gamma(view), vanna_flow(view), charm_flow(view), pinning(view)]
