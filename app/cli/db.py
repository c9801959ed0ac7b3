"""`desk db`: the embedded PostgreSQL, which otherwise starts on demand and goes when its last user has gone."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption
from app.cli.outcome import emit

if TYPE_CHECKING:
    from memory.postgres import EmbeddedPostgres

app = typer.Typer(no_args_is_help=True, help="The embedded database: start, stop, status, url.")


@app.command()
def start(json: JsonOption = False) -> None:
    """Start it and keep it running until `desk db stop`."""
    server = _embedded()
    server.start(keep=True)
    server.release()
    _show(server, json, "running")


@app.command()
def stop(
    force: Annotated[bool, typer.Option("--force", help="Also while other desk processes use it.")] = False,
    json: JsonOption = False,
) -> None:
    """Stop it."""
    server = _embedded()
    server.stop(force=force)
    _show(server, json, "stopped")


@app.command()
def status(json: JsonOption = False) -> None:
    """Whether it runs, and where."""
    server = _embedded()
    _show(server, json, "running" if server.status().running else "not running")


@app.command()
def url(json: JsonOption = False) -> None:
    """The SQLAlchemy URL of the database in use, password hidden."""
    from app.settings import Environment

    external = Environment().desk_database_url
    if external is None:
        text = _embedded().url()
    else:
        from sqlalchemy import make_url

        text = make_url(external.get_secret_value()).render_as_string(hide_password=True)
    if json:
        emit({"url": text, "embedded": external is None})
    else:
        typer.echo(text)


def _embedded() -> "EmbeddedPostgres":
    from app.settings import Environment
    from memory.postgres import EmbeddedPostgres

    return EmbeddedPostgres(Environment().desk_home / "postgres")


def _show(server: "EmbeddedPostgres", json: bool, word: str) -> None:
    found = server.status()
    if json:
        emit(found.model_dump(mode="json"))
    else:
        kept = ", kept until 'desk db stop'" if found.kept else ""
        typer.echo(f"embedded PostgreSQL is {word} (pid {found.pid or '–'}, {found.root}){kept}")
