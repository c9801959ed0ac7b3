"""What the tests of this room share: a clock that is set by hand, and small records."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.audit import AuditEntry


class SetClock:
    """A clock port that stands still until told otherwise."""

    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at

    def advance(self, **step):
        self.at += timedelta(**step)


@pytest.fixture
def clock():
    return SetClock(datetime(2026, 11, 20, 14, 35, tzinfo=UTC))


@pytest.fixture
def entry():
    """Builds an audit entry; every argument has a value unless given."""

    def build(run_id="r1", node="debate", ticker="SPY", kind="verdict", output=None, author="rule"):
        return AuditEntry(
            run_id=run_id,
            node=node,
            ticker=ticker,
            kind=kind,
            author=author,
            inputs={"snapshot": "ab12"},
            output={"score": 0.1} if output is None else output,
            versions={"debate": "1"},
        )

    return build
