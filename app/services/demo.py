"""`desk demo squeeze` whole: the play in a home of its own, and the document that its database then gives."""

from pathlib import Path
from typing import Any

from app.debaters import rules_engine
from app.documents import plain, view_document
from app.services.ablation import cases_of
from app.services.audit import verification
from app.services.demo_facts import Thread, debate_of, facts
from app.services.demo_home import demo_configuration, prefix
from app.services.demo_record import Life, Look, lives, looks, usual
from app.services.demo_squeeze import FIRES, FIRST, NEXT, Told, play
from app.services.replay import replay
from app.settings import Environment
from app.wiring import Desk, open_desk
from domain.order import OrderState
from signals.aggregate import aggregate

Document = dict[str, Any]


async def squeeze(environment: Environment, told: Told) -> Document:
    """Play it, then read everything off the record. `holds` is false where a fact, the chain or a replay fails."""
    config = demo_configuration(environment)
    async with open_desk(config, feed="simulated", debate="rules") as desk:
        await play(desk, told)
        return await told_by_the_record(desk, environment, told)


async def told_by_the_record(desk: Desk, environment: Environment, told: Told) -> Document:
    """The document of a home in which the squeeze was played."""
    seen, orders = await looks(desk, (FIRST, NEXT)), await lives(desk)
    thread = Thread(seen, orders, await usual(desk, seen[0], FIRST))
    shown, last = facts(thread), seen[-1]
    told(last.at, "walking the audit chain", 1.0)
    sound = await verification(desk)
    replays = []
    for look in thread.worth_replaying:
        told(last.at, f"replaying the run of {look.at:%d %b %H:%M}", 1.0)
        replays.append(await replay(desk, look.row))
    checked = {"verified": sound, "replays": [{**plain(item), "reproduced": item.reproduced} for item in replays]}
    return {
        "home": str(desk.home),
        "prefix": prefix(environment, Path(desk.home)),
        "first": FIRST,
        "next": NEXT,
        "fires": FIRES,
        "looks": [_look(look, thread, orders) for look in seen],
        "facts": plain(shown),
        "debate": debate_of(thread.fired, FIRST),
        "without_talk": thread.fired and await _without_talk(desk, thread.fired),
        "opening": thread.opening and view_document(thread.opening.view),
        "closing": thread.closing and view_document(thread.closing.view),
        "lesson": thread.lesson,
        "memory": thread.recalled and thread.memory_in(thread.recalled),
        "next_debate": debate_of(thread.recalled, NEXT),
        "runs": {name: look and look.run_id for name, look in _stations(thread).items()},
        "waiting": [life.view.order.order_id for life in orders if life.view.state is OrderState.STAGED],
        "audit": checked,
        "holds": all(fact.holds for fact in shown) and sound["sound"] and all(item.reproduced for item in replays),
    }


async def _without_talk(desk: Desk, look: Look) -> Document | None:
    """What the rules make of `FIRST` in that run, and of the same picture where nobody listens to the crowd."""
    case = next((case for case in await cases_of(desk, look.run_id) if case.ticker == FIRST), None)
    held = debate_of(look, FIRST)
    if case is None or held is None:
        return None
    settings = desk.configuration.graph
    heard = [signal for signal in case.signals if signal.source != "social"]
    composite = aggregate(
        FIRST,
        heard,
        as_of=case.composite.as_of,
        settings=settings.signals,
        reliability=case.snapshot.desk.reliability,
        expected_sources=[name for name in settings.signals.aggregate.expected_sources if name != "social"],
    )
    without = await rules_engine(settings).debate(look.run_id, composite, heard, case.memories, case.snapshot)
    return {
        "with": {"verdict": held["verdict"], "confidence": held["confidence"], "price": case.composite.price_score},
        "without": {
            **plain({"verdict": without.verdict, "confidence": without.confidence}),
            "price": composite.price_score,
        },
    }


def _stations(thread: Thread) -> dict[str, Look | None]:
    return {
        "fired": thread.fired,
        "bought": thread.bought,
        "closed": thread.closed,
        "learned": thread.learned,
        "recalled": thread.recalled,
    }


def _look(look: Look, thread: Thread, orders: list[Life]) -> Document:
    return {
        "run_id": look.run_id,
        "as_of": plain(look.at),
        **{ticker: plain(glance) for ticker, glance in look.glances.items()},
        "did": list(_did(look, thread, orders)),
    }


def _did(look: Look, thread: Thread, orders: list[Life]) -> list[str]:
    """What the desk did in that run about the one thread, in words."""
    said = []
    if look is thread.learned and thread.lesson:
        said.append(f"lesson written: {thread.lesson['finding']}")
    if look is thread.recalled and (memory := thread.memory_in(look)):
        said.append(f"recalls {FIRST} for {NEXT} (likeness {memory['similarity']:.2f})")
    if look is thread.fired:
        said.append("the talk fires, the debate cites it")
    for life in orders:
        if life.view.order.run_id != look.run_id:
            continue
        order, state = life.view.order, life.view.state.value
        about = f"{order.order_id} {order.sized.candidate.strategy.replace('_', ' ')}"
        if order.closes is not None:
            said.append(f"{order.order_id} closes by {_rule(look, order.closes)}, {state}")
        elif life is thread.opening:
            said.append(f"{about} {state}")
        elif state == OrderState.STAGED.value:
            said.append(f"{about} waits for you")
    return said


def _rule(look: Look, order_id: str) -> str:
    finding = look.steps.of("manage", "position", f"{FIRST} {order_id}")
    return str(finding["reason"]["rule"]) if isinstance(finding, dict) else "a limit"
