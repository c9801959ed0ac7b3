"""The analysts of the desk. To add one: write `agents/<name>.py`, name it in `domain.signals.SOURCES`, give it a weight
in `config/signals.yaml` and a line here.
"""

from agents.contract import Analyst
from agents.flow import Flow
from agents.social import Social
from agents.technical import Technical
from agents.vol_surface import VolSurface

ANALYSTS: tuple[Analyst, ...] = (VolSurface(), Flow(), Technical(), Social())


def analyst(name: str) -> Analyst:
    """The analyst called `name`; raises `KeyError` for an unknown one."""
    return {each.name: each for each in ANALYSTS}[name]
