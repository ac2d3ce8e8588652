"""What is written, in folders where somebody else puts links, pipes and files: class, attempt, what must hold.

Each attempt is made with real files, and with the commands as processes where signals end them.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.invented import BACKUP, NAME, Account, Ran, run
from tests.pairs import pairs

OTHER: Final = 12345
"""Another user, by number."""
COMMAND: Final = [sys.executable, "-c", "from backupmeta.cli import console; console()"]
STRACE: Final = ["strace", "-f", "-e", "trace=openat,fsync,rename,renameat,renameat2"]
LIMIT: Final = 120.0
NOW: Final = ("--now", "2024-06-14")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")

Command = tuple[str | Path, ...]


class Made(NamedTuple):
    """What is read: an account, and a catalog of it."""

    account: Account
    catalog: Path


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu").whole()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Give what is read, and written to by no test."""
    folder = tmp_path_factory.mktemp("made")
    account, catalog = Account(folder / "home/exampleu").whole(), folder / "catalogs/catalog.sqlite"
    catalog.parent.mkdir()
    assert run("scan", account.home.parent, "-o", catalog, "--jobs", "1", "--deep").code == 0
    return Made(account, catalog)


@pytest.fixture
def catalog(made: Made, tmp_path: Path) -> Path:
    """Give a copy of the catalog."""
    return shutil.copytree(made.catalog.parent, tmp_path / "catalogs") / made.catalog.name


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Give a folder to write to."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that other users can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


WRITERS: Final[dict[str, Callable[[Made], Command]]] = {
    "verify": lambda made: ("verify", made.account.home, "--json"),
    "timeline": lambda made: ("timeline", made.account.home),
    "diff": lambda made: ("diff", BACKUP, "current", "--root", made.account.home),
    "history": lambda made: ("history", BACKUP, "--root", made.account.home),
    "report": lambda made: ("report", made.account.home, "--format", "json"),
    "report of a catalog": lambda made: ("report", made.catalog),
    "export": lambda made: ("export", made.catalog, "--format", "csv"),
    "export parquet": lambda made: ("export", made.catalog, "--format", "parquet"),
    "verify --catalog": lambda made: ("verify", "--catalog", made.catalog),
}
"""A command for each way to write a file, but for the file."""


def wrote(ran: Ran) -> bool:
    """Tell whether a command came to its end: what it says of the backup is no matter here."""
    return ran.code in {0, 1}


def everything(*folders: Path) -> dict[str, tuple[object, ...]]:
    """Return what lies in ``folders``: each name, what it is, and what is in it."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(one for folder in folders for one in (folder, *folder.rglob("*"))):
        mode = path.lstat().st_mode
        content: object = path.read_bytes() if stat.S_ISREG(mode) else path.readlink() if path.is_symlink() else None
        found[str(path)] = (mode, content)
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Class: a link at a name that is written to.


def to_victim(target: Path, victim: Path) -> None:
    target.symlink_to(victim)


def to_nothing(target: Path, victim: Path) -> None:
    target.symlink_to(victim.with_name("made.by.root"))


def to_folder(target: Path, victim: Path) -> None:
    target.symlink_to(victim.parent)


def to_link(target: Path, victim: Path) -> None:
    target.with_name("second").symlink_to(victim)
    target.symlink_to("second")


def to_device(target: Path, _victim: Path) -> None:
    target.symlink_to("/dev/null")


def to_itself(target: Path, _victim: Path) -> None:
    target.symlink_to(target.name)


@pytest.mark.parametrize("plant", [to_victim, to_nothing, to_folder, to_link, to_device, to_itself])
@pytest.mark.parametrize("how", WRITERS)
def test_a_link_is_never_written_through(
    made: Made, out: Path, tmp_path: Path, how: str, plant: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "victims" / "shadow"
    victim.parent.mkdir()
    victim.write_text("root:*:")
    plant(out / "answer", victim)
    before = everything(out, victim.parent)
    ran = run(*WRITERS[how](made), "-o", out / "answer")
    assert (ran.code, "--output" in ran.err) == (2, True)
    assert everything(out, victim.parent) == before


@pytest.mark.parametrize("ending", [".part", ".tmp", ".new", "~", ".partial"])
@pytest.mark.parametrize("how", WRITERS)
def test_names_beside_it_are_not_touched(made: Made, out: Path, tmp_path: Path, how: str, ending: str) -> None:
    victim = tmp_path / "shadow"
    victim.write_text("root:*:")
    (out / f"answer{ending}").symlink_to(victim)
    os.link(victim, out / f"linked{ending}")
    assert wrote(run(*WRITERS[how](made), "-o", out / "answer"))
    assert wrote(run(*WRITERS[how](made), "-o", out / "linked"))
    assert victim.read_text() == "root:*:"
    manifests = ["answer.sha256", "linked.sha256"] if "report" in how else []
    assert names(out) == sorted(["answer", f"answer{ending}", "linked", f"linked{ending}", *manifests])


@pytest.mark.parametrize("how", WRITERS)
def test_a_hard_link_loses_its_name_and_not_its_content(made: Made, out: Path, tmp_path: Path, how: str) -> None:
    victim = tmp_path / "shadow"
    victim.write_text("root:*:")
    os.link(victim, out / "answer")
    assert wrote(run(*WRITERS[how](made), "-o", out / "answer"))
    assert (victim.read_text(), victim.stat().st_nlink) == ("root:*:", 1)


# Class: what is no file at the name.


@pytest.mark.parametrize("how", WRITERS)
def test_a_folder_or_a_socket_is_refused(made: Made, out: Path, how: str) -> None:
    import socket

    (out / "folder").mkdir()
    before = os.getcwd()  # noqa: PTH109
    os.chdir(out)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("socket")
            for name in ("folder", "socket", "folder/", "."):
                assert run(*WRITERS[how](made), "-o", name).code == 2
    finally:
        os.chdir(before)
    assert names(out) == ["folder", "socket"]


@pytest.mark.parametrize("how", WRITERS)
def test_a_pipe_and_a_device_are_written_to(made: Made, out: Path, how: str) -> None:
    os.mkfifo(out / "pipe")
    command = WRITERS[how](made)
    with (out.parent / "told").open("wb") as told, subprocess.Popen(["cat", out / "pipe"], stdout=told) as reader:
        assert wrote(run(*command, "-o", out / "pipe"))
        assert reader.wait(LIMIT) == 0
    assert (out.parent / "told").stat().st_size
    assert stat.S_ISFIFO((out / "pipe").stat().st_mode)
    assert wrote(run(*command, "-o", "/dev/null"))
    assert names(out) == ["pipe"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("is_file", [False, True])
def test_what_the_caller_has_open_is_written_to(account: Account, out: Path, name: str, is_file: bool) -> None:  # noqa: FBT001
    command = [*COMMAND, "verify", str(account.home), "--json", *NOW]
    expected = subprocess.run(command, capture_output=True, check=False).stdout
    with (out / "answer").open("wb") as file:
        where = file if is_file else subprocess.PIPE
        done = subprocess.run([*command, "-o", name], stdout=where, stderr=subprocess.PIPE, check=False)
    assert done.returncode in {0, 1}
    assert (out / "answer").read_bytes() == (expected if is_file else b"")
    assert is_file or done.stdout == expected
    assert names(out) == ["answer"]


def test_a_process_substitution_is_written_to(account: Account, out: Path) -> None:
    line = f'"$@" verify "{account.home}" --json -o >(cat > "{out}/copy"; touch "{out}/done")'
    subprocess.run(["bash", "-c", line, "bash", *COMMAND], capture_output=True, check=False)
    wait_for((out / "done").exists)
    assert b'"summary"' in (out / "copy").read_bytes()


# Class: who may read it.


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077, 0o777])
@pytest.mark.parametrize("how", WRITERS)
def test_it_is_its_owner_s_alone(made: Made, out: Path, how: str, umask: int) -> None:
    command = WRITERS[how](made)
    if umask == 0o777 and "report" in how:
        return  # not even its own temporary folder
    before = os.umask(umask)
    try:
        assert wrote(run(*command, "-o", out / "answer"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((out / "answer").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o600, 0o666])
def test_or_of_those_who_could_read_what_it_replaces(account: Account, out: Path, mode: int) -> None:
    (out / "answer").touch()
    (out / "answer").chmod(mode)
    assert wrote(run("verify", account.home, "-o", out / "answer"))
    assert (stat.S_IMODE((out / "answer").stat().st_mode), (out / "answer").stat().st_size > 0) == (mode, True)


@root_only
def test_a_file_of_another_user_does_not_decide_who_reads_it(account: Account, out: Path) -> None:
    (out / "answer").touch()
    os.chown(out / "answer", OTHER, OTHER)
    (out / "answer").chmod(0o666)
    assert wrote(run("verify", account.home, "-o", out / "answer"))
    status = (out / "answer").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (os.geteuid(), 0o600)


def test_setuid_is_not_kept(account: Account, out: Path) -> None:
    (out / "answer").touch()
    (out / "answer").chmod(0o4755)
    assert wrote(run("verify", account.home, "-o", out / "answer"))
    assert stat.S_IMODE((out / "answer").stat().st_mode) == 0o755


# Class: a name that can be known before; and what order reaches the disk.


def test_the_names_are_random_and_all_is_on_the_disk_before_it_has_its_own(account: Account, out: Path) -> None:
    seen = set()
    for _ in range(3):
        done = subprocess.run(
            [*STRACE, *COMMAND, "verify", str(account.home), "-o", str(out / "answer")],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if ".backupmeta-" in line or "fsync(" in line]
        assert [line.partition("(")[0].split()[-1] for line in lines] == ["openat", "fsync", "renameat", "fsync"]
        assert all(flag in lines[0] for flag in ("O_CREAT", "O_EXCL", "O_NOFOLLOW", "0600"))
        assert "AT_FDCWD" not in lines[0] + lines[2]
        seen.add(lines[0].split('"')[1])
    assert len(seen) == 3


# Class: it ends in between.


def wait_for(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Give archives that take a while."""
    folder = tmp_path / "slow"
    folder.mkdir()
    for number in range(4):
        with (folder / f"app_{number}_b_2024-06-13_20-55-21.tar").open("wb") as file:
            file.write(b"x" * 512)
            file.truncate(2**31)  # sparse; a search for headers in it takes long
    return folder


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("signals", [("TERM",), ("HUP",), ("INT",), ("TERM", "HUP"), ("HUP", "TERM"), ("INT", "INT")])
@pytest.mark.parametrize("to_all", [False, True])
def test_no_part_is_left_behind(slow: Path, out: Path, signals: tuple[str, ...], jobs: str, to_all: bool) -> None:  # noqa: FBT001
    (out / "answer").write_text("whole")
    command = [*COMMAND, "verify", str(slow), "--jobs", jobs, "-o", str(out / "answer")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as process:
        wait_for(lambda: len(names(out)) > 1)
        for name in signals:
            (os.killpg if to_all else os.kill)(process.pid, signal.Signals[f"SIG{name}"])
        _, told = process.communicate(timeout=LIMIT)
    assert process.returncode in {128 + signal.Signals[f"SIG{name}"] for name in signals}
    assert b"Traceback" not in told
    assert (names(out), (out / "answer").read_text()) == (["answer"], "whole")


@pytest.mark.long
@pytest.mark.parametrize("name", ["TERM", "HUP", "INT"])
def test_no_temporary_catalog_is_left_behind(slow: Path, tmp_path: Path, out: Path, name: str) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [*COMMAND, "report", str(slow), "--deep", "-o", str(out / "answer")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        wait_for(lambda: any(temporary.rglob("catalog.sqlite")))
        process.send_signal(signal.Signals[f"SIG{name}"])
        _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 128 + signal.Signals[f"SIG{name}"]
    assert b"Traceback" not in told
    assert (names(temporary), names(out)) == ([], [])


# Class: it ends where Python passes exceptions over.


def lost(body: str) -> list[str]:
    """Return a program that sends itself a signal within ``body``, instead of running a command."""
    lines = [
        "import gc, os, signal, sqlite3, sys, time, weakref",
        "from backupmeta import cli",
        "def send():",
        "    os.kill(os.getpid(), getattr(signal, sys.argv[1]))",
        "    for _ in range(100): pass",
        "class Finalized:",
        "    def __del__(self): send()",
        "def generated():",
        "    try: yield",
        "    finally: send()",
        "def run():",
        *(f"    {line}" for line in body.splitlines()),
        "    return 0",
        "cli._run = run",
        "cli.console()",
    ]
    return [sys.executable, "-c", "\n".join(lines)]


PASSED_OVER: Final = {
    "finalizer": "Finalized()",
    "collected": "one = Finalized(); one.itself = one; del one; gc.collect()",
    "weak reference": "one = {0}; kept = weakref.ref(one, lambda _: send()); del one",
    "generator": "one = generated(); next(one); del one",
    "function of SQLite": (
        "connection = sqlite3.connect(':memory:'); connection.create_function('send', 0, send)\n"
        "try: connection.execute('SELECT send()')\nexcept sqlite3.Error: pass"
    ),
    "caught": "try: send()\nexcept BaseException: pass",
    "many": "for _ in range(5): Finalized()",
}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("how", PASSED_OVER)
def test_a_signal_is_not_lost_where_python_passes_it_over(how: str, name: str) -> None:
    command = [*lost(f"{PASSED_OVER[how]}\ntime.sleep(60)\nprint('went on')"), name]
    done = subprocess.run(command, capture_output=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.Signals[name], b"", b"")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_nor_where_nothing_is_left_to_do(name: str) -> None:
    command = [*lost("Finalized()"), name]
    done = subprocess.run(command, capture_output=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.Signals[name], b"")


@pytest.mark.parametrize("inner", ["time.sleep(1.7)", "try: raise OSError\n    except OSError: time.sleep(1.7)"])
def test_what_is_cleaned_up_is_cleaned_up_to_its_end(inner: str) -> None:
    body = f"try: send()\nfinally:\n    {inner}\n    print('cleaned', flush=True)"
    done = subprocess.run([*lost(body), "SIGTERM"], capture_output=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, b"cleaned\n", b"")


def test_a_later_signal_ends_at_once() -> None:
    body = "try: print('began', flush=True); time.sleep(60)\nfinally: print('ending', flush=True); time.sleep(60)"
    with subprocess.Popen([*lost(body), "SIGTERM"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"began\n"
        process.terminate()
        assert process.stdout.readline() == b"ending\n"
        time.sleep(1.2)
        process.terminate()
        assert process.wait(LIMIT) == 128 + signal.SIGTERM


def test_what_the_caller_has_passed_over_stays_so(slow: Path, out: Path) -> None:
    line = f'trap "" HUP; exec "$@" verify "{slow}" -o "{out}/answer"'
    with subprocess.Popen(["bash", "-c", line, "bash", *COMMAND], stderr=subprocess.PIPE) as process:
        wait_for(lambda: len(names(out)) > 0)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.terminate()
        process.communicate(timeout=LIMIT)
    assert names(out) == []


# Class: evidence is written to.


EVIDENCE: Final = (
    ".appdata/report.txt",
    ".appdata/backups/report.txt",
    ".appdata/current/deeper/report.txt",
    "application_backups/report.txt",
    "application_backups/deeper/report.txt",
    f"application_backups/{NAME}",
    f".appdata/backups/{BACKUP}",
    "public_html/blog/report.txt",
    "old/report.txt",
)


def home_of(tmp_path: Path) -> Account:
    """Return a home that has all kinds of evidence."""
    account = Account(tmp_path / "home/exampleu").whole()
    blog = account.home / "public_html/blog"
    from tests.invented import backup_record, install_record

    account.backup(content=backup_record(path=str(blog)))
    account.install(content=install_record(path=str(blog)))
    for folder in (".appdata/current/deeper", "application_backups/deeper", "public_html/blog", "old"):
        (account.home / folder).mkdir(parents=True)
    (account.home / "old/app_example-com_Blog_2020-06-13_20-55-21.tar.gz").write_bytes(b"")
    return account


@pytest.mark.parametrize("name", EVIDENCE)
def test_without_a_root_nothing_is_written_into_a_home_s_evidence(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of(tmp_path).home
    before = everything(home)
    monkeypatch.setenv("HOME", str(home))
    for command in (["verify"], ["timeline"], ["report", "--format", "json"], ["scan"]):
        ran = run(*command, "-o", home / name)
        assert (ran.code, "--output" in ran.err) == (2, True)
    assert everything(home) == before
    (home / "documents").mkdir()
    run("verify", "-o", home / "documents/report.txt")
    assert (home / "documents/report.txt").exists()


@pytest.mark.parametrize("target", [f"application_backups/{NAME}", "application_backups", "", ".."])
@pytest.mark.parametrize("name", [*EVIDENCE, "report.txt", "documents/report.txt"])
@pytest.mark.parametrize("way", ["direct", "linked", "dotted"])
def test_nothing_is_written_into_what_is_read(tmp_path: Path, target: str, name: str, way: str) -> None:
    home = home_of(tmp_path).home
    (home / "documents").mkdir()
    (tmp_path / "linked").symlink_to(home)
    where = {"direct": home, "linked": tmp_path / "linked", "dotted": home / "old" / ".."}[way]
    before = everything(tmp_path)
    ran = run("verify", home / target, "-o", where / name)
    assert (ran.code, "--output" in ran.err) == (2, True)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal", "-scan"])
@pytest.mark.parametrize("is_linked", [False, True])
@pytest.mark.parametrize("command", [("verify", "--catalog"), ("report",), ("export", "--format", "csv")])
def test_a_catalog_is_not_written_over(
    catalog: Path,
    ending: str,
    is_linked: bool,  # noqa: FBT001
    command: tuple[str, ...],
    tmp_path: Path,
) -> None:
    named = catalog
    if is_linked:
        named = tmp_path / "linked.sqlite"
        named.symlink_to(catalog)
    before = catalog.read_bytes()
    for target in (f"{catalog}{ending}", f"{named}{ending}"):
        ran = run(*command, named, "-o", target)
        assert (ran.code, "--output" in ran.err) == (2, True)
    assert catalog.read_bytes() == before
    assert run("stats", catalog).code == 0


def test_nor_is_what_it_was_made_from(made: Made) -> None:
    for name in ("report.txt", ".appdata/report.txt"):
        assert run("verify", "--catalog", made.catalog, "-o", made.account.home / name).code == 2
        assert not (made.account.home / name).exists()


def test_an_image_is_not_written_to(account: Account, tmp_path: Path) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    for command in ("verify", "timeline", "report", "scan"):
        ran = run(command, "--sysroot", tmp_path, "-o", tmp_path / "var/log/report")
        assert (ran.code, "--output" in ran.err) == (2, True)
    assert names(tmp_path / "var/log") == []
    assert account.home.exists()


def test_a_project_with_backups_below_it_is_no_evidence(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(tmp_path / "home/exampleu").whole()
    project = out / "project"
    (project / "backups").mkdir(parents=True)
    (project / "backups" / NAME).write_bytes((account.archives / NAME).read_bytes())
    monkeypatch.chdir(project)
    assert wrote(run("verify", ".", "--format", "junit", "-o", "report.xml"))
    assert wrote(run("verify", "backups", "-o", "reports.txt"))
    assert run("scan", ".", "-o", "catalog.sqlite").code == 0
    assert run("verify", "backups", "-o", "backups/report.txt").code == 2
    assert names(project / "backups") == [NAME]


# Class: catalogs, in folders of others.


def sticky(folder: Path) -> None:
    folder.chmod(0o1777)


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def open_to_a_group(folder: Path) -> None:
    os.chown(folder, -1, OTHER)
    folder.chmod(0o770)


def of_another(folder: Path) -> None:
    os.chown(folder, OTHER, OTHER)
    folder.chmod(0o755)


@root_only
@pytest.mark.parametrize("expose", [sticky, open_to_all, open_to_a_group, of_another])
@pytest.mark.parametrize("depth", [0, 1])
def test_a_catalog_is_not_made_where_others_write(
    account: Account, public: Path, expose: Callable[[Path], None], depth: int
) -> None:
    shared = public / "shared"
    own = shared / "own"
    own.mkdir(parents=True, mode=0o700)
    expose(shared)
    ran = run("scan", account.home, "-o", (shared, own)[depth] / "catalog.sqlite", "--jobs", "1")
    if (expose, depth) == (sticky, 1):
        assert ran.code == 0
        return
    assert ran.code == 2
    assert f"{shared}" in ran.err
    assert "mkdir -m 700" in ran.err
    assert (names(shared), names(own)) == (["own"], [])


@root_only
def test_a_folder_of_who_called_sudo_is_an_own_one(
    account: Account, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another(public)
    assert run("scan", account.home, "-o", public / "catalog.sqlite", "--jobs", "1").code == 2
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    assert run("scan", account.home, "-o", public / "catalog.sqlite", "--jobs", "1").code == 0
    monkeypatch.setenv("SUDO_UID", "9" * 5000)
    assert run("scan", account.home, "-o", public / "catalog.sqlite", "--jobs", "1").code == 2


def test_a_catalog_is_its_owner_s_alone(made: Made) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.catalog.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("ending", ["-scan", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("plant", [to_victim, to_nothing, lambda target, _victim: os.mkfifo(target)])
def test_what_lies_beside_it_is_no_link_and_no_pipe(
    account: Account, tmp_path: Path, out: Path, ending: str, plant: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "victims/shadow"
    victim.parent.mkdir()
    victim.write_text("root:*:")
    plant(out / f"catalog.sqlite{ending}", victim)
    before = everything(out, victim.parent)
    done = subprocess.run(
        [*COMMAND, "scan", str(account.home), "-o", str(out / "catalog.sqlite"), "--jobs", "1"],
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, f"catalog.sqlite{ending}".encode() in done.stderr) == (2, True)
    assert everything(out, victim.parent) == before


@pytest.mark.parametrize(
    ("command", "plant", "ending"),
    pairs(
        [["stats"], ["find"], ["list", "--catalog"], ["report", "--format", "json"]],
        [to_victim, to_nothing, lambda target, _victim: os.mkfifo(target)],
        ["-wal", "-shm", "-journal"],
    ),
)
def test_nor_does_who_reads_wait_for_it(
    catalog: Path, tmp_path: Path, ending: str, plant: Callable[[Path, Path], None], command: list[str]
) -> None:
    Path(f"{catalog}{ending}").unlink(missing_ok=True)
    plant(Path(f"{catalog}{ending}"), tmp_path / "nothing")
    done = subprocess.run([*COMMAND, *command, str(catalog)], capture_output=True, timeout=LIMIT, check=False)
    assert (done.returncode, f"{catalog.name}{ending} is a".encode() in done.stderr) == (2, True)


@root_only
def test_a_lock_of_another_user_is_told(made: Made, catalog: Path) -> None:
    os.chown(f"{catalog}-scan", OTHER, OTHER)
    ran = run("scan", made.account.home.parent, "-o", catalog, "--jobs", "1")
    assert (ran.code, f"belongs to another user ({OTHER})" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "--catalog"],
        ["list", "--catalog"],
        ["find"],
        ["stats"],
        ["export", "--format", "csv"],
        ["report", "--format", "json"],
        ["verify", "--policy"],
        ["scan", "-o"],
    ],
)
def test_nobody_waits_at_a_pipe(tmp_path: Path, command: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = subprocess.run([*COMMAND, *command, str(tmp_path / "pipe")], capture_output=True, timeout=LIMIT, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@root_only
@pytest.mark.parametrize("command", [["list", "--catalog"], ["find"], ["stats"], ["export", "--format", "csv"]])
def test_a_reader_writes_nothing_into_a_folder_of_another(
    account: Account, public: Path, tmp_path: Path, command: list[str]
) -> None:
    path = public / "catalog.sqlite"
    assert run("scan", account.home.parent, "-o", path, "--jobs", "1").code == 0
    of_another(public)
    victim = tmp_path / "shadow"
    victim.write_text("root:*:")
    for ending in ("-shm", "-journal"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
        Path(f"{path}{ending}").symlink_to(victim)
    before = everything(public)
    ran = run(*command, path)
    assert ran.code in {0, 2}
    assert (everything(public), victim.read_text()) == (before, "root:*:")
