"""Two small tables people write themselves: a calendar of events and a map of sectors."""

from datetime import UTC

import numpy as np
from pydantic import ValidationError

from domain.market import CalendarEvent
from domain.units import from_datetime64
from feeds.importers.imported import Imported
from feeds.importers.table import RawTable

COVERAGE = "coverage"  # title of a row that says a ticker's calendar is complete from `known_at` until `at`


def read_calendar(table: RawTable) -> Imported:
    """`kind, ticker, at, known_at[, amount, title]`; instants with an offset, `ticker` empty for the whole market.

    `kind` is earnings, fomc, cpi, ex_dividend or other, or `coverage`: no event, but the statement that nothing
    is missing for that ticker from `known_at` until `at`. Known from: each row's own `known_at`.
    """
    at, known = table.instants("at"), table.instants("known_at")
    if np.isnat(at).any() or np.isnat(known).any():
        raise table.bad("an event lacks the time it takes place or the time it became known")
    amounts = table.numbers("amount")
    titles = table.words("title").tolist() if "title" in table.columns else [""] * len(at)
    events: list[CalendarEvent] = []
    for kind, ticker, when, since, amount, title in zip(
        table.words("kind").tolist(), table.words("ticker").tolist(), at, known, amounts.tolist(), titles, strict=True
    ):
        covers = kind.strip() == COVERAGE
        try:
            event = CalendarEvent.model_validate(
                {
                    "kind": "other" if covers else kind.strip(),
                    "ticker": ticker.strip().upper() or None,
                    "at": from_datetime64(when).astimezone(UTC),
                    "known_at": from_datetime64(since),
                    "amount": amount if np.isfinite(amount) else None,
                    "title": COVERAGE if covers else title.strip(),
                }
            )
        except ValidationError as error:
            raise table.bad(f"kind {kind!r} is none of earnings, fomc, cpi, ex_dividend, other, coverage") from error
        events.append(event)
    ordered = sorted(events, key=lambda event: (event.at, event.ticker or "", event.kind, event.title))
    return Imported(events=tuple(ordered))


def read_sectors(table: RawTable) -> Imported:
    """`ticker, sector`. A ticker in two sectors is an error, not a choice."""
    found: dict[str, str] = {}
    for ticker, sector in zip(table.words("ticker").tolist(), table.words("sector").tolist(), strict=True):
        name, group = ticker.strip().upper(), sector.strip().lower()
        if not name or not group or found.setdefault(name, group) != group:
            raise table.bad(f"{name or 'an empty ticker'} has no sector or two of them")
    return Imported(sectors=dict(sorted(found.items())))
