"""Value at risk by full revaluation beside QuantLib's Black formula in a loop; `python -m benchmarks.limits.var`.

500 European positions on five underlyings, 5,000 joint scenarios of spot, volatility and rates: every cell is priced by
both. The peer gets forwards, deviations and discounts from numpy, all at once; only its formula is looped, by `map`.
"""

from datetime import date
from decimal import Decimal

import numpy as np
import QuantLib

from benchmarks.engine.rows import Row, interleaved
from domain.contract import Leg, Right, Settlement
from risk.holdings import Line, Terms
from risk.revaluation import RiskBook, Scenarios, assembled, revalue, revalue_lines
from risk.var import full_revaluation, var_of

POSITIONS, SCENARIOS, SEED = 500, 5_000, 11
ORDER_LEGS, ORDER_SCENARIOS, ORDER_BUDGET = 4, 500, 1e-3
PEER_ROUNDS = 5  # the peer takes seconds
SPOTS = {"AAA": 100.0, "BBB": 40.0, "CCC": 250.0, "DDD": 600.0, "SPX": 5_000.0}
WORST = 1e9


def measure(rounds: int = 7) -> list[Row]:
    book, scenarios = made_book(POSITIONS), made_scenarios(SCENARIOS)
    peer = Peer(book)
    order, few = made_book(ORDER_LEGS), made_scenarios(ORDER_SCENARIOS)
    spent = interleaved(
        {
            "QuantLib": lambda: var_of(peer.pnl(scenarios), 0.99),
            "one": lambda: full_revaluation(book, scenarios, confidence=0.99, threads=1),
            "all": lambda: full_revaluation(book, scenarios, confidence=0.99),
            "order": lambda: revalue(order, few),
        },
        rounds=min(rounds, PEER_ROUNDS),
    )
    cells = POSITIONS * SCENARIOS
    note = f"values differ by {peer.difference(scenarios):.1e} USD per share at most (1e-8 allowed)"
    order_note = f"the peer is its budget of {ORDER_BUDGET * 1e3:g} ms"
    return [
        Row("VaR, 500 positions x 5,000 scenarios, 1 thread", cells, spent["one"], spent["QuantLib"], 25, note),
        Row("VaR, 500 positions x 5,000 scenarios", cells, spent["all"], spent["QuantLib"], 40),
        Row("one order, 4 legs x 500 scenarios", 1, spent["order"], ORDER_BUDGET, 1, order_note),
    ]


def made_book(count: int) -> RiskBook:
    """Positions of random strike, expiry and size, each on a smile of two bends."""
    chance = np.random.default_rng(SEED)
    found = []
    for number in range(count):
        ticker = str(chance.choice(sorted(SPOTS)))
        tau = float(chance.choice([7, 18, 32, 46, 74, 165, 365])) / 365
        spot, forward = SPOTS[ticker], SPOTS[ticker] * float(np.exp(0.02 * tau))
        strike, call = round(forward * float(np.exp(chance.normal(0, 0.5 * np.sqrt(tau)))), 1), chance.random() < 0.5
        quantity = int(chance.choice([-5, -2, -1, 1, 2, 5]))
        leg = Leg(
            symbol=f"{ticker} {number}", root=ticker, right=Right.CALL if call else Right.PUT,
            strike=Decimal(str(strike)), expiry=date(2027, 1, 15), settlement=Settlement.PM, european=True,
            multiplier=100, quantity=1,
        )  # fmt: skip
        smile = np.array([0.02, 0.10, -0.05, 0.02, 0.15, 0.03, -0.01, 0.1, 0.1]) * [tau, tau, tau, 1, 1, tau, tau, 1, 1]
        terms = Terms(
            spot=spot, size=100.0 * quantity, is_option=True, is_call=bool(call), european=True, strike=strike, tau=tau,
            forward=forward, discount=float(np.exp(-0.04 * tau)), vol=float(chance.uniform(0.12, 0.6)), smile=smile,
        )  # fmt: skip
        found.append((Line(str(number), ticker, leg, quantity, WORST), terms))
    return assembled(found)


def made_scenarios(count: int) -> Scenarios:
    chance = np.random.default_rng(SEED + 1)
    market = chance.standard_t(4, (count, 1))
    spot = np.expm1(0.008 * market + chance.normal(0, 0.01, (count, len(SPOTS))))
    vol = np.expm1(-4.0 * spot + chance.normal(0, 0.03, spot.shape))
    return Scenarios(tuple(sorted(SPOTS)), spot, vol, chance.normal(0, 0.001, count), np.ones(count))


class Peer:
    """The same book by QuantLib's Black formula."""

    def __init__(self, book: RiskBook) -> None:
        self.book = book
        self.kinds = [QuantLib.Option.Call if call else QuantLib.Option.Put for call in book.is_call]
        self.rate = -np.log(book.discount) / book.tau
        self.carry = np.log(book.forward / book.spot[book.underlying]) / book.tau
        self.weight = np.sqrt(30.0 / np.maximum(book.tau * 365.0, 7.0))
        self.share = book.vol**2 * book.tau / self.variance(np.log(book.strike / book.forward))
        nothing = Scenarios(book.tickers, *(np.zeros((1, len(book.tickers))) for _ in range(2)), *np.zeros((2, 1)))
        self.now = self.values(nothing)[0]

    def pnl(self, scenarios: Scenarios) -> np.ndarray:
        return (self.values(scenarios) - self.now) @ self.book.size

    def values(self, scenarios: Scenarios) -> np.ndarray:
        """Shape (scenarios, positions)."""
        book, at = self.book, self.book.underlying
        left = np.maximum(book.tau - scenarios.days[:, None] / 365.0, 0.0)
        shift = scenarios.rate[:, None]
        forward = book.spot[at] * (1.0 + scenarios.spot[:, at]) * np.exp((self.carry + shift) * left)
        vol = scenarios.vol[:, at]
        factor = np.where(vol > 0, 1.0 + vol * self.weight, (1.0 + vol) ** self.weight)
        growth = left / book.tau * factor**2
        k = np.log(book.strike / forward) / np.sqrt(growth)
        deviation = np.sqrt(growth * self.share * self.variance(k))
        discount = np.exp(-(self.rate + shift) * left)
        rows = len(left)
        given = (np.broadcast_to(book.strike, left.shape), forward, deviation, discount)
        prices = map(QuantLib.blackFormula, self.kinds * rows, *(array.ravel().tolist() for array in given))
        return np.fromiter(prices, dtype=np.float64, count=left.size).reshape(left.shape)

    def variance(self, k: np.ndarray) -> np.ndarray:
        numbers = self.book.smile.T
        w = np.broadcast_to(numbers[0], k.shape).copy()
        for b, c, m, sigma in (numbers[1:5], numbers[5:9]):
            w += c * (k - m) + b * np.hypot(k - m, sigma)
        return w

    def difference(self, scenarios: Scenarios) -> float:
        ours = revalue_lines(self.book, scenarios) / self.book.size + self.book.value
        return float(np.abs(ours - self.values(scenarios)).max())


if __name__ == "__main__":
    for row in measure():
        print(row.line())
