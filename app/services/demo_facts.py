"""What a demonstration was to show, read off its database: each fact with what was expected and what was found."""

from collections.abc import Iterator
from typing import Any

from app.documents import plain
from app.services.demo_home import REVIEWER
from app.services.demo_record import Life, Look, Usual, signals_of
from app.services.demo_squeeze import FIRES, FIRST, NEXT, citing, loud
from domain.order import OrderState
from domain.record import Record
from domain.sessions import NEW_YORK
from memory.recall_vectors import memory_id

Document = dict[str, Any]
MOVES = 3.0
"""z-score of the price from which it has moved: the one from which the social analyst calls talk a burst."""
NOT_REACHED = "not reached: there is nothing to look at"


class Fact(Record):
    """One thing that was to be shown. `numbers` are what it rests on; `holds` is None for what is only told."""

    name: str
    expected: str
    found: str
    holds: bool | None
    numbers: dict[str, float | int | str | tuple[str, ...] | None] = {}


class Thread:
    """What the record holds of the one trade, from the talk to its lesson's return; None for what did not happen."""

    def __init__(self, looks: list[Look], lives: list[Life], usual: Usual) -> None:
        self.usual = usual
        self.fired = next((look for look in looks if loud(signals_of(look, FIRST), FIRST)), None)
        self.signal = loud(signals_of(self.fired, FIRST), FIRST) if self.fired else None
        self.price_z = _price_z(looks, usual)
        self.moved = next((look for look in looks if self.price_z[look.run_id] > MOVES), None)
        self.opening = next((life for life in lives if _opened(life)), None)
        staged_by = self.opening.view.order.run_id if self.opening else None
        self.bought = next((look for look in looks if look.run_id == staged_by), None)
        opened = self.opening.view.order.order_id if self.opening else None
        closings = [life for life in lives if opened and life.view.order.closes == opened and life.fills]
        self.closing = closings[-1] if closings else None
        closed_by = self.closing.view.order.run_id if self.closing else None
        self.closed = next((look for look in looks if look.run_id == closed_by), None)
        self.learned = next((look for look in looks if opened and self.lesson_in(look, opened)), None)
        self.lesson = self.lesson_in(self.learned, opened) if self.learned and opened else None
        self.memory = memory_id(staged_by, FIRST) if staged_by else None
        self.recalled = next((look for look in looks if self.memory_in(look) and talked_of(look)), None)

    @staticmethod
    def lesson_in(look: Look, order_id: str) -> Document | None:
        """The lesson of the order's trade, if the look's run wrote it."""
        found: Document | None = look.steps.of("recall", "lesson", f"{FIRST} {order_id}")
        return found

    def memory_in(self, look: Look) -> Document | None:
        """The trade's situation among what the look's run recalled for `NEXT`."""
        recalled = look.steps.of("recall", "memories", NEXT) or []
        return next((item for item in recalled if item["id"] == self.memory), None)

    @property
    def worth_replaying(self) -> tuple[Look, ...]:
        """The runs that the thread went through, each once, ascending."""
        found = [look for look in (self.fired, self.bought, self.closed, self.learned, self.recalled) if look]
        return tuple(sorted({look.run_id: look for look in found}.values(), key=lambda look: look.at))


def facts(thread: Thread) -> tuple[Fact, ...]:
    """The six of them, in the order in which they happen."""
    return tuple(_facts(thread))


def debate_of(look: Look | None, ticker: str) -> Document | None:
    """The debate held on `ticker` in that run."""
    found: Document | None = look.steps.of("debate", "debate", ticker) if look else None
    return found


def talked_of(look: Look) -> bool:
    """Whether the debate on `NEXT` had a burst of its talk before it."""
    return bool(citing(debate_of(look, NEXT), f"social/{NEXT}/mention_velocity@"))


def _facts(thread: Thread) -> Iterator[Fact]:
    yield _talk_first(thread)
    yield _cited(thread)
    yield _approved(thread)
    yield _closed(thread)
    yield _lesson(thread)
    yield _recalled(thread)


def _talk_first(thread: Thread) -> Fact:
    usual, fired, moved = thread.usual, thread.fired, thread.moved
    expected = (
        f"the talk's conviction passes {FIRES:g} before the price is {MOVES:g} deviations from its close of "
        f"{usual.close:,.2f} before it all ({usual.deviation:.1%} a day, as a random walk goes)"
    )
    said = "the talk never fired" if fired is None else f"fired {_when(fired)} at {fired.glances[FIRST].price:,.2f}"
    went = "never moved" if moved is None else f"moved {_when(moved)}, at {moved.glances[FIRST].price:,.2f}"
    numbers: dict[str, Any] = {"close_before": usual.close, "deviation": usual.deviation}
    if fired:
        glance = fired.glances[FIRST]
        numbers |= {"fired_at": plain(fired.at), "price_fired": glance.price, "conviction": glance.conviction}
        numbers |= {"reason": glance.reason, "decay_days": glance.decay_days, "posts_24h": glance.posts}
        numbers |= {"price_z_fired": thread.price_z[fired.run_id]}
    if moved:
        numbers |= {"moved_at": plain(moved.at), "price_moved": moved.glances[FIRST].price}
        numbers |= {"price_z_moved": thread.price_z[moved.run_id]}
    holds = fired is not None and moved is not None and fired.at < moved.at
    return Fact(name="talk first", expected=expected, found=f"{said}; the price {went}", holds=holds, numbers=numbers)


def _cited(thread: Thread) -> Fact:
    expected = "a claim that stands cites the id of that signal"
    if thread.signal is None:
        return Fact(name="cited", expected=expected, found=NOT_REACHED, holds=False)
    claims = citing(debate_of(thread.fired, FIRST), thread.signal["id"])
    ids = tuple(claim["id"] for claim in claims)
    found = f"{', '.join(ids)} cites {thread.signal['id']}" if ids else f"no claim cites {thread.signal['id']}"
    numbers: dict[str, Any] = {"claims": ids, "signal_id": thread.signal["id"]}
    return Fact(name="cited", expected=expected, found=found, holds=bool(ids), numbers=numbers)


def _approved(thread: Thread) -> Fact:
    expected = f"an order of that debate, approved by {REVIEWER!r} in the audit log, filled by the paper broker"
    life = thread.opening
    if life is None or thread.bought is None:
        return Fact(name="approved", expected=expected, found="no opening order was filled", holds=False)
    order, by = life.view.order, _approver(life)
    cites = thread.signal is not None and thread.signal["id"] in order.thesis.signal_ids
    found = f"{order.order_id} {_named(order.sized.candidate.strategy)} × {order.units}, approved by {by}, " + (
        f"filled {plain(life.fills[0].at)}" + ("" if cites else ", but its thesis does not rest on the talk")
    )
    cash = float(sum(fill.cash for fill in life.fills))
    numbers: dict[str, Any] = {"order_id": order.order_id, "cash": cash, "reviewer": by}
    return Fact(name="approved", expected=expected, found=found, holds=by == REVIEWER and cites, numbers=numbers)


def _closed(thread: Thread) -> Fact:
    expected = "a rule for what is held asks for the exit; its closing order is staged, approved alike and filled"
    life, closed, opening = thread.closing, thread.closed, thread.opening
    if life is None or closed is None or opening is None:
        return Fact(name="closed", expected=expected, found="the position is still held", holds=False)
    finding = closed.steps.of("manage", "position", f"{FIRST} {opening.view.order.order_id}")
    rule = finding["reason"]["rule"] if isinstance(finding, dict) else None
    done = sum(fill.units for fill in life.fills) == opening.view.order.units
    profit = float(sum(fill.cash for fill in (*opening.fills, *life.fills)))
    found = f"{rule}: {life.view.order.order_id} closed it on {_when(closed)}, {profit:+,.2f} USD after fees"
    by = _approver(life)
    numbers: dict[str, Any] = {"rule": rule, "order_id": life.view.order.order_id, "profit": profit, "reviewer": by}
    holds = rule is not None and done and by == REVIEWER
    return Fact(name="closed", expected=expected, found=found, holds=holds, numbers=numbers)


def _lesson(thread: Thread) -> Fact:
    expected = "the next run writes the trade's lesson, with the signals, orders and fills it rests on"
    lesson, life = thread.lesson, thread.opening
    if lesson is None or life is None or thread.learned is None or thread.closed is None:
        return Fact(name="lesson", expected=expected, found="no lesson was written", holds=False)
    needed = {life.view.order.order_id, *(fill.fill_id for fill in life.fills), *life.view.order.thesis.signal_ids}
    missing = sorted(needed - set(lesson["evidence"]))
    later = thread.learned.at > thread.closed.at
    found = f"{lesson['finding']}, written {_when(thread.learned)} on {len(lesson['evidence'])} pieces of evidence"
    numbers: dict[str, Any] = {"finding": lesson["finding"], "text": lesson["text"], "importance": lesson["importance"]}
    return Fact(
        name="lesson", expected=expected, found=found + (f"; it lacks {missing}" if missing else ""),
        holds=later and not missing, numbers=numbers,
    )  # fmt: skip


def _recalled(thread: Thread) -> Fact:
    expected = f"{NEXT}'s debate, with its own talk before it, is handed that situation and may cite it"
    look = thread.recalled
    if look is None or thread.memory is None:
        return Fact(name="recalled", expected=expected, found="the situation never came back", holds=False)
    memory = thread.memory_in(look)
    cites = citing(debate_of(look, NEXT), thread.memory)
    ids = tuple(claim["id"] for claim in cites)
    alike = memory["similarity"] if memory else 0.0
    found = f"{_when(look)}: {thread.memory}, likeness {alike:.2f}, " + (
        f"cited by {', '.join(ids)}" if ids else "citable"
    )
    known = thread.learned is not None and thread.learned.at <= look.at
    numbers: dict[str, Any] = {"memory_id": thread.memory, "similarity": alike, "cited_by": ids, "run_id": look.run_id}
    return Fact(name="recalled", expected=expected, found=found, holds=memory is not None and known, numbers=numbers)


def _price_z(looks: list[Look], usual: Usual) -> dict[str, float]:
    """z-score of the price by run; every session from the first on has a look."""
    found, days = {}, set()
    for look in looks:
        days.add(look.at.date())
        found[look.run_id] = usual.z_score(look.glances[FIRST].price, len(days))
    return found


def _opened(life: Life) -> bool:
    candidate = life.view.order.sized.candidate
    return candidate.ticker == FIRST and candidate.intent == "open" and bool(life.fills)


def _approver(life: Life) -> str:
    """Who approved it, if the audit log and the order's own history say the same."""
    logged = {
        row.entry.output["reviewer"]
        for row in life.log
        if row.entry.kind.startswith("approve") and "refused" not in row.entry.output
    }
    lived = {event.reviewer for event in life.history if event.to_state is OrderState.APPROVED}
    return " and ".join(sorted(str(name) for name in logged | lived)) or "nobody"


def _named(strategy: str) -> str:
    return strategy.replace("_", " ")


def _when(look: Look) -> str:
    return f"{look.at.astimezone(NEW_YORK):%a %d %b %H:%M}"
