"""What the figures were measured on: they mean little without it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("langgraph", "sqlalchemy", "psycopg", "pydantic", "numpy", "scipy", "pyarrow", "typer")


def describe() -> str:
    """Processor, memory, load and versions, one line each."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    return "\n".join(
        (
            f"machine   {cpu}, {os.cpu_count()} cores, {memory / 2**20:.0f} GiB; load 1, 5, 15 min: {load}",
            f"system    {platform.system()} {platform.release()}, Python {platform.python_version()}",
            "packages  " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        )
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
