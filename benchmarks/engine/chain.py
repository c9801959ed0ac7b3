"""A whole SPX chain, 14,000 quotes, to fitted surface and dealers' exposures, as information.

Beside it what SciPy needs for the smiles alone: raw SVI by least squares, each expiry by itself, no constraint against
arbitrage, from implied volatilities already at hand. Needs the shared data. Alone: `python -m benchmarks.engine.chain`.
"""

import os
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks import svi_peer
from benchmarks.engine.rows import Row, interleaved
from benchmarks.surfaces import curve_at, yields
from domain.market import Chain
from domain.sessions import session_close
from feeds.importers.presets import recognise
from feeds.importers.table import read_table
from options.chain import price_chain
from options.exposure import charm_exposure, gamma_exposure, vanna_exposure, zero_gamma
from options.priced import PricedChain
from options.settings import ChainSettings

DAY = date(2019, 6, 20)
GOAL = 0.050  # seconds
PEER_ROUNDS = 3


def measure(rounds: int = 7) -> list[Row]:
    folder = Path(os.environ.get("DESK_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        return []
    chain = spx(folder)
    curve = curve_at(yields(folder / "rates"), chain)

    def priced() -> PricedChain:
        return price_chain(chain, as_of=chain.as_of, curve=curve, settings=ChainSettings())

    once = priced()
    slices = quotes(once)

    def exposed() -> None:
        book = priced()
        gamma_exposure(book), vanna_exposure(book), charm_exposure(book), zero_gamma(book)

    ours = interleaved({"surface": priced, "exposures": exposed}, rounds=rounds)
    peer = interleaved({"scipy": lambda: [svi_peer.fit(**one) for one in slices]}, rounds=min(rounds, PEER_ROUNDS))
    told = f"{ours['exposures'] * 1e3:.0f} ms of {GOAL * 1e3:.0f} hoped for; SciPy: smiles only"
    return [
        Row("SPX chain to surface", len(chain), ours["surface"], peer["scipy"], 1, f"{ours['surface'] * 1e3:.0f} ms"),
        Row("SPX chain to surface and exposures", len(chain), ours["exposures"], peer["scipy"], 1, told),
    ]


def spx(folder: Path) -> Chain:
    path = folder / "spx_chains_2019" / f"spx_{DAY:%Y-%m}.parquet"
    table = read_table(path.name, path.read_bytes())
    return next(chain for chain in recognise(table).read(table).chains if chain.as_of == session_close(DAY))


def quotes(priced: PricedChain) -> list[dict[str, np.ndarray]]:
    """Out-of-the-money quotes of each expiry, for the peer."""
    chain, found = priced.chain, []
    outside = priced.good & np.isfinite(priced.iv) & (chain.is_call == (priced.k >= 0)) & (priced.spread > 0)
    for piece in priced.slices:
        rows = piece.rows[outside[piece.rows]]
        if len(rows) >= 6:
            error = 0.5 * priced.spread[rows] / priced.vega[rows]
            weights = 1.0 / (2.0 * priced.iv[rows] * piece.tau * np.hypot(error, 0.5 * np.median(error)))
            w = priced.iv[rows] ** 2 * piece.tau
            found.append({"k": priced.k[rows], "total_variance_quoted": w, "weights": weights})
    return found


if __name__ == "__main__":
    for row in measure():
        print(row.line())
