"""Composition: the one place that names concrete adapters. Tests call it with fakes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from agents.debate.settings import DebateSettings
from app.clock import WallClock
from app.debaters import Debaters, chosen_engine, masked, require_patience
from app.mood import desk_sentiment
from app.settings import DeskSettings, Environment, FeedName, load, read_yaml, require_known, validated
from app.versions import code_version, versions
from domain.errors import ConfigError, UsageError
from domain.ports import Clock, Embedder, MarketFeed
from execution.paper import PaperBroker
from execution.settings import PaperSettings
from feeds.embeddings.settings import EmbedderSettings
from feeds.library import MarketLibrary
from feeds.sectors import SectorSettings
from feeds.sentiment.settings import SentimentSettings
from graph.deps import Deps, GraphSettings, Observer, PricedSnapshots, priced_chain
from memory.audit import PostgresAuditLog
from memory.desk import PostgresDeskState
from memory.engine import Database
from memory.hedging import PostgresHedgeBudget
from memory.model_record import PostgresModelRecord
from memory.orders import PostgresOrderStore
from memory.outbox import PostgresOutbox
from memory.recall import PostgresSituationMemory, RecallSettings
from memory.runs import PostgresRunStore
from memory.snapshots import ParquetSnapshotStore
from memory.switches import Switches
from options.legs import LegSettings
from options.selector import StrategyTable
from options.settings import ChainSettings
from risk.hedge.settings import HedgeSettings
from risk.manager.rule_sets import RuleSets
from risk.settings import RiskSettings
from risk.stress.settings import StressSettings
from signals.regime import RegimeSettings
from signals.settings import SignalSettings
from signals.social.extraction import Listings, name_index

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from agents.debate.subgraph import Listener
    from graph.build import Graph


@dataclass(frozen=True)
class Configuration:
    """Everything that was read from environment and YAML, validated."""

    environment: Environment
    desk: DeskSettings
    graph: GraphSettings
    paper: PaperSettings
    recall: RecallSettings
    embedder: EmbedderSettings
    sentiment: SentimentSettings
    hedge: HedgeSettings
    stress: StressSettings

    @property
    def home(self) -> Path:
        """Where all state lives."""
        return self.environment.desk_home

    @property
    def debate(self) -> DebateSettings:
        """How debates are held: decisions depend on it, so it is audited with the graph's other settings."""
        return self.graph.debate


def configuration(environment: Environment | None = None) -> Configuration:
    """Read and validate every setting. Raises `ConfigError` naming file and key."""
    environment = environment or Environment()
    own = environment.desk_config
    if own is not None and not own.is_dir():
        raise ConfigError(f"DESK_CONFIG names {own}, which is no folder.")
    require_known(own)
    desk, hedge = load(DeskSettings, "desk", own), load(HedgeSettings, "hedge", own)
    debate = load(DebateSettings, "debate", own)
    graph = GraphSettings(
        chain=load(ChainSettings, "chain", own),
        signals=load(SignalSettings, "signals", own),
        regime=load(RegimeSettings, "regime", own),
        strategies=load(StrategyTable, "strategies", own, section="selector"),
        legs=load(LegSettings, "strategies", own, section="legs"),
        risk=load(RiskSettings, "risk_matrix", own),
        debate=masked(debate, own) if debate.mask else debate,
        positions=load(RuleSets, "position_rules", own),
        breach=hedge.breach,
        order_life_minutes=desk.order_life_minutes,
        recall_k=desk.recall_k,
        node_timeout_s=desk.node_timeout_s,
        analyst_timeout_s=desk.analyst_timeout_s,
        debate_timeout_s=desk.debate_timeout_s,
    )
    require_patience(graph)
    return Configuration(
        environment=environment,
        desk=desk,
        graph=graph,
        paper=load(PaperSettings, "execution", own, section="paper"),
        recall=load(RecallSettings, "memory", own, section="recall"),
        embedder=load(EmbedderSettings, "memory", own, section="embedder"),
        sentiment=load(SentimentSettings, "sentiment", own),
        hedge=hedge,
        stress=load(StressSettings, "stress", own),
    )


@dataclass(frozen=True)
class Desk:
    """The assembled desk for one account: the feed's name is the account's, so paper books never mix."""

    configuration: Configuration
    database: Database
    engine: "AsyncEngine"
    feed: MarketFeed
    clock: Clock
    debate_engine: str
    closing: AsyncExitStack  # what is closed with the desk

    @property
    def account(self) -> str:
        """Book this desk works on."""
        return self.feed.name

    @property
    def home(self) -> Path:
        """Where all state lives."""
        return self.configuration.home

    @cached_property
    def snapshots(self) -> ParquetSnapshotStore:
        """Content-addressed pictures."""
        return ParquetSnapshotStore(self.home / "snapshots", self.engine)

    @cached_property
    def audit(self) -> PostgresAuditLog:
        """The decision log."""
        return PostgresAuditLog(self.engine, self.clock, code_version(), self.home / "audit" / "seals.jsonl")

    @cached_property
    def runs(self) -> PostgresRunStore:
        """Runs and slots."""
        return PostgresRunStore(self.engine, self.clock)

    @cached_property
    def orders(self) -> PostgresOrderStore:
        """Orders of this account."""
        limit = self.configuration.graph.risk.hard.contracts_per_order
        return PostgresOrderStore(self.engine, account=self.account, contracts=limit)

    @cached_property
    def outbox(self) -> PostgresOutbox:
        """Approved orders on their way to the broker."""
        return PostgresOutbox(self.engine, account=self.account)

    @cached_property
    def hedging(self) -> PostgresHedgeBudget:
        """The hedge budget of this account."""
        limit = self.configuration.hedge.monthly_budget
        return PostgresHedgeBudget(self.engine, account=self.account, default_limit=limit, code_version=code_version())

    @cached_property
    def switches(self) -> Switches:
        """Trading state and kill switches."""
        return Switches(self.engine, code_version=code_version())

    @cached_property
    def state(self) -> PostgresDeskState:
        """Book, exposures, histories as of an instant."""
        chain = self.configuration.graph.chain
        return PostgresDeskState(
            self.engine,
            account=self.account,
            starting_cash=self.configuration.desk.starting_cash,
            price=lambda market, ticker: priced_chain(market, ticker, chain),
            switches=self.switches,
            clock=self.clock,
        )

    @cached_property
    def memory(self) -> PostgresSituationMemory:
        """Past situations."""
        return PostgresSituationMemory(
            self.engine, feed=self.account, settings=self.configuration.recall, embedder=self.embedder
        )

    @cached_property
    def embedder(self) -> Embedder:
        """What turns situations into vectors."""
        from app.embedders import situation_embedder

        return situation_embedder(self.configuration.embedder, self.configuration.environment, self.closing)

    @cached_property
    def models(self) -> PostgresModelRecord:
        """Recorded model calls."""
        return PostgresModelRecord(self.engine, self.clock)

    @cached_property
    def broker(self) -> PaperBroker:
        """The paper broker."""
        return PaperBroker(self.configuration.paper)

    @cached_property
    def debaters(self) -> Debaters:
        """Who may argue."""
        config = self.configuration
        return Debaters(config.environment, config.debate.models, self.models, self.closing)

    def deps(self, observer: Observer, told: "Listener | None" = None) -> Deps:
        """What the graph is handed for a run."""
        settings = self.configuration.graph
        return Deps(
            feed=self.feed,
            snapshots=self.snapshots,
            desk=self.state,
            runs=self.runs,
            audit=self.audit,
            orders=self.orders,
            memory=self.memory,
            debate=self.debaters.engine(settings, self.debate_engine, told),
            settings=settings,
            priced=PricedSnapshots(settings.chain),
            observer=observer,
            reasons=self.debaters.reasons(settings, self.debate_engine),
            versions=versions(settings),
        )


@asynccontextmanager
async def open_desk(
    config: Configuration, *, feed: FeedName | None = None, debate: str | None = None
) -> AsyncIterator[Desk]:
    """Start or reach the database, bring its schema up to date, assemble the desk; everything is closed on exit."""
    from memory.engine import connected, open_database
    from memory.migrate import migrate

    config.home.mkdir(parents=True, exist_ok=True)
    environment, clock = config.environment, WallClock()
    url, admin_url = environment.desk_database_url, environment.desk_database_admin_url
    with open_database(
        config.home,
        url.get_secret_value() if url else None,
        admin_url.get_secret_value() if admin_url else None,
    ) as database:
        migrate(database.admin_url)
        async with connected(database.pipeline_url) as engine, AsyncExitStack() as closing:
            source = market_feed(config, feed or config.desk.feed, clock, closing, engine)
            yield Desk(config, database, engine, source, clock, chosen_engine(config, debate), closing)


def on_account(desk: Desk, account: str) -> Desk:
    """The same desk working on the book of `account`, which is named after its feed."""
    if account == desk.account:
        return desk
    if account not in get_args(FeedName):
        raise UsageError(
            f"No feed of this desk is called {account!r}.", remedy=f"Known: {', '.join(get_args(FeedName))}."
        )
    feed = market_feed(desk.configuration, cast("FeedName", account), desk.clock, desk.closing, desk.engine)
    return replace(desk, feed=feed)


@asynccontextmanager
async def durable_graph(database: Database) -> "AsyncIterator[Graph]":
    """The compiled graph over the PostgreSQL checkpointer."""
    from graph.build import build
    from memory.checkpoints import checkpointer

    async with checkpointer(database.pipeline_url) as saver:
        yield build(saver)


def market_feed(
    config: Configuration,
    name: FeedName,
    clock: Clock,
    closing: AsyncExitStack,
    engine: "AsyncEngine | None" = None,
) -> MarketFeed:
    """The named feed; what it opens is closed with `closing`. With `engine` a live one reads what was collected."""
    own = config.environment.desk_config
    if name == "simulated":
        from feeds.simulated.feed import SimulatedFeed
        from feeds.simulated.settings import SimulatedSettings

        return SimulatedFeed(load(SimulatedSettings, "simulated", own))
    from feeds.recorded.feed import RecordedFeed

    library, cache = MarketLibrary(config.home / "library"), config.home / "cache" / "cboe"
    sectors, names = load(SectorSettings, "sectors", own).by_ticker, name_index(load(Listings, "tickers", own))
    mood = desk_sentiment(config.sentiment)
    recorded = RecordedFeed(library, clock, sectors=sectors, names=names, sentiment=mood)
    if name == "recorded":
        return recorded
    from app.crowd import with_collected
    from app.newsroom import with_headlines
    from feeds.cboe.client import CboeClient, CboeFeed, CboeSettings
    from feeds.polymarket.client import PolymarketOdds, PolymarketSettings, with_odds

    content = read_yaml("feeds", own)
    client = CboeClient(validated(CboeSettings, content.get("cboe", {}), where="feeds.yaml, cboe"), clock, cache)
    odds = PolymarketOdds(validated(PolymarketSettings, content.get("polymarket", {}), where="feeds.yaml, polymarket"))
    closing.push_async_callback(client.aclose)
    closing.push_async_callback(odds.aclose)
    history = with_odds(recorded.histories, odds)
    if engine is not None:
        history = with_collected(history, config.environment, engine, clock)
    return CboeFeed(client, clock, history=with_headlines(history, config.environment, clock, closing))


def at_instant(desk: Desk, at: datetime) -> Desk:
    """The same desk with its clock standing at `at`."""
    from app.clock import FixedClock

    return replace(desk, clock=FixedClock(at))
