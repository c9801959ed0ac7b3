"""The gate for one order against a book of 500 positions, all checks; `python -m benchmarks.limits.gate`.

What is measured over the book once a run (scenarios, P&L of every structure, margins, betas) is told beside it; the
question counts from an account whose sums nobody has asked for yet, revaluing and margining the order included.
"""

import asyncio
import time
from dataclasses import replace
from decimal import Decimal

import numpy as np

from benchmarks.engine.rows import Row, interleaved
from domain.market import Bars
from domain.order import Candidate, SizedCandidate, Sizing, SizingCap
from domain.regime import Regime
from domain.risk import DollarGreeks, Exposure
from domain.sessions import close_known_at
from domain.snapshot import MarketSnapshot
from options.legs.candidate import leg_of, position_greeks
from options.priced import PricedChain
from risk.facts import correlations_of, measured_portfolio, view_of
from risk.gate import decide
from risk.settings import RiskSettings
from risk.view import RiskView

STRUCTURES, LEGS = 125, 4  # 500 positions
ALLOWED = 20e-3  # seconds
TICKERS = ("AAPL", "AMD", "JPM", "PFE", "QQQ", "SPY", "XOM")


def measure(rounds: int = 7) -> list[Row]:
    from tests.factories import risk_settings

    settings = risk_settings()
    snapshot, priced, order = situation()
    begun = time.perf_counter()
    portfolio = measured_portfolio(snapshot, settings, TICKERS, priced.__getitem__)
    once = time.perf_counter() - begun
    pairs = correlations_of(snapshot, settings, TICKERS)

    def question() -> RiskView:
        fresh = replace(portfolio, measures=replace(portfolio.measures, _units={}))
        asked = view_of(
            "final", "SPY", market=snapshot.market, regime=Regime.NEUTRAL, portfolio=fresh, pairs=pairs,
            settings=settings, order=order,
        )  # fmt: skip
        assert len(asked.portfolio.exposures) == STRUCTURES
        return asked

    decision = decide(question(), settings)
    names = [check.name for check in decision.checks]
    assert len(names) == len(set(names)) == len(settings.soft) + 8
    spent = interleaved(
        {"fresh": lambda: decide(question(), settings), "walk": walk(question(), settings)}, rounds=rounds
    )
    note = f"{len(names)} checks; measured over the book once a run: {once * 1e3:.0f} ms; the peer is the time allowed"
    return [
        Row("gate, one order, 500 positions held", 1, spent["fresh"], ALLOWED, 1.0, note),
        Row("the same, each further size of the walk", 10, spent["walk"], 10 * ALLOWED, 1.0, "ten sizes"),
    ]


def walk(view: RiskView, settings: RiskSettings) -> object:
    """Ten sizes of one order, from ten units down."""
    assert view.order is not None
    orders = [sized(view.order.candidate, units) for units in range(10, 0, -1)]
    return lambda: [decide(replace(view, order=order), settings) for order in orders]


def situation() -> tuple[MarketSnapshot, dict[str, PricedChain], SizedCandidate]:
    """A simulated market, a book of 125 iron condors over seven names, and one more on SPY."""
    from feeds.simulated.feed import SimulatedFeed
    from feeds.simulated.settings import SimulatedSettings
    from feeds.simulated.timeline import first_instant
    from graph.deps import priced_chain
    from options.settings import ChainSettings
    from tests.support.fakes import flat_desk

    feed = SimulatedFeed(SimulatedSettings())
    market = asyncio.run(feed.gather(first_instant(feed.settings), TICKERS))
    market = replace(market, bars={name: history(name) for name in TICKERS})
    priced = {}
    for name in TICKERS:
        found = priced_chain(market, name, ChainSettings())
        assert isinstance(found, PricedChain), found
        priced[name] = found
    held = tuple(exposure(priced[TICKERS[n % len(TICKERS)]], n) for n in range(STRUCTURES))
    desk = flat_desk(market, exposures=held)
    return MarketSnapshot(market=market, desk=desk), priced, sized(condor(priced["SPY"], 0), 2)


def history(name: str) -> Bars:
    """Two years of daily closes, the same at every run."""
    rng = np.random.default_rng(sum(map(ord, name)))
    day = np.arange(np.datetime64("2023-01-02"), np.datetime64("2025-01-01"))
    day = day[np.is_busday(day)]
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.012, len(day))))
    nothing = np.full(len(day), np.nan)
    return Bars(name, day, close_known_at(day), nothing, nothing, nothing, close, nothing, None)


def condor(priced: PricedChain, shift: int) -> Candidate:
    """An iron condor about as wide as the chain allows, `shift` strikes aside."""
    from tests.factories import candidate

    usable = [piece for piece in priced.slices if piece.smile is not None and piece.tau > 14 / 365]
    piece = usable[shift % len(usable)]
    rows = piece.rows[priced.good[piece.rows]]
    puts, calls = (np.sort(rows[priced.chain.is_call[rows] == side]) for side in (False, True))
    puts, calls = puts[np.argsort(priced.chain.strike[puts])], calls[np.argsort(priced.chain.strike[calls])]
    below, above = len(puts) // 4 - shift % 2, 3 * len(calls) // 4 + shift % 2
    chosen = np.array([puts[below], puts[below + 1], calls[above], calls[above + 1]])
    quantities = np.array([1.0, -1.0, -1.0, 1.0])
    legs = tuple(leg_of(priced, int(row), int(q)) for row, q in zip(chosen, quantities, strict=True))
    return candidate(
        ticker=priced.ticker, strategy="iron_condor", family="short_volatility", legs=legs, spot=priced.spot,
        greeks=position_greeks(priced, chosen, quantities, 100.0), max_loss=Decimal(80), margin=Decimal(80),
        first_expiry=piece.expiry, last_expiry=piece.expiry,
    )  # fmt: skip


def exposure(priced: PricedChain, number: int) -> Exposure:
    """One condor of the book."""
    found = condor(priced, number)
    return Exposure(
        order_id=f"O-{number:03}", ticker=priced.ticker, sector="index" if priced.ticker in ("SPY", "QQQ") else "other",
        strategy="iron_condor", state="open", units=1, contracts=1, worst_case=Decimal(80), margin=Decimal(80),
        theta=found.greeks.theta, opened_on="2024-12-30", greeks=DollarGreeks(delta=1.0), legs=found.legs,
    )  # fmt: skip


def sized(candidate: Candidate, units: int) -> SizedCandidate:
    """At a given size."""
    caps = (SizingCap(name="test", units=units, detail="as asked"),)
    return SizedCandidate(candidate=candidate, sizing=Sizing(units=units, binding="test", caps=caps, budget=Decimal(0)))


if __name__ == "__main__":
    for line in measure():
        print(line.line())
