"""Which code made a decision."""

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in {".py", ".md", ".json"} and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    try:
        released = version("optiondesk")
    except PackageNotFoundError:
        released = "0"
    return f"{released}+{digest.hexdigest()[:12]}"
