"""The commands of `desk`, in the order of a day: look, run, review, book, audit; then data, server, machine."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import audit, data, db, demo, hedge, memory, news, review, sentiment, social
from app.cli import debate as debate_measures
from app.cli.options import (
    AtOption,
    ByOption,
    DebateOption,
    FeedOption,
    JsonOption,
    WatchlistOption,
    day,
    instant,
    tickers,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Option desk: analysts read one picture, debate, a risk gate, defined-risk orders staged for you.",
    epilog="Exit codes: 0 done, 1 refused by a rule, 2 bad input, 3 environment. Start with [bold]desk run[/].",
)
app.add_typer(review.app, name="review")
app.add_typer(hedge.app, name="hedge")
app.add_typer(audit.app, name="audit")
app.add_typer(debate_measures.app, name="debate")
app.add_typer(sentiment.app, name="sentiment")
app.add_typer(news.app, name="news")
app.add_typer(social.app, name="social")
app.add_typer(data.app, name="data")
app.add_typer(memory.app, name="memory")
app.add_typer(demo.app, name="demo")
app.add_typer(db.app, name="db")
config_app = typer.Typer(no_args_is_help=True, help="The configuration in force.")
app.add_typer(config_app, name="config")


@app.command()
def run(
    feed: FeedOption = None,
    at: AtOption = None,
    watchlist: WatchlistOption = None,
    debate: DebateOption = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help="Go on with a run that was cut off ('last' for the latest)."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run the whole pipeline once, to orders staged for a person."""
    from app.cli.run import run_command

    run_command(feed=feed, at=instant(at), watchlist=tickers(watchlist), debate=debate, resume=resume, as_json=json)


@app.command()
def book(feed: FeedOption = None, at: AtOption = None, json: JsonOption = False) -> None:
    """Positions, cash, NLV and Greeks."""
    from app.cli.book import book_command

    book_command(feed=feed, at=instant(at), as_json=json)


@app.command()
def regime(feed: FeedOption = None, at: AtOption = None, json: JsonOption = False) -> None:
    """The market's regime, and what it rests on."""
    from app.cli.regime import regime_command

    regime_command(feed=feed, at=instant(at), as_json=json)


@app.command()
def chain(
    ticker: Annotated[str, typer.Argument(help="Underlying, e.g. SPX.")],
    at: AtOption = None,
    expiry: Annotated[
        str | None, typer.Option("--expiry", metavar="DATE", help="Expiry to show in full. Default: nearest 30 days.")
    ] = None,
    feed: FeedOption = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the pictures: FILE.png, .svg or .pdf.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """One option chain: term structure, smile and fit, Greeks, dealers' exposure, odds, arbitrage, pictures."""
    from app.cli.chain import chain_command

    chain_command(ticker, feed=feed, at=instant(at), expiry=day(expiry), plot=plot, as_json=json)


@app.command()
def costs(
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="New York days back, today included.")] = 7,
    of_run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="One run only, or 'last'.")] = None,
    feed: FeedOption = None,
    json: JsonOption = False,
) -> None:
    """What models have cost, by day, agent, model and run, and what is left of today's budget."""
    from app.cli.costs import costs_command

    costs_command(days=days, run_id=of_run, feed=feed, as_json=json)


@app.command()
def halt(
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept on record.")] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Only this analyst falls silent, e.g. social.")
    ] = None,
    reducing: Annotated[bool, typer.Option("--reducing", help="Let closing orders through.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Stop nothing: the same as 'desk state'.")] = False,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Stop at once, in every process: nothing is sent, what is on its way is withdrawn."""
    from app.cli.halt import halt_command, state_command

    if status:
        state_command(limit=10, as_json=json)
    else:
        halt_command(reason=reason, agent=agent, reducing=reducing, by=by, as_json=json)


@app.command()
def resume(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it may go on.")],
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME", help="Only this analyst.")] = None,
    reducing: Annotated[bool, typer.Option("--reducing", help="Only closing orders, for now.")] = False,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Let trading go on after a halt, also where the desk had restrained itself."""
    from app.cli.halt import resume_command

    resume_command(reason=reason, agent=agent, reducing=reducing, by=by, as_json=json)


@app.command()
def state(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many uses, newest first.")] = 10,
    json: JsonOption = False,
) -> None:
    """Whether the desk trades, since when, by whom, why; halted agents; who used the switches."""
    from app.cli.halt import state_command

    state_command(limit=limit, as_json=json)


@app.command()
def stress(
    order: Annotated[
        str | None, typer.Option("--order", metavar="ORDER", help="Fill this staged order on top of what is held.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", metavar="NAME", help="One shock of history in detail, e.g. oct_1987.")
    ] = None,
    at: AtOption = None,
    feed: FeedOption = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the pictures: FILE.png, .svg or .pdf.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """The book in the crises of history, over a spot and volatility grid, and in random markets."""
    from app.cli.stress import stress_command

    stress_command(order=order, scenario=scenario, feed=feed, at=instant(at), plot=plot, as_json=json)


@app.command()
def graph(json: JsonOption = False) -> None:
    """The compiled decision graph as Mermaid."""
    from app.cli.outcome import emit
    from graph.build import mermaid

    if json:
        emit({"mermaid": mermaid()})
    else:
        typer.echo(mermaid())


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Check machine, configuration, database, credentials and feeds, and say how to fix what is wrong."""
    from app.cli.doctor import doctor_command

    raise typer.Exit(doctor_command(as_json=json))


@app.command()
def serve(
    feed: FeedOption = None,
    debate: DebateOption = None,
    once: Annotated[bool, typer.Option("--once", help="Run the slot that is due now, if any, and leave.")] = False,
    json: JsonOption = False,
) -> None:
    """Run the schedule on trading days, one run per slot, with /health."""
    from app.cli.serve import serve_command

    serve_command(feed=feed, debate=debate, once=once, as_json=json)


@config_app.command("show")
def config_show(json: JsonOption = False) -> None:
    """Every setting in force, secrets hidden."""
    from app.cli.config import show_command

    show_command(as_json=json)
