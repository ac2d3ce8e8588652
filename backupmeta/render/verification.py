"""What came out of verifying, as text for people and as JSON; and what every format of it needs.

Findings of one id in one target are told together (`Alike`): the sentence and the advice once, then what differs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from backupmeta.checks.verdict import Judged, Verdict, Verification
from backupmeta.escapes import inert
from backupmeta.findings import Finding
from backupmeta.provenance import display, located, named
from backupmeta.render.json import spaced
from backupmeta.render.text import visible
from backupmeta.vocabulary.kinds import Group, Severity
from backupmeta.vocabulary.table import FINDINGS

Paint = Callable[[Severity | Verdict], str]
"""Gives a severity or verdict as it is to be shown: as `str` gives it, or `_coloured`."""

_BRIEF: Final = 3
_COLOURS: Final = {
    Severity.ERROR: 31,
    Severity.WARNING: 33,
    Severity.NOTE: 36,
    Verdict.NOT_JUDGED: 36,
    Verdict.PASS: 32,
    Verdict.FAIL: 31,
    Verdict.UNREADABLE: 35,
}


class Tally:
    """Counts verifications, and what was found, while they pass through.

    Attributes:
        verdicts: how many targets came out how.
        severities: how many findings are how severe.
    """

    def __init__(self) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self.severities: Counter[Severity] = Counter()
        self._unjudged = 0
        self._archives = 0

    def counting(self, verifications: Iterable[Verification]) -> Iterator[Verification]:
        """Yield the ``verifications``, counted."""
        for one in verifications:
            self.verdicts[one.verdict] += 1
            self._archives += one.kind == "archive"
            self._unjudged += one.verdict is Verdict.NOT_JUDGED
            self.severities.update(judged.severity for judged in one.judged)
            yield one

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict, an unreadable target being worse than one that fails; None where there was no target.

        Where no archive was judged, that an account passes says nothing of what lies in it.
        """
        worst = next((verdict for verdict in reversed(Verdict) if self.verdicts[verdict]), None)
        is_nothing_judged = worst is Verdict.PASS and 0 < self._archives == self._unjudged
        return Verdict.NOT_JUDGED if is_nothing_judged else worst

    @property
    def line(self) -> str:
        """The verdict over everything, in one line: ``3 targets: 2 pass, 1 fail``."""
        counts = [f"{self.verdicts[verdict]:,} {verdict}" for verdict in Verdict if self.verdicts[verdict]]
        return f"{counted(self.verdicts.total(), 'target')}: {', '.join(counts) or 'nothing was verified'}"


class Alike(NamedTuple):
    """The findings of one id in one target.

    Attributes:
        id: a key of `FINDINGS`.
        severity: how severe they are by the policy.
        findings: the findings, one or more.
    """

    id: str
    severity: Severity
    findings: tuple[Finding, ...]

    @property
    def sentence(self) -> str:
        """The whole message of a single finding; of several, what they have in common."""
        one, *others = self.findings
        return FINDINGS[self.id].sentence if others else visible(one.message)

    @property
    def particulars(self) -> list[str]:
        """What tells several findings apart, one by one; empty for a single one."""
        return [visible(_particulars(one)) for one in self.findings] if len(self.findings) > 1 else []

    @property
    def advice(self) -> str:
        """What to do about them."""
        return FINDINGS[self.id].advice


def alike(judged: Iterable[Judged]) -> list[Alike]:
    """Return what was found, the findings of one id together, in the order of their first."""
    gathered: dict[tuple[str, Severity], list[Finding]] = {}
    for finding, severity in judged:
        gathered.setdefault((finding.id, severity), []).append(finding)
    return [Alike(id_, severity, tuple(findings)) for (id_, severity), findings in gathered.items()]


def by_group(judged: Iterable[Judged]) -> dict[Group, list[Judged]]:
    """Return what was found by what it answers, in the vocabulary's order; groups without a finding are left out."""
    found = list(judged)
    groups = {group: [one for one in found if FINDINGS[one.finding.id].group is group] for group in Group}
    return {group: members for group, members in groups.items() if members}


def blamed(one: Verification) -> frozenset[Severity]:
    """Return the severities that are held against a target: none where it passes, or is not judged.

    A verification does not say what its policy lets fail: errors and warnings are, and notes where it has nothing else.
    """
    if one.verdict in {Verdict.PASS, Verdict.NOT_JUDGED}:
        return frozenset()
    met = frozenset(judged.severity for judged in one.judged)
    return met - {Severity.NOTE} or met


def told(found: Alike, paint: Paint = str) -> Iterator[str]:
    """Yield what was found as lines without an indent: a message, what differs, the advice; a note in one line."""
    if found.severity is Severity.NOTE:
        more = "; …" if len(found.particulars) > _BRIEF else ""
        examples = f": {'; '.join(found.particulars[:_BRIEF])}{more}" if found.particulars else ""
        yield f"{paint(found.severity)}: {found.sentence}{examples} [{found.id}]"
    else:
        yield f"{paint(found.severity)}: {found.sentence} [{found.id}]"
        yield from (f"  - {particular}" for particular in found.particulars)
        yield f"  advice: {found.advice}"


def counted(number: int, word: str) -> str:
    """Return a number and what it counts: ``1 target``, ``2,000 targets``."""
    return f"{number:,} {word}{'s'[: number != 1]}"


def as_text(verifications: Iterable[Verification], *, is_terminal: bool) -> Iterator[str]:
    """Yield text for people, a part a target as it comes, the verdict over everything last.

    A target is one line, and under it what was found, by `Group`, the most severe first::

        /home/u/application_backups/app_a.tar.gz: fail (1 error, 1 note)
          whole
            error: the archive is cut off (at byte 512) [archive-truncated]
              advice: fetch the archive again, …
          record
            note: the record holds secrets in clear text (db_pass) [record-holds-secrets]
        1 target: 1 fail

    Args:
        verifications: what came out, target by target.
        is_terminal: whether severities and verdicts are coloured, with ANSI escape sequences.
    """
    paint: Paint = _coloured if is_terminal else str
    tally = Tally()
    for one in tally.counting(verifications):
        yield inert("".join(f"{line}\n" for line in _lines(one, paint)))
    yield tally.line + "\n"


def as_json(verifications: Iterable[Verification]) -> Iterator[str]:
    """Yield one JSON object, ``targets`` and ``summary``, a part a target as it comes.

    The summary counts targets, verdicts and findings by severity; its verdict is the worst one, null without a target.
    """
    tally, before = Tally(), '{"targets": [\n  '
    for one in tally.counting(verifications):
        yield before + spaced(target(one))
        before = ",\n  "
    summary = {
        "targets": tally.verdicts.total(),
        "verdicts": {verdict: tally.verdicts[verdict] for verdict in Verdict},
        "severities": {severity: tally.severities[severity] for severity in Severity},
        "verdict": tally.verdict,
    }
    yield ("\n" if tally.verdict else before.rstrip()) + f'],\n"summary": {spaced(summary)}}}\n'


def _lines(one: Verification, paint: Paint) -> Iterator[str]:
    """Yield the lines of one target."""
    severities = Counter(judged.severity for judged in one.judged)
    counts = ", ".join(counted(severities[severity], severity) for severity in Severity if severities[severity])
    yield f"{visible(one.path)}: {paint(one.verdict)}{counts and f' ({counts})'}"
    for group, judged in by_group(one.judged).items():
        yield f"  {group}"
        for found in alike(judged):
            yield from (f"    {line}" for line in told(found, paint))


def target(one: Verification) -> dict[str, object]:
    """Return what came out for one target."""
    return {
        **named("path", one.path),
        "verdict": one.verdict,
        "sha256": one.sha256,
        "findings": [_finding(judged) for judged in one.judged],
    }


def _finding(judged: Judged) -> dict[str, object]:
    return {
        "id": judged.finding.id,
        "severity": judged.severity,
        "message": display(judged.finding.message),
        "advice": FINDINGS[judged.finding.id].advice,
        "evidence": [located(place) for place in judged.finding.evidence],
    }


def _particulars(one: Finding) -> str:
    """Return what tells a finding from others of its id: subject and detail, else where it can be seen."""
    shown = one.masked
    detail = f"({shown.detail})" if shown.subject and shown.detail else shown.detail
    said = " ".join(part for part in (shown.subject, detail) if part)
    return said or next((place.member or place.path for place in one.evidence), "")


def _coloured(word: Severity | Verdict) -> str:
    """Return ``word`` with the escape sequences of its colour (ECMA-48 §8.3.117, SGR)."""
    return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m"
