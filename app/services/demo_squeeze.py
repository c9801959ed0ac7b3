"""A squeeze played by the real pipeline: the simulated market's week slot by slot, and a reviewer who says that he is
the demonstration. Nothing here looks ahead: each decision rests on the run's own document.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from app.progress import Timings
from app.services.demo_home import REVIEWER
from app.services.review import approve, reject
from app.services.runs import execute, new_request
from app.wiring import Desk
from domain.errors import Refused
from domain.sessions import new_york, session_after

Document = Mapping[str, Any]
Told = Callable[[datetime, str, float], None]
"""Hears the slot at work, the step in words, and the share of slots that are done."""

FIRST, NEXT = "META", "NVDA"  # whose squeezes begin on 31 March and 7 April 2025 (feeds/simulated/events.py)
WATCHLIST = (FIRST, NEXT, "SPY")
BEGIN, END = date(2025, 3, 27), date(2025, 4, 9)
TIMES = (time(9, 35), time(15, 30))  # New York
FIRES = 0.7
OPENS = "the demonstration plays the reviewer: the debate cites the talk"
CLOSES = "the demonstration plays the reviewer: the position rules ask for it"
PASSES = "the demonstration plays the reviewer: it trades the squeeze alone"


async def play(desk: Desk, told: Told) -> None:
    """Run every slot until the second squeeze has been argued with the first one's lesson, or to the last slot.

    The one order that opens is the first on `FIRST` whose debate cites its talk; closing orders are approved, others
    rejected, but `NEXT`'s last one is left waiting. An approval that the re-check refuses stands in the audit log, and
    the next slot looks again.
    """
    instants = tuple(slots())
    bought = False
    for number, at in enumerate(instants):
        request = await new_request(desk, at=at, watchlist=WATCHLIST)
        document = (await execute(desk, request, _Steps(told, at, number / len(instants)))).document
        last = recalls(document)
        for order in document["orders"]:
            if last and (order["ticker"], order["intent"]) == (NEXT, "open"):
                continue  # it waits for whoever reads the demonstration
            told(at, f"review {order['order_id']}", number / len(instants))
            opens = not bought and order["ticker"] == FIRST and cites_talk(document, FIRST)
            bought |= await _reviewed(desk, order, opens=opens)
        if last:
            return


def slots() -> Iterator[datetime]:
    """The instants played, ascending."""
    day = BEGIN
    while day <= END:
        yield from (new_york(day, at) for at in TIMES)
        day = session_after(day)


def loud(signals: list[dict[str, Any]], ticker: str) -> dict[str, Any] | None:
    """The social signal on `ticker` that fires: a bullish burst of talk with a conviction above `FIRES`."""
    return next(
        (
            signal
            for signal in signals
            if (signal["ticker"], signal["edge_type"], signal["direction"]) == (ticker, "mention_velocity", "bullish")
            and signal["conviction"] > FIRES
        ),
        None,
    )


def citing(debate: Document | None, evidence: str) -> list[dict[str, Any]]:
    """Claims that stand and cite what `evidence` is in or begins."""
    claims = debate["claims"] if debate else []
    return [
        claim
        for claim in claims
        if claim["struck"] is None and any(cited.startswith(evidence) for cited in claim["evidence_ids"])
    ]


def cites_talk(document: Document, ticker: str) -> bool:
    """Whether the debate on `ticker` cites a social signal that fired in this run."""
    signal = loud(document["signals"], ticker)
    return signal is not None and bool(citing(_debate(document, ticker), signal["id"]))


def recalls(document: Document) -> bool:
    """Whether the debate on `NEXT` cites both its own talk and a situation of the past."""
    debate = _debate(document, NEXT)
    return bool(citing(debate, f"social/{NEXT}/mention_velocity@") and citing(debate, "memory/"))


def _debate(document: Document, ticker: str) -> dict[str, Any] | None:
    return next((debate for debate in document["debates"] if debate["ticker"] == ticker), None)


async def _reviewed(desk: Desk, order: Document, *, opens: bool) -> bool:
    """Decide on one staged order; whether it opened the demonstration's trade."""
    closes = order["intent"] == "close"
    if not (opens or closes):
        await reject(desk, order["order_id"], at=None, reviewer=REVIEWER, reason=PASSES)
        return False
    try:
        done = await approve(desk, order["order_id"], at=None, reviewer=REVIEWER, reason=CLOSES if closes else OPENS)
    except Refused:
        return False
    return opens and bool(done["execution"]["units"] > 0)


class _Steps(Timings):
    """Passes on which step of which slot is at work."""

    def __init__(self, told: Told, at: datetime, share: float) -> None:
        super().__init__()
        self._told, self._at, self._share = told, at, share

    def started(self, run_id: str, node: str, ticker: str) -> None:
        """One line per step."""
        self._told(self._at, node if ticker == "*" else f"{node} {ticker}", self._share)
