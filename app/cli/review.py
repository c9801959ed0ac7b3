"""`desk review`: a person decides on staged orders."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import AtOption, ByOption, Feed, FeedOption, JsonOption, instant, person, premium
from app.cli.outcome import emit, program, run

if TYPE_CHECKING:
    from app.wiring import Desk

app = typer.Typer(no_args_is_help=True, help="Staged orders wait for a person: look, approve, reject, edit.")

OrderArgument = Annotated[str, typer.Argument(metavar="ORDER", help="Order id; a unique beginning is enough.")]
WhenOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="ISO8601",
        help="When you decide, by the feed's clock. Default: where a recorded order stands, minutes after staging in "
        "the simulated market, now for a live feed.",
    ),
]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also decided, lapsed and superseded ones.")] = False,
    feed: FeedOption = None,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Orders that wait for a person or a broker."""
    moment = instant(at)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.review import orders_waiting

        return await orders_waiting(desk, everything=everything, at=moment)

    document = run(_on_desk(feed, work))
    if json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.order import show_orders

    show_orders(Console(), document, desk=program())


@app.command()
def show(order: OrderArgument, feed: FeedOption = None, at: WhenOption = None, json: JsonOption = False) -> None:
    """One order on one screen."""
    moment = instant(at)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.review import desk_of, shown

        return await shown(await desk_of(desk, order), order, at=moment)

    document = run(_on_desk(feed, work))
    if json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.order import show_order

    show_order(Console(), document, desk=program())


@app.command()
def approve(
    order: OrderArgument,
    at: WhenOption = None,
    by: ByOption = None,
    large: Annotated[
        bool, typer.Option("--large", help="A hedge beyond ten contracts a day; needs --reason, and is audited.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept with the decision.")] = None,
    feed: FeedOption = None,
    json: JsonOption = False,
) -> None:
    """Re-price, re-check, hand to the paper broker. A rule that says no refuses, with the numbers."""
    moment, reviewer = instant(at), person(by)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.review import approve as approved
        from app.services.review import desk_of

        account = await desk_of(desk, order)
        return await approved(account, order, at=moment, reviewer=reviewer, large=large, reason=reason)

    _decided(run(_on_desk(feed, work)), json)


@app.command()
def reject(
    order: OrderArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why not.")],
    at: WhenOption = None,
    by: ByOption = None,
    feed: FeedOption = None,
    json: JsonOption = False,
) -> None:
    """Say no, and why."""
    moment, reviewer = instant(at), person(by)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.review import desk_of
        from app.services.review import reject as rejected

        return await rejected(await desk_of(desk, order), order, at=moment, reviewer=reviewer, reason=reason)

    _decided(run(_on_desk(feed, work)), json)


@app.command()
def edit(
    order: OrderArgument,
    contracts: Annotated[
        int | None, typer.Option("--contracts", metavar="N", help="Fewer contracts: units times the largest leg ratio.")
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option("--limit", metavar="X", help="Net premium a share, credit positive: -1.80 pays 1.80."),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept with the edit.")] = None,
    at: WhenOption = None,
    by: ByOption = None,
    feed: FeedOption = None,
    json: JsonOption = False,
) -> None:
    """Make it smaller, or move its limit: a new version, checked and audited like an approval."""
    moment, reviewer, price = instant(at), person(by), premium(limit)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.review import desk_of
        from app.services.review_edit import edit as edited

        return await edited(
            await desk_of(desk, order),
            order,
            at=moment,
            reviewer=reviewer,
            contracts=contracts,
            limit=price,
            reason=reason,
        )

    _decided(run(_on_desk(feed, work)), json)


async def _on_desk(feed: Feed | None, work: "Callable[[Desk], Awaitable[dict[str, Any]]]") -> dict[str, Any]:
    from app.logs import configure
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, feed=feed, debate="rules") as desk:  # nobody debates here, so no model is needed
        return await work(desk)


def _decided(document: dict[str, Any], as_json: bool) -> None:
    """Show a decision; exit 1 where the broker refused what the person approved."""
    if as_json:
        emit(document)
    else:
        from rich.console import Console

        from app.screens.decision import show_decision

        show_decision(Console(), document, desk=program())
    if document.get("execution", {}).get("state") == "failed":
        raise typer.Exit(1)
