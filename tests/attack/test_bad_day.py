"""What fails meanwhile: system calls, disks, memory, roots that vanish, numbers beyond all bounds, links at `/home`.

Class, attempt, what must hold: what failed is told, 1 is never a crash, and other accounts stay complete. A long form
of the first class is ``scripts/failing_calls.py``.
"""

import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Thread
from typing import Final, NamedTuple

import failing_calls
import pytest

from backupmeta import open_archive
from backupmeta.account import places
from backupmeta.account.home import Home, Pair
from backupmeta.account.roots import conventional
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.errors import UnreadableError
from backupmeta.evidence import Entry, open_folder
from backupmeta.findings import Finding
from tests.examples import seeds
from tests.hostile import header, member, pax
from tests.invented import (
    BACKUP,
    INSTALL,
    NAME,
    Account,
    Ran,
    archive,
    backup_record,
    install_record,
    run,
    unprivileged,
)

pytestmark = pytest.mark.untraced  # the same lines, in many ways

COMMAND: Final = [sys.executable, "-c", failing_calls.COMMAND]
LIMIT: Final = 120.0
NOW: Final = ("--now", "2024-06-14")
SECOND: Final = "app_example-org_Blog_2024-06-13_20-55-21.tar.gz"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts and is held back by nothing")

Command = tuple[str | Path, ...]


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    """Give a folder of three accounts, each with one backup; the second is the one that fails."""
    return three(tmp_path)


@pytest.fixture
def public_homes() -> Iterator[Path]:
    """Give the same where other users reach it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield three(Path(folder).resolve())


def three(folder: Path) -> Path:
    for name in ("anna", "bert", "carl"):
        owned(folder / "home" / name, name)
    return folder / "home"


def owned(home: Path, name: str) -> Account:
    """Return an account whose records name its owner."""
    account, changes = Account(home), {"owner": name, "path": f"/home/{name}/public_html"}
    account.backup(content=backup_record(**changes))
    account.archive(embedded=backup_record(**changes))
    account.install(content=install_record(**changes))
    return account


def is_told(ran: Ran) -> bool:
    """Tell whether a command ended with exit code 2 and lines of its own."""
    lines = ran.err.splitlines()
    return (
        ran.code == 2 and bool(lines) and all(line.startswith(("backupmeta: ", "Usage: ", "Error: ")) for line in lines)
    )


def process(*arguments: str | Path, before: Callable[[], object] | None = None, **environment: str) -> Ran:
    """Run a command as a process, in which ``before`` is called first."""
    ended = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=LIMIT,
        check=False,
        preexec_fn=before,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr.decode())


# Class: a system call that fails.

QUICK: Final = (
    *("list", "list of roots", "installs", "view", "members", "verify", "verify in processes"),
    *("diff", "history", "timeline", "scan", "export", "report"),
)


def can_trace() -> bool:
    """Tell whether strace is there, and may trace."""
    if shutil.which("strace") is None:
        return False
    traced = ["strace", "-f", "--seccomp-bpf", "-e", "trace=close", "-o", os.devnull, "true"]
    return subprocess.run(traced, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> failing_calls.Trial:
    if not can_trace():
        pytest.skip("strace is not there, or may not trace")
    return failing_calls.Trial(failing_calls.disk(tmp_path_factory.mktemp("disk").resolve()), QUICK)


@pytest.mark.parametrize("seed", seeds(12, 40))
def test_a_failing_call_is_told_and_others_stay_complete(trial: failing_calls.Trial, seed: int) -> None:
    assert trial.run(Random(seed), failing_calls.Tally()) == []  # noqa: S311 - to be repeated


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can't be read: /proc/self/mem")
@pytest.mark.parametrize(
    "command", ["list", "view", "explain", "members", "cat", "needs", "verify", "timeline", "history", "diff"]
)
def test_a_file_that_cannot_be_read_at_all(command: str) -> None:
    more = {"cat": ["APP-META.INI"], "diff": ["/proc/self/mem"]}.get(command, [])
    ran = process(command, "/proc/self/mem", *more)
    assert (ran.code, "input/output error" in ran.err + ran.text, "Traceback" in ran.err) == (2, True, False)


CLOSED: Final = (".appdata", ".appdata/backups", ".appdata/current", "application_backups", "")
CLOSED_FILES: Final = (f".appdata/backups/{BACKUP}", f".appdata/current/{INSTALL}", f"application_backups/{NAME}")
LISTS: Final[dict[str, Command]] = {
    "list": ("--jsonl",),
    "list ": ("--json",),
    "installs": ("--jsonl",),
    "verify": ("--json", "--jobs", "1", *NOW),
    "timeline": ("--jsonl",),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("closed", [*CLOSED, *CLOSED_FILES])
def test_what_may_not_be_read_is_told_and_other_accounts_are_whole(public_homes: Path, name: str, closed: str) -> None:
    command: Command = (name.strip(), public_homes, *LISTS[name])
    whole = run(*command)
    (public_homes / "bert" / closed).chmod(0)
    with unprivileged():
        ran = run(*command)
    (public_homes / "bert" / closed).chmod(0o755)
    is_asked_for = name != "installs" or "current" in closed or closed in {"", ".appdata"}
    assert (ran.code == 2 or not is_asked_for, "Traceback" in ran.err) == (True, False)
    for other in ("anna", "carl"):
        assert ran.text.count(f"/{other}/") >= whole.text.count(f"/{other}/") > 0


@pytest.mark.parametrize("closed", [".appdata", ".appdata/backups", f".appdata/backups/{BACKUP}"])
@pytest.mark.parametrize("command", ["view", "needs", "extract"])
def test_of_an_archive_it_is_told_that_its_records_may_not_be_read(
    public_homes: Path, command: str, closed: str
) -> None:
    site = public_homes.parent / "site"
    site.mkdir()
    site.chmod(0o777)
    (public_homes / "bert" / closed).chmod(0)
    with unprivileged():
        more: list[str | Path] = ["--to", site / "new"] if command == "extract" else []
        ran = run(command, public_homes / "bert/application_backups" / NAME, *more)
    (public_homes / "bert" / closed).chmod(0o755)
    assert (ran.code, "permission denied" in ran.err) == (2, True)
    assert (site / "new").exists() == (command == "extract")


def test_an_open_archive_tells_that_its_records_may_not_be_read(public_homes: Path) -> None:
    (public_homes / "bert/.appdata/backups").chmod(0)
    with unprivileged(), open_archive(str(public_homes / "bert/application_backups" / NAME)) as opened:
        assert ["permission denied" in finding.message for finding in opened.unread] == [True]
        assert opened.inspection.findings[-1:] == opened.unread
    (public_homes / "bert/.appdata/backups").chmod(0o755)


@pytest.mark.parametrize("command", ["list", "installs", "timeline", "verify"])
@pytest.mark.parametrize("broken", ["nowhere", "fifo", "file"])
def test_one_root_of_several_that_cannot_be_read(homes: Path, command: str, broken: str) -> None:
    os.mkfifo(homes.parent / "fifo")
    (homes.parent / "file").write_text("no archive")
    if (command, broken) == ("installs", "file"):
        pytest.skip("a file is no archive that is opened for its install")
    ran = run(command, homes / "anna", homes.parent / broken, homes / "carl", *LISTS[command])
    assert (ran.code, "anna" in ran.text, "carl" in ran.text) == (2, True, True)
    assert broken in ran.err + ran.text


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.parametrize("command", [("verify", "--json", *NOW), ("timeline",), ("report", "--format", "json")])
def test_what_does_not_get_to_the_disk_is_told(
    homes: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], place: str, number: int
) -> None:
    fsync, synced = os.fsync, list[int]()

    def failing(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == {"file": 1, "folder": 2}[place]:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    target = homes.parent / "answer"
    target.write_text("before")
    monkeypatch.setattr(os, "fsync", failing)
    ran = run(*command, homes, "-o", target)
    assert (ran.code, os.strerror(number).lower() in ran.err, str(target) in ran.err) == (2, True, True)
    assert (target.read_text() == "before") == (place == "file")
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".backupmeta")] == []


@pytest.mark.parametrize(
    "command", [("list", "--jsonl"), ("verify", *NOW), ("timeline",), ("report", "--format", "json"), ("installs",)]
)
def test_a_full_disk_at_stdout(homes: Path, command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, *command, str(homes)], stdout=full, stderr=subprocess.PIPE, timeout=LIMIT, check=False
        )
    assert (ended.returncode, ended.stderr) == (2, b"backupmeta: can't write: No space left on device\n")


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))


@pytest.mark.parametrize("command", [("verify", "--json", *NOW), ("timeline",), ("report", "--format", "json")])
def test_a_file_that_may_not_grow(homes: Path, command: tuple[str, ...]) -> None:
    target = homes.parent / "answer"
    target.write_text("before")
    ran = process(*command, homes, "-o", target, before=small_files)
    assert (is_told(ran), target.read_text()) == (True, "before")


def test_a_catalog_that_may_not_grow(homes: Path) -> None:
    ran = process("scan", homes, "-o", homes.parent / "catalog.sqlite", "--jobs", "1", before=small_files)
    assert is_told(ran)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with two archives of so many members that SQLite keeps them in a file."""
    folder = tmp_path_factory.mktemp("large")
    for number, name in enumerate(("one.tar.gz", "two.tar.gz")):
        members = [(f"{'x' * 240}{number}/{one}", b"") for one in range(8_000)]
        (folder / name).write_bytes(archive(backup_record(), members))
    return folder


@root_only
@pytest.mark.parametrize(
    "command",
    [
        ("timeline", "{large}", "--deep", "--jsonl"),
        ("diff", "{large}/one.tar.gz", "{large}/two.tar.gz", "--deep", "--json"),
        ("history", "{large}/one.tar.gz", "--member", "xx*", "--json"),
        ("report", "{large}", "--format", "json"),
    ],
)
def test_no_room_for_temporary_files(large: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    line = subprocess.list2cmdline([*COMMAND, *(one.format(large=large) for one in command)])
    mounted = f"mount -t tmpfs -o size=32k tmpfs {tmp_path} || exit 77; exec {line}"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "SQLITE_TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted], env=environment, capture_output=True, timeout=LIMIT, check=False
    )
    if ended.returncode == 77 or b"unshare:" in ended.stderr:
        pytest.skip("nothing can be mounted here")
    assert is_told(Ran(ended.returncode, ended.stdout, ended.stderr.decode()))
    assert b"full" in ended.stderr or b"space" in ended.stderr


@pytest.mark.parametrize(
    "command", ["list --jsonl", "verify --json --jobs 2", "timeline", "scan -o {}/c.sqlite --jobs 2"]
)
@pytest.mark.parametrize("most", [8, 10, 12, 16])
def test_too_few_descriptors(homes: Path, command: str, most: int) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    ran = process(*command.format(homes.parent).split(), homes, before=few)
    assert "Traceback" not in ran.err.replace("Fatal Python error", "")
    assert ran.code in {0, 2} or "verify" in command


# Class: an error in the program, memory.


@pytest.mark.parametrize("error", ["RuntimeError('hunter2')", "KeyError('hunter2')", "AssertionError", "UnicodeError"])
def test_an_error_in_the_program_is_no_negative_answer(error: str) -> None:
    code = f"import backupmeta.cli as c\ndef fail(): raise {error}\nc.main = fail\nc.console()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
    assert ended.stderr.startswith(f"backupmeta: an error in this program, {error.partition('(')[0]} at <string>:2")
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
@pytest.mark.parametrize("command", ["list", "installs", "timeline", "verify"])
def test_one_account_that_takes_too_much_memory(
    homes: Path, monkeypatch: pytest.MonkeyPatch, command: str, error: type[Exception]
) -> None:
    read = Home.read

    def hungry(home: Home, entries: list[Entry]) -> None:
        if home.folder.path.endswith("/bert"):
            raise error
        read(home, entries)

    monkeypatch.setattr(Home, "read", hungry)
    ran = run(command, homes, *LISTS[command])
    assert (ran.code, "anna" in ran.text, "carl" in ran.text) == (2, True, True)
    assert "more memory than there is" in ran.err + ran.text


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
@pytest.mark.parametrize("name", ["backupmeta.library.resolved", "backupmeta.render.backups.pretty"])
def test_memory_that_is_not_there_ends_with_one_line(
    homes: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: type[Exception]
) -> None:
    def hungry(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(name, hungry)
    ran = run("view", homes / "anna/application_backups" / NAME)
    assert (is_told(ran), len(ran.err.splitlines()), "more memory than there is" in ran.err) == (True, 1, True)


def test_little_memory(tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (200 * 2**20, 200 * 2**20))

    large = tmp_path / "large.tar.gz"
    large.write_bytes(archive(backup_record(title="x" * 1_000_000), [("a", b"x" * 1000)]))
    for command in (("members",), ("verify",), ("view", "--bound", "record_bytes=9G"), ("list",)):
        ran = process(command[0], large, *command[1:], before=little)
        assert (ran.code in {0, 1, 2}, "Traceback" in ran.err) == (True, False)


def test_no_room_for_a_thread(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = homes.parent / "large.tar.gz"
    large.write_bytes(archive(backup_record(), [("x", os.urandom(1_000_000))]))
    whole = run("verify", homes, large, "--json", "--jobs", "1", *NOW)

    def refused(_thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refused)
    assert run("verify", homes, large, "--json", "--jobs", "1", *NOW) == whole
    ran = run("scan", homes, "-o", homes.parent / "catalog.sqlite", "--jobs", "2")
    assert (is_told(ran), "can't start new thread" in ran.err) == (True, True)


def test_a_large_limit_takes_no_memory(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/anna").whole()
    for target in (account.backups / BACKUP, account.archives / NAME):
        for name in (
            "record_bytes",
            "record_lines",
            "name_bytes",
            "window_bytes",
            "inflated_bytes",
            "members",
            "names",
        ):
            for number in ("9" * 18, "9" * 18 + "G"):
                assert run("view", target, "--bound", f"{name}={number}").code == 0


# Class: a root that vanishes meanwhile.


def removed(root: Path) -> None:
    shutil.rmtree(root)


def renamed(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


def replaced(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))
    shutil.copytree(root.with_name("elsewhere"), root)


def emptied(root: Path) -> None:
    renamed(root)
    root.mkdir()


VANISHING: Final[dict[str, Command]] = {
    "list": ("list", "{}", "--json"),
    "list a stream": ("list", "{}", "--jsonl"),
    "installs": ("installs", "{}"),
    "verify": ("verify", "{}", "--json", "--jobs", "1", *NOW),
    "timeline": ("timeline", "{}"),
    "scan": ("scan", "{}", "-o", "{}/../catalog.sqlite", "--jobs", "1"),
    "report": ("report", "{}", "--format", "json", "--jobs", "1"),
    "list an image": ("list", "--sysroot", "{}/.."),
    "view": ("view", "9" * 25, "--root", "{}"),
    "history": ("history", BACKUP, "--root", "{}"),
}


@pytest.mark.parametrize("vanish", [removed, renamed, replaced, emptied])
@pytest.mark.parametrize("name", VANISHING)
def test_a_root_that_vanishes_is_told(
    homes: Path, monkeypatch: pytest.MonkeyPatch, name: str, vanish: Callable[[Path], None]
) -> None:
    pairs, is_there = Home.pairs, [True]

    def vanishing(home: Home) -> list[Pair]:
        found = pairs(home)
        if is_there:
            is_there.clear()
            vanish(homes)
        return found

    if name == "installs":  # which asks for no backups
        monkeypatch.setattr(places.OpenedHome, "home", _vanishing(places.OpenedHome.home, lambda: vanish(homes)))
    monkeypatch.setattr(Home, "pairs", vanishing)
    monkeypatch.setattr("backupmeta.work.processes.can_fork", lambda: False)
    ran = run(*(str(one).format(homes) for one in VANISHING[name]))
    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert any(word in ran.err + ran.text for word in ("is gone", "replaced", "removed", "no such file"))


def _vanishing(home: Callable[..., Home], vanish: Callable[[], None]) -> Callable[..., Home]:
    """Return what reads a home; before the first one is read, the root vanishes."""
    left = [vanish]

    def read(met: places.OpenedHome, *arguments: object) -> Home:
        while left:
            left.pop()()
        return home(met, *arguments)

    return read


def test_a_folder_that_was_removed_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with open_folder(str(tmp_path / "folder")) as folder:
        assert [folder.entries(9), folder.signatures(9)] == [[], []]
        (tmp_path / "folder").rmdir()
        for listed in (lambda: folder.entries(9), lambda: folder.signatures(9)):
            with pytest.raises(UnreadableError, match=r"no such file|removed"):
                listed()


# Class: numbers of any length.

DIGITS: Final = ("9" * 20, "9" * 4300, "9" * 4301, "9" * 5000, "0" * 5000, "1" + "0" * 4999)


@pytest.mark.parametrize("number", DIGITS, ids=len)
@pytest.mark.parametrize(
    "arguments",
    [
        *(("list", "{home}", "--sort", field) for field in ("title", "-title", "backup_time", "cache_sizemb", "{}")),
        *(("list", "{home}", *form, option, "{}") for option in ("--limit", "--offset") for form in ((), ("--json",))),
        *(("list", "{home}", option, "{}") for option in ("--since", "--until", "--user", "--tz", "--domain")),
        ("installs", "{home}", "--sort", "time_created"),
        ("timeline", "{home}", "--deep", "--member-limit", "{}"),
        ("timeline", "{home}", "--jsonl"),
        ("timeline", "{home}", "--format", "bodyfile"),
        ("verify", "{home}", "--now", "{}"),
        ("verify", "{home}", "--json", "--tz", "+02:00"),
        ("verify", "{home}", "--jobs", "{}"),
        ("verify", "{home}", "--format", "sarif", "--sarif-results", "{}"),
        *(
            ("members", "{archive}", "--bound", f"{one}={{}}")
            for one in ("members", "seconds", "ratio", "window_bytes")
        ),
        ("members", "{archive}", "--json"),
        ("view", "{archive}", "--provenance"),
        ("view", "{}", "--root", "{home}"),
        ("cat", "{archive}", "{}"),
        ("explain", "{record}"),
        ("diff", "{archive}", "current"),
        ("diff", "{archive}", "{archive}", "--deep"),
        ("history", "{archive}", "--json"),
        ("history", "{}", "--root", "{home}"),
        ("checks", "{}"),
        ("stats", "{catalog}", "--now", "{}"),
        ("report", "{catalog}", "--now", "{}", "--format", "json"),
        ("find", "{catalog}", "wordpress > {}"),
        ("find", "{catalog}", "--plugin", "akismet {}"),
        ("find", "{catalog}", "--digest", "{}"),
        ("find", "{catalog}", "--limit", "{}"),
        ("list", "--catalog", "{catalog}", "--sort", "title"),
    ],
)
def test_a_number_of_any_length(numbered: dict[str, Path], number: str, arguments: tuple[str, ...]) -> None:
    ran = run(*(argument.replace("{}", number).format(**numbered) for argument in arguments))
    assert (ran.code in {0, 1, 2}, ran.code != 2 or bool(ran.err or ran.out)) == (True, True)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give an account each of whose records has a long number in each of its values, and its catalog."""
    base = tmp_path_factory.mktemp("numbers")
    account = Account(base / "home/exampleu")
    keys = (
        "title",
        "time",
        "backup_time",
        "version",
        "cache_sizemb",
        "cache_size",
        "backup_expiry",
        "autobk",
        "autoup",
    )
    for place, number in enumerate(DIGITS):
        changes: dict[str, str | None] = dict.fromkeys(keys, number)
        name = NAME.replace("20-55-21", f"20-55-2{place}")
        account.backup(f"b{place}x4kq9m2v7c8n3z5l6j0h1g2", backup_record(**changes, backup_filename=name))
        account.install(f"i{place}x4kq9m2v7c8n3z5l6j0h1g2", install_record(**changes))
        account.archive(name, backup_record(**changes, backup_filename=name))
    header_of_numbers = [(key, number.encode()) for key in (b"size", b"mtime", b"uid", b"gid") for number in DIGITS]
    hostile = pax(header_of_numbers) + member("APP-META.INI", backup_record()) + header(b"x", b"9" * 11) + bytes(1024)
    (account.archives / SECOND).write_bytes(hostile)
    catalog = base / "catalog.sqlite"
    assert run("scan", account.home, "-o", catalog, "--jobs", "1", "--deep").code in {0, 2}
    record = account.backups / "b0x4kq9m2v7c8n3z5l6j0h1g2"
    return {"home": account.home, "archive": account.archives / SECOND, "record": record, "catalog": catalog}


def test_numbers_are_sorted_by_their_value(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    titles = ["9" * 5000, "10", "9", "1" + "0" * 5000, "2" * 4301, "x", "09"]
    for place, title in enumerate(titles):
        account.backup(f"b{place}x4kq9m2v7c8n3z5l6j0h1g2", backup_record(title=title))
    rows = run("list", account.home, "--sort", "title", "--jsonl").jsonl
    assert [row["title"] for row in rows] == ["9", "09", "10", "2" * 4301, "9" * 5000, "1" + "0" * 5000, "x"]


# Class: a link at a conventional place.


class Layout(NamedTuple):
    """Where accounts lie in an image, which links lead to them, and where its server sees them."""

    place: str
    links: dict[str, str]
    seen: str


LAYOUTS: Final = {
    "relative": Layout("home2", {"home": "home2"}, "/home2"),
    "absolute": Layout("home2", {"home": "/home2"}, "/home2"),
    "a slash behind": Layout("home2", {"home": "home2/"}, "/home2"),
    "from above the root": Layout("home2", {"home": "../../home2"}, "/home2"),
    "odd steps": Layout("home2", {"home": ".//var/../home2/."}, "/home2"),
    "a chain": Layout("home3", {"home": "home1", "home1": "/home2", "home2": "./home3"}, "/home3"),
    "no conventional name": Layout("usr/users", {"home": "usr/users"}, "/home"),
    "two of one folder": Layout("data/users", {"home": "/data/users", "home7": "data/users"}, "/home"),
    "through a link": Layout("mnt/disk1/users", {"home": "/data/users", "data": "/mnt/disk1"}, "/home"),
    "deep": Layout("a/b/c/d/e/users", {"home5": "a/b/c/d/e/users"}, "/home5"),
    "Plesk": Layout("srv/www/vhosts", {"var/www": "/srv/www"}, "/var/www/vhosts"),
    "Plesk, all of var": Layout("data/var/www/vhosts", {"var": "data/var"}, "/var/www/vhosts"),
    "Plesk at home": Layout("home/sites", {"var/www/vhosts": "/home/sites"}, "/var/www/vhosts"),
}


def made(image: Path, layout: Layout) -> Account:
    """Make an account in an image, and the links."""
    account = owned(image / layout.place / "exampleu", "exampleu")
    for name, target in layout.links.items():
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).symlink_to(target)
    return account


@pytest.mark.parametrize("name", LAYOUTS)
def test_accounts_behind_a_link_are_there_once(tmp_path: Path, name: str) -> None:
    image, layout = tmp_path / "image", LAYOUTS[name]
    made(image, layout)
    owned(image / "var/lib/other", "nobody")
    home = f"{layout.seen}/exampleu"
    [row] = run("list", "--sysroot", image, "--json").json["data"]
    assert row["file"] == f"{home}/.appdata/current/{INSTALL}"
    assert [one["title"] for one in run("installs", "--sysroot", image, "--json").json["data"]] == ["Blog"]
    assert run("view", BACKUP, "--sysroot", image, "--user", "exampleu").json["data"]["id"] == BACKUP
    paths = [one["path"] for one in run("verify", "--sysroot", image, "--json", *NOW).json["targets"]]
    assert paths == [f"{home}/application_backups/{NAME}", home]
    assert {one["account"] for one in run("timeline", "--sysroot", image, "--jsonl").jsonl} == {home}
    assert len(run("history", INSTALL, "--sysroot", image, "--json").json["backups"]) == 2
    catalog = tmp_path / "catalog.sqlite"
    for unchanged in (0, 1):
        ran = run("scan", "--sysroot", image, "-o", catalog, "--jobs", "1", "--json", "--deep")
        assert (ran.code, ran.json["accounts"], ran.json["unchanged"]) == (0, 1, unchanged)
    assert [one["title"] for one in run("list", "--catalog", catalog, "--json").json["data"]] == ["Blog"]
    assert "Blog" in run("report", "--sysroot", image, "--format", "markdown", "--jobs", "1").text


@pytest.mark.parametrize("name", ["relative", "no conventional name", "deep", "through a link"])
def test_what_such_an_account_keeps_elsewhere_is_found(tmp_path: Path, name: str) -> None:
    image, catalog = tmp_path / "image", tmp_path / "catalog.sqlite"
    account = made(image, LAYOUTS[name])
    kept = backup_record(owner="exampleu", backup_location="file://localhost/backup_test")
    account.backup(content=kept)
    (account.archives / NAME).unlink()
    (image / "backup_test").mkdir()
    (image / "backup_test" / NAME).write_bytes(archive(kept))
    verified = run("verify", "--sysroot", image, "--json", *NOW).json["targets"]
    assert verified[0]["path"] == f"/backup_test/{NAME}"
    for unchanged in (0, 1):
        ran = run("scan", "--sysroot", image, "-o", catalog, "--jobs", "1", "--json", "--deep")
        assert (ran.code, ran.json["unchanged"]) == (0, unchanged)
    assert run("view", BACKUP, "--catalog", catalog).code == 0
    assert verified[0]["sha256"] in run("export", catalog, "--format", "jsonl", "--table", "files").text


NOWHERE: Final = {
    "itself": {"home": "home"},
    "a circle": {"home": "home7", "home7": "/home"},
    "too many": {"home": "l0", **{f"l{one}": f"l{one + 1}" for one in range(50)}},
    "nothing": {"home": "data/users"},
    "a file": {"home": "etc/passwd"},
    "through a file": {"home": "etc/passwd/users"},
    "out, absolute": {"home": "{outside}/home"},
    "out, relative": {"home": "../outside/home"},
    "out, by a chain": {"home": "inner", "inner": "../outside/home"},
    "out, in the middle": {"var/www": "{outside}"},
    "a long way": {"home": "/".join(["x"] * 2000)},
}


@pytest.mark.parametrize("name", NOWHERE)
@pytest.mark.parametrize("command", ["list", "installs", "verify", "timeline", "scan", "report"])
def test_a_link_that_leads_nowhere_in_the_image_is_told(tmp_path: Path, command: str, name: str) -> None:
    image, outside = tmp_path / "image", tmp_path / "outside"
    owned(image / "home2/anna", "anna")
    for place in ("home/mallory", "vhosts/mallory"):
        owned(outside / place, "mallory")
    (image / "etc").mkdir()
    (image / "etc/passwd").write_text("")
    for link, target in NOWHERE[name].items():
        (image / link).parent.mkdir(parents=True, exist_ok=True)
        (image / link).symlink_to(target.format(outside=outside))
    more: dict[str, Command] = {"scan": ("-o", tmp_path / "c.sqlite"), "report": ("--format", "json")}
    ran = run(command, "--sysroot", image, *more.get(command, LISTS.get(command, ())))
    assert (ran.code, "mallory" in ran.text) == (2, False)
    assert "is a link to" in ran.err + ran.text
    if command == "scan":
        ran = run("list", "--catalog", tmp_path / "c.sqlite")
    assert "anna" in ran.text


def to_nothing(image: Path) -> None:
    image.rename(image.with_name("before"))


def to_an_empty_folder(image: Path) -> None:
    to_nothing(image)
    image.mkdir()


def without_homes(image: Path) -> None:
    (image / "home2").rename(image.with_name("before"))


@pytest.mark.parametrize("vanish", [to_nothing, to_an_empty_folder, without_homes])
def test_an_image_that_vanishes_once_its_places_are_known(tmp_path: Path, vanish: Callable[[Path], None]) -> None:
    image = tmp_path / "image"
    made(image, LAYOUTS["relative"])
    roots = conventional(str(image))
    vanish(image)
    findings: list[Finding] = []
    assert list(places.homes(roots, DEFAULT_LIMITS, findings)) == []
    assert {finding.id for finding in findings} == {"place-unreadable"}
    assert all(finding.is_unread for finding in findings)


@pytest.mark.parametrize("step", ["home", "data", "data/users"])
def test_a_link_that_changes_meanwhile_leads_nowhere(tmp_path: Path, step: str) -> None:
    image = tmp_path / "image"
    made(image, Layout("data/users", {"home": "/data/users"}, "/home"))
    owned(tmp_path / "outside/users/mallory", "mallory")
    owned(tmp_path / "outside/mallory", "mallory")
    roots = conventional(str(image))
    (image / step).rename(tmp_path / "before")
    (image / step).symlink_to(tmp_path / "outside")
    findings: list[Finding] = []
    found = [home.name for home in places.homes(roots, DEFAULT_LIMITS, findings)]
    assert found == (["exampleu"] if step == "home" else [])
    assert [finding.id for finding in findings] == ([] if step == "home" else ["place-unreadable"])


def test_links_within_an_account_are_followed_no_more_than_before(tmp_path: Path) -> None:
    image = tmp_path / "image"
    owned(image / "home2/anna", "anna")
    (image / "home").symlink_to("home2")
    (image / "home2/bert").symlink_to("anna")
    (image / "home2/carl").mkdir()
    (image / "home2/carl/.appdata").symlink_to("../anna/.appdata")
    rows = run("list", "--sysroot", image, "--jsonl").jsonl
    assert [row["id"] for row in rows] == [BACKUP]


def mounted_twice(image: Path) -> Iterator[str]:
    """Yield what mounts one folder of homes at two conventional places."""
    for name in ("home", "home2"):
        yield f"mkdir -p {image / name} && mount --bind {image / 'users'} {image / name}"


@root_only
def test_a_folder_that_is_mounted_twice_is_there_once(tmp_path: Path) -> None:
    image = tmp_path / "image"
    owned(image / "users/anna", "anna")
    line = subprocess.list2cmdline([*COMMAND, "list", "--sysroot", str(image), "--jsonl"])
    script = " && ".join(mounted_twice(image)) + f" || exit 77; exec {line}"
    ended = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=LIMIT, check=False)
    if ended.returncode == 77 or b"unshare:" in ended.stderr:
        pytest.skip("nothing can be mounted here")
    assert (ended.returncode, ended.stdout.count(b"\n")) == (0, 1)
