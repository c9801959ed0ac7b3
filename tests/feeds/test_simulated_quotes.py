"""Simulated chains: no static arbitrage in the model values, none executable in the quotes; ticks and sizes."""

from datetime import date, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.contract import parse_occ
from domain.market import Chain
from domain.sessions import new_york, session_close, session_open
from feeds.simulated import SimulatedFeed, SimulatedSettings
from feeds.simulated.quotes import Theory, theory
from feeds.simulated.smile import Surface, atm_variance, risk_reversal, total_variance, variance_swap_vol

DAYS = (date(2025, 1, 2), date(2025, 4, 17), date(2025, 6, 20), date(2026, 11, 27))
TICKERS = ("AMD", "GME", "IWM", "KO", "META", "SPX", "SPY", "XOM")


@pytest.fixture(scope="module")
def feed() -> SimulatedFeed:
    return SimulatedFeed(SimulatedSettings())


@pytest.fixture(scope="module", params=DAYS, ids=str)
async def chains(request: pytest.FixtureRequest, feed: SimulatedFeed) -> dict[str, Chain]:
    return dict(await feed.quotes(new_york(request.param, time(11, 0)), TICKERS))


def model_of(feed: SimulatedFeed, chain: Chain) -> Theory:
    """Model values of the very contracts of `chain`."""
    index = feed._line.position(chain.as_of.date())
    day = chain.as_of.date()
    elapsed = (chain.as_of - session_open(day)) / (session_close(day) - session_open(day))
    listed = feed._board(chain.ticker, index).listing
    alive = np.isin(listed.symbol, chain.symbol)
    part = type(listed)(**{name: getattr(listed, name)[alive] for name in listed.__dataclass_fields__})
    return theory(
        feed._path(chain.ticker),
        feed._line,
        index,
        as_of=chain.as_of,
        elapsed=elapsed,
        curve_row=feed._curve[index - 1],
        listed=part,
        settings=feed.settings,
    )


def test_bids_lie_below_asks_around_the_model_value_on_the_tick_grid(chains: dict[str, Chain], feed: SimulatedFeed):
    for ticker, chain in chains.items():
        value = model_of(feed, chain).mid
        assert (chain.bid >= 0).all()
        assert (chain.bid < chain.ask).all()
        assert (chain.bid <= value + 1e-9).all()
        assert (chain.ask >= value - 1e-9).all()
        large = {"SPX": 0.10, "SPY": 0.01, "IWM": 0.01}.get(ticker, 0.05)
        for side in (chain.bid, chain.ask):
            ticks = side / np.where(value < 3.0, {"SPX": 0.05}.get(ticker, 0.01), large)
            assert np.abs(ticks - np.round(ticks)).max() < 1e-6
        assert (chain.ask_size >= 1).all()
        assert ((chain.bid_size > 0) == (chain.bid > 0)).all()


def test_spreads_widen_into_the_wings(chains: dict[str, Chain]):
    compared = 0
    for chain in chains.values():
        middle = (chain.bid + chain.ask) / 2
        share = (chain.ask - chain.bid) / middle
        depth = np.abs(np.log(chain.strike / chain.spot))
        outside = chain.is_call == (chain.strike > chain.spot)
        near, far = share[outside & (depth < 0.03)], share[outside & (depth > 0.15)]
        if min(len(near), len(far)) > 5:  # a cheap stock has few strikes this near
            assert np.median(far) > 2 * np.median(near)
            compared += 1
    assert compared >= 5


def test_european_values_obey_parity_convexity_and_the_calendar(feed: SimulatedFeed, chains: dict[str, Chain]):
    chain = chains["SPX"]
    model = model_of(feed, chain)
    calls, puts = chain.is_call, ~chain.is_call
    parity = model.mid[calls] - model.mid[puts] - model.discount[calls] * (model.forward - chain.strike)[calls]
    assert np.abs(parity).max() < 1e-8 * chain.spot
    groups = [
        (root, expiry) for root, expiry in sorted(set(zip(chain.root.tolist(), chain.expiry.tolist(), strict=True)))
    ]
    for root, expiry in groups:
        rows = calls & (chain.root == root) & (chain.expiry == np.datetime64(expiry))
        slopes = np.diff(model.mid[rows]) / np.diff(chain.strike[rows])
        assert (slopes >= -model.discount[rows][0] - 1e-9).all()
        assert (slopes <= 1e-9).all()
        assert (np.diff(slopes) >= -1e-9).all()
    levels = np.linspace(-0.3, 0.3, 61)
    order = np.argsort(model.tau[calls], kind="stable")
    # At fixed log-moneyness total variance may only rise with time.
    tau = model.tau[calls][order]
    _, first = np.unique(tau, return_index=True)
    variance = []
    for row in np.flatnonzero(calls)[order][first]:
        same = calls & (chain.expires_at == chain.expires_at[row])
        k = np.log(chain.strike[same] / model.forward[same])
        variance.append(np.interp(levels, k, model.vol[same] ** 2 * model.tau[same], left=np.nan, right=np.nan))
    assert (np.nan_to_num(np.diff(np.array(variance), axis=0), nan=1.0) > -1e-5).all()


def test_no_quoted_butterfly_or_parity_arbitrage_can_be_executed(chains: dict[str, Chain]):
    for chain in chains.values():
        for expiry in np.unique(chain.expires_at):
            for side in (chain.is_call, ~chain.is_call):
                rows = np.flatnonzero(side & (chain.expires_at == expiry))
                strike, bid, ask = chain.strike[rows], chain.bid[rows], chain.ask[rows]
                share = (strike[2:] - strike[1:-1]) / (strike[2:] - strike[:-2])
                cost = share * ask[:-2] + (1 - share) * ask[2:] - bid[1:-1]
                assert (cost > -1e-9).all()


def test_american_style_contracts_are_not_offered_below_exercise_value(chains: dict[str, Chain]):
    for ticker, chain in chains.items():
        exercise = np.where(chain.is_call, chain.spot - chain.strike, chain.strike - chain.spot)
        if ticker != "SPX":
            assert (chain.ask >= exercise - 1e-9).all()
        assert (chain.european == (ticker == "SPX")).all()


def test_symbols_say_what_the_columns_say(chains: dict[str, Chain]):
    chain = chains["SPX"]
    assert set(chain.root) == {"SPX", "SPXW"}
    assert (chain.am_settled == (chain.root == "SPX")).all()
    assert len(set(chain.symbol.tolist())) == len(chain)
    for row in range(0, len(chain), 97):
        parts = parse_occ(str(chain.symbol[row]))
        assert (parts.root, float(parts.strike)) == (chain.root[row], chain.strike[row])
        assert np.datetime64(parts.expiry) == chain.expiry[row]
        assert (parts.right == "call") == chain.is_call[row]


def test_open_interest_gathers_at_round_strikes_and_monthly_expiries(feed: SimulatedFeed, chains: dict[str, Chain]):
    chain = chains["SPY"]
    near = np.abs(chain.strike / chain.spot - 1) < 0.08
    round_ = np.remainder(chain.strike, 10) == 0
    assert chain.open_interest[near & round_].mean() > 2 * chain.open_interest[near & ~round_].mean()
    listed = feed._board("SPY", feed._line.position(chain.as_of.date())).listing
    monthly = set(listed.symbol[listed.monthly].tolist())
    is_monthly = np.array([symbol in monthly for symbol in chain.symbol.tolist()])
    assert chain.open_interest[near & is_monthly].mean() > 2 * chain.open_interest[near & ~is_monthly].mean()


async def test_volume_only_grows_through_a_session_and_ends_at_the_days_total(feed: SimulatedFeed):
    day = date(2025, 4, 17)
    before = None
    for minutes in (0, 1, 60, 200, 389, 390):
        chain = (await feed.quotes(session_open(day) + timedelta(minutes=minutes), ["AMD"]))["AMD"]
        if before is not None:
            kept = dict(zip(before.symbol.tolist(), before.volume, strict=True))
            assert all(
                volume >= kept[symbol] for symbol, volume in zip(chain.symbol.tolist(), chain.volume, strict=True)
            )
        before = chain
    data = await feed.gather(new_york(date(2025, 4, 21), time(9, 35)), ["AMD"])
    board = feed._board("AMD", feed._line.position(day))
    calls = board.activity.volume[board.listing.is_call].sum()
    assert data.series["volume.call.AMD"].value[-1] == pytest.approx(calls)


@settings(max_examples=60)
@given(
    level=st.floats(-0.6, 0.8),
    slope=st.floats(-0.4, 0.6),
    rho=st.floats(-0.95, 0.95),
    eta=st.floats(0.1, 1.0),
    vol=st.floats(0.1, 0.8),
)
def test_the_surface_has_no_butterfly_and_no_calendar_arbitrage(level, slope, rho, eta, vol):
    surface = Surface(vol=vol, level=level, slope=slope, rho=rho, eta=eta)
    tau = np.array([1 / 365, 7 / 365, 30 / 365, 0.25, 0.5, 1.0])
    theta = atm_variance(surface, tau)
    k = np.linspace(-1.5, 1.5, 1201)
    w = np.array([total_variance(surface, theta[i], k) for i in range(len(tau))])
    assert (np.diff(w, axis=0) >= -1e-12).all()
    step = k[1] - k[0]
    slope_k, bend = np.gradient(w, step, axis=1), np.gradient(np.gradient(w, step, axis=1), step, axis=1)
    density = (1 - k * slope_k / (2 * w)) ** 2 - slope_k**2 / 4 * (1 / w + 0.25) + bend / 2  # Durrleman's g
    # Finite differences blur the sharp vertex of very short smiles; from a month on they are exact enough.
    assert (density[2:, 3:-3] > -1e-3).all()


def test_a_flat_smile_has_no_skew_and_its_variance_swap_is_its_volatility():
    flat = Surface(vol=0.2, level=0.0, slope=0.0, rho=0.0, eta=1e-6)
    theta = atm_variance(flat, 30 / 365)
    assert theta == pytest.approx(0.04 * 30 / 365)
    assert risk_reversal(flat, theta, 30 / 365) == pytest.approx(0.0, abs=1e-9)
    assert variance_swap_vol(flat, np.array([theta]), 30 / 365) == pytest.approx([0.2], rel=1e-6)
