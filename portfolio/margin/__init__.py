"""Margin: Regulation T's strategy rules with the cheapest matching, and a portfolio-margin scenario grid.

Where a rule leaves a choice, or asks for what the desk does not know, the requirement errs on the high side:

- long options are paid for in full, whatever their life; a long box is lent nothing;
- contracts offset each other only with the same root, multiplier and exercise style, so SPX and SPXW stay apart;
- an adjusted series, whose deliverable is not known, meets nothing but its own: bare, a put of it is charged the most
  that the formula can give, and a call is refused;
- a long option covers what expires with or before it; on one day the PM-settled one outlives the AM-settled one;
- the shorts of one spread expire together;
- funds on broad indices are charged as shares; only the indices themselves pay the lower rate;
- shares that cover a call in the money are charged on their full price, and what it is in the money on top;
- an option without a mark is charged as the most it can be worth, and credited as nothing.
"""

from portfolio.margin.grid import (
    PortfolioClass,
    PortfolioMargin,
    Reprice,
    ScenarioLoss,
    least_of,
    portfolio_margin,
    price_moves,
)
from portfolio.margin.rates import BROAD_INDEX, EQUITY, MarginSettings, OptionRates
from portfolio.margin.requirement import Requirement, reg_t
from portfolio.margin.statement import MarginStatement, requirement_of, requirement_of_book
from portfolio.margin.structures import Margined

__all__ = [
    "BROAD_INDEX",
    "EQUITY",
    "MarginSettings",
    "MarginStatement",
    "Margined",
    "OptionRates",
    "PortfolioClass",
    "PortfolioMargin",
    "Reprice",
    "Requirement",
    "ScenarioLoss",
    "least_of",
    "portfolio_margin",
    "price_moves",
    "reg_t",
    "requirement_of",
    "requirement_of_book",
]
