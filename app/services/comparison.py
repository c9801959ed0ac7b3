"""Two logs of one run, step by step: what is different, where, and by how much."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from domain.audit import AuditEntry
from domain.record import Record, canonical_json

TOLERANCE = 1e-9  # relative; processors may differ in the last bits, decisions may not
SMALL = 1e-3  # figures below it are compared as if they were this large: noise around zero has no relative size
SHOWN = 160  # characters of a value
ABSENT = "(absent)"

Key = tuple[str, str, str]  # node, ticker, kind
Verdict = Literal["identical", "within_tolerance", "differs"]


class Difference(Record):
    """One place in which two logs of a step differ. `relative` is None unless both values are numbers."""

    node: str
    ticker: str
    kind: str
    path: str  # e.g. "output.candidates[0].legs[1].strike"; empty for a step that only one log has
    recorded: str
    replayed: str
    relative: float | None = None

    @property
    def step(self) -> str:
        """The step in words."""
        return f"{self.node}, {self.ticker}, {self.kind}"

    @property
    def tolerable(self) -> bool:
        """Whether it may come from another processor."""
        return self.relative is not None and self.relative <= TOLERANCE


def differences(
    recorded: Sequence[AuditEntry], replayed: Sequence[AuditEntry], nodes: Sequence[str]
) -> tuple[Difference, ...]:
    """Everything in which inputs and outputs differ, in the order of `nodes`, then by ticker and kind, outermost first.

    Steps of nodes that are not among `nodes` (a person's review, fills) are left out; so are author and versions.
    """
    then, now = _steps(recorded, nodes), _steps(replayed, nodes)
    found: list[Difference] = []
    for key in sorted(then.keys() | now.keys(), key=lambda key: (nodes.index(key[0]), key[1:])):
        node, ticker, kind = key
        if key not in then or key not in now:
            a, b = ("logged", ABSENT) if key in then else (ABSENT, "logged")
            found.append(Difference(node=node, ticker=ticker, kind=kind, path="", recorded=a, replayed=b))
            continue
        if then[key] != now[key]:
            places = sorted(_places("", json.loads(then[key]), json.loads(now[key])), key=_depth)
            found += [
                Difference(node=node, ticker=ticker, kind=kind, path=path, recorded=a, replayed=b, relative=relative)
                for path, a, b, relative in places
            ]
    return tuple(found)


def verdict(found: Sequence[Difference]) -> Verdict:
    """Inputs are hashes of earlier outputs: where a figure moved within tolerance, theirs must move too."""
    outputs = [difference for difference in found if not difference.path.startswith("inputs")]
    if not found:
        return "identical"
    return "within_tolerance" if outputs and all(difference.tolerable for difference in outputs) else "differs"


def _steps(entries: Sequence[AuditEntry], nodes: Sequence[str]) -> dict[Key, str]:
    """Inputs and output of each step as canonical text: a record and what it was stored as are then the same."""
    return {
        (entry.node, entry.ticker, entry.kind): canonical_json({"inputs": entry.inputs, "output": entry.output})
        for entry in entries
        if entry.node in nodes
    }


def _places(path: str, then: Any, now: Any) -> Iterator[tuple[str, str, str, float | None]]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted(then.keys() | now.keys()):
            below = f"{path}.{name}" if path else name
            if name in then and name in now:
                yield from _places(below, then[name], now[name])
            else:
                yield below, _shown(then.get(name, ABSENT)), _shown(now.get(name, ABSENT)), None
    elif isinstance(then, list) and isinstance(now, list):
        for index in range(max(len(then), len(now))):
            if index < len(then) and index < len(now):
                yield from _places(f"{path}[{index}]", then[index], now[index])
            else:
                a, b = (items[index] if index < len(items) else ABSENT for items in (then, now))
                yield f"{path}[{index}]", _shown(a), _shown(b), None
    elif canonical_json(then) != canonical_json(now):
        yield path, _shown(then), _shown(now), _relative(then, now)


def _depth(place: tuple[str, str, str, float | None]) -> tuple[int, str]:
    path = place[0]
    return path.count(".") + path.count("["), path


def _relative(then: Any, now: Any) -> float | None:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (then, now))
    return abs(then - now) / max(abs(then), abs(now), SMALL) if numbers else None


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
