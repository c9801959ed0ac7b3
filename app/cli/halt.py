"""`desk halt`, `desk resume`, `desk state`: the kill switches."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from app.cli.options import person
from app.cli.outcome import emit, program, run
from domain.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from app.wiring import Configuration, Desk

BY_HAND = "stopped by hand"


def halt_command(*, reason: str | None, agent: str | None, reducing: bool, by: str | None, as_json: bool) -> None:
    """Halt everything, or one analyst, or every opening."""
    _require_one(agent, reducing)
    name, why = person(by), (reason or BY_HAND)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.halt import halt, set_agent

        if agent is not None:
            return await set_agent(desk, agent, halted=True, by=name, reason=why)
        return await halt(desk, by=name, reason=why, reducing=reducing)

    _told(run(_on_desk(work)), as_json)


def resume_command(*, reason: str, agent: str | None, reducing: bool, by: str | None, as_json: bool) -> None:
    """Let trading, or one analyst, go on."""
    _require_one(agent, reducing)
    name = person(by)
    if not reason.strip():
        raise UsageError("Going on needs a reason.", remedy="Add --reason TEXT.")

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.halt import resume, set_agent

        if agent is not None:
            return await set_agent(desk, agent, halted=False, by=name, reason=reason)
        return await resume(desk, by=name, reason=reason, reducing=reducing)

    _told(run(_on_desk(work)), as_json)


def state_command(*, limit: int, as_json: bool) -> None:
    """How the switches stand, and who used them."""

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.halt import state

        return await state(desk, limit)

    _told(run(_on_desk(work)), as_json)


async def _on_desk(work: "Callable[[Desk], Awaitable[dict[str, Any]]]") -> dict[str, Any]:
    from app.logs import configure
    from app.wiring import open_desk

    config = _configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, debate="rules") as desk:  # no agent speaks here
        return await work(desk)


def _configuration() -> "Configuration":
    """A misspelt setting must not keep anybody from stopping the desk: the shipped ones do as well for that."""
    from app.settings import Environment
    from app.wiring import configuration

    environment = Environment()
    try:
        return configuration(environment)
    except ConfigError as error:
        if environment.desk_config is None:
            raise
        print(f"desk: {error} The shipped settings stand in.", file=sys.stderr)
        return configuration(environment.model_copy(update={"desk_config": None}))


def _require_one(agent: str | None, reducing: bool) -> None:
    if agent is not None and reducing:
        raise UsageError("An agent either speaks or is halted.", remedy="Give --agent or --reducing, not both.")


def _told(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.halt import show_switches

    show_switches(Console(), document, desk=program())
