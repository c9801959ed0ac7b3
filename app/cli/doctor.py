"""`desk doctor`."""

from app.cli.outcome import emit, run

FAILED = 3


def doctor_command(*, as_json: bool) -> int:
    """Show what was found; 3 if anything fails."""
    from app.clock import WallClock
    from app.documents import plain
    from app.logs import configure
    from app.services.doctor import examine
    from app.settings import Environment

    environment = Environment()
    configure(environment.desk_log)
    findings = run(examine(environment, WallClock().now()))
    worst = max((finding.status for finding in findings), key=("ok", "warn", "fail").index)
    if as_json:
        emit({"status": worst, "findings": plain(findings)})
    else:
        from rich.console import Console

        from app.screens.doctor import show_findings

        show_findings(Console(), findings)
    return FAILED if worst == "fail" else 0
