"""`desk debate`: is the debate worth its cost, is it still the same judge, and how good were its forecasts."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import AtOption, DebateOption, Engine, Feed, FeedOption, JsonOption, instant
from app.cli.outcome import emit, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.wiring import Desk

app = typer.Typer(no_args_is_help=True, help="The debate, measured: ablation, verdict shares, calibration.")


@app.command()
def ablate(
    runs: Annotated[int, typer.Option("--runs", min=1, max=200, help="How many finished runs, newest first.")] = 3,
    repeats: Annotated[int, typer.Option("--repeats", min=1, max=20, help="How often each case is argued.")] = 2,
    debate: DebateOption = None,
    feed: FeedOption = None,
    json: JsonOption = False,
) -> None:
    """Argue past snapshots again: as configured, order swapped, a single judge, masked, by rules; compare."""
    document = run(_ablate(runs=runs, repeats=repeats, debate=debate, feed=feed))
    if json:
        emit(document)
        return
    from app.screens.debate import show_ablation

    show_ablation(_console(), document)


@app.command()
def verdicts(feed: FeedOption = None, json: JsonOption = False) -> None:
    """Shares of bull, bear and inconclusive lately against the debates before; alarms when they shift."""

    async def ask(desk: "Desk") -> dict[str, Any]:
        from app.documents import plain
        from app.services.verdicts import alarm_of, drifts

        found = await drifts(desk.engine, desk.account, desk.configuration.debate.alarm)
        return {"account": desk.account, "alarm": alarm_of(found), "engines": {n: plain(d) for n, d in found.items()}}

    document = _asked(ask, feed)
    if json:
        emit(document)
        return
    from app.screens.debate import show_verdicts

    show_verdicts(_console(), document)


@app.command()
def calibration(feed: FeedOption = None, at: AtOption = None, json: JsonOption = False) -> None:
    """Brier and log score and the reliability curve of each source and engine, over closed positions."""

    async def ask(desk: "Desk") -> dict[str, Any]:
        from app.services.verdicts import calibration as measured

        return await measured(desk, instant(at))

    document = _asked(ask, feed)
    if json:
        emit(document)
        return
    from app.screens.debate import show_calibration

    show_calibration(_console(), document)


async def _ablate(*, runs: int, repeats: int, debate: Engine | None, feed: Feed | None) -> dict[str, Any]:
    import secrets

    from app.documents import plain
    from app.services.ablation import ablate as measured
    from app.services.ablation import past_cases
    from app.wiring import open_desk

    async with open_desk(_configured(), feed=feed, debate=debate) as desk:
        cases = await past_cases(desk, runs=runs)
        found = await measured(desk, cases, engine=desk.debate_engine, repeats=repeats, token=secrets.token_hex(3))
        return {
            "account": desk.account,
            "engine": desk.debate_engine,
            "models": {
                "advocate": desk.configuration.debate.models.advocate,
                "judge": desk.configuration.debate.models.judge,
            }
            if desk.debate_engine == "llm"
            else None,
            "runs": sorted({case.run_id for case in cases}),
            "cases": len(cases),
            "repeats": repeats,
            "variants": [plain(row) for row in found],
        }


def _asked(question: "Callable[[Desk], Awaitable[dict[str, Any]]]", feed: Feed | None) -> dict[str, Any]:
    from app.wiring import open_desk

    async def ask() -> dict[str, Any]:
        async with open_desk(_configured(), feed=feed) as desk:
            return await question(desk)

    return run(ask())


def _configured() -> Any:
    from app.logs import configure
    from app.wiring import configuration

    config = configuration()
    configure(config.environment.desk_log)
    return config


def _console() -> Any:
    from rich.console import Console

    return Console()
