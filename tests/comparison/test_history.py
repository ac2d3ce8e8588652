"""All backups of one install, oldest first: what changed from each to the next, and in which of them a file was."""

import gzip
import io
import os
import signal
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.comparison.history import (
    FileHistory,
    FollowedFiles,
    History,
    Row,
    deepened,
    history,
    member_names,
)
from backupmeta.comparison.walks import End, Entry, MemberNames, Part, Site, Walking
from backupmeta.errors import AnswerError, EvidenceError
from backupmeta.evidence import Place
from backupmeta.render.differences import in_few_words
from backupmeta.search import Search
from backupmeta.work.orders import HERE, Watch
from backupmeta.work.processes import processes
from tests.comparison.test_archive_changes import CHANGED_DUMP, DUMP
from tests.endless import ends
from tests.invented import INSTALL, TIME, Account, archive, backup_record, install_record

IDS: Final = tuple(letter * 25 for letter in "abc")
DAY: Final = 86_400


def name(day: int) -> str:
    return f"app_example-com_Blog_2024-06-{13 + day}_20-55-21.tar.gz"


def record(day: int, **changes: str | None) -> bytes:
    return backup_record(**{"backup_time": str(TIME + day * DAY), "backup_filename": name(day), **changes})


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """Give a home with three backups of one install, written in no order, and one of another."""
    found = Account(tmp_path / "home/exampleu")
    versions = {2: "6.4.3", 0: "6.4.2", 1: "6.4.2"}
    plugins = {0: "+akismet/5.3", 1: "+akismet/5.3.1,|classic-editor/1.6", 2: "+akismet/5.3.1,=classic-editor/1.6"}
    for day, version in versions.items():
        one = record(day, version=version, list_plugins=plugins[day], db_pass=f"CANARY{day // 2}", cache_files=str(day))
        found.backup(IDS[day], one)
        found.archive(name(day), one)
    found.backup("d" * 25, backup_record(backup_install="e" * 25, backup_filename="other.tar.gz"))
    found.archive("other.tar.gz", backup_record(backup_install="e" * 25))
    found.install(content=install_record(version="6.5", list_plugins="+akismet/5.3.1,=classic-editor/1.6"))
    return found


def summary(rows: tuple[Row, ...]) -> list[tuple[str, str]]:
    return [(row.name, "" if row.changes is None else in_few_words(row.changes)) for row in rows]


EXPECTED: Final = [
    (IDS[0], ""),
    (IDS[1], "akismet 5.3 → 5.3.1; + classic-editor"),
    (IDS[2], "6.4.2 → 6.4.3; classic-editor deactivated; db_pass"),
    ("current", "6.4.3 → 6.5; db_pass"),
]


def test_every_way_to_name_an_install(account: Account) -> None:
    where = Search([str(account.home)])
    named = (INSTALL, IDS[1], name(1))
    files = (account.installs / INSTALL, account.backups / IDS[0], account.archives / name(2))
    for found in (*(history(one, where) for one in named), *(history(str(one)) for one in files)):
        assert found.install == INSTALL
        assert summary(found.rows) == EXPECTED
        assert not any(one.is_unread for one in found.findings)
    assert [row.size for row in history(INSTALL, where).rows] == [
        *((account.archives / name(day)).stat().st_size for day in range(3)),
        None,
    ]


def test_backups_without_records_and_without_archives(account: Account) -> None:
    (account.backups / IDS[0]).unlink()
    (account.archives / name(1)).unlink()
    found = history(INSTALL, Search([str(account.home)]))
    assert [row.name for row in found.rows] == [name(0), IDS[1], IDS[2], "current"]
    assert [row.size is None for row in found.rows] == [False, True, False, True]


def test_an_install_that_is_gone(account: Account) -> None:
    (account.installs / INSTALL).unlink()
    assert summary(history(INSTALL, Search([str(account.home)])).rows) == EXPECTED[:3]


def test_archives_alone_in_a_folder(account: Account) -> None:
    (account.archives / "deeper").mkdir()
    account.archive("deeper/" + name(5), record(5))
    alone = account.archives.rename(account.home.parent / "alone")
    found = history(str(alone / name(1)))
    assert [row.name for row in found.rows] == [name(day) for day in range(3)]
    both = history(str(alone / name(1)), Search([str(account.home), str(alone)]))
    assert (
        len(both.rows) == 3 + 3 + 1 + 1
    )  # records whose archives are not there, archives, one deeper, the live install


def test_what_cannot_be_read_has_its_row(account: Account) -> None:
    content = archive(record(1))
    (account.archives / name(4)).write_bytes(content[:40])
    (account.archives / "app_example-org_Other_2024-06-13_20-55-21.tar.gz").write_bytes(content[:40])
    (account.archives / name(1)).write_bytes(content[:40])
    found = history(INSTALL, Search([str(account.home)]))
    assert [(row.name, row.trouble and row.trouble.id) for row in found.rows] == [
        *((one, None) for one in IDS),
        (name(4), "archive-truncated"),
        ("current", None),
    ]
    assert summary(found.rows)[1:3] == EXPECTED[1:3]
    assert {one.subject for one in found.findings if one.is_unread} == {
        str(account.archives / name(1)),
        str(account.archives / name(4)),
    }


def test_what_is_not_there(account: Account) -> None:
    where = Search([str(account.home)])
    for target in ("x", "f" * 25):
        with pytest.raises(AnswerError, match=f"nothing here is called '{target}'"):
            history(target, where)
    nameless = account.archive("nameless.tar.gz", backup_record(backup_install=None))
    with pytest.raises(AnswerError, match="does not say which install it is of"):
        history(str(nameless))


# --- contents ---------------------------------------------------------------------------------------------------------

Files = Mapping[str, bytes | tarfile.TarInfo]
X: Final = {"x": b"x"}
Runs = list[tuple[str, int, int, tuple[str, ...]]]


def packed(files: Files) -> bytes:
    """Return an archive of ``files``, after whose record one may be anything."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as made:
        for path, content in files.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(path)
            member.name, member.mtime = path, TIME
            member.size = 0 if isinstance(content, tarfile.TarInfo) else len(content)
            made.addfile(member, None if isinstance(content, tarfile.TarInfo) else io.BytesIO(content))
    return gzip.compress(target.getvalue())


def account_of(folder: Path, backups: Sequence[Files | None]) -> Account:
    """Return a home without a live install, with a backup a day of these files; None for a missing archive."""
    found = Account(folder / "home/exampleu")
    for day, files in enumerate(backups):
        found.backup(f"{day:025d}", record(day))
        if files is not None:
            (found.archives / name(day)).write_bytes(packed({"APP-META.INI": record(day), **files}))
    return found


def counted(account: Account, jobs: int = 1) -> list[tuple[dict[str, int], list[tuple[str, bytes]]] | None]:
    """Return what `deepened` counts of each backup, and which tables it tells."""
    search = Search([str(account.home)])
    contents = [row.contents for row in deepened(history(INSTALL, search), search.limits, processes(jobs)).rows]
    return [
        None
        if one is None
        else (
            {str(what): count for what, count in one.counts.items()},
            [(str(change.what), change.either.name) for change in one.tables],
        )
        for one in contents
    ]


def test_what_changed_in_members_and_tables_from_each_archive_to_the_next(tmp_path: Path) -> None:
    """The record changes with every backup; the fourth archive is missing, the last one is cut after ``a``."""
    files: list[Files | None] = [
        {"a": b"1", "b": b"1", "APP-DATA.SQL": DUMP},
        {"a": b"1", "b": b"2", "c": b"3", "APP-DATA.SQL": CHANGED_DUMP},
        {"a": b"1", "moved": b"3", "APP-DATA.SQL": CHANGED_DUMP},
        None,
        {"a": b"1", "moved": b"3", "APP-DATA.SQL": CHANGED_DUMP},
        {"a": b"1", "moved": b"3", "APP-DATA.SQL": CHANGED_DUMP},
    ]
    account = account_of(tmp_path, files)
    tar = gzip.decompress((account.archives / name(5)).read_bytes())
    (account.archives / name(5)).write_bytes(gzip.compress(tar[: tar.index(b"moved\0")]))
    tables = [("added", b"come"), ("removed", b"gone"), ("changed", b"wp_posts"), ("changed", b"wp_users")]
    unknown = [("can't tell", name) for name in (b"come", b"wp_posts", b"wp_same", b"wp_users")]
    expected = [
        None,
        ({"changed": 3, "added": 1}, tables),
        ({"changed": 1, "renamed": 1, "removed": 1}, []),
        None,
        ({"changed": 1}, []),
        ({"changed": 1, "can't tell": 2}, unknown),
    ]
    assert counted(account) == counted(account, jobs=2) == expected


def test_an_archive_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    account = account_of(tmp_path, [X, X, {**X, "y": b""}])
    (account.archives / name(1)).write_bytes(b"no archive")
    assert counted(account) == [None, None, ({"changed": 1, "added": 1}, [])]


# --- files along the backups ------------------------------------------------------------------------------------------


def followed(account: Account, member: str, target: str = INSTALL, jobs: int = 1) -> FollowedFiles:
    search = Search([str(account.home)])
    found = FollowedFiles(history(target, search))
    found.walk(member_names(target, member, search), search.limits, processes(jobs))
    return found


def runs(file: FileHistory) -> Runs:
    return [(str(run.presence), run.first, run.last, run.by) for run in file.runs]


def only(account: Account, member: str) -> FileHistory:
    [file] = followed(account, member).files()
    return file


def marks(file: FileHistory) -> tuple[int | None, ...]:
    return file.last_before, file.last_without, file.last_with_first_content, file.last_with_earlier_content


def test_what_came_and_went(tmp_path: Path) -> None:
    account = account_of(tmp_path, [X, X, {**X, "up/shell.php": b"1"}, {**X, "up/shell.php": b"1"}, X])
    file = only(account, "up/shell.php")
    assert runs(file) == [("absent", 0, 1, ()), ("there", 2, 3, ()), ("absent", 4, 4, ())]
    assert marks(file) == (1, 4, None, None)
    assert file.runs[1].entry is not None
    assert file.runs[1].entry.digest == sha256(b"1").hexdigest()


def test_what_changed_and_was_put_back(tmp_path: Path) -> None:
    account = account_of(tmp_path, [{"a": b"1"}, {"a": b"1"}, {"a": b"22"}, {"a": b"1"}, {"a": b"1"}])
    file = only(account, "./a")
    by = ("size", "content")
    assert runs(file) == [("there", 0, 1, ()), ("there", 2, 2, by), ("there", 3, 4, by)]
    assert marks(file) == (None, None, 1, 2)


def test_a_mode_and_a_kind_are_changes_a_time_is_none(tmp_path: Path) -> None:
    mode, link = tarfile.TarInfo(), tarfile.TarInfo()
    mode.mode, link.type, link.linkname, link.mode = 0o600, tarfile.SYMTYPE, "x", 0o644
    account = account_of(tmp_path, [{"a": b""}, {"a": b""}, {"a": mode}, {"a": link}])
    tar = bytearray(gzip.decompress((account.archives / name(1)).read_bytes()))
    header = tar.index(b"a\0\0\0")
    member = tarfile.TarInfo.frombuf(bytes(tar[header : header + 512]), "utf-8", "strict")
    member.mtime += 5
    tar[header : header + 512] = member.tobuf(tarfile.GNU_FORMAT)
    (account.archives / name(1)).write_bytes(gzip.compress(tar))
    file = only(account, "a")
    assert runs(file) == [
        ("there", 0, 1, ()),
        ("there", 2, 2, ("mode", "mtime")),
        ("there", 3, 3, ("kind", "mode", "link")),
    ]
    assert marks(file) == (None, None, 2, 2)


def test_what_was_not_seen_in_an_archive_that_is_cut_or_missing_is_not_absent(tmp_path: Path) -> None:
    both = {"a": b"1", "b": b"1"}
    account = account_of(tmp_path, [X, both, both, None, both, X])
    tar = gzip.decompress((account.archives / name(2)).read_bytes())
    (account.archives / name(2)).write_bytes(gzip.compress(tar[: tar.index(b"b\0\0\0")]))  # between two members
    content = (account.archives / name(4)).read_bytes()
    (account.archives / name(4)).write_bytes(content[:30])
    found = followed(account, "[ab]")
    a, b = found.files()
    assert runs(a) == [("absent", 0, 0, ()), ("there", 1, 2, ()), ("can't tell", 3, 4, ()), ("absent", 5, 5, ())]
    assert runs(b) == [("absent", 0, 0, ()), ("there", 1, 1, ()), ("can't tell", 2, 4, ()), ("absent", 5, 5, ())]
    assert marks(b) == (0, 5, None, None)
    assert sorted(found.unread) == [2, 3, 4]
    assert {one.id for one in found.findings if one.is_unread} == {"archive-truncated"}


def test_a_content_that_breaks_off_is_not_said_to_have_changed(tmp_path: Path) -> None:
    account = account_of(tmp_path, [{"a": b"1" * 600}] * 3)
    tar = gzip.decompress((account.archives / name(1)).read_bytes())
    (account.archives / name(1)).write_bytes(gzip.compress(tar[: tar.index(b"a\0\0\0") + 512 + 100]))
    file = only(account, "a")
    assert runs(file) == [("there", 0, 0, ()), ("there", 1, 1, ()), ("there", 2, 2, ())]
    assert [run.is_known for run in file.runs] == [True, False, True]
    assert (marks(file), file.is_constant) == ((None,) * 4, False)


def test_patterns_and_numbers(tmp_path: Path) -> None:
    files = {"wp-content/up/a.php": b"1", "wp-content/b.php": b"1", "[a].php": b"1", "x.js": b"1"}
    account = account_of(tmp_path, [files, files])
    for pattern, names in {
        "*.php": ["[a].php", "wp-content/b.php", "wp-content/up/a.php"],
        "wp-content/?.php": ["wp-content/b.php"],
        "[a].php": ["[a].php"],  # itself, though as a pattern it is a.php
        "[^x]*.php": ["[a].php", "wp-content/b.php", "wp-content/up/a.php"],
        "*.PHP": [],
        "x": [],
    }.items():
        assert [file.name.decode() for file in followed(account, pattern).files()] == names
    assert [file.name for file in followed(account, "#3", target=str(account.archives / name(1))).files()] == [
        b"wp-content/b.php"
    ]
    with pytest.raises(EvidenceError, match="has no archive here"):
        followed(account, "#3")
    with pytest.raises(EvidenceError, match="#9 is not in the archive"):
        followed(account, "#9", target=name(0))


def test_a_member_by_its_number_is_no_pattern(tmp_path: Path) -> None:
    account = account_of(tmp_path, [{"*": b"1", "b": b"1"}, {"b": b"1"}])
    assert runs(next(followed(account, "#2", target=name(0)).files())) == [("there", 0, 0, ()), ("absent", 1, 1, ())]
    assert len(list(followed(account, "#2", target=name(0)).files())) == 1


def test_an_archive_that_two_records_name_is_walked_once(tmp_path: Path) -> None:
    account = account_of(tmp_path, [X, X])
    account.backup("f" * 25, record(0))
    found = followed(account, "x")
    [file] = found.files()
    assert (len(found.backups), runs(file)) == (3, [("there", 0, 2, ())])


def test_many_backups_each_with_a_file_of_its_own_are_told_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    def walked(_walk: Walking, order: tuple[int, Place | Site], _watch: Watch) -> Iterator[Part]:
        yield [Entry(b"cache/%05d" % order[0], "file", 1, 0o644, 0, b"", "0" * 64)]
        yield End((), 0, (), "cut off" if order[0] == 2 else "")

    def follow(size: int) -> None:
        places = (Place(str(number), None, "a.tar.gz", is_named=True) for number in range(size))
        rows = (Row(place.folder, (0, "", ""), None, place=place) for place in places)
        found = FollowedFiles(History(INSTALL, tuple(rows), ()))
        found.walk(MemberNames(b"*"), DEFAULT_LIMITS, HERE)
        first, *_, last = found.files()
        assert runs(first) == [
            ("there", 0, 0, ()),
            ("absent", 1, 1, ()),
            ("can't tell", 2, 2, ()),
            ("absent", 3, size - 1, ()),
        ]
        assert runs(last)[2:] == [("absent", 3, size - 2, ()), ("there", size - 1, size - 1, ())]

    monkeypatch.setattr(Walking, "do", walked)
    assert ends(follow, 16_000)


def test_any_number_of_processes_gives_the_same(tmp_path: Path) -> None:
    account = account_of(tmp_path, [{str(name): bytes(number) for name in range(600)} for number in range(5)])
    alone, together = (list(followed(account, "*", jobs=jobs).files()) for jobs in (1, 3))
    assert alone == together
    assert len(alone) == 601


def test_an_archive_that_no_process_survives_may_have_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account, own = account_of(tmp_path, [X, X, X]), os.getpid()

    def deadly(walk: Walking, order: tuple[int, Place | Site], watch: Watch) -> Iterator[Part]:
        if order[0] == 1 and os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return walked(walk, order, watch)

    walked = Walking.do
    monkeypatch.setattr(Walking, "do", deadly)
    found = followed(account, "x", jobs=2)
    [file] = found.files()
    assert runs(file) == [("there", 0, 0, ()), ("can't tell", 1, 1, ()), ("there", 2, 2, ())]
    assert any("the process that read it ended" in one.message for one in found.findings)
