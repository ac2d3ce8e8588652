"""The commands about a whole catalog: ``export`` and ``stats``."""

import csv
import errno
import hashlib
import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backupmeta.catalog.queries import EXPORTED
from backupmeta.catalog.scanning import scan
from backupmeta.cli import catalog_cmds as cataloged
from backupmeta.search import Search
from tests.catalog.snapshots import sealed
from tests.invented import BACKUP, NAME, TIME, Account, backup_record, run

COMMAND = f'"{sys.executable}" -c "from backupmeta.cli import main; main()"'
FORMATS = ("jsonl", "csv", "parquet")
HOSTILE = "\x1b[31mred\x9b\u202e"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu").whole()


@pytest.fixture
def catalog(account: Account, tmp_path: Path) -> Path:
    return scanned(account, tmp_path / "catalog.sqlite")


def scanned(account: Account, catalog: Path) -> Path:
    scan(str(catalog), Search((str(account.home.parent),)))
    return catalog


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shell(script: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a ``script`` in which ``B`` is the command."""
    program = f'B() {{ {COMMAND} "$@"; }}; {script}'
    return subprocess.run(["bash", "-c", program], capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def older_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of the account beside it, of which since then an archive has vanished and a record has changed."""
    folder = tmp_path_factory.mktemp("older")
    account = Account(folder / "home/exampleu").whole()
    catalog = scanned(account, folder / "catalog.sqlite")
    (account.archives / NAME).unlink()
    account.backup(content=backup_record(title="Changed"))
    return catalog


class TestWhatMakesAScanFail:
    @pytest.mark.parametrize(
        ("words", "code", "line"),
        [
            ([], 0, ""),
            (["vanished"], 1, "backupmeta: --fail-on: vanished: 1 file\n"),
            (["changed"], 1, "backupmeta: --fail-on: changed: 1 file, 1 backup\n"),
            (
                ["vanished", "moved", "changed"],
                1,
                "backupmeta: --fail-on: changed: 1 file, 1 backup; vanished: 1 file\n",
            ),
            (["new", "moved", "returned"], 0, ""),
        ],
    )
    def test_is_what_was_named(
        self, older_catalog: Path, tmp_path: Path, words: list[str], code: int, line: str
    ) -> None:
        catalog = shutil.copy(older_catalog, tmp_path / "catalog.sqlite")
        options = [option for word in words for option in ("--fail-on", word)]
        ran = run("scan", older_catalog.parent / "home", "-o", catalog, "--jobs", "1", *options)
        assert (ran.code, ran.err) == (code, line)

    def test_of_a_first_scan_all_is_new(self, account: Account, tmp_path: Path) -> None:
        ran = run("scan", account.home, "-o", tmp_path / "catalog.sqlite", "--jobs", "1", "--fail-on", "new")
        assert (ran.code, ran.err) == (1, "backupmeta: --fail-on: new: 3 files, 1 install, 1 backup\n")

    def test_an_account_that_vanished_counts_and_what_is_unread_wins(self, account: Account, tmp_path: Path) -> None:
        Account(account.home.parent / "other")
        catalog = scanned(account, tmp_path / "catalog.sqlite")
        shutil.rmtree(account.home.parent / "other")
        asked = ("-o", catalog, "--jobs", "1", "--fail-on", "vanished")
        ran = run("scan", account.home.parent, tmp_path / "nowhere", *asked)
        assert (ran.code, ran.err) == (2, "backupmeta: --fail-on: vanished: 1 account\n")

    def test_an_unknown_word_is_a_mistake_that_names_those_there_are(self, account: Account, tmp_path: Path) -> None:
        ran = run("scan", account.home, "-o", tmp_path / "catalog.sqlite", "--fail-on", "gone")
        assert ran.code == 2
        assert "'gone' is not one of 'new', 'changed', 'moved', 'returned', 'vanished'" in ran.err
        assert not (tmp_path / "catalog.sqlite").exists()


class TestExport:
    def test_of_backups_as_jsonl_says_how_old_it_is(self, catalog: Path) -> None:
        ran = run("export", catalog, "--format", "jsonl")
        assert (ran.code, [row["id"] for row in ran.jsonl]) == (0, [BACKUP])
        assert re.fullmatch(rf"backupmeta: {catalog}: as of [-0-9]+ [:0-9]+ UTC, \d+ \w+ ago\n", ran.err)

    def test_of_another_table_as_csv(self, catalog: Path, account: Account) -> None:
        ran = run("export", catalog, "--format", "csv", "--table", "accounts")
        [row] = csv.DictReader(io.StringIO(ran.text, newline=""))
        assert (row["path"], row["is_home"]) == (str(account.home), "true")

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("table", EXPORTED)
    def test_into_a_file(self, catalog: Path, form: str, table: str, tmp_path: Path) -> None:
        target = tmp_path / f"new.{form}"
        ran = run("export", catalog, "--format", form, "--table", table, "-o", target)
        assert (ran.code, ran.out) == (0, b"")
        if form == "parquet":
            assert pq.read_table(target).num_columns > 3
        else:
            assert target.read_bytes() == run("export", catalog, "--format", form, "--table", table).out
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]

    def test_replaces_what_was_there(self, catalog: Path, tmp_path: Path) -> None:
        target = tmp_path / "backups.parquet"
        for _ in range(2):
            assert run("export", catalog, "--format", "parquet", "-o", target).code == 0
        assert pq.read_metadata(target).num_rows == 1

    @pytest.mark.parametrize("target", [[], ["-o", "-"]])
    def test_of_parquet_needs_a_file(self, catalog: Path, target: list[str]) -> None:
        ran = run("export", catalog, "--format", "parquet", *target)
        assert (ran.code, ran.out) == (2, b"")
        assert "-o FILE" in ran.err

    def test_of_parquet_needs_pyarrow(self, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cataloged, "find_spec", lambda _: None)
        ran = run("export", catalog, "--format", "parquet", "-o", tmp_path / "backups.parquet")
        assert ran.code == 2
        assert "pip install 'backupmeta[parquet]'" in ran.err
        assert run("export", catalog, "--format", "csv").code == 0

    def test_of_an_unknown_table(self, catalog: Path) -> None:
        ran = run("export", catalog, "--format", "csv", "--table", "plugin")
        assert ran.code == 2
        assert "did you mean 'plugins'?" in ran.err

    @pytest.mark.parametrize("form", FORMATS)
    def test_of_no_catalog_writes_nothing(self, tmp_path: Path, form: str) -> None:
        (tmp_path / "text").write_text("text")
        for name in ("text", "nowhere"):
            ran = run("export", tmp_path / name, "--format", form, "-o", tmp_path / "out")
            assert ran.code == 2
            assert str(tmp_path / name) in ran.err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["text"]

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("name", ["catalog.sqlite", "link", "catalog.sqlite-wal", "catalog.sqlite-shm"])
    def test_never_writes_over_the_catalog(self, catalog: Path, form: str, name: str) -> None:
        catalog.with_name("link").symlink_to(catalog)
        before = digest(catalog)
        ran = run("export", catalog, "--format", form, "-o", catalog.with_name(name))
        assert ran.code == 2
        assert "lies among what is read" in ran.err
        assert digest(catalog) == before

    def test_never_writes_over_a_file_that_has_the_name_of_a_part(self, catalog: Path, tmp_path: Path) -> None:
        part = tmp_path / "backups.csv.part"
        shutil.copy(catalog, part)
        before = digest(part)
        assert run("export", part, "--format", "csv", "-o", tmp_path / "backups.csv").code == 0
        assert digest(part) == before

    def test_never_writes_over_an_archive_or_a_record(self, catalog: Path, account: Account) -> None:
        for path in (account.archives / NAME, account.backups / BACKUP):
            before = digest(path)
            assert run("export", catalog, "--format", "parquet", "-o", path).code == 2
            assert digest(path) == before

    @pytest.mark.parametrize("form", ["jsonl", "csv"])
    def test_on_a_terminal_has_no_control_characters(
        self, account: Account, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account.backup(content=backup_record(title=HOSTILE))
        catalog = scanned(account, tmp_path / "catalog.sqlite")
        assert (HOSTILE[-2:] in run("export", catalog, "--format", form).text) is (form == "csv")
        monkeypatch.setattr("backupmeta.cli.output.width", lambda: 80)
        ran = run("export", catalog, "--format", form)
        assert re.search(r"[^\n\x20-\x7e]", ran.text) is None
        assert len(ran.text.splitlines()) == 1 + (form == "csv")
        assert r"\u202e" in ran.text

    @pytest.mark.parametrize("form", ["jsonl", "csv"])
    def test_ends_quietly_where_nobody_reads(self, catalog: Path, form: str) -> None:
        done = shell(f'B export "{catalog}" --format {form} 2>/dev/null >&-; echo "$?"')
        assert done.stdout == b"0\n"
        done = shell(f'B export "{catalog}" --format {form} 2>&1 >/dev/full; echo "$?"')
        assert done.stdout.splitlines()[1:] == [b"backupmeta: can't write: No space left on device", b"2"]

    @pytest.mark.parametrize("form", FORMATS)
    def test_a_full_disk_leaves_nothing_behind(
        self, catalog: Path, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / f"backups.{form}"
        target.write_text("before")
        monkeypatch.setattr("backupmeta.cli.output.os.fsync", full)
        ran = run("export", catalog, "--format", form, "-o", target)
        told = f"backupmeta: {target}: can't be written: no space left on device; name a file elsewhere"
        assert (ran.code, ran.err.splitlines()[-1]) == (2, told)
        assert target.read_text() == "before"
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]

    def test_imports_nothing_that_is_not_needed(self, catalog: Path) -> None:
        told = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        program = told + "from backupmeta.cli import main; main()"
        arguments = [sys.executable, "-c", program, "export", str(catalog), "--format", "jsonl"]
        done = subprocess.run(arguments, capture_output=True, check=False)
        assert not {"pyarrow", "pydantic", "rich", "magic"} & set(done.stderr.decode().splitlines()[-1].split())


def full(_descriptor: int) -> None:
    """Write to a disk that is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestStats:
    def test_as_tables_in_a_pipe(self, catalog: Path, account: Account) -> None:
        ran = run("stats", catalog, "--now", str(TIME + 60))
        size = (account.archives / NAME).stat().st_size
        assert ran.code == 0
        assert ran.err == ""
        sections = [section.splitlines() for section in ran.text.split("\n\n")]
        told = {title: rows for title, _, *rows in sections}
        amounts = f"1\t1\t{size:,}"
        url = "https://www.example.com/blog"
        backup = f"2024-06-13 20:55:21 {BACKUP} wordpress 6.5.4 {url} {account.home}"
        assert told[str(catalog)] == [
            "accounts\t1: 1 present",
            "installs\t1",
            "backups\t1: 1 paired",
            f"archives\t1 of {size:,} bytes",
            f"oldest\t{backup}",
            f"newest\t{backup}",
            "orphans\t0, their archives 0 bytes",
            "duplicates\tnot known: no archive was scanned deep",
        ]
        assert told["Accounts, the 20 largest"] == [f"{account.home}\t1\t{size:,}"]
        assert told["Applications"] == [f"wordpress\t{amounts}"]
        assert told["Versions"] == [f"wordpress\t6.5.4\t{amounts}"]
        assert told["Ages, as of 2024-06-13 20:56:21 UTC"][0] == f"under 1 day\t{amounts}"
        assert told["Growth"] == [f"2024-06\t{amounts}"]
        assert [row.split("\t")[3] for row in told["Scans, the last 5"]] == [str(account.home.parent)]

    def test_as_json(self, catalog: Path, account: Account) -> None:
        ran = run("stats", catalog, "--json", "--now", "2024-06-20")
        size = (account.archives / NAME).stat().st_size
        amounts = {"backups": 1, "archives": 1, "bytes": size}
        assert ran.code == 0
        assert ran.json["as_of"] == "2024-06-20T00:00:00+00:00"
        assert ran.json["accounts"] == {"present": 1, "vanished": 0, "unreadable": 0}
        assert ran.json["backups"] == {"paired": 1, "missing": 0, "remote": 0, "unclaimed": 0}
        assert ran.json["oldest"] == {
            "host": "",
            "account": str(account.home),
            "time": "2024-06-13T20:55:21+00:00",
            "id": BACKUP,
            "application": "wordpress",
            "version": "6.5.4",
            "url": "https://www.example.com/blog",
        }
        assert ran.json["orphans"] == {"backups": 0, "archives": 0, "bytes": 0}
        assert ran.json["duplicates"] is None
        assert ran.json["largest_accounts"] == [{"host": "", "path": str(account.home), "archives": 1, "bytes": size}]
        assert ran.json["versions"] == [{"application": "wordpress", "version": "6.5.4", **amounts}]
        assert {"age": "1 to 7 days", **amounts} in ran.json["ages"]
        assert ran.json["growth"] == [{"month": "2024-06", **amounts}]
        assert [(one["number"], one["is_whole"]) for one in ran.json["scans"]] == [(1, True)]

    def test_on_a_terminal_numbers_end_at_one_place(self, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("backupmeta.cli.output.width", lambda: 100)
        lines = run("stats", catalog, "--now", str(TIME)).text.splitlines()
        begin = next(place for place, line in enumerate(lines) if line.startswith("Ages"))
        rows = [line.rstrip() for line in lines[begin + 3 : begin + 9]]
        assert len({len(row) for row in rows}) == 1

    def test_nothing_raw_reaches_a_terminal(
        self, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account.backup(content=backup_record(version=HOSTILE, installer=HOSTILE, url=HOSTILE))
        catalog = scanned(account, tmp_path / f"catalog{HOSTILE}.sqlite")
        for width in (None, 80):
            monkeypatch.setattr("backupmeta.cli.output.width", lambda width=width: width)
            assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", run("stats", catalog).text) is None

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            (
                "UPDATE all_files SET sha256 = 'x', size = 1500",
                "duplicates\t1 copy of 1 archive, 1,500 bytes",
            ),
            (
                "UPDATE all_files SET sha256 = 'x' WHERE path LIKE '%Blog%'",
                "duplicates\t0 copies of 0 archives, 0 bytes; 1 archive was scanned deep",
            ),
            ("UPDATE all_backups SET backup_time = NULL", "oldest\tnone whose time is known"),
            ("DELETE FROM all_backups", "backups\t0"),
            ("UPDATE scans SET began = 0, ended = NULL", "1\t1970-01-01 00:00:00\tinterrupted\t{home}"),
            (
                """UPDATE scans SET began = 0, ended = 1, roots = '["a","b","c","d"]', unread = '["b"]'""",
                "1\t1970-01-01 00:00:00\t1970-01-01 00:00:01\ta, b, c and 1 more; not read: b",
            ),
            ("UPDATE all_files SET size = 500; UPDATE accounts SET host = 'h:1'", "h:1:{account}\t2\t1,000"),
            ("UPDATE all_backups SET application = NULL, backup_time = 0", "?\t2\t2\t{bytes}"),
        ],
    )
    def test_what_is_rare(self, account: Account, tmp_path: Path, change: str, line: str) -> None:
        account.archive("app_another.tar.gz")
        catalog = scanned(account, tmp_path / "catalog.sqlite")
        with closing(sqlite3.connect(catalog)) as connection:
            connection.executescript(change)
        sealed(catalog)
        size = sum(path.stat().st_size for path in account.archives.iterdir())
        expected = line.format(home=account.home.parent, account=account.home, bytes=f"{size:,}")
        assert expected in run("stats", catalog).text.splitlines()

    def test_of_an_account_that_is_not_utf8(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "home" / os.fsdecode(b"ex\xffu")).whole()
        catalog = scanned(account, tmp_path / "catalog.sqlite")
        [told] = run("stats", catalog, "--json").json["largest_accounts"]
        assert told["path"].endswith("ex\ufffdu")
        assert told["path_base64"]
        assert "ex\ufffdu" in run("stats", catalog).text

    def test_of_no_catalog(self, tmp_path: Path) -> None:
        ran = run("stats", tmp_path / "nowhere")
        assert (ran.code, ran.out) == (2, b"")
        assert "no such file" in ran.err
