"""A catalog that somebody alters, or a disk damages: class, attempt, what must hold.

Three accounts lie in it, ann's, bob's and cid's; where not said otherwise, bob's is altered. An answer either is that
of the whole catalog, or has exit code 2, a line that names the catalog and the account, and what is whole of it.
"""

import os
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final, NoReturn

import mutate_catalogs
import pytest

from backupmeta.catalog.integrity import seal_all
from backupmeta.catalog.queries import Query, export, find
from backupmeta.catalog.report import Asked as Reported
from backupmeta.catalog.report import report as read
from backupmeta.catalog.scanning import scan
from backupmeta.catalog.summary import stats
from backupmeta.catalog.views import VIEWS
from backupmeta.errors import CatalogError
from backupmeta.search import Search
from tests.catalog.snapshots import current, differences
from tests.invented import BACKUP, NAME, Account, Ran, archive, backup_record, install_record, run

pytestmark = pytest.mark.untraced  # the same lines, in many ways

MUTANTS: Final = 30
NAMES: Final = ("ann", "bob", "cid")
ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "find": ("find", "CATALOG", "--jsonl"),
    "list": ("list", "--catalog", "CATALOG", "--jsonl"),
    "installs": ("installs", "--catalog", "CATALOG", "--json"),
    "export": ("export", "CATALOG", "--format", "jsonl"),
    "export files": ("export", "CATALOG", "--format", "jsonl", "--table", "files"),
    "stats": ("stats", "CATALOG", "--json", "--now", "2026-01-01"),
    "report": ("report", "CATALOG", "--json", "--now", "2026-01-01"),
    "verify": ("verify", "--catalog", "CATALOG", "--json", "--now", "2026-01-01"),
}
"""What reads every account."""


def filled(home: Path, name: str) -> Account:
    """Return an account with a live install and two backups, one of them without a record."""
    account, path = Account(home / name), f"/home/{name}/public_html/blog"
    content = backup_record(backup_note=f"of {name}", path=path)
    account.backup(content=content)
    account.archive(embedded=content)
    account.install(content=install_record(owner=name, path=path))
    account.archive(NAME.replace("Blog", "Other"), content)
    return account


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the accounts' homes, and a catalog of them, scanned deep and twice, a change between."""
    folder = tmp_path_factory.mktemp("made")
    accounts = {name: filled(folder / "home", name) for name in NAMES}
    scanned(folder / "catalog.sqlite", folder / "home")
    accounts["bob"].backup(content=backup_record(backup_note="of bob, changed", path="/home/bob/public_html/blog"))
    scanned(folder / "catalog.sqlite", folder / "home")
    return folder


@pytest.fixture(scope="module")
def whole(made: Path) -> dict[str, Ran]:
    """Give each answer of the catalog as it is before it is altered."""
    return {name: asked(name, made / "catalog.sqlite") for name in ANSWERS}


@pytest.fixture
def home(made: Path) -> Path:
    return made / "home"


@pytest.fixture
def catalog(made: Path, tmp_path: Path) -> Path:
    """Give a copy of the catalog, to be altered, and of its lock, which knows what the last scan left."""
    for name in ("catalog.sqlite", "catalog.sqlite-scan"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    return tmp_path / "catalog.sqlite"


def scanned(path: Path, root: Path, *options: str) -> Ran:
    return run("scan", root, "-o", path, "--deep", "--jobs", "1", *options)


def asked(name: str, path: Path) -> Ran:
    return run(*(str(path) if one == "CATALOG" else one for one in ANSWERS[name]))


def altered(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(statements.replace("{bob}", BOB).replace("{ann}", ANN))


def lines(ran: Ran) -> list[str]:
    """Return what a command said besides how old the catalog is, and what it counted."""
    return [line for line in ran.err.splitlines() if ": as of " not in line and "targets:" not in line]


# Class: rows of an account are altered, deleted, added, moved. Attempt: by SQL, one table after the other.

BOB: Final = "(SELECT account FROM accounts WHERE name = 'bob')"
ANN: Final = "(SELECT account FROM accounts WHERE name = 'ann')"
ROWS: Final[dict[str, tuple[str, str]]] = {
    "a text": ("UPDATE all_backups SET version = '1.0' WHERE account = {bob}", "3 of its 3 backups differ"),
    "one of them": (
        "UPDATE all_backups SET title = 'x' WHERE account = {bob} AND until IS NOT NULL",
        "1 of its 3 backups differ",
    ),
    "null becomes empty": ("UPDATE all_backups SET ended = '' WHERE account = {bob} AND until IS NULL", "2 of its 3"),
    "empty becomes null": ("UPDATE all_backups SET backup_note = NULL WHERE account = {bob}", "of its 3 backups"),
    "null becomes 0": ("UPDATE all_files SET moved_from = 0 WHERE account = {bob}", "5 of its 5 files differ"),
    "null becomes no bytes": ("UPDATE all_files SET path_bytes = x'' WHERE account = {bob}", "5 of its 5 files"),
    "text behind a NUL": (
        "UPDATE all_backups SET title = title || char(0) || 'x' WHERE account = {bob}",
        "3 of its 3 backups",
    ),
    "a row is deleted": (
        "DELETE FROM all_backups WHERE backup = (SELECT max(backup) FROM all_backups WHERE account = {bob})",
        "1 of its 3 backups differ",
    ),
    "all rows are deleted": ("DELETE FROM all_files WHERE account = {bob}", "5 of its 5 files differ"),
    "history is deleted": ("DELETE FROM all_files WHERE account = {bob} AND until IS NOT NULL", "1 of its 5 files"),
    "a row is added": (
        (
            "INSERT INTO all_findings (account, since, id, severity, subject, detail, message, evidence)"
            " VALUES ({bob}, 1, 'archive-missing', 'error', '', '', '', '[]')"
        ),
        "1 findings were not there",
    ),
    "findings are deleted": ("DELETE FROM all_findings WHERE account = {bob}", "findings differ"),
    "a verdict": ("UPDATE all_files SET verdict = 'pass' WHERE account = {bob} AND verdict = 'fail'", "files differ"),
    "its place": ("UPDATE accounts SET path = '/elsewhere' WHERE account = {bob}", "1 of its 1 places differ"),
    "it is said to be gone": ("UPDATE accounts SET status = 'vanished' WHERE account = {bob}", "1 of its 1 places"),
    "its memory": ("UPDATE memories SET content = x'00' WHERE account = {bob}", "1 of its 1 memories"),
    "its memory is another's": (
        "UPDATE memories SET content = (SELECT content FROM memories WHERE account = {ann}) WHERE account = {bob}",
        "1 of its 1 memories",
    ),
    "its seal": ("UPDATE seals SET digest = x'00' WHERE account = {bob}", "nothing tells what was scanned of it"),
    "a part of its seal": ("UPDATE seals SET digests = substr(digests, 18) WHERE account = {bob}", "nothing tells"),
    "its seal is deleted": ("DELETE FROM seals WHERE account = {bob}", "nothing tells what was scanned of it"),
    "its seal is another's": (
        (
            "UPDATE seals SET (digest, digests) = (SELECT digest, digests FROM seals WHERE account = {ann})"
            " WHERE account = {bob}"
        ),
        "nothing tells",
    ),
}
"""What is done to bob's account, and a part of what is said of it."""


@pytest.mark.parametrize("attempt", ROWS)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_altered_account_is_told_and_left_out(catalog: Path, whole: dict[str, Ran], name: str, attempt: str) -> None:
    statement, words = ROWS[attempt]
    altered(catalog, statement)
    ran = asked(name, catalog)
    told = ran.err + (ran.text if name == "verify" else "")
    assert (ran.code, str(catalog) in told, words in told) == (2, True, True)
    assert "backupmeta scan ROOT -o CATALOG" in told
    new = set(lines(ran)) - set(lines(whole[name]))  # a list has warnings of its own
    assert "home/ann" not in "".join(new)
    if name in {"find", "list", "export", "export files"}:
        assert ran.out.splitlines() == [line for line in whole[name].out.splitlines() if not IS_BOBS.search(line)]


IS_BOBS: Final = re.compile(rb"of bob|/home/bob")
"""What a line of JSON has in it that is about bob's account."""


@pytest.mark.parametrize("attempt", ROWS)
def test_a_scan_reads_it_anew(catalog: Path, home: Path, attempt: str) -> None:
    before = current(catalog)
    altered(catalog, ROWS[attempt][0])
    ran = scanned(catalog, home)
    assert (ran.code, ROWS[attempt][1] in ran.err, str(catalog) in ran.err) == (2, True, True)
    assert differences(current(catalog), before) == []
    assert [asked(name, catalog).code for name in ("find", "stats", "export", "report", "list")] == [0] * 5
    assert scanned(catalog, home).code == 0


@pytest.mark.parametrize("attempt", ["a text", "its memory", "findings are deleted", "a row is deleted"])
def test_a_scan_of_another_place_takes_nothing_away(catalog: Path, home: Path, tmp_path: Path, attempt: str) -> None:
    before = current(catalog)
    altered(catalog, ROWS[attempt][0])
    Account(tmp_path / "other/dan")
    for _ in range(2):
        ran = scanned(catalog, tmp_path / "other")
        assert (ran.code, "left as it is" in ran.err) == (2, True)
        assert [asked(name, catalog).code for name in ANSWERS] == [2] * len(ANSWERS)
    assert scanned(catalog, home).code == 2
    after = current(catalog)
    assert [one for one in after["backups"] if one[0] != str(tmp_path / "other/dan")] == before["backups"]
    assert asked("list", catalog).code == 0


def test_an_account_that_is_gone_is_told_and_taken_out(catalog: Path, tmp_path: Path) -> None:
    account = filled(tmp_path / "other", "dan")
    Account(tmp_path / "other/eve")
    scanned(catalog, tmp_path / "other")
    altered(catalog, "UPDATE all_backups SET title = 'x' WHERE account = (SELECT max(account) - 1 FROM accounts)")
    shutil.rmtree(account.home)
    ran = scanned(catalog, tmp_path / "other")
    assert (ran.code, "2 of its 2 backups differ" in ran.err) == (2, True)
    assert asked("find", catalog).code == 0


@pytest.mark.parametrize("table", ["all_installs", "all_backups", "all_files", "all_findings", "shared", "memories"])
def test_a_table_that_is_emptied_costs_no_row_of_another_one(catalog: Path, home: Path, table: str) -> None:
    before, verified = current(catalog), asked("verify", catalog)
    altered(catalog, f"DELETE FROM {table}")  # noqa: S608 - our own names
    assert scanned(catalog, home).code == 2
    assert differences(current(catalog), before) == []
    assert asked("verify", catalog)[:2] == verified[:2]


def test_new_rows_are_never_taken_for_lost_ones(catalog: Path, home: Path) -> None:
    before = current(catalog)
    altered(catalog, "DELETE FROM all_backups; DELETE FROM all_files WHERE account = {bob}; DELETE FROM all_findings")
    assert scanned(catalog, home).code == 2
    assert differences(current(catalog), before) == []
    assert asked("find", catalog).code == 0


# Class: an account disappears as a whole, or rows are given to another one.

TABLES: Final = ("accounts", "memories", "all_files", "all_installs", "all_backups", "all_findings", "seals")


def without(number: str, *tables: str) -> str:
    """Return SQL that deletes all rows of an account, that of the accounts themselves last."""
    ordered = sorted(tables, key=lambda one: one == "accounts")
    return ";".join(f"DELETE FROM {one} WHERE account = {number}" for one in ordered)  # noqa: S608 - our own names


@pytest.mark.parametrize("name", ANSWERS)
def test_an_account_that_is_gone_with_its_seal_is_told(catalog: Path, name: str) -> None:
    altered(catalog, without(BOB, *TABLES))
    ran = asked(name, catalog)
    assert (ran.code, "1 of its 1 accounts differ" in ran.err + ran.text) == (2, True)


def test_a_scan_finds_it_again(catalog: Path, home: Path) -> None:
    before = Counter(one[0] for one in current(catalog)["backups"])
    altered(catalog, without(BOB, *TABLES))
    assert scanned(catalog, home).code == 2
    assert Counter(one[0] for one in current(catalog)["backups"]) == before
    assert asked("find", catalog).code == 0


MOVED: Final = {
    "backups of bob are ann's": "UPDATE all_backups SET account = {ann} WHERE account = {bob}",
    "files of bob are nobody's": "UPDATE all_files SET account = 77 WHERE account = {bob}",
    "findings of bob are of a root": "UPDATE all_findings SET account = NULL WHERE account = {bob}",
    "backups of bob are the catalog's own": "UPDATE all_backups SET account = 0 WHERE account = {bob}",
    "bob and ann change places": (
        "UPDATE accounts SET account = -1 WHERE account = 1;"
        " UPDATE accounts SET account = 1 WHERE account = 2; UPDATE accounts SET account = 2 WHERE account = -1"
    ),
}


@pytest.mark.parametrize("attempt", MOVED)
@pytest.mark.parametrize("name", ANSWERS)
def test_rows_that_moved_are_told(catalog: Path, name: str, attempt: str) -> None:
    altered(catalog, MOVED[attempt])
    ran = asked(name, catalog)
    assert (ran.code, "other rows than were scanned" in ran.err + ran.text) == (2, True)


@pytest.mark.parametrize("attempt", MOVED)
def test_a_scan_puts_them_back(catalog: Path, home: Path, attempt: str) -> None:
    altered(catalog, MOVED[attempt])
    assert scanned(catalog, home).code == 2
    assert [asked(name, catalog).code for name in ("find", "stats", "report", "list")] == [0] * 4
    assert len(asked("find", catalog).jsonl) == 6


# Class: a row with a number after which there is none.


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("all_files", "file"),
        ("all_installs", "install"),
        ("all_backups", "backup"),
        ("all_findings", "finding"),
        ("shared", "shared"),
        ("accounts", "account"),
        ("scans", "scan"),
    ],
)
def test_a_number_that_leaves_none_for_others(catalog: Path, home: Path, table: str, key: str) -> None:
    altered(catalog, f"UPDATE {table} SET {key} = {2**63 - 1} WHERE {key} = (SELECT max({key}) FROM {table})")  # noqa: S608
    ran = asked("stats", catalog)
    assert (ran.code, f"{table} has the number {2**63 - 1}" in ran.err) == (2, True)
    assert scanned(catalog, home).code == 2
    assert [asked(name, catalog).code for name in ("find", "stats", "report", "list")] == [0] * 4


# Class: what is of no account: scans, findings of roots, values that rows share.

SHARED: Final = {
    "a scan": ("UPDATE scans SET began = 0", "2 of its 2 scans differ"),
    "a scan of any time": ("UPDATE scans SET began = 9223372036854775807, ended = -1", "2 of its 2 scans differ"),
    "scans are deleted": ("DELETE FROM scans WHERE scan = 1", "1 of its 2 scans differ"),
    "a root's finding": (
        (
            "INSERT INTO all_findings (since, id, severity, subject, detail, message, evidence)"
            " VALUES (1, 'no-such-finding', 'fatal', '', '', '', '{')"
        ),
        "1 findings were not there",
    ),
    "the catalog's own seal": ("DELETE FROM seals WHERE account = 0", "nothing tells what was scanned of it"),
    "a shared value": ("UPDATE shared SET content = content || ' '", "shared values differ"),
    "a shared value is none": ("UPDATE shared SET content = '{'", "shared values differ"),
    "shared values are deleted": ("DELETE FROM shared", "shared values differ"),
    "shared values change places": (
        """
        UPDATE shared SET shared = -1 WHERE shared = 1; UPDATE shared SET shared = 1 WHERE shared = 2;
        UPDATE shared SET shared = 2 WHERE shared = -1
        """,
        "shared values differ",
    ),
}


@pytest.mark.parametrize("attempt", SHARED)
@pytest.mark.parametrize("name", ["find", "list", "export", "stats", "report"])
def test_what_is_of_no_account_is_sealed_too(catalog: Path, home: Path, name: str, attempt: str) -> None:
    statement, words = SHARED[attempt]
    before = current(catalog)
    altered(catalog, statement)
    ran = asked(name, catalog)
    assert (ran.code, words in ran.err, str(catalog) in ran.err) == (2, True, True)
    assert scanned(catalog, home).code == 2
    assert (asked(name, catalog).code, differences(current(catalog), before)) == (0, [])


# Class: what the next scan would take for its own, and seal.

PLANTED: Final = {
    "a value under another's digest": (
        "INSERT INTO shared (digest, content) VALUES (x'{digest}', '[\"injected\"]')",
        "injected",
    ),
    "entries of the next list": (
        (
            "INSERT INTO extensions (list, id) SELECT max(shared) + value, 'injected' FROM shared,"
            " json_each('[1,2,3,4,5,6,7,8,9]')"
        ),
        "injected",
    ),
    "rows of the next account": (
        (
            "INSERT INTO all_findings (account, since, id, severity, subject, detail, message, evidence)"
            " VALUES (4, 1, 'archive-missing', 'error', 'injected', '', '', '[]')"
        ),
        "injected",
    ),
}


@pytest.mark.parametrize("attempt", PLANTED)
def test_nothing_planted_is_sealed_by_the_next_scan(tmp_path: Path, attempt: str) -> None:
    home, catalog = tmp_path / "home", tmp_path / "catalog.sqlite"
    filled(home, "ann")
    scanned(catalog, home)
    value = '[{"id":"akismet","version":"5.3","active":null,"autoup":null}]'
    statement, word = PLANTED[attempt]
    altered(catalog, statement.replace("{digest}", blake2b(value.encode(), digest_size=16).hexdigest()))
    content = backup_record(plugins="akismet=5.3")
    Account(home / "dan").backup(content=content)
    scanned(catalog, home)
    for table in VIEWS:
        ran = run("export", catalog, "--format", "jsonl", "--table", table)
        assert (ran.code, word in ran.text) == (0, False)


# Class: objects that lie: triggers, views, indices.

OBJECTS: Final = {
    "a trigger": "CREATE TRIGGER planted AFTER INSERT ON all_files BEGIN DELETE FROM all_files; END",
    "a trigger on a view": "CREATE TRIGGER planted INSTEAD OF DELETE ON backups BEGIN SELECT 1; END",
    "a view": "CREATE VIEW planted AS SELECT 1",
    "a table": "CREATE TABLE planted (a)",
    "an index": "CREATE UNIQUE INDEX planted ON all_files (file)",
}


@pytest.mark.parametrize("attempt", OBJECTS)
def test_a_planted_object_is_refused_and_named(catalog: Path, home: Path, attempt: str) -> None:
    altered(catalog, OBJECTS[attempt])
    before = catalog.read_bytes()
    for ran in (*(asked(name, catalog) for name in ANSWERS), scanned(catalog, home)):
        assert (ran.code, ran.out) == (2, b"")
        assert "planted" in lines(ran)[0]
    assert catalog.read_bytes() == before


LYING: Final = {
    "a view has fewer rows": "DROP VIEW backups; CREATE VIEW backups AS SELECT * FROM all_backups LIMIT 1",
    "a view is gone": "DROP VIEW duplicates",
    "an index is of another column": "DROP INDEX all_files_by_account;"
    " CREATE INDEX all_files_by_account ON all_files (size)",
    "an index is gone": "DROP INDEX all_backups_by_id",
    "an index has no rows": "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage ="
    " (SELECT rootpage FROM sqlite_master WHERE name = 'extensions_by_list') WHERE name = 'all_backups_by_plugins'",
}


@pytest.mark.parametrize("attempt", LYING)
def test_an_object_that_lies_is_told_and_mended(catalog: Path, home: Path, attempt: str) -> None:
    before = current(catalog)
    altered(catalog, LYING[attempt])
    for name in ANSWERS:
        ran = asked(name, catalog)
        assert (ran.code, ran.out) == (2, b"")
        assert "is damaged" in lines(ran)[0]
    scanned(catalog, home)
    assert ([asked(name, catalog).code for name in ("find", "stats")], differences(current(catalog), before)) == (
        [0, 0],
        [],
    )


# Class: what the lock knows of the file: nothing is checked where it is as the last scan left it, byte for byte.


def forbidden(*_: object) -> NoReturn:
    raise AssertionError("it is checked")


def test_a_catalog_as_the_last_scan_left_it_is_not_checked_again(
    catalog: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backupmeta.catalog.integrity.altered", forbidden)
    assert asked("find", catalog).code == 0
    assert scanned(catalog, home).code == 0
    assert asked("find", catalog).code == 0
    altered(catalog, "UPDATE all_backups SET title = 'x'")
    with pytest.raises(AssertionError, match="it is checked"):
        asked("find", catalog)


def gone(lock: Path) -> None:
    lock.unlink()


def empty(lock: Path) -> None:
    lock.write_bytes(b"")


def no_database(lock: Path) -> None:
    lock.write_bytes(b"x" * 8192)


def other(lock: Path) -> None:
    altered(lock, "UPDATE noted SET sha256 = x'00'")


def of_a_type(lock: Path) -> None:
    altered(lock, "DROP TABLE noted; CREATE TABLE noted (sha256); INSERT INTO noted VALUES ('text')")


def in_it(lock: Path) -> None:
    altered(lock, "DELETE FROM noted")


def link(lock: Path) -> None:
    lock.rename(lock.with_name("elsewhere"))
    lock.symlink_to("elsewhere")


def pipe(lock: Path) -> None:
    lock.unlink()
    os.mkfifo(lock)


def foreign(lock: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives files to others")
    os.chown(lock, 12345, 12345)


@pytest.mark.parametrize("attempt", [gone, empty, no_database, other, of_a_type, in_it, link, pipe, foreign])
def test_where_the_lock_tells_nothing_all_is_checked(
    catalog: Path, attempt: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asked("find", catalog)
    attempt(catalog.with_name("catalog.sqlite-scan"))
    assert asked("find", catalog)[:2] == whole[:2]
    monkeypatch.setattr("backupmeta.catalog.integrity.altered", forbidden)
    with pytest.raises(AssertionError, match="it is checked"):
        asked("find", catalog)


# Class: one backup is asked for. Attempt: its account is altered, or what would have been found is not there any more.


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE all_backups SET title = 'x' WHERE account = {bob}", 2),
        ("UPDATE all_backups SET id = 'x', backup_filename = 'x'; UPDATE all_files SET path = 'x' || file", 2),
        (without(BOB, *TABLES), 2),
    ],
)
def test_who_asks_for_one_backup_is_told(tmp_path: Path, statement: str, code: int) -> None:
    home, catalog = tmp_path / "home", tmp_path / "catalog.sqlite"
    filled(home, "bob")
    Account(home / "ann").install()
    scanned(catalog, home)
    assert run("view", BACKUP, "--catalog", catalog).code == 0
    altered(catalog, statement)
    ran = run("view", BACKUP, "--catalog", catalog)
    assert (ran.code, "other rows than were scanned" in ran.err) == (code, True)


def test_nor_is_another_backup_of_its_id_chosen_in_silence(tmp_path: Path) -> None:
    home, catalog = tmp_path / "home", tmp_path / "catalog.sqlite"
    for name in ("ann", "bob"):
        filled(home, name)
    scanned(catalog, home)
    altered(catalog, "UPDATE all_backups SET id = 'x', backup_filename = 'x' WHERE account = {bob};")
    altered(catalog, "UPDATE all_files SET path = 'x' || file WHERE account = {bob}")
    assert run("view", BACKUP, "--catalog", catalog).code == 2


# Class: a library's caller, who has no list for what was altered.


@pytest.mark.parametrize(
    "ask",
    [
        lambda path: stats(path, 0),
        lambda path: list(find(path, Query())),
        lambda path: list(export(path).rows),
        lambda path: read(path, Reported(0, "", None, 0)),
    ],
)
def test_a_caller_that_takes_no_findings_gets_an_error(catalog: Path, ask: Callable[[str], object]) -> None:
    ask(str(catalog))
    altered(catalog, ROWS["a text"][0])
    with pytest.raises(CatalogError, match="3 of its 3 backups differ"):
        ask(str(catalog))


def test_a_scan_tells_its_caller(catalog: Path, home: Path) -> None:
    altered(catalog, ROWS["a text"][0])
    assert [one.id for one in scan(str(catalog), Search((str(home),))).altered] == ["catalog-altered"]
    assert scan(str(catalog), Search((str(home),))).altered == []


# Class: a file's content is changed, its size and its time of modification put back.


def put_back(path: Path, content: bytes) -> None:
    """Give a file other content of the same length, and its time of modification back."""
    status = path.stat()
    assert len(content) == status.st_size
    time.sleep(0.02)  # the system's clock ticks every few milliseconds
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) == (
        status.st_size,
        status.st_mtime_ns,
        status.st_ino,
    )


@pytest.fixture
def alone(tmp_path: Path) -> tuple[Account, Path]:
    account = Account(tmp_path / "home/exampleu").whole()
    catalog = tmp_path / "catalog.sqlite"
    scanned(catalog, account.home.parent)
    return account, catalog


def test_a_record_whose_times_were_put_back_is_read_again(alone: tuple[Account, Path]) -> None:
    account, catalog = alone
    record = account.backups / BACKUP
    put_back(record, record.read_bytes().replace(b"title=Blog", b"title=Glob"))
    scanned(catalog, account.home.parent)
    [row] = run("find", catalog, "--jsonl").jsonl
    assert row["title"] == "Glob"
    history = run("export", catalog, "--format", "jsonl", "--table", "history").jsonl
    assert [one["change"] for one in history if one["what"] == "file" and one["scan"] == 2] == ["changed", "changed"]


def test_an_archive_whose_times_were_put_back_is_read_to_its_end_again(alone: tuple[Account, Path]) -> None:
    account, catalog = alone
    path = account.archives / NAME
    whole = run("export", catalog, "--format", "jsonl", "--table", "files").jsonl
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF  # of the checksum behind the content
    put_back(path, bytes(content))
    assert scanned(catalog, account.home.parent).code == 0
    [before], [after] = (
        [row for row in rows if row["kind"] == "archive"]
        for rows in (whole, run("export", catalog, "--format", "jsonl", "--table", "files").jsonl)
    )
    assert before["sha256"] != after["sha256"]
    assert after["verdict"] == "fail"


def test_a_record_in_an_archive_whose_times_were_put_back_is_read_again(alone: tuple[Account, Path]) -> None:
    account, catalog = alone
    (account.backups / BACKUP).unlink()
    scanned(catalog, account.home.parent)
    changed = archive(backup_record(title="Glob"))
    path = account.archives / NAME
    if len(changed) != path.stat().st_size:
        path.write_bytes(path.read_bytes().ljust(len(changed), b"\0"))
        scanned(catalog, account.home.parent)
        changed = changed.ljust(path.stat().st_size, b"\0")
    put_back(path, changed)
    scanned(catalog, account.home.parent)
    assert [one["title"] for one in run("find", catalog, "--jsonl").jsonl] == ["Glob"]


# Class: whatever happens to the file: bytes, pages, cuts, texts, rows, objects; the long form is a script.


def test_no_mutant_ends_in_a_traceback_or_is_answered_from_in_silence(tmp_path: Path) -> None:
    for folder in (one := tmp_path / "whole", other := tmp_path / "mutant"):
        folder.mkdir()
    known = mutate_catalogs.whole(one)
    found = [mutate_catalogs.mutant(number, 1, known, other) for number in range(MUTANTS)]
    assert [one for one in found if one.faults] == []
    outcomes = {outcome for one in found for outcome in one.outcomes}
    assert {"same", "told", "scan, then same"} <= outcomes


def test_whoever_seals_anew_is_not_noticed(catalog: Path) -> None:
    """There is no key: this is what the manual says."""
    altered(catalog, ROWS["a text"][0])
    with closing(sqlite3.connect(catalog)) as connection:
        seal_all(connection)
        connection.commit()
    assert [asked(name, catalog).code for name in ("stats", "find")] == [0, 0]
