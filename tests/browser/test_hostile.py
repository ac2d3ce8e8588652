"""What evidence says runs nothing and marks nothing up, wherever it says it: it is seen as it is."""

import os
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.chromium import opened
from tests.browser.conftest import written
from tests.invented import Account, archive, backup_record, install_record, run

SCRIPT = "</script><script>alert('run')</script><img src=x onerror=alert('run')>"
COMMENT = "<!--<script>${alert('run')}\u2028"
ADDRESS = "javascript:alert('run')"
PLUGIN = "<svg onload=alert('run')>"
FILE = "app_\"onmouseover='alert(1)'\n<b>\udcff.tar.gz"


def hostile(homes: Path) -> Path:
    """Make a home that has markup, quotes, control characters and bytes that are not UTF-8 in every place."""
    account = Account(homes / "<i>user'\"")
    lines = {
        "title": SCRIPT,
        "url": ADDRESS,
        "version": "<u>6</u>",
        "installer": "<b>wp",
        "list_plugins": f"+{PLUGIN}/1",
    }
    account.backup(content=backup_record(**lines, backup_note=COMMENT))
    account.archive(embedded=backup_record(**lines, backup_note=COMMENT))
    account.install(content=install_record(**lines, cf_email=SCRIPT))
    (account.archives / os.fsencode(FILE).decode("utf-8", "surrogateescape")).write_bytes(
        archive(backup_record(**lines))
    )
    (account.archives / f"app_{PLUGIN.replace('/', '')}.tar.gz").write_bytes(b"<html><script>alert('run')</script>")
    return homes


def test_nothing_runs_and_all_is_seen_as_it_is(browser: Browser, tmp_path: Path) -> None:
    path = written(hostile(tmp_path / "<script>alert(1)</script>"), tmp_path / "report.html", "--deep")
    with opened(browser, path) as shown:
        for toggle in shown.page.locator(".toggle button[aria-expanded=false]").all()[::-1]:
            toggle.click()
        text = shown.page.locator("main").inner_text()
        for seen in (
            SCRIPT,
            "<!--<script>${alert('run')}\\u2028",
            ADDRESS,
            PLUGIN,
            "<i>user'\"",
            "<script>alert(1)</script>",
        ):
            assert seen in text
        assert "app_\"onmouseover='alert(1)'\\n<b>\ufffd.tar.gz" in text
        assert shown.page.locator("main :is(b, i, u, svg, img, script, [onerror], [onmouseover])").count() == 0
        hrefs = shown.page.locator("main a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert [href for href in hrefs if not href.startswith("#")] == []
        assert (shown.said, shown.asked) == ([], [path.as_uri()])


def test_the_policy_would_stop_it(browser: Browser, tmp_path: Path) -> None:
    Account(tmp_path / "home/exampleu")
    with opened(browser, written(tmp_path / "home", tmp_path / "report.html")) as shown:
        shown.page.evaluate("""() => {
            const script = document.createElement("script");
            script.append("alert('run')");
            document.body.append(script);
        }""")
        assert "will not be executed" in " ".join(shown.said)
        assert "run" not in shown.said


def test_markdown_marks_nothing_up(tmp_path: Path) -> None:
    text = run("report", hostile(tmp_path / "home"), "--format", "markdown", "--jobs", "1").text
    code, outside = ("".join(text.split("`")[first::2]) for first in (1, 0))
    assert "<script>alert" in code
    assert "<" not in outside
