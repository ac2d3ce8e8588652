"""Verifications for CI: JUnit XML, which servers show as tests, annotations of GitHub Actions, and SARIF.

JUnit has no standard; this is what its readers agree on. GitLab ("Unit test reports") shows ``classname`` as the suite
and ``name`` as the test, takes both together as the test's identity over time, and shows the TEXT of a failure, error
or ``system-out``. Jenkins (junit-plugin, `CaseResult`) splits ``classname`` at its last dot into package and class,
reads one failure or error a test, and shows its ``message`` and its text. So ``name`` names the target and the group,
``classname`` is the same throughout, without evidence in it, and its findings are one failure with both.

Annotations are workflow commands on standard output (GitHub docs, "Workflow commands for GitHub Actions").

SARIF 2.1.0 is the format in which services for code scanning take results (OASIS Standard, with Errata 01): section
numbers are the standard's. What it leaves open follows GitHub docs, "SARIF support for code scanning".
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote
from zlib import compressobj

from backupmeta import __version__
from backupmeta.checks.baseline import Baseline
from backupmeta.checks.identity import Identity, finding_from_base, from_base, identified
from backupmeta.checks.policy import Judged, Verdict, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.escapes import inert, markdown
from backupmeta.findings import FindingRule, Group, Severity
from backupmeta.folders import TemporaryDatabase
from backupmeta.masking import MASK
from backupmeta.provenance import Source, on_disk
from backupmeta.render import verified
from backupmeta.render.formats import Format, Formats, Trait, spaced
from backupmeta.render.verified import VerificationView
from backupmeta.words import counted, cut, said_by, visible

_CLASS: Final = "backupmeta.verify"
_OF_ARCHIVE: Final = (Group.WHOLE, Group.SAFE, Group.RECORD, Group.CONTENTS, Group.RESTORE, Group.APPLICATION)
_NO_XML: Final = re.compile("[\ufffe\uffff]")
_TAG: Final = re.compile(r"\[(?=\[)")
_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_RULES: Final = {id_: index for index, id_ in enumerate(FINDINGS)}
_FINGERPRINTS: Final = ("backupmeta/v1", "primaryLocationLineHash")
"""Names of the same fingerprint: ours, versioned as §3.5.4.2 wants it, and the only one that GitHub compares."""

_ROOT: Final = "%SRCROOT%"
_SCHEME: Final = "file:///"
_MOST_PLACES: Final = 100
"""How many places of a result GitHub shows; a result with more than 1,000 it refuses."""
_MOST_PACKED: Final = 8_000_000
"""Bytes of results, packed: GitHub refuses a log of more than 10 MB, and targets and rules need room, too."""
_MOST_TARGETS: Final = 20_000
"""How many targets are artifacts: about 1 MB, packed."""
_MOST_UNREADABLE: Final = 1_000
"""For how many targets it is said why they could not be read; each has a result, too."""
_LONGEST: Final = 1_000
"""How many characters of a reason are shown."""
_UNREADABLE: Final = "could not be read"
_UNLISTED: Final = "not listed among the artifacts"
_GZIP: Final = 31
"""What zlib calls its largest window, in a gzip file."""
_DRIVE: Final = re.compile(r"[A-Za-z]:\\")


# --- JUnit ------------------------------------------------------------------------------------------------------------


def junit(verifications: Iterable[Verification], view: VerificationView | None = None) -> Iterator[str]:
    """Yield a JUnit document, a suite a target as it comes.

    A test fails by the findings that are held against its target, where the target fails (`blamed`): a finding does
    not say whether the policy lets it fail, so a warning beside an error counts as well. In a target that is
    unreadable every test is an error. A test that nothing is held against passes, or, where evidence could not be
    read, is skipped: nobody knows. All other findings are in its ``system-out``.
    """
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="backupmeta verify">\n'
    view = view or VerificationView()
    for verification in view.shown(verifications):
        yield inert(_suite(from_base(verification, view.base))) + "\n"
    yield "</testsuites>\n"


def _suite(verification: Verification) -> str:
    """Return the suite of a target."""
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    suite = Element("testsuite", name=_xml_text(verification.server_path))
    findings = verified.by_group(verification.judged)
    for group in _asked(verification, findings):
        test = SubElement(suite, "testcase", classname=_CLASS, name=_xml_text(f"{verification.server_path}: {group}"))
        for tag, attributes, text in _outcomes(verification, findings.get(group, [])):
            SubElement(test, tag, attributes).text = text
    counts = {"tests": "testcase", "failures": "*/failure", "errors": "*/error", "skipped": "*/skipped"}
    suite.attrib.update({name: str(len(suite.findall(path))) for name, path in counts.items()})
    indent(suite)
    return tostring(suite, encoding="unicode")


def _asked(verification: Verification, answered: Iterable[Group]) -> list[Group]:
    """Return what was asked of a target: of an archive all but what belongs to an account, and of that this alone."""
    if verification.verdict in {Verdict.UNREADABLE, Verdict.NOT_JUDGED}:
        asked = {*answered} or {Group.WHOLE}
    else:
        asked = {*answered, *(_OF_ARCHIVE if verification.kind == "archive" else [Group.ACCOUNT])}
    return [group for group in Group if group in asked]


def _outcomes(verification: Verification, judged: list[Judged]) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield what came out of a target for one group, of which the findings are ``judged``: tags, attributes, texts."""
    blame = verified.blamed(verification)
    held = [judgement for judgement in judged if verified.is_blamed(judgement, blame)]
    if verification.verdict is Verdict.UNREADABLE or held:
        tag = "error" if verification.verdict is Verdict.UNREADABLE else "failure"
        message = "; ".join(findings.sentence for findings in verified.alike(held)) or "it could not be judged"
        yield tag, {"message": _xml_text(message), "type": verification.verdict}, _lines(held)
    elif verification.verdict is Verdict.NOT_JUDGED:
        yield "skipped", {"message": "it was not judged"}, ""
    elif any(judgement.finding.is_unread for judgement in verification.judged):
        yield "skipped", {"message": "nothing is held against it, but not all could be read"}, ""
    if others := [judgement for judgement in judged if not verified.is_blamed(judgement, blame)]:
        yield "system-out", {}, _lines(others)


def _lines(judged: Iterable[Judged]) -> str:
    return "".join(
        f"{_xml_text(line)}\n" for findings in verified.alike(judged) for line in verified.finding_lines(findings)
    )


def _xml_text(text: str) -> str:
    """Return ``text`` as XML can hold it (XML 1.0 §2.2, "Characters"); what it can't, U+FFFD.

    ``[[ATTACHMENT|path]]`` in ``system-out`` makes GitLab and Jenkins publish a file; no evidence may.
    """
    return _TAG.sub("[ ", _NO_XML.sub("\ufffd", visible(text)))


# --- GitHub -----------------------------------------------------------------------------------------------------------


def github(verifications: Iterable[Verification], view: VerificationView | None = None) -> Iterator[str]:
    """Yield workflow commands, one a line, target by target, and the verdict over everything as the last.

    GitHub shows only the first few annotations of a step. So findings of one id in a target are one annotation, the
    most severe come first, and a note is one only where it is held against its target (`blamed`)::

        ::error file=app_a.tar.gz,title=archive-truncated::the archive is cut off (at byte 512)%0Aadvice: fetch …
        ::notice title=backupmeta verify::1 target: 1 fail
    """
    tally, view = verified.Tally(), view or VerificationView()
    for verification in view.shown(tally.counting(verifications)):
        shown = verified.blamed(verification) | {Severity.ERROR, Severity.WARNING}
        told = verified.alike(from_base(verification, view.base).judged)
        for findings, exact in zip(told, verified.alike(verification.judged), strict=True):
            if verified.is_blamed(findings, shown):
                place, line = _line(verification, exact)
                yield _annotation(findings, file=view.base.of(verification, place), **line)
    yield _command("notice", tally.line, title="backupmeta verify")


def _line(verification: Verification, findings: verified.Alike) -> tuple[str, dict[str, str]]:
    """Return where findings are: at the line of a record, where the first of them has one, or at the target."""
    evidence = findings.findings[0].evidence
    source = next((source for source in evidence if source.line and source.path and source.member is None), None)
    return (verification.server_path, {}) if source is None else (source.path, {"line": str(source.line)})


def _annotation(findings: verified.Alike, **where: str) -> str:
    """Return the annotation of findings."""
    lines = [findings.sentence, *findings.particulars, f"advice: {findings.advice}"]
    return _command(_COMMANDS[findings.severity], "\n".join(lines), **where, title=findings.id)


def _command(name: str, message: str, **properties: str) -> str:
    """Return a workflow command: ``::error file=a,title=b::message``."""
    parameters = ",".join(f"{key}={_escaped(inert(visible(value)), ':,')}" for key, value in properties.items())
    return f"::{name} {parameters}::{_escaped(inert(message))}\n"


def _escaped(text: str, separators: str = "") -> str:
    r"""Return ``text`` with ``%``, CR, LF and the ``separators`` escaped, as the runner undoes it (`ActionCommand`)."""
    for character in f"%\r\n{separators}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


# --- SARIF ------------------------------------------------------------------------------------------------------------


def sarif(verifications: Iterable[Verification], view: VerificationView | None = None) -> Iterator[str]:
    """Yield a SARIF log, a result a finding: errors target by target as they come, then warnings, then notes.

    It has one run. Its rules are all of `FINDINGS`, whatever was found, so that they stay the same from run to run;
    the artifacts, which are the targets, passing ones as well, come last, with what was left out.
    """
    run = _Run(view or VerificationView())
    driver = {"name": "backupmeta", "version": __version__, "rules": list(map(_rule, FINDINGS.values()))}
    yield f'{{"$schema": "{SCHEMA}", "version": "2.1.0", "runs": [{{\n"tool": {spaced({"driver": driver})},\n'
    yield f'"originalUriBaseIds": {spaced(run.base_ids)},\n"redactionTokens": ["{MASK}"],\n"results": ['
    before = "\n"
    for result in run.results(verifications):
        yield before + result
        before = ",\n"
    yield f'\n],\n"artifacts": {spaced(run.artifacts)},\n"invocations": [{spaced(run.invocation)}]\n}}]}}\n'


class _Run:
    """A run (§3.14): results as they come, and what is known of it once they all came."""

    def __init__(self, view: VerificationView) -> None:
        self._view = view
        self._base = view.base
        self._selection = view.selection
        self._tally = verified.Tally()
        self._room = _Room(view.selection.most)
        self._unreadable: list[dict[str, object]] = []
        self._targets: dict[str, tuple[dict[str, object], int, str | None]] = {}
        """By their URIs, each once, for they have to be unique (§3.14.15): location, index and digest of each."""
        self._more: Counter[str] = Counter()
        """How many targets there are beyond those that are listed, by what is said of them."""

    @property
    def base_ids(self) -> dict[str, object]:
        """What relative URIs are relative to (§3.14.14), by its customary name; a folder's URI ends with a slash."""
        described = _message("the folder that paths are relative to")
        return {_ROOT: {"uri": _uri(self._base.shown).rstrip("/") + "/", "description": described}}

    @property
    def artifacts(self) -> list[dict[str, object]]:
        """The targets (§3.24)."""
        return [
            {
                "location": location,
                "roles": ["analysisTarget"],
                **({"hashes": {"sha-256": sha256}} if sha256 else {}),
            }
            for location, _, sha256 in self._targets.values()
        ]

    @property
    def invocation(self) -> dict[str, object]:
        """How the run went (§3.20): it is no success where nothing was judged, for then GitHub drops all results."""
        return {
            "executionSuccessful": any(self._tally.verdicts[verdict] for verdict in (Verdict.PASS, Verdict.FAIL)),
            "exitCode": self._tally.exit_code,
            "exitCodeDescription": self._tally.line,
            "toolExecutionNotifications": [
                *self._unreadable,
                *(_more(number, what) for what, number in self._more.items()),
                *_left_out(self._selection),
                *_absent(self._view.baseline),
            ],
        }

    def results(self, verifications: Iterable[Verification]) -> Iterator[str]:
        """Yield the results of the selection, each a line of JSON, and count what is left out.

        What is less severe than an error waits, until the last target, in a temporary file: memory does not grow with
        it.
        """
        waiting = TemporaryDatabase("CREATE TABLE result (severity TEXT, rule TEXT, line TEXT)")
        counts: Counter[Severity] = Counter()
        for rule, severity, line in self._wanted(verifications):
            counts[severity] += 1
            if severity is Severity.ERROR and self._room.take(line):
                yield line
            elif severity is Severity.ERROR or counts[severity] > self._selection.most:
                self._selection.left_out[rule, severity] += 1
            else:
                waiting.insert("INSERT INTO result (severity, rule, line) VALUES (?, ?, ?)", [(severity, rule, line)])
        for severity, rule, line in waiting.rows(
            "SELECT severity, rule, line FROM result ORDER BY severity = 'note', rowid"
        ):
            if self._room.take(line):
                yield line
            else:
                self._selection.left_out[rule, Severity(severity)] += 1

    def _wanted(self, verifications: Iterable[Verification]) -> Iterator[tuple[str, Severity, str]]:
        """Yield id, severity and result of the findings that are asked for; count the others."""
        for verification in self._view.shown(self._tally.counting(verifications)):
            self._take(verification)
            wanted = self._selection.wanted | verified.blamed(verification)
            for judged, identity in identified(verification, self._base):
                if judged.severity in wanted:
                    result = self._result(verification, judged, identity)
                    yield judged.finding.id, judged.severity, spaced(result)
                else:
                    self._selection.left_out[judged.finding.id, judged.severity] += 1

    def _take(self, verification: Verification) -> None:
        """Take in a target: of very many, the first are listed."""
        location = self._file(verification, verification.server_path)
        if len(self._targets) < _MOST_TARGETS:
            self._targets.setdefault(str(location["uri"]), (location, len(self._targets), verification.sha256))
        elif "index" not in location:
            self._more[_UNLISTED] += 1
        if verification.verdict is Verdict.UNREADABLE:
            if len(self._unreadable) < _MOST_UNREADABLE:
                self._unreadable.append(_unread(verification, self._file(verification, verification.server_path)))
            else:
                self._more[_UNREADABLE] += 1

    def _result(self, verification: Verification, judged: Judged, identity: Identity) -> dict[str, object]:
        """Return a finding as a result (§3.27)."""
        return {
            "ruleId": judged.finding.id,
            "ruleIndex": _RULES[judged.finding.id],
            "level": judged.severity,
            "message": _message(finding_from_base(judged.finding, verification, self._base).message),
            **self._places(verification, judged),
            "partialFingerprints": dict.fromkeys(_FINGERPRINTS, identity.fingerprint),
            **({} if judged.is_known is None else {"baselineState": "unchanged" if judged.is_known else "new"}),
        }

    def _places(self, verification: Verification, judged: Judged) -> dict[str, object]:
        """Return where a finding can be seen: the place that counts, then others, each once (§3.27.12, §3.27.22).

        Without evidence it is the target. Where the place is in another file, the target stands beside it (§3.27.13).
        """
        places = [place for place in judged.finding.evidence if place.path] or on_disk(verification.server_path)
        first, *others = (self._location(verification, place) for place in places[:_MOST_PLACES])
        related = list({spaced(place): place for place in others}.values())
        described: dict[str, object] = {"locations": [first], **({"relatedLocations": related} if related else {})}
        if left_out := len(places[_MOST_PLACES:]):
            described["properties"] = {"placesLeftOut": left_out}
        target = self._file(verification, verification.server_path)
        if self._file(verification, places[0].path) != target:
            described["analysisTarget"] = target
        return described

    def _location(self, verification: Verification, place: Source) -> dict[str, object]:
        """Return a place (§3.28); its line is a region only where it is one of the file itself, not of a member."""
        physical: dict[str, object] = {"artifactLocation": self._file(verification, place.path)}
        told = place._replace(path=self._base.told(verification, place.path))
        described: dict[str, object] = {"physicalLocation": physical, "message": _message(said_by(told))}
        if place.member is not None:
            described["logicalLocations"] = [{"name": visible(place.member), "kind": "member"}]
        elif place.line is not None:
            physical["region"] = {"startLine": place.line}
        return described

    def _file(self, verification: Verification, server_path: str) -> dict[str, object]:
        """Return where a file is: its URI, what that is relative to, and its index if it is a target (§3.4)."""
        uri = _uri(self._base.of(verification, server_path))
        location: dict[str, object] = {"uri": uri} if uri.startswith(_SCHEME) else {"uri": uri, "uriBaseId": _ROOT}
        return {**location, "index": self._targets[uri][1]} if uri in self._targets else location


class _Room:
    """Says for how many results a run has room: so many, and so many bytes, as gzip packs them."""

    def __init__(self, most: int) -> None:
        self._results = most
        self._bytes = _MOST_PACKED
        self._packer = compressobj(wbits=_GZIP)

    def take(self, result: str) -> bool:
        """Return whether there is room for a result, which takes it."""
        has_room = self._results > 0 and self._bytes > 0
        if has_room:
            self._results -= 1
            self._bytes -= len(self._packer.compress(result.encode()))
        return has_room


def _unread(verification: Verification, location: dict[str, object]) -> dict[str, object]:
    """Return that a target could not be read, as a notification (§3.58); the worst finding says why."""
    described: dict[str, object] = {
        "message": _message(f"it {_UNREADABLE}"),
        "level": Severity.ERROR,
        "locations": [{"physicalLocation": {"artifactLocation": location}}],
    }
    if verification.judged:
        finding = verification.judged[0].finding
        described["message"] = _message(f"it {_UNREADABLE}: {cut(finding.message, _LONGEST)}")
        described["associatedRule"] = {"id": finding.id, "index": _RULES[finding.id]}
    return described


def _more(number: int, what: str) -> dict[str, object]:
    """Return that there are more targets than are listed, as a notification."""
    level = Severity.ERROR if what == _UNREADABLE else Severity.NOTE
    return {"message": _message(f"{counted(number, 'more target')} {what}"), "level": level}


def _left_out(selection: verified.Selection) -> Iterator[dict[str, object]]:
    """Yield what was left out (§3.58), by severity and rule. No level is an error's: it was left out on purpose."""
    left_out = sorted(selection.left_out.items(), key=lambda item: (item[0][1].rank, _RULES[item[0][0]]))
    for (id_, severity), number in left_out:
        yield {
            "message": _message(f"left out: {counted(number, severity)}: {FINDINGS[id_].sentence}"),
            "level": Severity.NOTE if severity is Severity.NOTE else Severity.WARNING,
            "associatedRule": {"id": id_, "index": _RULES[id_]},
            "properties": {"leftOut": number, "severity": severity},
        }


def _absent(baseline: Baseline | None) -> Iterator[dict[str, object]]:
    """Yield what is no longer met of a baseline (§3.58), by rule.

    None of it is a result, its state ``absent`` (§3.27.24): GitHub, which passes over states, would open alerts.
    """
    absent = [] if baseline is None else baseline.absent()
    for id_, number in Counter(finding.id for finding in absent).items():
        yield {
            "message": _message(f"no longer met: {counted(number, 'finding')} of the baseline: {id_}"),
            "level": Severity.NOTE,
            "properties": {"absent": number},
        }


def _rule(rule: FindingRule) -> dict[str, object]:
    """Return a rule as SARIF has it (§3.49). Its help has no address: the command shows it without a network."""
    shown = f"`backupmeta checks {rule.id}` shows this."
    lines = (f"{markdown(rule.sentence)}.", f"**What to do:** {markdown(rule.advice)}.", shown)
    return {
        "id": rule.id,
        "shortDescription": _message(rule.sentence),
        "fullDescription": _message(f"{rule.sentence}; what to do: {rule.advice}"),
        "help": {**_message(rule.advice), "markdown": "\n\n".join(lines)},
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": [rule.group]},
    }


def _message(text: str) -> dict[str, str]:
    """Return a plain text message: braces doubled (§3.11.5), and no text of evidence may become a link (§3.11.6)."""
    plain = visible(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    return {"text": plain}


@lru_cache(maxsize=1024)  # the findings of an account are in few files
def _uri(path: str) -> str:
    r"""Return a path as a URI, its bytes percent-encoded: ``file:///c:/a%20b``, or, relative, ``a%20b`` (§3.10).

    Empty segments and ``.`` are removed, as §3.10.2 wants it.
    """
    exact = path.encode("utf-8", "surrogateescape")
    is_windows = _DRIVE.match(path) is not None
    is_absolute = is_windows or exact.startswith(b"/")
    segments = (exact.replace(b"\\", b"/") if is_windows else exact).split(b"/")
    kept = b"/".join(segment for segment in segments if segment not in {b"", b"."})
    return (_SCHEME if is_absolute else "") + quote(kept, safe="/:" if is_absolute else "/") or "."


# --- formats ----------------------------------------------------------------------------------------------------------

VERIFICATIONS: Final[Formats[verified.VerificationRendering]] = Formats(
    Format("text", "lines for people", verified.as_text),
    Format("json", "one object, with the evidence of each finding", verified.as_json),
    Format("junit", "JUnit XML, in which CI servers show tests", junit, Trait.FROM_BASE),
    Format("sarif", "SARIF 2.1.0, for code scanning", sarif, Trait.FROM_BASE),
    Format("github", "annotations of a step of GitHub Actions", github, Trait.FROM_BASE),
)
"""The formats of verifications."""
