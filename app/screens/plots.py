"""The pictures of one chain: smiles against their quotes, surface, density, dealers' gamma, term structure."""

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.services.chain import ChainView
from app.services.chain_tables import SIGNS, fit, smile
from domain.errors import UsageError
from domain.sessions import NEW_YORK
from domain.units import DAYS_PER_YEAR, Floats
from options.exposure import gamma_profile, walls, zero_gamma
from options.measures import forward_vol
from options.priced import ExpirySlice, PricedChain, Smile
from options.smile import smile_cdf
from options.surface import VolSurface

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, PALE = "#22303c", "#8795a1", "#d5dce2"
BLUE, TEAL, AMBER, RED = "#2c6e9b", "#2a8f83", "#d98e32", "#b23a48"
SMILE_DAYS = (7.0, 30.0, 60.0, 91.0, 182.0, 365.0)
BAND = 0.05  # delta: what lies further out may leave the strip of misses
REACH = 3.0  # standard deviations that smiles and surface show
SPOT_REACH = (0.08, 0.25)  # of spot on either side in the gamma profile: three deviations of a month, at least and most
STYLE: Any = {
    "font.size": 8.5, "axes.titlesize": 9, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.edgecolor": GREY, "axes.labelcolor": INK, "text.color": INK, "xtick.color": GREY, "ytick.color": GREY,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": PALE, "grid.linewidth": 0.5, "axes.axisbelow": True, "legend.frameon": False,
    "legend.fontsize": 7.5, "svg.hashsalt": "optiondesk", "pdf.fonttype": 42,
}  # fmt: skip


def save_pictures(view: ChainView, chosen: ExpirySlice, path: Path) -> None:
    """Draw all pictures as one figure and write it to `path` (.png, .svg, .pdf); equal chains give equal bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    priced = view.priced
    with rc_context(STYLE):
        spacing = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06, wspace=0.02, hspace=0.03)
        figure = Figure(figsize=(15.5, 11.0), dpi=120, layout=spacing)
        grid = figure.add_gridspec(3, 12, height_ratios=(1.0, 1.0, 1.05))
        for at, piece in enumerate(_spread_out(priced, chosen)):
            row, column = divmod(at, 3)
            cell = grid[row, 3 * column : 3 * column + 3].subgridspec(2, 1, height_ratios=(2.4, 1.0), hspace=0.0)
            upper = figure.add_subplot(cell[0])
            lower = figure.add_subplot(cell[1], sharex=upper)
            _smile(upper, lower, priced, piece, labels=column == 0, legend=at == 0)
        _surface(figure.add_subplot(grid[0:2, 9:12]), priced)
        _density(figure.add_subplot(grid[2, 0:4]), priced, chosen)
        _gamma(figure.add_subplot(grid[2, 4:8]), view)
        _term(figure.add_subplot(grid[2, 8:12]), view)
        local = priced.chain.as_of.astimezone(NEW_YORK)
        figure.suptitle(
            f"{priced.ticker} options, {local:%a %d %b %Y %H:%M} New York    spot {priced.spot:,.2f}    "
            f"{int(priced.good.sum()):,} of {len(priced.chain):,} quotes good",
            x=0.008, ha="left", fontsize=13, fontweight="bold",
        )  # fmt: skip
        _settle(figure)
        dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(path, metadata=dateless.get(path.suffix.lower().lstrip(".")))


def _settle(figure: "Figure") -> None:
    """Lay out once and round: the solver's last digits differ from run to run, and an .svg would show them."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(edge, 5) for edge in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def _smile(
    upper: "Axes", lower: "Axes", priced: PricedChain, piece: ExpirySlice, *, labels: bool, legend: bool
) -> None:
    """The smile over its quotes, and below it the quotes as seen from the fit, in vol points."""
    table, curve = smile(priced, piece), _smile_of(piece)
    width = piece.atm_vol * np.sqrt(piece.tau)
    near = (np.abs(table["k"]) <= REACH * width) & table["good"]
    strike, low, high = table["strike"][near], 100 * table["iv_bid"][near], 100 * table["iv_ask"][near]
    calls, odd, fitted = table["is_call"][near], table["mispriced"][near], 100 * table["iv_fit"][near]
    for side, colour, name in ((~calls, BLUE, "put, bid to ask"), (calls, TEAL, "call, bid to ask")):
        upper.vlines(strike[side], low[side], high[side], color=colour, linewidth=1.1, label=name)
        lower.vlines(strike[side], (low - fitted)[side], (high - fitted)[side], color=colour, linewidth=1.1)
    k = np.linspace(-REACH * width, REACH * width, 241)
    if near.any():
        k = k[(k >= table["k"][near].min()) & (k <= table["k"][near].max())]
    upper.plot(piece.forward * np.exp(k), 100 * curve.vol(k), color=INK, linewidth=1.0, label="fit")
    lower.axhline(0.0, color=INK, linewidth=1.0)
    if odd.any():
        missed = 100 * table["iv_mid"][near][odd]
        upper.plot(strike[odd], missed, "o", color=RED, markersize=1.8, label="fit outside the quote")
        lower.plot(strike[odd], missed - fitted[odd], "o", color=RED, markersize=1.8)
    band = np.abs(table["delta"][near]) >= BAND
    misses = np.abs(np.concatenate([(low - fitted)[band], (high - fitted)[band]]))
    if np.isfinite(misses).any() and np.nanmax(misses) > 0:
        lower.set_ylim(-1.2 * np.nanmax(misses), 1.2 * np.nanmax(misses))
    for axes in (upper, lower):
        axes.axvline(piece.forward, color=GREY, linewidth=0.8, linestyle=":")
    found = fit(piece)
    told = (
        ""
        if found["rmse_vol_points"] is None
        else f"RMSE {found['rmse_vol_points']:.3f}, {found['inside_share']:.0%} inside"
    )
    upper.set_title(f"{piece.expiry:%d %b %Y}, {piece.tau * DAYS_PER_YEAR:.0f} d")
    upper.set_title(told, loc="right", fontsize=7.5, fontweight="normal", color=GREY)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("strike, USD; dotted: forward")
    if labels:
        upper.set_ylabel("implied volatility, %")
        lower.set_ylabel("less fit, points")
    if legend:
        upper.legend(loc="upper right")


def _surface(axes: "Axes", priced: PricedChain) -> None:
    surface, pieces = _surface_of(priced), _one_a_date(priced)
    tau = np.geomspace(max(pieces[0].tau, 1 / DAYS_PER_YEAR), pieces[-1].tau, 120 if len(pieces) > 1 else 1)
    z = np.linspace(-REACH, REACH, 121)
    vols = 100 * surface.vol(z * np.sqrt(surface.total_variance(0.0, tau))[:, None], tau[:, None])
    days = tau * DAYS_PER_YEAR
    if len(days) > 1:
        low, high = np.quantile(vols, (0.01, 0.99))
        mesh = axes.pcolormesh(z, days, vols, cmap="cividis", vmin=low, vmax=high, shading="gouraud", rasterized=True)
        lines = axes.contour(z, days, vols, levels=9, colors="white", linewidths=0.6, alpha=0.8)
        axes.clabel(lines, fmt="%.0f", fontsize=7)
        bar = axes.figure.colorbar(mesh, ax=axes, location="right", aspect=60, pad=0.01)
        bar.set_label("implied volatility, %")
        bar.outline.set_visible(False)
    axes.set_yscale("log")
    _day_ticks(axes.yaxis, days)
    axes.set_ylabel("days to expiry")
    axes.set_xlabel("log-moneyness ln(K/F) in standard deviations")
    axes.set_title("Fitted surface")
    axes.grid(visible=False)


def _density(axes: "Axes", priced: PricedChain, piece: ExpirySlice) -> None:
    width = piece.atm_vol * np.sqrt(piece.tau)
    k = np.linspace(-8.0 * width, 5.0 * width, 1_041)
    percent = _surface_of(priced).density(k, piece.tau)  # a share per 1.00 of log return is per cent per 1 %
    below = smile_cdf(_smile_of(piece), k)[0]
    prices, shown = piece.forward * np.exp(k), (below > 0.003) & (below < 0.998)
    middle = (below >= 0.05) & (below <= 0.95)
    axes.plot(prices[shown], percent[shown], color=INK, linewidth=1.2, label="implied by the smile")
    axes.fill_between(
        prices[middle], percent[middle], color=BLUE, alpha=0.18, linewidth=0, label="90 % of the probability"
    )
    normal = np.exp(-0.5 * (k / width + 0.5 * width) ** 2) / np.sqrt(2 * np.pi) / width
    flat = f"lognormal at {piece.atm_vol:.1%}"
    axes.plot(prices[shown], normal[shown], color=GREY, linewidth=1.0, linestyle="--", label=flat)
    axes.axvline(priced.spot, color=AMBER, linewidth=1.0, label=f"spot {priced.spot:,.2f}")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("probability per 1 % of log return, %")
    axes.set_xlabel("price at expiry, USD")
    axes.set_title(f"Risk-neutral density, {piece.expiry:%d %b %Y}")
    axes.legend(loc="upper left")


def _gamma(axes: "Axes", view: ChainView) -> None:
    priced, convention = view.priced, view.settings.flow.gamma_convention
    root = zero_gamma(priced, convention)
    month = min(_one_a_date(priced), key=lambda piece: abs(piece.tau - 30.0 / DAYS_PER_YEAR))
    reach = REACH * month.atm_vol * np.sqrt(30.0 / DAYS_PER_YEAR)
    reach = float(np.clip(reach, SPOT_REACH[0], SPOT_REACH[1]))
    if root is not None:
        reach = max(reach, 1.1 * abs(root / priced.spot - 1))
    spots = priced.spot * np.linspace(1 - reach, 1 + reach, 161)
    usd = gamma_profile(priced, spots, convention)
    unit, name = (1e9, "bn") if np.abs(usd).max() >= 1e9 else (1e6, "m")
    axes.plot(spots, usd / unit, color=INK, linewidth=1.2)
    axes.fill_between(spots, usd / unit, where=(usd >= 0).tolist(), color=TEAL, alpha=0.2, linewidth=0)
    axes.fill_between(spots, usd / unit, where=(usd <= 0).tolist(), color=RED, alpha=0.2, linewidth=0)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlim(spots[0], spots[-1])
    call, put = walls(priced)
    marks = ((priced.spot, "spot", AMBER, "-"), (root, "zero gamma", RED, "-"), (call, "call wall", TEAL, "--"),
             (put, "put wall", BLUE, ":"))  # fmt: skip
    for level, label, colour, dashes in marks:
        if level is not None and spots[0] <= level <= spots[-1]:
            axes.axvline(level, color=colour, linewidth=1.2, linestyle=dashes, label=f"{label} {level:,.2f}")
    told = axes.legend(loc="best", title=SIGNS[convention], title_fontsize=7.5, alignment="left", frameon=True)
    told.get_frame().set(edgecolor="none", alpha=0.85)
    axes.set_ylabel(f"gamma exposure, USD {name} per 1 % move")
    axes.set_xlabel("level of the underlying, USD")
    axes.set_title("Dealers' gamma, re-evaluated at each level")


def _term(axes: "Axes", view: ChainView) -> None:
    priced = view.priced
    pieces = [piece for piece in _one_a_date(priced) if piece.tau * DAYS_PER_YEAR >= 0.9] or _one_a_date(priced)
    days = np.array([piece.tau * DAYS_PER_YEAR for piece in pieces])
    atm = np.array([100 * piece.atm_vol for piece in pieces])
    forward = 100 * np.array([atm[0] / 100, *(forward_vol(a, b) for a, b in pairwise(pieces))])
    axes.step(days, forward, where="pre", color=TEAL, linewidth=1.0, label="forward volatility between expiries")
    axes.plot(days, atm, "o-", color=INK, linewidth=1.0, markersize=3, label="at the money forward")
    for event in view.market.events:
        ahead = (event.at - priced.chain.as_of).total_seconds() / 86_400
        if event.kind == "earnings" and event.ticker == priced.ticker and days[0] / 2 < ahead <= days[-1]:
            _mark(axes, ahead, "earnings", AMBER)
    axes.set_ylim(0.5 * atm.min(), 1.5 * atm.max())  # a forward volatility between near expiries may be any number
    axes.set_xscale("log")
    _day_ticks(axes.xaxis, days)
    axes.set_ylabel("implied volatility, %")
    axes.set_xlabel("days to expiry")
    axes.set_title("Term structure")
    axes.legend(loc="best")


def _spread_out(priced: PricedChain, chosen: ExpirySlice) -> list[ExpirySlice]:
    """Up to six fitted expiries from a week to a year, the chosen one among them, ascending."""

    def apart(piece: ExpirySlice, days: float) -> float:
        return float(abs(np.log(piece.tau * DAYS_PER_YEAR / days)))

    kept = {chosen.expiry: chosen}
    for days in sorted(SMILE_DAYS, key=lambda days: apart(chosen, days))[1:]:
        left = [piece for piece in _one_a_date(priced) if piece.expiry not in kept]
        if left:
            near = min(left, key=lambda piece: apart(piece, days))
            kept[near.expiry] = near
    return sorted(kept.values(), key=lambda piece: piece.tau)


def _one_a_date(priced: PricedChain) -> list[ExpirySlice]:
    """Fitted slices, of several roots on one date the one with most rows, ascending."""
    dated: dict[date, ExpirySlice] = {}
    for piece in priced.slices:
        if piece.smile is not None and (piece.expiry not in dated or len(piece.rows) > len(dated[piece.expiry].rows)):
            dated[piece.expiry] = piece
    return sorted(dated.values(), key=lambda piece: piece.tau)


def _surface_of(priced: PricedChain) -> VolSurface:
    if priced.surface is None:
        raise UsageError(f"No expiry of {priced.ticker} has enough good quotes for a surface.")
    return priced.surface


def _smile_of(piece: ExpirySlice) -> Smile:
    if piece.smile is None:
        raise UsageError(f"The expiry of {piece.expiry} has too few good quotes to draw.")
    return piece.smile


def _mark(axes: "Axes", level: float, label: str, colour: str) -> None:
    axes.axvline(level, color=colour, linewidth=1.0)
    axes.annotate(
        label, (level, 0.97), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
        color=colour, fontsize=7.5, va="top",
    )  # fmt: skip


def _day_ticks(axis: Any, days: Floats) -> None:
    """Ticks at round numbers of days on a logarithmic axis."""
    wanted = [
        day for day in (1, 2, 3, 5, 7, 14, 30, 60, 90, 180, 365, 730, 1095) if days[0] * 0.8 <= day <= days[-1] * 1.2
    ]
    axis.set_ticks(wanted, labels=[str(day) for day in wanted])
    axis.set_ticks([], minor=True)
