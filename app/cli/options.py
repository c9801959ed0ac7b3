"""Options that several commands share."""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

import typer

from domain.errors import UsageError

Feed = Literal["simulated", "recorded", "cboe"]
Engine = Literal["rules", "llm"]

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, logs on stderr.")]
FeedOption = Annotated[
    Feed | None, typer.Option("--feed", help="Where the market comes from. Default: `feed` in desk.yaml.")
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="ISO8601", help="Instant of the picture, e.g. 2026-02-12T15:10:00Z.")
]
PastOption = Annotated[
    str | None,
    typer.Option("--at", metavar="ISO8601", help="As known then, e.g. 2026-02-12T15:10:00Z; no time to come."),
]
WatchlistOption = Annotated[
    str | None, typer.Option("--watchlist", metavar="A,B", help="Tickers, comma-separated. Default: the feed's own.")
]
DebateOption = Annotated[
    Engine | None, typer.Option("--debate", help="Who argues: rules (arithmetic) or llm (OPENAI_API_KEY).")
]

ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides. Default: the user of this machine.")
]


def person(by: str | None) -> str:
    """Who gives the command: `by`, or the user of this machine."""
    import getpass

    if by is None:
        try:
            by = getpass.getuser()
        except (KeyError, OSError, ImportError):
            by = ""
    if not by.strip():
        raise UsageError("Nobody is named for this decision.", remedy="Add --by NAME.")
    return by.strip()


def instant(text: str | None) -> datetime | None:
    """An aware instant from ISO 8601; a naive one is refused rather than guessed."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no ISO 8601 instant.", remedy="Write e.g. 2026-02-12T15:10:00Z.") from error
    if at.tzinfo is None:
        raise UsageError(f"{text!r} has no UTC offset.", remedy="Add Z for UTC, e.g. 2026-02-12T15:10:00Z.")
    return at.astimezone(UTC)


def day(text: str | None) -> date | None:
    """A calendar date."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no date.", remedy="Write e.g. 2026-03-20.") from error


def tickers(text: str | None) -> tuple[str, ...]:
    """Tickers of a comma-separated list, upper case, each once."""
    if text is None:
        return ()
    named = tuple(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
    if not named:
        raise UsageError("--watchlist names no ticker.", remedy="Write e.g. --watchlist SPY,QQQ.")
    return named


def premium(text: str | None) -> Decimal | None:
    """A net premium a share, exact to the digit that was typed."""
    if text is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{text!r} is no price.", remedy="Write e.g. --limit -1.80 to pay 1.80 a share.") from error
