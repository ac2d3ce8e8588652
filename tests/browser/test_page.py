"""A report's page in Chromium: it opens from a file, loads nothing, and does what a reader asks."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.fleets import DAY, write_fleet
from playwright.sync_api import Browser

from tests.browser.chromium import Opened, opened
from tests.browser.conftest import written
from tests.browser.sample import BEGIN, NOW, sample
from tests.invented import Account, backup_record, install_record

SITES = ["Choir forum", "Corner Bakery", "Garden", "Museum of Clocks", "Orders", "Pictures", "Seed shop"]


@pytest.fixture(scope="module")
def loaded(browser: Browser, page_of_sample: Path) -> Iterator[Opened]:
    """The sample's page, opened once: nothing is said on the console, and nothing asked for but the page."""
    with opened(browser, page_of_sample) as page:
        yield page
        assert (page.said, page.asked) == ([], [page_of_sample.as_uri()])


@pytest.fixture
def shown(loaded: Opened) -> Opened:
    """The sample's page as at its beginning."""
    loaded.reset()
    return loaded


def test_a_thousand_backups_open_without_a_word(browser: Browser, tmp_path: Path) -> None:
    write_fleet(tmp_path / "home", 20, 50)
    path = written(tmp_path / "home", tmp_path / "report.html")
    with opened(browser, path) as page:
        assert page.status("backups") == "1 to 50 of 1,000"
        assert page.rows("backups").count() == 50
        assert page.page.locator("#plot-timeline canvas").is_visible()
        assert (page.said, page.asked) == ([], [path.as_uri()])


class TestTables:
    def test_newest_backups_first(self, shown: Opened) -> None:
        assert shown.column("backups", "Made (UTC)")[:2] == ["2024-07-10 03:00:00", "2024-07-03 03:00:00"]
        assert shown.status("backups") == "1 to 50 of 187"

    def test_sort(self, shown: Opened) -> None:
        shown.sort("backups", "Made (UTC)")
        heading = shown.section("backups").get_by_role("columnheader", name="Made (UTC)")
        assert heading.get_attribute("aria-sort") == "ascending"
        assert shown.column("backups", "Made (UTC)")[0] == "2022-08-10 03:00:00"
        shown.sort("backups", "Made (UTC)")
        assert heading.get_attribute("aria-sort") == "descending"
        assert shown.column("backups", "Made (UTC)")[0] == "2024-07-10 03:00:00"
        shown.sort("backups", "Made (UTC)")
        assert heading.get_attribute("aria-sort") is None

    def test_sort_by_text_and_by_number(self, shown: Opened) -> None:
        shown.sort("installs", "Site")
        assert shown.column("installs", "Site") == [*SITES, "The Harbour Choir"]
        shown.sort("installs", "Backups")
        counts = list(map(int, shown.column("installs", "Backups")))
        assert (counts, len(counts)) == (sorted(counts), 8)

    def test_versions_are_sorted_as_versions(self, shown: Opened) -> None:
        shown.section("backups").get_by_label("Application").select_option(label="dokuwiki (18)")
        shown.sort("backups", "Version")
        assert list(dict.fromkeys(shown.column("backups", "Version"))) == ["9.4.1", "9.5.3", "10.1.6", "10.10.2"]

    def test_what_is_not_there_comes_last(self, shown: Opened) -> None:
        shown.section("backups").get_by_label("Search").fill("corner bakery")
        for _ in range(2):
            shown.sort("backups", "Size")
            assert shown.column("backups", "Size")[-1] == "-"

    def test_filter(self, shown: Opened) -> None:
        findings = shown.section("findings")
        findings.get_by_label("Severity").select_option("error (2)")
        assert shown.column("findings", "Severity") == ["error", "error"]
        assert shown.status("findings") == "1 to 2 of 2, of 277 in all"
        findings.get_by_role("button", name="Show all").click()
        assert shown.status("findings") == "1 to 50 of 277"

    def test_filters_go_together(self, shown: Opened) -> None:
        backups = shown.section("backups")
        backups.get_by_label("State").select_option(label="paired (185)")
        backups.get_by_label("Verdict").select_option(label="fail (2)")
        assert shown.column("backups", "Site") == ["Garden", "Corner Bakery"]

    def test_search(self, shown: Opened) -> None:
        shown.section("backups").get_by_label("Search").fill("CLOCKS 2023-05")
        assert shown.column("backups", "Site") == ["Museum of Clocks"]
        shown.section("backups").get_by_label("Search").fill("nobody has this")
        assert (shown.status("backups"), shown.rows("backups").count()) == ("Nothing found, of 187 in all", 0)

    def test_search_finds_what_is_in_the_details(self, shown: Opened) -> None:
        shown.section("backups").get_by_label("Search").fill("akismet b02000xx")
        assert shown.column("backups", "Site") == ["Corner Bakery"]

    def test_pages(self, shown: Opened) -> None:
        turn = shown.section("backups").get_by_role("group", name="Pages of Backups")
        assert turn.get_by_role("button", name="Previous").is_disabled()
        turn.get_by_role("button", name="Next").click()
        assert (shown.status("backups"), shown.rows("backups").count()) == ("51 to 100 of 187", 50)
        turn.get_by_role("button", name="Last").click()
        assert (shown.status("backups"), shown.rows("backups").count()) == ("151 to 187 of 187", 37)
        assert turn.get_by_role("button", name="Next").is_disabled()

    def test_details(self, shown: Opened) -> None:
        button = shown.section("backups").get_by_role("button", name=re.compile("Details of Seed shop")).first
        button.press("Enter")
        assert button.get_attribute("aria-expanded") == "true"
        details = shown.section("backups").locator("tr.details").inner_text()
        assert "akismet 5.3.6" in details
        assert re.search(r"SHA-256\s+[0-9a-f]{64}", details)
        shown.page.keyboard.press("Enter")
        assert shown.section("backups").locator("tr.details").count() == 0


class TestLinks:
    def test_from_a_finding_to_its_backup_and_back(self, shown: Opened) -> None:
        shown.section("backups").get_by_label("Search").fill("choir")
        finding = shown.rows("findings").filter(has_text="archive-truncated")
        finding.get_by_role("link", name="Corner Bakery, 2022-08-10 03:00").click()
        backup = shown.page.locator("section#backups tbody tr:focus")
        assert "Corner Bakery" in backup.inner_text()
        assert backup.is_visible()
        backup.get_by_role("link", name="2 errors").click()
        assert (
            shown.column("findings", "Severity")
            == ["error", "error", "note", "note"][: len(shown.column("findings", "Severity"))]
        )
        assert (
            shown.section("findings").locator(".chosen").inner_text() == "Only about: Corner Bakery, 2022-08-10 03:00"
        )
        shown.page.go_back()
        assert "Corner Bakery" in shown.page.locator("section#backups tbody tr:focus").inner_text()

    def test_contradictions_and_sites_that_are_gone_have_sections(self, shown: Opened) -> None:
        assert shown.status("contradictions") == "There are none."
        assert shown.status("gone_installs") == "There are none."
        assert "No evidence contradicts itself, as far as it was read." in shown.section("summary").inner_text()

    def test_from_the_summary_to_findings_of_a_kind(self, shown: Opened) -> None:
        shown.section("summary").get_by_role("link", name="archive-missing").click()
        assert shown.rows("findings").count() == 1
        assert shown.section("findings").get_by_label("Kind").input_value() != ""

    def test_from_a_backup_to_its_install_and_account(self, shown: Opened) -> None:
        shown.section("backups").get_by_role("button", name=re.compile("Details of")).first.click()
        shown.section("backups").locator("tr.details").get_by_role("link", name="Seed shop").click()
        assert "https://shop.garden.example" in shown.page.locator("section#installs tbody tr:focus").inner_text()
        shown.rows("installs").get_by_role("link", name=re.compile("choir")).first.click()
        assert "home/choir" in shown.page.locator("section#accounts tbody tr:focus").inner_text()

    def test_an_address_that_leads_nowhere_does_nothing(self, shown: Opened) -> None:
        for address in ("#backups/100000", "#backups/x", "#nothing/1", "#findings/colour/1", "#findings/id/none", "#%"):
            shown.page.evaluate("address => { location.hash = address; }", address)
        assert shown.page.get_by_role("heading", name="Annex E: Backups").is_visible()


class TestPlots:
    def test_they_follow_the_tables(self, shown: Opened) -> None:
        timeline = shown.page.locator("#plot-timeline tbody tr")
        assert timeline.count() == 8
        shown.section("backups").get_by_label("Application").select_option(label="wordpress (103)")
        assert timeline.count() == 4
        shown.section("installs").get_by_label("Application").select_option(label="wordpress (4)")
        cells = shown.page.locator("#plot-versions tbody tr").all_text_contents()
        assert cells == ["wordpress6.5.41", "wordpress6.4.32", "wordpress6.2.21"]

    def test_a_history_is_told_as_a_table(self, shown: Opened) -> None:
        rows = shown.page.locator("#plot-timeline tbody tr").all_text_contents()
        assert "Choir forum82022-08-10 03:00:002024-05-01 03:00:001.4.5 → 1.4.6" in rows

    def test_something_is_drawn(self, shown: Opened) -> None:
        colours = shown.page.evaluate(
            """() => Array.from(document.querySelectorAll("canvas"), (canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return new Set(new Uint32Array(data.buffer)).size;
            })"""
        )
        assert len(colours) == 3
        assert min(colours) > 10


def test_an_old_site_does_not_squeeze_the_scale(browser: Browser, tmp_path: Path) -> None:
    homes = sample(tmp_path / "home")
    account = Account(homes / "old")
    account.install("o" * 25, install_record(title="Old site", time="925516800"))  # 1999-05-01
    account.backup(content=backup_record(backup_install="o" * 25, backup_time="925516800"))
    with opened(browser, written(homes, tmp_path / "report.html")) as shown:
        told = shown.page.locator("#plot-timeline .told").inner_text()
        begin, end = shown.page.evaluate(
            "(({ min, max }) => [min, max])(Chart.getChart(document.querySelector('#plot-timeline canvas')).scales.x)"
        )
        rows = shown.page.locator("#plot-timeline tbody tr").all_text_contents()
    assert "far from the others at the edge of the scale: " in told
    assert "1999-05-01" in told
    assert BEGIN - 100 * DAY < begin < BEGIN
    assert NOW - 100 * DAY < end < NOW + 100 * DAY
    assert any("1999-05-01" in row for row in rows)


def test_what_is_copied_is_exact(shown: Opened) -> None:
    path = shown.section("archives").locator("tbody code").first
    assert path.locator("wbr").count() > 2
    assert re.fullmatch(r"application_backups/app_[-a-zA-Z_0-9.]+\.tar\.gz", path.inner_text())


def test_on_paper(shown: Opened, tmp_path: Path) -> None:
    for key in ("findings", "archives"):
        shown.section(key).get_by_label("Search").fill("bakery")
    shown.section("backups").get_by_label("Search").fill("clocks")
    paper = tmp_path / "report.pdf"
    assert shown.page.pdf(path=paper, format="A4").startswith(b"%PDF")
    assert shown.status("backups") == "1 to 18 of 18, of 187 in all"
    if shutil.which("pdftotext") is None:
        return
    text = subprocess.run(["pdftotext", "-layout", paper, "-"], capture_output=True, check=True).stdout.decode()
    assert all(time in text for time in ("2022-08-10 03:00:00", "2023-05-17 03:00:00", "2024-06-20 03:00:00"))
    assert "2024-07-03 03:00:00" not in text[text.index("Annex E: Backups") : text.index("Annex F: Installs")]
    assert "18 rows, of 187 in all" in text
    assert "1 to 50" not in text
    assert "Search" not in text


def test_nothing_sticks_out(shown: Opened) -> None:
    for width in (390, 768, 1280):
        shown.page.set_viewport_size({"width": width, "height": 900})
        assert shown.page.evaluate("document.documentElement.scrollWidth") == width


def test_by_keyboard_alone(browser: Browser, page_of_sample: Path) -> None:
    with opened(browser, page_of_sample) as shown:
        shown.page.keyboard.press("Tab")
        assert shown.page.locator(":focus").inner_text() == "Skip to the report"
        shown.page.keyboard.press("Enter")
        assert shown.page.evaluate("document.activeElement.id") == "main"
        for _ in range(15):
            shown.page.keyboard.press("Tab")
            assert shown.page.evaluate("document.activeElement.matches(':focus-visible')")


def test_without_a_script(browser: Browser, page_of_sample: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_of_sample.as_uri())
    text = page.locator("body").inner_text()
    context.close()
    assert "need JavaScript" in text
    assert "2 errors, 2 warnings, 273 notes" in text
    assert "fetch the archive again" in text
    assert "Search" not in text
