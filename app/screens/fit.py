"""Tables that keep every figure whole in the terminal at hand."""

from collections.abc import Iterable

from rich.console import Console, RenderableType

CUT = "…"


def first_whole(console: Console, variants: Iterable[RenderableType]) -> RenderableType:
    """The first of `variants`, widest first, of which `console` cuts nothing; the last one if it cuts them all."""
    shown: RenderableType = ""
    for shown in variants:
        lines = console.render_lines(shown, pad=False)
        if not any(CUT in segment.text for line in lines for segment in line):
            break
    return shown
