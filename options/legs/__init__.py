"""The leg optimiser: from a chosen type to priced candidates, and given legs priced again."""

from options.legs.candidate import NoCandidate
from options.legs.reprice import closing, reprice
from options.legs.search import candidates
from options.legs.settings import LegSettings, drift_from_score

__all__ = ["LegSettings", "NoCandidate", "candidates", "closing", "drift_from_score", "reprice"]
