"""A MariaDB server of one's own: no network port, a private socket, gone when the ``with`` block ends.

Works as root too, where mariadbd refuses to: it then runs as ``mysql``, or as ``nobody`` where there is no such user.

    with mariadb.running(Path("/tmp/somewhere")) as server:
        print(server.rows("SELECT VERSION()"))
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 30
BATCH_ESCAPES = {b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


class ServerError(RuntimeError):
    """The server did not start; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server, reached through its socket as its own root."""

    socket: Path

    def run(self, program: str, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run one of MariaDB's client programs; return what it wrote."""
        command = [program, "--no-defaults", f"--socket={self.socket}", "--user=root"]
        command += ["--default-character-set=utf8mb4", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout

    def rows(self, sql: str, database: str = "") -> list[tuple[str, ...]]:
        """Return a query's rows; a NULL reads as the text ``NULL``."""
        answer = self.run("mariadb", "--batch", "--skip-column-names", database, stdin=sql.encode())
        return [tuple(map(_unescaped, line.split(b"\t"))) for line in answer.split(b"\n")[:-1]]


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Start a server that keeps everything in ``folder`` (created); stop it at the end, whatever happened."""
    account = server_account()
    folder.mkdir(mode=0o700)
    shutil.chown(folder, account)
    install(folder, account)
    server = Server(folder / "socket")
    process = start(folder, server.socket, account)
    try:
        wait_until_up(process, server.socket, folder / "log")
        yield server
    finally:
        stop(process)


def server_account() -> str:
    """Return the user to run as: ourselves, unless we are root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in known else "nobody"


def install(folder: Path, account: str) -> None:
    """Make an empty data folder whose root needs no password."""
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={folder / 'tables'}", f"--user={account}"]
    command += [f"--tmpdir={folder}"]  # a server that starts removes what others have in a shared one
    command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    run_with_descendants(command)


def run_with_descendants(command: list[str]) -> None:
    """Run a script that starts further programs; when we are interrupted, none of them outlives us."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        errors = process.communicate()[1]
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()  # returns when the last of them has let go of stderr
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=errors)


def start(folder: Path, socket: Path, account: str) -> subprocess.Popen[bytes]:
    """Start the server, in a session of its own so that Ctrl-C reaches it through us only."""
    options = {
        "datadir": folder / "tables",
        "tmpdir": folder,
        "socket": socket,
        "pid-file": folder / "pid",
        "log-error": folder / "log",
        "user": account,
        "character-set-server": "utf8mb4",
        "innodb-flush-log-at-trx-commit": 0,
    }
    command = ["mariadbd", "--no-defaults", "--skip-networking"]
    command += [f"--{name}={value}" for name, value in options.items()]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def wait_until_up(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    """Return as soon as the server listens."""
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            last_lines = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else ["no log"]
            raise ServerError("mariadbd did not start:\n" + "\n".join(last_lines))
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server: kindly first, but surely."""
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()


def _unescaped(column: bytes) -> str:
    return re.sub(rb"\\([nt0\\])", lambda match: BATCH_ESCAPES[match[1]], column).decode()
