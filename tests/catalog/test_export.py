"""Exporting a catalog: each table in each format says the same, with types, whatever stands in the records."""

import base64
import csv
import io
import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backupmeta.catalog.queries import EXPORTED, Export, export
from backupmeta.catalog.scanning import scan
from backupmeta.catalog.schema import BACKUPS, Column, Type
from backupmeta.catalog.views import VIEWS, views
from backupmeta.errors import CatalogError
from backupmeta.render.exports import EXPORTS, jsonl, parquet
from backupmeta.render.formats import View
from backupmeta.search import Search
from tests.catalog.snapshots import sealed
from tests.invented import BACKUP, FIXTURES, INSTALL, NAME, TIME, Account, backup_record
from tests.measured import COMMAND, KIBIBYTES_MORE, measured

HOSTILE: Final = 'He said "hi",\r\x1b[31mred\x00\u202e\x9b; =1+1'
SOME: Final = 10_000
MANY: Final = 30_000


def scanned(catalog: Path, *roots: Path) -> Path:
    scan(str(catalog), Search(tuple(map(str, roots))))
    return catalog


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu").whole()


@pytest.fixture
def catalog(account: Account, tmp_path: Path) -> Path:
    """Give the catalog of one account with one backup and one install."""
    return scanned(tmp_path / "catalog.sqlite", account.home)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the catalog of all invented accounts, scanned twice."""
    catalog = tmp_path_factory.mktemp("rich") / "catalog.sqlite"
    for _ in range(2):
        scanned(catalog, FIXTURES / "accounts")
    return catalog


def exported(catalog: Path, name: str) -> Export:
    return export(str(catalog), name)


def as_jsonl(catalog: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in jsonl(exported(catalog, name), View())]


def as_csv(catalog: Path, name: str) -> list[list[str]]:
    """Return the fields of each row, the header first, as Python's own reader has them."""
    text = "".join(map(str, EXPORTS["csv"].render(exported(catalog, name), View())))
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def as_parquet(catalog: Path, name: str) -> pa.Table:
    return pq.read_table(io.BytesIO(b"".join(parquet(exported(catalog, name), View()))))


def one(catalog: Path, name: str) -> dict[str, Any]:
    [row] = as_jsonl(catalog, name)
    return row


class TestValues:
    def test_of_a_backup(self, catalog: Path, account: Account) -> None:
        row = one(catalog, "backups")
        expected = {
            "backup": 1,
            "account_path": str(account.home),
            "state": "paired",
            "utc_offset": 0,
            "archive": f"application_backups/{NAME}",
            "archive_bytes": (account.archives / NAME).stat().st_size,
            "archive_sha256": None,
            "id": BACKUP,
            "backup_time": "2024-06-13T20:55:21+00:00",
            "time_created": "2024-06-13T16:33:54+00:00",
            "backup_note": "",
            "db_pass": "********",
            "autobk_daily": None,
            "incomplete": None,
            "files": None,
            "custom": {},
        }
        assert {name: row[name] for name in expected} == expected

    def test_of_an_account(self, catalog: Path, account: Account) -> None:
        assert one(catalog, "accounts") == {
            "account": 1,
            "host": "",
            "path": str(account.home),
            "path_bytes": None,
            "seen": str(account.home),
            "root": str(account.home),
            "name": "exampleu",
            "is_home": True,
            "status": "present",
            "first_scan": 1,
            "last_scan": 1,
        }

    def test_of_lists(self, account: Account, tmp_path: Path) -> None:
        lists = {"list_plugins": "|akismet/5.3.6,=hello/1.7.2", "list_files": "a,b c", "list_tables": ""}
        account.backup(content=backup_record(cf_odd="x", **lists))
        catalog = scanned(tmp_path / "catalog.sqlite", account.home)
        row = one(catalog, "backups")
        assert row["plugins"] == [
            {"id": "akismet", "version": "5.3.6", "activated": True, "autoup": "none"},
            {"id": "hello", "version": "1.7.2", "activated": False, "autoup": "none"},
        ]
        assert (row["files"], row["tables"], row["custom"]) == (["a", "b c"], [], {"odd": "x"})
        [table] = as_parquet(catalog, "backups").select(["plugins", "files", "tables", "custom"]).to_pylist()
        assert table == {name: row[name] for name in ("plugins", "files", "tables")} | {"custom": '{"odd":"x"}'}
        active = [(plugin["id"], plugin["active"]) for plugin in as_jsonl(catalog, "plugins")]
        assert active == [("akismet", True), ("hello", False)]

    def test_of_times_down_to_the_nanosecond(self, catalog: Path, account: Account) -> None:
        os.utime(account.archives / NAME, ns=(0, TIME * 10**9 + 7))
        scanned(catalog, account.home)
        [row] = [row for row in as_jsonl(catalog, "files") if row["kind"] == "archive"]
        assert row["mtime_ns"] == "2024-06-13T20:55:21.000000007+00:00"
        numbers = as_parquet(catalog, "files")["mtime_ns"].cast(pa.int64()).to_pylist()
        assert TIME * 10**9 + 7 in numbers

    def test_of_what_came_and_went(self, catalog: Path, account: Account) -> None:
        account.backup(content=backup_record(backup_note="another"))
        scanned(catalog, account.home)
        changes = [(row["scan"], row["what"], row["change"], row["id"]) for row in as_jsonl(catalog, "history")]
        assert changes == [
            (1, "backup", "new", BACKUP),
            (1, "file", "new", None),
            (1, "file", "new", None),
            (1, "file", "new", None),
            (1, "install", "new", INSTALL),
            (2, "backup", "changed", BACKUP),
            (2, "backup", "changed", BACKUP),
            (2, "file", "changed", None),
            (2, "file", "changed", None),
        ]


class TestHostile:
    @pytest.fixture
    def catalog(self, account: Account, tmp_path: Path) -> Path:
        record = {"title": HOSTILE, "list_files": f"a{HOSTILE}", "cf_odd": HOSTILE, "x\x00\n": None, "url": None}
        record |= {"backup_time": "9" * 15, "time": "9" * 30, "time_updated": str(2**63 - 1), "autobk_daily": "9" * 30}
        account.backup(content=backup_record(**record) + b"\nurl=\xff\xfe")
        return scanned(tmp_path / "catalog.sqlite", account.home)

    def test_text_survives(self, catalog: Path) -> None:
        row = one(catalog, "backups")
        texts = HOSTILE.split(",")
        assert (row["title"], row["custom"], row["files"]) == (HOSTILE, {"odd": HOSTILE}, [f"a{texts[0]}", *texts[1:]])
        [header, cells] = as_csv(catalog, "backups")
        assert cells[header.index("title")] == HOSTILE
        assert json.loads(cells[header.index("custom")]) == {"odd": HOSTILE}
        [table] = as_parquet(catalog, "backups").select(["title", "files"]).to_pylist()
        assert table == {"title": HOSTILE, "files": row["files"]}

    def test_a_line_is_a_row(self, catalog: Path) -> None:
        assert [line.count("\n") for line in jsonl(exported(catalog, "backups"), View())] == [1]

    def test_a_number_beyond_64_bits_is_null(self, catalog: Path) -> None:
        row = one(catalog, "backups")
        assert (row["autobk_daily"], row["time_created"]) == (None, None)

    def test_a_time_that_no_calendar_has_is_its_digits_and_null_in_parquet(self, catalog: Path) -> None:
        row = one(catalog, "backups")
        assert (row["backup_time"], row["time_updated"]) == ("9" * 15, str(2**63 - 1))
        [table] = as_parquet(catalog, "backups").select(["backup_time", "time_updated"]).to_pylist()
        assert table == {"backup_time": None, "time_updated": None}

    def test_a_path_that_is_not_utf8_has_its_bytes_beside_it(self, tmp_path: Path) -> None:
        account = Account(tmp_path / "home" / os.fsdecode(b"ex\xffu"))
        account.archive(os.fsdecode(b"app_\xfe.tar.gz"))
        catalog = scanned(tmp_path / "catalog.sqlite", account.home.parent)
        exact = os.fsencode(account.archives) + b"/app_\xfe.tar.gz"
        [table] = as_parquet(catalog, "files").select(["path", "path_bytes"]).to_pylist()
        assert table == {"path": exact.decode("utf-8", "replace"), "path_bytes": exact}
        row = one(catalog, "files")
        assert (row["path"], base64.b64decode(row["path_bytes"])) == (table["path"], exact)


def csv_cell(value: object, column: Column) -> str:
    """Return what CSV has for what JSON has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if column.type in {Type.JSON, Type.SHARED} and value is not None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "" if value is None else str(value)


def parquet_cell(value: Any, column: Column, type_: pa.DataType) -> Any:
    """Return what Parquet has for what JSON has: times as seconds, lists as lists."""
    if value is None:
        return None
    if column.type is Type.TIME:
        return None if value.isdecimal() else int(datetime.fromisoformat(value).timestamp())
    if column.type is Type.NANOSECONDS:
        seconds = datetime.fromisoformat(value[:19]).replace(tzinfo=UTC).timestamp()
        return int(seconds) * 10**9 + int(value[20:29])
    is_text = column.type in {Type.JSON, Type.SHARED} and not pa.types.is_list(type_)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if is_text else value


def sql_cell(value: Any, column: Column) -> Any:
    """Return what a row has for what SQL has: of JSON the shortest form."""
    is_json = column.type in {Type.JSON, Type.SHARED} and value is not None
    return json.dumps(json.loads(value), ensure_ascii=False, separators=(",", ":")) if is_json else value


class TestEveryTable:
    @pytest.fixture(params=EXPORTED)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_has_the_same_in_each_format(self, rich: Path, name: str) -> None:
        columns, _ = exported(rich, name)
        rows = as_jsonl(rich, name)
        header, *lines = as_csv(rich, name)
        names = [column.name for column in columns]
        assert header == names
        assert [list(row) for row in rows] == [names] * len(rows)
        assert lines == [[csv_cell(row[column.name], column) for column in columns] for row in rows]
        table = as_parquet(rich, name)
        assert table.column_names == names
        for column, cells in zip(columns, table.columns, strict=True):
            is_time = pa.types.is_timestamp(cells.type)
            told = cells.cast(cells.type if not is_time else pa.int64()).to_pylist()
            divisor = 1000 if column.type is Type.TIME else 1  # Parquet has no seconds
            given = [one if one is None or not is_time else one // divisor for one in told]
            assert given == [parquet_cell(row[column.name], column, cells.type) for row in rows]

    def test_has_all_that_sql_has_but_for_times_that_are_there_already(self, rich: Path, name: str) -> None:
        columns, rows = exported(rich, name)
        with closing(sqlite3.connect(rich)) as connection:
            found = connection.execute(f"SELECT * FROM {name}")  # noqa: S608
            names = [described[0] for described in found.description]
            expected = [dict(zip(names, row, strict=True)) for row in found]
        assert [one.name for one in columns] == [one for one in names if not one.endswith("_utc")]
        told = [tuple(map(sql_cell, (row[one.name] for one in columns), columns)) for row in expected]
        assert sorted(map(repr, rows)) == sorted(map(repr, told))

    def test_is_in_the_order_of_its_key(self, rich: Path, name: str) -> None:
        assert list(exported(rich, name).rows) == list(exported(rich, name).rows)


def test_rows_come_in_the_order_of_their_numbers(rich: Path) -> None:
    for name in ("backups", "installs", "files", "findings", "accounts", "scans"):
        numbers = [row[0] for row in exported(rich, name).rows]
        assert len(numbers) > 1
        assert numbers == sorted(numbers)


class TestCsv:
    COLUMNS: Final = (Column("a", Type.TEXT, ""), Column("b", Type.TEXT, ""), Column("c", Type.FLAG, ""))

    @pytest.mark.parametrize(
        ("row", "line"),
        [
            (("x", "y", 1), "x,y,true\r\n"),
            ((None, "", 0), ',"",false\r\n'),
            (('"', "a,b", None), '"""","a,b",\r\n'),
            (("a\nb", "a\rb", None), '"a\nb","a\rb",\r\n'),
            ((" ", "\x00\x1b", None), " ,\x00\x1b,\r\n"),
        ],
    )
    def test_is_quoted_where_it_has_to_be(self, row: tuple[object, ...], line: str) -> None:
        assert list(EXPORTS["csv"].render(Export(self.COLUMNS, iter([row])), View())) == ["a,b,c\r\n", line]


class TestParquet:
    def test_has_the_types_of_the_columns(self, catalog: Path) -> None:
        described = {field.name: str(field.type) for field in as_parquet(catalog, "backups").schema}
        expected = {
            "backup": "int64",
            "title": "string",
            "incomplete": "bool",
            "backup_time": "timestamp[ms, tz=UTC]",
            "files": "list<element: string>",
            "plugins": "list<element: struct<id: string, version: string, activated: bool, autoup: string>>",
            "themes": "list<element: struct<id: string, version: string, active: bool, autoup: string>>",
            "custom": "string",
        }
        assert {name: described[name] for name in expected} == expected
        files = {field.name: str(field.type) for field in as_parquet(catalog, "files").schema}
        assert (files["mtime_ns"], files["path_bytes"]) == ("timestamp[ns, tz=UTC]", "binary")

    def test_is_written_in_groups_of_rows(self) -> None:
        columns = (Column("a", Type.INTEGER, ""), Column("b", Type.TEXT, ""))
        pieces = list(parquet(Export(columns, ((number, "x" * 10) for number in range(25_000))), View()))
        described = pq.read_metadata(io.BytesIO(b"".join(pieces)))
        groups = [described.row_group(place) for place in range(described.num_row_groups)]
        assert [group.num_rows for group in groups] == [10_000, 10_000, 5_000]
        assert {group.column(1).compression for group in groups} == {"ZSTD"}
        assert len(pieces) == 4

    def test_large_rows_make_smaller_groups(self) -> None:
        rows = ((f"{number:03}" * 300_000,) for number in range(200))
        pieces = b"".join(parquet(Export((Column("a", Type.TEXT, ""),), rows), View()))
        described = pq.read_metadata(io.BytesIO(pieces))
        assert described.num_rows == 200
        assert described.num_row_groups > 2

    def test_of_nothing_has_its_columns(self) -> None:
        table = pq.read_table(io.BytesIO(b"".join(parquet(Export((Column("a", Type.FLAG, ""),), iter([])), View()))))
        assert (table.num_rows, table.column_names) == (0, ["a"])


def test_all_rows_are_of_one_moment(rich: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(rich.read_bytes())
    rows = exported(copy, "files").rows
    count = len(list(exported(copy, "files").rows))
    next(rows)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM all_files")
    sealed(copy)
    assert len(list(rows)) == count - 1
    assert list(exported(copy, "files").rows) == []


def test_json_that_is_none_is_told(catalog: Path) -> None:
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("UPDATE shared SET content = '{'")
    sealed(catalog)
    with pytest.raises(CatalogError, match="malformed JSON"):
        list(exported(catalog, "backups").rows)


def test_every_view_is_described_in_its_sql(catalog: Path) -> None:
    with closing(sqlite3.connect(catalog)) as connection:
        found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    assert found == dict(views())
    assert all(f"/* {view.meaning} */" in found[name] for name, view in VIEWS.items())
    assert all(one.column.meaning in found[name] for name, view in VIEWS.items() for one in view.columns)


def multiply(catalog: Path, times: int) -> Path:
    """Make so many backups out of the only one, each with other keys that are kept beside its fields."""
    key, *names = (column.name for column in BACKUPS.columns)
    cells = ", ".join("99 + value" if name == "extra" else name for name in names)
    numbers = "WITH RECURSIVE numbers(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers LIMIT ?)"
    shared = "INSERT INTO shared SELECT 99 + value, CAST(value AS BLOB), json_object('x', value) FROM numbers"
    backups = f"INSERT INTO all_backups SELECT {key} + value, {cells} FROM all_backups, numbers"  # noqa: S608
    with closing(sqlite3.connect(catalog)) as connection, connection:
        for statement in (shared, backups):
            connection.execute(f"{numbers} {statement}", (times - 1,))
    sealed(catalog)
    return catalog


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a catalog of some backups, and one of many."""
    folder = tmp_path_factory.mktemp("growing")
    account = Account(folder / "home/exampleu")
    account.backup(content=backup_record(list_files=",".join(f"file{n}.php" for n in range(40)), backup_note="x" * 99))
    some, many = (scanned(folder / name, account.home) for name in ("some.sqlite", "many.sqlite"))
    return multiply(some, SOME), multiply(many, MANY)


@pytest.mark.parametrize(
    "form", [*(pytest.param(form, marks=pytest.mark.long) for form in ("jsonl", "csv")), "parquet"]
)
def test_memory_is_the_same_however_many_rows_there_are(growing: tuple[Path, Path], form: str, tmp_path: Path) -> None:
    target = tmp_path / f"export.{form}"
    told = [measured(COMMAND, "export", str(one), "--format", form, "-o", str(target)) for one in growing]
    assert [one.code for one in told] == [0, 0]
    some, many = (one.peak for one in told)
    assert many - some < KIBIBYTES_MORE
    if form == "parquet":
        assert pq.read_metadata(target).num_rows == MANY
    else:
        assert target.read_bytes().count(b"\n") == MANY + (form == "csv")
