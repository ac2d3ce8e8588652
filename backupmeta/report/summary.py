"""A report, counted: what its first page tells."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from backupmeta.account.home import State
from backupmeta.checks.verdict import Verdict
from backupmeta.report.model import Archive, Report
from backupmeta.vocabulary.kinds import Severity
from backupmeta.vocabulary.table import FINDINGS

_STATUSES: Final = ("present", "vanished", "unreadable")


class Kind(NamedTuple):
    """The findings of one id: its severity, its sentence and its advice, and how many they are."""

    id: str
    severity: str
    sentence: str
    advice: str
    times: int


class Duplicates(NamedTuple):
    """Archives that are there more than once: how many could be spared, and how large these are, in bytes."""

    copies: int
    bytes: int


class Summary(NamedTuple):
    """What is told in all.

    Attributes:
        accounts: how many accounts there are, by status.
        installs: how many live installs.
        backups: how many backups, by state.
        orphans: how many of them are of an install that is gone, in accounts that have installs.
        archives: how many archives.
        bytes: how large these are.
        digested: of how many of them a digest is known: those that were scanned deep.
        verdicts: how many of them came out how.
        duplicates: those that are there more than once, among the digested.
        oldest: when the oldest backup was made whose time is known, Unix seconds; None where there is none.
        newest: when the newest one was.
        severities: how many findings are how severe.
        kinds: the findings by id, the worst first.
    """

    accounts: Mapping[str, int]
    installs: int
    backups: Mapping[str, int]
    orphans: int
    archives: int
    bytes: int
    digested: int
    verdicts: Mapping[str, int]
    duplicates: Duplicates
    oldest: int | None
    newest: int | None
    severities: Mapping[str, int]
    kinds: tuple[Kind, ...]


def summary(report: Report) -> Summary:
    """Return ``report``, counted."""
    times = [one.time for one in report.backups if one.time is not None]
    with_installs = {one.account for one in report.installs}
    return Summary(
        accounts=_counted(_STATUSES, (one.status for one in report.accounts)),
        installs=len(report.installs),
        backups=_counted(State, (one.state for one in report.backups)),
        orphans=sum(one.install is None and one.account in with_installs for one in report.backups),
        archives=len(report.archives),
        bytes=sum(one.bytes for one in report.archives),
        digested=sum(one.sha256 is not None for one in report.archives),
        verdicts=_counted(Verdict, (one.verdict for one in report.archives if one.verdict is not None)),
        duplicates=_duplicates(report.archives),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        severities=_counted(Severity, (one.severity for one in report.findings)),
        kinds=_kinds(report),
    )


def _counted(words: Iterable[str], met: Iterable[str]) -> Mapping[str, int]:
    """Return how often each of the ``words`` was ``met``, be it never."""
    counts = Counter(met)
    return {str(word): counts[word] for word in words}


def _duplicates(archives: Iterable[Archive]) -> Duplicates:
    seen: set[str] = set()
    copies = size = 0
    for one in archives:
        if one.sha256 in seen:
            copies, size = copies + 1, size + one.bytes
        elif one.sha256 is not None:
            seen.add(one.sha256)
    return Duplicates(copies, size)


def _kinds(report: Report) -> tuple[Kind, ...]:
    """Return the findings by id and severity, in the order of the report; the sentence of an unknown one is its id."""
    counts = Counter((one.severity, one.id, one.advice) for one in report.findings)
    order = list(map(str, Severity))
    kinds = [
        Kind(id_, severity, FINDINGS[id_].sentence if id_ in FINDINGS else id_, advice, times)
        for (severity, id_, advice), times in counts.items()
    ]
    return tuple(sorted(kinds, key=lambda one: (order.index(one.severity), -one.times, one.id)))
