"""The simulated feed as a source of truth: the same picture every time, nothing from the future, clear refusals."""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import UsageError
from domain.market import MarketData
from domain.sessions import is_half_day, new_york, session_close, session_open
from domain.units import to_datetime64
from feeds.cboe.client import CboeSettings
from feeds.polymarket.client import PolymarketSettings
from feeds.simulated import SimulatedFeed, SimulatedSettings, first_instant, next_slot
from feeds.simulated.randomness import block

SETTINGS = SimulatedSettings()
NOON = new_york(date(2025, 3, 12), time(12, 0))
FEW = ("GME", "SPX", "SPY")


def chunks(data: MarketData) -> Iterator[bytes]:
    for name in ("chains", "bars", "series"):
        for key, item in getattr(data, name).items():
            yield f"{name}/{key}".encode()
            for field in fields(item):
                value = getattr(item, field.name)
                yield value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
    for records in (data.posts, data.headlines, data.events, data.notes):
        for record in records:
            yield record.model_dump_json().encode()


def fingerprint(data: MarketData) -> str:
    return hashlib.sha256(b"\0".join(chunks(data))).hexdigest()


@pytest.fixture(scope="module")
def feed() -> SimulatedFeed:
    return SimulatedFeed(SETTINGS)


async def test_an_instant_looks_the_same_whatever_was_asked_before(feed: SimulatedFeed):
    first = fingerprint(await feed.gather(NOON, FEW))
    await feed.gather(NOON + timedelta(days=40), ["AAPL", "GME"])
    await feed.gather(NOON - timedelta(days=30), ["SPX"])
    assert fingerprint(await feed.gather(NOON, reversed(FEW))) == first
    fresh = SimulatedFeed(SETTINGS)
    await fresh.gather(NOON, ["TSLA", "GME"])
    assert fingerprint(await fresh.gather(NOON, FEW)) == first


def test_another_process_sees_the_same_bytes():
    program = (
        f"import asyncio, importlib.util as u;"
        f"s = u.spec_from_file_location('t', {__file__!r}); m = u.module_from_spec(s);"
        "s.loader.exec_module(m);"
        "print(m.fingerprint(asyncio.run(m.SimulatedFeed(m.SETTINGS).gather(m.NOON, m.FEW))))"
    )
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True)
    assert other.stdout.strip() == fingerprint(asyncio.run(SimulatedFeed(SETTINGS).gather(NOON, FEW)))


def test_any_block_of_a_stream_is_drawn_without_those_before_it():
    whole = block(0, 12, 7, "walk")
    assert (block(2, 4, 7, "walk") == whole[8:]).all()
    with pytest.raises(ValueError, match="multiple of 4"):
        block(1, 6, 7, "walk")


async def test_another_seed_is_another_market(feed: SimulatedFeed):
    other = SimulatedFeed(SimulatedSettings(seed=8))
    mine, theirs = await feed.quotes(NOON, ["GME"]), await other.quotes(NOON, ["GME"])
    assert mine["GME"].spot != theirs["GME"].spot


@settings(max_examples=15)
@given(day=st.integers(0, 755), minute=st.integers(0, 390))
async def test_nothing_is_known_before_its_time(feed: SimulatedFeed, day: int, minute: int):
    session = feed._line.day(feed._line.first + day)
    as_of = min(session_open(session) + timedelta(minutes=minute), session_close(session))
    data = await feed.gather(as_of, ["GME", "SPX"])
    limit = to_datetime64(as_of)
    for rows in (*data.bars.values(), *data.series.values()):
        assert (rows.known_at <= limit).all()
        assert (np.diff(rows.day) > np.timedelta64(0, "D")).all()
        assert len(rows) > 250
        assert np.isfinite(rows.value if hasattr(rows, "value") else rows.close).all()
    for record in (*data.posts, *data.headlines, *data.events):
        assert record.known_at <= as_of
    for record in (*data.posts, *data.headlines):
        assert record.published_at <= record.known_at
    for chain in data.chains.values():
        assert chain.as_of == as_of
        assert (chain.expires_at > limit).all()


async def test_closes_appear_with_the_close_and_the_volatility_index_a_quarter_of_an_hour_later(feed: SimulatedFeed):
    day = date(2025, 3, 12)
    last = np.datetime64(day)
    before = await feed.gather(session_close(day) - timedelta(minutes=1), ["GME", "SPX"])
    at = await feed.gather(session_close(day), ["GME", "SPX"])
    assert before.bars["GME"].day[-1] < last
    assert at.bars["GME"].day[-1] == last
    assert at.bars["SPX"].day[-1] < last
    assert at.series["VIX"].day[-1] < last
    assert at.bars["GME"].close[-1] == at.chains["GME"].spot


async def test_quotes_move_within_the_session_and_stay_within_the_bar_that_is_published_later(feed: SimulatedFeed):
    day = date(2025, 3, 12)
    spots = [
        (await feed.quotes(session_open(day) + timedelta(minutes=m), ["GME"]))["GME"].spot for m in range(0, 391, 13)
    ]
    assert len(set(spots)) > 10
    bars = (await feed.gather(session_close(day), ["GME"])).bars["GME"]
    assert bars.low[-1] <= min(spots)
    assert bars.high[-1] >= max(spots)
    assert (bars.open[-1], bars.close[-1]) == (spots[0], spots[-1])
    assert (
        (bars.low <= bars.open) & (bars.open <= bars.high) & (bars.low <= bars.close) & (bars.close <= bars.high)
    ).all()


async def test_spx_and_spy_are_one_market_at_two_scales(feed: SimulatedFeed):
    chains = await feed.quotes(NOON, ["SPX", "SPY"])
    assert chains["SPX"].spot == pytest.approx(10 * chains["SPY"].spot, abs=0.06)


@pytest.mark.parametrize(
    ("as_of", "says"),
    [
        (datetime(2024, 12, 31, 17, tzinfo=UTC), "nothing before 2025-01-02"),
        (datetime(2035, 1, 3, 17, tzinfo=UTC), "calendar ends on"),
        (datetime(2025, 3, 15, 17, tzinfo=UTC), "next session is 2025-03-17"),  # Saturday
        (datetime(2025, 3, 12, 12, tzinfo=UTC), "next session is 2025-03-12"),  # before the open
        (datetime(2025, 3, 12, 20, 0, 1, tzinfo=UTC), "next session is 2025-03-13"),  # a second after the close
        (datetime(2025, 7, 3, 18, tzinfo=UTC), "next session is 2025-07-07"),  # after an early close, before a holiday
    ],
)
async def test_an_instant_without_a_market_is_refused_with_the_next_session(feed: SimulatedFeed, as_of, says: str):
    with pytest.raises(UsageError, match=says):
        await feed.gather(as_of, ["SPY"])
    assert await feed.universe(as_of) == ()


async def test_quotes_on_a_weekend_are_those_of_the_last_close(feed: SimulatedFeed):
    chain = (await feed.quotes(datetime(2025, 3, 15, 17, tzinfo=UTC), ["SPY"]))["SPY"]
    assert chain.as_of == session_close(date(2025, 3, 14))
    with pytest.raises(UsageError):
        await feed.quotes(datetime(2024, 12, 28, 17, tzinfo=UTC), ["SPY"])


async def test_unknown_tickers_are_named_and_none_known_is_an_error(feed: SimulatedFeed):
    data = await feed.gather(NOON, ["SPY", "NOPE"])
    assert data.tickers == ("SPY",)
    assert [(note.code, note.subject) for note in data.notes] == [("unknown_ticker", "NOPE")]
    with pytest.raises(UsageError, match="lists none of NOPE"):
        await feed.gather(NOON, ["NOPE"])


def test_slots_run_through_half_days_weekends_and_both_clock_changes():
    slots = SETTINGS.slots
    at = first_instant(SETTINGS)
    assert at == new_york(date(2025, 1, 2), time(9, 35))
    seen = [at]
    for _ in range(760):
        at = next_slot(at, slots)
        seen.append(at)
    assert seen == sorted(set(seen))
    half = [slot for slot in seen if is_half_day(slot.date())]
    assert half
    assert all(slot < session_close(slot.date()) for slot in half)
    assert next_slot(new_york(date(2025, 3, 7), time(15, 30)), slots) == datetime(2025, 3, 10, 13, 35, tzinfo=UTC)
    assert next_slot(new_york(date(2025, 10, 31), time(20, 0)), slots) == datetime(2025, 11, 3, 14, 35, tzinfo=UTC)
    with pytest.raises(UsageError):
        next_slot(at, ())


async def test_held_contracts_stay_listed_until_they_expire(feed: SimulatedFeed):
    for ticker in ("GME", "QQQ"):
        held: dict[str, np.datetime64] = {}
        for day in range(0, 60, 3):
            session = feed._line.day(feed._line.first + day)
            chain = (await feed.quotes(new_york(session, time(12, 0)), [ticker]))[ticker]
            listed = set(chain.symbol.tolist())
            gone = {s for s, expires in held.items() if s not in listed and expires > to_datetime64(chain.as_of)}
            assert not gone
            held |= dict(zip(chain.symbol.tolist(), chain.expires_at, strict=True))


async def test_generated_names_fill_a_large_universe_without_changing_the_others(feed: SimulatedFeed):
    large = SimulatedFeed(SimulatedSettings(generated=30))
    assert len(await large.universe(NOON)) == len(SETTINGS.names) + 30
    data = await large.gather(NOON, ["SIM001", "SIM030", "SPY"])
    assert all(len(chain) >= 700 for chain in data.chains.values())
    assert data.chains["SPY"].spot == (await feed.quotes(NOON, ["SPY"]))["SPY"].spot


def test_the_configuration_files_load_and_a_misspelt_key_does_not():
    folder = Path(__file__).parents[2] / "config"
    document = yaml.safe_load((folder / "simulated.yaml").read_text())
    assert SimulatedSettings.model_validate(document) == SETTINGS
    with pytest.raises(ValidationError):
        SimulatedSettings.model_validate({**document, "sead": 1})
    feeds = yaml.safe_load((folder / "feeds.yaml").read_text())
    assert CboeSettings.model_validate(feeds["cboe"]) == CboeSettings()
    assert PolymarketSettings.model_validate(feeds["polymarket"]) == PolymarketSettings()
