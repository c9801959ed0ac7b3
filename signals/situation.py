"""A situation as figures and as words: what it means that two situations are alike.

The feature vector needs no model, is the same on every machine, and says what "alike" means. Its features, in order:

    price_score, vol_score               each −1 to 1
    conviction, agreement, coverage      each 0 to 1, halved: how sure matters less than of what
    regime.<r>                           ½ for the regime of the time, else 0
    edge.<e>                             sum of the contributions of edge type e

scaled to unit length: likeness is the cosine. The description says the same in words, for models of text; neither names
the ticker or the date, which would make likeness of names out of likeness of situations.
"""

import numpy as np

from domain.experience import Situation
from domain.record import digest
from domain.regime import Regime
from domain.signals import EDGE_AXIS
from domain.units import Floats

SCORES = ("price_score", "vol_score")
CERTAINTIES = ("conviction", "agreement", "coverage")
FEATURES: tuple[str, ...] = (
    *SCORES,
    *CERTAINTIES,
    *(f"regime.{regime.value}" for regime in Regime),
    *(f"edge.{edge}" for edge in EDGE_AXIS),
)
FEATURES_ID = digest(FEATURES)[:12]
"""Changes with the features: vectors of another list are never compared."""
WORDS_ID = "words/1"
"""Changes with the wording of `described`, for the same reason."""


def features(situation: Situation) -> Floats:
    """Unit vector of shape `(len(FEATURES),)`, dtype float64; never zero, since every situation has a regime."""
    composite = situation.composite
    found = dict.fromkeys(FEATURES, 0.0)
    found |= {name: getattr(composite, name) for name in SCORES}
    found |= {name: getattr(composite, name) / 2 for name in CERTAINTIES}
    found[f"regime.{situation.regime.value}"] = 0.5
    for contribution in composite.contributions:
        found[f"edge.{contribution.edge_type}"] += contribution.value
    values = np.array(list(found.values()))
    return np.asarray(values / np.linalg.norm(values), dtype=np.float64)


def described(situation: Situation) -> str:
    """The situation in words, strongest edge first; the same situation always in the same words."""
    composite = situation.composite
    sums: dict[str, float] = {}
    for contribution in composite.contributions:
        sums[contribution.edge_type] = sums.get(contribution.edge_type, 0.0) + contribution.value
    loud = sorted(((edge, value) for edge, value in sums.items() if value), key=lambda item: (-abs(item[1]), item[0]))
    edges = ", ".join(f"{edge.replace('_', ' ')} {value:+.2f}" for edge, value in loud) or "no edge"
    price = _leaning(composite.price_score, "bullish", "bearish", "undecided on price")
    vol = _leaning(composite.vol_score, "implied volatility cheap", "implied volatility rich", "volatility fair")
    return (
        f"Regime {situation.regime.value.replace('_', ' ')}. {price} ({composite.price_score:+.2f}), "
        f"{vol} ({composite.vol_score:+.2f}). Conviction {composite.conviction:.2f}, agreement "
        f"{composite.agreement:.2f}, coverage {composite.coverage:.2f}. Evidence: {edges}."
    )


def _leaning(score: float, above: str, below: str, near: str) -> str:
    return near if abs(score) < 0.05 else above if score > 0 else below
