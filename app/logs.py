"""Structured JSON logs on stderr; secrets are never logged."""

import logging
import sys

import structlog

HIDDEN = ("key", "secret", "password", "token", "url")


def configure(level: str) -> None:
    """Send log lines at or above `level` to stderr as JSON."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _hide_secrets,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # whatever stderr is when the line is written
        cache_logger_on_first_use=False,
    )


def _hide_secrets(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    for name in event:
        if any(word in name.lower() for word in HIDDEN):
            event[name] = "***"
    return event
