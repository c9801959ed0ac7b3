"""Log lines are JSON on stderr: an unforeseen fault tells where it happened, and nothing named as a secret is shown."""

import json

import pytest
import structlog

from app.logs import configure


@pytest.fixture(autouse=True)
def _as_it_was():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def fails_in_here():
    unsaid = "a local value"
    raise ZeroDivisionError(f"by {len(unsaid)}")


def test_an_unforeseen_fault_is_logged_with_the_place_where_it_happened_and_no_local_values(capfd):
    configure("info")
    try:
        fails_in_here()
    except ZeroDivisionError:
        structlog.get_logger("desk").exception("source failed", source="reddit")
    line = json.loads(capfd.readouterr().err)
    assert (line["event"], line["source"], line["level"]) == ("source failed", "reddit", "error")
    assert "in fails_in_here" in line["exception"]
    assert line["exception"].endswith("ZeroDivisionError: by 13")
    assert "a local value" not in line["exception"]


def test_secrets_and_lines_below_the_level_are_not_shown(capfd):
    configure("warning")
    log = structlog.get_logger("desk")
    log.info("quiet")
    log.warning("asked", api_key="abc", url="postgresql://user:abc@host", provider="finnhub")
    said = capfd.readouterr().err
    assert "abc" not in said
    assert "quiet" not in said
    assert json.loads(said)["provider"] == "finnhub"
