"""Roots that lead to the same account."""

import sqlite3
from pathlib import Path

import pytest

from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from tests.invented import Account


@pytest.mark.parametrize(
    "roots", ["home account", "account home", "home linked", "linked/exampleu account", "home home"]
)
def test_an_account_is_stored_once(roots: str, tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    account.backup()
    account.archive()
    (tmp_path / "linked").symlink_to(tmp_path / "home")
    (tmp_path / "account").symlink_to(account.home)
    catalog = tmp_path / "catalog.sqlite"
    scan(str(catalog), Search(tuple(str(tmp_path / root) for root in roots.split())))
    with sqlite3.connect(catalog) as connection:
        assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM backups").fetchone() == (1,)
    connection.close()
