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

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias
from urllib.parse import quote

from backupmeta import __version__
from backupmeta.checks.policy import Judged, Verdict, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.escapes import inert
from backupmeta.findings import FindingRule, Group, Severity
from backupmeta.folders import TemporaryDatabase
from backupmeta.masking import MASK
from backupmeta.provenance import Source, on_disk
from backupmeta.render import verified
from backupmeta.render.formats import Format, Formats, spaced
from backupmeta.secrets import mask_text
from backupmeta.words import counted, said_by, visible

_CLASS: Final = "backupmeta.verify"
_OF_ARCHIVE: Final = (Group.WHOLE, Group.SAFE, Group.RECORD, Group.CONTENTS, Group.RESTORE, Group.APPLICATION)
_NO_XML: Final = re.compile("[\ufffe\uffff]")
_TAG: Final = re.compile(r"\[(?=\[)")
_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_RULES: Final = {id_: index for index, id_ in enumerate(FINDINGS)}
_FINGERPRINTS: Final = ("backupmeta/v1", "primaryLocationLineHash")
"""Names of the same fingerprint: ours, versioned as §3.5.4.2 wants it, and the only one that GitHub compares."""

_DRIVE: Final = re.compile(r"[A-Za-z]:\\")


# --- JUnit ------------------------------------------------------------------------------------------------------------


def junit(verifications: Iterable[Verification]) -> Iterator[str]:
    """Yield a JUnit document, a suite a target as it comes.

    A test fails by the findings that are held against its target, where the target fails (`blamed`): a finding does
    not say whether the policy lets it fail, so a warning beside an error counts as well. In a target that is
    unreadable every test is an error. A test that nothing is held against passes, or, where evidence could not be
    read, is skipped: nobody knows. All other findings are in its ``system-out``.
    """
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="backupmeta verify">\n'
    for verification in verifications:
        yield inert(_suite(verification)) + "\n"
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
    held = [judgement for judgement in judged if judgement.severity in blame]
    if verification.verdict is Verdict.UNREADABLE or held:
        tag = "error" if verification.verdict is Verdict.UNREADABLE else "failure"
        message = "; ".join(findings.sentence for findings in verified.alike(held)) or "it could not be judged"
        yield tag, {"message": _xml_text(message), "type": verification.verdict}, _lines(held)
    elif verification.verdict is Verdict.NOT_JUDGED:
        yield "skipped", {"message": "it was not judged"}, ""
    elif any(judgement.finding.is_unread for judgement in verification.judged):
        yield "skipped", {"message": "nothing is held against it, but not all could be read"}, ""
    if others := [judgement for judgement in judged if judgement.severity not in blame]:
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


def github(verifications: Iterable[Verification]) -> Iterator[str]:
    """Yield workflow commands, one a line, target by target, and the verdict over everything as the last.

    GitHub shows only the first few annotations of a step. So findings of one id in a target are one annotation, the
    most severe come first, and a note is one only where it is held against its target (`blamed`)::

        ::error file=app_a.tar.gz,title=archive-truncated::the archive is cut off (at byte 512)%0Aadvice: fetch …
        ::notice title=backupmeta verify::1 target: 1 fail
    """
    tally = verified.Tally()
    for verification in tally.counting(verifications):
        shown = verified.blamed(verification) | {Severity.ERROR, Severity.WARNING}
        for findings in verified.alike(verification.judged):
            if findings.severity in shown:
                yield _annotation(verification, findings)
    yield _command("notice", tally.line, title="backupmeta verify")


def _annotation(verification: Verification, findings: verified.Alike) -> str:
    """Return the annotation of findings: at the line of a record, where the first of them has one, or at the target."""
    lines = [findings.sentence, *findings.particulars, f"advice: {findings.advice}"]
    evidence = findings.findings[0].evidence
    source = next((source for source in evidence if source.line and source.path and source.member is None), None)
    where = {"file": verification.server_path} if source is None else {"file": source.path, "line": str(source.line)}
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


def sarif(verifications: Iterable[Verification], selection: verified.Selection | None = None) -> Iterator[str]:
    """Yield a SARIF log, a result a finding: errors target by target as they come, then warnings, then notes.

    It has one run. Its rules are all of `FINDINGS`, whatever was found, so that they stay the same from run to run;
    the artifacts, which are the targets, passing ones as well, come last, with what the ``selection`` left out.
    """
    selection = selection or verified.Selection()
    rules = [_rule(rule) for rule in FINDINGS.values()]
    tool = {"driver": {"name": "backupmeta", "version": __version__, "rules": rules}}
    yield f'{{"$schema": "{SCHEMA}", "version": "2.1.0", "runs": [{{\n'
    yield f'"tool": {spaced(tool)},\n"redactionTokens": ["{MASK}"],\n"results": ['
    artifacts: _Artifacts = {}
    before = "\n"
    for result in _chosen(verifications, artifacts, selection):
        yield before + result
        before = ",\n"
    invocation = {"executionSuccessful": True, "toolExecutionNotifications": list(_notifications(selection))}
    described: list[dict[str, object]] = []  # §3.24
    for uri, (_, sha256) in artifacts.items():
        hashes = {"hashes": {"sha-256": sha256}} if sha256 else {}
        described.append({"location": {"uri": uri}, "roles": ["analysisTarget"], **hashes})
    yield f'\n],\n"artifacts": {spaced(described)},\n"invocations": [{spaced(invocation)}]\n}}]}}\n'


def _chosen(
    verifications: Iterable[Verification], artifacts: "_Artifacts", selection: verified.Selection
) -> Iterator[str]:
    """Yield the results of a ``selection``, each a line of JSON, and count what is left out.

    What is less severe than an error waits, until the last target, in a temporary file: memory does not grow with it.
    """
    counts: Counter[Severity] = Counter()
    waiting = TemporaryDatabase("CREATE TABLE result (severity TEXT, rule TEXT, line TEXT)")
    for verification in verifications:
        artifacts.setdefault(_uri(verification.server_path), (len(artifacts), verification.sha256))
        wanted = selection.wanted | verified.blamed(verification)
        for judged, fingerprint in _numbered(verification):
            rule, severity = judged.finding.id, judged.severity
            if severity not in wanted or counts[severity] == selection.most:
                selection.left_out[rule, severity] += 1
                continue
            counts[severity] += 1
            line = spaced(_result(verification, judged, fingerprint, artifacts))
            if severity is Severity.ERROR:
                yield line
            else:
                waiting.insert("INSERT INTO result (severity, rule, line) VALUES (?, ?, ?)", [(severity, rule, line)])
    room = selection.most - counts[Severity.ERROR]
    results = waiting.rows("SELECT severity, rule, line FROM result ORDER BY severity = 'note', rowid")
    for number, (severity, rule, line) in enumerate(results):
        if number < room:
            yield line
        else:
            selection.left_out[rule, Severity(severity)] += 1


def _notifications(selection: verified.Selection) -> Iterator[dict[str, object]]:
    """Yield what was left out (§3.58), by severity and rule. No level is an error's: the run went well (§3.58.6)."""
    left_out = sorted(selection.left_out.items(), key=lambda item: (item[0][1].rank, _RULES[item[0][0]]))
    for (id_, severity), number in left_out:
        yield {
            "message": _message(f"left out: {counted(number, severity)}: {FINDINGS[id_].sentence}"),
            "level": Severity.NOTE if severity is Severity.NOTE else Severity.WARNING,
            "associatedRule": {"id": id_, "index": _RULES[id_]},
            "properties": {"leftOut": number, "severity": severity},
        }


_Artifacts: TypeAlias = dict[str, tuple[int, str | None]]
"""The targets by their URIs, each once, for they have to be unique (§3.14.15): the index of each, and its digest."""


def _file(path: str, artifacts: _Artifacts) -> dict[str, object]:
    """Return where a file is: its URI, and its index among the targets if it is one (§3.4.5)."""
    uri = _uri(path)
    return {"uri": uri, "index": artifacts[uri][0]} if uri in artifacts else {"uri": uri}


def _rule(rule: FindingRule) -> dict[str, object]:
    """Return a rule as SARIF has it (§3.49)."""
    return {
        "id": rule.id,
        "shortDescription": _message(rule.sentence),
        "fullDescription": _message(f"{rule.sentence}; what to do: {rule.advice}"),
        "help": _message(rule.advice),
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": [rule.group]},
    }


def _numbered(verification: Verification) -> Iterator[tuple[Judged, str]]:
    """Yield the findings at a target, with the fingerprint of each: what a finding keeps over runs.

    It is a digest of target, id and subject; no line, no detail, no secret. Which of several it is, a number after it
    tells, as in CodeQL.
    """
    times: Counter[str] = Counter()
    for judged in verification.judged:
        parts = (verification.server_path, judged.finding.id, judged.finding.subject)
        mark = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        times[mark] += 1
        yield judged, f"{mark}:{times[mark]}"


def _result(verification: Verification, judged: Judged, fingerprint: str, artifacts: _Artifacts) -> dict[str, object]:
    """Return a finding as a result (§3.27)."""
    return {
        "ruleId": judged.finding.id,
        "ruleIndex": _RULES[judged.finding.id],
        "level": judged.severity,
        "message": _message(judged.finding.message),
        **_places(verification, judged, artifacts),
        "partialFingerprints": dict.fromkeys(_FINGERPRINTS, fingerprint),
    }


def _places(verification: Verification, judged: Judged, artifacts: _Artifacts) -> dict[str, object]:
    """Return where a finding can be seen: first the place that counts, then others, each once (§3.27.12, §3.27.22).

    Without evidence it is the target. Where the place is in another file, the target stands beside it (§3.27.13).
    """
    places = [place for place in judged.finding.evidence if place.path] or on_disk(verification.server_path)
    first, *others = (_location(place, artifacts) for place in places)
    related = [place for index, place in enumerate(others) if place not in others[:index]]
    described: dict[str, object] = {"locations": [first], **({"relatedLocations": related} if related else {})}
    if _uri(places[0].path) != _uri(verification.server_path):
        described["analysisTarget"] = _file(verification.server_path, artifacts)
    return described


def _location(place: Source, artifacts: _Artifacts) -> dict[str, object]:
    """Return a place (§3.28); its line is a region only where it is one of the file itself, not of a member."""
    physical: dict[str, object] = {"artifactLocation": _file(place.path, artifacts)}
    described: dict[str, object] = {"physicalLocation": physical, "message": _message(said_by(place))}
    if place.member is not None:
        described["logicalLocations"] = [{"name": visible(place.member), "kind": "member"}]
    elif place.line is not None:
        physical["region"] = {"startLine": place.line}
    return described


def _message(text: str) -> dict[str, str]:
    """Return a plain text message: braces doubled (§3.11.5), and no text of evidence may become a link (§3.11.6)."""
    plain = visible(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    return {"text": plain}


def _uri(path: str) -> str:
    r"""Return a path as a URI, its bytes percent-encoded: ``file:///c:/a%20b``, or, relative, ``a%20b`` (§3.10).

    Empty segments and ``.`` are removed, as §3.10.2 wants it. ``..`` stays: what it means, only the disk knows.
    """
    exact = mask_text(path).encode("utf-8", "surrogateescape")
    is_windows = _DRIVE.match(path) is not None
    is_absolute = is_windows or exact.startswith(b"/")
    segments = (exact.replace(b"\\", b"/") if is_windows else exact).split(b"/")
    kept = [quote(segment, safe=":" if is_absolute else "") for segment in segments if segment not in {b"", b"."}]
    return ("file:///" if is_absolute else "") + "/".join(kept) or "."


# --- formats ----------------------------------------------------------------------------------------------------------

VERIFICATIONS: Final[Formats[verified.VerificationRendering]] = Formats(
    Format("text", "lines for people", verified.as_text),
    Format("json", "one object, with the evidence of each finding", verified.as_json),
    Format(
        "junit",
        "JUnit XML, in which CI servers show tests",
        lambda verifications, view: junit(view.shown(verifications)),
    ),
    Format(
        "sarif",
        "SARIF 2.1.0, for code scanning",
        lambda verifications, view: sarif(view.shown(verifications), view.selection),
    ),
    Format(
        "github",
        "annotations of a step of GitHub Actions",
        lambda verifications, view: github(view.shown(verifications)),
    ),
)
"""The formats of verifications."""
