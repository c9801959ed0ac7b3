"""The desk's side of a snapshot: what was known at the instant, and nothing else."""

from decimal import Decimal

import numpy as np
import pytest

from domain.book import CashFlow
from domain.errors import ConfigError
from domain.market import Bars
from domain.order import OrderState
from domain.regime import Regime, RegimeReading
from domain.risk import HardLimits, TradingState
from domain.sessions import expiry_instant
from domain.signals import Direction, Signal
from memory.desk import PostgresDeskState
from memory.orders import PostgresOrderStore
from memory.switches import Switches
from memory.tables.runs import RegimeTable, RunTable, SignalTable
from options.priced import ChainRefusal
from tests.portfolio.test_worst_case import priced
from tests.support.orders import DAY, EXPIRY, GOOD_QUOTES, HOUR, NOON, chain, fill, market, order

S = OrderState
FLAT = {"delta": 0.5, "gamma": 0.01, "vega": 60.0, "theta": -30.0, "rho": 5.0}


@pytest.fixture
def store(engine):
    return PostgresOrderStore(engine, account="simulated")


@pytest.fixture
def desk(engine):
    return PostgresDeskState(engine, account="simulated", sectors={"SPY": "index"})


async def open_position(store, order_id="open", at=NOON, **changes):
    opening = order(order_id, at=at, **changes)
    await store.stage(opening)
    state = S.STAGED
    for step in (S.APPROVED, S.SUBMITTED, S.FILLED):
        await store.transition(order_id, step, expect=state, at=at, reviewer="ann", reason=None)
        state = step
    await store.record_fill(fill(opening, 4.05, 2.55, at=at, fill_id=f"{order_id}/1"))
    return opening


async def test_a_fresh_desk_is_its_starting_cash(desk):
    context = await desk.context(NOON, market())
    assert context.book.nlv == context.baseline.nlv == 100_000
    assert context.baseline.source.startswith("opening NLV")
    assert (context.exposures, context.open_orders, context.earlier_signals) == ((), (), ())
    assert context.trading_state is TradingState.ACTIVE


async def test_the_book_is_valued_on_the_runs_own_quotes(desk, store):
    await open_position(store)
    await store.stage(order("waiting", ticker="QQQ"))
    context = await desk.context(NOON + HOUR, market(NOON + HOUR))
    assert context.book.nlv == Decimal("99997.40")
    assert [view.order.order_id for view in context.open_orders] == ["open"]
    assert [(e.order_id, e.state, e.sector) for e in context.exposures] == [
        ("open", "open", "index"),
        ("waiting", "staged", "unknown"),
    ]
    assert context.exposures[0].greeks is None  # nobody gave a way to price
    assert await desk.held_tickers(NOON + HOUR) == ("SPY",)
    assert await desk.book(NOON + HOUR, market(NOON + HOUR).chains) == context.book


async def test_greeks_come_from_the_chains_as_priced_for_the_run(engine, store):
    await open_position(store)
    desk = PostgresDeskState(engine, account="simulated", price=lambda _, __: priced(FLAT))
    (exposure,) = (await desk.context(NOON, market())).exposures
    assert exposure.greeks is not None
    assert exposure.greeks.delta == pytest.approx(0.0)
    refusing = PostgresDeskState(
        engine, account="simulated", price=lambda *_: ChainRefusal(code="stale", detail="", numbers={})
    )
    assert (await refusing.context(NOON, market())).exposures[0].greeks is None


async def test_nothing_stamped_after_the_instant_is_seen_nor_anything_of_another_account(engine, desk, store):
    before = await desk.context(NOON - DAY, market(NOON - DAY))
    await open_position(store)
    await desk.record_cash_flow(CashFlow(at=NOON, amount=Decimal(500), note="deposit"), key="d1")
    await desk.context(NOON + HOUR, market(NOON + HOUR))
    assert await desk.context(NOON - DAY, market(NOON - DAY)) == before
    other = PostgresDeskState(engine, account="recorded")
    assert (await other.context(NOON + HOUR, market(NOON + HOUR))).book.cash == 100_000


async def test_an_unknown_value_is_no_zero_and_is_not_kept_as_a_baseline(desk, store):
    await open_position(store)
    at = NOON + HOUR
    context = await desk.context(at, market(at, chains={}))
    assert context.book.nlv is None
    assert await desk.record_nlv(context.book) is False
    tomorrow = await desk.context(NOON + DAY, market(NOON + DAY))
    assert tomorrow.baseline.source.startswith("opening NLV")


async def test_todays_loss_is_measured_from_the_last_value_of_the_prior_session_less_what_was_paid_in(engine, desk):
    friday = NOON - 3 * DAY
    await desk.record_cash_flow(CashFlow(at=friday, amount=Decimal(1000), note="deposit"), key="d1")
    assert await desk.record_cash_flow(CashFlow(at=friday, amount=Decimal(1000), note="deposit"), key="d1") is False
    await desk.context(friday - HOUR, market(friday - HOUR))
    await desk.context(friday + 4 * HOUR, market(friday + 4 * HOUR))
    await desk.record_cash_flow(CashFlow(at=NOON - DAY, amount=Decimal(-300), note="rent"), key="d2")
    again = PostgresDeskState(engine, account="simulated")  # a restart forgets nothing
    for at in (NOON, NOON + HOUR):
        baseline = (await again.context(at, market(at))).baseline
        assert baseline.nlv == 100_700
        assert baseline.session == NOON.date()
        assert "2026-02-27 21:00Z)" in baseline.source
    late = (await again.context(NOON + 9 * DAY, market(NOON + 9 * DAY))).baseline
    assert "before the prior session" in late.source


def bars(close, known_at):
    day = np.array([EXPIRY], dtype="datetime64[D]")
    price = np.array([close])
    return Bars(
        ticker="SPY", day=day, known_at=np.array([known_at.replace(tzinfo=None)], dtype="datetime64[s]"),
        open=price - 1, high=price, low=price, close=price, volume=price, adjusted_as_of=None,
    )  # fmt: skip


def cited_by(opening):
    """The signals that the order's thesis cites: the technical source for the trade, the flow source against it."""
    sides = {"technical": Direction.BULLISH, "flow": Direction.BEARISH}
    for name in opening.thesis.signal_ids:
        source, ticker, rest = name.split("/")
        yield Signal(
            id=name, source=source, ticker=ticker, direction=sides[source], conviction=0.6,
            edge_type=rest.split("@")[0], timestamp=NOON,
            metadata={"horizon_days": 20, "half_life_days": 5, "evidence": ()},
        )  # fmt: skip


async def test_expiry_is_settled_at_the_close_once_that_is_known_and_stays_settled(desk, store, engine):
    opening = await open_position(store)
    await published(engine, *cited_by(opening))
    close = expiry_instant(EXPIRY, am_settled=False)
    known = close + HOUR / 4
    history = {"SPY": bars(585.0, known)}
    early = await desk.context(close + HOUR / 10, market(close + HOUR / 10, bars=history, chains={}))
    assert early.book.nlv is None
    settled = await desk.context(known, market(known, bars=history, chains={}))
    assert settled.book.nlv == 100_000 + 300 - 1000 - Decimal("2.60")
    assert settled.open_orders == ()
    assert [(r.strategy, r.closed, r.wins) for r in settled.strategy_records] == [("bull_put_spread", 1, 0)]
    assert [(r.source, r.closed, r.hits) for r in settled.reliability] == [("flow", 1, 1), ("technical", 1, 0)]
    assert early.reliability == (), "nothing is closed before its outcome is known"
    assert {f.name for f in await desk.forecasts(known)} == {"flow", "technical", "rules"}
    assert await desk.forecasts(close) == ()
    later = await desk.context(known + DAY, market(known + DAY, chains={}))  # the bar is no longer in sight
    assert later.book.nlv == settled.book.nlv


async def test_am_settled_contracts_take_the_opening_price_and_a_missing_bar_settles_nothing(desk, store):
    from domain.contract import Settlement
    from portfolio.settlement import settlement_prices
    from tests.support.orders import leg

    legs = (leg(590, -1, settlement=Settlement.AM), leg(580, 1, settlement=Settlement.AM))
    await open_position(store, legs=legs)
    evening = expiry_instant(EXPIRY, am_settled=False) + HOUR
    positions = (await desk.book(evening, {})).positions
    (price,) = settlement_prices(positions, {"SPY": bars(600.0, evening)}, as_of=evening)
    assert (price.price, price.source) == (599, "opening price of 2026-03-20")
    assert settlement_prices(positions, {}, as_of=evening) == ()
    assert settlement_prices(positions, {"SPY": bars(np.nan, evening)}, as_of=evening) == ()


async def test_switches_are_read_as_they_stand_now_whatever_the_instant(desk, engine):
    switches = Switches(engine)
    await switches.set_trading(TradingState.HALTED, at=NOON, actor="ann", reason="stop")
    await switches.set_agent("social", halted=True, at=NOON, actor="ann", reason="spam")
    past = NOON.replace(year=2019, month=6, day=21)
    context = await desk.context(past, market(past))
    assert (context.trading_state, context.trading_state_reason) == (TradingState.HALTED, "stop")
    assert context.halted_agents == ("social",)


def signal(at, *, life=5, edge="trend", ticker="SPY", direction=Direction.BULLISH):
    return Signal(
        source="technical", ticker=ticker, direction=direction, conviction=0.5, edge_type=edge, timestamp=at,
        metadata={"horizon_days": life, "half_life_days": 2, "evidence": ("bars",)},
    )  # fmt: skip


async def published(engine, *signals, feed="simulated"):
    from sqlalchemy import insert

    from domain.run import RunRequest

    run = RunRequest(
        run_id=f"run-{feed}", slot=None, as_of=NOON, feed=feed, watchlist=(), debate="rules", fingerprint="f"
    )
    async with engine.begin() as link:
        await link.execute(
            insert(RunTable).values(
                run_id=run.run_id, feed=feed, as_of=NOON, request=run, state="sealed", started_at=NOON
            )
        )
        for one in signals:
            row = one.model_dump(include={"id", "source", "ticker", "edge_type", "timestamp"})
            await link.execute(insert(SignalTable).values(**row, feed=feed, run_id=run.run_id, signal=one))
    return run.run_id


async def test_earlier_signals_are_the_latest_of_each_kind_still_alive(engine, desk):
    old, latest = signal(NOON - 2 * DAY), signal(NOON - DAY)
    dead, other = signal(NOON - 6 * DAY, edge="momentum"), signal(NOON - DAY, ticker="IWM")
    now, future = signal(NOON, edge="breakout"), signal(NOON + DAY, edge="mean_reversion")
    await published(engine, old, latest, dead, other, now, future)
    await published(engine, signal(NOON - HOUR), feed="recorded")
    assert (await desk.context(NOON, market())).earlier_signals == (latest,)


async def test_a_quiet_hour_does_not_hide_the_burst_before_it(engine, desk):
    burst = "mention_velocity"
    spoke = signal(NOON - 2 * DAY, edge=burst)
    quiet = [signal(NOON - hours * HOUR, edge=burst, direction=Direction.NEUTRAL) for hours in (30, 20)]
    await published(engine, signal(NOON - 3 * DAY, edge=burst), spoke, *quiet)
    assert (await desk.context(NOON, market())).earlier_signals == (spoke, quiet[1])


async def test_what_is_no_event_is_as_it_was_read_last(engine, desk):
    quiet = signal(NOON - 20 * HOUR, direction=Direction.NEUTRAL)
    await published(engine, signal(NOON - 2 * DAY), quiet)
    assert (await desk.context(NOON, market())).earlier_signals == (quiet,)


async def test_the_regimes_history_ends_before_the_instant(engine, desk):
    from sqlalchemy import insert

    run_id = await published(engine)
    instants = [NOON - 2 * DAY, NOON - DAY, NOON, NOON + DAY]
    async with engine.begin() as link:
        for at in instants:
            reading = RegimeReading(
                as_of=at, regime=Regime.NEUTRAL, raw=Regime.NEUTRAL, held=0, vix=17.0, vix_term=0.9, realised_vol=0.1,
                reason="test",
            )  # fmt: skip
            await link.execute(
                insert(RegimeTable).values(
                    feed="simulated", as_of=at, run_id=run_id, regime=reading.regime.value, reading=reading
                )
            )
    history = (await desk.context(NOON, market())).regime_history
    assert [reading.as_of for reading in history] == instants[:2]


async def test_a_context_read_twice_is_the_same_to_the_byte(desk, store):
    from domain.record import digest

    await open_position(store)
    at = NOON + HOUR
    quotes = market(at, chains={"SPY": chain(GOOD_QUOTES, at=at)})
    assert digest(await desk.context(at, quotes)) == digest(await desk.context(at, quotes))


async def test_what_a_picture_shows_against_new_risk_restrains_the_account_and_the_context_says_so(desk, store, engine):
    from risk.state import restraints

    await open_position(store)
    limits = {"hard": HardLimits(), "max_nlv_age_s": 60.0}
    for at, chains, cause in ((NOON + HOUR, {}, "stale_data"), (NOON + 2 * HOUR, None, None)):
        context = await desk.context(at, market(at, chains=chains))
        found = restraints(context, as_of=at, **limits)
        assert [each.cause for each in found] == ([cause] if cause else [])
        context = await desk.restrain(context, found)
        assert context.trading_state is (TradingState.REDUCING if cause else TradingState.ACTIVE)
    uses = (await Switches(engine).history())[:2]
    assert [(use.setting, use.actor, use.at) for use in uses] == [
        ("active", "desk", NOON + 2 * HOUR), ("reducing", "desk", NOON + HOUR),
    ]  # fmt: skip
    assert await desk.halted_agents() == frozenset()
    await Switches(engine).set_agent("flow", halted=True, at=NOON, actor="ann", reason="test")
    assert await desk.halted_agents() == {"flow"}


async def test_an_order_that_is_filled_without_its_fills_is_a_break(desk, store):
    await store.stage(order())
    state = S.STAGED
    for step in (S.APPROVED, S.SUBMITTED, S.FILLED):
        await store.transition("o-1", step, expect=state, at=NOON, reviewer="ann", reason=None)
        state = step
    assert (await desk.context(NOON, market())).breaks == ("order o-1 is filled with 0 of 2 units filled",)


async def test_a_mark_made_overnight_does_not_move_the_baseline(desk, store):
    friday_close = NOON - 3 * DAY + 4 * HOUR
    await desk.context(friday_close - HOUR, market(friday_close - HOUR))
    await desk.record_cash_flow(CashFlow(at=friday_close + HOUR, amount=Decimal(-9000), note="out"), key="d1")
    for at in (friday_close + 2 * HOUR, NOON - 3 * HOUR):
        assert (await desk.context(at, market(at))).book.nlv == 91_000
    baseline = (await desk.context(NOON, market())).baseline
    assert (baseline.nlv, "2026-02-27 20:00Z)" in baseline.source) == (91_000, True)


async def test_an_account_keeps_the_cash_it_was_opened_with(engine):
    """A setting that could still move NLV would move every limit that is a share of it."""
    opened = PostgresDeskState(engine, account="opened-once", starting_cash=Decimal(50_000))
    book = await opened.book(NOON, {})
    assert book.cash == Decimal(50_000)
    again = PostgresDeskState(engine, account="opened-once", starting_cash=Decimal(50_000))
    assert (await again.book(NOON, {})).cash == Decimal(50_000)
    richer = PostgresDeskState(engine, account="opened-once", starting_cash=Decimal(5_000_000))
    with pytest.raises(ConfigError, match=r"opened with 50,000\.00 USD"):
        await richer.book(NOON, {})
