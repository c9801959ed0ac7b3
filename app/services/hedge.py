"""Hedging as people ask for it: how much and at what cost, what is due to be rolled, what the month has left."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from app.documents import plain
from app.services.instants import account_instant
from app.services.risk_picture import RiskPicture, risk_picture
from app.wiring import Desk
from domain.errors import UsageError
from graph.deps import priced_chain
from options.priced import ChainRefusal, PricedChain
from portfolio.aggregate import exposure_views
from portfolio.exposure import OPEN
from risk.hedge.budget import HedgeBudget
from risk.hedge.plans import HedgePlan, HedgePlanner
from risk.hedge.protected import Protected, held, money
from risk.hedge.roll import open_hedges
from risk.hedge.settings import HedgeSettings
from risk.hedge.sizer import HedgeSize, HedgeSizer
from risk.revaluation import risk_book
from risk.stress.lines import lines_of

Document = dict[str, Any]
NONE = "no_chain"
Chains = Mapping[str, PricedChain | ChainRefusal]


class Wanted(NamedTuple):
    """What a person asks to be hedged; `value` None: the account's own book, no `underlyings`: the configured ones."""

    value: Decimal | None = None  # USD, of a portfolio of which nothing else is known
    underlyings: tuple[str, ...] = ()
    target: int | None = None  # contracts, whatever the ratio says
    weights: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, eq=False)
class HedgePicture:
    """Everything that sizing a hedge looked at, and what came of it."""

    at: datetime
    picture: RiskPicture
    chains: Chains
    betas: Mapping[str, float]
    size: HedgeSize
    budget: HedgeBudget
    protected: Protected
    plans: tuple[HedgePlan, ...]


async def hedge_picture(desk: Desk, wanted: Wanted, *, at: datetime | None) -> HedgePicture:
    """A fresh picture and the three hedges on it. Raises `UsageError` where the NLV is asked for and not known."""
    settings = desk.configuration.hedge
    names = wanted.underlyings or tuple(wanted.weights or settings.weights)
    instant = await account_instant(desk, at)
    picture = await risk_picture(desk, instant, names)
    chains = _chains(desk, picture, names)
    nlv = picture.context.book.nlv
    if wanted.value is None and nlv is None:
        raise UsageError(
            "The account's NLV is not known: something held has no usable quote.", remedy="Give --portfolio-value."
        )
    worth = nlv if wanted.value is None else wanted.value
    size = HedgeSizer(settings).size(worth or Decimal(0), names, target_contracts=wanted.target, weights=wanted.weights)
    budget = await desk.hedging.current(instant)
    betas = picture.betas.by_ticker
    protected = await asyncio.to_thread(_protected, picture, size, wanted, settings)
    planner = HedgePlanner(protected, chains, betas, budget, settings)
    return HedgePicture(
        at=instant,
        picture=picture,
        chains=chains,
        betas=betas,
        size=size,
        budget=budget,
        protected=protected,
        plans=await asyncio.to_thread(planner.plans, size),
    )


async def hedge_size(desk: Desk, wanted: Wanted, *, at: datetime | None) -> Document:
    """The baseline with its budget check, and three hedges side by side: by ratio, by delta, by stress.

    USD, and decimals of NLV or spot. Raises as `hedge_picture`.
    """
    settings = desk.configuration.hedge
    found = await hedge_picture(desk, wanted, at=at)
    protected, budget = found.protected, plain(found.budget) | {"remaining": plain(found.budget.remaining)}
    check = HedgeSizer(settings).validate_budget(found.size, found.chains, found.budget)
    return {
        "account": desk.account,
        "at": plain(found.at),
        "feed": found.picture.market.feed,
        "protected": {
            "basis": protected.basis,
            "value": protected.value,
            "delta": protected.delta,
            "loss": protected.loss if protected.loss != float("inf") else None,
            "notes": list(protected.notes),
        },
        "window": {"otm": list(settings.otm), "dte": list(settings.dte)},
        "spots": {name: one.spot for name, one in sorted(found.chains.items()) if isinstance(one, PricedChain)},
        "betas": {share.ticker: found.betas.get(share.ticker) for share in found.size.shares},
        "size": plain(found.size),
        "notes": _notes(found, wanted),
        "budget": plain(check) | {"budget": budget},
        "plans": [plain(plan) for plan in found.plans],
    }


async def hedge_roll(desk: Desk, *, at: datetime | None) -> Document:
    """Every structure held as a hedge, and for those inside the roll window what to roll it into."""
    settings = desk.configuration.hedge
    instant = await account_instant(desk, at)
    head = {"account": desk.account, "at": plain(instant), "roll_dte": settings.roll_dte}
    if not await desk.state.held_tickers(instant):
        return {**head, "hedges": [], "held": 0}
    picture = await risk_picture(desk, instant)
    context = picture.context
    chains = _chains(desk, picture, sorted({position.ticker for position in context.book.positions}))
    hedges = open_hedges(context.book, context.open_orders, chains, settings, as_of=instant)
    return {**head, "hedges": [plain(hedge) for hedge in hedges], "held": len(context.open_orders)}


async def hedge_budget(desk: Desk, *, at: datetime | None) -> Document:
    """This month's budget, its debits, and the months before."""
    instant = await account_instant(desk, at)
    budget = await desk.hedging.current(instant)
    return {
        "account": desk.account,
        "at": plain(instant),
        **plain(budget),
        "remaining": plain(budget.remaining),
        "utilisation": float(budget.spent / budget.limit) if budget.limit > 0 else None,
        "debits": [plain(debit) for debit in await desk.hedging.debits(instant)],
        "history": [plain(month) for month in await desk.hedging.history(instant)],
    }


async def set_budget(desk: Desk, amount: Decimal, *, by: str, reason: str, at: datetime | None) -> Document:
    """A person sets what a month may cost, from this one on."""
    instant = await account_instant(desk, at)
    await desk.hedging.set_limit(amount, at=instant, actor=by, reason=reason)
    return {"changed": True, **await hedge_budget(desk, at=instant)}


async def debit_budget(desk: Desk, amount: Decimal, *, key: str, by: str, reason: str, at: datetime | None) -> Document:
    """A person records what was spent outside the desk's own orders; the same key counts once."""
    instant = await account_instant(desk, at)
    changed = await desk.hedging.debit(key=key, amount=amount, at=instant, actor=by, note=reason)
    return {"changed": changed, **await hedge_budget(desk, at=instant)}


def _protected(picture: RiskPicture, size: HedgeSize, wanted: Wanted, settings: HedgeSettings) -> Protected:
    if wanted.value is not None:
        return money(float(wanted.value), settings)
    open_now = [item for item in picture.context.exposures if item.state == OPEN]
    spots = {ticker: chain.spot for ticker, chain in picture.market.chains.items()}
    own, betas = picture.context.book, picture.betas
    book = risk_book(lines_of(open_now, own), picture.priced, spots=spots)
    views = exposure_views(own, picture.priced, sectors=picture.market.sectors, betas=betas, spots=spots)
    return held(book, views.index_delta, nlv=float(size.portfolio_value), betas=betas.by_ticker, settings=settings)


def _notes(found: HedgePicture, wanted: Wanted) -> list[str]:
    """Underlyings that were asked for and cannot be bought on, and why weights that exist were set aside."""
    notes = [f"{name}: {chain.detail}" for name, chain in found.chains.items() if isinstance(chain, ChainRefusal)]
    unknown = [name for name, chain in found.chains.items() if isinstance(chain, ChainRefusal) and chain.code == NONE]
    if unknown:
        notes.append(f"{', '.join(unknown)} cannot be hedged with here: look for a misspelt ticker in --underlyings")
    if found.size.unweighted:
        where = "hedge.yaml" if wanted.weights is None else "--weights"
        notes.append(f"{', '.join(found.size.unweighted)} has no weight in {where}: all underlyings weigh the same")
    return notes


def _chains(desk: Desk, picture: RiskPicture, names: Sequence[str]) -> Chains:
    """Priced, or why not; a ticker without quotes has a refusal too."""
    settings = desk.configuration.graph.chain
    return {name: picture.priced.get(name) or priced_chain(picture.market, name, settings) for name in names}
