"""Fixtures of the agents' tests."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.llm_server import LlmServer, Script


@pytest.fixture
def llm_server() -> Iterator[Callable[[Script], LlmServer]]:
    """Starts scripted model servers; all are closed at the end."""
    started: list[LlmServer] = []

    def start(script: Script | None = None) -> LlmServer:
        started.append(LlmServer(script))
        return started[-1]

    yield start
    for server in started:
        server.close()
