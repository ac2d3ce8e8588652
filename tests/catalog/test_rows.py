"""The short ways give what the long ones give: for usual backups, and for odd ones among them."""

import gzip
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from benchmarks import fleets
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.account.places import FoundHome
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.catalog.batch import Batch, Result, Scanning, Task
from backupmeta.catalog.rows import RecordCells
from backupmeta.record import grammar
from backupmeta.record.grammar import Record
from backupmeta.work.orders import unwatched
from tests.examples import examples
from tests.invented import Account, archive

BACKUP: Final = fleets.Backup(0)
LINES: Final = dict(line.split(b"=", 1) for line in BACKUP.record.split(b"\n"))
MORE: Final = (
    b"cache-time cache-preview cache-numbackups cache-numerrors incomplete list-failures list-notification parent "
    b"stage autobk-daily list-exclude-files time-updated version-available version-autouped-attempts cf-odd cf-title "
    b"cf-api_key cf- x-unknown x-token list-plugins-available backup-expiry \xff"
).split()
"""Keys that a usual record has not."""
TEXTS: Final = (
    b"",
    b"0",
    b"1",
    b"-1",
    b"007",
    b"9" * 19,
    str(2**63 - 1).encode(),
    str(2**63).encode(),
    b"-" + str(2**63).encode(),
    b"9" * 4001,
    "Lébo\u0661".encode(),
    b"\xff",
    b" x ",
    b"yes",
    b"custom",
    b"ftp://user:secret@example.com/b",
    b"https://www.example.net/blog0",
    b"https://[broken",
    b"+akismet/5.3.6,=hello/",
    b",",
    b"+,-",
)
KEYS: Final = (*LINES, *MORE)


@dataclass
class Odd:
    """A backup that has these values for the usual ones; its archive says the same, or something else."""

    changes: Mapping[bytes, bytes] = field(default_factory=dict)
    shape: Callable[[bytes], bytes] = bytes
    embedded: Callable[[bytes], bytes | None] = bytes
    is_renamed: bool = False
    is_claimed_twice: bool = False


@dataclass
class Household:
    """A home: the keys that its records lack or have beside the usual ones, its backups, and who looks at it."""

    gone: frozenset[bytes]
    more: Mapping[bytes, bytes]
    backups: list[Odd]
    has_install: bool

    def record(self, number: int, odd: Odd) -> bytes:
        usual = dict(line.split(b"=", 1) for line in fleets.Backup(number).record.split(b"\n"))
        lines = {key: value for key, value in {**usual, **self.more}.items() if key not in self.gone}
        changed = lines | {key: value for key, value in odd.changes.items() if key in lines}
        return odd.shape(b"\n".join(b"%s=%s" % line for line in changed.items()))

    def write(self, home: Path) -> None:
        account = Account(home)
        for number, odd in enumerate(self.backups):
            backup, record = fleets.Backup(number), self.record(number, odd)
            account.backup(backup.id, record)
            if odd.is_claimed_twice:
                account.backup(backup.id.replace("bk", "tw"), record)
            if (content := odd.embedded(record)) is not None:
                name = f"app_renamed{number}.tar.gz" if odd.is_renamed else backup.archive_name
                (account.archives / name).write_bytes(content)
        if self.has_install:
            live = b"\nparent=live\ncache-numbackups=7\ncache-time=1\nincomplete=1"
            account.install(BACKUP.install, BACKUP.install_record + live)


def rows(accounts: Sequence[Path], as_server: str | None = None, zone: tzinfo | None = None) -> Result:
    """Return what comes out of ``accounts`` by the short ways; assert that the long ones give the same."""
    found = (FoundHome(str(path), as_server or str(path), as_server, None, is_home=True) for path in accounts)
    batch = tuple(map(Task, found))
    short = scanned(batch, zone)
    with patch.object(RecordCells, "of", lambda *_: None), patch.object(Record, "like", lambda *_: None):
        assert scanned(batch, zone) == short
    return short


def scanned(batch: Batch, zone: tzinfo | None = None) -> Result:
    [result] = Scanning(DEFAULT_LIMITS, zone).do(batch, unwatched)
    return result


def other(record: bytes) -> bytes:
    return archive(record.replace(b"version=", b"version=1"))


def other_secret(record: bytes) -> bytes:
    return archive(record.replace(b"db-pass=", b"db-pass=another"))


SHAPES: Final[tuple[Callable[[bytes], bytes], ...]] = (
    bytes,
    lambda record: record + b"\n",
    lambda record: record.replace(b"\n", b"\r\n"),
    lambda record: b"\xef\xbb\xbf" + record,
    lambda record: record + b"\nversion=6.5.5",
    lambda record: record + b"\ndb-pass=other",
    lambda record: record + b"\nno line",
    lambda record: record + b"\n\nurl=x",
    lambda record: b"\n".join(sorted(record.split(b"\n"))),
    lambda record: record[: len(record) // 2],
    lambda _: b"",
)
EMBEDDED: Final[tuple[Callable[[bytes], bytes | None], ...]] = (
    archive,
    lambda _: None,
    lambda _: archive(None),
    lambda record: archive(record)[:60],
    lambda _: b"no archive",
    other,
    other_secret,
    lambda record: archive(None, [("index.php", b""), ("APP-META.INI", record)]),
    lambda record: archive(record) + b"behind it",
    lambda record: gzip.decompress(archive(record)),
)
HONEST: Final = 3
"""How many of these, the last ones, say in their record what the backup's record says."""
CHANGES: Final = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(TEXTS), max_size=3)


def mostly(usual: Any, *odd: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(usual), st.just(usual), st.just(usual), st.sampled_from(odd))


BACKUPS: Final = st.builds(
    Odd,
    CHANGES,
    mostly(*SHAPES),
    mostly(*EMBEDDED),
    mostly(False, True),  # noqa: FBT003 - values of a field
    mostly(False, True),  # noqa: FBT003
)
HOUSEHOLDS: Final = st.builds(
    Household,
    st.one_of(st.just(frozenset[bytes]()), st.frozensets(st.sampled_from(list(LINES)), max_size=2)),
    st.one_of(st.just({}), st.dictionaries(st.sampled_from(MORE), st.sampled_from(TEXTS), max_size=2)),
    st.lists(BACKUPS, min_size=2, max_size=4),
    st.booleans(),
)


ZONES: Final = st.sampled_from([None, UTC, timezone(timedelta(hours=2)), ZoneInfo("America/New_York")])
SERVERS: Final = st.sampled_from([None, "/home/exampleu", "C:\\home\\exampleu"])


@given(st.lists(HOUSEHOLDS, min_size=1, max_size=2), SERVERS, ZONES)
@examples(80)
def test_homes_of_any_backups(homes: list[Household], as_server: str | None, zone: tzinfo | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        accounts = [Path(folder, f"user{number}") for number in range(len(homes))]
        for home, path in zip(homes, accounts, strict=True):
            home.write(path)
        rows(accounts, as_server, zone)


def alike(*changes: Mapping[bytes, bytes], more: Mapping[bytes, bytes] | None = None) -> Household:
    backups = [Odd({}, bytes, archive), *(Odd(one, bytes, archive) for one in changes), Odd({}, bytes, archive)]
    return Household(frozenset(), more or {}, backups, has_install=True)


@pytest.mark.untraced  # the same lines, thousands of times
def test_each_key_tells_each_value(tmp_path: Path) -> None:
    """One home for each key: its records have one value after the other."""
    for number, key in enumerate(KEYS):
        home = alike(*({key: value} for value in TEXTS), more={key: b"x"} if key in MORE else {})
        home.write(tmp_path / f"{number}")
        rows([tmp_path / f"{number}"])


class TestTaken:
    """The short way really is taken, or nothing here says anything."""

    def test_by_backups_whose_archive_has_the_same_record(self, tmp_path: Path) -> None:
        fleets.account(tmp_path / "exampleu", 5)
        assert taken(tmp_path / "exampleu") == [True] * 5

    def test_by_those_with_other_values(self, tmp_path: Path) -> None:
        alike({b"title": b"Other"}, {b"version": b""}, {b"cache-files": b"9" * 30}).write(tmp_path / "exampleu")
        assert taken(tmp_path / "exampleu") == [True] * 5

    def test_not_by_those_that_are_odd(self, tmp_path: Path) -> None:
        alike({b"version": b"\xff"}, {b"cache-files": b"x"}).write(tmp_path / "exampleu")
        assert taken(tmp_path / "exampleu") == [True, False, False, True]

    def test_not_by_those_whose_archives_differ(self, tmp_path: Path) -> None:
        backups = [Odd({}, bytes, one) for one in EMBEDDED[:-HONEST]]
        Household(frozenset(), {}, backups, has_install=False).write(tmp_path / "exampleu")
        assert taken(tmp_path / "exampleu") == [True] + [False] * (len(backups) - 1)

    def test_by_those_whose_archives_are_odd_elsewhere(self, tmp_path: Path) -> None:
        backups = [Odd({}, bytes, one) for one in (archive, *EMBEDDED[-HONEST:])]
        Household(frozenset(), {}, backups, has_install=False).write(tmp_path / "exampleu")
        assert taken(tmp_path / "exampleu") == [True] * (1 + HONEST)


def taken(home: Path) -> list[bool]:
    """Return of each backup whether its cells come the short way; the rows are the same anyway."""
    told: list[bool] = []
    usual = RecordCells.of

    def watched(*arguments: Any) -> Any:
        found = usual(*arguments)
        told.append(found is not None)
        return found

    task = Task(FoundHome(str(home), str(home), None, None, is_home=True))
    with patch.object(RecordCells, "of", watched):
        result = scanned((task,))
    assert rows([home]) == result
    return told


LINE: Final = st.tuples(st.sampled_from(KEYS), st.sampled_from(TEXTS)).map(b"=".join)
ROWS: Final = st.lists(LINE | st.sampled_from(TEXTS), min_size=1, max_size=6)
LIKE: Final = st.one_of(
    st.sampled_from([b"=", b"", b"\r", b"x"]).map(lambda end: lambda line: line + end),
    st.sampled_from(TEXTS).map(lambda value: lambda line: line.partition(b"=")[0] + b"=" + value),
    ROWS.map(lambda lines: lambda _: lines[0]),
)


@given(st.lists(st.tuples(LINE, st.none() | LIKE), min_size=1, max_size=6))
@examples(100)
def test_a_record_like_another_is_masked_as_it_is(
    lines: list[tuple[bytes, Callable[[bytes], bytes] | None]],
) -> None:
    before = grammar.parse(b"\n".join(line for line, _ in lines))
    content = b"\n".join(line if change is None else change(line) for line, change in lines)
    alike = before.like(content)
    if alike is not None:
        assert told(alike) == told(grammar.parse(content))


def told(record: Record) -> tuple[object, ...]:
    return record.clear, list(record.opened.items()), record.content, list(record.values.items())
