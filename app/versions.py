"""Which code, graph, settings and prompts made a decision."""

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from domain.record import digest

if TYPE_CHECKING:
    from graph.deps import GraphSettings

ROOMS = (
    "agents",
    "app",
    "domain",
    "execution",
    "feeds",
    "graph",
    "memory",
    "options",
    "portfolio",
    "prompts",
    "risk",
    "signals",
)


@lru_cache(maxsize=1)
def code_version() -> str:
    """Released version and a digest of the source, e.g. "0.1.0+3f9a1c0b2d4e"."""
    root = Path(__file__).parents[1]
    source = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in {".py", ".md", ".json"} and "__pycache__" not in path.parts:
                source.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    try:
        released = version("optiondesk")
    except PackageNotFoundError:
        released = "0"
    return f"{released}+{source.hexdigest()[:12]}"


def versions(settings: "GraphSettings") -> dict[str, str]:
    """What a decision depended on besides its inputs."""
    from graph.build import mermaid
    from prompts.library import locked

    return {
        "code": code_version(),
        "graph": digest(mermaid())[:16],
        "settings": digest(settings)[:16],
        "prompts": digest(locked())[:16],
    }


def fingerprint(settings: "GraphSettings", debate: str) -> str:
    """A run resumes only under the same graph, configuration, code and debate engine."""
    return digest({**versions(settings), "debate": debate})[:16]
