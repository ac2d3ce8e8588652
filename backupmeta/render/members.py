"""What stands in a file: the members of an archive, and the steps of an explanation.

A pass over an archive says something of it as a whole, too.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from backupmeta.archive.compression import SYSTEMS, Stream
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dump, Dumps
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.escapes import inert, printable
from backupmeta.explain import Step
from backupmeta.masking import MASK
from backupmeta.objects import as_json
from backupmeta.provenance import as_text, display
from backupmeta.render.formats import Format, Formats, Rendering, Trait, any_view, json_list, pretty, spaced
from backupmeta.words import NANOSECONDS, clock, counted, cut, utc, visible

if TYPE_CHECKING:
    from backupmeta.json_types import NumberedMemberJson, StepJson, StreamJson

_TYPES: Final = {
    "directory": "d",
    "symlink": "l",
    "hard link": "h",
    "character device": "c",
    "block device": "b",
    "fifo": "p",
    "file": "-",
}
_TEXT_WIDTH: Final = 60


class Walk(NamedTuple):
    """A pass over an archive that is still to come, and what reads its members meanwhile.

    Attributes:
        archive: the pass.
        dumps: the reader of its dump; None where nobody asks.
        digests: counts digests of its members; None where nobody asks.
    """

    archive: Pass
    dumps: Dumps | None = None
    digests: MemberDigests | None = None


# --- listed as text ---------------------------------------------------------------------------------------------------


def member_lines(members: Iterable[Member]) -> Iterator[str]:
    """Yield a line a member: type and mode, owner, size in bytes, time in UTC, name, target of a link.

    A member in whose name something is masked has its number besides, by which ``cat`` finds it.
    """
    for number, member in enumerate(members, 1):
        text = visible(_member_line(member))
        yield inert(f"{text} (#{number})\n" if MASK in text else f"{text}\n")


def _member_line(member: Member) -> str:
    mode = f"{_TYPES.get(member.kind, '?')}{member.mode:04o}"
    owner = member.owner.decode("utf-8", "replace") or member.uid
    group = member.group.decode("utf-8", "replace") or member.gid
    time = clock(member.mtime_ns // NANOSECONDS)
    link = f" -> {member.link.decode('utf-8', 'surrogateescape')}" if member.link else ""
    return f"{mode} {f'{owner}/{group}':>11} {member.size:>12} {time} {member.text}{link}"


def verdict(archive: Pass) -> str:
    """Return what came out of a pass over an archive, in one line: how it ended, how much was read, its digests."""
    end = archive.end
    ended = "not walked" if end is None else f"{end.verdict}: {end.reason}" if end.reason else end.verdict
    digests = "".join(f", {name} {digest}" for name, digest in archive.digests.items())
    read = f"{counted(archive.members_read, 'member')}, {counted(archive.stream.position, 'byte')} inflated"
    return f"{display(archive.file.path)}: {ended}; {read}{digests}"


# --- listed as JSON ---------------------------------------------------------------------------------------------------


def walked(walk: Walk) -> Iterator[str]:
    """Yield a JSON object: the members, a line each, as they come; then everything else."""
    archive = walk.archive
    yield from json_list(f'{{"path": {spaced(display(archive.file.path))},\n"members": ', _numbered(walk))
    dump = None if walk.dumps is None else walk.dumps.dump
    yield pretty(_archive(archive, dump), indent=1).replace("{", ",", 1)


def _numbered(walk: Walk) -> "Iterator[NumberedMemberJson]":
    for number, member in enumerate(walk.archive, 1):
        digest = {} if walk.digests is None else {"digest": walk.digests.hexadecimal}
        yield cast("NumberedMemberJson", {"number": number, **member.to_json(), **digest})


def _archive(archive: Pass, dump: Dump | None) -> dict[str, object]:
    """Return what is known of an archive as a whole, after the pass over it; offsets in bytes."""
    end = archive.end
    return {
        "compression": archive.compression.name,
        "size": archive.file.size,
        "inflated": archive.stream.position,
        "digests": dict(archive.digests),
        "streams": [_stream(stream) for stream in archive.stream.streams],
        "stream_count": archive.stream.stream_count,
        "member_count": archive.members_read,
        "verdict": end.verdict if end else None,
        "reason": end.reason if end else "",
        "dump": None if dump is None else dump.to_json(),
        "findings": as_json(archive.findings()),
    }


def _stream(stream: Stream) -> "StreamJson":
    described: dict[str, object] = {"offset": stream.offset, "inflated_offset": stream.inflated_offset}
    described["inflated"] = stream.inflated
    if (header := stream.header) is not None:
        described["mtime"] = utc(header.mtime) if header.mtime else None
        described["system"] = SYSTEMS.get(header.system, str(header.system))
        described["name"] = display(header.name.decode("latin-1")) if header.name is not None else None
    return cast("StreamJson", {**described, "layer": stream.layer, "fault": stream.fault or None})


# --- explained --------------------------------------------------------------------------------------------------------


def step_lines(steps: Iterable[Step]) -> Iterator[str]:
    """Yield a line a step: where, what stands there, what was made of it."""
    for step in steps:
        where = f"line {step.line}" if step.line else step.place
        text = f"{where:>9}  {cut(as_text(step.text), _TEXT_WIDTH):<{_TEXT_WIDTH}}  {as_text(step.meaning)}"
        yield inert(printable(text) + "\n")  # its secrets are masked, or were asked for


def steps_json(steps: Iterable[Step]) -> Iterator[str]:
    """Yield the steps as a JSON array."""
    yield pretty([_step(step) for step in steps])


def _step(step: Step) -> "StepJson":
    text, meaning = as_text(step.text), as_text(step.meaning)
    return {"place": step.place, "line": step.line, "offset": step.offset, "text": text, "meaning": meaning}


# --- formats ----------------------------------------------------------------------------------------------------------

MEMBERS: Final[Formats[Rendering[Walk]]] = Formats(
    Format("text", "a line a member", lambda walk, _view: member_lines(walk.archive)),
    Format("json", "an object, offsets in bytes of the inflated archive", any_view(walked), Trait.WITH_CONTENTS),
)
"""The formats of a list of an archive's members."""

STEPS: Final[Formats[Rendering[Iterable[Step]]]] = Formats(
    Format("text", "a line a step", any_view(step_lines)),
    Format("json", "an array of objects", any_view(steps_json)),
)
"""The formats of an explanation."""
