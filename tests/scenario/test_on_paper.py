"""The report of the tampered server, printed: three pages of summary, then the annexes; each page has its number."""

import re
import shutil
import subprocess

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import sync_playwright

from tests.browser.chromium import PROGRAM, launched, opened
from tests.invented import run
from tests.scenario.asked import Answers

pytestmark = pytest.mark.long

CASE = (
    "--title",
    "Webspace of the example host",
    "--case",
    '2024-0117/"x"',
    "--examiner",
    "J. Doe",
    "--remark",
    "Seized.",
)


@pytest.fixture(scope="module")
def pages(answers: Answers, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The text of each page of the printed report."""
    if PROGRAM is None or shutil.which("pdftotext") is None:
        pytest.skip("there is no Chromium here, or no pdftotext")
    folder = tmp_path_factory.mktemp("paper")
    page, paper = folder / "report.html", folder / "report.pdf"
    assert run("report", answers.catalog, "-o", page, *CASE).code == 0
    with sync_playwright() as playwright, launched(playwright) as browser, opened(browser, page) as shown:
        shown.page.pdf(path=paper, prefer_css_page_size=True)
        assert shown.said == []
    text = subprocess.run(["pdftotext", "-layout", paper, "-"], capture_output=True, check=True).stdout.decode()
    return text.split("\f")[:-1]


def test_the_summary_is_the_first_three_pages(pages: list[str]) -> None:
    headings = [["What was asked", "Over what"], ["What was found"], ["What contradicts what", "What is missing"]]
    for number, expected in enumerate(headings):
        places = [re.search(f"^ *{heading}$", pages[number], re.MULTILINE) for heading in expected]
        assert None not in places
    assert [number for number, page in enumerate(pages) if "Annex A: Findings by kind" in page] == [3]
    assert all(words in pages[0] for words in ("Webspace of the example host", "2024-0117", "J. Doe", "Seized."))
    assert "30 accounts" in pages[0]
    assert "/home/otto" in pages[1]
    assert "intruder@example.net" in pages[2]
    assert "is missing: only the record is there (in /home/vera)" in " ".join(pages[2].split())


def test_each_page_has_its_number(pages: list[str]) -> None:
    feet = [re.search(r"backupmeta report, case 2024-0117/\"x\" +(\d+) / (\d+)\s*$", page) for page in pages]
    assert [foot and foot.groups() for foot in feet] == [
        (str(number), str(len(pages))) for number in range(1, len(pages) + 1)
    ]


def test_annexes_stand_in_their_order_under_repeated_headings(pages: list[str]) -> None:
    assert re.findall(r"Annex ([A-K]): ", "\n".join(pages)) == list("ABCDEFGHIJK")
    first, end = (next(n for n, page in enumerate(pages) if f"Annex {letter}: " in page) for letter in "EF")
    assert end - first > 2
    assert all("Made (UTC)" in page and "Administrator" in page for page in pages[first:end])
