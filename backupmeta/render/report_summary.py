"""The first three pages of a report, in plain sentences: what was asked, over what, what was found, what is missing.

They are of bounded length, whatever was found, and refer to the annexes, which have all of it. The page and Markdown
say the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from backupmeta import escapes
from backupmeta.catalog.case import Case
from backupmeta.catalog.report import Report, ReportedFinding
from backupmeta.catalog.summary import FindingCount, Summary
from backupmeta.checks.rulebook import FINDINGS, is_contradiction
from backupmeta.findings import Severity
from backupmeta.words import amounts, are, counted, counts_of, cut, day, few, minute, size, visible

LONGEST: Final = 2_000
"""How many characters of a text are shown; a hostile record may have a million."""
_LONGEST_SENTENCE: Final = 240
"""How many characters of a finding's message the summary shows."""
_MOST_ROOTS: Final = 3
_MOST_ACCOUNTS: Final = 8
"""How many accounts a sentence names."""
_MOST_KINDS: Final = 20
_MOST_CONTRADICTIONS: Final = 12

ANNEXES: Final = {
    "kinds": "Findings by kind",
    "account_findings": "Findings by account",
    "contradictions": "Contradictions",
    "findings": "Findings",
    "backups": "Backups",
    "installs": "Installs",
    "gone_installs": "Sites that are gone",
    "accounts": "Accounts",
    "archives": "Archives and digests",
    "scans": "Scans",
    "plots": "Plots",
}
"""The annexes and their titles, in their order; a report's attributes with their rows have these names, too."""


def annex(key: str) -> str:
    """Return what an annex is called in a reference: ``Annex A``."""
    return f"Annex {'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[list(ANNEXES).index(key)]}"


def shown(text: str) -> str:
    """Return text from evidence as a report shows it: cut where it is very long, no control character, no command."""
    kept = escapes.inert(visible(text[:LONGEST]))
    return kept if len(text) <= LONGEST else f"{kept}… ({counted(len(text), 'character')})"


class Sentence(NamedTuple):
    """A sentence or two of the summary, and the annexes that have more of it."""

    text: str
    annexes: tuple[str, ...] = ()


Fact = tuple[str, str]
"""What something is called, and what it is."""


# --- what was asked, and over what ------------------------------------------------------------------------------------


def title(report: Report) -> str:
    """Return the report's title: the one that it was given, else what it is about."""
    return shown(report.case.title) if report.case.title else f"Backups of {scope(report)}"


def scope(report: Report) -> str:
    """Return what the report is about."""
    return few(tuple(map(shown, report.scans[0].roots)), _MOST_ROOTS) or "this machine"


def asked(report: Report) -> Iterator[Fact]:
    """Yield what was asked, by whom, and when."""
    yield from _described(report.case)
    yield "Looked into", few(report.scans[0].roots, _MOST_ROOTS) or "the conventional places of this machine"
    yield "Command", report.command
    yield "Written", f"{minute(report.written)} UTC by backupmeta {report.version}"


def _described(case: Case) -> Iterator[Fact]:
    facts = [("Case", case.number), ("Examiner", case.examiner), *(("Remark", remark) for remark in case.remarks)]
    facts.append(("Digest of the image, as given", case.evidence_digest))
    yield from ((label, text) for label, text in facts if text is not None)


def origin(report: Report) -> Iterator[Fact]:
    """Yield what the report was read from."""
    older = "" if report.oldest == report.as_of else f"; some accounts as of {minute(report.oldest)} UTC"
    yield "As of", f"{minute(report.as_of)} UTC{older}"
    yield "Catalog", "none: what is told was scanned for this report" if report.catalog is None else report.catalog
    if report.catalog is not None:
        yield "SHA-256 of the catalog", report.catalog_sha256 or "none: a scan is at work on it, or was killed"


class Tile(NamedTuple):
    """A figure of the summary: what it counts, the figure, and lines below."""

    label: str
    figure: str
    lines: tuple[str, ...]


def tiles(counts: Summary) -> Iterator[Tile]:
    """Yield how much there is of what."""
    yield Tile("Accounts", f"{sum(counts.accounts.values()):,}", (amounts(counts.accounts, "none"),))
    gone = counts.gone_installs
    lost = (f"{gone:,} more {are(gone)} gone",) if gone else ()
    yield Tile("Installs", f"{counts.installs:,}", ("live now", *lost))
    orphaned = counts.orphans.backups
    orphans = (f"{orphaned:,} of installs that are gone",) if orphaned else ()
    yield Tile("Backups", f"{sum(counts.backups.values()):,}", (amounts(counts.backups, "none"), *orphans))
    copies, wasted = _spare(counts)
    spare = (f"{counted(copies, 'copy', 'copies')} of others, {size(wasted)}",) if copies else ()
    yield Tile("Archives", size(counts.bytes), (f"in {counted(counts.archives, 'file')}", *spare))
    oldest, newest = (day(backup and backup.time) for backup in (counts.oldest, counts.newest))
    yield Tile("Oldest backup", oldest, (f"newest {newest}",))
    yield Tile("Findings", f"{sum(counts.severities.values()):,}", (counts_of(counts.severities, "none"),))


def _spare(counts: Summary) -> tuple[int, int]:
    """Return how many archives could be spared, and how large these are; no digest tells of any without a deep scan."""
    return (counts.duplicates.copies, counts.duplicates.wasted_bytes) if counts.duplicates else (0, 0)


def covered(report: Report) -> Iterator[Sentence]:
    """Yield over what the report is."""
    counts = report.summary
    yield Sentence(
        f"The report is about {counted(sum(counts.accounts.values()), 'account')}, "
        f"{counted(counts.installs, 'live install')}, {counted(sum(counts.backups.values()), 'backup')} "
        f"and {counted(counts.archives, 'archive')} of {size(counts.bytes)} in all.",
        ("backups", "installs", "accounts", "archives"),
    )
    yield Sentence(depth(counts), ("archives",))


def depth(counts: Summary) -> str:
    """Return of how many archives the whole file was read; a cut one has no more."""
    if not counts.archives:
        return "There is no archive."
    if not counts.digested:
        return "The file of no archive was read whole, so digests are not known: 'backupmeta scan --deep' takes them."
    if counts.digested == counts.archives:
        return "The files of all archives were read whole."
    return f"{counts.digested:,} of {counted(counts.archives, 'archive')} had their files read whole."


# --- what was found ---------------------------------------------------------------------------------------------------


def verdict(counts: Summary) -> str:
    """Return what was found, in a sentence or two."""
    severities = counts_of(counts.severities)
    findings = f"Findings: {severities}." if severities else "Nothing was found that somebody should know."
    verdicts = amounts(counts.verdicts)
    return f"{findings} " + (f"Archives whose files were read whole: {verdicts}." if verdicts else depth(counts))


def found(report: Report) -> Iterator[Sentence]:
    """Yield which accounts the findings are about, by the worst of each."""
    worst: dict[int, str] = {}
    for kind in report.account_findings:
        if kind.account is not None:
            worst.setdefault(kind.account, kind.severity)
    for severity in Severity:
        accounts = [report.account_names[account] for account, its_worst in worst.items() if its_worst == severity]
        if accounts:
            names = few(tuple(map(shown, accounts)), _MOST_ACCOUNTS)
            text = f"{_A[severity]} is the worst finding about {counted(len(accounts), 'account')}: {names}."
            yield Sentence(text, ("account_findings",))
    if clean := len(report.accounts) - len(worst):
        yield Sentence(f"There is no finding about {counted(clean, 'account')}.", ("accounts",))


_A: Final = {Severity.ERROR: "An error", Severity.WARNING: "A warning", Severity.NOTE: "A note"}


class Kind(NamedTuple):
    """A kind of findings, and how many accounts it is about."""

    finding: FindingCount
    accounts: int


def kinds(report: Report) -> Sequence[Kind]:
    """Return the kinds of findings, the worst first."""
    accounts = Counter((kind.id, kind.severity) for kind in report.account_findings if kind.account is not None)
    return [Kind(count, accounts[count.id, count.severity]) for count in report.summary.findings]


def first_kinds(report: Report) -> Sequence[Kind]:
    """Return those of the kinds that the summary has room for."""
    return kinds(report)[:_MOST_KINDS]


def other_kinds(report: Report) -> Iterator[Sentence]:
    """Yield how many kinds more there are."""
    if (more := len(report.summary.findings) - _MOST_KINDS) > 0:
        yield Sentence(f"{counted(more, 'kind')} more {are(more)} in the annex.", ("kinds",))


# --- what contradicts what --------------------------------------------------------------------------------------------


def contradicted(report: Report) -> Iterator[Sentence]:
    """Yield how often evidence contradicts itself."""
    if severities := counts_of(report.summary.contradictions):
        yield Sentence(
            f"Evidence contradicts itself: {severities}. The annex has both sides of each.", ("contradictions",)
        )
    else:
        yield Sentence("No evidence contradicts itself, as far as it was read.")


def gravest(report: Report) -> Sequence[ReportedFinding]:
    """Return the gravest contradictions, as many as the summary has room for; notes are counted by `honest`."""
    return _grave(report)[:_MOST_CONTRADICTIONS]


def _grave(report: Report) -> list[ReportedFinding]:
    return [finding for finding in report.contradictions if finding.severity != Severity.NOTE]


def in_short(finding: ReportedFinding) -> str:
    """Return what a finding says, as the summary has room for."""
    return cut(shown(finding.message), _LONGEST_SENTENCE)


def others(report: Report) -> Iterator[Sentence]:
    """Yield how many contradictions more there are, and of which kinds the notes are."""
    if (more := len(_grave(report)) - _MOST_CONTRADICTIONS) > 0:
        yield Sentence(f"{counted(more, 'contradiction')} more {are(more)} in the annex.", ("contradictions",))
    counts = [kind for kind in report.summary.findings if is_contradiction(kind.id) and kind.severity == Severity.NOTE]
    if counts:
        phrases = tuple(f"{shown(kind.sentence)} ({counted(kind.times, 'time')})" for kind in counts)
        yield Sentence(f"Notes, which may be honest: {few(phrases, _MOST_KINDS)}.", ("contradictions",))


# --- what is missing --------------------------------------------------------------------------------------------------


class _Gap(NamedTuple):
    """Something that may be missing: how often it is, what is said then, and what where it never is."""

    times: int
    text: str
    otherwise: str
    annexes: tuple[str, ...]


def missing(report: Report) -> Iterator[Sentence]:
    """Yield what is missing, and what was looked for and is not."""
    gaps = list(_gaps(report))
    yield from (Sentence(gap.text, gap.annexes) for gap in gaps if gap.times)
    if whole := [gap.otherwise for gap in gaps if not gap.times and gap.otherwise]:
        yield Sentence(f"Not missing, as far as was looked: {'; '.join(whole)}.")


def _gaps(report: Report) -> Iterable[_Gap]:
    yield from _gaps_of_scan(report)
    counts, states = report.summary, report.summary.backups
    gone = states.get("missing", 0)
    text = f"The archive of {counted(gone, 'backup')} is missing: only the record is there{_in(report, 'missing')}."
    yield _Gap(gone, text, "each record's archive is there", ("backups",))
    unclaimed = states.get("unclaimed", 0)
    text = f"No backup record names {counted(unclaimed, 'archive')}{_in(report, 'unclaimed')}."
    yield _Gap(unclaimed, text, "a record names each archive", ("backups", "archives"))
    remote = states.get("remote", 0)
    text = (
        f"The archive of {counted(remote, 'backup')} is kept elsewhere, and was not looked at{_in(report, 'remote')}."
    )
    yield _Gap(remote, text, "no archive is kept elsewhere", ("backups",))
    text = f"Of {counted(counts.gone_installs, 'site')}, only backups are left: {counts.orphans.backups:,} in all."
    yield _Gap(counts.gone_installs, text, "the site of each backup is still installed", ("gone_installs",))
    undated = sum(backup.time is None for backup in report.backups)
    text = f"The time of {counted(undated, 'backup')} is not known."
    yield _Gap(undated, text, "the time of each backup is known", ("backups",))


def _in(report: Report, state: str) -> str:
    """Return in which accounts there are backups of a state, to end a sentence; nothing where there are none."""
    names = {report.account_names[backup.account]: None for backup in report.backups if backup.state == state}
    return f" (in {few(tuple(map(shown, names)), _MOST_ACCOUNTS)})" if names else ""


def _gaps_of_scan(report: Report) -> Iterable[_Gap]:
    """Yield what could not be read."""
    scan, counts = report.scans[0], report.summary
    unread = tuple(map(shown, scan.unread))
    text = f"{counted(len(unread), 'root')} could not be read: {few(unread, _MOST_ROOTS)}."
    yield _Gap(len(unread), text, "all roots were read", ("scans",))
    yield _Gap(scan.ended is None, "The last scan was interrupted: what it had not come to is missing.", "", ("scans",))
    for status, what in {"vanished": "gone since an earlier scan", "unreadable": "unreadable"}.items():
        accounts = counts.accounts.get(status, 0)
        text = f"{counted(accounts, 'account')} {are(accounts)} {what}."
        yield _Gap(accounts, text, f"no account is {what}", ("accounts",))
    broken = sum(kind.times for kind in counts.findings if kind.id in FINDINGS and FINDINGS[kind.id].is_unread)
    text = f"Some evidence could not be read, or not to its end: {counted(broken, 'finding')}."
    yield _Gap(broken, text, "all that was met could be read", ("findings",))
    rest = counts.archives - counts.digested
    text = f"{counted(rest, 'archive')} {are(rest)} not read to the end: no digest is known, and no verdict."
    yield _Gap(rest, text, "each archive was read to its end", ("archives",))
