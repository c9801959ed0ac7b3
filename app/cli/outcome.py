"""How a command ends: exit 0 done, 1 refused by a rule, 2 bad usage or input, 3 environment."""

import json
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from app.kernels import choose_cache
from domain.errors import DeskError, Interrupted, MachineError, Refused

T = TypeVar("T")


def guarded(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run `app` and translate how it ended. Tracebacks only with --debug or DESK_DEBUG."""
    debug = "--debug" in arguments or bool(os.environ.get("DESK_DEBUG"))
    as_json = "--json" in arguments
    try:
        choose_cache()
        result = app(args=[a for a in arguments if a != "--debug"], standalone_mode=False)
    except DeskError as error:
        if debug:
            raise
        return _failed(str(error), type(error).__name__, error.exit_code, as_json, _numbers(error))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        usage = _usage(error)
        if usage is not None:
            return _failed(usage, "UsageError", 2, as_json) if usage else 2
        if debug:
            raise
        failure = as_environment(error)
        if failure is not None:
            return _failed(str(failure), type(failure).__name__, failure.exit_code, as_json)
        return _failed(
            f"Unexpected {type(error).__name__}: {error}. Run again with --debug for the traceback.",
            "Unexpected",
            3,
            as_json,
        )
    if result == Interrupted.exit_code:  # Typer's translation of the key
        said = f"Interrupted; nothing is half-written. A run goes on by '{program()} run --resume last'."
        return _failed(said, Interrupted.__name__, result, as_json)
    return result if isinstance(result, int) else 0


def as_environment(error: BaseException) -> DeskError | None:
    """The desk's own error behind a wrapped one, or what an operating system error means."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DeskError):
            return seen
        if isinstance(seen, BaseExceptionGroup):
            return next((found for inner in seen.exceptions if (found := as_environment(inner))), None)
        if isinstance(seen, PermissionError):
            return MachineError(f"No permission for {seen.filename}.", remedy="Set DESK_HOME to a folder you own.")
        seen = seen.__cause__ or seen.__context__
    return None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's effects on one event loop."""
    import asyncio

    return asyncio.run(work)


def emit(document: Any) -> None:
    """The one JSON document of a command, on stdout."""
    sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")  # whole or not at all


def program() -> str:
    """How the reader called this program, for hints that can be typed as they stand."""
    called = Path(sys.argv[0])
    try:
        return str(called.relative_to(Path.cwd())) if called.is_absolute() else str(called)
    except ValueError:
        return "desk"


def _usage(error: Exception) -> str | None:
    """What Typer says about wrong arguments; empty where it has shown the help already."""
    from typer.exceptions import TyperException

    return error.format_message() if isinstance(error, TyperException) else None


def _numbers(error: DeskError) -> dict[str, Any]:
    return {"code": error.code, "measured": error.measured, "limit": error.limit} if isinstance(error, Refused) else {}


def _failed(sentence: str, kind: str, code: int, as_json: bool, numbers: dict[str, Any] | None = None) -> int:
    if as_json:
        emit({"error": {"kind": kind, "message": sentence, "exit_code": code, **(numbers or {})}})
    print(f"desk: {sentence}", file=sys.stderr)
    return code
