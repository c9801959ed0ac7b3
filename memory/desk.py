"""The desk's own side of a snapshot: book, exposures, switches and what earlier runs left, as of one instant."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, and_, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from domain.book import Book, CashFlow, SettlementPrice
from domain.errors import ConfigError
from domain.excursion import Excursion
from domain.market import Chain, MarketData
from domain.order import WORKING
from domain.ports import Clock
from domain.regime import RegimeReading
from domain.risk import DollarGreeks, Restraint
from domain.signals import Signal
from domain.snapshot import DeskContext
from memory.account import OPENING, AccountHistory, account_history
from memory.excursions import excursions_at, keep_excursions, peak_nlv
from memory.forecasts import measured_forecasts
from memory.recall_log import unlearned
from memory.switches import Switches, board
from memory.tables.book import CashFlowTable, NlvTable, SettlementTable
from memory.tables.runs import RegimeTable, SignalTable
from options.priced import ChainRefusal, PricedChain
from portfolio.baseline import baseline
from portfolio.book import book_of
from portfolio.closed_today import closed_today
from portfolio.closed_trades import closed_trades
from portfolio.exposure import exposures, units_held
from portfolio.forecasts import Forecast, reliability
from portfolio.greeks import book_greeks
from portfolio.ledger import Structure, ledger
from portfolio.reconciliation import breaks
from portfolio.settlement import settlement_prices
from portfolio.track_record import strategy_records
from portfolio.valuation import value
from risk.manager.held import observed
from signals.aggregate import EVENTS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Pricer = Callable[[MarketData, str], PricedChain | ChainRefusal]
REGIMES_KEPT = 250
LONGEST_LIFE = timedelta(days=400)
DAWN = datetime(2000, 1, 1, tzinfo=UTC)  # before any history: what an account was opened with is known at every instant


class PostgresDeskState:
    """`domain.ports.DeskState` for one account, which is also the name of the feed it trades on.

    `price` gives a ticker's priced chain, for the Greeks of what is held; without it they are unknown. `sectors` is
    laid over the feed's own map. `clock` stamps what the desk does to its own switches; without one the run's instant
    does.
    """

    def __init__(
        self,
        engine: "AsyncEngine",
        *,
        account: str,
        starting_cash: Decimal = Decimal(100_000),
        sectors: Mapping[str, str] | None = None,
        price: Pricer | None = None,
        switches: Switches | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._engine = engine
        self._account = account
        self._starting_cash = starting_cash
        self._sectors = dict(sectors or {})
        self._price = price
        self._switches = switches or Switches(engine)
        self._clock = clock
        self._opened = False

    async def context(self, as_of: datetime, market: MarketData) -> DeskContext:
        """See the port. What becomes known on the way is kept: settlement prices of expired contracts, and the NLV,
        so that tomorrow has something to measure its loss from.
        """
        await self._open()
        async with self._engine.connect() as link:
            await link.execution_options(isolation_level="REPEATABLE READ")
            history = await account_history(link, self._account, as_of)
            switches = await board(link, self._account)
            signals = await _earlier_signals(link, self._account, as_of, market.tickers)
            regimes = await _regimes(link, self._account, as_of)
            untold = await unlearned(link, self._account)
            peak = await peak_nlv(link, self._account, as_of)
        structures, book = await self._valued(history, market, as_of)
        greeks = await asyncio.to_thread(self._greeks, book, market)
        held = units_held(book)
        async with self._engine.connect() as link:
            before = await excursions_at(link, self._account, as_of, held)
        exposed = exposures(history.orders, book, {**market.sectors, **self._sectors}, greeks=greeks)
        context = DeskContext(
            book=book,
            exposures=exposed,
            open_orders=tuple(view for view in history.orders if view.order.order_id in held),
            baseline=baseline(history.marks, history.cash_flows, starting_cash=self._starting_cash, as_of=as_of),
            trading_state=switches.trading_state,
            trading_state_reason=switches.reason,
            halted_agents=switches.halted_agents,
            earlier_signals=signals,
            reliability=reliability(await measured_forecasts(self._engine, self._account, structures)),
            strategy_records=strategy_records(structures),
            regime_history=regimes,
            closed_trades=closed_trades(structures, [view.order for view in history.orders], only=untold),
            contracts_today=closed_today(structures, exposed, as_of=as_of),
            breaks=breaks(history.orders, history.fills),
            excursions=observed(structures, book, before),
            closings=tuple(v for v in history.orders if v.state in WORKING and v.order.closes in held),
            peak_nlv=max((nlv for nlv in (peak, book.nlv) if nlv is not None), default=None),
        )
        await self.record_nlv(book)
        return context

    async def keep_excursions(self, as_of: datetime, excursions: Sequence[Excursion]) -> None:
        """See the port."""
        await keep_excursions(self._engine, self._account, as_of, excursions)

    async def halted_agents(self) -> frozenset[str]:
        """See the port."""
        return frozenset((await self._switches.read(self._account)).halted_agents)

    async def restrain(self, context: DeskContext, found: Sequence[Restraint]) -> DeskContext:
        """See the port."""
        as_of = context.book.as_of
        at = self._clock.now() if self._clock else as_of
        stands = await self._switches.restrain(self._account, found, as_of=as_of, at=at)
        return context.model_copy(
            update={
                "trading_state": stands.trading_state,
                "trading_state_reason": stands.reason,
                "halted_agents": stands.halted_agents,
            }
        )

    async def book(self, as_of: datetime, chains: Mapping[str, Chain | PricedChain]) -> Book:
        """The book at `as_of`, valued on `chains`; keeps nothing of it."""
        await self._open()
        async with self._engine.connect() as link:
            history = await account_history(link, self._account, as_of)
        _, book = self._folded(history, history.settlements, as_of)
        return value(book, chains)

    async def forecasts(self, as_of: datetime) -> tuple[Forecast, ...]:
        """What was foretold about the structures closed by `as_of`, and what happened."""
        async with self._engine.connect() as link:
            history = await account_history(link, self._account, as_of)
        structures, _ = self._folded(history, history.settlements, as_of)
        return await measured_forecasts(self._engine, self._account, structures)

    async def held_tickers(self, as_of: datetime) -> tuple[str, ...]:
        """Underlyings of what is held at `as_of`, ascending: a run must gather them too, or NLV is unknown."""
        async with self._engine.connect() as link:
            history = await account_history(link, self._account, as_of)
        _, book = self._folded(history, history.settlements, as_of)
        return tuple(sorted({position.ticker for position in book.positions}))

    async def exposed_tickers(self, as_of: datetime) -> tuple[str, ...]:
        """See the port."""
        async with self._engine.connect() as link:
            history = await account_history(link, self._account, as_of)
        _, book = self._folded(history, history.settlements, as_of)
        held = {position.ticker for position in book.positions}
        return tuple(sorted(held | {view.order.ticker for view in history.orders if view.state in WORKING}))

    async def record_nlv(self, book: Book) -> bool:
        """Keep the book's NLV for later baselines. False if it is unknown, or an NLV of that instant is kept."""
        if book.nlv is None:
            return False
        row = {"account": self._account, "at": book.as_of, "nlv": book.nlv}
        async with self._engine.begin() as link:
            made = insert(NlvTable).values(row).on_conflict_do_nothing().returning(NlvTable.at)
            return (await link.execute(made)).first() is not None

    async def record_cash_flow(self, flow: CashFlow, *, key: str) -> bool:
        """Record a deposit or withdrawal once under `key`; False if it was there already."""
        row = {"account": self._account, "key": key, **flow.model_dump()}
        async with self._engine.begin() as link:
            made = insert(CashFlowTable).values(row).on_conflict_do_nothing().returning(CashFlowTable.key)
            return (await link.execute(made)).first() is not None

    async def _open(self) -> None:
        """Open the account with the starting cash of the settings, once and for all: every limit is a share of NLV, and
        a setting that could still move it would move them. Raises `ConfigError` where the settings now differ.
        """
        if self._opened:
            return
        table, row = CashFlowTable, {"account": self._account, "key": OPENING, "note": "opening of the account"}
        first = insert(table).values(**row, at=DAWN, amount=self._starting_cash).on_conflict_do_nothing()
        async with self._engine.begin() as link:
            await link.execute(first)
            known = select(table.amount).where(table.account == self._account, table.key == OPENING)
            opened_with = (await link.execute(known)).scalar_one()
        if opened_with != self._starting_cash:
            raise ConfigError(
                f"The settings say a starting cash of {self._starting_cash:,.2f} USD, but account "
                f"{self._account!r} was opened with {opened_with:,.2f} USD.",
                remedy="Set starting_cash back in desk.yaml, or open a new account in another DESK_HOME.",
            )
        self._opened = True

    def _folded(
        self, history: AccountHistory, settlements: tuple[SettlementPrice, ...], as_of: datetime
    ) -> tuple[dict[str, Structure], Book]:
        orders = [view.order for view in history.orders]
        structures = ledger(history.fills, orders, as_of=as_of, settlements=settlements)
        return structures, book_of(structures, history.cash_flows, starting_cash=self._starting_cash, as_of=as_of)

    async def _valued(
        self, history: AccountHistory, market: MarketData, as_of: datetime
    ) -> tuple[dict[str, Structure], Book]:
        structures, book = self._folded(history, history.settlements, as_of)
        fresh = settlement_prices(book.positions, market.bars, as_of=as_of)
        if fresh:
            await self._keep(fresh)
            structures, book = self._folded(history, (*history.settlements, *fresh), as_of)
        return structures, value(book, market.chains)

    async def _keep(self, settlements: tuple[SettlementPrice, ...]) -> None:
        kept = [{"account": self._account, **price.model_dump(), "timing": price.timing.value} for price in settlements]
        async with self._engine.begin() as link:
            await link.execute(insert(SettlementTable).values(kept).on_conflict_do_nothing())

    def _greeks(self, book: Book, market: MarketData) -> Mapping[str, DollarGreeks]:
        if self._price is None:
            return {}
        tickers = sorted({position.ticker for position in book.positions} & market.chains.keys())
        priced = {ticker: self._price(market, ticker) for ticker in tickers}
        usable = {ticker: chain for ticker, chain in priced.items() if isinstance(chain, PricedChain)}
        return book_greeks(book, usable).by_structure()


async def _earlier_signals(
    link: "AsyncConnection", account: str, as_of: datetime, tickers: tuple[str, ...]
) -> tuple[Signal, ...]:
    """The latest signal of each (source, ticker, edge type) before `as_of` that is still within its life; of `EVENTS`
    the latest that happened too: a quiet hour does not end the life of a burst. By id.
    """
    table = SignalTable
    neutral = literal_column("signal::json->>'direction' = 'neutral'", Boolean)
    quiet = and_(table.edge_type.in_(sorted(EVENTS)), neutral)
    latest = (
        select(table.signal)
        .where(
            table.feed == account,
            table.ticker.in_(tickers),
            table.timestamp < as_of,
            table.timestamp > as_of - LONGEST_LIFE,
        )
        .ext(distinct_on(table.source, table.ticker, table.edge_type, quiet))
        .order_by(table.source, table.ticker, table.edge_type, quiet, table.timestamp.desc())
    )
    signals = (await link.execute(latest)).scalars()
    return tuple(sorted((s for s in signals if _alive(s, as_of)), key=lambda signal: signal.id))


def _alive(signal: Signal, as_of: datetime) -> bool:
    days = signal.metadata["horizon_days"]
    return isinstance(days, int | float) and signal.timestamp + timedelta(days=days) > as_of


async def _regimes(link: "AsyncConnection", account: str, as_of: datetime) -> tuple[RegimeReading, ...]:
    wanted = select(RegimeTable.reading).where(RegimeTable.feed == account, RegimeTable.as_of < as_of)
    rows = await link.execute(wanted.order_by(RegimeTable.as_of.desc()).limit(REGIMES_KEPT))
    return tuple(rows.scalars())[::-1]
