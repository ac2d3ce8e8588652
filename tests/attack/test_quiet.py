"""``--quiet``, and bounds of answers: what fails, or can't be read, is told nevertheless."""

import shutil
from pathlib import Path

from tests.invented import NAME, Account, run


def test_a_quiet_scan_says_that_all_accounts_are_gone(tmp_path: Path) -> None:
    account, catalog = Account(tmp_path / "homes/exampleu").whole(), tmp_path / "c.sqlite"
    assert run("scan", tmp_path / "homes", "-o", catalog, "--quiet", "--jobs", "1").code == 0
    shutil.rmtree(account.home)
    ran = run("scan", tmp_path / "homes", "-o", catalog, "--quiet", "--fail-on", "vanished", "--jobs", "1")
    assert (ran.code, ran.out) == (2, b"")
    assert f"{tmp_path}/homes: has nothing in it, and had accounts before" in ran.err


def test_quiet_sarif_says_that_errors_are_left_out(tmp_path: Path) -> None:
    for number in range(2):
        account = Account(tmp_path / f"homes/u{number}").whole()
        (account.archives / NAME).write_bytes(b"no archive")
    ran = run("verify", tmp_path / "homes", "--format", "sarif", "--sarif-results", "1", "--quiet", "--jobs", "1")
    assert (ran.code, len(ran.json["runs"][0]["results"])) == (2, 1)
    assert "left out of SARIF: 1 error" in ran.err
