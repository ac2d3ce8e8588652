"""Explaining a file: each line of a record, each step of an archive, with what was made of it."""

from collections.abc import Iterator
from typing import NamedTuple

from backupmeta.account import filename, places
from backupmeta.archive.compression import BLOCK, GZIP, SYSTEMS, parse_header
from backupmeta.archive.head import head
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.evidence import open_named
from backupmeta.masking import MASK
from backupmeta.provenance import as_text, display
from backupmeta.record import fields, grammar
from backupmeta.record.fields import Use
from backupmeta.record.grammar import Line, Record, check
from backupmeta.secrets import closed, mask_text, masked, reasons
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
    for line in parsed.lines:
        text = _line_text(line, hidden, show_secrets=show_secrets)
        is_rest = line.number in hidden and _is_rest(line)
        meaning = "perhaps the rest of the secret above" if is_rest else _use(parsed, line, show_secrets=show_secrets)
        meaning += "" if show_secrets else _masked_for(line, is_rest=is_rest)
        yield Step("record", line.number, line.offset, text, meaning)


def _name_steps(path: str) -> Iterator[Step]:
    name = path.replace("\\", "/").rpartition("/")[2]
    parsed = filename.parse(name)
    shown_name = mask_text(path).replace("\\", "/").rpartition("/")[2]  # what is cut off may tell a secret
    if parsed is None:
        yield Step(
            "name", None, None, display(shown_name), "does not follow the convention app_<host>_<title>_<date>_<time>"
        )
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


def _is_rest(line: Line) -> bool:
    """Return whether a line that must not be shown is no secret itself, but perhaps the rest of the one above."""
    return line.key is None and bool(line.value)


def _line_text(line: Line, hidden: frozenset[int], *, show_secrets: bool) -> str:
    value = line.value.decode("utf-8", "replace")
    if line.number in hidden and _is_rest(line):
        return MASK
    if line.number in hidden:
        value = MASK if value else value
    elif not show_secrets:
        value = masked(line.key or "", value)
    return value if line.key is None else f"{_key(line.key, show_secrets=show_secrets)}={value}"


def _key(key: str, *, show_secrets: bool) -> str:
    return key if show_secrets else mask_text(as_text(key))


def _masked_for(line: Line, *, is_rest: bool) -> str:
    """Return by which rules something in a line is masked; nothing where none is."""
    if is_rest:
        return ""
    rules = reasons(line.key or "", line.value.decode("utf-8", "replace"))
    if line.key is not None and _key(line.key, show_secrets=False) != as_text(line.key):
        rules.append("a secret in the key")
    return f"; masked: {', '.join(rules)}" if rules else ""


def _use(parsed: Record, line: Line, *, show_secrets: bool) -> str:
    if line.key is None:
        return "no '=': kept, part of nothing"
    if parsed.by_key[line.key] is not line:
        return f"not used: line {parsed.by_key[line.key].number} has the same key"
    use = fields.use_of(line.key)
    if use is Use.CUSTOM:
        return f"custom field {line.key.removeprefix(fields.CUSTOM)}"
    if use is not Use.FIELD:
        return str(use.value)
    used = (field for field in fields.FIELDS if field.key == line.key)
    return "; ".join(_field_use(line, field, show_secrets=show_secrets) for field in used)


def _field_use(line: Line, field: fields.Field, *, show_secrets: bool) -> str:
    try:
        value = field.decode(line.value)
    except ValueError as error:
        return f"{field.name}: can't be decoded ({fields.problem(error).id})"
    if isinstance(value, list):
        return f"{field.name}: {counted(len(value), 'entry', 'entries')}"
    if isinstance(value, str) and value.encode() == line.value:
        return field.name
    return f"{field.name}: {value if show_secrets else closed(field.name, value)!r}"
