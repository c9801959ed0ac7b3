"""The few commands that a newcomer, a contributor and the gate type."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ("setup", "run", "test", "check", "lint", "types", "contracts", "cover", "lock", "bench", "clean")


def planned(target: str) -> str:
    """What `make target` would run."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    ended = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target], cwd=ROOT, env=inherited, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_there_and_first_of_all_sets_up(target: str) -> None:
    plan = planned(target)
    assert plan.strip()
    if target != "clean":
        assert plan.splitlines()[0] == "scripts/setup.sh"


def test_check_is_exactly_what_the_gate_runs() -> None:
    gate = ROOT / ".ci" / "run"
    assert os.access(gate, os.X_OK)
    assert gate.read_text().rstrip().endswith("exec make check")
    plan = planned("check")
    order = [plan.index(step) for step in ("ruff format --check", "ruff check", "mypy", "lint-imports", "pytest -n")]
    assert order == sorted(order)


def test_the_rooms_that_must_be_covered_are_held_to_it() -> None:
    report = next(line for line in planned("cover").splitlines() if "coverage report" in line)
    included = re.search(r"--include='([^']*)'", report)
    assert included
    assert {"graph/*", "agents/*", "risk/*", "memory/*"} <= set(included[1].split(","))
    floor = re.search(r"--fail-under=(\d+)", report)
    assert floor
    assert int(floor[1]) >= 95


def setup(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the copied set-up script with nothing but `variables`."""
    return subprocess.run(
        ["bash", folder / "scripts" / "setup.sh"], env={"PATH": os.defpath} | variables, capture_output=True, text=True
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as set-up reads."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup.sh", "requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_set_up_without_a_python_says_which_to_install(checkout: Path) -> None:
    tools = checkout / "bin"
    tools.mkdir()
    for tool in ("bash", "cat", "cut", "dirname", "sha256sum"):
        (tools / tool).symlink_to(next(p for d in os.defpath.split(":") if (p := Path(d or "/bin") / tool).exists()))
    ended = setup(checkout, PATH=str(tools))
    assert ended.returncode == 3
    assert "no Python 3.11, 3.12 or 3.13 found; install one" in ended.stderr
    assert not (checkout / ".venv").exists()


def test_a_failed_set_up_leaves_no_stamp_so_that_the_next_call_tries_again(checkout: Path) -> None:
    python = checkout / "bin" / "python3.11"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\ncase $* in *version_info*) exit 0;; *) exit 9;; esac\n")
    python.chmod(0o755)
    ended = setup(checkout, PATH=f"{python.parent}:{os.defpath}")
    assert ended.returncode != 0
    assert list(checkout.glob(".venv/.set-up-*")) == []


def test_a_second_set_up_does_nothing_until_the_lock_or_the_place_changes(checkout: Path) -> None:
    calls = checkout / "calls"
    base = checkout / "bin" / "python3.11"
    base.parent.mkdir()
    inside = f'#!/bin/sh\necho "$@" >> {calls}\n'
    base.write_text(
        f"{inside}case $* in *--without-pip*) for last; do :; done\n"
        'mkdir -p "$last/bin"; for name in python uv; do cp "$0" "$last/bin/$name"; done;; esac\n'
    )
    base.chmod(0o755)
    path = f"{base.parent}:{os.defpath}"

    def installs() -> int:
        calls.write_text("")
        ended = setup(checkout, PATH=path)
        assert ended.returncode == 0, ended.stderr
        return calls.read_text().count("--require-hashes -r requirements-dev.lock")

    assert installs() == 1
    assert installs() == 0
    with (checkout / "requirements-dev.lock").open("a") as lock:
        lock.write("\n")
    assert installs() == 1
    (checkout / ".venv" / ".made-for").write_text("/elsewhere\n")
    (checkout / ".venv" / "left over").touch()
    next(checkout.glob(".venv/.set-up-*")).unlink()
    assert installs() == 1
    assert not (checkout / ".venv" / "left over").exists(), "the old place's commands would still run"
