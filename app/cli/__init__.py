"""`desk`: the command line. Commands are declared here and import what they need only when called."""

import sys

from app.cli.root import app


def main() -> None:
    """Run the command line; every failure is one sentence on stderr and an exit code."""
    from app.cli.outcome import guarded

    sys.exit(guarded(app, sys.argv[1:]))


__all__ = ["app", "main"]
