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


def fill() -> None:
    """Compile what a first run calls: one simulated chain priced, fitted and shown, and every structure searched."""
    import asyncio

    from app.services.chain import chain_document, chain_view
    from app.wiring import configuration
    from options.legs import candidates
    from options.selector import StrategyChoice
    from options.strategies import DEFAULTS

    config = configuration()
    view = asyncio.run(chain_view(config, "SPY", feed="simulated", at=None))
    chain_document(view)
    for place, structure in enumerate(DEFAULTS, start=1):
        choice = StrategyChoice(strategy=structure.strategy, family=structure.family, priority=place, reason="compiled")
        candidates(
            view.priced, choice, spot=view.priced.spot, drift=0.0, forecast_vol=0.2, settings=config.graph.legs,
            as_of=view.market.as_of, top_k=1,
        )  # fmt: skip


if __name__ == "__main__":
    choose_cache()
    fill()
