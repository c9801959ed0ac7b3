"""What an analyst is: a pure reading of one ticker, and one loop that isolates failures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from domain.signals import Abstention, AnalystReport, Signal
from domain.snapshot import MarketSnapshot
from options.priced import ChainRefusal, PricedChain
from signals.settings import SignalSettings

HALTED = "halted"


@dataclass(frozen=True)
class AnalystContext:
    """What analysts share: settings, and each ticker's chain priced once per snapshot."""

    settings: SignalSettings
    priced: Callable[[str], PricedChain | ChainRefusal]


class Analyst(Protocol):
    """Deterministic for a given snapshot. Says why when it says nothing."""

    name: str

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Signal | Abstention]:
        """Signals and abstentions on one ticker; never empty. May raise: the caller isolates it."""
        ...


def analyse(analyst: Analyst, snapshot: MarketSnapshot, context: AnalystContext) -> AnalystReport:
    """Read every ticker; a failing ticker becomes an abstention and never stops the others."""
    if analyst.name in snapshot.desk.halted_agents:
        return halted(analyst.name)
    signals: list[Signal] = []
    abstentions: list[Abstention] = []
    for ticker in snapshot.market.tickers:
        try:
            found = analyst.read(snapshot, ticker, context)
        except Exception as error:  # noqa: BLE001 - isolation is this function's purpose; the failure is recorded
            failed = f"{type(error).__name__}: {error}"
            found = [Abstention(source=analyst.name, ticker=ticker, code="failed", detail=failed)]
        signals += [item for item in found if isinstance(item, Signal)]
        abstentions += [item for item in found if isinstance(item, Abstention)]
    return AnalystReport(
        source=analyst.name,
        signals=tuple(sorted(signals, key=lambda signal: signal.id)),
        abstentions=tuple(sorted(abstentions, key=lambda item: (item.ticker, item.code))),
    )


def halted(source: str) -> AnalystReport:
    """What an analyst says while its kill switch is set."""
    silent = Abstention(source=source, ticker="*", code=HALTED, detail="halted by the kill switch")
    return AnalystReport(source=source, abstentions=(silent,))
