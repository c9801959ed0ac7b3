"""Fixtures every room may use."""

import os
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures_database"]


def pytest_configure() -> None:
    """Generated examples may take their time: a machine's speed is nobody's property. Tracebacks in logs come without
    every local value: printing those takes seconds, in which no loop turns.
    """
    settings.register_profile("desk", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("desk")
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared market data; skips, saying so, where it is absent."""
    folder = Path(os.environ.get("DESK_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"shared market data not found at {folder}: set DESK_DATA to run the real-data suite")
    return folder
