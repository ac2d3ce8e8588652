"""One account that asks for everything: class, attempt, what must hold. The next account is told whole, always.

Numbers, memory and descriptors are held here; what twice as much costs is held by `scripts/bench.py doubling`.
"""

import bz2
import json
import lzma
import os
import resource
import sqlite3
import sys
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from backupmeta import evidence
from backupmeta.archive.limits import Limits
from backupmeta.archive.reader import Pass
from backupmeta.archive.stream import Inflated
from backupmeta.catalog.remembered import _joined
from backupmeta.errors import LimitExceededError, UnreadableError
from backupmeta.evidence import EvidenceFile, open_folder
from backupmeta.findings import Finding
from backupmeta.library import list_backups
from backupmeta.render.backups import page_entry, page_envelope
from backupmeta.render.formats import pretty
from backupmeta.search import Search
from backupmeta.work.processes import affordable
from tests.hostile import END, MIB, Opened, header, member, pax, seen
from tests.invented import BACKUP, INSTALL, NAME, Account, archive, backup_record, run
from tests.measured import COMMAND, Outcome, measured

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="descriptors, holes and hard links of POSIX"),
    pytest.mark.untraced,  # the same lines, in many ways
]

MOST_DESCRIPTORS: Final = 16
MOST_MEMORY: Final = 64 * 1024
"""How many KiB more than an idle process one may take for the worst account."""
TIB: Final = 2**40
NOW: Final = ("--now", "2024-06-14")


class Fleet(NamedTuple):
    """An account that asks for too much, another one, and a folder of ours for catalogs."""

    root: Path
    hostile: Account
    other: Account
    ours: Path

    @property
    def catalog(self) -> Path:
        return self.ours / "catalog.sqlite"


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Give two accounts, the hostile one first."""
    (tmp_path / "ours").mkdir(mode=0o700)
    root = tmp_path / "home"
    return Fleet(root, Account(root / "aaa"), Account(root / "bbb").whole(), tmp_path / "ours")


def id_of(number: int) -> str:
    return f"b{number:024d}"


def name_of(number: int) -> str:
    return f"app_example-com_Blog-{number}_2024-06-13_20-55-21.tar.gz"


def of_other(fleet: Fleet, command: str) -> list[object]:
    """Return what a command tells of the other account, as if it were alone, and as it is."""
    if command == "list":
        rows = run("list", fleet.root, "--jsonl").jsonl
        return [row["backup_filename"] for row in rows if row.get("id") == BACKUP]
    if command == "verify":
        told = run("verify", fleet.root, "--json", "--jobs", "1", *NOW).json["targets"]
        return [one["path"] for one in told if one["path"].startswith(str(fleet.other.home))]
    if command == "timeline":
        told = run("timeline", fleet.root, "--format", "jsonl", "--deep").jsonl
        return [one["event"] for one in told if one["account"] == str(fleet.other.home)]
    run("scan", fleet.root, "-o", fleet.catalog, "--jobs", "1", *(["--deep"] if command == "scan --deep" else []))
    return backups_of(fleet, fleet.other)


def backups_of(fleet: Fleet, account: Account) -> list[object]:
    """Return the ids of the backups that the catalog has of an account."""
    select = "SELECT id FROM all_backups JOIN accounts USING (account) WHERE accounts.path = ? AND until IS NULL"
    return [id_ for (id_,) in rows_of(fleet.catalog, select, str(account.home))]


def rows_of(catalog: Path, select: str, *values: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(catalog)) as connection:
        return connection.execute(select, values).fetchall()


def limits_met(ran: str) -> set[str]:
    """Return which limits a text names."""
    return {one for one in Limits.__slots__ if f"over the limit {one}" in ran}


# Class: descriptors. However many folders and files a disk holds, a process has a few of them open.


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give how many descriptors of evidence were open at once, whenever one more was opened."""
    counts, plain = [0], evidence._open
    before = set(Path("/proc/self/fd").iterdir()) if sys.platform == "linux" else set[str]()

    def opening(path: str, flags: int, folder: int | None = None) -> int:
        fd = plain(path, flags, folder)
        counts.append(len(set(Path("/proc/self/fd").iterdir()) - before) - 1)  # the listing's own
        return fd

    monkeypatch.setattr(evidence, "_open", opening)
    return counts


def many_folders(fleet: Fleet) -> None:
    fleet.hostile.archives.rmdir()
    for number in range(100):
        (fleet.hostile.home / f"f{number}").mkdir()
        (fleet.hostile.home / f"f{number}" / name_of(number)).write_bytes(archive(backup_record()))


def deep_folders(fleet: Fleet) -> None:
    below = fleet.root / "deep"
    for number in range(40):
        below /= f"d{number}"
    below.mkdir(parents=True)
    (below / NAME).write_bytes(archive(backup_record()))


def many_places(fleet: Fleet) -> None:
    for number in range(60):
        location = f"file://localhost/kept/{number}"
        fleet.hostile.backup(id_of(number), backup_record(backup_location=location, backup_filename=name_of(number)))


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
@pytest.mark.parametrize("build", [many_folders, deep_folders, many_places])
@pytest.mark.parametrize("command", ["list", "verify", "timeline", "scan"])
def test_few_folders_are_open_at_once(
    fleet: Fleet, descriptors: list[int], build: Callable[[Fleet], None], command: str
) -> None:
    before = of_other(fleet, command)
    build(fleet)
    assert of_other(fleet, command) == before != []
    assert max(descriptors) <= MOST_DESCRIPTORS + 8 * command.startswith("scan")  # SQLite's own, and the lock


def test_folders_that_were_closed_meanwhile_are_the_same_ones(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"f{number}").mkdir()
        (tmp_path / f"f{number}" / "file").write_text(str(number))
    with open_folder(str(tmp_path)) as top:
        folders = [top.open_folder(f"f{number}") for number in range(30)]
        for _ in range(2):
            for number, folder in enumerate(folders):
                with folder.open_file("file") as file:
                    assert file.read(9) == str(number).encode()
        (tmp_path / "f0").rename(tmp_path / "elsewhere")
        (tmp_path / "f0").mkdir()
        (tmp_path / "f1").rename(tmp_path / "f1-away")
        (tmp_path / "f1").symlink_to(tmp_path / "f2")
        (tmp_path / "f3").rename(tmp_path / "f3-away")
        for number in (0, 1):
            with pytest.raises(UnreadableError, match="was replaced by another folder"):
                folders[number].open_file("file")
            with pytest.raises(UnreadableError, match="was replaced by another folder"):
                folders[number].signature("file")
        with pytest.raises(UnreadableError, match="no such file"):
            folders[3].entries(9)
        for folder in folders:
            folder.__exit__()
        with pytest.raises(UnreadableError, match="bad file descriptor"):
            folders[5].open_file("file")


@pytest.mark.parametrize("command", [("list", "--jsonl"), ("verify", "--json"), ("timeline",), ("installs",)])
def test_with_hardly_any_descriptor_the_answers_are_the_same(fleet: Fleet, command: tuple[str, ...]) -> None:
    many_folders(fleet)
    script = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0})); " + COMMAND
    now = NOW if command[0] == "verify" else ()
    few, many = (measured(script.format(most), *command, str(fleet.root), *now) for most in (32, 1024))
    assert (few.code, few.out) == (many.code, many.out)
    assert len(few.out) > 100


@pytest.mark.parametrize(("most", "given"), [(1024, 8), (64, 4), (56, 2), (40, 1), (resource.RLIM_INFINITY, 8)])
def test_without_descriptors_fewer_processes_work(monkeypatch: pytest.MonkeyPatch, most: int, given: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (most, most))
    assert affordable(8) == given


def test_and_a_line_says_so(fleet: Fleet) -> None:
    script = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (56, 56)); " + COMMAND
    ran = measured(script, "scan", str(fleet.root), "-o", str(fleet.catalog), "--jobs", "4")
    assert "only 2 of 4 processes: there are few descriptors" in ran.err
    assert measured(script, "verify", str(fleet.root), "--jobs", "2").err.count("processes") == 0


# Class: holes. A file of some kB on disk that claims 4 TiB ends soon, wherever its zeros stand, and whoever reads them.

TAR: Final = member("APP-META.INI", backup_record()) + END
GZIP: Final = archive(backup_record())
HOLES: Final = {
    "nothing but a hole.tar": b"",
    "nothing but a hole.tar.gz": b"",
    "behind a tar.tar": TAR,
    "behind gzip.tar.gz": GZIP,
    "behind bytes behind gzip.tar.gz": GZIP + b"xx",
    "in gzip.tar.gz": GZIP[:200],
    "behind damage.tar.gz": GZIP[:-4] + b"abcd",
    "in a member.tar": TAR[:-1024] + header(b"big", 900 * 2**30),
    "in a member of unknown size.tar": TAR[:-1024] + header(b"big", b"\x80" + b"\xff" * 11),
    "in a pax header.tar": TAR[:-1024] + header(b"pax", 2**30, b"x"),
    "behind a torn header.tar": TAR[:-1024] + b"\1" * 512,
    "behind zstd.tar.zst": zstandard.compress(TAR),
    "behind xz.tar.xz": lzma.compress(TAR),
    "behind bzip2.tar.bz2": bz2.compress(TAR),
    "before a tar.tar": bytes(4096) + TAR,
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_ends(fleet: Fleet, name: str) -> None:
    path = fleet.hostile.archives / f"app_{name}"
    path.write_bytes(HOLES[name])
    try:
        os.truncate(path, 4 * TIB)
    except OSError:
        pytest.skip("the file system has no such holes")
    for command in ("list", "timeline", "scan --deep") if name in {"behind a tar.tar", "in gzip.tar.gz"} else ("list",):
        assert of_other(fleet, command) != []
    told = run("verify", path, "--json", "--jobs", "1", *NOW).json["targets"][0]
    assert told["verdict"] != "pass"
    assert told["sha256"] is None
    assert "limit-exceeded" in {one["id"] for one in told["findings"]}


def test_zeros_are_weighed_against_what_else_a_file_holds(opened: Opened) -> None:
    zeros = member("zeros", bytes(70 * MIB))
    assert seen(opened, member("noise", os.urandom(MIB)) + zeros + END).of("limit-exceeded") == []
    found = seen(opened, zeros + END)
    assert [one.detail.partition(",")[0] for one in found.of("limit-exceeded")] == [
        "holds more than 200 times as many zeros as anything else"
    ]
    assert found.digests == {}
    assert seen(opened, zeros + END, Limits(ratio=10**6)).of("limit-exceeded") == []


@pytest.mark.parametrize(
    "content",
    [TAR, GZIP, GZIP + b"xx" * MIB, TAR[:-1024] + header(b"s", 9), GZIP[:100] + bytes(MIB), zstandard.compress(TAR)],
)
def test_time_is_heeded_wherever_bytes_are_read(opened: Opened, content: bytes) -> None:
    with opened(content) as file:
        passed = Pass(file, Limits(seconds=0))
        try:
            deque(passed, maxlen=0)
        except LimitExceededError as error:
            told = error.limit
        else:
            told = " ".join(finding.detail for finding in passed.findings() if finding.id == "limit-exceeded")
        assert "seconds" in told
        assert passed.digests == {}


def test_time_is_heeded_while_the_rest_is_digested(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Inflated.drain

    def late(stream: Inflated) -> None:
        stream._input.deadline = 0
        stream._input.go_to(0)
        plain(stream)

    monkeypatch.setattr(Inflated, "drain", late)
    found = seen(opened, TAR)
    assert "takes more than 3,600 seconds, here and now" in found.of("limit-exceeded")[0].detail
    assert found.digests == {}


def test_a_map_of_holes_for_all_members_is_not_read_for_ever(opened: Opened) -> None:
    runs = b",".join(b"%d,0" % number for number in range(20_000))
    shared = pax([(b"GNU.sparse.size", b"100000"), (b"GNU.sparse.map", runs)], b"g")
    found = seen(opened, shared + b"".join(header(b"f%d" % number) for number in range(100)) + END)
    faults = [one for one in found.members if one.map is not None and one.map.fault]
    assert len(found.members) == 100
    assert 0 < len(faults) < 100


# Class: memory. Records and archives of any shape; what has no room is named, and the next account is whole.


def lines(text: Callable[[int], str], count: int = 4_900) -> bytes:
    return backup_record() + b"\n" + "\n".join(map(text, range(count))).encode()


RECORDS: Final = {
    "zeros": bytes(MIB),
    "keys": lines(lambda one: f"k{one}="),
    "keys twice": lines(lambda one: f"k{one // 2}="),
    "fields": lines(lambda one: f"cf-k{one}=x"),
    "no keys": lines(lambda one: f"a{one}"),
    "a long value": lines(lambda _: "title=" + "x" * 1_000_000, 1),
    "URIs": lines(lambda _: "title=" + "http://a:b@c " * 70_000, 1),
    "items": lines(lambda _: "list-files=" + "," * 29_000 + "x" * 900_000, 1),
    "plugins": lines(lambda _: "list-plugins=" + ",".join(f"|p{one}/1" for one in range(29_000)), 1),
}
COMMANDS: Final = {
    "list": ("list", "--json", "--provenance"),
    "jsonl": ("list", "--jsonl"),
    "verify": ("verify", "--json", "--jobs", "1"),
    "scan": ("scan", "--jobs", "1", "--json", "-o"),
}
WORST: Final = (
    *((shape, "list") for shape in ("zeros", "keys")),
    *((shape, "scan") for shape in ("zeros", "keys")),
    *(pytest.param("URIs", command, marks=pytest.mark.long) for command in ("list", "scan")),
    ("keys", "verify"),
    ("items", "jsonl"),
)


def fill(account: Account, content: bytes, count: int) -> None:
    """Give an account so many backups, which take the room of one on disk."""
    first = account.backup(id_of(0), content)
    for number in range(1, count):
        (account.backups / id_of(number)).hardlink_to(first)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Give the peaks, in KiB, of commands that have an account with one backup."""
    folder = tmp_path_factory.mktemp("idle")
    account = Account(folder / "home/aaa").whole()
    return {name: peak(name, account.home.parent, folder / "catalog.sqlite").peak for name in COMMANDS}


def peak(name: str, root: Path, catalog: Path) -> Outcome:
    command = COMMANDS[name]
    where = [str(catalog), str(root)] if command[-1] == "-o" else [str(root)]
    return measured(COMMAND, *command, *where)


@pytest.mark.parametrize(("shape", "command"), WORST)
def test_an_account_of_such_records_has_its_room(fleet: Fleet, idle: dict[str, int], shape: str, command: str) -> None:
    fill(fleet.hostile, RECORDS[shape], 100)
    ran = peak(command, fleet.root, fleet.catalog)
    assert ran.peak - idle[command] < MOST_MEMORY
    if command == "scan":
        assert backups_of(fleet, fleet.other) == [BACKUP]
        told = str(rows_of(fleet.catalog, "SELECT message FROM all_findings WHERE id = 'limit-exceeded'"))
    else:
        told = ran.err + ran.out
        assert ran.code == 2
        assert (str(fleet.other.archives / NAME) if command == "verify" else BACKUP) in ran.out
    assert "account_memory" in limits_met(told)
    assert str(fleet.hostile.home) in told


def test_what_is_read_of_an_account_that_has_no_room_is_the_same_everywhere(fleet: Fleet) -> None:
    fill(fleet.hostile, RECORDS["a long value"], 40)
    one, two = (run("verify", fleet.root, "--json", "--jobs", jobs, *NOW) for jobs in "12")
    assert (one.code, one.out) == (two.code, two.out)
    listed = run("list", fleet.root, "--jsonl")
    ids = [row["id"] for row in listed.jsonl]
    assert ids[-1] == BACKUP or BACKUP in ids
    kept = sorted(set(ids) - {BACKUP})
    assert kept == [id_of(number) for number in range(len(kept))]
    assert 0 < len(kept) < 40
    assert f"not read from {fleet.hostile.backups}/{id_of(len(kept))} on" in listed.err


# Class: numbers. Each bound is one that an option changes; what is over it is told, once for an account.


def test_too_many_entries_of_a_list(fleet: Fleet) -> None:
    fleet.hostile.backup(content=backup_record(list_files="," * 30_001))
    ran = run("list", fleet.root, "--jsonl")
    assert [row["user"] for row in ran.jsonl] == ["exampleu"]
    told = run("verify", fleet.root, "--json", *NOW)
    assert "over the limit record_items: 30,001 of at most 30,000" in told.text


@pytest.mark.parametrize("name", ["application_backups", ".appdata/backups", ""])
def test_too_many_entries_of_a_folder(fleet: Fleet, name: str) -> None:
    fleet.hostile.whole()
    for number in range(20):
        (fleet.hostile.home / name / f"{number}").touch()
    bounded = ("--bound", "folder_entries=10")
    told = run("verify", fleet.root, "--json", *NOW, *bounded)
    assert "over the limit folder_entries: more of at most 10" in told.text
    assert told.code == 2
    assert str(fleet.other.archives / NAME) in [one["path"] for one in told.json["targets"]]
    assert run("scan", fleet.root, "-o", fleet.catalog, *bounded).code == 2
    assert backups_of(fleet, fleet.other) == [BACKUP]


@pytest.mark.parametrize("command", ["verify", "scan --deep"])
def test_too_many_bytes_of_an_account(fleet: Fleet, command: str) -> None:
    for number in range(5):
        fleet.hostile.archive(name_of(number))
    size = (fleet.hostile.archives / name_of(0)).stat().st_size
    bounded = ("--bound", f"account_bytes={2 * size + 1}")
    if command == "verify":
        told = run("verify", fleet.root, "--json", *NOW, *bounded)
        verdicts = [one["verdict"] for one in told.json["targets"] if one["path"].endswith(".gz")]
    else:
        told = run("scan", fleet.root, "--deep", "-o", fleet.catalog, *bounded)
        rows = rows_of(fleet.catalog, "SELECT verdict FROM all_files WHERE kind = 'archive' ORDER BY file")
        verdicts = [str(row[0]) for row in rows]
        assert len(rows_of(fleet.catalog, "SELECT 1 FROM all_findings WHERE message LIKE '%account_bytes%'")) == 3
    assert told.code == 2
    assert verdicts[2:5] == ["unreadable"] * 3
    assert "unreadable" not in [*verdicts[:2], *verdicts[5:]]
    assert len(verdicts) == 6


@pytest.mark.parametrize("command", ["list", "verify", "scan"])
def test_time_is_the_last_resort_and_is_told(fleet: Fleet, command: str) -> None:
    bounded = ("--bound", "account_seconds=0")
    if command == "verify":
        told = run("verify", fleet.root, *NOW, *bounded).text
    elif command == "scan":
        run("scan", fleet.root, "-o", fleet.catalog, *bounded)
        told = str(rows_of(fleet.catalog, "SELECT message FROM all_findings"))
    else:
        findings: list[Finding] = []
        list(list_backups(Search([str(fleet.root)], limits=Limits(account_seconds=0)), findings))
        told = str(findings)
    assert "over the limit account_seconds" in told


def test_what_a_limit_kept_from_a_catalog_comes_with_a_higher_one(fleet: Fleet) -> None:
    run("scan", fleet.root, "-o", fleet.catalog, "--bound", "record_lines=3")
    assert rows_of(fleet.catalog, "SELECT count(*) FROM all_files WHERE status = 'record-unreadable'") == [(2,)]
    run("scan", fleet.root, "-o", fleet.catalog)
    assert rows_of(fleet.catalog, "SELECT count(*) FROM files WHERE status = 'record-unreadable'") == [(0,)]
    assert rows_of(fleet.catalog, "SELECT id FROM backups") == [(BACKUP,)]


def test_very_many_odd_names_are_counted(fleet: Fleet) -> None:
    fleet.hostile.whole()
    for number in range(1_500):
        (fleet.hostile.backups / f"odd {number}").touch()
    run("scan", fleet.root, "-o", fleet.catalog)
    odd = rows_of(fleet.catalog, "SELECT message FROM all_findings WHERE id = 'record-name-malformed'")
    assert (len(odd), "and 1,400 more" in str(odd[-1])) == (101, True)
    assert of_other(fleet, "list") == [NAME, NAME]


def test_hard_links_that_are_renamed_move_one_by_one(fleet: Fleet) -> None:
    fill(fleet.hostile, backup_record(), 40)
    first = fleet.hostile.archive(name_of(0))
    for number in range(1, 40):
        (fleet.hostile.archives / name_of(number)).hardlink_to(first)
    run("scan", fleet.root, "-o", fleet.catalog)
    for number in range(40):
        (fleet.hostile.archives / name_of(number)).rename(fleet.hostile.archives / name_of(1000 + number))
    (fleet.hostile.archives / name_of(1000)).unlink()
    told = run("scan", fleet.root, "-o", fleet.catalog, "--json").json
    moved = rows_of(fleet.catalog, "SELECT path, moved_from FROM all_files WHERE began = 'moved' ORDER BY file")
    assert len(moved) == len({old for _, old in moved}) == 39
    assert len(rows_of(fleet.catalog, "SELECT 1 FROM all_files WHERE ended = 'vanished'")) == 1
    assert told["changes"]["files"]["moved"] == 39


# Class: many records that name one archive.


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Give how many bytes were read of each file, by its name."""
    counts: dict[str, int] = {}
    plain = EvidenceFile.read

    def reading(file: EvidenceFile, length: int) -> bytes:
        content = plain(file, length)
        name = file.path.rpartition("/")[2]
        counts[name] = counts.get(name, 0) + len(content)
        return content

    monkeypatch.setattr(EvidenceFile, "read", reading)
    return counts


@pytest.mark.parametrize(
    "command", ["list", "verify --jobs 1", "timeline", "timeline --deep", "scan --deep", "history"]
)
def test_it_is_read_as_often_as_for_two(fleet: Fleet, taken: dict[str, int], command: str) -> None:
    reads, rows = [], []
    fleet.hostile.archive(NAME)
    for count in (2, 30):
        for number in range(count):
            fleet.hostile.backup(id_of(number))
        taken.clear()
        words = command.split()
        options = ["-o", str(fleet.ours / f"{count}.sqlite"), "--jobs", "1"] if words[0] == "scan" else []
        target = [INSTALL, "--root", str(fleet.hostile.home)] if words[0] == "history" else [str(fleet.hostile.home)]
        ran = run(*words, *target, *options)
        reads.append(taken[NAME])
        rows.append(ran.text.count(NAME) + ran.text.count("2024-06-13"))
    assert reads[0] == reads[1] > 0
    assert rows[1] > rows[0] or command == "scan --deep"


def test_each_of_its_backups_is_judged(fleet: Fleet) -> None:
    fleet.hostile.archive(NAME)
    for number in range(3):
        fleet.hostile.backup(id_of(number), backup_record(title=f"Blog {number}"))
    told = run("verify", fleet.hostile.home, "--json", *NOW).json["targets"]
    of_archive = [one for one in told if one["path"].endswith(".gz")]
    assert len(of_archive) == 3
    assert len({one["sha256"] for one in of_archive}) == 1
    assert all("archive-claimed-twice" in {found["id"] for found in one["findings"]} for one in of_archive)
    assert run("scan", fleet.hostile.home, "-o", fleet.catalog, "--deep").code == 0
    again = run("verify", "--catalog", fleet.catalog, "--json", *NOW).json["targets"]
    assert [one["path"] for one in again] == [one["path"] for one in told]
    assert [one["verdict"] for one in again] == [one["verdict"] for one in told]


# What took the square of a number, and gives the same as before.


@given(
    st.lists(st.frozensets(st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"]), max_size=3)),
    st.sets(st.sampled_from([b"a", b"c"])),
)
def test_names_are_joined_as_step_by_step(groups: list[frozenset[bytes]], names: set[bytes]) -> None:
    expected = set(names)
    while more := {name for group in groups if group & expected for name in group} - expected:
        expected |= more
    assert _joined(names, groups) == expected


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text() | st.integers() | st.lists(st.text()), max_size=3)))
def test_a_page_in_pieces_is_the_page(rows: list[dict[str, object]]) -> None:
    before, after = page_envelope(0, 50, len(rows), is_empty=not rows)
    told = json.loads(before + ",".join(map(page_entry, rows)) + after)
    assert told["data"] == rows
    whole = {**told, "data": rows}
    entries = "\n    " + ",\n    ".join(map(page_entry, rows)) if rows else ""
    assert before + entries + after == pretty(whole)
