"""The manager of open positions against its limits; `python -m benchmarks.limits.manager`.

Peers are limits: a time allowed, or a share of what 250 sessions of the simulated feed take with a paper book:
gathering the market, marking the book, pricing the chains it holds and its Greeks, as every run does; no analyst, no
search, no database. The share of gathering and marking alone is told beside it. Book and manager work one after the
other within each session: the machine's noise falls on both. The manager's time includes contexts and excursions.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from benchmarks.engine.rows import Row, interleaved
from benchmarks.limits.paper import Feed, fill_of, paper_desk
from domain.excursion import Excursion
from domain.regime import Regime
from domain.sessions import session_after, session_open
from domain.snapshot import DeskContext, MarketSnapshot
from portfolio.greeks import book_greeks
from portfolio.valuation import value
from risk.manager import RiskManager
from risk.manager.excursion import marked
from risk.manager.facts import contexts, portfolio_facts
from risk.manager.held import holdings
from risk.manager.rule_sets import RuleSets

SESSIONS, ROLL = 250, 15  # positions are opened anew every so many sessions, before they expire
CHECK, VALIDATE, RECORD = 10e-3, 5e-3, 1e-3  # seconds
EMPTY, FIVE, TEN = 0.02, 0.05, 0.10  # share of the sessions' time
RULES: list[dict[str, Any]] = [
    {"rule": "stop_loss", "share": 0.95},
    {"rule": "take_profit", "share": 0.95},
    {"rule": "exit_dte", "days": 1},
    {"rule": "trailing_stop", "by": "amount", "distance": 1e6},
    {"rule": "credit_loss", "multiple": 50},
    {"rule": "time_exit", "days": 300},
    {"rule": "session_exit", "minutes": 1},
    {"rule": "chandelier", "multiple": 50},
    {"rule": "break_even", "after": 0.5},
    {"rule": "theta_shortfall", "multiple": 1e6},
]
ORDER_RULES: list[dict[str, Any]] = [
    *(
        {"rule": name, "share": 0.5}
        for name in ("max_position", "max_gross", "max_sector", "max_correlated", "max_margin")
    ),
    {"rule": "max_leverage", "multiple": 4.0},
]


def measure(rounds: int = 7) -> list[Row]:
    feed = Feed()
    at = feed.first
    market = feed.gathered(at)
    desk = paper_desk(market, 100)
    snapshot = MarketSnapshot(market=market, desk=desk)
    manager = managed(desk, RULES)
    pictures = contexts(snapshot, Regime.NEUTRAL)
    orders = RuleSets.model_validate({"orders": ORDER_RULES}).manager({})
    opening, account = desk.open_orders[0].order, portfolio_facts(desk)
    closing = opening.model_copy(update={"order_id": "O-CLOSE", "closes": opening.order_id})
    bought, sold = fill_of(opening, at), fill_of(closing, at)

    def recorded() -> None:
        fresh.record_fill(bought, opening)
        fresh.record_fill(sold, closing)

    fresh = RiskManager()
    spent = interleaved(
        {
            "check": lambda: manager.check_position_exits(pictures),
            "whole": lambda: manager.check_position_exits(contexts(snapshot, Regime.NEUTRAL)),
            "validate": lambda: orders.validate_order(opening.sized, account),
            "record": recorded,
        },
        rounds=rounds,
    )
    return [
        Row("check_position_exits, 100 positions x 10 rules", 1, spent["check"], CHECK, 1, "the peer is 10 ms"),
        Row("the same with the contexts made", 1, spent["whole"], 3 * CHECK, 1, "no limit set; 30 ms for scale"),
        Row(f"validate_order, {len(ORDER_RULES)} rules", 1, spent["validate"], VALIDATE, 1, "the peer is 5 ms"),
        Row("record_fill, in and out", 2, spent["record"], 2 * RECORD, 1, "the peer is 1 ms each"),
        *overheads(feed),
    ]


def overheads(feed: Feed) -> list[Row]:
    """What the manager adds to 250 sessions: no rules, 5 rules on 50 positions, 10 rules on 100."""
    cases = {"empty": (50, 0, EMPTY), "5 rules x 50 positions": (50, 5, FIVE), "10 x 100": (100, 10, TEN)}
    marks, whole, extra = (dict.fromkeys(cases, 0.0) for _ in range(3))
    at, first = feed.first, feed.gathered(feed.first)
    desks = {name: paper_desk(first, count) for name, (count, _, _) in cases.items()}
    for session in range(SESSIONS):
        begun = time.perf_counter()
        market = feed.gathered(at)
        gathered = time.perf_counter()
        priced = {ticker: feed.priced(market, ticker) for ticker in market.chains}
        shared = gathered - begun, time.perf_counter() - begun
        for name, (count, rules, _) in cases.items():
            if session and session % ROLL == 0:
                desks[name] = paper_desk(market, count)
            begun = time.perf_counter()
            book = value(desks[name].book.model_copy(update={"as_of": at}), market.chains)
            marking = time.perf_counter() - begun
            book_greeks(book, priced)
            counted = time.perf_counter() - begun
            desk = desks[name].model_copy(update={"book": book})
            begun = time.perf_counter()
            after = tick(MarketSnapshot(market=market, desk=desk), RULES[:rules])
            extra[name] += time.perf_counter() - begun
            marks[name] += shared[0] + marking
            whole[name] += shared[1] + counted
            desks[name] = desk.model_copy(update={"excursions": after})
        at = session_open(session_after(at.date())) + timedelta(minutes=5)
    return [
        Row(
            f"share of {SESSIONS} sessions, {name}", SESSIONS, extra[name], limit * whole[name], 1,
            f"adds {extra[name] / whole[name]:.2%} to {whole[name]:.0f} s, {limit:.0%} allowed "
            f"({extra[name] / marks[name]:.2%} of feed and marks alone)",
        )
        for name, (_, _, limit) in cases.items()
    ]  # fmt: skip


def tick(snapshot: MarketSnapshot, rules: list[dict[str, Any]]) -> tuple[Excursion, ...]:
    """What the desk does on every tick: see the marks, ask the rules, keep the levels."""
    desk = snapshot.desk
    if not managed(desk, rules).watches:
        return desk.excursions
    known = holdings(desk.book)
    seen = tuple(
        marked(past, at=snapshot.as_of, unit_value=held.unit_value, unit_profit=held.unit_profit)
        if (held := known[past.order_id]).unit_value is not None and held.unit_profit is not None
        else past
        for past in desk.excursions
    )
    manager = managed(desk.model_copy(update={"excursions": seen}), rules)
    manager.check_position_exits(
        contexts(MarketSnapshot(market=snapshot.market, desk=desk.model_copy(update={"excursions": seen})), None, known)
    )
    return manager.excursions


def managed(desk: DeskContext, rules: list[dict[str, Any]]) -> RiskManager:
    """A manager of `rules` for what the desk holds."""
    return SETS[len(rules)].manager({"bull_put_spread": "credit_vertical"}, desk.excursions)


SETS: Mapping[int, RuleSets] = {n: RuleSets.model_validate({"default": RULES[:n]}) for n in (0, 5, 10)}


if __name__ == "__main__":
    for row in measure():
        print(row.line(), flush=True)
