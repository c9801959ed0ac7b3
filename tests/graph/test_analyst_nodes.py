"""One analyst's trouble stays its own: the others speak as if nothing had happened."""

import pytest

import graph.build
from domain.debate import Verdict
from domain.signals import SOURCES, Direction
from tests.support.fakes import flat_desk, only
from tests.support.scripted import WEAK, ScriptedAnalyst

UP = {"side": Direction.BULLISH, "conviction": 0.8}


@pytest.fixture
def analysts(monkeypatch):
    """Puts scripted analysts in the place of the registered ones; each says UP unless told otherwise."""

    def use(**changes):
        scripted = [ScriptedAnalyst(name, **{**UP, **changes.get(name, {})}) for name in SOURCES]
        monkeypatch.setattr(graph.build, "ANALYSTS", tuple(scripted))

    return use


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        ({"error": ZeroDivisionError("division by zero")}, "failed", "ZeroDivisionError: division by zero"),
        ({"mute": True}, "failed", "TypeError: 'NoneType' object is not iterable"),
        ({"seconds": 2.0}, "timeout", "did not finish in time"),
    ],
    ids=["raises", "breaks its contract", "dawdles"],
)
async def test_a_failing_or_slow_analyst_abstains_and_the_others_are_unaffected(
    world, market, settings, analysts, trouble, code, words
):
    brisk = settings.model_copy(update={"analyst_timeout_s": 1.0})
    picture = only(market, "SPY")
    analysts()
    calm = world({"*": WEAK}, market=picture, settings=brisk)
    await calm.run()
    analysts(flow=trouble)
    desk = world({"*": WEAK}, market=picture, settings=brisk)
    state = await desk.run()
    (said,) = state["reports"]["flow"].abstentions
    assert (said.code, said.detail) == (code, words)
    assert state["reports"]["flow"].signals == ()
    for other in set(SOURCES) - {"flow"}:
        assert desk.audit.of(other) == calm.audit.of(other)
    assert state["composites"]["SPY"].coverage == 0.75


async def test_an_analyst_halted_by_its_switch_is_silent_on_purpose(world, market, analysts):
    analysts()
    desk = world({"*": WEAK}, market=only(market, "SPY"), desk=flat_desk(market, halted_agents=("technical",)))
    state = await desk.run()
    (said,) = state["reports"]["technical"].abstentions
    assert (said.code, said.ticker) == ("halted", "*")
    assert {s.source for s in desk.runs.signals.values()} == set(SOURCES) - {"technical"}


async def test_a_switch_set_after_the_picture_was_taken_silences_an_analyst_before_it_reads(world, market, analysts):
    analysts(technical={"error": AssertionError("it was asked")})
    desk = world({"*": WEAK}, market=only(market, "SPY"), halted={"technical"})
    (said,) = (await desk.run())["reports"]["technical"].abstentions
    assert (said.code, said.ticker, said.detail) == ("halted", "*", "halted by the kill switch")


async def test_a_switch_set_while_an_analyst_thinks_keeps_back_what_it_was_about_to_say(world, market, monkeypatch):
    halted = set()

    class Halting(ScriptedAnalyst):
        def read(self, snapshot, ticker, context):
            halted.add(self.name)
            return super().read(snapshot, ticker, context)

    scripted = [(Halting if name == "flow" else ScriptedAnalyst)(name, **UP) for name in SOURCES]
    monkeypatch.setattr(graph.build, "ANALYSTS", tuple(scripted))
    desk = world({"*": WEAK}, market=only(market, "SPY"), halted=halted)
    state = await desk.run()
    assert state["reports"]["flow"].signals == ()
    assert [item.code for item in state["reports"]["flow"].abstentions] == ["halted"]
    assert {s.source for s in desk.runs.signals.values()} == set(SOURCES) - {"flow"}


async def test_the_order_in_which_analysts_finish_leaves_no_trace(world, market, analysts):
    picture = only(market, "SPY")
    states, digests = [], []
    for dawdler in ("social", "vol_surface"):
        analysts(**{dawdler: {"seconds": 0.1}})
        desk = world({"*": WEAK}, market=picture)
        states.append(await desk.run())
        digests.append(desk.audit.digests())
        assert list(states[-1]["reports"]) == sorted(SOURCES)
    assert states[0] == states[1]
    assert digests[0] == digests[1]


async def test_a_neutral_answer_is_no_abstention(world, market, analysts):
    analysts(**{name: {"side": Direction.NEUTRAL, "conviction": 0.0} for name in SOURCES})
    desk = world({"*": {"verdict": Verdict.INCONCLUSIVE}}, market=only(market, "SPY"))
    state = await desk.run()
    assert state["composites"]["SPY"].coverage == 1.0
    assert state["composites"]["SPY"].price_score == 0.0
