"""What the account risks: value at risk by every method, exposures from every side, margin, correlation."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.documents import plain
from app.services.risk_picture import RiskPicture
from domain.errors import DataError
from domain.regime import Regime
from domain.risk import Exposure
from portfolio.aggregate import exposure_views
from portfolio.betas import betas
from portfolio.exposure import OPEN
from portfolio.margin import requirement_of_book
from risk.correlation import correlations
from risk.revaluation import RiskBook, risk_book
from risk.scenario_margin import scenario_margin
from risk.scenarios import historical
from risk.settings import RiskSettings
from risk.stress.lines import lines_of
from risk.var import all_measures


def book_risk(picture: RiskPicture, settings: RiskSettings) -> dict[str, Any]:
    """Of what is held, at the picture's instant. USD; shares of NLV and correlations are decimals."""
    market, book = picture.market, picture.context.book
    held = tuple(item for item in picture.context.exposures if item.state == OPEN)
    spots = {ticker: chain.spot for ticker, chain in market.chains.items()}
    revaluable = risk_book(lines_of(held, book), picture.priced, spots=spots)
    names = {item.ticker for item in book.positions} | {item.ticker for item in book.shares}
    scenarios, short = historical(
        market.bars, names, window=settings.var_window, minimum=settings.minimum_returns, vols=market.series
    )
    measured = revaluable.without(short, f"fewer than {settings.minimum_returns} daily returns")
    views = exposure_views(
        book,
        picture.priced,
        sectors=market.sectors,
        betas=betas(market.bars, names, window=settings.var_window, minimum=settings.minimum_returns),
        spots=spots,
        theta_limit=_theta_limit(settings, picture.regime.regime, picture.portfolio.nlv),
    )
    return {
        "regime": picture.regime.regime.value,
        "nlv": picture.portfolio.nlv,
        "worst_case": measured.worst_case,
        "measures": [plain(measure) for measure in all_measures(measured, scenarios)],
        "exposure": plain(views),
        "margin": _margin(picture, settings, spots),
        "portfolio_margin": _portfolio_margin(revaluable, settings),
        "correlation": _correlation(picture, settings, held, names),
    }


def _theta_limit(settings: RiskSettings, regime: Regime, nlv: float | None) -> float:
    """USD per day; 0 while NLV is unknown."""
    shares = [rule.theta_limit.get(regime, 0.0) for rule in settings.soft if rule.rule == "theta_concentration"]
    return max(shares, default=0.0) * max(nlv or 0.0, 0.0)


def _margin(picture: RiskPicture, settings: RiskSettings, spots: Mapping[str, float]) -> dict[str, Any]:
    """Regulation T over what is held; `bound` is what of NLV is not free."""
    statement = requirement_of_book(picture.context.book, spots, settings=settings.margin)
    bound, nlv = statement.bound, picture.portfolio.nlv
    return {
        "requirement": plain(statement.total),
        "bound": plain(bound),
        "share_of_nlv": None if bound is None or nlv is None or nlv <= 0 else float(bound) / nlv,
        "refused": statement.refused,
        "notes": list(statement.notes),
    }


def _portfolio_margin(book: RiskBook, settings: RiskSettings) -> dict[str, Any]:
    """What the OCC's grid of prices would ask for the same book, for comparison: the gate counts Regulation T."""
    try:
        found = scenario_margin(book, settings.margin)
    except DataError as error:
        return {"requirement": None, "worst": None, "refused": str(error)}
    return {"requirement": plain(found.total), "worst": plain(found.worst), "refused": ""}


def _correlation(
    picture: RiskPicture, settings: RiskSettings, held: Iterable[Exposure], names: Iterable[str]
) -> dict[str, Any]:
    """Mean pairwise correlation of the underlyings, weighted by worst case."""
    window, minimum = settings.correlation_window, settings.minimum_returns
    tickers = sorted(names)
    found = correlations(picture.market.bars, tickers, window=window, minimum=minimum)
    weights: dict[str, float] = {}
    for item in held:
        weights[item.ticker] = weights.get(item.ticker, 0.0) + float(item.worst_case)
    pairs = [(a, b) for i, a in enumerate(tickers) for b in tickers[i + 1 :]]
    return {
        "mean": found.weighted_mean(weights) if len(weights) > 1 else None,
        "window": window,
        "assumed": [f"{a}-{b}" for a, b in pairs if not found.known(a, b)],
    }
