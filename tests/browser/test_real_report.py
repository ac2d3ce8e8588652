"""The report of a real backup, in Chromium; see tests/real/test_real_backup.py."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import opened
from tests.browser.conftest import written

FOLDER = os.environ.get("BACKUPMETA_REAL", "")


@pytest.mark.real
@pytest.mark.skipif(not FOLDER, reason="needs BACKUPMETA_REAL=FOLDER, made by 'scripts/real_backup.py FOLDER'")
def test_the_report_of_a_real_backup_opens_without_a_word(browser: Browser, tmp_path: Path) -> None:
    page = written(Path(FOLDER).absolute() / "home", tmp_path / "report.html", "--deep")
    with opened(browser, page) as shown:
        shown.rows("backups").first.wait_for()
        assert shown.rows("backups").count() == 1
        assert (shown.said, shown.asked) == ([], [page.as_uri()])
