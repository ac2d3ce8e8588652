"""Members of archives in a catalog: what a scan keeps, however the backups come, change and go."""

import csv
import io
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import md5, sha256
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from writers.installatron import Entry, gzip_bytes, tar_bytes

from tests.endless import ends
from tests.invented import INSTALL, TIME, Account, Ran, archive, backup_record, install_record, run

DAY: Final = 86_400
Files = Mapping[str, str]
"""The files of a site: their contents by their names."""


class Kept(NamedTuple):
    """A member as the catalog has it."""

    kind: str
    size: int
    mode: int
    mtime: int
    digest: str | None


class Site:
    """A site whose backups are put into an account, one a day."""

    def __init__(self, home: Path, title: str = "Blog", install: str | None = INSTALL) -> None:
        self.account = Account(home) if not home.exists() else self._again(home)
        self.title = title
        self.install = install
        if install is not None:
            self.account.install(install, install_record())

    @staticmethod
    def _again(home: Path) -> Account:
        account = Account.__new__(Account)
        account.home, account.archives = home, home / "application_backups"
        account.backups, account.installs = home / ".appdata/backups", home / ".appdata/current"
        return account

    def path(self, day: int) -> Path:
        return self.account.archives / f"app_example-com_{self.title}_2024-06-{13 + day:02}_20-55-21.tar.gz"

    def back_up(self, day: int, files: Files) -> Path:
        """Write the backup of a ``day``; a file keeps its time as long as it keeps its content."""
        made = {"backup_time": str(TIME + day * DAY), "backup_install": self.install}
        record = backup_record(backup_filename=self.path(day).name, **made)
        entries = [Entry(name.encode(), text.encode(), TIME - len(text)) for name, text in files.items()]
        content = gzip_bytes(tar_bytes([Entry(b"APP-META.INI", record, TIME), *entries]), TIME)
        self.path(day).write_bytes(content)
        if self.install is not None:
            self.account.backup(f"{self.title.lower()}{day}".ljust(25, "0"), record)
        return self.path(day)


def scan(catalog: Path, *options: str, root: Path | None = None) -> Ran:
    return run("scan", root or catalog.parent / "home", "-o", catalog, "--jobs", "1", *options)


def select(catalog: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(catalog)) as connection:
        return connection.execute(statement).fetchall()


def kept(catalog: Path) -> dict[str, dict[str, Kept]]:
    """Return the members that the catalog has of each archive that is there, by its name; records aside."""
    rows = select(
        catalog,
        """SELECT f.path, n.path, v.kind, v.size, v.mode, v.mtime_ns / 1000000000, lower(hex(v.digest))
        FROM readings g JOIN all_files f USING (file)
        LEFT JOIN member_runs r ON r.series = g.series AND g.reading BETWEEN r.first AND ifnull(r.last, g.reading)
        LEFT JOIN member_versions v USING (version) LEFT JOIN member_names n USING (name)
        WHERE g.until IS NULL AND f.until IS NULL""",
    )
    members = dict[str, dict[str, Kept]]()
    for path, name, *cells in rows:
        of_archive = members.setdefault(str(path).rpartition("/")[2], {})
        assert name not in of_archive
        if name is not None and name != "APP-META.INI":
            of_archive[str(name)] = Kept(*cells)  # type: ignore[arg-type]
    return members


def expected(files: Files, algorithm: str = "sha256") -> dict[str, Kept]:
    count = {"sha256": sha256, "md5": md5}[algorithm]
    return {
        name: Kept("file", len(text), 0o644, TIME - len(text), count(text.encode()).hexdigest())
        for name, text in files.items()
    }


def runs(catalog: Path) -> int:
    """Return how many rows there are for members without the backups' own records, of which each is another one."""
    own = "SELECT version FROM member_versions JOIN member_names USING (name) WHERE path = 'APP-META.INI'"
    [(count,)] = select(catalog, f"SELECT count(*) FROM member_runs WHERE version NOT IN ({own})")  # noqa: S608
    return int(str(count))


OTHER: Final = f"{'another':0<25}"
DAYS: Final = (
    {"index.php": "one", "readme.html": "read me"},
    {"index.php": "one", "readme.html": "read me", "shell.php": "evil"},
    {"index.php": "other", "readme.html": "read me", "shell.php": "evil"},
    {"index.php": "one", "readme.html": "read me"},
)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "home/exampleu")
    for day, files in enumerate(DAYS):
        made.back_up(day, files)
    return made


def test_each_archive_has_its_members(site: Site, catalog: Path) -> None:
    assert scan(catalog, "--members").code == 0
    assert kept(catalog) == {site.path(day).name: expected(files) for day, files in enumerate(DAYS)}


@pytest.mark.usefixtures("site")
def test_what_does_not_change_is_kept_once(catalog: Path) -> None:
    scan(catalog, "--members")
    assert runs(catalog) == 5  # index.php: one, other, one; readme.html; shell.php
    assert select(catalog, "SELECT count(*) FROM member_names") == [(4,)]


def test_of_two_sites_each_has_its_own(site: Site, catalog: Path, tmp_path: Path) -> None:
    second = Site(tmp_path / "home/exampleu", "Shop", OTHER)
    alone = Site(tmp_path / "home/exampleu", "Alone", None)
    for day, files in enumerate(reversed(DAYS)):
        second.back_up(day, files)
        alone.back_up(day, files)
    scan(catalog, "--members")
    made = {s.path(day).name: expected(files) for s in (second, alone) for day, files in enumerate(reversed(DAYS))}
    assert kept(catalog) == {site.path(day).name: expected(files) for day, files in enumerate(DAYS)} | made
    assert runs(catalog) == 3 * 5
    assert select(catalog, "SELECT count(DISTINCT series) FROM readings") == [(3,)]


@pytest.mark.usefixtures("site")
def test_the_rows_are_the_same_however_many_processes_read(catalog: Path) -> None:
    scan(catalog, "--members")
    other = catalog.with_name("other.sqlite")
    run("scan", catalog.parent / "home", "-o", other, "--members", "--jobs", "2")
    for table in ("member_names", "member_versions", "member_runs", "readings"):
        assert select(catalog, f"SELECT * FROM {table}") == select(other, f"SELECT * FROM {table}")  # noqa: S608


class TestAgain:
    @pytest.mark.usefixtures("site")
    def test_nothing_is_read_where_nothing_changed(self, catalog: Path) -> None:
        scan(catalog, "--members")
        before = select(catalog, "SELECT * FROM readings")
        assert scan(catalog, "--members").code == 0
        assert select(catalog, "SELECT * FROM readings") == before

    @pytest.mark.usefixtures("site")
    def test_what_a_deep_scan_has_read_is_read_once_more(self, catalog: Path) -> None:
        scan(catalog, "--deep")
        assert kept(catalog) == {}
        scan(catalog, "--members")
        assert len(kept(catalog)) == len(DAYS)

    def test_the_next_backup_costs_what_changed(self, site: Site, catalog: Path) -> None:
        scan(catalog, "--members")
        site.back_up(4, {**DAYS[3], "new.php": "new"})
        scan(catalog, "--members")
        assert kept(catalog)[site.path(4).name] == expected({**DAYS[3], "new.php": "new"})
        assert runs(catalog) == 6

    def test_a_backup_between_others(self, site: Site, catalog: Path) -> None:
        between = site.path(2).read_bytes()
        site.path(2).unlink()
        scan(catalog, "--members")
        site.path(2).write_bytes(between)
        scan(catalog, "--members")
        assert kept(catalog) == {site.path(day).name: expected(files) for day, files in enumerate(DAYS)}

    def test_a_deleted_archive(self, site: Site, catalog: Path) -> None:
        scan(catalog, "--members")
        site.path(1).unlink()
        scan(catalog)
        assert kept(catalog) == {site.path(day).name: expected(DAYS[day]) for day in (0, 2, 3)}

    def test_a_changed_archive(self, site: Site, catalog: Path) -> None:
        scan(catalog, "--members")
        site.back_up(1, {"index.php": "one"})
        scan(catalog, "--deep")
        assert site.path(1).name not in kept(catalog)  # not what it was
        scan(catalog, "--members")
        assert kept(catalog)[site.path(1).name] == expected({"index.php": "one"})

    def test_a_vanished_account(self, site: Site, catalog: Path, tmp_path: Path) -> None:
        (tmp_path / "home/other").mkdir()
        Account(tmp_path / "home/third").whole()
        scan(catalog, "--members")
        shutil.rmtree(site.account.home)
        scan(catalog, "--members")
        assert site.path(1).name not in kept(catalog)

    def test_a_digest_of_another_kind(self, site: Site, catalog: Path) -> None:
        scan(catalog, "--members")
        scan(catalog, "--members", "--member-digest", "md5")
        assert kept(catalog) == {site.path(day).name: expected(files, "md5") for day, files in enumerate(DAYS)}


class TestMembers:
    """Members of every kind; tarfile is the outside truth."""

    def test_as_tarfile_lists_them(self, catalog: Path, tmp_path: Path) -> None:
        account = Account(tmp_path / "home/exampleu")
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            for info, content in members_of_every_kind():
                tar.addfile(info, io.BytesIO(content))
        account.archives.joinpath("app_example-com_Blog_2024-06-13_20-55-21.tar.gz").write_bytes(target.getvalue())
        scan(catalog, "--members")
        [members] = kept(catalog).values()
        with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as tar:
            listed = {info.name: info for info in tar}
            for name, info in listed.items():
                if name == "APP-META.INI":
                    continue
                member, file = members[name], tar.extractfile(info) if info.isreg() else None
                assert (member.size, member.mode, member.mtime) == (info.size, info.mode, info.mtime)
                assert member.digest == ("" if file is None else sha256(file.read()).hexdigest())
        assert members.keys() == listed.keys() - {"APP-META.INI"}
        assert members["twice"].digest == sha256(b"second").hexdigest()

    def test_a_name_that_is_no_text_has_its_bytes(self, site: Site, catalog: Path) -> None:
        content = [Entry(b"APP-META.INI", backup_record(), TIME), Entry(b"caf\xe9.php", b"x", TIME)]
        site.path(0).write_bytes(gzip_bytes(tar_bytes(content), TIME))
        scan(catalog, "--members")
        rows = select(catalog, "SELECT path, path_bytes FROM member_names WHERE path_bytes IS NOT NULL")
        assert rows == [("caf\ufffd.php", b"caf\xe9.php")]

    def test_a_secret_in_a_name_is_masked(self, site: Site, catalog: Path) -> None:
        site.back_up(0, {"ftp://me:CANARY@example.com/x": "x"})
        scan(catalog, "--members")
        assert b"CANARY" not in catalog.read_bytes()

    def test_of_a_cut_archive_what_was_seen_is_kept(self, site: Site, catalog: Path) -> None:
        site.path(1).write_bytes(site.path(1).read_bytes()[:-40])
        scan(catalog, "--members")
        assert [whole for (whole,) in select(catalog, "SELECT is_whole FROM readings ORDER BY reading")] == [1, 0, 1, 1]
        assert kept(catalog)[site.path(2).name] == expected(DAYS[2])


def members_of_every_kind() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield members, and their contents."""
    kinds = {
        "APP-META.INI": (tarfile.REGTYPE, backup_record(), 0o600),
        "folder": (tarfile.DIRTYPE, b"", 0o755),
        "folder/file": (tarfile.REGTYPE, b"content", 0o4755),
        "empty": (tarfile.REGTYPE, b"", 0o644),
        "link": (tarfile.SYMTYPE, b"", 0o777),
        "twice": (tarfile.REGTYPE, b"first", 0o644),
        "fifo": (tarfile.FIFOTYPE, b"", 0o644),
    }
    for number, (name, (kind, content, mode)) in enumerate(kinds.items()):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mode, info.mtime = kind, len(content), mode, TIME - number
        info.linkname = "folder/file" if kind == tarfile.SYMTYPE else ""
        yield info, content
    info = tarfile.TarInfo("twice")
    info.size, info.mtime = 6, TIME
    yield info, b"second"


class TestAltered:
    """What was altered in the catalog is left out, and read anew by the next scan."""

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE member_names SET path = 'harmless.php' WHERE path = 'shell.php'",
            "UPDATE member_versions SET size = 1 WHERE name = (SELECT name FROM member_names WHERE path = 'shell.php')",
            "UPDATE member_versions SET digest = x'00' WHERE digest IS NOT NULL AND size = 4",
            "UPDATE member_runs SET first = 3 WHERE first = 2",
            "UPDATE member_runs SET last = NULL WHERE last IS NOT NULL",
            "DELETE FROM member_runs WHERE run = 3",
            "INSERT INTO member_runs (series, version, first) SELECT series, version, 2 FROM member_runs WHERE run = 3",
            "DELETE FROM member_versions WHERE version = 3",
            "DELETE FROM readings WHERE reading = 2",
            "UPDATE readings SET is_whole = 0",
            "UPDATE readings SET file = 1",
        ],
    )
    def test_it_is_noticed_and_mended(self, site: Site, catalog: Path, statement: str) -> None:
        scan(catalog, "--members")
        with closing(sqlite3.connect(catalog)) as connection, connection:
            assert connection.execute(statement).rowcount > 0
        listed = run("list", "--catalog", catalog, "--jsonl")
        assert (listed.code, listed.out) == (2, b"")
        assert "lists of members differ" in listed.err
        assert scan(catalog, "--members").code == 2
        assert scan(catalog, "--members").code == 0
        assert kept(catalog) == {site.path(day).name: expected(files) for day, files in enumerate(DAYS)}
        assert run("list", "--catalog", catalog).code == 0

    def test_what_another_account_has_stays(self, site: Site, catalog: Path, tmp_path: Path) -> None:
        other = Site(tmp_path / "home/zoe")
        other.back_up(0, {"own.php": "own"})
        scan(catalog, "--members")
        with closing(sqlite3.connect(catalog)) as connection, connection:
            connection.execute("UPDATE member_names SET path = 'x' WHERE path = 'own.php'")
        listed = run("list", "--catalog", catalog, "--jsonl")
        assert (listed.code, len(listed.jsonl)) == (2, len(DAYS))
        scan(catalog, "--members")
        assert kept(catalog)[site.path(1).name] == expected(DAYS[1])


def found(catalog: Path, *options: str, code: int = 0) -> list[tuple[str, str, str, int]]:
    """Return the names that are found, the days of the first and last backup that has each, and how many have it."""
    ran = run("find", catalog, *options, "--jsonl")
    assert ran.code == code
    days = ((row["first"]["time"][:10], row["last"]["time"][:10]) for row in ran.jsonl)
    return [
        (row["name"], *(day.removeprefix("2024-06-") for day in of), row["backups"])
        for row, of in zip(ran.jsonl, days, strict=True)
    ]


EVIL: Final = sha256(b"evil").hexdigest()


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the catalog of a site with four backups, and of another one whose last backup alone has the shell."""
    folder = tmp_path_factory.mktemp("members")
    first, second = Site(folder / "home/exampleu"), Site(folder / "home/zoe", "Shop", OTHER)
    for day, files in enumerate(DAYS):
        first.back_up(day, files)
        second.back_up(day, {"index.php": "one", **({"shell.php": "evil"} if day == len(DAYS) - 1 else {})})
    scan(folder / "catalog.sqlite", "--members")
    return folder / "catalog.sqlite"


class TestFind:
    """Members are found, each with the backups that have it: since when, until when."""

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("shell.php", [("shell.php", "14", "15", 2), ("shell.php", "16", "16", 1)]),
            ("./shell.php", [("shell.php", "14", "15", 2), ("shell.php", "16", "16", 1)]),
            ("s*", [("shell.php", "14", "15", 2), ("shell.php", "16", "16", 1)]),
            ("*.html", [("readme.html", "13", "16", 4)]),
            ("[r-z]eadme.html", [("readme.html", "13", "16", 4)]),
            ("[!a-q]eadme.htm?", [("readme.html", "13", "16", 4)]),
            ("[^r]*.html", []),
            ("shell", []),
            ("SHELL.php", []),
        ],
    )
    def test_by_a_path_or_pattern(self, scanned: Path, pattern: str, names: list[tuple[str, str, str, int]]) -> None:
        assert found(scanned, "--member", pattern, code=0 if names else 1) == names

    def test_what_came_back_is_told_twice(self, scanned: Path) -> None:
        index = [("index.php", *of) for of in (("13", "14", 2), ("15", "15", 1), ("16", "16", 1), ("13", "16", 4))]
        assert sorted(found(scanned, "--member", "index.php")) == sorted(index)

    def test_several_patterns_are_alternatives(self, scanned: Path) -> None:
        assert {name for name, *_ in found(scanned, "--member", "r*", "--member", "s*")} == {"readme.html", "shell.php"}

    def test_with_what_is_asked_of_backups(self, scanned: Path) -> None:
        assert found(scanned, "--member", "shell.php", "--install", INSTALL) == [("shell.php", "14", "15", 2)]
        assert found(scanned, "--member", "shell.php", "--since", "2024-06-15", "--until", "2024-06-15") == [
            ("shell.php", "14", "15", 2)
        ]
        assert found(scanned, "--member", "shell.php", "--domain", "example.com", "--install", OTHER) == [
            ("shell.php", "16", "16", 1)
        ]
        assert found(scanned, "--member", "shell.php", "--domain", "example.net", code=1) == []
        assert found(scanned, "--member", "shell.php", "wordpress < 1", code=1) == []

    def test_by_digest(self, scanned: Path) -> None:
        shells = [("shell.php", "14", "15", 2), ("shell.php", "16", "16", 1)]
        assert found(scanned, "--member-sha256", EVIL) == shells
        assert found(scanned, "--member-sha256", EVIL.upper(), "--member-sha256", "0" * 64) == shells
        assert found(scanned, "--member-sha256", EVIL, "--member", "*.html", code=1) == []
        assert found(scanned, "--member-sha256", "0" * 64, code=1) == []

    @pytest.mark.parametrize(
        "line",
        [
            "{}",
            "{}  shell.php",
            "{} *shell.php",
            "\\{}  odd\\nname",
            "SHA256 (shell.php) = {}",
            '"0000004DA6391F7F5D2F7FCCF36CEBDA60C6EA02","0E53C14A3E48D94FF596A2824307B492","{}","x.php",4,1,"358",""',
            "# a comment\n\n{}\r\n",
        ],
    )
    def test_by_lists_as_programs_write_them(self, scanned: Path, tmp_path: Path, line: str) -> None:
        (tmp_path / "list").write_text(f"{'0' * 64}  harmless\n{line.format(EVIL)}\n{'1' * 64}\n")
        assert len(found(scanned, "--member-sha256", f"@{tmp_path / 'list'}")) == 2

    def test_md5s_where_these_are_kept(self, scanned: Path, tmp_path: Path) -> None:
        shutil.copytree(scanned.parent / "home", tmp_path / "home")
        scan(tmp_path / "c", "--members", "--member-digest", "md5", root=tmp_path / "home")
        assert len(found(tmp_path / "c", "--member-md5", "4034a346ccee15292d823416f7510a2f")) == 2
        ran = run("find", tmp_path / "c", "--member-sha256", EVIL)
        assert (ran.code, ran.out.count(b"\n")) == (2, 1)
        assert "8 archives were not scanned with --members, or with another --member-digest" in ran.err

    def test_each_form_tells_all(self, scanned: Path) -> None:
        ran = run("find", scanned, "--member", "shell.php", "--install", INSTALL, "--json")
        home = scanned.parent / "home/exampleu"
        holders = {
            which: {
                "id": f"blog{day}".ljust(25, "0"),
                "time": f"2024-06-{13 + day}T20:55:21+00:00",
                "user": "exampleu",
                "url": "https://www.example.com/blog",
                "archive": str(home / f"application_backups/app_example-com_Blog_2024-06-{13 + day}_20-55-21.tar.gz"),
                "host": "",
            }
            for which, day in (("first", 1), ("last", 2))
        }
        member = {"name": "shell.php", "type": "file", "size": 4, "mode": "0644", "mtime": "2024-06-13T20:55:17+00:00"}
        assert ran.json == [{**member, "algorithm": "sha256", "digest": EVIL, "backups": 2, **holders}]
        [row] = csv.DictReader(
            io.StringIO(run("find", scanned, "--member", "shell.php", "--install", INSTALL, "--csv").text)
        )
        assert (row["first_archive"], row["last_id"], row["digest"]) == (
            holders["first"]["archive"],
            holders["last"]["id"],
            EVIL,
        )
        table = run("find", scanned, "--member", "shell.php", "--install", INSTALL).text
        assert table.splitlines()[1].split("\t")[:4] == ["shell.php", "4", "2024-06-13 20:55:17", EVIL]

    def test_so_many(self, scanned: Path) -> None:
        assert len(found(scanned, "--member", "*", "--limit", "3")) == 3
        everything = found(scanned, "--member", "*")
        assert found(scanned, "--member", "*", "--limit", "3", "--offset", "2") == everything[2:5]
        assert (
            "there are more than these 3; --limit N shows more of them"
            in run("find", scanned, "--member", "*", "--limit", "3").err
        )
        assert "there are more" not in run("find", scanned, "--member", "*").err

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--member-sha256", "12"], "'12' is no SHA-256; give its 64 hexadecimal digits, or @FILE"),
            (["--member-md5", EVIL], f"{EVIL!r} is no MD5; give its 32 hexadecimal digits, or @FILE"),
            (["--member-sha256", "@nowhere"], "nowhere: no such file or directory"),
            (["--member-sha256", "@"], "'@' is no SHA-256; give its 64 hexadecimal digits, or @FILE"),
            (["--member", "*a" * 2_049], "it is longer than any name; give at most 4,096 bytes"),
            (["--member", "*"] * 401, "--member is there 401 times; give it 400 times at most"),
            (["--member", "x", "--sort", "id"], "--sort does not go with --member: members are found, not backups"),
            (["--member", "x", "--tz", "+02:00"], "--tz does not go with --member: the times of backups are those"),
        ],
    )
    def test_mistakes_are_told(self, scanned: Path, options: list[str], message: str) -> None:
        ran = run("find", scanned, *options)
        assert ran.code == 2
        assert message in ran.err

    def test_as_many_and_as_long_patterns_as_may_be_given_are_answered(self, scanned: Path) -> None:
        patterns = ["*a" * 2_048, *(f"{number}/*[a-z]" for number in range(399))]
        asked = [option for pattern in patterns for option in ("--member", pattern)]
        assert (run("find", scanned, *asked).code, found(scanned, *asked[:-1], "*")) == (
            1,
            found(scanned, "--member", "*"),
        )

    def test_a_list_without_digests_is_told(self, scanned: Path, tmp_path: Path) -> None:
        (tmp_path / "list").write_text(f"{'0' * 32}  x\n")
        ran = run("find", scanned, "--member-sha256", f"@{tmp_path / 'list'}")
        assert (ran.code, ran.out) == (2, b"")
        assert "has no SHA-256 in it; give a list with a digest in each line, as sha256sum writes it" in ran.err

    def test_archives_that_were_not_scanned_with_members_are_told(self, site: Site, catalog: Path) -> None:
        scan(catalog, "--deep")
        ran = run("find", catalog, "--member", "*")
        assert (ran.code, ran.text.count("\n")) == (2, 1)
        assert f"4 archives were not scanned with --members, or with another --member-digest: {site.path(0)}" in ran.err

    def test_a_damaged_archive_ends_no_answer(self, site: Site, catalog: Path) -> None:
        files = {"a.txt": "x" * 3000, "readme.html": "read me"}
        for day in range(3):
            site.back_up(day, files)
        content = site.path(1).read_bytes()
        site.path(1).write_bytes(content[: len(content) - 60])
        site.path(3).unlink()
        scan(catalog, "--members")
        if len(kept(catalog)[site.path(1).name]) == 1:  # the readme was not seen
            assert found(catalog, "--member", "readme.html", code=2) == [("readme.html", "13", "15", 2)]
        assert "1 archive is damaged, and may have other members" in run("find", catalog, "--member", "x").err

    def test_what_is_gone_is_not_found(self, site: Site, catalog: Path) -> None:
        scan(catalog, "--members")
        site.path(1).unlink()
        scan(catalog, "--members")
        assert found(catalog, "--member", "shell.php") == [("shell.php", "15", "15", 1)]
        site.path(2).unlink()
        scan(catalog, "--members")
        assert found(catalog, "--member", "shell.php", code=1) == []

    def test_backups_that_come_late_are_told_in_their_order(self, site: Site, catalog: Path) -> None:
        between = site.path(1).read_bytes()
        site.path(1).unlink()
        scan(catalog, "--members")
        site.path(1).write_bytes(between)
        scan(catalog, "--members")
        assert found(catalog, "--member", "shell.php") == [("shell.php", "14", "15", 2)]
        assert found(catalog, "--member", "readme.html") == [("readme.html", "13", "16", 4)]

    def test_the_order_is_the_same_once_a_damaged_catalog_was_scanned_again(self, site: Site, catalog: Path) -> None:
        Site(site.account.home.parent / "another", "Shop", "i" * 25).back_up(0, DAYS[0])
        scan(catalog, "--members")
        before = run("find", catalog, "--member", "*", "--csv").text
        with closing(sqlite3.connect(catalog)) as connection, connection:
            connection.execute(
                "UPDATE all_files SET file = file + 1000 WHERE file = (SELECT file FROM readings WHERE reading = "
                "(SELECT max(series) FROM readings))"
            )
        assert "[catalog-altered]" in scan(catalog, "--members").err
        assert run("find", catalog, "--member", "*", "--csv").text == before

    def test_secrets_in_patterns_are_masked_as_names_are(self, site: Site, catalog: Path) -> None:
        site.back_up(0, {"ftp://me:CANARY@example.com/x": "x"})
        scan(catalog, "--members")
        ran = run("find", catalog, "--member", "ftp://me:CANARY@example.com/x", "--jsonl")
        assert [row["name"] for row in ran.jsonl] == ["********@example.com/x"]
        assert "CANARY" not in ran.text + ran.err

    def test_a_hostile_name_obeys_nobody(self, site: Site, catalog: Path) -> None:
        site.back_up(0, {"\x1b[2Jevil\t\n.php": "x"})
        scan(catalog, "--members")
        assert "\x1b" not in run("find", catalog, "--member", "*evil*").text


class TestHostile:
    @pytest.mark.untraced  # the same lines, thousands of times
    def test_very_many_members_end(self, tmp_path: Path) -> None:
        def work(count: int) -> None:
            account = Account(tmp_path / f"{count}/home/exampleu")
            members = ((f"{number}.php", b"") for number in range(count))
            for day in range(2):
                name = f"app_example-com_Blog_2024-06-{13 + day}_20-55-21.tar.gz"
                (account.archives / name).write_bytes(archive(backup_record(), members))
            assert scan(tmp_path / f"{count}/catalog.sqlite", "--members").code == 0
            [(rows,)] = select(tmp_path / f"{count}/catalog.sqlite", "SELECT max(members) FROM readings")
            assert rows == count + 1

        assert ends(work, 50_000)

    def test_names_that_are_too_long_are_counted(self, site: Site, catalog: Path) -> None:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            for name in ("APP-META.INI", "x" * 4097, "y" * 4096):
                tar.addfile(tarfile.TarInfo(name))
        site.path(0).write_bytes(target.getvalue())
        scan(catalog, "--members")
        assert select(catalog, "SELECT members, left_out FROM readings WHERE reading = 1") == [(2, 1)]


def test_a_digest_needs_members(catalog: Path) -> None:
    ran = scan(catalog, "--member-digest", "md5", root=catalog.parent)
    assert (ran.code, ran.err.splitlines()[-1]) == (
        2,
        "Error: --member-digest needs --members: without it, members are not kept",
    )
