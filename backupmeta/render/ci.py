"""Verifications for CI: JUnit XML, which servers show as tests, and annotations of GitHub Actions.

JUnit has no standard; this is what its readers agree on. GitLab ("Unit test reports") shows ``classname`` as the suite
and ``name`` as the test, takes both together as the test's identity over time, and shows the TEXT of a failure, error
or ``system-out``. Jenkins (junit-plugin, `CaseResult`) splits ``classname`` at its last dot into package and class,
reads one failure or error a test, and shows its ``message`` and its text. So ``name`` names the target and the group,
``classname`` is the same throughout, without evidence in it, and its findings are one failure with both.

Annotations are workflow commands on standard output (GitHub docs, "Workflow commands for GitHub Actions").
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from backupmeta.checks.policy import Judged, Verdict, Verification
from backupmeta.escapes import inert
from backupmeta.findings import Group, Severity
from backupmeta.provenance import Source
from backupmeta.render.verified import Alike, Tally, alike, blamed, by_group, finding_lines
from backupmeta.words import visible

_CLASS: Final = "backupmeta.verify"
_OF_ARCHIVE: Final = (Group.WHOLE, Group.SAFE, Group.RECORD, Group.CONTENTS, Group.RESTORE, Group.APPLICATION)
_NO_XML: Final = re.compile("[\ufffe\uffff]")
_TAG: Final = re.compile(r"\[(?=\[)")
_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


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
        suite = _suite(verification)
        indent(suite)
        yield inert(tostring(suite, encoding="unicode")) + "\n"
    yield "</testsuites>\n"


def _suite(verification: Verification) -> Element:
    """Return the suite of a target."""
    suite = Element("testsuite", name=_xml_text(verification.path))
    findings = by_group(verification.judged)
    for group in _asked(verification, findings):
        _add_test(suite, verification, group, findings.get(group, []))
    counts = {"tests": "testcase", "failures": "*/failure", "errors": "*/error", "skipped": "*/skipped"}
    suite.attrib.update({name: str(len(suite.findall(path))) for name, path in counts.items()})
    return suite


def _asked(verification: Verification, answered: Iterable[Group]) -> list[Group]:
    """Return what was asked of a target: of an archive all but what belongs to an account, and of that this alone."""
    if verification.verdict in {Verdict.UNREADABLE, Verdict.NOT_JUDGED}:
        asked = {*answered} or {Group.WHOLE}
    else:
        asked = {*answered, *(_OF_ARCHIVE if verification.kind == "archive" else [Group.ACCOUNT])}
    return [group for group in Group if group in asked]


def _add_test(suite: Element, verification: Verification, group: Group, judged: list[Judged]) -> None:
    """Add the test of a target for one ``group``, of which the findings are ``judged``."""
    test = SubElement(suite, "testcase", classname=_CLASS, name=_xml_text(f"{verification.path}: {group}"))
    blame = blamed(verification)
    held = [judgement for judgement in judged if judgement.severity in blame]
    if verification.verdict is Verdict.UNREADABLE or held:
        kind = "error" if verification.verdict is Verdict.UNREADABLE else "failure"
        message = "; ".join(findings.sentence for findings in alike(held)) or "it could not be judged"
        SubElement(test, kind, message=_xml_text(message), type=verification.verdict).text = _lines(held)
    elif verification.verdict is Verdict.NOT_JUDGED:
        SubElement(test, "skipped", message="it was not judged")
    elif any(judgement.finding.is_unread for judgement in verification.judged):
        SubElement(test, "skipped", message="nothing is held against it, but not all could be read")
    if others := [judgement for judgement in judged if judgement.severity not in blame]:
        SubElement(test, "system-out").text = _lines(others)


def _lines(judged: Iterable[Judged]) -> str:
    return "".join(f"{_xml_text(line)}\n" for findings in alike(judged) for line in finding_lines(findings))


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
    tally = Tally()
    for verification in tally.counting(verifications):
        shown = blamed(verification) | {Severity.ERROR, Severity.WARNING}
        for findings in alike(verification.judged):
            if findings.severity in shown:
                yield _annotation(verification, findings)
    yield _command("notice", tally.line, title="backupmeta verify")


def _annotation(verification: Verification, findings: Alike) -> str:
    """Return the annotation of findings: at the line of a record, where the first of them has one, or at the target."""
    lines = [findings.sentence, *findings.particulars, f"advice: {findings.advice}"]
    source = next((source for source in findings.findings[0].evidence if _is_line(source)), None)
    where = {"file": verification.path} if source is None else {"file": source.path, "line": str(source.line)}
    return _command(_COMMANDS[findings.severity], "\n".join(lines), **where, title=findings.id)


def _is_line(source: Source) -> bool:
    """Tell whether a place is a line of a file itself, not of an archive's member."""
    return source.line is not None and source.member is None and source.path != ""


def _command(name: str, message: str, **properties: str) -> str:
    """Return a workflow command: ``::error file=a,title=b::message``."""
    parameters = ",".join(f"{key}={_escaped(inert(visible(value)), ':,')}" for key, value in properties.items())
    return f"::{name} {parameters}::{_escaped(inert(message))}\n"


def _escaped(text: str, separators: str = "") -> str:
    r"""Return ``text`` with ``%``, CR, LF and the ``separators`` escaped, as the runner undoes it (`ActionCommand`)."""
    for character in f"%\r\n{separators}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
