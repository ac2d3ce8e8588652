"""The catalog's file: made, migrated, refused."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backupmeta.catalog import schema
from backupmeta.catalog.database import Catalog, translated_errors
from backupmeta.errors import CatalogError
from tests.invented import Account, archive, backup_record, run

OLDER = Path(__file__).parent.parent.parent / "fixtures/catalogs"


def described(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the columns of tables and views, wherever a migration added them, and the indices, as SQLite has them."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        names = [name for (name,) in tables]
        columns = {
            name: sorted(column[1:] for column in connection.execute(f"PRAGMA table_xinfo({name})")) for name in names
        }
        indices = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        return columns | {"indices": sorted(indices)}


@pytest.fixture(params=range(1, schema.VERSION))
def older(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Give a catalog of each older schema."""
    path = tmp_path / "older.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((OLDER / f"version-{request.param}.sql").read_text("utf-8"))
    return path


@pytest.mark.parametrize("command", [["list", "--catalog"], ["find"], ["stats"]])
def test_an_older_catalog_is_migrated_when_it_is_opened(older: Path, tmp_path: Path, command: list[str]) -> None:
    assert run(*command, older).code == 0
    with Catalog.written(str(tmp_path / "new.sqlite")):
        pass
    assert described(older) == described(tmp_path / "new.sqlite")


def test_nothing_is_lost_in_a_migration(older: Path) -> None:
    with closing(sqlite3.connect(older)) as connection:
        before = {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()  # noqa: S608 - our own names
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name != "seals"  # rows that have another column have other seals
        }
    with Catalog.written(str(older)):
        pass
    with closing(sqlite3.connect(older)) as connection:
        for name, rows in before.items():
            after = connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()  # noqa: S608 - our own names
            assert [row[: len(rows[0])] for row in after] == rows if rows else after == []
    assert len(run("list", "--catalog", older, "--jsonl").out.splitlines()) == 6


def test_the_next_scan_goes_on_with_a_migrated_catalog(older: Path, tmp_path: Path) -> None:
    home = Account(tmp_path / "home/exampleu")
    home.whole()
    assert run("scan", home.home, "-o", older, "--jobs", "1").code == 0
    assert len(run("list", "--catalog", older, "--jsonl").out.splitlines()) == 7


def test_no_trigger_runs_in_a_migration(older: Path) -> None:
    with closing(sqlite3.connect(older)) as connection:
        connection.execute("CREATE TRIGGER planted AFTER INSERT ON accounts BEGIN DELETE FROM all_backups; END")
    before = older.read_bytes()
    ran = run("list", "--catalog", older)
    assert (ran.code, "has a trigger of its own, planted" in ran.err) == (2, True)
    assert older.read_bytes() == before


def text(path: Path) -> None:
    path.write_text("no database at all\n" * 50)


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")


def newer(path: Path) -> None:
    with Catalog.written(str(path)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def cut(path: Path) -> None:
    with Catalog.written(str(path)):
        pass
    path.write_bytes(path.read_bytes()[:9000])


def overwritten(path: Path) -> None:
    with Catalog.written(str(path)):
        pass
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\x7f" * 4000 + content[4100:])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (text, "is no catalog"),
        (foreign, "is a SQLite database, but no catalog"),
        (newer, "was made by a newer backupmeta"),
    ],
)
def test_what_is_no_catalog_is_refused_and_left_as_it_is(
    make: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    path, root = tmp_path / "some.sqlite", tmp_path / "home"
    Account(root / "exampleu").whole()
    make(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    refuse(path, reason, ("scan", root, "-o", path), *answers(path))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize(("damage", "reason"), [(cut, "is cut off"), (overwritten, "malformed")])
def test_a_damaged_one_is_refused_put_aside_and_made_anew(
    damage: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    path, root = tmp_path / "some.sqlite", tmp_path / "home"
    Account(root / "exampleu").whole()
    damage(path)
    before = path.read_bytes()
    refuse(path, reason, *answers(path))
    ran = run("scan", root, "-o", path)
    assert (ran.code, reason in ran.err, str(path) + "-damaged" in ran.err) == (2, True, True)
    assert (tmp_path / "some.sqlite-damaged").read_bytes() == before
    assert len(run("list", "--catalog", path, "--jsonl").out.splitlines()) == 1
    assert run("scan", root, "-o", path).code == 0


def answers(path: Path) -> tuple[tuple[str | Path, ...], ...]:
    return (("list", "--catalog", path), ("stats", path), ("find", path))


def refuse(path: Path, reason: str, *commands: tuple[str | Path, ...]) -> None:
    """Assert that each of the ``commands`` says in one line why it does nothing with the catalog at ``path``."""
    for command in commands:
        ran = run(*command)
        assert (ran.code, ran.out) == (2, b"")
        assert len(ran.err.splitlines()) == 1
        assert (str(path) in ran.err, reason in ran.err) == (True, True)


def test_there_is_no_catalog(tmp_path: Path) -> None:
    ran = run("list", "--catalog", tmp_path / "nothing.sqlite")
    assert ran.code == 2
    assert "no such file" in ran.err
    assert not list(tmp_path.iterdir())


def test_an_archive_is_no_place_for_a_catalog(tmp_path: Path) -> None:
    home = Account(tmp_path / "home/exampleu")
    path = tmp_path / "some.sqlite"
    path.write_bytes(archive(backup_record()))
    ran = run("scan", home.home.parent, "-o", path)
    assert ran.code == 2
    assert "would be overwritten" in ran.err
    assert path.read_bytes() == archive(backup_record())


def test_a_catalog_is_never_written_among_the_evidence(tmp_path: Path) -> None:
    home = Account(tmp_path / "exampleu")
    home.whole()
    before = sorted(tmp_path.rglob("*"))
    for place in (home.home / "catalog.sqlite", home.archives / "c.sqlite"):
        ran = run("scan", tmp_path, "-o", place)
        assert ran.code == 2
        assert "where nothing is written" in ran.err
    assert sorted(tmp_path.rglob("*")) == before


def test_what_sqlite_says_is_a_catalog_error(tmp_path: Path) -> None:
    no_such_table = pytest.raises(CatalogError, match="no such table")
    with closing(sqlite3.connect(":memory:")) as connection, no_such_table, translated_errors(str(tmp_path)):
        connection.execute("SELECT 1 FROM nowhere")
