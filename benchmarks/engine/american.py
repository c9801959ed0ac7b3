"""American prices and implied volatilities beside QuantLib's QdFp engine, on the same options.

QuantLib runs in a Python loop: it has no other form. Its fast scheme is timed; its high-precision scheme is the
reference for both errors. Alone: `python -m benchmarks.engine.american`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import QuantLib
from scipy.optimize import brentq

from benchmarks.engine.rows import Row, interleaved
from options import american

PRICES, VOLS, JUDGED, LATTICES = 4_000, 1_500, 1_000, 40
SPOT, SEED = 100.0, 20_260
LEAST_TIME_VALUE = 0.005  # half a cent: what a market could quote
TODAY = QuantLib.Date(15, 1, 2024)
DAYS = QuantLib.Actual365Fixed()


def measure(rounds: int = 7) -> list[Row]:
    QuantLib.Settings.instance().evaluationDate = TODAY
    peer = Peer()
    prices, vols = mixed(PRICES), mixed(VOLS)
    judged = {name: values[:JUDGED] for name, values in prices.items()}
    quoted = american.price(**vols)
    worth = quoted - american.price(**{**vols, "vol": np.zeros(VOLS)}) > LEAST_TIME_VALUE
    vols, quoted = {name: values[worth] for name, values in vols.items()}, quoted[worth]
    paid = {"dividend_times": [0.2, 0.45, 0.7, 0.95], "dividend_amounts": [1.0] * 4}
    year = {**mixed(LATTICES), "tau": np.ones(LATTICES)}
    spent = interleaved(
        {
            "QuantLib": lambda: peer.prices(prices, "fast"),
            "one": lambda: american.price(**prices, threads=1),
            "all": lambda: american.price(**prices),
            "QuantLib vol": lambda: peer.vols(vols, quoted),
            "one vol": lambda: american.implied_vol(**without_vol(vols), price=quoted, threads=1),
            "all vol": lambda: american.implied_vol(**without_vol(vols), price=quoted),
            "QuantLib cash": lambda: peer.cash(year, paid),
            "one cash": lambda: american.price(**year, **paid, threads=1),
        },
        rounds=rounds,
    )
    exact = peer.prices(judged, "highPrecision")
    ours, theirs = errors(american.price(**judged), exact), errors(peer.prices(judged, "fast"), exact)
    note = f"error {ours}, QuantLib fast {theirs}"
    count = len(quoted)
    return [
        Row("American price, 1 thread", PRICES, spent["one"], spent["QuantLib"], 4, note),
        Row("American price", PRICES, spent["all"], spent["QuantLib"], 4),
        Row("American implied vol, 1 thread", count, spent["one vol"], spent["QuantLib vol"], 15),
        Row("American implied vol", count, spent["all vol"], spent["QuantLib vol"], 30),
        Row(
            "American, four cash dividends, 1 thread",
            LATTICES,
            spent["one cash"],
            spent["QuantLib cash"],
            1,
            "FD 200×200",
        ),
    ]


def errors(found: Any, exact: Any) -> str:
    miss = np.abs(found - exact)
    return f"mean {miss.mean():.1e} max {miss.max():.1e}"


def mixed(count: int) -> dict[str, Any]:
    """K/S 0.5-2, a day to two years (whole days), 5-200 %, r 0-6 %, q 0-3 %, calls and puts."""
    rng = np.random.default_rng(SEED + count)
    days = np.maximum(1, np.exp(rng.uniform(0.0, np.log(730), count)).astype(int))
    return {
        "spot": np.full(count, SPOT),
        "strike": SPOT * np.exp(rng.uniform(np.log(0.5), np.log(2.0), count)),
        "tau": days / 365,
        "rate": rng.uniform(0.0, 0.06, count),
        "dividend_yield": rng.uniform(0.0, 0.03, count),
        "vol": np.exp(rng.uniform(np.log(0.05), np.log(2.0), count)),
        "is_call": rng.random(count) < 0.5,
    }


def without_vol(terms: dict[str, Any]) -> dict[str, Any]:
    return {name: values for name, values in terms.items() if name != "vol"}


class Peer:
    """One process whose quotes are set for each option: the cheapest way to loop over QuantLib's engines."""

    def __init__(self) -> None:
        self.rate, self.dividend_yield, self.vol = (QuantLib.SimpleQuote(0.1) for _ in range(3))
        self.process = QuantLib.BlackScholesMertonProcess(
            QuantLib.QuoteHandle(QuantLib.SimpleQuote(SPOT)),
            curve(self.dividend_yield),
            curve(self.rate),
            QuantLib.BlackVolTermStructureHandle(
                QuantLib.BlackConstantVol(TODAY, QuantLib.NullCalendar(), QuantLib.QuoteHandle(self.vol), DAYS)
            ),
        )

    def engine(self, scheme: str) -> Any:
        return QuantLib.QdFpAmericanEngine(self.process, getattr(QuantLib.QdFpAmericanEngine, f"{scheme}Scheme")())

    def options(self, terms: dict[str, Any], engine: Any) -> Any:
        """Each option in turn, with the process set to its market."""
        for strike, tau, rate, dividend_yield, vol, is_call in zip(*(terms[n] for n in COLUMNS), strict=True):
            self.rate.setValue(rate)
            self.dividend_yield.setValue(dividend_yield)
            self.vol.setValue(vol)
            right = QuantLib.Option.Call if is_call else QuantLib.Option.Put
            exercise = QuantLib.AmericanExercise(TODAY, TODAY + round(tau * 365))
            option = QuantLib.VanillaOption(QuantLib.PlainVanillaPayoff(right, strike), exercise)
            option.setPricingEngine(engine)
            yield option

    def prices(self, terms: dict[str, Any], scheme: str) -> Any:
        return np.array([option.NPV() for option in self.options(terms, self.engine(scheme))])

    def vols(self, terms: dict[str, Any], quoted: Any) -> Any:
        found = []
        for option, price in zip(self.options(terms, self.engine("fast")), quoted, strict=True):
            miss = self.misser(option, price)
            low, high = 0.01, 5.0
            found.append(brentq(miss, low, high, xtol=1e-8) if miss(low) * miss(high) < 0 else np.nan)
        return np.array(found)

    def misser(self, option: Any, price: float) -> Callable[[float], float]:
        def miss(vol: float) -> float:
            self.vol.setValue(vol)
            return float(option.NPV() - price)

        return miss

    def cash(self, terms: dict[str, Any], paid: dict[str, Any]) -> Any:
        dates = (TODAY + round(time * 365) for time in paid["dividend_times"])
        dividends = [QuantLib.FixedDividend(a, d) for a, d in zip(paid["dividend_amounts"], dates, strict=True)]
        engine = QuantLib.FdBlackScholesVanillaEngine(
            self.process,
            dividends,
            200,
            200,
            0,
            QuantLib.FdmSchemeDesc.Douglas(),
            False,
            -1,
            QuantLib.FdBlackScholesVanillaEngine.Escrowed,
        )
        return np.array([option.NPV() for option in self.options(terms, engine)])


COLUMNS = ("strike", "tau", "rate", "dividend_yield", "vol", "is_call")


def curve(quote: Any) -> Any:
    return QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(TODAY, QuantLib.QuoteHandle(quote), DAYS))


if __name__ == "__main__":
    for row in measure():
        print(row.line())
