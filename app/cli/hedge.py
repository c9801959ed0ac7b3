"""`desk hedge`: how much protection, at what cost, and when to roll it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.options import AtOption, ByOption, Feed, FeedOption, JsonOption, instant, person, tickers
from app.cli.outcome import emit, program, run
from domain.errors import UsageError

if TYPE_CHECKING:
    from app.wiring import Desk

app = typer.Typer(no_args_is_help=True, help="Protection: size it, keep it within its budget, roll it in time.")

MOST = 10**12  # USD
Method = Literal["ratio", "delta", "stress"]
ValueOption = Annotated[
    str | None,
    typer.Option(
        "--portfolio-value", metavar="USD", help="A portfolio held elsewhere. Default: this account, its book and NLV."
    ),
]
NamesOption = Annotated[
    str | None, typer.Option("--underlyings", metavar="A,B", help="What to buy puts on. Default: those of hedge.yaml.")
]
TargetOption = Annotated[
    int | None, typer.Option("--target-contracts", metavar="N", help="So many contracts, whatever the ratio says.")
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", metavar="A=X,B=Y", help="How to share contracts out, e.g. QQQ=0.6,SPY=0.4."),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept with the change.")]


@app.command()
def size(
    portfolio_value: ValueOption = None,
    underlyings: NamesOption = None,
    target_contracts: TargetOption = None,
    weights: WeightsOption = None,
    feed: FeedOption = None,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """How many puts on what, by ratio, by delta and by stress, priced on the chain and held to the month's budget."""
    value = None if portfolio_value is None else dollars(portfolio_value, "--portfolio-value")
    shares = None if weights is None else weighted(weights)
    names, moment = named(underlyings), instant(at)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.hedge import Wanted, hedge_size

        return await hedge_size(desk, Wanted(value, names, target_contracts, shares), at=moment)

    _answer(feed, work, "size", json=json)


@app.command()
def stage(
    method: Annotated[
        Method, typer.Option("--method", help="Which of the three sizes of 'desk hedge size' to stage.")
    ] = "ratio",
    portfolio_value: ValueOption = None,
    underlyings: NamesOption = None,
    target_contracts: TargetOption = None,
    weights: WeightsOption = None,
    reason: ReasonOption = None,
    by: ByOption = None,
    feed: FeedOption = None,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Stage a hedge for review, within the month's budget; beyond ten contracts it needs approve --large --reason."""
    if not (reason or "").strip():
        raise UsageError("A hedge is not staged without a reason.", remedy="Add --reason TEXT.")
    value = None if portfolio_value is None else dollars(portfolio_value, "--portfolio-value")
    shares = None if weights is None else weighted(weights)
    names, moment, who = named(underlyings), instant(at), person(by)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.hedge import Wanted
        from app.services.hedge_stage import stage_hedge

        wanted = Wanted(value, names, target_contracts, shares)
        return await stage_hedge(desk, wanted, method=method, by=who, reason=(reason or "").strip(), at=moment)

    _answer(feed, work, "staged", json=json)


@app.command()
def roll(feed: FeedOption = None, at: AtOption = None, json: JsonOption = False) -> None:
    """Open hedges with their days, delta, value and profit; what is due gets a successor and its net cost."""
    moment = instant(at)

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.hedge import hedge_roll

        return await hedge_roll(desk, at=moment)

    _answer(feed, work, "roll", json=json)


@app.command()
def budget(
    set_to: Annotated[
        str | None, typer.Option("--set", metavar="USD", help="What a month may cost, from this one on.")
    ] = None,
    debit: Annotated[
        str | None, typer.Option("--debit", metavar="USD", help="Record what was spent outside the desk's orders.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="TEXT", help="What the debit is for; the same key counts once.")
    ] = None,
    reason: ReasonOption = None,
    by: ByOption = None,
    feed: FeedOption = None,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """This month's hedge budget, what was spent of it, and how the months before ended."""
    if set_to is not None and debit is not None:
        raise UsageError("--set and --debit are two changes.", remedy="Give one, then the other.")
    if debit is not None and key is None:
        raise UsageError("A debit needs a key, so that it counts once.", remedy="Add --key, e.g. the order's id.")
    if (set_to is not None or debit is not None) and not (reason or "").strip():
        raise UsageError("The hedge budget is not changed without a reason.", remedy="Add --reason TEXT.")
    work = _budget_work(
        None if set_to is None else dollars(set_to, "--set"),
        None if debit is None else dollars(debit, "--debit"),
        key or "",
        (reason or "").strip(),
        by,
        at,
    )
    _answer(feed, work, "budget", json=json)


def dollars(text: str, option: str) -> Decimal:
    """An amount as it was typed; thousands may be set off by commas or underscores."""
    try:
        amount = Decimal(text.replace(",", "").replace("_", "").removeprefix("$"))
    except InvalidOperation as error:
        raise UsageError(f"{option} {text!r} is no amount.", remedy="Write e.g. 250000.") from error
    if not amount.is_finite():
        raise UsageError(f"{option} {text!r} is no amount.", remedy="Write e.g. 250000.")
    if amount < 0:
        raise UsageError(f"{option} {text!r} is below zero.", remedy="Write e.g. 250000.")
    if amount > MOST:
        raise UsageError(f"{option} {text!r} is beyond {MOST:,} USD.", remedy="Write e.g. 250000.")
    return amount


def named(text: str | None) -> tuple[str, ...]:
    """Tickers, upper case, each once; none where the option was not given."""
    if text is not None and not text.replace(",", "").strip():
        raise UsageError("--underlyings names no ticker.", remedy="Write e.g. --underlyings QQQ,SPY.")
    return tickers(text)


def weighted(text: str) -> dict[str, Decimal]:
    """Weights by ticker, exact to the digit that was typed."""
    found: dict[str, Decimal] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        ticker, sign, weight = (piece.strip() for piece in part.partition("="))
        try:
            value = Decimal(weight)
        except InvalidOperation:
            value = Decimal("NaN")
        if not ticker or not sign or not value.is_finite() or value < 0:
            raise UsageError(f"{part!r} is no weight.", remedy="Write e.g. --weights QQQ=0.6,SPY=0.4.")
        if ticker.upper() in found:
            raise UsageError(f"--weights names {ticker.upper()} twice.", remedy="Give each underlying one weight.")
        found[ticker.upper()] = value
    if not found:
        raise UsageError("--weights gives no weight.", remedy="Write e.g. --weights QQQ=0.6,SPY=0.4.")
    return found


Work = Callable[["Desk"], Awaitable[dict[str, Any]]]


def _budget_work(
    limit: Decimal | None, spent: Decimal | None, key: str, reason: str, by: str | None, at: str | None
) -> Work:
    moment = instant(at)
    who = person(by) if limit is not None or spent is not None else ""

    async def work(desk: "Desk") -> dict[str, Any]:
        from app.services.hedge import debit_budget, hedge_budget, set_budget

        if limit is not None:
            return await set_budget(desk, limit, by=who, reason=reason, at=moment)
        if spent is not None:
            return await debit_budget(desk, spent, key=key, by=who, reason=reason, at=moment)
        return await hedge_budget(desk, at=moment)

    return work


def _answer(feed: Feed | None, work: Work, screen: Literal["size", "staged", "roll", "budget"], *, json: bool) -> None:
    document = run(_on_desk(feed, work))
    if json:
        emit(document)
        return
    from rich.console import Console

    from app.screens.hedge import SCREENS

    SCREENS[screen](Console(), document, desk=program())


async def _on_desk(feed: Feed | None, work: Work) -> dict[str, Any]:
    from app.logs import configure
    from app.wiring import configuration, open_desk

    config = configuration()
    configure(config.environment.desk_log)
    async with open_desk(config, feed=feed, debate="rules") as desk:
        return await work(desk)
