"""A report's page, Markdown and JSON, as text; what a browser makes of the page stands in tests/browser."""

import base64
import hashlib
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backupmeta.render
from backupmeta.catalog.case import NO_CASE
from backupmeta.catalog.database import Scan
from backupmeta.catalog.report import Asked, Extension, Report, ReportedAccount, ReportedBackup, ReportedFinding
from backupmeta.catalog.report import report as read
from backupmeta.catalog.scanning import scan
from backupmeta.catalog.summary import FindingCount, Part, Summary
from backupmeta.render.page import content, html
from backupmeta.render.report_summary import LONGEST, shown
from backupmeta.render.report_text import MOST, markdown, report_json
from backupmeta.search import Search
from backupmeta.words import minute, size
from tests.invented import TIME, Account, archive, backup_record
from tests.sites import honest


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("report")
    honest(folder / "home/exampleu")
    other = Account(folder / "home" / os.fsdecode(b"o\xffther"))
    (other.archives / os.fsdecode(b"app_\xfe.tar.gz")).write_bytes(archive(backup_record(title="a|b `c` <i>")))
    catalog = str(folder / "catalog.sqlite")
    scan(catalog, Search((str(folder / "home"),)), deep=True)
    return read(catalog, Asked(TIME, "backupmeta report 'x'", "catalog.sqlite", TIME))


class Elements(HTMLParser):
    """The elements of a page and their attributes, as Python's parser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class TestPage:
    def test_its_policy_allows_its_own_scripts_and_style_alone(self, report: Report) -> None:
        page = html(report)
        [policy] = [told["content"] for _, told in Elements(page).found if told.get("http-equiv")]
        told = dict(one.split(" ", 1) for one in str(policy).split("; "))
        scripts, styles = (re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("script", "style"))
        assert told["default-src"] == "'none'"
        assert told["script-src"].split() == list(map(digest, scripts))
        assert told["style-src"].split() == list(map(digest, styles))
        assert (len(scripts), len(styles)) == (3, 1)
        assert (told["base-uri"], told["form-action"]) == ("'none'", "'none'")
        assert "unsafe" not in str(policy)

    def test_it_has_nothing_that_would_be_loaded_or_run(self, report: Report) -> None:
        elements = Elements(html(report)).found
        attributes = {name for _, told in elements for name in told}
        assert attributes & {"src", "srcset", "style", "action"} == set()
        assert [name for name in attributes if name.startswith("on")] == []
        assert {tag for tag, _ in elements} & {"link", "img", "iframe", "object", "embed", "base"} == set()
        assert all(str(told["href"]).startswith("#") for _, told in elements if "href" in told)

    def test_the_same_report_is_the_same_page(self, report: Report) -> None:
        assert html(report) == html(report)

    def test_what_it_says_first(self, report: Report) -> None:
        page = html(report)
        assert "Archives whose files were read whole: 1 pass, 1 fail." in page
        assert "backupmeta report &#39;x&#39;" in page
        assert "The files of all archives were read whole." in page

    def test_it_says_whether_evidence_contradicts_itself(self) -> None:
        findings = (
            ("application-version-differs", "error", 2),
            ("record-rewritten", "note", 1),
            ("unknown", "note", 9),
        )
        counts = NOTHING._replace(findings=tuple(map(FindingCount._make, findings)))
        page = html(replace(EMPTY, summary=counts))
        assert "Evidence contradicts itself: 2 errors, 1 note. The annex has both sides of each." in page
        assert "No evidence contradicts itself, as far as it was read." in html(EMPTY)

    def test_it_says_where_digests_are_not_known(self, report: Report) -> None:
        undigested = report.summary._replace(digested=0, verdicts={})
        assert "was read whole, so digests" in html(replace(report, summary=undigested))


BACKUP_ROW = ReportedBackup(
    number=1,
    account=1,
    install=None,
    install_id=None,
    id="b" * 25,
    state="paired",
    time=TIME,
    application="wordpress",
    version="6.5.4",
    title="Blog",
    url=None,
    path=None,
    user=None,
    login=None,
    email=None,
    location=None,
    note=None,
    plugins=(),
    themes=(),
    archive=None,
    bytes=None,
    sha256=None,
    verdict=None,
)
PACKAGE = Path(str(backupmeta.render.__file__)).with_name("report")
NOTHING = Summary(
    now=TIME,
    scans=(),
    accounts={"present": 1, "vanished": 0, "unreadable": 0},
    installs=0,
    gone_installs=0,
    backups={},
    archives=0,
    bytes=0,
    digested=0,
    verdicts={},
    oldest=None,
    newest=None,
    orphans=Part((), 0, 0, 0),
    duplicates=None,
    largest=(),
    applications=(),
    versions=(),
    ages=(),
    months=(),
    findings=(),
)
HOME = ReportedAccount(1, "", "/home/u", "/home/u", "present", 0, 1, 0, 0, TIME)
SCAN = Scan(1, ("/home",), "1", TIME, None, ())
EMPTY = Report(TIME, "1", "", NO_CASE, None, None, TIME, TIME, (SCAN,), (HOME,), (), (), (), (), (), NOTHING)
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("</script><!--&\u2028\u2029\\\"'`|*_[]\n\x00\x1b"))


@given(TEXTS, TEXTS)
def test_no_text_ends_the_content_or_gets_lost_in_it(title: str, plugin: str) -> None:
    backup = replace(BACKUP_ROW, title=title, plugins=(Extension(plugin, None, None),))
    told = content(replace(EMPTY, backups=(backup,)))
    assert re.search("[<>&\u2028\u2029]", told) is None
    parsed = json.loads(told)
    [table] = [table for table in parsed["tables"] if table["key"] == "backups"]
    columns = {one["key"]: one["cells"] for one in table["columns"]}
    assert parsed["texts"][columns["title"][0]] == shown(title)
    assert parsed["texts"][columns["plugins"][0]] == shown(plugin)
    assert parsed["texts"] == sorted(parsed["texts"], key=lambda text: (text.lower(), text))


@given(TEXTS)
def test_markdown_keeps_its_rows_whatever_the_text(title: str) -> None:
    told = markdown(replace(EMPTY, backups=(replace(BACKUP_ROW, title=title, url=title),)))
    [row] = [line for line in told.splitlines() if "| paired " in line]
    assert row.count("|") == 9
    assert row.count("`") % 2 == 0


class TestMarkdown:
    def test_what_it_says(self, report: Report) -> None:
        text = markdown(report)
        assert text.startswith("# Backups of ")
        headings = re.findall("^## (.*)$", text, re.MULTILINE)
        assert headings == [
            "What was asked", "Over what", "What was found", "What contradicts what", "What is missing",
            "Annex A: Findings by kind", "Annex B: Findings by account", "Annex C: Contradictions", "Annex D: Findings",
            "Annex E: Backups", "Annex F: Installs", "Annex G: Sites that are gone", "Annex H: Accounts",
            "Annex I: Archives and digests", "Annex J: Scans",
        ]  # fmt: skip
        assert "| 2024-06-13 20:55 | Blog `https://www.example.com/blog` " in text
        assert r"`a\x7cb \x60c\x60 <i>`" in text

    def test_it_is_bounded_and_says_so(self) -> None:
        found = ReportedFinding(1, None, None, "archive-missing", "warning", "gone", "look", ())
        text = markdown(replace(EMPTY, findings=(found,) * (MOST + 7)))
        assert text.partition("## Annex D")[2].count("| gone ") == MOST
        assert "…and 7 more" in text


class TestJson:
    def test_it_has_what_the_report_has(self, report: Report) -> None:
        told = json.loads(report_json(report))
        assert set(told) == {
            "summary", "written", "version", "command", "case", "catalog", "catalog_sha256", "as_of", "oldest",
            "scans", "accounts", "installs", "gone_installs", "backups", "archives", "findings", "contradictions",
        }  # fmt: skip
        assert (told["written"], told["catalog"]) == ("2024-06-13T20:55:21+00:00", "catalog.sqlite")
        blog = next(one for one in told["backups"] if one["title"] == "Blog")
        assert blog["plugins"] == [{"id": "akismet", "version": "5.3.6", "is_active": True}]
        assert told["summary"]["verdicts"] == {"not judged": 0, "pass": 1, "fail": 1, "unreadable": 0}

    def test_names_that_are_not_utf8_have_a_twin(self, report: Report) -> None:
        told = json.loads(report_json(report))
        twins = {one["path_base64"] for one in told["archives"] if "path_base64" in one}
        assert {base64.b64decode(twin) for twin in twins} == {b"application_backups/app_\xfe.tar.gz"}

    def test_of_nothing(self) -> None:
        told = json.loads(report_json(EMPTY))
        assert (told["backups"], told["findings"], told["catalog"]) == ([], [], None)


def test_words() -> None:
    assert [size(one) for one in (0, 999, 1000, 6_284_582)] == ["0 bytes", "999 bytes", "1.0 kB", "6.3 MB"]
    assert [minute(one) for one in (TIME, None, 10**18)] == ["2024-06-13 20:55", "-", "1000000000000000000"]
    assert shown("a\n\u202e\udcff") == "a\\n\\u202e\ufffd"
    assert shown("x" * (LONGEST + 1)) == "x" * LONGEST + "… (2,001 characters)"


def test_the_scripts_hold_no_end_of_themselves_and_parse_no_markup() -> None:
    texts = {path.name: path.read_text("utf-8") for path in (*PACKAGE.glob("*.js"), *PACKAGE.glob("*.css"))}
    assert set(texts) == {"page.js", "plots.js", "chart.umd.min.js", "style.css"}
    assert [name for name, text in texts.items() if re.search("</(script|style)|<!--", text, re.IGNORECASE)] == []
    markup = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function")
    assert [name for name, text in texts.items() if markup.search(text)] == []


def test_the_vendored_script_is_the_one_that_is_described() -> None:
    described = (PACKAGE / "VENDORED.md").read_text("utf-8")
    digest = hashlib.sha256((PACKAGE / "chart.umd.min.js").read_bytes()).hexdigest()
    assert digest in described
