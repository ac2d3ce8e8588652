"""GitHub annotations: workflow commands on standard output (GitHub docs, "Workflow commands for GitHub Actions")."""

from collections.abc import Iterable, Iterator
from typing import Final

from backupmeta.checks.verdict import Verification
from backupmeta.escapes import inert
from backupmeta.provenance import Source
from backupmeta.render.text import visible
from backupmeta.render.verification import Alike, Tally, alike, blamed
from backupmeta.vocabulary.kinds import Severity

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def commands(verifications: Iterable[Verification]) -> Iterator[str]:
    """Yield workflow commands, one a line, target by target, and the verdict over everything as the last.

    GitHub shows only the first few annotations of a step. So findings of one id in a target are one annotation, the
    most severe come first, and a note is one only where it is held against its target (`blamed`)::

        ::error file=app_a.tar.gz,title=archive-truncated::the archive is cut off (at byte 512)%0Aadvice: fetch …
        ::notice title=backupmeta verify::1 target: 1 fail
    """
    tally = Tally()
    for one in tally.counting(verifications):
        shown = blamed(one) | {Severity.ERROR, Severity.WARNING}
        yield from (_annotation(one, found) for found in alike(one.judged) if found.severity in shown)
    yield _command("notice", tally.line, title="backupmeta verify")


def _annotation(one: Verification, found: Alike) -> str:
    """Return the annotation of findings: at the line of a record, where the first of them has one, or at the target."""
    lines = [found.sentence, *found.particulars, f"advice: {found.advice}"]
    place = next((place for place in found.findings[0].evidence if _is_line(place)), None)
    where = {"file": one.path} if place is None else {"file": place.path, "line": str(place.line)}
    return _command(_COMMANDS[found.severity], "\n".join(lines), **where, title=found.id)


def _is_line(place: Source) -> bool:
    """Tell whether a place is a line of a file itself, not of an archive's member."""
    return place.line is not None and place.member is None and place.path != ""


def _command(name: str, message: str, **properties: str) -> str:
    """Return a workflow command: ``::error file=a,title=b::message``."""
    given = ",".join(f"{key}={_escaped(inert(visible(value)), ':,')}" for key, value in properties.items())
    return f"::{name} {given}::{_escaped(inert(message))}\n"


def _escaped(text: str, separators: str = "") -> str:
    r"""Return ``text`` with ``%``, CR, LF and the ``separators`` escaped, as the runner undoes it (`ActionCommand`)."""
    for character in f"%\r\n{separators}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
