"""The leg optimiser on every iron condor of one SPY expiry: compiled beside NumPy, which builds structures × prices.

`in_numpy` is also what the tests hold the compiled pass against. Alone: `python -m benchmarks.engine.legs`; needs the
shared market data (DESK_DATA or ../shared/data).
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.engine.rows import Row, interleaved
from domain.units import DAYS_PER_YEAR, Bools, Floats
from options.legs.evaluation import LEAST_RISK, SCREENS, Evaluation, evaluate
from options.legs.outcomes import TAIL, atoms
from options.legs.quotes import liquid, units_executable
from options.legs.search import ATOMS, forecast
from options.legs.settings import LegSettings
from options.legs.valuation import Batch, batch, present_values
from options.priced import ExpirySlice, PricedChain
from options.strategies import Rows, Structure
from options.strategies.iron_condor import IronCondor

BLOCK = 2_048  # structures valued at once in NumPy, so that temporaries stay in cache
TARGET = 2e6  # structures a second
EVERY = IronCondor(
    dte=(46, 50), width=(0.001, 0.15), sold_delta=(0.02, 0.6), bought_delta=(0.001, 0.5), balance=1.0, max_abs_delta=1.0
)
UNSCREENED = LegSettings(
    max_spread_of_loss=1e9, min_credit_of_width=0.0, min_open_interest=0, max_leg_spread=1e9, volume_share=1.0
)


def measure(rounds: int = 7) -> list[Row]:
    priced = spy()
    rows = EVERY.enumerate_rows(priced)
    front = next(piece for piece in priced.slices if rows[0, 0] in piece.rows)
    rows = rows[np.isin(rows[:, 0], front.rows)]
    view = forecast(front, spot=priced.spot, drift=0.0, forecast_vol=0.85 * front.atm_vol)
    prices = atoms(view, ATOMS)

    def ours(threads: int | None, least_value: float = -np.inf) -> Evaluation:
        return evaluate(priced, EVERY, rows, front, prices, UNSCREENED, threads=threads, least_value=least_value)

    spent = interleaved(
        {
            "numpy": lambda: in_numpy(priced, EVERY, rows, front, prices, UNSCREENED, least_value=-np.inf),
            "one": lambda: ours(1),
            "all": lambda: ours(None),
            "search": lambda: ours(None, 0.0),
        },
        rounds=rounds,
    )
    begun = time.perf_counter()
    EVERY.enumerate_rows(priced)
    listing = time.perf_counter() - begun
    edged = float((ours(1).value > 0).mean())

    def row(task: str, seconds: float) -> Row:
        rate = len(rows) / seconds
        note = f"{rate / 1e6:.1f} M structures/s; the target is {TARGET / 1e6:g} M/s, here as a ratio"
        return Row(task, len(rows), seconds, spent["numpy"], spent["numpy"] * TARGET / len(rows), note)

    note = f"{edged:.0%} have one; listing all: {len(rows) / listing / 1e6:.1f} M/s"
    return [
        row("condors: EV, max loss, POP, CVaR95, 1 thread", spent["one"]),
        row("condors: EV, max loss, POP, CVaR95", spent["all"]),
        row("the same, tails of those with an edge only", spent["search"])._replace(note=note),
    ]


def spy() -> PricedChain:
    """SPY of February 2026, 7,500 quotes."""
    from options.chain import price_chain
    from options.settings import ChainSettings
    from tests.options.real_chains import CURVE_2026_02, snapshot

    folder = Path(os.environ.get("DESK_DATA", Path(__file__).parents[3] / "shared" / "data"))
    chain = snapshot(folder, "SPY", moment=1)
    priced = price_chain(chain, as_of=chain.as_of, curve=CURVE_2026_02, settings=ChainSettings())
    assert isinstance(priced, PricedChain), priced
    return priced


def in_numpy(
    priced: PricedChain,
    structure: Structure,
    rows: Rows,
    front: ExpirySlice,
    prices: Floats,
    settings: LegSettings,
    *,
    max_loss: float = float("inf"),
    least_value: float = 0.0,
) -> Evaluation:
    """`options.legs.evaluation.evaluate` in plain NumPy."""
    quantities = np.array(structure.quantities, dtype=np.float64)
    every = batch(priced, rows, quantities, front, settings, certain=structure.certain)
    code = np.zeros(len(rows), dtype=np.int8)
    for name, passed in _screens(priced, structure, every, settings, max_loss).items():
        code[(code == 0) & ~passed] = SCREENS.index(name)
    held, place = np.unique(rows, return_inverse=True)
    place = place.reshape(rows.shape)
    values = present_values(priced, held, front, prices, settings)
    doubt = 0.0 if structure.certain else settings.model_doubt
    certain = every.multiplier * (every.quotes.worst + values.mean(axis=1)[place] @ quantities) - every.fees
    value = (1 - doubt) * certain - doubt * every.max_loss
    pop, cvar95 = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    tail = max(1, round((TAIL - doubt) / (1 - doubt) * len(prices)))
    wanted = np.flatnonzero((code == 0) & (value > least_value))
    for start in range(0, len(wanted), BLOCK):
        some = wanted[start : start + BLOCK]
        pnl = np.tile(every.quotes.worst[some][:, None], len(prices))
        for column, quantity in enumerate(quantities):
            pnl += quantity * values[place[some, column]]
        pnl = pnl * every.multiplier[some][:, None] - every.fees
        pop[some] = (pnl > 0).mean(axis=1)
        worst = -np.partition(pnl, tail - 1, axis=1)[:, :tail].mean(axis=1)
        cvar95[some] = np.maximum((doubt * every.max_loss[some] + (TAIL - doubt) * worst) / TAIL, LEAST_RISK)
    return Evaluation(code, every.max_loss, value, pop, cvar95)


def _screens(
    priced: PricedChain, structure: Structure, every: Batch, settings: LegSettings, max_loss: float
) -> Mapping[str, Bools]:
    quotes, width = every.quotes, np.maximum(every.width, 1e-9)
    anything = np.ones(len(quotes.mid), dtype=np.bool_)
    signed = {
        "debit": quotes.worst_ticks < 0,
        "credit": quotes.worst_ticks > 0,
        "either": anything,
        "financed": quotes.worst_ticks >= 0,
    }
    rich = quotes.worst >= settings.min_credit_of_width * width if structure.premium == "credit" else anything
    greeks = {"gamma": 0.01 * priced.spot**2, "vega": 0.01, "theta": 1 / DAYS_PER_YEAR}
    calm = anything.copy()
    for name, unit in greeks.items():
        if (limit := getattr(settings.greeks, name)) is not None:
            per_unit = np.abs(getattr(priced, name)[every.rows] @ every.quantities) * every.multiplier * unit
            calm &= per_unit <= limit * every.max_loss
    return {
        "wrong_premium": signed[structure.premium] & (quotes.limit_ticks * quotes.worst_ticks >= 0),
        "illiquid": liquid(priced, settings)[every.rows].all(axis=1),
        "not_executable": units_executable(priced, every.rows, every.quantities, settings) >= 1,
        "too_large": every.max_loss <= max_loss,
        "riskless": every.max_loss >= LEAST_RISK,
        "wide": every.multiplier * (quotes.mid - quotes.natural) <= settings.max_spread_of_loss * every.max_loss,
        "thin_credit": rich,
        "delta": np.abs(priced.delta[every.rows] @ every.quantities) <= structure.max_abs_delta,
        "greeks": calm,
    }


if __name__ == "__main__":
    for line in measure():
        print(line.line())
