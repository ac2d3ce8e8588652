"""Columns are named: where a migration has put a new one is nowhere relied upon."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from backupmeta.api.models import Backup
from backupmeta.catalog import schema
from backupmeta.catalog.integrity import seal_all
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from tests.catalog.snapshots import current, differences
from tests.invented import BACKUP, NAME, Account, backup_record, install_record, run

ADDED: Final = "title"
"""A field in the middle of all fields, which the older schema is made not to have."""
MOVED: Final = {
    "scans": "ended INTEGER",
    "accounts": "path_bytes BLOB",
    "all_files": "moved_from INTEGER",
    "all_installs": "version TEXT",
    "all_backups": "utc_offset INTEGER",
    "all_findings": "backup INTEGER",
    "extensions": "version TEXT",
}
"""Of each table a column from its middle that no index has."""
OTHER: Final = "7" * 25


class Site:
    """Two accounts, each with an install and a backup whose two records differ."""

    def __init__(self, folder: Path) -> None:
        self.home, self.catalog = folder / "home", folder / "catalog.sqlite"
        self.ann, self.bob = Account(self.home / "ann"), Account(self.home / "bob")
        for account in (self.ann, self.bob):
            content = backup_record(backup_note=account.home.name)
            account.install(content=install_record(owner=account.home.name))
            account.backup(content=content)
            account.archive(embedded=content + b"odd")

    def scan(self, catalog: Path | None = None, *, deep: bool = True) -> ScanResult:
        return scan(str(catalog or self.catalog), Search((str(self.home),)), deep=deep)

    def change(self) -> None:
        """Change one of ann's backups and her install, and make another backup."""
        self.ann.backup(content=backup_record(backup_note="another note"))
        self.ann.install(content=install_record(owner="somebody"))
        content = backup_record(backup_filename=NAME.replace("Blog", "Other"), title="Other")
        self.ann.backup(OTHER, content)
        self.ann.archive(NAME.replace("Blog", "Other"), content)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def rows(catalog: Path, select: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(catalog)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(select)]


def backups_of(catalog: Path, account: str, *, of_now: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the rows of an account's backups by their columns' names, without the keys of what they share."""
    end = "IS NULL" if of_now else "IS NOT NULL"
    for row in rows(
        catalog,
        f"SELECT b.* FROM all_backups b JOIN accounts a USING (account)"  # noqa: S608
        f" WHERE a.name = '{account}' AND b.until {end} ORDER BY b.id",
    ):
        yield {name: row[name] for name in row if name not in {"backup", "since", "began"}}


def without(catalog: Path, column: str) -> None:
    """Make ``catalog`` one of an older schema, whose backups and installs had no such column yet."""
    with closing(sqlite3.connect(catalog)) as connection, connection:
        for (view,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            connection.execute(f"DROP VIEW {view}")
        for table in ("all_backups", "all_installs"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        seal_all(connection)


def natural_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next schema have the column again."""
    steps = tuple(f"ALTER TABLE {table} ADD COLUMN {ADDED} TEXT" for table in ("all_backups", "all_installs"))
    monkeypatch.setitem(schema.MIGRATIONS, schema.VERSION, steps)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)


def test_a_field_that_is_added_in_the_middle_finds_its_place_in_an_older_catalog(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.scan()
    bob = [{**row, ADDED: None} for row in backups_of(site.catalog, "bob")]
    ann = [{**row, ADDED: None} for row in backups_of(site.catalog, "ann")]
    without(site.catalog, ADDED)
    natural_migration(monkeypatch)
    site.change()
    tally = site.scan()
    assert (tally.altered, tally.unchanged) == ([], 1)
    with closing(sqlite3.connect(site.catalog)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('all_backups')")]
    assert names[-1] == ADDED
    assert list(backups_of(site.catalog, "bob")) == bob
    ended = [{**row, "until": None, "ended": None} for row in backups_of(site.catalog, "ann", of_now=False)]
    assert ended == ann
    site.scan(tmp_path / "anew.sqlite")
    of_ann = {table: [row for row in found if "/ann" in str(row)] for table, found in current(site.catalog).items()}
    anew = {
        table: [row for row in found if "/ann" in str(row)]
        for table, found in current(tmp_path / "anew.sqlite").items()
    }
    assert differences(of_ann, anew) == []
    titles = {row["id"]: row[ADDED] for row in backups_of(site.catalog, "ann")}
    assert titles == {BACKUP: "Blog", OTHER: "Other"}


def test_what_was_altered_before_a_migration_is_found_after_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.scan()
    without(site.catalog, ADDED)
    with closing(sqlite3.connect(site.catalog)) as connection, connection:
        connection.execute(
            "UPDATE all_backups SET url = 'https://forged.example' WHERE account ="
            " (SELECT account FROM accounts WHERE name = 'bob')"
        )
    natural_migration(monkeypatch)
    ran = run("stats", site.catalog)
    assert "1 of its 1 backups differ" in ran.err
    assert ran.err.count("differ") == 1
    assert [one.id for one in site.scan().altered] == ["catalog-altered"]
    assert site.scan().altered == []
    assert run("stats", site.catalog).code == 0


def test_an_altered_seal_is_found_after_a_migration(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.scan()
    without(site.catalog, ADDED)
    with closing(sqlite3.connect(site.catalog)) as connection, connection:
        connection.execute("DELETE FROM seals WHERE account = 1")
    natural_migration(monkeypatch)
    ran = run("stats", site.catalog)
    assert (ran.code, "accounts differ" in ran.err, "nothing tells what was scanned of it" in ran.err) == (
        2,
        True,
        True,
    )


@pytest.mark.parametrize("table", MOVED)
def test_a_column_may_stand_anywhere(site: Site, tmp_path: Path, table: str) -> None:
    site.scan()
    name, type_ = MOVED[table].split()
    with closing(sqlite3.connect(site.catalog)) as connection, connection:
        for (view,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            connection.execute(f"DROP VIEW {view}")
        for (index,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall():
            connection.execute(f"DROP INDEX {index}")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN held {type_}")
        connection.execute(f"UPDATE {table} SET held = {name}")  # noqa: S608 - our own names
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN held TO {name}")
    site.change()
    assert site.scan().altered == []
    site.scan(tmp_path / "anew.sqlite")
    assert differences(current(site.catalog), current(tmp_path / "anew.sqlite")) == []


def test_every_statement_names_its_columns() -> None:
    modules = (Path(schema.__file__).parent).glob("*.py")
    assert [module.name for module in modules if "SELECT *" in module.read_text("utf-8")] == []


def test_provenance_stands_in_the_order_of_the_wire(site: Site) -> None:
    site.ann.archive(embedded=backup_record(backup_note=None, title="Other", version_available="6.5"))
    site.scan(deep=False)
    fields: dict[int, list[str]] = {}
    for row in rows(site.catalog, "SELECT backup, field FROM provenance"):
        fields.setdefault(row["backup"], []).append(row["field"])
    assert len(fields) == 2
    assert list(fields.values()) == [
        [name for name in Backup.model_fields if name in names] for names in fields.values()
    ]
