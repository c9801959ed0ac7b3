"""How numbers, instants and stances are written on every screen."""

from datetime import datetime
from typing import Any

from domain.sessions import NEW_YORK

TONE = {
    "bullish": "green",
    "bull": "green",
    "bearish": "red",
    "bear": "red",
    "neutral": "yellow",
    "inconclusive": "yellow",
}
REGIME_TONE = {"low_vol": "green", "neutral": "cyan", "high_vol": "yellow", "crisis": "bold red"}
STATE_TONE = {
    "staged": "yellow", "approved": "cyan", "submitted": "cyan", "partially_filled": "cyan", "filled": "green",
    "rejected": "red", "expired": "dim", "superseded": "dim", "cancelled": "dim", "failed": "bold red",
}  # fmt: skip

SWITCH_TONE = {"active": "green", "reducing": "yellow", "halted": "bold red"}


def usd(amount: float | None, *, sign: bool = False, cents: bool = True) -> str:
    """Dollars; "unlimited" for None."""
    if amount is None:
        return "unlimited"
    text = f"{abs(amount):,.2f}" if cents else f"{abs(amount):,.0f}"
    mark = "-" if amount < 0 and text.strip("0.,") else ("+" if sign else "")  # what rounds to nothing has no sign
    return f"{mark}${text}"


def usd_short(amount: float) -> str:
    """A signed amount in at most six characters where a table has no room: whole dollars, thousands or millions."""
    scaled, unit = amount, ""
    for larger in ("k", "M", "B"):
        if abs(scaled) < 999.5:
            break
        scaled, unit = scaled / 1000.0, larger
    places = 0 if not unit or abs(scaled) >= 99.95 else 1
    return f"{scaled:+,.{places}f}{unit}"


def fate(state: str, filled: int, wanted: int) -> str:
    """What became of an order: its state, but a part that was filled is not called cancelled."""
    if state == "cancelled" and 0 < filled < wanted:
        return f"filled {filled} of {wanted}; the rest was cancelled"
    return state.replace("_", " ")


def premium(per_share: float) -> str:
    """Net premium in a trader's words."""
    return f"{abs(per_share):.2f} {'credit' if per_share >= 0 else 'debit'}"


def toned(word: str) -> str:
    """A stance in its colour."""
    return f"[{TONE.get(word, 'white')}]{word}[/]"


def figure(value: Any) -> str:
    """A measured value or limit, short."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        magnitude = abs(value)
        if magnitude >= 1000:
            return f"{value:,.0f}"
        if magnitude >= 10:
            return f"{value:.1f}"
        return f"{value:.3f}" if magnitude >= 0.001 or value == 0 else f"{value:.1e}"
    return str(value)


def measured(value: float | None, unit: str) -> str:
    """A check's number with its unit: shares as percent."""
    if value is None:
        return "–"
    if unit.startswith("share"):
        return f"{value:.2%}"
    if value == int(value):
        return f"{value:,.0f}"
    return figure(value)


def moment(text: str | datetime) -> str:
    """An instant in New York and UTC."""
    at = datetime.fromisoformat(text) if isinstance(text, str) else text
    local = at.astimezone(NEW_YORK)
    return f"{local:%a %Y-%m-%d %H:%M} New York ({at:%H:%M}Z)"


def bar(value: float, width: int = 5) -> str:
    """A signed score in [−1, 1] as a bar around its centre."""
    filled = round(abs(value) * width)
    colour = "green" if value > 0 else "red"
    left = " " * (width - filled) + (f"[{colour}]{'█' * filled}[/]" if value < 0 else " " * filled)
    right = (f"[{colour}]{'█' * filled}[/]" if value > 0 else " " * filled) + " " * (width - filled)
    return f"{left}[dim]│[/]{right}"
