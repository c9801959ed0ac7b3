"""Is the debate still the same judge? Shares of its verdicts lately, against a rolling base before that.

One careless sentence in a prompt once turned most verdicts of a desk into "hold" without anybody noticing. The alarm
compares the share of each verdict in the latest debates with that in the ones before, by the two-proportion z-test
(pooled, with one pseudo-observation a side after Agresti & Caffo 2000, so that a share of 0 or 1 has a deviation too).
"""

import math
from collections.abc import Sequence

from pydantic import Field

from domain.debate import Verdict
from domain.record import Record


class AlarmSettings(Record):
    """When a shift of verdicts is worth a person's look: large and beyond chance."""

    recent: int = Field(default=40, ge=5)  # debates looked at
    base: int = Field(default=200, ge=10)  # debates before those
    least: int = Field(default=20, ge=2)  # fewer than this on either side say nothing
    shift: float = Field(default=0.25, gt=0, lt=1)  # change of a share
    z: float = Field(default=3.0, gt=0)  # standard deviations


class Shift(Record):
    """One verdict's share lately and before; `z` is the difference in standard deviations."""

    verdict: Verdict
    recent: float
    base: float
    z: float
    alarming: bool


class VerdictDrift(Record):
    """All shares. `judged` is false while there are too few debates to say anything."""

    recent: int
    base: int
    judged: bool
    shifts: tuple[Shift, ...]

    @property
    def alarms(self) -> tuple[Shift, ...]:
        """The shifts worth a look."""
        return tuple(each for each in self.shifts if each.alarming)


def verdict_drift(verdicts: Sequence[Verdict], settings: AlarmSettings) -> VerdictDrift:
    """Compare the newest `settings.recent` of `verdicts` (newest first, of one engine) with up to `settings.base`
    before them.
    """
    recent = verdicts[: settings.recent]
    base = verdicts[settings.recent : settings.recent + settings.base]
    judged = min(len(recent), len(base)) >= settings.least
    return VerdictDrift(
        recent=len(recent),
        base=len(base),
        judged=judged,
        shifts=tuple(_shift(verdict, recent, base, settings, judged=judged) for verdict in Verdict),
    )


def _shift(
    verdict: Verdict, recent: Sequence[Verdict], base: Sequence[Verdict], settings: AlarmSettings, *, judged: bool
) -> Shift:
    now, before = _share(verdict, recent), _share(verdict, base)
    hits, trials = recent.count(verdict) + 1, len(recent) + 2
    hits_before, trials_before = base.count(verdict) + 1, len(base) + 2
    pooled = (hits + hits_before) / (trials + trials_before)
    deviation = math.sqrt(pooled * (1.0 - pooled) * (1.0 / trials + 1.0 / trials_before))
    z = (hits / trials - hits_before / trials_before) / deviation
    large = abs(now - before) >= settings.shift
    return Shift(verdict=verdict, recent=now, base=before, z=z, alarming=judged and large and abs(z) >= settings.z)


def _share(verdict: Verdict, verdicts: Sequence[Verdict]) -> float:
    return verdicts.count(verdict) / len(verdicts) if verdicts else 0.0
