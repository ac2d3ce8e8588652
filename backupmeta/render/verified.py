"""Verifications and unpackings as text and JSON, what every format of verifications needs, and the rules of findings.

Findings of one id in one target are shown together (`Alike`): the sentence and the advice once, then what differs. In
text those of one id in many targets are (`Spread`): how many targets, and the first of them.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from backupmeta.checks.baseline import VERSION, Baseline, KnownFindings
from backupmeta.checks.identity import Base
from backupmeta.checks.policy import Judged, Verdict, Verification
from backupmeta.checks.rulebook import position
from backupmeta.escapes import inert
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.provenance import display
from backupmeta.render.formats import (
    Format,
    Formats,
    Rendering,
    View,
    any_view,
    finding_line,
    json_list,
    pretty,
    spaced,
    table,
)
from backupmeta.words import amounts, counted, counts_of, line, seen_at, size, visible

if TYPE_CHECKING:
    from backupmeta.archive.dump import Dump
    from backupmeta.extraction.extract import Extraction, MemberResult
    from backupmeta.extraction.needs import Needs, Room
    from backupmeta.json_types import NeedsJson, RuleJson, VerdictsJson

Paint: TypeAlias = Callable[[Severity | Verdict], str]
"""Gives a severity or verdict as it is to be shown: as `str` gives it, or `_coloured`."""

MOST_RESULTS: Final = 5_000
"""How many results of a run of SARIF GitHub shows at most."""
MOST_ACCEPTED: Final = 25_000
"""A run with more results than that it refuses."""

_EXIT_CODES: Final[Mapping[Verdict | None, int]] = {Verdict.PASS: 0, Verdict.FAIL: 1}

_EXAMPLES: Final = 3
"""How many of several notes of one id are shown, and of several findings of one id in one of many targets."""
_PLACES: Final = 5
"""How many of the targets that share a finding are shown with its particulars."""
_FAILING: Final = frozenset({Verdict.FAIL, Verdict.UNREADABLE})
_COLOURS: Final = {
    Severity.ERROR: 31,
    Severity.WARNING: 33,
    Severity.NOTE: 36,
    Verdict.NOT_JUDGED: 36,
    Verdict.PASS: 32,
    Verdict.FAIL: 31,
    Verdict.UNREADABLE: 35,
}


class Selection:
    """Says which findings become results of a SARIF log, and counts those that don't.

    Where there are too many, errors come before warnings, and warnings before notes; of one severity, the first. A note
    that is not asked for is a result only where it is held against its target (`blamed`).

    Attributes:
        most: how many results a log holds at most.
        wanted: the severities that are results of every target.
        left_out: how many findings are no results, by id and severity.
    """

    def __init__(self, most: int = MOST_RESULTS, *, has_notes: bool = False) -> None:
        self.most = most
        severities = Severity if has_notes else (Severity.ERROR, Severity.WARNING)
        self.wanted: frozenset[Severity] = frozenset(severities)
        self.left_out: Counter[tuple[str, Severity]] = Counter()

    @property
    def line(self) -> str:
        """What was left out, in one line: ``left out of SARIF: 2 warnings, 1 note``; empty where nothing was."""
        counts = by_severity(severity for _, severity in self.left_out.elements())
        return f"left out of SARIF: {counts}" if counts else ""

    @property
    def lacks_errors(self) -> bool:
        """Whether an error was left out."""
        return any(severity is Severity.ERROR for _, severity in self.left_out)


@dataclass(frozen=True, slots=True)
class VerificationView(View):
    """How verifications are to be shown.

    Attributes:
        selection: which findings become results of SARIF; it counts those that don't.
        base: the folder that formats for CI name files from.
        is_quiet: whether nothing is shown but what fails or can't be read.
        baseline: the findings that are known, and what became of them; None without a baseline.
    """

    selection: Selection = field(default_factory=Selection)
    base: Base = field(default_factory=Base)
    is_quiet: bool = False
    baseline: Baseline | None = None

    def shown(self, verifications: Iterable[Verification]) -> Iterator[Verification]:
        """Yield those of the ``verifications`` that are to be shown."""
        return (one for one in verifications if not self.is_quiet or one.verdict in _FAILING)


VerificationRendering: TypeAlias = Callable[[Iterable[Verification], VerificationView], Iterable[str]]
"""Renders verifications, target by target, as they come."""


class Tally:
    """Counts verifications and their findings while they pass through.

    Attributes:
        verdicts: how many targets came out how.
        severities: how many findings are how severe.
    """

    def __init__(self) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self.severities: Counter[Severity] = Counter()
        self._archives = 0

    def counting(self, verifications: Iterable[Verification]) -> Iterator[Verification]:
        """Yield the ``verifications``, counted."""
        for verification in verifications:
            self.verdicts[verification.verdict] += 1
            self._archives += verification.kind == "archive"
            self.severities.update(judged.severity for judged in verification.judged)
            yield verification

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict, an unreadable target being worse than one that fails; None where there was no target.

        Where no archive was judged, that an account passes says nothing of what lies in it.
        """
        worst = next((verdict for verdict in reversed(Verdict) if self.verdicts[verdict]), None)
        is_nothing_judged = worst is Verdict.PASS and 0 < self._archives == self.verdicts[Verdict.NOT_JUDGED]
        return Verdict.NOT_JUDGED if is_nothing_judged else worst

    @property
    def exit_code(self) -> int:
        """0 where everything passes, 1 where something fails, 2 where something is unread, or nothing judged."""
        return _EXIT_CODES.get(self.verdict, 2)

    @property
    def counts(self) -> str:
        """How many targets came out how: ``2 pass, 1 fail``; empty for none."""
        return amounts({verdict: self.verdicts[verdict] for verdict in Verdict})

    @property
    def line(self) -> str:
        """The verdict over everything, in one line: ``3 targets: 2 pass, 1 fail``."""
        return f"{counted(self.verdicts.total(), 'target')}: {self.counts or 'nothing was verified'}"


# --- findings ---------------------------------------------------------------------------------------------------------


class Alike(NamedTuple):
    """The findings of one id in one target that are of one severity, and all of them known or not.

    Attributes:
        id: the id of their rule.
        severity: how severe they are by the policy.
        findings: the findings, one or more.
        is_known: whether a baseline has them.
    """

    id: str
    severity: Severity
    findings: tuple[Finding, ...]
    is_known: bool

    def head(self, paint: "Paint") -> str:
        """Return how severe they are: ``error``, ``known error``."""
        return f"{'known ' if self.is_known else ''}{paint(self.severity)}"

    @property
    def sentence(self) -> str:
        """The whole message of a single finding; of several, what they have in common."""
        first, *others = self.findings
        return first.rule.sentence if others else visible(first.message)

    @property
    def particulars(self) -> list[str]:
        """What tells several findings apart, in their order; empty for a single one."""
        return [visible(_particulars(finding)) for finding in self.findings] if len(self.findings) > 1 else []

    @property
    def advice(self) -> str:
        """What to do about them."""
        return self.findings[0].rule.advice


def alike(judged: Iterable[Judged]) -> list[Alike]:
    """Return findings, those of one id together, in the order of their first."""
    gathered: dict[tuple[str, Severity, bool], list[Finding]] = {}
    for finding, severity, is_known in judged:
        gathered.setdefault((finding.id, severity, bool(is_known)), []).append(finding)
    return [Alike(id_, severity, tuple(group), known) for (id_, severity, known), group in gathered.items()]


def by_group(judged: Iterable[Judged]) -> dict[Group, list[Judged]]:
    """Return findings by what they answer, in the order of `Group`; groups without a finding are left out."""
    groups: dict[Group, list[Judged]] = {group: [] for group in Group}
    for judgement in judged:
        groups[judgement.finding.rule.group].append(judgement)
    return {group: members for group, members in groups.items() if members}


def blamed(verification: Verification) -> frozenset[Severity]:
    """Return the severities that are held against a target: none where it passes, or is not judged.

    A verification does not say what its policy lets fail: errors and warnings are, and notes where it has nothing else.
    What is known is never held against a target.
    """
    if verification.verdict in {Verdict.PASS, Verdict.NOT_JUDGED}:
        return frozenset()
    severities = frozenset(judged.severity for judged in verification.judged if not judged.is_known)
    return severities - {Severity.NOTE} or severities


def is_blamed(judged: Judged | Alike, blame: Container[Severity]) -> bool:
    """Return whether a finding is held against its target, against which severities of ``blame`` are."""
    return judged.severity in blame and not judged.is_known


def by_severity(severities: Iterable[Severity]) -> str:
    """Return how many there are of each severity, the worst first: ``1 error, 2 warnings``; empty for none."""
    numbers = Counter(severities)
    return counts_of({severity: numbers[severity] for severity in Severity})


def finding_lines(findings: Alike, paint: Paint = str) -> Iterator[str]:
    """Yield findings as lines without an indent: a message, what differs, the advice; notes in one line."""
    particulars = findings.particulars
    head = f"{findings.head(paint)}: {findings.sentence}"
    if findings.severity is Severity.NOTE:
        more = "; …" if len(particulars) > _EXAMPLES else ""
        examples = f": {'; '.join(particulars[:_EXAMPLES])}{more}" if particulars else ""
        yield f"{head}{examples} [{findings.id}]"
    else:
        yield f"{head} [{findings.id}]"
        yield from (f"  - {particular}" for particular in particulars)
        yield f"  advice: {findings.advice}"


def _particulars(finding: Finding) -> str:
    """Return what tells a finding from others of its id: subject and detail, else where it can be seen."""
    _, subject, detail, evidence = finding
    text = f"{subject} ({detail})" if subject and detail else subject or detail
    return text or next(map(seen_at, evidence), "")


# --- text -------------------------------------------------------------------------------------------------------------


def as_text(verifications: Iterable[Verification], view: VerificationView) -> Iterator[str]:
    """Yield text for people; the verdict over everything comes last, unless the ``view`` is quiet.

    A target that stands alone is one line, and under it its findings, by `Group`, the most severe first::

        /home/u/application_backups/app_a.tar.gz: fail (1 error, 1 note)
          whole
            error: the archive is cut off (at byte 512) [archive-truncated]
              advice: fetch the archive again, …
          record
            note: the record holds secrets in clear text (db_pass) [record-holds-secrets]
        1 target: 1 fail

    Of several targets each that does not pass is a line, as it comes, with the ids of what is held against it. Then
    each finding is described once, with the first of the targets that have it::

        /home/u/application_backups/app_a.tar.gz: fail: archive-truncated

        error: the archive is cut off [archive-truncated]: 1 target
          - /home/u/application_backups/app_a.tar.gz (at byte 512)
          advice: fetch the archive again, …
        note: the record holds secrets in clear text [record-holds-secrets]: 9 targets, such as /home/u/…
        9 targets: 8 pass, 1 fail

    On a terminal severities and verdicts are coloured, with ANSI escape sequences. Memory does not grow with targets.
    """
    paint: Paint = str if view.width is None else _coloured
    tally = Tally()
    judged = tally.counting(verifications)
    first = list(islice(judged, 2))
    targets = map(_without_rest, view.shown(chain(first, judged))) if view.is_quiet else chain(first, judged)
    render = _each_in_full if len(first) == 1 else _summed_up
    yield from map(inert, render(targets, paint))
    if not view.is_quiet:
        yield tally.line + "\n"


def _without_rest(verification: Verification) -> Verification:
    """Return a verification with nothing but the findings that are held against its target."""
    blame = blamed(verification)
    return replace(verification, judged=tuple(judged for judged in verification.judged if is_blamed(judged, blame)))


def _each_in_full(verifications: Iterable[Verification], paint: Paint) -> Iterator[str]:
    """Yield each target with all its findings."""
    for verification in verifications:
        yield "".join(f"{line}\n" for line in _lines(verification, paint))


def _lines(verification: Verification, paint: Paint) -> Iterator[str]:
    counts = by_severity(judged.severity for judged in verification.judged)
    yield f"{visible(verification.server_path)}: {paint(verification.verdict)}{counts and f' ({counts})'}"
    for group, judged in by_group(verification.judged).items():
        yield f"  {group}"
        for findings in alike(judged):
            yield from (f"    {line}" for line in finding_lines(findings, paint))


def _summed_up(verifications: Iterable[Verification], paint: Paint) -> Iterator[str]:
    """Yield a line for each target that does not pass, as it comes; then each finding with the targets that have it."""
    spread: dict[tuple[str, str], Spread] = {}
    before = ""
    for verification in verifications:
        findings = alike(verification.judged)
        for same in findings:
            spread.setdefault((same.id, same.head(str)), Spread(same, paint)).add(verification, same)
        if verification.verdict is not Verdict.PASS:
            blame = blamed(verification) or frozenset(Severity)
            ids = ", ".join(same.id for same in findings if is_blamed(same, blame))
            yield f"{visible(verification.server_path)}: {paint(verification.verdict)}{ids and f': {ids}'}\n"
            before = "\n"
    for shared in sorted(spread.values(), key=attrgetter("order")):
        yield before + "".join(f"{line}\n" for line in shared.lines())
        before = ""


class Spread:
    """The findings of one id in all targets: how many targets have them, and what they say of the first."""

    def __init__(self, findings: Alike, paint: Paint) -> None:
        """Begin with nothing but what the first ``findings`` have in common with all others."""
        self._head = findings.head(paint)
        self._rule = findings.findings[0].rule
        self._severity = findings.severity
        self._targets = 0
        self._places: list[str] = []

    def add(self, verification: Verification, findings: Alike) -> None:
        """Take the ``findings`` of one more target."""
        self._targets += 1
        if len(self._places) < (1 if self._severity is Severity.NOTE else _PLACES):
            self._places.append(_place(verification.server_path, findings.findings))

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands among others: the most severe first, else in the order of `FINDINGS`."""
        return self._severity.rank, position(self._rule.id)

    def lines(self) -> Iterator[str]:
        """Yield it as lines; notes as one line."""
        targets = counted(self._targets, "target")
        head = f"{self._head}: {self._rule.sentence} [{self._rule.id}]: {targets}"
        if self._severity is Severity.NOTE:
            yield f"{head}{', such as' if self._targets > 1 else ':'} {self._places[0]}"
            return
        yield head
        yield from (f"  - {place}" for place in self._places)
        if (more := self._targets - len(self._places)) > 0:
            yield f"  - and {more:,} more; --json has what each of them says"
        yield f"  advice: {self._rule.advice}"


def _place(path: str, findings: Sequence[Finding]) -> str:
    """Return what findings of one id say of the target at ``path``; of many of them the first."""
    first, *others = findings
    more = "; …" if len(findings) > _EXAMPLES else ""
    return visible("; ".join(map(_particulars, (first.at_path(path), *others[: _EXAMPLES - 1])))) + more


def _coloured(word: Severity | Verdict) -> str:
    """Return ``word`` with the escape sequences of its colour (ECMA-48 §8.3.117, SGR)."""
    return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m"


# --- JSON -------------------------------------------------------------------------------------------------------------


def as_json(verifications: Iterable[Verification], view: VerificationView) -> Iterator[str]:
    """Yield one JSON object, ``targets``, ``summary`` and of a baseline ``baseline``, a part a target as it comes.

    The summary counts targets, verdicts and findings by severity, also those that a quiet ``view`` does not show; its
    verdict is the worst one, null without a target.
    """
    tally = Tally()
    yield from json_list('{"targets": ', (one.to_json() for one in view.shown(tally.counting(verifications))))
    summary: VerdictsJson = {
        "targets": tally.verdicts.total(),
        "verdicts": {verdict: tally.verdicts[verdict] for verdict in Verdict},
        "severities": {severity: tally.severities[severity] for severity in Severity},
        "verdict": tally.verdict,
    }
    baseline = "" if view.baseline is None else f',\n"baseline": {spaced(view.baseline.to_json())}'
    yield f',\n"summary": {spaced(summary)}{baseline}}}\n'


def baseline_json(findings: KnownFindings) -> Iterator[str]:
    """Yield a baseline, a line a finding."""
    yield from json_list(f'{{"version": {VERSION}, "findings": ', findings.to_json())
    yield "}\n"


# --- unpacked ---------------------------------------------------------------------------------------------------------


class ExtractionJson:
    """Writes a JSON object: what became of each member, as they come, and at last of all of them."""

    def __init__(self) -> None:
        self._before = '{"members": [\n  '

    def piece(self, result: "MemberResult") -> str:
        """Return what became of a member."""
        before, self._before = self._before, ",\n  "
        return before + spaced(result.to_json())

    def end(self, extraction: "Extraction") -> str:
        """Return the rest."""
        begin = self._before.removesuffix("  ") if self._before.startswith("{") else "\n"
        return f"{begin}],\n{pretty(extraction.to_json(), indent=1).removeprefix('{').lstrip()}"


EXTRACTION: Final[Formats[Callable[[], ExtractionJson | None]]] = Formats(
    Format("text", "nothing but what is missing, on stderr", lambda: None),
    Format("json", "what became of each member", ExtractionJson),
)
"""The formats of an extraction: each makes what writes it, piece by piece, as members come; None writes nothing."""


# --- what a restore needs ---------------------------------------------------------------------------------------------


class Restore(NamedTuple):
    """What a restore needs, and whether a folder has room for it; None where nobody asks."""

    needs: "Needs"
    room: "Room | None" = None


def needs_lines(restore: Restore) -> Iterator[str]:
    """Yield a line a need, then what a restore of the dump may trip over."""
    needs = restore.needs
    values = {name: told.value for name, told in needs.fields.items() if told.value is not None}
    tables = values.pop("cache_tables", None)
    rows = {name: str(value) for name, value in values.items()}
    rows |= {"php": f"{rows['php']} or later"} if "php" in rows else {}
    rows["files"] = f"{size(needs.size)} in {counted(needs.entries, 'file or folder', 'files and folders')}"
    rows |= {"dump": "none"} if needs.dump is None else _dump_rows(needs.dump)
    if isinstance(tables, int):
        rows["database"] = f"{size(tables)} when the server last counted"
    rows |= {} if restore.room is None else {"room": _room(restore.room)}
    yield from (line(f"{name:<17}  {text}") for name, text in rows.items())
    judged = restore.needs.verification.judged
    yield from (line(finding_line(finding)) for finding, _, _ in judged if finding.rule.group is Group.RESTORE)


def _dump_rows(dump: "Dump") -> dict[str, str]:
    names: dict[str, Iterable[bytes]] = {"collations": dump.collation_names, "definers": dump.definers}
    counts = {kind: sum(table.kind == kind for table in dump.tables) for kind in ("table", "view")}
    return {
        "dump": f"{size(dump.size)}, {dump.state}; {counts_of({**counts, **dump.routines}, 'no tables')}",
        "longest statement": size(dump.longest_statement),
        **{key: ", ".join(map(_text, values)) for key, values in names.items() if values},
    }


def _room(room: "Room") -> str:
    """Return whether a folder has room, and why not."""
    sizes = f"{size(room.size)} at most" if room.free.size is None else f"{size(room.size)} of {size(room.free.size)}"
    answer = {None: "unknown", True: "enough", False: "too little"}[room.is_enough]
    obstacle = f"; {room.folder} {room.free.obstacle}" if room.free.obstacle else ""
    return f"{answer}, {sizes} that are free{obstacle}"


def needs_json(restore: Restore) -> Iterator[str]:
    """Yield one JSON object; sizes in bytes."""
    room = None if restore.room is None else restore.room.to_json()
    described: NeedsJson = {**restore.needs.to_json(), "room": room}
    yield pretty(described)


def _text(name: bytes) -> str:
    return display(name.decode("utf-8", "surrogateescape"))


NEEDS: Final[Formats[Rendering[Restore]]] = Formats(
    Format("text", "a line a need", any_view(needs_lines)),
    Format("json", "one object, sizes in bytes", any_view(needs_json)),
)
"""The formats of what a restore needs."""


# --- the rules of findings --------------------------------------------------------------------------------------------


def rule_table(rules: Sequence[FindingRule], view: View) -> Iterator[str]:
    """Yield a table of checks; of a single one what it says, and what to do."""
    if len(rules) > 1:
        columns = ("id", "severity", "group", "says")
        yield from table(columns, [(rule.id, rule.severity, rule.group, rule.sentence) for rule in rules], view)
        return
    rule = rules[0]
    yield f"{rule.id}: {rule.sentence}\n"
    yield f"  severity: {rule.severity}\n  group:    {rule.group}\n  advice:   {rule.advice}\n"


def rules_json(rules: Sequence[FindingRule]) -> Iterator[str]:
    """Yield the checks as a JSON array."""
    yield pretty(list(map(_rule, rules)))


def _rule(rule: FindingRule) -> "RuleJson":
    return {
        "id": rule.id,
        "group": rule.group,
        "severity": rule.severity,
        "sentence": rule.sentence,
        "advice": rule.advice,
    }


CHECKS: Final[Formats[Rendering[Sequence[FindingRule]]]] = Formats(
    Format("text", "a table for people", rule_table),
    Format("json", "an array of objects", any_view(rules_json)),
)
"""The formats of the rules of findings."""
