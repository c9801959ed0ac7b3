"""The only module that reads the wall clock."""

import time
from datetime import UTC, datetime


class WallClock:
    """The machine's clock, guarded: an instant never lies before one already handed out."""

    def __init__(self) -> None:
        self._offset = datetime.now(UTC).timestamp() - time.monotonic()
        self._last = datetime.now(UTC)

    def now(self) -> datetime:
        """Aware UTC. A clock set back while the desk runs stands still until it has caught up."""
        self._last = max(self._last, datetime.now(UTC))
        return self._last

    def jump_seconds(self) -> float:
        """How far the wall clock moved against the monotonic one since start: > 0 forward, < 0 back."""
        return datetime.now(UTC).timestamp() - time.monotonic() - self._offset


class FixedClock:
    """Stands at one instant: recorded and simulated runs, tests."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The instant it was given."""
        return self._at
