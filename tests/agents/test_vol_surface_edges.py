"""Residuals, parity and the premium as a series; votes that a poor fit takes away; events taken out of the curve."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from agents.vol_surface import VolSurface
from domain.market import CalendarEvent
from options.events import without_events
from tests.options.made_chain import made_chain
from tests.support.analyst_cases import AS_OF, bars, context, on_its_surface, read, series, signal_settings, snapshot

DTES = (4, 11, 18, 25, 32, 46, 74, 109)
KNOWN = {"events_known": frozenset({"XYZ"})}
CALM = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.002, 400)))


def chain(**changes):
    return made_chain(**{"dtes": DTES, "reach": 0.5, **changes})


def row_of(priced, *, piece, strike, call):
    rows = priced.slices[piece].rows
    found = rows[(priced.chain.strike[rows] == strike) & (priced.chain.is_call[rows] == call)]
    return int(found[0])


def asked(priced, **market):
    return read(VolSurface(), snapshot(**{**KNOWN, **market}), context(priced))


# Surface residuals


def test_rich_and_cheap_strikes_are_named_with_points_and_spreads_and_the_larger_side_speaks():
    priced = chain()
    rich, cheap = row_of(priced, piece=4, strike=95.0, call=False), row_of(priced, piece=4, strike=105.0, call=True)
    found = asked(on_its_surface(priced, **{f"row{rich}": 1.9, f"row{cheap}": -0.8}))[0]["surface_residual"]
    figures = found.metadata
    assert found.direction == "bearish"
    assert 0 < found.conviction <= signal_settings().vol.residual.cap
    assert figures["rich_strikes"] == (f"{priced.chain.symbol[rich]} +1.90 vol points, +1.90 spreads from the fit",)
    assert figures["cheap_strikes"] == (f"{priced.chain.symbol[cheap]} -0.80 vol points, -0.80 spreads from the fit",)
    gain = (0.014 * priced.vega[rich] - 0.0065) + (0.003 * priced.vega[cheap] - 0.0065)
    assert figures["gain_after_fees_usd_per_share"] == pytest.approx(gain)
    assert (figures["mispriced_strikes"], figures["largest_residual_vol_points"]) == (2, 1.9)


def test_quotes_that_contain_the_fit_are_no_edge_and_neither_is_a_miss_that_the_fee_eats():
    priced = chain()
    row = row_of(priced, piece=0, strike=92.5, call=False)
    for by in (0.4, 0.51):
        found = asked(on_its_surface(priced, **{f"row{row}": by}))[0]["surface_residual"]
        assert (found.direction, found.conviction, found.metadata["mispriced_strikes"]) == ("neutral", 0.0, 0)
        assert found.metadata["quotes_judged"] > 50


@pytest.mark.parametrize("thin", ["interest", "delta", "spread"])
def test_a_thin_quote_is_no_edge(thin):
    priced = chain()
    row = row_of(priced, piece=4, strike=95.0 if thin != "delta" else 77.5, call=False)
    made = on_its_surface(priced, **{f"row{row}": 1.9})
    if thin == "interest":
        held = np.where(np.arange(len(priced.chain)) == row, 10.0, 1000.0)
        made = replace(made, chain=replace(made.chain, open_interest=held))
    if thin == "spread":
        wide = replace(made.surface.residuals, spreads=made.surface.residuals.vol_points / 3.0)
        made = replace(made, surface=replace(made.surface, residuals=wide))
    assert asked(made)[0]["surface_residual"].metadata["mispriced_strikes"] == 0


def test_a_barely_missed_quote_is_named_without_a_vote_and_the_money_side_of_the_fit_is_not_judged():
    priced = chain()
    row, inside = row_of(priced, piece=4, strike=95.0, call=False), row_of(priced, piece=4, strike=90.0, call=True)
    found = asked(on_its_surface(priced, **{f"row{row}": 0.7, f"row{inside}": 1.9}))[0]["surface_residual"]
    assert (found.direction, found.conviction, found.metadata["mispriced_strikes"]) == ("neutral", 0.0, 1)


def test_an_expiry_whose_quotes_the_fit_misses_in_numbers_has_no_edge():
    priced = chain()
    row = row_of(priced, piece=4, strike=95.0, call=False)
    made = on_its_surface(priced, **{f"row{row}": 1.9})
    loose = made.slices[4].smile.quality._replace(inside_share=0.6)
    pieces = list(made.slices)
    pieces[4] = replace(pieces[4], smile=replace(pieces[4].smile, quality=loose))
    figures = asked(replace(made, slices=tuple(pieces)))[0]["surface_residual"].metadata
    assert figures["mispriced_strikes"] == 0
    assert figures["expiries_left_out_for_their_fit"] == (str(pieces[4].expiry),)


# Poor fits


def poorly(priced, *places):
    def spoilt(at, piece):
        if at not in places:
            return piece
        worse = piece.smile.quality._replace(
            rmse_vol_points=2.5, inside_share=0.1, quotes=7, poor=True, reason="misses its quotes"
        )
        return replace(piece, smile=replace(piece.smile, quality=worse))

    return replace(priced, slices=tuple(spoilt(at, piece) for at, piece in enumerate(priced.slices)))


def test_a_poor_fit_removes_exactly_the_votes_that_rest_on_it():
    market = {
        "series": [
            series("iv30.XYZ", np.linspace(0.1, 0.205, 252)),
            series("skew25.XYZ", np.linspace(-0.4, -0.01, 252)),
        ],
        "bars": [bars("XYZ", CALM)],
    }
    sound, _ = asked(on_its_surface(chain()), **market)
    assert {"iv_rich", "skew_calls_rich", "variance_premium"} <= set(sound)
    at_thirty, abstained = asked(on_its_surface(poorly(chain(), 3)), **market)  # the expiry of 25 days
    assert set(at_thirty) == {"surface_residual", "parity_arbitrage"}
    poor = [item for item in abstained if item.code == "poor_fit"]
    assert {item.detail.split(":")[0] for item in poor} == {"IV rank", "skew", "term structure", "variance premium"}
    assert poor[0].numbers == {"rmse_vol_points": 2.5, "inside_share": 0.1, "quotes": 7.0}
    assert "misses its quotes" in poor[0].detail
    far_only, abstained = asked(on_its_surface(poorly(chain(), 7)), **market)  # of 109 days: only the slope needs it
    assert "iv_rich" in far_only
    assert [item.detail.split(":")[0] for item in abstained if item.code == "poor_fit"] == ["term structure"]


def test_residuals_of_poor_expiries_do_not_count_and_without_a_good_one_the_edge_abstains():
    priced = chain()
    row = row_of(priced, piece=4, strike=95.0, call=False)
    one = asked(poorly(on_its_surface(priced, **{f"row{row}": 1.9}), 4))[0]["surface_residual"].metadata
    assert (one["mispriced_strikes"], one["expiries_left_out_for_their_fit"]) == (0, (str(priced.slices[4].expiry),))
    _, abstained = asked(poorly(on_its_surface(priced), *range(len(DTES))))
    assert ("poor_fit", "surface residuals") in {(item.code, item.detail.split(":")[0]) for item in abstained}


# Parity


def test_a_locked_profit_is_published_with_its_legs_and_takes_no_side():
    priced = on_its_surface(chain(european=True))
    row = row_of(priced, piece=0, strike=100.0, call=True)
    bid, ask = priced.chain.bid.copy(), priced.chain.ask.copy()
    bid[row] += 0.05
    ask[row] += 0.05
    found = asked(replace(priced, chain=replace(priced.chain, bid=bid, ask=ask)))[0]["parity_arbitrage"]
    assert (found.direction, found.conviction > 0) == ("neutral", True)
    assert found.conviction <= signal_settings().vol.arbitrage.cap
    assert found.metadata["found"][0].startswith(f"conversion XYZ {priced.slices[0].expiry} 100: ")
    assert found.metadata["best_profit_usd_per_unit"] > 0
    quiet = asked(priced)[0]["parity_arbitrage"]
    assert (quiet.conviction, quiet.metadata["found"], quiet.metadata["boxes_judged"] > 1000) == (0.0, (), True)


def test_a_chain_that_is_not_one_instant_has_no_arbitrage():
    priced = on_its_surface(chain(european=True))
    bid, ask = priced.chain.bid.copy(), priced.chain.ask.copy()
    for strike in (85.0, 100.0, 115.0):
        for piece in (3, 4, 5):
            row = row_of(priced, piece=piece, strike=strike, call=True)
            bid[row] += 1.0
            ask[row] += 1.0
    _, abstained = asked(replace(priced, chain=replace(priced.chain, bid=bid, ask=ask)))
    refused = next(item for item in abstained if item.code == "asynchronous_quotes")
    assert refused.numbers["stale_strikes"] >= 5
    guessed = replace(priced, slices=tuple(replace(piece, forward_source="curve") for piece in priced.slices))
    assert "no_parity" in {item.code for item in asked(guessed)[1]}


# The premium as a series


@pytest.mark.parametrize(
    ("low", "high", "side"), [(0.02, 0.19, "bearish"), (0.21, 0.5, "bullish"), (0.05, 0.35, "neutral")]
)
def test_the_premium_speaks_in_the_tails_of_its_own_series(low, high, side):
    market = {"series": [series("iv30.XYZ", np.linspace(low, high, 252))], "bars": [bars("XYZ", CALM)]}
    found = asked(on_its_surface(chain()), **market)[0]["variance_premium"]
    figures = found.metadata
    assert found.direction == side
    assert figures["judged_by"] == "its own series"
    assert 0 <= figures["variance_premium_percentile"] <= 1
    assert (figures["variance_premium_z_score"] > 0) == (
        figures["variance_premium_decimal2"] > figures["variance_premium_mean_decimal2"]
    )
    assert figures["variance_premium_series_days"] == 252
    assert "series:iv30.XYZ" in figures["evidence"]


def test_the_butterfly_has_a_percentile_where_it_has_a_series():
    past = [series("skew25.XYZ", np.linspace(-0.4, 0.1, 252)), series("butterfly25.XYZ", np.linspace(0.5, 1.0, 252))]
    assert asked(on_its_surface(chain()), series=past)[0]["skew_calls_rich"].metadata["butterfly_percentile"] == 0.0
    alone = asked(on_its_surface(chain()), series=past[:1])[0]["skew_calls_rich"].metadata
    assert alone["butterfly_percentile"] is None


# Events


def reporting(days, **more):
    event = CalendarEvent(
        kind="earnings", ticker="XYZ", at=AS_OF + timedelta(days=days), known_at=AS_OF - timedelta(days=9)
    )
    return {"events": (event, *more.pop("also", ())), **more}


def with_jump(priced, days, move):
    """The chain with a report's variance in every expiry after it: the reverse of taking it out."""
    at = AS_OF + timedelta(days=days)

    def loaded(piece):
        return (
            piece if piece.expires_at <= at else replace(piece, atm_vol=np.sqrt(piece.atm_vol**2 + move**2 / piece.tau))
        )

    return replace(priced, slices=tuple(loaded(piece) for piece in priced.slices))


def test_level_term_and_premium_are_read_without_the_report_and_say_so():
    history = {"series": [series("iv30.XYZ", np.linspace(0.1, 0.205, 252))], "bars": [bars("XYZ", CALM)]}
    calm, _ = asked(on_its_surface(chain()), **history)
    loaded = on_its_surface(with_jump(chain(), 14, 0.06))
    found, _ = asked(loaded, **history, **reporting(14))
    for edge in ("iv_rich", "variance_premium"):
        assert found[edge].conviction == pytest.approx(calm[edge].conviction, rel=0.02)
        assert found[edge].metadata["iv_is_event_free"] is True
    figures = found["iv_rich"].metadata
    assert figures["implied_event_move_decimal"] == pytest.approx(0.06, rel=0.02)
    assert figures["expected_absolute_event_move_decimal"] == pytest.approx(0.06 * np.sqrt(2 / np.pi), rel=0.02)
    assert figures["atm_iv_30d_decimal"] == pytest.approx(0.2, abs=0.005)
    assert figures["expiries_over_earnings"] == tuple(str(piece.expiry) for piece in chain().slices[2:])
    assert abs(found["term_contango"].metadata["term_slope_decimal"] if "term_contango" in found else 0.0) < 0.03
    naive, _ = asked(loaded, **history)
    assert naive["iv_rich"].metadata["atm_iv_30d_decimal"] > 0.25


def test_a_report_that_cannot_be_taken_out_discounts_and_says_why():
    history = {"series": [series("iv30.XYZ", np.linspace(0.1, 0.205, 252))]}
    calm = asked(on_its_surface(chain()), **history)[0]["iv_rich"]
    flat = asked(on_its_surface(chain()), **history, **reporting(14))[0]["iv_rich"]
    assert flat.conviction == pytest.approx(calm.conviction / 2)
    assert flat.metadata["event_move_refused"].startswith("no_event_variance")
    rough = with_jump(chain(), 14, 0.06)
    blurred = replace(rough, iv=rough.iv + np.where(np.arange(len(rough.iv)) % 2, 0.05, -0.05))
    doubtful = asked(on_its_surface(blurred), **history, **reporting(14))[0]["iv_rich"]
    assert doubtful.metadata["event_move_refused"].startswith("uncertain")
    assert doubtful.metadata["iv_is_event_free"] is False


def test_two_known_reports_are_taken_out_one_after_the_other():
    late = CalendarEvent(
        kind="earnings", ticker="XYZ", at=AS_OF + timedelta(days=60), known_at=AS_OF - timedelta(days=9)
    )
    priced = with_jump(with_jump(chain(), 14, 0.06), 60, 0.05)
    found, _ = asked(on_its_surface(priced), **reporting(14, also=(late,)))
    slope = next(item for edge, item in found.items() if edge.startswith("term"))
    assert slope.metadata["iv_is_event_free"] is True
    assert slope.metadata["atm_iv_90d_decimal"] == pytest.approx(0.2, abs=0.01)
    assert without_events(priced, []).slices[0].atm_vol == priced.slices[0].atm_vol


def test_the_fee_is_the_one_that_orders_pay():
    strategies = yaml.safe_load((Path(__file__).parents[2] / "config" / "strategies.yaml").read_text(encoding="utf-8"))
    assert signal_settings().vol.fee_per_contract == float(strategies["legs"].get("fee_per_contract", 0.65))
