"""Dockerfile and docker-compose.yml against what the application really needs: no engine builds them here."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from app.settings import SECRETS, DeskSettings, Environment, load
from memory.engine import Database, conninfo
from memory.postgres import DATABASE, FAST, OWNER, PIPELINE, SUPERUSER, EmbeddedPostgres, _binaries

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
WORKER, SERVER = COMPOSE["services"]["worker"], COMPOSE["services"]["database"]
ROOMS = tuple(sorted(path.parent.name for path in ROOT.glob("*/__init__.py")))
PORT = DeskSettings.model_fields["health_port"].default
INIT = "./scripts/database_roles.sh"


class Step(NamedTuple):
    """One instruction."""

    stage: int
    word: str
    rest: str


def steps() -> tuple[Step, ...]:
    """The Dockerfile's instructions in order, continuation lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    stage, found = -1, []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            stage += word == "FROM"
            found.append(Step(stage, word, re.sub(r"\s+", " ", rest)))
    return tuple(found)


LAST = max(step.stage for step in steps())


def only(word: str) -> str:
    """What the final stage says after `word`, which it says once."""
    (found,) = [step.rest for step in steps() if step.word == word and step.stage == LAST]
    return found


def variables(stage: int = LAST) -> dict[str, str]:
    """ENV of a stage."""
    pairs = (shlex.split(step.rest) for step in steps() if step.word == "ENV" and step.stage == stage)
    return dict(pair.split("=", 1) for words in pairs for pair in words)


def test_every_stage_is_one_pinned_slim_python_that_the_project_allows() -> None:
    images = {step.rest.split(" AS ")[0] for step in steps() if step.word == "FROM"}
    (image,) = images
    version = re.fullmatch(r"python:(\d+\.\d+\.\d+)-slim-[a-z]+", image)
    assert version, f"{image} is not pinned to a patch release and a distribution"
    assert version[1] in SpecifierSet(PROJECT["project"]["requires-python"])
    assert version[1].startswith(PROJECT["tool"]["mypy"]["python_version"] + ".")


def test_the_image_holds_every_room_the_configuration_and_what_the_build_names() -> None:
    copied = {
        word for step in steps() if step.word == "COPY" and "--from" not in step.rest for word in step.rest.split()[:-1]
    }
    config = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert copied == {
        *ROOMS, *config, "requirements.lock", "pyproject.toml", PROJECT["project"]["readme"],
        *PROJECT["project"]["license-files"],
    }  # fmt: skip
    assert all((ROOT / name).exists() for name in copied)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == copied, "the build context lacks what is copied, or carries what is not"
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_only_hashed_requirements_enter_the_image_and_no_compiler() -> None:
    runs = [step.rest for step in steps() if step.word == "RUN"]
    installs = [run for run in runs if "pip install" in run]
    assert installs == [
        "/opt/desk/bin/pip install --require-hashes -r requirements.lock",
        "/opt/desk/bin/pip install --no-deps .",
    ]
    assert not [run for run in runs if re.search(r"apt|apk|gcc|build-essential|curl|wget", run)]
    assert not [step for step in steps() if step.word == "RUN" and step.stage == LAST and "pip" in step.rest]


def test_the_process_is_nobody_special_and_owns_its_home() -> None:
    user, group = only("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    home = variables()["DESK_HOME"]
    assert f"install --directory --owner {user} --group {group} --mode 0700 {home}" in " ".join(
        step.rest for step in steps() if step.stage == LAST and step.word == "RUN"
    )
    order = [step.word for step in steps() if step.stage == LAST]
    assert order.index("USER") > max(number for number, word in enumerate(order) if word == "RUN")


def commands() -> set[str]:
    """Commands of `desk`."""
    from typer.main import get_command

    from app.cli import app

    return set(get_command(app).commands)  # type: ignore[attr-defined]  # a group: it has several commands


def test_what_the_containers_run_is_a_command_of_desk() -> None:
    (script,) = PROJECT["project"]["scripts"]
    assert json.loads(only("ENTRYPOINT")) == [script]
    for words in (json.loads(only("CMD")), WORKER["command"]):
        assert words[0] in commands()
    typed = re.findall(r"worker desk (\w+)", (ROOT / "docs" / "containers.md").read_text())
    assert typed
    assert set(typed) <= commands()


def test_the_health_check_asks_the_port_that_desk_serves() -> None:
    check = re.fullmatch(r"(?:--\S+ )*CMD (\[.*])", only("HEALTHCHECK"))
    assert check
    program, flag, source = json.loads(check[1])
    assert (program, flag) == ("python", "-c")
    ast.parse(source)
    assert f"http://127.0.0.1:{PORT}/health" in source
    assert only("EXPOSE") == str(PORT)


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
def test_the_health_check_fails_when_health_says_503(status: int, expected: int) -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        source = json.loads(only("HEALTHCHECK").split("CMD ")[1])[2].replace(str(PORT), str(server.server_port))
        ended = subprocess.run([sys.executable, "-c", source], capture_output=True)
        server.shutdown()
        thread.join()
    assert ended.returncode == expected


def test_only_health_is_published_and_only_to_this_machine() -> None:
    assert WORKER["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert "ports" not in SERVER
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVER["networks"] == ["inside"]
    assert set(WORKER["networks"]) == {"inside", "outside"}  # a port of an internal network cannot be published


def test_variables_are_those_that_desk_reads() -> None:
    fields = set(Environment.model_fields)
    assert {name.lower() for name in WORKER["environment"]} <= fields
    assert {name.lower() for name in variables() if name.startswith(("DESK", "OPENAI"))} <= fields
    given = {name.lower(): value for name, value in (WORKER["environment"] | variables()).items()}
    known = {name: value for name, value in given.items() if name in fields}
    assert str(Environment(**known).desk_home) == variables()["DESK_HOME"]


def test_secrets_are_files_named_like_variables_and_never_variables() -> None:
    assert Path("/run/secrets") == SECRETS
    secret = {name for name, field in Environment.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert set(COMPOSE["secrets"]) == secret | {"postgres_password"}
    assert set(WORKER["secrets"]) <= secret
    assert "postgres_password" not in WORKER["secrets"], "the worker must not be able to become the superuser"
    assert not secret & {name.lower() for name in WORKER["environment"]}
    assert SERVER["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    assert set(SERVER["secrets"]) <= set(COMPOSE["secrets"])
    files = [definition["file"] for definition in COMPOSE["secrets"].values()]
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    assert {Path(file).parts[0] for file in files} <= ignored, "a secret could be committed"


def test_the_mounted_configuration_is_valid_and_reachable_through_the_published_port() -> None:
    source, target, mode = next(volume for volume in WORKER["volumes"] if volume.startswith("./")).split(":")
    assert (target, mode) == (WORKER["environment"]["DESK_CONFIG"], "ro")
    folder = ROOT / source
    assert {path.name for path in folder.iterdir()} <= {path.name for path in (ROOT / "config").iterdir()}
    settings = load(DeskSettings, "desk", folder)
    assert (settings.health_host, settings.health_port) == ("0.0.0.0", PORT)  # noqa: S104 - inside the container


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_a_service_can_change_nothing_but_its_volumes(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - a path inside the container
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    assert service.get("user", only("USER")) not in {"root", "0", "0:0"}
    for volume in service["volumes"]:
        origin, target, *mode = volume.split(":")
        assert origin in COMPOSE["volumes"] or ((ROOT / origin).exists() and mode == ["ro"]), volume
        assert target.startswith("/")
    # Engines copy such content into the container, which a read-only root filesystem refuses.
    sources = [*COMPOSE["secrets"].values(), *COMPOSE.get("configs", {}).values()]
    assert all(set(source) == {"file"} for source in sources)


def test_state_lives_in_named_volumes_where_the_programs_write() -> None:
    assert f"home:{variables()['DESK_HOME']}" in WORKER["volumes"]
    assert "database:/var/lib/postgresql" in SERVER["volumes"]  # of 18 and later: .../data would stay unused
    assert set(COMPOSE["volumes"]) == {"home", "database"}


def test_the_worker_waits_for_a_database_that_is_up_for_good() -> None:
    assert WORKER["depends_on"] == {"database": {"condition": "service_healthy"}}
    test = SERVER["healthcheck"]["test"]
    assert test[:2] == ["CMD", "pg_isready"]
    assert "--host=127.0.0.1" in test, "by socket it would answer while the server still initialises"
    assert f"--dbname={SERVER['environment']['POSTGRES_DB']}" in test


def test_the_image_and_the_embedded_server_are_one_postgres_and_one_pgvector() -> None:
    pinned = re.fullmatch(r"pgvector/pgvector:(\d+\.\d+\.\d+)-pg(\d+)", SERVER["image"])
    assert pinned
    said = subprocess.run([_binaries() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"(PostgreSQL) {pinned[2]}." in said
    (control,) = (_binaries().parent / "share").rglob("vector.control")
    assert f"default_version = '{pinned[1]}'" in control.read_text()


def test_both_servers_sort_alike() -> None:
    words = SERVER["environment"]["POSTGRES_INITDB_ARGS"].split()
    manager = (ROOT / "memory" / "postgres.py").read_text()
    assert [word for word in words if word not in manager] == []


@pytest.fixture(scope="module")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A cluster as the image leaves it before its init scripts: a superuser, and an empty database `desk`."""
    import psycopg

    with EmbeddedPostgres(tmp_path_factory.mktemp("bare"), settings=FAST) as server:
        with psycopg.connect(conninfo(server.url(SUPERUSER, "postgres")), autocommit=True) as link:
            for thing in (f"DATABASE {DATABASE}", f"ROLE {OWNER}", f"ROLE {PIPELINE}"):
                link.execute(f"DROP {thing}")
            link.execute(f"CREATE DATABASE {SERVER['environment']['POSTGRES_DB']}")
        yield server


def initialise(server: EmbeddedPostgres, secrets: Path) -> subprocess.CompletedProcess[str]:
    """Run the init script as the image's entry point does."""
    environment = {
        **SERVER["environment"],
        "PATH": f"{_binaries()}:{os.environ['PATH']}",
        "PGHOST": server.status().socket_dir,
        "SECRETS": str(secrets),
    }
    return subprocess.run([ROOT / INIT], env=environment, capture_output=True, text=True)


def test_the_init_script_is_mounted_executable_and_refuses_a_url_without_a_password(
    bare_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    assert f"{INIT}:/docker-entrypoint-initdb.d/database_roles.sh:ro" in SERVER["volumes"]
    for name in SERVER["secrets"]:
        (tmp_path / name).write_text("postgresql://desk_owner@database:5432/desk\n")
    ended = initialise(bare_server, tmp_path)
    assert ended.returncode == 1
    assert "must read postgresql://LOGIN:PASSWORD@HOST" in ended.stderr


def test_its_two_logins_migrate_and_work_and_neither_is_superuser(
    bare_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    import psycopg

    from memory.engine import with_options
    from memory.migrate import migrate

    written = re.search(r"for login in (.*); do\n(.*)done", (ROOT / "docs" / "containers.md").read_text())
    assert written, "the page no longer says how to make the secrets"
    recipe = f"for login in {written[1]}; do\n{written[2]}done".replace("$(openssl rand -hex 24)", "0123abcd")
    subprocess.run(["sh", "-c", recipe], cwd=tmp_path, check=True)
    urls = {path.name: path.read_text().strip() for path in tmp_path.iterdir()}
    assert set(urls) == {"desk_database_url", "desk_database_admin_url"}
    assert all(url.endswith(f"@database:5432/{DATABASE}") for url in urls.values())

    ended = initialise(bare_server, tmp_path)
    assert ended.returncode == 0, ended.stderr

    socket = f"@/{DATABASE}?host={bare_server.status().socket_dir}&port=5432"
    here = {name: url.replace(f"@database:5432/{DATABASE}", socket) for name, url in urls.items()}
    desk = Database(
        admin_url=with_options(here["desk_database_admin_url"], role=None),
        pipeline_url=with_options(here["desk_database_url"]),
    )
    assert migrate(desk.admin_url) is True
    for url, login in ((desk.admin_url, OWNER), (desk.pipeline_url, PIPELINE)):
        with psycopg.connect(conninfo(url)) as link:
            who = link.execute("SELECT session_user, rolsuper FROM pg_roles WHERE rolname = session_user").fetchone()
            assert who == (login, False)
    with psycopg.connect(conninfo(desk.pipeline_url)) as link:
        link.execute("SELECT count(*) FROM decision_log")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute("DELETE FROM decision_log")
