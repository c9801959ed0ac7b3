"""Numbers in prose: a sentence may quote only what the evidence shows."""

import re
from collections.abc import Iterable

from domain.debate import Evidence

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?")
_TERM = re.compile(r"\d+-(?:day|week|month|year|delta)s?\b|\b(?:bull|bear)-\d+-\d+\b")
# "30-day" names a measure and "bear-1-1" a claim: they measure nothing


def unsupported_number(text: str, evidence: Iterable[Evidence]) -> str | None:
    """The first number in `text` that is no weight or figure of `evidence`, or None.

    A number agrees with a figure when it is that figure rounded to the digits shown, as it stands or times 100
    (per cent, volatility points), whatever its sign; whole numbers below ten must agree exactly. Names of
    evidence and figures may hold digits.
    """
    cited = tuple(evidence)
    names = {item.id for item in cited} | {name for item in cited for name in item.figures}
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " ")
    values = [
        abs(float(value))
        for item in cited
        for value in (item.weight, *item.figures.values())
        if isinstance(value, int | float)
    ]
    for token in _NUMBER.findall(_TERM.sub(" ", text)):
        if not any(_agrees(token, scaled) for value in values for scaled in (value, 100 * value)):
            return str(token)
    return None


def _agrees(token: str, value: float) -> bool:
    plain = token.replace(",", "")
    number = float(plain)
    if "e" in plain.lower():
        return abs(number - value) <= 1e-3 * value
    decimals = len(plain.partition(".")[2])
    rough = decimals > 0 or value >= 10
    slack = 0.5 * 10.0**-decimals if rough else 0.0
    return abs(number - value) <= slack * (1 + 1e-9) + 1e-12
