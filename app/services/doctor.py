"""`desk doctor`: is everything there that the desk needs, and if not, what to do about it."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.clock import WallClock
from app.services.findings import Finding, Standing
from app.services.health import disk
from app.services.sources import text_sources
from app.settings import Environment
from app.wiring import Configuration, configuration
from domain.errors import DeskError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

PYTHONS = ((3, 11), (3, 13))
FEW_CORES = 2
HORIZON_WARN = timedelta(days=365)
APPEND_ONLY = ("decision_log", "seals")


async def examine(environment: Environment, now: datetime) -> tuple[Finding, ...]:
    """Everything, in the order in which it builds on each other. Never raises for what it finds."""
    found = [*machine(environment)]
    config = _configuration(environment, found)
    found += [*calendar(now), *credentials(environment)]
    if config is not None:
        found += await asyncio.to_thread(text_sources, environment, config.sentiment, WallClock())
    found += await _database(environment, config)
    if config is not None:
        found += await feeds(config)
    return tuple(found)


def machine(environment: Environment) -> Iterator[Finding]:
    """Interpreter, cores, user, disk, DESK_HOME."""
    version, (oldest, newest) = sys.version_info[:2], PYTHONS
    right = oldest <= version <= newest
    yield Finding(
        area="machine", name="python", status="ok" if right else "fail", detail=sys.version.split()[0],
        remedy="" if right else "Install Python 3.11, 3.12 or 3.13.",
    )  # fmt: skip
    cores = os.cpu_count() or 1
    yield Finding(
        area="machine", name="cores", status="ok" if cores >= FEW_CORES else "warn", detail=str(cores),
        remedy="" if cores >= FEW_CORES else "Runs take longer: raise node_timeout_s in desk.yaml if steps time out.",
    )  # fmt: skip
    yield _user(environment)
    yield _home(environment.desk_home)
    if environment.desk_home.exists():
        room = disk(environment.desk_home)
        remedy = "" if room.status == "ok" else "Free some space, or set DESK_HOME to a larger disk."
        yield Finding(area="machine", name="disk", status=room.status, detail=room.detail, remedy=remedy)


def calendar(now: datetime) -> Iterator[Finding]:
    """How far the trading calendar reaches, and the next session."""
    from domain.sessions import LAST_DAY, NEW_YORK, session_on_or_after

    day = now.astimezone(NEW_YORK).date()
    try:
        following = session_on_or_after(day)
    except DeskError as error:
        yield Finding(
            area="calendar", name="New York sessions", status="fail", detail=str(error),
            remedy="Set the machine's clock, or update the program.",
        )  # fmt: skip
        return
    near = LAST_DAY - day < HORIZON_WARN
    yield Finding(
        area="calendar", name="New York sessions", status="warn" if near else "ok",
        detail=f"known until {LAST_DAY}; today in New York is {day}, "
        + ("a session" if following == day else f"no session, the next is {following}"),
        remedy="Update the program: long options need a calendar." if near else "",
    )  # fmt: skip


def credentials(environment: Environment) -> Iterator[Finding]:
    """Whether each is set; never what it is. None of them is needed."""
    said = {
        "OPENAI_API_KEY": (environment.openai_api_key is not None, "debates by rules"),
        "OPENAI_BASE_URL": (environment.openai_base_url is not None, "the provider's own address"),
        "DESK_DATABASE_URL": (environment.desk_database_url is not None, "the embedded PostgreSQL"),
        "DESK_DATABASE_ADMIN_URL": (environment.desk_database_admin_url is not None, "the same login migrates"),
    }
    for name, (present, otherwise) in said.items():
        detail = "set" if present else f"not set: {otherwise}"
        yield Finding(area="credentials", name=name, status="ok", detail=detail)


async def feeds(config: Configuration) -> tuple[Finding, ...]:
    """What each feed can serve; only the chosen one is asked over the network."""
    looks: dict[str, Callable[[Configuration], Awaitable[Finding]]] = {
        "simulated": _simulated, "recorded": _recorded, "cboe": _cboe,
    }  # fmt: skip
    found = []
    for name, look in looks.items():
        chosen = config.desk.feed == name
        try:
            finding = await look(config)
        except DeskError as error:
            status: Standing = "fail" if chosen else "warn"
            finding = _feed(name, error.message, status, error.remedy or "See the file that the sentence names.")
        detail = finding.detail + (" (the default feed)" if chosen else "")
        found.append(finding.model_copy(update={"detail": detail}))
    return tuple(found)


def _configuration(environment: Environment, found: list[Finding]) -> Configuration | None:
    own = environment.desk_config
    try:
        config = configuration(environment)
    except DeskError as error:
        where = f"Mend the file under {own}." if own else "Restore the shipped config folder."
        found.append(
            Finding(
                area="configuration", name="files", status="fail", detail=error.message, remedy=error.remedy or where
            )
        )
        return None
    detail = f"shipped settings with {own} laid over" if own else "shipped settings"
    found.append(Finding(area="configuration", name="files", status="ok", detail=detail))
    return config


def _user(environment: Environment) -> Finding:
    """PostgreSQL does not run as root: it then needs a user namespace."""

    def finding(status: Standing, detail: str, remedy: str = "") -> Finding:
        return Finding(area="machine", name="user", status=status, detail=detail, remedy=remedy)

    if os.geteuid() != 0:
        return finding("ok", "an ordinary user")
    if environment.desk_database_url is not None:
        return finding("ok", "root, with an external database")
    program = shutil.which("unshare")
    if program is None:
        return finding("fail", "root without the program unshare", "Install util-linux, or run as an ordinary user.")
    words = [program, "--user", "--map-user=1000", "--map-group=1000", "--", "true"]
    if subprocess.run(words, capture_output=True, check=False).returncode:  # noqa: S603 - fixed words
        return finding(
            "fail", "root, and this machine forbids user namespaces",
            "Run as an ordinary user, or set DESK_DATABASE_URL.",
        )  # fmt: skip
    return finding("ok", "root, with user namespaces for the embedded PostgreSQL")


def _home(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"desk")
    except OSError as error:
        return Finding(
            area="machine", name="DESK_HOME", status="fail", detail=f"{home} cannot be written: {error.strerror}",
            remedy="Set DESK_HOME to a folder of your own.",
        )  # fmt: skip
    return Finding(area="machine", name="DESK_HOME", status="ok", detail=f"{home} can be written")


async def _database(environment: Environment, config: Configuration | None) -> list[Finding]:
    from memory.engine import connected, open_database

    url, admin_url = environment.desk_database_url, environment.desk_database_admin_url
    found: list[Finding] = []
    try:
        with ExitStack() as opened:
            database = opened.enter_context(
                open_database(
                    environment.desk_home,
                    url.get_secret_value() if url else None,
                    admin_url.get_secret_value() if admin_url else None,
                )
            )
            found += database_findings(database.admin_url, database.pipeline_url, embedded=url is None)
            if config is not None:
                async with connected(database.pipeline_url) as engine:
                    found.append(await verdicts(engine, config))
            found += await switches(database.pipeline_url)
    except DeskError as error:
        remedy = error.remedy or "'desk db start' says more; or set DESK_DATABASE_URL."
        found.append(Finding(area="database", name="connection", status="fail", detail=error.message, remedy=remedy))
    return found


def database_findings(admin_url: str, pipeline_url: str, *, embedded: bool) -> Iterator[Finding]:
    """Server, schema, pgvector, and that the pipeline's role cannot change the audit log. Raises `DatabaseDown`."""
    from memory.migrate import head, migrate
    from memory.privileges import refused_changes, server_facts

    brought = migrate(admin_url)
    facts = server_facts(pipeline_url)
    where = "embedded" if embedded else "external"
    yield Finding(area="database", name="connection", status="ok", detail=f"{where} PostgreSQL {facts.version}")
    detail = f"revision {head()}" + (", brought up to date just now" if brought else "")
    yield Finding(area="database", name="schema", status="ok", detail=detail)
    yield Finding(
        area="database", name="pgvector", status="ok" if facts.pgvector else "fail",
        detail=facts.pgvector or "not installed",
        remedy="" if facts.pgvector else "Have an administrator run: CREATE EXTENSION vector;",
    )  # fmt: skip
    for table in APPEND_ONLY:
        allowed = [verb for verb, refused in refused_changes(pipeline_url, table).items() if not refused]
        yield Finding(
            area="database", name=f"{table} append-only", status="fail" if allowed else "ok",
            detail=f"the pipeline's role may {', '.join(allowed)}" if allowed else "UPDATE, DELETE, TRUNCATE refused",
            remedy=f"As the owner: REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM desk_pipeline." if allowed else "",
        )  # fmt: skip


async def verdicts(engine: "AsyncEngine", config: Configuration) -> Finding:
    """Whether the debate of the default feed still comes to what it used to."""
    from app.services.verdicts import alarm_of, drifts, summary_of

    found = await drifts(engine, config.desk.feed, config.debate.alarm)
    alarm = alarm_of(found)
    return Finding(
        area="debate", name="verdicts", status="warn" if alarm else "ok", detail=alarm or summary_of(found),
        remedy="What changed – prompts, models, signals? 'desk debate ablate' tells which." if alarm else "",
    )  # fmt: skip


async def switches(pipeline_url: str) -> tuple[Finding, ...]:
    """Whether the desk trades, for everybody and for each account that a switch speaks of; and who is halted."""
    from app.services.health import trading
    from memory.engine import connected
    from memory.switches import EVERYWHERE, Switches

    async with connected(pipeline_url) as engine:
        reader = Switches(engine)
        accounts = sorted({EVERYWHERE, *(use.account for use in await reader.standing())})
        boards = {account: await reader.read(account) for account in accounts}
    everywhere = boards[EVERYWHERE]
    found = []
    for account, board in boards.items():
        if account == EVERYWHERE or board.uses != everywhere.uses:
            part = trading(board)
            remedy = (
                "" if part.status == "ok" else "'desk state' tells more; 'desk resume --reason TEXT' lets it go on."
            )
            name = "everywhere" if account == EVERYWHERE else account
            found.append(Finding(area="trading", name=name, status=part.status, detail=part.detail, remedy=remedy))
    found += [_halted(use.switch.removeprefix("agent:"), use.actor, use.reason) for use in everywhere.agents]
    return tuple(found)


def _halted(agent: str, by: str, reason: str) -> Finding:
    return Finding(
        area="trading", name=f"agent {agent}", status="warn", detail=f"halted by {by}: {reason}",
        remedy=f"'desk resume --agent {agent} --reason TEXT' lets it speak.",
    )  # fmt: skip


def _feed(name: str, detail: str, status: Standing = "ok", remedy: str = "") -> Finding:
    return Finding(area="feeds", name=name, status=status, detail=detail, remedy=remedy)


async def _simulated(config: Configuration) -> Finding:
    from app.settings import load
    from feeds.simulated.settings import SimulatedSettings
    from feeds.simulated.timeline import timeline

    settings = load(SimulatedSettings, "simulated", config.environment.desk_config)
    line = timeline(settings)
    last = line.day(len(line.days) - 1)
    return _feed("simulated", f"seed {settings.seed}, sessions from {line.day(line.first)} to {last}")


async def _recorded(config: Configuration) -> Finding:
    from feeds.library import MarketLibrary

    library = MarketLibrary(config.home / "library")
    sources, captures = library.list(), library.captures()
    if not captures:
        chosen = config.desk.feed == "recorded"
        detail = f"{len(sources)} sources, no option chain"
        return _feed("recorded", detail, "fail" if chosen else "ok", "'desk data import PATH' takes market files.")
    first, last = captures[0].as_of, captures[-1].as_of
    tickers = len({capture.ticker for capture in captures})
    detail = f"{len(sources)} sources, chains of {tickers} names from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return _feed("recorded", detail)


async def _cboe(config: Configuration) -> Finding:
    if config.desk.feed != "cboe":
        return _feed("cboe", "not asked: it is not the default feed")
    from contextlib import AsyncExitStack

    from app.wiring import market_feed

    clock: Any = WallClock()
    watched = (config.desk.watchlist.get("cboe") or ("SPX",))[:1]
    async with AsyncExitStack() as closing:
        quotes = await market_feed(config, "cboe", clock, closing).quotes(clock.now(), watched)
    if not quotes:
        return _feed("cboe", f"{watched[0]} was not served", "fail", "Check the watchlist in desk.yaml.")
    chain = quotes[watched[0]]
    return _feed("cboe", f"{watched[0]}: {len(chain)} contracts as of {chain.as_of:%Y-%m-%d %H:%M}Z")
