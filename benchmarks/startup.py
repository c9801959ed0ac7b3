"""How quick `desk --help` is, against importing the two libraries that any such command line needs."""

import subprocess

from benchmarks.children import DESK, PYTHON, ROOT, interleaved, middle

ROUNDS = 15
LIMIT = 3.0
HEAVY = (
    "alembic", "exchange_calendars", "langchain_core", "langchain_openai", "langgraph", "numpy", "openai", "pandas",
    "psycopg", "pyarrow", "pydantic", "scipy", "sqlalchemy", "structlog", "talib", "torch", "transformers", "yaml",
)  # fmt: skip


def main() -> bool:
    """Print the figures; whether the target is met and nothing heavy was imported."""
    loaded = heavy_modules()
    taken = interleaved(
        {"desk --help": [DESK, "--help"], "typer, rich": [PYTHON, "-c", "import typer, rich"]}, ROUNDS + 1
    )
    (wall, cpu), (base_wall, base_cpu) = (middle(usages[1:]) for usages in taken.values())
    print(f"desk --help                      {wall * 1e3:6.0f} ms wall  {cpu * 1e3:6.0f} ms processor")
    print(f'python -c "import typer, rich"   {base_wall * 1e3:6.0f} ms wall  {base_cpu * 1e3:6.0f} ms processor')
    print(
        f"ratio {wall / base_wall:.2f} wall, {cpu / base_cpu:.2f} processor (target <= {LIMIT:g}); "
        f"medians of {ROUNDS} interleaved rounds after a warm-up"
    )
    print(f"heavy modules imported by --help: {', '.join(loaded) or 'none'} (looked for {', '.join(HEAVY)})")
    return wall / base_wall <= LIMIT and not loaded


def heavy_modules() -> list[str]:
    """Which of `HEAVY` a process has loaded once it has printed the help."""
    script = (
        "import sys\n"
        "from app.cli import app\n"
        "app(args=['--help'], standalone_mode=False)\n"
        f"print('|', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    said = subprocess.run([PYTHON, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return said.rsplit("|", 1)[1].split()
