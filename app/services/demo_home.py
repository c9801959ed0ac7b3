"""A home of its own for what is only shown: made anew each time, never the reader's accounts."""

import shutil
from pathlib import Path

from app.settings import Environment
from app.wiring import Configuration, configuration
from domain.errors import Refused, StorageFull, UsageError

FOLDER = "demo"
MARK = "made-by-desk-demo"
REVIEWER = "demonstration"


def demo_configuration(environment: Environment) -> Configuration:
    """The shipped configuration over an empty home `demo` under the reader's, with an embedded database of its own.

    Nothing of the reader's settings, keys or database reaches it, so that it plays the same everywhere. Raises
    `UsageError` for a folder of that name that no demonstration made, `Refused` while another process reads it.
    """
    home = environment.desk_home / FOLDER
    _emptied(home)
    return configuration(environment.model_copy(update={**_bare(), "desk_home": home}))


def prefix(environment: Environment, home: Path) -> str:
    """What a shell command needs before it to look into `home`."""
    others = ("desk_database_url", "desk_database_admin_url", "desk_config")
    cleared = [f"{name.upper()}=" for name in others if getattr(environment, name) is not None]
    return " ".join([f"DESK_HOME={home}", *cleared])


def _bare() -> dict[str, object]:
    """Every variable of the environment at its default, but how loud the log is."""
    fields = Environment.model_fields
    return {name: field.get_default() for name, field in fields.items() if name not in ("desk_home", "desk_log")}


def _emptied(home: Path) -> None:
    from memory.postgres import EmbeddedPostgres

    if home.exists() and not (home / MARK).is_file() and (not home.is_dir() or any(home.iterdir())):
        raise UsageError(
            f"{home} is not a folder that a demonstration made, so it is not emptied.", remedy="Move it away."
        )
    try:
        EmbeddedPostgres(home / "postgres").stop()
    except Refused as refusal:
        raise Refused(
            f"Another process works in {home}.", code=refusal.code, remedy="Wait for it, or end it, first."
        ) from refusal
    try:
        if home.exists():
            shutil.rmtree(home)
        home.mkdir(parents=True)
        (home / MARK).write_text("Emptied by every 'desk demo squeeze'.\n", encoding="utf-8")
    except OSError as error:
        raise StorageFull(f"{home} cannot be made anew: {error.strerror}.", remedy="Check DESK_HOME.") from error
