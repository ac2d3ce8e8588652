"""A canary in every secret place is in no catalog, and comes out of none."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.queries import EXPORTED
from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from tests.attack.test_canaries import PLACES, leaks
from tests.catalog.snapshots import rows
from tests.invented import NAME, Account, archive, backup_record, install_record, run

pytestmark = pytest.mark.untraced  # the same lines for each place

LONE: Final = "app_lone.tar.gz"
CUT: Final = "app_cut.tar.gz"
WAL: Final = b"\x37\x7f\x06"
"""How a write-ahead log begins (SQLite's "WAL File Format")."""
CHANGED: Final = backup_record(db_pass="CANARYq7x3", backup_note="ftp://u:CANARYq7x@h/", x_key="CANARYq7x")


class Catalog:
    """A catalog, and all the bytes that were in its files while it was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = b""

    def scan(self, root: Path, *, deep: bool) -> None:
        digest = "sha256" if deep else None
        scan(str(self.path), Search((str(root),)), deep=deep, member_digest=digest, tell=self._look)
        self._look(ScanResult())

    def _look(self, _tally: ScanResult) -> None:
        self.written += b"".join(path.read_bytes() for path in self.path.parent.glob(f"{self.path.name}*"))

    @property
    def memories(self) -> list[bytes]:
        with closing(sqlite3.connect(self.path)) as connection:
            contents = connection.execute("SELECT content FROM memories").fetchall()
        return [zstandard.ZstdDecompressor().decompress(content) for (content,) in contents]


@pytest.fixture(scope="module", params=[False, True], ids=["shallow", "deep"])
def catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Give a catalog of homes that were scanned, changed, and scanned again, and are gone."""
    folder = tmp_path_factory.mktemp("secrets")
    accounts = [filled(folder / "home" / place, number) for number, place in enumerate(PLACES)]
    made = Catalog(folder / "catalog.sqlite")
    made.scan(folder / "home", deep=request.param)
    for number, account in enumerate(accounts):
        (account.archives / LONE).write_bytes(archive(CHANGED))
        account.backup(id_of(number, 1), CHANGED)
        (account.archives / NAME).rename(account.archives / "app_renamed.tar.gz")
    made.scan(folder / "home", deep=request.param)
    shutil.rmtree(folder / "home")
    return made


def filled(home: Path, number: int) -> Account:
    """Make a home with the canary in one place: in records, in archives that say the same, and in others."""
    content = PLACES[home.name]
    account = Account(home)
    account.backup(id_of(number), content)
    account.archive(NAME, content)
    account.backup(id_of(number, 1), backup_record(backup_filename=CUT, db_pass="another", bkloc="ftp://u:p@h/"))
    (account.archives / CUT).write_bytes(archive(content)[:-30])
    account.archive(LONE, content)
    account.install(id_of(number), install_record() + b"\n" + content)
    return account


def id_of(place: int, number: int = 0) -> str:
    return f"{'ab'[number]}{place:024}"


def test_no_file_of_it_ever_has_one(catalog: Catalog) -> None:
    assert catalog.written.count(b"SQLite format 3\0") > 3
    assert WAL in catalog.written
    assert not leaks(catalog.written)


def test_no_row_has_one(catalog: Catalog) -> None:
    found = rows(catalog.path)
    assert len(found["accounts"]) == len(PLACES)
    assert [name for name, some in found.items() if leaks(repr(some).encode())] == []


def test_no_memory_has_one(catalog: Catalog) -> None:
    memories = catalog.memories
    assert len(memories) == len(PLACES)
    assert [one for one in memories if leaks(one) or b"********" not in one] == []


def commands(catalog: Path) -> Iterator[list[str]]:
    path = str(catalog)
    for number in range(len(PLACES)):
        yield ["view", id_of(number), "--catalog", path, "--provenance", "--allow-missing"]
    for name in (id_of(0, 1), NAME, LONE, "nothing"):
        yield ["view", name, "--catalog", path]
    for command in (["list", "--catalog"], ["installs", "--catalog"], ["find"]):
        for options in (["--json", "--provenance"], ["--jsonl", "--provenance"], ["--csv"], [], ["--sort", "db_pass"]):
            yield [*command, path, *options]
    yield ["find", path, "wordpress", "--plugin", "akismet", "--jsonl"]
    for form in ("table", "json", "jsonl", "csv"):
        yield ["find", path, "--member", "*", "--format", form]
    for form in ("text", "json", "junit", "sarif", "github"):
        yield ["verify", "--catalog", path, "--format", form, "--fail-on", "note"]
    yield ["stats", path]
    yield ["stats", path, "--json"]
    for form in ("html", "markdown", "json"):
        yield ["report", path, "--format", form]
    for table in EXPORTED:
        for form in ("jsonl", "csv"):
            yield ["export", path, "--table", table, "--format", form]


def test_no_command_shows_one(catalog: Catalog) -> None:
    told = [(command, run(*command)) for command in commands(catalog.path)]
    assert [command for command, ran in told if leaks(ran.out) or leaks(ran.err.encode())] == []
    assert all(ran.code in {0, 1, 2} for _, ran in told)
    assert sum(ran.code == 0 and b"example" in ran.out for _, ran in told) > len(PLACES)


@pytest.mark.parametrize("table", EXPORTED)
def test_no_parquet_has_one(catalog: Catalog, table: str, tmp_path: Path) -> None:
    assert run("export", catalog.path, "--table", table, "--format", "parquet", "-o", tmp_path / "out").code == 0
    assert not leaks((tmp_path / "out").read_bytes())
    found = pq.read_table(tmp_path / "out")
    untimed = [
        one.name for one in found.schema if not pa.types.is_timestamp(one.type)
    ]  # of times it makes no nanoseconds
    assert not leaks(repr(found.select(untimed).to_pydict()).encode())


def test_they_are_not_shown_to_who_asks_for_them(catalog: Catalog) -> None:
    for command in (["view", id_of(0), "--catalog"], ["list", "--catalog"]):
        ran = run(*command, catalog.path, "--show-secrets")
        assert (ran.code, ran.out) == (2, b"")
        assert "there are no secrets in it; look at the archive or record itself" in ran.err


def test_scanning_tells_none(tmp_path: Path) -> None:
    for number, place in enumerate(PLACES):
        filled(tmp_path / "home" / place, number)
    for options in (["--json"], ["--deep", "--progress", "--json"], ["--progress"]):
        ran = run("scan", tmp_path / "home", "-o", tmp_path / "catalog.sqlite", "--jobs", "1", *options)
        assert ran.code == 0
        assert not leaks(ran.out)
        assert not leaks(ran.err.encode())
