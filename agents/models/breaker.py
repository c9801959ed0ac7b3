"""A switch that stops asking an endpoint which keeps failing."""

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` failed calls in a row; after `cooldown_seconds` one call may try again."""

    def __init__(
        self, *, failures: int, cooldown_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._cooldown = cooldown_seconds
        self._monotonic = monotonic
        self._failed = 0
        self._opened_at: float | None = None

    def allows(self) -> bool:
        """Whether a call may be made now. While half-open, only the first caller is let through."""
        if self._opened_at is None:
            return True
        if self._monotonic() - self._opened_at < self._cooldown:
            return False
        self._opened_at = self._monotonic()
        return True

    def record(self, *, succeeded: bool) -> None:
        """Count the outcome of one call."""
        if succeeded:
            self._failed, self._opened_at = 0, None
            return
        self._failed += 1
        if self._failed >= self._limit:
            self._opened_at = self._monotonic()


class Breakers:
    """One breaker a provider: a local server that hangs must not silence a paid one. Meant to outlive a run."""

    def __init__(self, *, failures: int, cooldown_seconds: float) -> None:
        self._failures, self._cooldown = failures, cooldown_seconds
        self._of: dict[str, Breaker] = {}

    def of(self, provider: str) -> Breaker:
        """The breaker of `provider`, closed at first."""
        if provider not in self._of:
            self._of[provider] = Breaker(failures=self._failures, cooldown_seconds=self._cooldown)
        return self._of[provider]
