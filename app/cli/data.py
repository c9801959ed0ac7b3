"""`desk data`: real market files into the library that the recorded feed reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import JsonOption
from app.cli.outcome import emit
from domain.errors import DataError, UsageError

if TYPE_CHECKING:
    from feeds.library import ImportReport, MarketLibrary

app = typer.Typer(no_args_is_help=True, help="Import market files; list what the recorded feed knows.")


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A file, or a folder whose recognised files are all taken.")],
    columns: Annotated[
        Path | None, typer.Option("--columns", help="YAML column mapping for a layout no preset knows.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Read market files by the preset that their header names, mend and report their faults, keep them."""
    from app.documents import plain
    from app.settings import read_mapping
    from feeds.importers.columns import ColumnMapping

    if not path.exists():
        raise UsageError(f"{path} does not exist.", remedy="Give a market file or a folder of them.")
    mapping = read_mapping(ColumnMapping, columns) if columns else None
    report = _library().import_path(path, mapping)
    if json:
        emit({"rows": report.rows, "files": plain(report.files)})
    else:
        _show_import(report)
    if not report.of("imported", "already_there"):
        failed = report.of("failed", "unknown_layout", "not_market_data")
        raise DataError(failed[0].detail if failed else f"{path} holds no market file.")


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """Every imported source with its span, and the instants at which chains are known."""
    library = _library()
    sources, captures = library.list(), library.captures()
    if json:
        from app.documents import plain

        emit({"sources": plain(sources), "captures": _by_instant(captures)})
        return
    from rich.console import Console

    from app.screens.data import show_library

    show_library(Console(), sources, _by_instant(captures))


def _library() -> "MarketLibrary":
    from app.settings import Environment
    from feeds.library import MarketLibrary

    return MarketLibrary(Environment().desk_home / "library")


def _by_instant(captures: Any) -> list[dict[str, Any]]:
    found: dict[str, list[str]] = {}
    for capture in captures:
        found.setdefault(f"{capture.as_of:%Y-%m-%dT%H:%M:%SZ}", []).append(capture.ticker)
    return [{"at": at, "tickers": sorted(tickers)} for at, tickers in sorted(found.items())]


def _show_import(report: "ImportReport") -> None:
    from rich.console import Console

    from app.screens.data import show_import

    show_import(Console(), report)
