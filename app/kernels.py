"""Where the engine's compiled kernels are kept, and how they are compiled ahead of the first run.

Beside the code when that can be written (set-up fills it, every DESK_HOME shares it); otherwise, as in a container with
a read-only file system, under DESK_HOME.
"""

import os
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
BESIDE = Path(__file__).resolve().parent.parent / "options" / "kernels"


def choose_cache() -> None:
    """Name the kernels' folder before anything imports numba; a choice already made in the environment stands."""
    if os.environ.get(VARIABLE) or os.access(BESIDE, os.W_OK):
        return
    from app.settings import Environment

    os.environ[VARIABLE] = str(Environment().desk_home / "kernels")
