"""What strangers wrote into records, names and members is no formula in a spreadsheet that opens an answer."""

import csv
import io
from typing import Final

import pytest

from tests.events.scene import packed
from tests.invented import NAME, Account, backup_record, install_record, run

FORMULAS: Final = ("=cmd|' /C calc'!A0", "@SUM(1)", "+1+1", "-1+1", "x;=1+1", "x\t=1+1", ' "=1+1', "\uff1d1")
"""Each begins a cell, or does where `;` or a tab begins one (OWASP, "CSV Injection")."""
SIGNS: Final = ("=", "+", "-", "@", "\uff1d")
COMMANDS: Final = {
    "list": ("list", "{homes}"),
    "installs": ("installs", "{homes}"),
    "installs --gone": ("installs", "{homes}", "--gone"),
    "find": ("find", "{catalog}"),
    "find --member": ("find", "{catalog}", "--member", "*"),
    **{f"export {table}": ("export", "{catalog}", "--table", table) for table in ("backups", "installs", "plugins")},
    "export findings": ("export", "{catalog}", "--table", "findings"),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give accounts whose backups and installs have a formula wherever there is room, and their catalog."""
    folder = tmp_path_factory.mktemp("spreadsheets")
    for number, formula in enumerate(FORMULAS):
        values = dict.fromkeys(("title", "backup_note", "version", "user", "cf_odd", "list_plugins"), formula)
        account = Account(folder / f"homes/u{number}")
        account.backup(content=(record := backup_record(**values)))
        account.install(content=install_record(**values))
        (account.archives / NAME).write_bytes(packed(record, {f"{formula.replace('/', '')}.php": 1}))
        gone = backup_record(backup_install="g" * 25, backup_filename=f"{formula.replace('/', '')}.tar.gz", **values)
        account.backup("g" * 25, content=gone)
    catalog = folder / "c.sqlite"
    assert run("scan", folder / "homes", "-o", catalog, "--members", "--jobs", "1").code == 0
    return {"homes": str(folder / "homes"), "catalog": str(catalog)}


def formulas(text: str) -> set[str]:
    """Return the cells that a spreadsheet would run, whichever separator its system has for lists."""
    rows = [row for mark in ",;\t" for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark)]
    return {cell for row in rows for cell in row if cell.strip(' \t\r\n"').startswith(SIGNS)}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_cell_is_run(places: dict[str, str], name: str) -> None:
    command = [word.format(**places) for word in COMMANDS[name]]
    exact, safe, excel = (run(*command, "--format", form) for form in ("csv", "csv-safe", "csv-excel"))
    assert formulas(exact.text)
    assert formulas(safe.text) == set()
    assert excel.text == f"\ufeff{safe.text}"
    assert exact.code == safe.code == excel.code
