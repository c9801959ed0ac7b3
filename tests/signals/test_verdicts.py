"""The alarm on the distribution of verdicts."""

import pytest

from domain.debate import Verdict
from signals.verdicts import AlarmSettings, verdict_drift

BULL, BEAR, NONE = Verdict.BULL, Verdict.BEAR, Verdict.INCONCLUSIVE
SETTINGS = AlarmSettings()
MIXED = [BULL, BEAR, NONE, BULL]


def test_one_sentence_that_turns_most_verdicts_to_inconclusive_is_an_alarm():
    drift = verdict_drift([NONE] * 34 + [BULL] * 6 + MIXED * 50, SETTINGS)
    assert drift.judged
    found = {shift.verdict: shift for shift in drift.alarms}
    assert found[NONE].recent == 0.85
    assert found[NONE].base == 0.25
    assert found[NONE].z > 6
    assert BEAR in found
    assert found[BEAR].z < -3


def test_the_same_mixture_is_none_and_neither_is_a_small_shift_however_certain():
    assert verdict_drift(MIXED * 60, SETTINGS).alarms == ()
    wide = AlarmSettings(recent=4000, base=4000)
    tilted = [BULL] * 2400 + [BEAR] * 1600 + [BULL] * 2000 + [BEAR] * 2000
    drift = verdict_drift(tilted, wide)
    assert drift.shifts[0].z > 8
    assert drift.alarms == (), "ten points are no change of character"


@pytest.mark.parametrize(("count", "judged"), [(59, False), (60, True)])
def test_too_few_debates_say_nothing(count, judged):
    drift = verdict_drift([NONE] * 40 + [BULL] * (count - 40), SETTINGS)
    assert drift.judged is judged
    assert bool(drift.alarms) is judged


def test_no_debate_at_all_has_shares_of_nothing():
    drift = verdict_drift([], SETTINGS)
    assert (drift.recent, drift.judged) == (0, False)
    assert {shift.recent for shift in drift.shifts} == {0.0}
