"""The book under stress: history's shocks, a grid, and random markets, at one instant. What `desk stress` shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from app.documents import plain
from app.services.instants import account_instant, review_instant
from app.services.risk_picture import RiskPicture, risk_picture
from app.wiring import Desk
from domain.errors import UsageError
from domain.order import WORKING, OrderView
from domain.record import digest
from domain.risk import Exposure
from portfolio.exposure import OPEN
from risk.correlation import correlations
from risk.revaluation import RiskBook, risk_book
from risk.stress.grid import Grid, grid
from risk.stress.limits import Account, checks_after
from risk.stress.lines import lines_of
from risk.stress.monte_carlo import monte_carlo, thirty_day_vol
from risk.stress.moves import without_beta
from risk.stress.named import ShockResult, named
from risk.stress.settings import StressSettings
from risk.stress.unpriced import fixed_losses


@dataclass(frozen=True, eq=False)
class Asked:
    """What to stress: the book as it is held, or with one order filled."""

    order: OrderView | None
    scenario: str | None


async def stress(desk: Desk, *, order_id: str | None, scenario: str | None, at: datetime | None) -> dict[str, Any]:
    """The document of `desk stress`: USD, decimals of NLV, moves as decimals.

    With `order_id` that order is filled on top of what is held, and stands beside it by itself. Raises `UsageError` for
    an unknown scenario or an order that is not on its way, `Refused` where nothing bounds a loss.
    """
    settings = desk.configuration.stress
    known = [shock.name for shock in settings.shocks]
    if scenario is not None and scenario not in known:
        raise UsageError(f"There is no scenario {scenario!r}.", remedy=f"Known: {', '.join(known)}.")
    view = None if order_id is None else await desk.orders.get(order_id)
    if view is not None and view.state not in WORKING:
        raise UsageError(
            f"Order {view.order.order_id} is {view.state.value}: only one that is staged or working can be added.",
            remedy="Leave --order out to stress what is held.",
        )
    instant = await (account_instant(desk, at) if view is None else review_instant(desk, view, at))
    waiting = [item.order.order_id for item in await desk.orders.list(tuple(WORKING))]
    head = {"account": desk.account, "at": plain(instant), "order": None if view is None else view.order.order_id}
    if view is None and not await desk.state.held_tickers(instant):
        return {**head, "structures": 0, "waiting": waiting, "scenarios": []}
    picture = await risk_picture(desk, instant, () if view is None else (view.order.ticker,))
    return {**head, "waiting": waiting, **_measured(picture, settings, Asked(view, scenario), desk)}


def held_with(picture: RiskPicture, view: OrderView | None) -> tuple[Exposure, ...]:
    """What is held, and `view` as if it were filled: an opening adds its contracts, a closing takes the structure away.

    Raises `UsageError` for an opening whose time is up.
    """
    exposures = picture.context.exposures
    held = tuple(item for item in exposures if item.state == OPEN)
    if view is None:
        return held
    order = view.order
    if order.sized.candidate.intent == "close":
        return tuple(item for item in held if item.order_id != order.closes)
    added = tuple(item for item in exposures if item.order_id == order.order_id and item.state != OPEN)
    if not added:
        raise UsageError(
            f"Order {order.order_id} lapsed at {order.expires_at:%Y-%m-%dT%H:%M:%SZ}: it can no longer be filled.",
            remedy="Leave --order out to stress what is held.",
        )
    return (*held, *added)


def stress_book(picture: RiskPicture, exposures: Iterable[Exposure]) -> RiskBook:
    """`exposures` and the shares held, ready to be revalued."""
    spots = {ticker: chain.spot for ticker, chain in picture.market.chains.items()}
    return risk_book(lines_of(exposures, picture.context.book), picture.priced, spots=spots)


def account_of(picture: RiskPicture, exposures: tuple[Exposure, ...], desk: Desk) -> Account | None:
    """What limits are measured against; None while NLV or margin is unknown."""
    nlv, risk = picture.portfolio.nlv, desk.configuration.graph.risk
    margin = picture.portfolio.margin_bound(None).usd
    if nlv is None or margin is None:
        return None
    regime = picture.regime.regime
    budgets = [rule.budget[regime] for rule in risk.soft if rule.rule == "var_budget" and regime in rule.budget]
    return Account(
        nlv=nlv,
        baseline_nlv=picture.portfolio.baseline_nlv,
        margin=margin,
        exposures=exposures,
        regime=regime,
        hard=risk.hard,
        var_budget=min(budgets, default=None),
    )


def _measured(picture: RiskPicture, settings: StressSettings, asked: Asked, desk: Desk) -> dict[str, Any]:
    exposures = held_with(picture, asked.order)
    book, betas = stress_book(picture, exposures), picture.betas.by_ticker
    account = account_of(picture, exposures, desk)
    results = named(book, betas, settings)
    before: dict[str, float] = {}
    if asked.order is not None:
        without = named(stress_book(picture, held_with(picture, None)), betas, settings)
        before = {result.shock.name: result.at_once for result in without}
    scenarios = [_scenario(result, settings, account, before.get(result.shock.name)) for result in results]
    if asked.scenario is not None:
        scenarios = [item for item in scenarios if item["name"] == asked.scenario]
    return {
        "structures": len(exposures) + len(picture.context.book.shares),
        "feed": picture.market.feed,
        "regime": picture.regime.regime.value,
        "nlv": picture.portfolio.nlv,
        "worst_case": book.worst_case,
        "tickers": list(book.tickers),
        "betas": {ticker: betas.get(ticker) for ticker in book.tickers},
        "stand_ins": {"tickers": list(without_beta(book, betas)), "betas": list(settings.stand_in_betas)},
        "fixed": [plain(loss) for loss in fixed_losses(book)],
        "scenarios": scenarios,
        "grid": _grid(grid(book, betas, settings)),
        "monte_carlo": _monte_carlo(picture, book, settings, desk),
    }


def _scenario(
    result: ShockResult, settings: StressSettings, account: Account | None, before: float | None
) -> dict[str, Any]:
    shock = result.shock
    checks = () if account is None else checks_after(result.at_once, account)
    return {
        "name": shock.name,
        "title": shock.title,
        "since": plain(shock.since),
        "until": plain(shock.until),
        "days": shock.days,
        "spot": shock.spot,
        "vol": shock.vol,
        "rate": shock.rate,
        "sources": {
            figure: settings.sources[getattr(shock, f"{figure}_from")].text for figure in ("spot", "vol", "rate")
        },
        "note": shock.note,
        "pnl": result.at_once,
        "share_of_nlv": None if account is None or account.nlv <= 0 else result.at_once / account.nlv,
        "pnl_after_days": result.held,
        "by_ticker": result.by_ticker,
        "pnl_before": before,
        "pnl_of_order": None if before is None else result.at_once - before,
        "checks": None if account is None else [plain(check) for check in checks],
        "breaks": None if account is None else [check.name for check in checks if not check.passed],
    }


def _grid(found: Grid) -> dict[str, Any]:
    """P&L rounded to cents, indexed [days][vol][spot]."""
    return {
        "spot": list(found.spot),
        "vol": list(found.vol),
        "days": list(found.days),
        "book": np.round(found.book, 2).tolist(),
        "by_ticker": {ticker: np.round(profit, 2).tolist() for ticker, profit in found.own.items()},
    }


def _monte_carlo(picture: RiskPicture, book: RiskBook, settings: StressSettings, desk: Desk) -> dict[str, Any]:
    risk, regime = desk.configuration.graph.risk, picture.regime.regime
    vols = {ticker: vol for ticker in book.tickers if (vol := _vol(picture, ticker)) is not None}
    between = correlations(
        picture.market.bars, book.tickers, window=risk.correlation_window, minimum=risk.minimum_returns
    )
    seed = digest(
        {"account": desk.account, "at": picture.at, "lines": [(line.key, line.quantity) for line in book.lines]}
    )
    simulations = monte_carlo(
        book, vols=vols, correlations=between, settings=settings.monte_carlo, regime=regime, seed=seed
    )
    pairs = [(a, b) for i, a in enumerate(book.tickers) for b in book.tickers[i + 1 :]]
    return {
        "regime": regime.value,
        "sessions": settings.monte_carlo.sessions,
        "market": plain(settings.monte_carlo.market[regime]),
        "vols": vols,
        "without_vol": [ticker for ticker in book.tickers if ticker not in vols],
        "pairs_assumed": [f"{a}-{b}" for a, b in pairs if not between.known(a, b)],
        "seed": seed,
        "simulations": [plain(simulation) for simulation in simulations],
    }


def _vol(picture: RiskPicture, ticker: str) -> float | None:
    chain = picture.priced.get(ticker)
    return None if chain is None else thirty_day_vol(chain)
