"""Explaining a file: each line of a record, each step of an archive, with what was made of it."""

from collections.abc import Iterator
from typing import NamedTuple

from backupmeta.account import filename, places
from backupmeta.archive.compression import BLOCK, GZIP, SYSTEMS, parse_header
from backupmeta.archive.head import head
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.evidence import open_named
from backupmeta.provenance import base_name, display, shown_name
from backupmeta.record import fields, grammar
from backupmeta.record.fields import Use
from backupmeta.record.grammar import Line, Record, check
from backupmeta.secrets import reasons
from backupmeta.words import counted


class Step(NamedTuple):
    """A line or a part of a file that was read, and what was made of it.

    Attributes:
        place: ``name``, ``file``, ``member`` or ``record``.
        line: the record's line, from 1, or None.
        offset: where it begins, in bytes: of the record for a line, of the inflated archive for a member.
        text: what stands there, secrets masked.
        meaning: what was made of it.
        is_unread: whether it says that something could not be read.
    """

    place: str
    line: int | None
    offset: int | None
    text: str
    meaning: str
    is_unread: bool = False


def file(path: str, limits: Limits = DEFAULT_LIMITS, *, show_secrets: bool = False) -> Iterator[Step]:
    """Yield the steps of an archive or the lines of a record; raise `EvidenceError` where it is neither."""
    if not places.is_record_file(path):
        yield from archive(path, limits, show_secrets=show_secrets)
        return
    with open_named(path) as opened:
        content = opened.read_whole("record_bytes", limits.record_bytes)
    check(path, content, limits)
    yield from record(content, show_secrets=show_secrets)


def archive(path: str, limits: Limits = DEFAULT_LIMITS, *, show_secrets: bool = False) -> Iterator[Step]:
    """Yield the steps from an archive's name to its first block, and to the lines of its record.

    Raises `EvidenceError` as `backupmeta.archive.head.head` does, before anything is yielded.
    """
    with open_named(path) as file:
        start = head(file, limits)
        file.seek(start.begin)
        block = file.read(BLOCK)
    yield from _name_steps(path)
    yield Step("file", None, 0, counted(start.size, "byte"), f"compression: {start.compression.name}")
    if start.compression is GZIP:
        yield Step("file", None, start.begin, "gzip header", _gzip_header(block, limits))
    meaning = f"member {start.place + 1}: {counted(start.member.size, 'byte')}, the embedded record"
    yield Step("member", None, start.member.offset, display(start.member.text), meaning)
    for finding in start.findings:
        yield Step("file", None, None, finding.id, finding.message, finding.is_unread)
    check(path, start.record, limits)
    yield from record(start.record, show_secrets=show_secrets)


def record(content: bytes, *, show_secrets: bool = False) -> Iterator[Step]:
    """Yield a step for each line of the record in ``content``."""
    parsed = grammar.parse(content)
    hidden = frozenset[int]() if show_secrets else grammar.secret_lines(parsed)
    if parsed.bom:
        yield Step("record", None, 0, "EF BB BF", "byte order mark")
    for line, shown in zip(parsed.lines, (parsed if show_secrets else parsed.masked).lines, strict=True):
        undecodable = "ignore" if line.number in hidden else "replace"  # a mask tells that its secret was no text
        text = bytes(shown).removesuffix(shown.end).decode("utf-8", undecodable)
        if line.number in hidden and line.key is None and line.value:
            meaning = "perhaps the rest of the secret above"
        else:
            meaning = _use(parsed, line) + ("" if show_secrets else _masked_for(line, shown))
        yield Step("record", line.number, line.offset, text, meaning)


def _name_steps(path: str) -> Iterator[Step]:
    parsed = filename.parse(base_name(path))
    if parsed is None:
        meaning = "does not follow the convention app_<host>_<title>_<date>_<time>"
        yield Step("name", None, None, display(shown_name(path)), meaning)
        return
    yield Step("name", None, None, display(parsed.host), "slug of the url's host")
    yield Step("name", None, None, display(parsed.title), "slug of the title")
    yield Step("name", None, None, parsed.local_time.isoformat(sep=" "), "when it was begun, server-local time")


def _gzip_header(block: bytes, limits: Limits) -> str:
    """Return what the header says: the time in Unix seconds, the system that wrote it, a name."""
    header = parse_header(block, limits.name_bytes)
    if header is None:
        return "longer than the first block"
    name = f", name {display(header.name.decode('latin-1'))}" if header.name is not None else ""
    return f"time {header.mtime or 'not set'}, system {SYSTEMS.get(header.system, str(header.system))}{name}"


def _masked_for(line: Line, shown: Line) -> str:
    """Return by which rules something in a ``line`` is masked, as it is ``shown``; nothing where none is."""
    rules = reasons(line.key or "", line.value.decode("utf-8", "replace"))
    if line.key != shown.key:
        rules.append("a secret in the key")
    return f"; masked: {', '.join(rules)}" if rules else ""


def _use(parsed: Record, line: Line) -> str:
    if line.key is None:
        return "no '=': kept, part of nothing"
    if parsed.by_key[line.key] is not line:
        return f"not used: line {parsed.by_key[line.key].number} has the same key"
    use = fields.use_of(line.key)
    if use is Use.CUSTOM:
        return f"custom field {line.key.removeprefix(fields.CUSTOM)}"
    if use is not Use.FIELD:
        return str(use.value)
    return "; ".join(_field_use(line, field) for field in fields.FIELDS if field.key == line.key)


def _field_use(line: Line, field: fields.Field) -> str:
    """Return which field a line becomes, and its value where that is no text: a code, a number, a yes or no."""
    try:
        value = field.decode(line.value)
    except ValueError as error:
        return f"{field.name}: can't be decoded ({fields.problem(error).id})"
    if isinstance(value, list):
        return f"{field.name}: {counted(len(value), 'entry', 'entries')}"
    if isinstance(value, str) and value.encode() == line.value:
        return field.name
    return f"{field.name}: {value!r}"
