"""Nodes, weights and interpolation matrices of the boundary collocation: the same for every option, in plain numpy."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from domain.units import Floats


class Tables(NamedTuple):
    """For n nodes, l quadrature points for the boundary, p for the premium. All times are shares of the expiry.

    The boundary is known at times ξ² of Chebyshev–Lobatto nodes ξ, the last being 0. Integrals over time from 0 to t
    run in a = √(time/t), which takes the root out of the integrand; the boundary then is wanted at t·(1 − a²).
    """

    nodes: Floats  # (n + 1,) ξ descending from 1 to 0
    points: Floats  # (l,) a, ascending
    weights: Floats  # (l,) Gauss-Legendre weight of a
    boundary: Floats  # (n, l, n + 1) values at the nodes → values at ξ_k·√(1 − a²)
    premium_points: Floats  # (p,)
    premium_weights: Floats  # (p,)
    premium: Floats  # (p, n + 1) values at the nodes → values at √(1 − a²)


@lru_cache(maxsize=8)
def made_tables(n: int, quadrature: int, p: int) -> Tables:
    """Tables for n nodes, n + 1 a multiple of four (Andersen, Lake and Offengenden 2016, section 5)."""
    nodes = 0.5 + 0.5 * np.cos(np.pi * np.arange(n + 1) / n)
    points, weights = _gauss(quadrature)
    ahead = np.sqrt(1.0 - points * points)
    premium_points, premium_weights = _gauss(p)
    boundary = np.stack([interpolation(nodes, node * ahead) for node in nodes[:-1]])
    premium = interpolation(nodes, np.sqrt(1.0 - premium_points * premium_points))
    return Tables(nodes, points, weights, boundary, premium_points, premium_weights, premium)


def _gauss(count: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    y, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (1.0 + y), 0.5 * w


def interpolation(nodes: Floats, at: Floats) -> Floats:
    """(m, n + 1) matrix from values at Chebyshev–Lobatto nodes to values at `at`, by the barycentric formula."""
    signs = (-1.0) ** np.arange(len(nodes))
    signs[[0, -1]] *= 0.5
    gaps = at[:, None] - nodes[None, :]
    hit = gaps == 0.0
    matrix = signs / np.where(hit, 1.0, gaps)
    matrix = np.where(hit.any(axis=1, keepdims=True), hit, matrix)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))
