"""The summary of a report: what its sentences say of counts that were made up, and that they stay short."""

from dataclasses import replace

from backupmeta.catalog.report import Report, ReportedFinding
from backupmeta.catalog.summary import FindingCount
from backupmeta.render import report_summary as summary
from backupmeta.render.report_text import markdown
from tests.render.test_report import BACKUP_ROW, EMPTY, HOME, NOTHING, SCAN


def missing(report: Report) -> list[str]:
    return [sentence.text for sentence in summary.missing(report)]


def test_what_is_missing_is_counted_and_named() -> None:
    counts = NOTHING._replace(
        backups={"missing": 1, "unclaimed": 2, "remote": 3}, archives=5, digested=4, gone_installs=2
    )
    scan = replace(SCAN, unread=("/home/broken",))
    backups = (replace(BACKUP_ROW, state="missing"), replace(BACKUP_ROW, state="missing", time=None))
    *sentences, last = missing(replace(EMPTY, summary=counts, scans=(scan,), backups=backups))
    assert last.startswith(
        "Not missing, as far as was looked: no account is gone since an earlier scan; no account is "
    )
    assert sentences == [
        "1 root could not be read: /home/broken.",
        "The last scan was interrupted: what it had not come to is missing.",
        "1 archive is not read to the end: no digest is known, and no verdict.",
        "The archive of 1 backup is missing: only the record is there (in /home/u).",
        "No backup record names 2 archives.",
        "The archive of 3 backups is kept elsewhere, and was not looked at.",
        "Of 2 sites, only backups are left: 0 in all.",
        "The time of 1 backup is not known.",
    ]


def test_what_could_not_be_read_is_missing() -> None:
    counts = NOTHING._replace(
        accounts={"present": 1, "vanished": 2, "unreadable": 1},
        findings=(FindingCount("archive-truncated", "error", 2), FindingCount("unknown", "error", 5)),
    )
    sentences = missing(replace(EMPTY, summary=counts))
    assert "2 accounts are gone since an earlier scan." in sentences
    assert "1 account is unreadable." in sentences
    assert "Some evidence could not be read, or not to its end: 2 findings." in sentences


def test_the_summary_is_as_long_whatever_was_found() -> None:
    accounts = tuple(replace(HOME, number=number, path=f"/h/{number}", seen=f"/h/{number}") for number in range(5_000))
    message = "x" * 5_000
    findings = tuple(
        ReportedFinding(number, None, None, "application-version-differs", "error", message, "", ())
        for number in range(5_000)
    )
    kinds = tuple(FindingCount(f"unknown-{number}", "note", 1) for number in range(500))
    counts = NOTHING._replace(findings=(FindingCount("application-version-differs", "error", 5_000), *kinds))
    report = replace(EMPTY, accounts=accounts, findings=findings, summary=counts)
    text = markdown(report)
    front = text[: text.index("## Annex A")]
    assert len(front.splitlines()) < 100
    assert max(map(len, front.splitlines())) < 500
    assert "An error is the worst finding about 5,000 accounts: `/h/0, /h/1" in front
    assert "and 4,992 more" in front
    assert "481 kinds more are in the annex. (Annex A)" in front
    assert "4,988 contradictions more are in the annex. (Annex C)" in front
