"""The planted stories can be read off the raw numbers, week after week."""

from datetime import date, time, timedelta

import numpy as np
import pytest

from domain.market import MarketData, iv30, mentions, option_volume, skew25
from domain.sessions import new_york
from feeds.simulated import SimulatedFeed, SimulatedSettings, Story, next_slot, planted, story_of
from feeds.simulated.events import SCRIPT, stress

SETTINGS = SimulatedSettings()
WEDNESDAYS = (date(2025, 1, 8), date(2025, 5, 14), date(2025, 10, 22), date(2026, 6, 17))


@pytest.fixture(scope="module")
def feed() -> SimulatedFeed:
    return SimulatedFeed(SETTINGS)


@pytest.fixture(scope="module", params=WEDNESDAYS, ids=str)
async def week(request: pytest.FixtureRequest, feed: SimulatedFeed) -> tuple[MarketData, dict[Story, str]]:
    """Wednesday's noon picture of all names that live a story."""
    stories = {story: tickers[0] for story, tickers in planted(request.param, SETTINGS).items()}
    return await feed.gather(new_york(request.param, time(12, 0)), sorted({*stories.values(), "SPX"})), stories


def rank(values: np.ndarray) -> float:
    year = values[-252:]
    return float((year[-1] - year.min()) / (year.max() - year.min()))


def front_and_back(data: MarketData, ticker: str) -> tuple[float, float]:
    """At-the-money vendor volatility near 2 weeks and near half a year."""
    chain = data.chains[ticker]
    days = (chain.expiry - np.datetime64(data.as_of.date())).astype(int)
    found = []
    for target in (12, 170):
        expiry = chain.expiry[np.abs(days - target).argmin()]
        rows = chain.expiry == expiry
        found.append(float(chain.vendor_iv[rows][np.abs(chain.strike[rows] - chain.spot).argmin()]))
    return found[0], found[1]


def test_thirteen_names_show_every_story_in_every_week(week: tuple[MarketData, dict[Story, str]]):
    assert set(week[1]) == set(Story) - {Story.QUIET}
    assert sum(sum(w.drift) for w in SCRIPT) == pytest.approx(0.0, abs=1e-12)


def test_rich_and_cheap_volatility_stand_at_the_ends_of_their_year(week: tuple[MarketData, dict[Story, str]]):
    data, stories = week
    assert rank(data.series[iv30(stories[Story.IV_RICH])].value) > 0.85
    assert rank(data.series[iv30(stories[Story.IV_CHEAP])].value) < 0.15


def test_the_skew_story_has_its_most_negative_risk_reversal(week: tuple[MarketData, dict[Story, str]]):
    data, stories = week
    values = data.series[skew25(stories[Story.SKEW_RICH])].value[-252:]
    assert (values[:-1] < values[-1]).mean() < 0.1


def test_backwardation_is_in_the_quotes_of_its_name_and_not_in_the_index(week: tuple[MarketData, dict[Story, str]]):
    data, stories = week
    front, back = front_and_back(data, stories[Story.BACKWARDATION])
    assert front > 1.2 * back
    front, back = front_and_back(data, "SPX")
    assert front < 1.1 * back


def test_the_squeeze_has_a_crowd_and_calls(week: tuple[MarketData, dict[Story, str]]):
    data, stories = week
    ticker = stories[Story.SQUEEZE]
    mentioned = data.series[mentions(ticker)].value
    assert mentioned[-1] > 4 * np.median(mentioned[-40:])
    recent = [post for post in data.posts if post.tickers == (ticker,)][-60:]
    assert len({post.author for post in recent}) > 40
    assert np.mean([post.sentiment for post in recent if post.sentiment is not None]) > 0.3
    chain = data.chains[ticker]
    crowded = chain.is_call & (chain.volume > 2 * chain.open_interest) & (chain.volume > 200)
    assert crowded.sum() >= 3
    assert np.median(chain.strike[crowded]) > 0.97 * chain.spot
    assert data.series[option_volume(ticker, "call")].value[-1] > 3 * np.median(
        data.series[option_volume(ticker, "call")].value[-60:]
    )


@pytest.mark.parametrize("wednesday", [date(2025, 3, 12), date(2025, 5, 14), date(2025, 10, 22)], ids=str)
async def test_the_crowd_of_a_squeeze_comes_days_before_its_price(feed: SimulatedFeed, wednesday: date):
    (ticker, *_) = planted(wednesday, SETTINGS)[Story.SQUEEZE]
    friday, tuesday, end = (wednesday + timedelta(days=days) for days in (-5, -1, 2))
    talking = await feed.gather(new_york(friday, time(15, 30)), [ticker, "SPY"])
    own = [post for post in talking.posts if post.tickers == (ticker,)]
    today = [post for post in own if post.published_at > talking.as_of - timedelta(days=1)]
    before = (len(own) - len(today)) / 7
    assert len(today) > 4 * before
    assert np.mean([post.sentiment for post in today if post.sentiment is not None]) > 0.3
    bars = (await feed.gather(new_york(end, time(16, 0)), [ticker, "SPY"])).bars[ticker]
    close = dict(zip(bars.day.tolist(), bars.close.tolist(), strict=True))
    quiet = abs(np.log(close[tuesday] / close[friday]))
    assert np.log(close[end] / close[tuesday]) > max(0.08, 3 * quiet)


def test_trends_are_steady_and_opposed(week: tuple[MarketData, dict[Story, str]]):
    data, stories = week
    for story, sign in ((Story.TREND_UP, 1), (Story.TREND_DOWN, -1)):
        moves = np.diff(np.log(data.bars[stories[story]].close[-8:]))
        assert sign * moves.sum() > 0.01


def test_the_put_call_story_trades_puts(week: tuple[MarketData, dict[Story, str]]):
    data, stories = week
    ticker = stories[Story.PUT_CALL_EXTREME]
    ratio = data.series[option_volume(ticker, "put")].value / data.series[option_volume(ticker, "call")].value
    assert (ratio[-252:-1] < ratio[-1]).mean() > 0.9


def test_a_report_is_on_the_calendar_before_its_volatility_is(week: tuple[MarketData, dict[Story, str]]):
    data, stories = week
    for ticker in stories.values():
        ahead = [
            event
            for event in data.events
            if event.ticker == ticker and event.kind == "earnings" and event.at > data.as_of
        ]
        assert ahead
    reporting = [e for e in data.events if e.ticker == stories[Story.BACKWARDATION] and e.kind == "earnings"]
    assert any(timedelta(0) < event.at - data.as_of < timedelta(days=3) for event in reporting)
    assert {"fomc", "cpi"} <= {event.kind for event in data.events}
    assert "" in data.events_known


def test_dividends_are_announced_with_an_amount_that_matches_the_yield(week: tuple[MarketData, dict[Story, str]]):
    data, _ = week
    for event in data.events:
        if event.kind == "ex_dividend":
            assert event.amount is not None
            name = next(name for name in SETTINGS.names if name.ticker == event.ticker)
            assert 0 < event.amount < name.dividend_yield * data.chains[name.ticker].spot


def test_volatility_indices_agree_with_the_index_surface(week: tuple[MarketData, dict[Story, str]]):
    series = week[0].series
    vix, atm = series["VIX"], series[iv30("SPX")]
    shared = np.isin(atm.day, vix.day)
    spread = vix.value[-100:] / 100 - atm.value[shared][-100:]
    assert (spread > 0).all()
    assert (spread < 0.06).all()
    assert np.corrcoef(vix.value[-100:], atm.value[shared][-100:])[0, 1] > 0.95
    assert vix.value.min() > 9
    assert vix.value.max() < 80
    assert np.std(np.diff(vix.value)) > 0.1
    assert (vix.value[:-1] > vix.value[1:]).any(), "a volatility index that only grows is a fault"


async def test_a_stress_week_inverts_the_volatility_curve(feed: SimulatedFeed):
    days = feed._line.days
    chosen = next(day.astype(object) for day in days[feed._line.first :][stress(days[feed._line.first :], SETTINGS)])
    thursday = chosen + timedelta(days=3 - chosen.weekday())
    series = (await feed.gather(new_york(thursday, time(12, 0)), ["SPX"])).series
    assert series["VIX"].value[-1] > 1.2 * np.median(series["VIX"].value[-60:])
    assert series["VIX"].value[-1] > series["VIX3M"].value[-1]


async def test_posts_of_a_name_average_to_its_mood_and_match_the_counts(feed: SimulatedFeed):
    at = new_york(date(2025, 5, 14), time(12, 0))
    data = await feed.gather(at, ["TSLA"])
    counted = dict(zip(data.series[mentions("TSLA")].day.tolist(), data.series[mentions("TSLA")].value, strict=True))
    for day in (date(2025, 5, 10), date(2025, 5, 13)):
        assert sum(post.published_at.date() == day for post in data.posts) == counted[day]
    assert [post.published_at for post in data.posts] == sorted(post.published_at for post in data.posts)
    assert len({post.id for post in data.posts}) == len(data.posts)


async def test_a_week_plays_slot_by_slot(feed: SimulatedFeed):
    at = new_york(date(2025, 1, 13), time(9, 35))
    seen = []
    while at < new_york(date(2025, 1, 18), time(9, 35)):
        data = await feed.gather(at, ["GME", "SPY"])
        assert set(data.chains) == {"GME", "SPY"}
        seen.append((at, data.chains["GME"].spot))
        at = next_slot(at, SETTINGS.slots)
    assert len(seen) == 15
    assert len({spot for _, spot in seen}) > 10


def test_indices_have_no_story():
    spy = next(name for name in SETTINGS.names if name.ticker == "SPY")
    assert all(
        story_of(spy, date(2025, 1, 1) + timedelta(days=7 * week), SETTINGS) is Story.QUIET for week in range(30)
    )
