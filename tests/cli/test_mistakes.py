"""The likeliest mistakes: what was typed, what the disk was like, the exit code, and what the message has to say.

Each message names what it is about and the next step. The disk is the same for all: an account, a copy of it, and files
beside them that are no backups.
"""

import gzip
import io
import re
import sqlite3
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.invented import BACKUP, INSTALL, NAME, Account, Ran, backup_record, run, unprivileged
from tests.sites import honest

ARCHIVE = f"homes/anna/application_backups/{NAME}"
GONE = "c7r5zq2m8v3c1n9z6l4j2h8g5"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"
SOFTACULOUS = "wp.26_10.2024-06-13_20-55-21.tar.gz"
MOUNT = "'backupmeta help seized-disk'"
MOST_LINES = 3
"""How many lines of stderr tell of a mistake, at most: what is wrong, what there is instead, what was not done."""
NOT_HERE = "no such file, and no archive here is called so"


class Mistake(NamedTuple):
    """A command line, and what comes of it.

    Attributes:
        typed: the arguments, in a folder that `_disk` has made.
        code: the exit code.
        says: what the message has in it, in this order.
    """

    typed: str
    code: int
    says: tuple[str, ...]


def typed(line: str, *says: str, code: int = 2) -> Mistake:
    return Mistake(line, code, says)


MISTAKES = {
    "a folder for a file": typed("view homes", "homes: is a folder; 'backupmeta list homes' lists what is in it"),
    "a folder for an archive": typed("members homes", "homes: is a folder; 'backupmeta list homes'"),
    "a folder to look for a member in": typed("cat homes index.php", "homes: is a folder; 'backupmeta list homes'"),
    "a zip": typed("view site.zip", "site.zip: no archive: a zip archive", "backups are tar archives"),
    "a cPanel archive": typed(
        "view cpmove-anna.tar.gz", "without APP-META.INI", "by cPanel: unpack it, and list its homedir"
    ),
    "a cPanel archive, verified": typed(
        "verify cpmove-anna.tar.gz", "cpmove-anna.tar.gz: not judged", "no Installatron backup"
    ),
    "a Softaculous archive": typed(f"view {SOFTACULOUS}", "without APP-META.INI", "by Softaculous"),
    "a Git LFS pointer": typed("members lfs.tar.gz", "lfs.tar.gz: no archive: a Git LFS pointer", "run 'git lfs pull'"),
    "a Git LFS pointer, verified": typed("verify lfs.tar.gz", "lfs.tar.gz: unreadable", "run 'git lfs pull'"),
    "an empty file": typed("view empty.tar.gz", "empty.tar.gz: no archive: empty; fetch it again"),
    "an error page": typed(
        "view html.tar.gz", "html.tar.gz: no archive: ", "a web server sent it in place of the file: fetch"
    ),
    "a quoted wildcard": typed(
        "members app_*.tar.gz", f"app_*.tar.gz: {NOT_HERE}; no shell has put names", "in quotes"
    ),
    "a quoted wildcard in a path": typed("verify homes/*/x.tar.gz", "homes/*/x.tar.gz: unreadable", "it is in quotes"),
    "an id with a typo": typed(
        f"members {BACKUP[:-1]}9 --root homes", f"{BACKUP[:-1]}9: {NOT_HERE}; did you mean '{BACKUP}'?"
    ),
    "an id with a character too many": typed(f"verify {BACKUP}x --root homes", f"{NOT_HERE}; did you mean '{BACKUP}'?"),
    "an id with changed places": typed("history acvtwnyvhzk8cgw8ks4gcgoo4 --root homes", f"did you mean '{INSTALL}'?"),
    "an id that is not there": typed(f"view {BACKUP[:-1]} --root homes", f"did you mean '{BACKUP}'?", code=1),
    "a name without its end": typed(f"members {NAME[:-7]} --root homes", f"did you mean '{NAME}'?"),
    "an id in two accounts": typed(
        f"view {BACKUP} --root homes",
        f"homes/anna/application_backups/{NAME}: backups or installs of several accounts",
        "--root or --user chooses",
        "homes/bert/",
    ),
    "an id in two accounts, for its archive": typed(
        f"members {BACKUP} --root homes",
        "homes/anna/",
        "homes/bert/",
        "name one of them by its path, or its account by --root",
    ),
    "a Windows path": typed(
        r"members C:\me\app_a.tar.gz", rf"C:\me\app_a.tar.gz: {NOT_HERE}; \ parts no folders", "/mnt/c"
    ),
    "backslashes": typed(
        r"list homes\anna", r"homes\anna: no such file or directory; \ parts no folders here", "write /"
    ),
    "~ in quotes": typed(
        "view ~/app_a.tar.gz", "~/app_a.tar.gz: no such file; a shell puts the home in place of ~ only", "$HOME"
    ),
    "~ in quotes, for a ROOT": typed("list ~/backups", "~/backups: no such file or directory; a shell puts the home"),
    "a path with a typo": typed(
        "members homes/ana/application_backups/x.tar.gz",
        "homes/ana/application_backups/x.tar.gz: no such file; did you mean '",
        "/homes/anna'?",
    ),
    "~ in quotes, to be scanned": typed(
        "scan ~/backups -o new.sqlite", "not read: ", "~/backups: a shell puts the home in place of ~ only"
    ),
    "a ROOT with a typo": typed("list homse", "homse: no such file or directory; did you mean '", "/homes'?"),
    "a file with a typo": typed("members site.zp", f"site.zp: {NOT_HERE}; did you mean '", "/site.zip'?"),
    "a record whose archive is gone": typed(
        f"verify homes/bert/.appdata/backups/{GONE}",
        f"{GONE}: unreadable",
        "has no archive here; look elsewhere for what its record names",
        "'backupmeta view --allow-missing'",
    ),
    "an image that is not mounted": typed(
        "list --sysroot images/disk.img", "images/disk.img: is no folder; give --sysroot", MOUNT
    ),
    "an image as a ROOT": typed(
        "list images/disk.img", "images/disk.img: ", "disk image with a GPT", MOUNT, "--sysroot"
    ),
    "an empty mount point": typed(
        "verify --sysroot empty", "looked in ", "/var/www/vhosts/*", "empty is empty: is an image to be"
    ),
    "nothing found": typed("list empty", "nothing in empty; empty is empty: is an image to be mounted there?", code=0),
    "nothing found in conventional places": typed(
        "list --sysroot images", "; name a ROOT; looked in /var/www/vhosts/*", code=0
    ),
    "images without homes": typed(
        "scan images -o new.sqlite", "there is no account in images", "images/disk.img may be a disk image", MOUNT
    ),
    "a ROOT as an option": typed(
        "list --root homes", "No such option '--root'; a ROOT stands by itself: 'backupmeta list ROOT'"
    ),
    "the old name of a bound": typed(
        f"members {ARCHIVE} --limit members=10", "No such option '--limit'. Did you mean '--bound'?"
    ),
    "a bound as a limit": typed("list homes --limit members=10", "--limit", "how many rows are shown", "--bound"),
    "two formats": typed("list homes --json --csv", "--json and --csv are two formats; give one"),
    "a format with a typo": typed("verify homes --format jsn", "--format", "'jsn' is not one of 'text', 'json'"),
    "an answer into the evidence": typed(
        "verify homes/anna -o homes/anna/answer.txt", "homes/anna/answer.txt: lies among", "in another folder"
    ),
    "an answer over the evidence": typed(f"verify {ARCHIVE} -o {ARCHIVE}", f"{ARCHIVE}: ", "in another folder"),
    "a catalog for a ROOT": typed(
        "list catalog.sqlite",
        "catalog.sqlite: ",
        "an SQLite database; one that 'backupmeta scan' wrote goes after --catalog",
    ),
    "a catalog for an archive": typed("view catalog.sqlite", "an SQLite database", "--catalog"),
    "a ROOT for a catalog": typed("stats homes", "homes: is a folder; name the file that 'backupmeta scan -o' wrote"),
    "an archive for a catalog": typed(
        f"find {ARCHIVE}", f"{ARCHIVE}: is no catalog; name the file that 'backupmeta scan -o' wrote"
    ),
    "a catalog of a newer version": typed(
        "stats newer.sqlite", "newer.sqlite: was made by a newer backupmeta (schema 999); use that one"
    ),
    "a policy with a typo": typed(
        f"verify {ARCHIVE} --policy policy.toml", "policy.toml: selct: is no key of a policy; did you mean 'select'?"
    ),
    "a policy that is not there": typed(
        f"verify {ARCHIVE} --policy nowhere.toml", "nowhere.toml: no such file or directory"
    ),
    "a German date": typed("list homes --since 13.06.2024", "--since", "'13.06.2024' is no time; give 2024-06-13"),
    "a day that no month has": typed(
        "list homes --until 2024-13-01", "--until", "'2024-13-01' is no time; give 2024-06-13"
    ),
    "a word for a date": typed(f"verify {ARCHIVE} --now yesterday", "--now", "'yesterday' is no time; give 2024-06-13"),
    "a member with a typo": typed(
        f"cat {ARCHIVE} wp-confg.php", f"{NAME}: wp-confg.php is not in the archive; did you mean 'wp-config.php'?"
    ),
    "a member without its folder": typed(f"cat {ARCHIVE} ./version.php", "did you mean 'wp-includes/version.php'?"),
    "a member by a wildcard": typed(
        f"cat {ARCHIVE} wp-*", f"{NAME}: wp-* is not in the archive; a MEMBER is one name, without wildcards"
    ),
    "members by a wildcard": typed(
        f"extract {ARCHIVE} wp-* --to new", "wp-*: is not in the archive; a folder stands for all", code=1
    ),
    "a wildcard that the shell followed": typed(
        f"extract {ARCHIVE} site.zip --to new", "site.zip: is not in the archive; 'backupmeta members'", code=1
    ),
    "a wildcard of history without quotes": typed(
        f"history {ARCHIVE} --member lfs.tar.gz html.tar.gz",
        "extra argument (html.tar.gz); a wildcard stands in quotes",
    ),
    "extract without --to": typed(
        f"extract {ARCHIVE}", "Missing option '--to'; FOLDER: The folder to write to: a new or an empty one"
    ),
    "--to a folder with files": typed(
        f"extract {ARCHIVE} --to images", "images: is not empty; name a new or an empty folder, or see --over"
    ),
    "a name that begins with -": typed(
        "verify -x.tar.gz", "No such option '-x'; a name that begins with - stands after --, or as ./-x.tar.gz"
    ),
    "a name that begins with -o": typed(
        "verify -odd.tar.gz", "dd.tar.gz: ", "a name that begins with - stands after --, or as ./-odd.tar.gz"
    ),
    "an application with a typo": typed(
        "list homes --application wordpres", "no application is called 'wordpres'; did you mean 'wordpress'?", code=1
    ),
    "a user with a typo": typed(
        "list homes --user exampelu", "no user is called 'exampelu'; did you mean 'exampleu'?", code=1
    ),
    "an address": typed(
        "view https://example.com/app_a.tar.gz", "https://example.com/app_a.tar.gz: no such file; nothing is fetched"
    ),
    "a bucket": typed("list s3://backups/anna", "no such file or directory; nothing is fetched from a network: copy"),
    "what scp takes": typed("members anna@host:app_a.tar.gz", f"{NOT_HERE}; nothing is fetched from a network"),
    "several members": typed(
        f"cat {ARCHIVE} index.php wp-config.php", "(wp-config.php); it gives", "'backupmeta extract"
    ),
    "a member of members": typed(f"members {ARCHIVE} index.php", "(index.php); it lists all", "'backupmeta cat TARGET"),
    "one side of two": typed(
        f"diff {ARCHIVE}", "Missing argument 'B'; it is another backup, 'current' for", "a folder"
    ),
    "a catalog asked about a disk": typed(
        "find wordpress --sysroot images",
        "No such option '--sysroot'; a CATALOG is asked",
        "'backupmeta scan --sysroot",
    ),
    "the version as a command": typed("version", "No such command 'version'; 'backupmeta --version' is an option"),
    "the version with a typo": typed("--verison", "No such option '--verison'. Did you mean '--version'?"),
    "processes in words": typed("verify homes --jobs many", "--jobs", "it is a number of processes, such as 4"),
    "an answer over a catalog": typed(
        "list homes --json -o catalog.sqlite", "catalog.sqlite: is an SQLite database", "name another file"
    ),
    "a time that ends before it begins": typed(
        "list homes --since 2025-01-01 --until 2024-01-01", "--since is later than --until: nothing lies between"
    ),
    "versions in a name": typed(
        "list homes --application wordpress<6.4", "no application is called", "compared by 'backupmeta find'", code=1
    ),
    "a member's number without #": typed(f"cat {ARCHIVE} 3", "3 is not in the archive; '#3' is the member of this"),
    "records for a home": typed(
        "list homes/anna/.appdata/backups", "nothing in", "name the home that has the records: /", "/homes/anna", code=0
    ),
    "--to where one stands": typed(f"extract {ARCHIVE} --to .", "--to: .: name a new folder by its own name"),
    "a dump in a folder that is not there": typed(
        f"extract {ARCHIVE} --to new --dump gone/a.sql", "--dump: gone/a.sql: can't be written: no such file"
    ),
    "a bound without a value": typed(
        "verify homes --bound members", "'members' has no value; give one, such as members="
    ),
    "a format of other commands": typed(
        f"view {ARCHIVE} --csv", "No such option '--csv'; it answers in no csv; 'backupmeta view --help'"
    ),
    "stdin": typed("members -", f"-: {NOT_HERE}; standard input is not read: write it to a file"),
    "an unknown command": typed("verfy homes", "No such command 'verfy'. Did you mean 'verify'?"),
    "no command": typed(
        ARCHIVE, f"No such command '{ARCHIVE}'; a command stands before a path: 'backupmeta view PATH'"
    ),
    "an option before the command": typed("--json list", "No such option '--json'; options stand after the command"),
    "an unknown finding": typed("checks tabel-missing", "'tabel-missing' is no check; did you mean 'table-missing'?"),
    "an unknown finding to ignore": typed(
        f"verify {ARCHIVE} --ignore tabel-missing", "--ignore: 'tabel-missing' is no finding", "'table-missing'?"
    ),
    "an unknown finding to find": typed(
        "find catalog.sqlite --finding tabel-missing", "--finding", "did you mean 'table-missing'?"
    ),
    "no target": typed(
        "view", "Missing argument 'TARGET'; it is an archive, a record file or an id; 'backupmeta list'"
    ),
    "two targets": typed(
        f"view {ARCHIVE} site.zip", "extra argument (site.zip); 'backupmeta view' takes one at a time"
    ),
    "a time zone by its city": typed(
        "list homes --tz Berlin", "'Berlin' is no time zone; give one such as Europe/Berlin"
    ),
}


def _disk(folder: Path) -> None:
    """Make what the mistakes are made with."""
    for name in ("anna", "bert"):
        honest(folder / "homes" / name)
    bert = folder / "homes/bert/.appdata/backups"
    gone = (bert / BACKUP).read_bytes().replace(NAME.encode(), b"app_gone_Blog_2024-06-12_20-55-21.tar.gz")
    (bert / GONE).write_bytes(gone)
    for name in ("empty", "images"):
        (folder / name).mkdir()
    (folder / "images/disk.img").write_bytes(bytes(512) + b"EFI PART" + bytes(2000))
    with zipfile.ZipFile(folder / "site.zip", "w") as packed:
        packed.writestr("index.php", "<?php\n")
    for name, member in (("cpmove-anna.tar.gz", "cpmove-anna/homedir/index.php"), (SOFTACULOUS, "softsql.sql")):
        with gzip.open(folder / name, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(member), io.BytesIO())
    texts = {"lfs.tar.gz": LFS, "empty.tar.gz": "", "html.tar.gz": "<!DOCTYPE html>\n<title>404 Not Found</title>\n"}
    texts |= {"policy.toml": 'selct = ["safe"]\n', "-x.tar.gz": "", "-odd.tar.gz": ""}
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name in ("catalog.sqlite", "newer.sqlite"):
        assert run("scan", folder / "homes", "-o", folder / name, "--quiet").code == 0
    newer = sqlite3.connect(folder / "newer.sqlite")
    newer.execute("PRAGMA user_version = 999")
    newer.close()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    _disk(folder)
    return folder


@pytest.fixture
def here(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = sorted(disk.rglob("*"))
    monkeypatch.chdir(disk)
    yield disk
    for path in disk.glob("new.sqlite*"):
        path.unlink()
    assert sorted(disk.rglob("*")) == before


def said(ran: Ran) -> str:
    """Return what a person is told: stderr, and what `verify` says on stdout."""
    return ran.text + ran.err if ran.out and not ran.text.startswith(("{", "time")) else ran.err


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.usefixtures("here")
def test_a_mistake_is_answered_with_the_next_step(mistake: Mistake) -> None:
    ran = run(*mistake.typed.split())
    told = said(ran)
    assert ran.code == mistake.code, told
    places = [told.find(words) for words in mistake.says]
    assert -1 not in places, told
    assert places == sorted(places), told
    assert (
        len([line for line in ran.err.splitlines() if line and not line.startswith(("Usage: ", "Try "))]) <= MOST_LINES
    )


REFUSED = ["view " + ARCHIVE, "list homes/anna", "verify homes/anna", "list homes", "installs homes", "timeline homes"]


@pytest.mark.parametrize("line", REFUSED)
def test_who_may_not_read_is_told_who_may(here: Path, line: str) -> None:
    home = here / "homes/anna"
    home.chmod(0)
    try:
        with unprivileged():
            ran = run(*line.split())
    finally:
        home.chmod(0o755)
    assert ran.code == 2
    assert re.search("permission denied[;:] run this as its owner, or as root: 'sudo backupmeta …'", said(ran))


def test_nobody_is_offered_what_is_another_ones(tmp_path: Path) -> None:
    honest(tmp_path / "exampleu")
    other = Account(tmp_path / "other")
    other.backup(GONE, backup_record(owner="other"))
    asked = ("view", f"{GONE}x", "--root", tmp_path, "--user")
    assert f"did you mean '{GONE}'?" in run(*asked, "other").err
    assert run(*asked, "exampleu").err == ""
