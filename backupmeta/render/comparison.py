"""What differs between two sides: text for people, Markdown, JSON.

Text and Markdown show the same sections; each row of one says what became of something, of what, and how.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from backupmeta.comparison.contents import Contents, MemberChange, TableChange
from backupmeta.comparison.difference import (
    Changes,
    Difference,
    ExtensionsChange,
    FieldChange,
    ListChange,
    Side,
    Sources,
    Step,
    What,
)
from backupmeta.comparison.walking import Entry
from backupmeta.escapes import inert, markdown
from backupmeta.findings import Finding
from backupmeta.masking import mask_text
from backupmeta.provenance import Source, display, located, named
from backupmeta.record.values import Value
from backupmeta.render.json import finding, pretty, spaced, utc
from backupmeta.render.text import line, visible

ARROW: Final = " → "
_NANOSECONDS: Final = 1_000_000_000
_LONGEST: Final = 200
"""How many characters of a value are shown to people; JSON has all of it."""

_TOGETHER: Final = 1_000
"""How many rows are aligned with each other: more are not held at once."""

_TIMES: Final = frozenset({"backup_time", "time_created", "time_updated", "cache_time"})
"""The fields that are Unix seconds."""

_Row = tuple[str, ...]


class Section(NamedTuple):
    """A part of the answer: a title, names of its columns, and its rows."""

    title: str
    columns: _Row
    rows: Iterable[_Row]


def as_text(found: Difference) -> Iterator[str]:
    """Yield text for people, some rows at a time.

    ::

        A  /home/u/application_backups/app_a.tar.gz  2024-06-13 20:55:21 UTC
        B  current

        fields
          changed  version  6.4.2 → 6.4.3  backup record → install record
    """
    sides = (("A", *_described(found.a)), ("B", *_described(found.b)))
    yield from _aligned(sides, indent="")
    if found.is_same:
        yield "no differences\n"
    for section in _sections(found):
        yield f"\n{line(section.title)}"
        yield from _aligned(section.rows, indent="  ")


def as_markdown(found: Difference) -> Iterator[str]:
    """Yield the same as Markdown: a table a section."""
    yield "# Differences\n\n"
    for letter, side in (("A", found.a), ("B", found.b)):
        yield inert(f"- {letter}: {' '.join(map(markdown_cell, _described(side)))}\n")
    if found.is_same:
        yield "\nNo differences.\n"
    for section in _sections(found):
        yield f"\n## {markdown_cell(section.title.capitalize())}\n\n"
        yield from markdown_table(section.columns, section.rows)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; nothing in its cells is markup."""
    yield f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"
    for row in rows:
        yield inert(f"| {' | '.join(map(markdown_cell, row))} |\n")


def markdown_cell(text: str) -> str:
    """Return text from evidence for Markdown."""
    return markdown(display(text))


def _aligned(rows: Iterable[_Row], indent: str) -> Iterator[str]:
    """Yield a line a row, the columns aligned among those that are held together."""
    left = iter(rows)
    while some := [tuple(map(visible, row)) for row in islice(left, _TOGETHER)]:
        widths = [max(map(len, column)) for column in zip(*some, strict=True)]
        for row in some:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield inert((indent + "  ".join(cells)).rstrip() + "\n")


def _described(side: Side) -> tuple[str, str]:
    """Return where a side was found, and when it was made; of the live install that it is one."""
    seconds = side.inspection.text("backup_time")
    when = "live install" if side.inspection.kind == "install" else moment(seconds)
    return side.inspection.path or side.name, when


def moment(seconds: object) -> str:
    """Return Unix seconds in words; what no calendar has as it is."""
    digits = str(seconds)
    time = utc(int(digits)) if digits.removeprefix("-").isdecimal() and digits.isascii() else None
    return digits if time is None else f"{time[:19].replace('T', ' ')} UTC"


# --- sections ---------------------------------------------------------------------------------------------------------


def _sections(found: Difference) -> Iterator[Section]:
    if unread := [one for one in found.findings if one.is_unread]:
        yield Section("not read, and so not compared", ("severity", "finding", "where"), map(_finding, unread))
    changes = found.changes
    if changes.fields:
        yield Section("fields", ("what", "field", "values", "who says so"), map(_field, changes.fields))
    for extensions in changes.extensions:
        yield Section(extensions.name, ("what", "id", "version"), map(_step, extensions.steps))
    for one in changes.lists:
        yield Section(f"{one.name}, as listed", ("what", "entry"), _list_rows(one))
    if found.contents is None:
        return
    if counts := found.contents.counts:
        told = ", ".join(f"{counts[what]:,} {what}" for what in What if counts[what])
        yield Section(f"members: {told}", ("what", "name", "how"), map(_member, found.contents.members()))
    if found.contents.tables:
        rows = (row for table in found.contents.tables for row in _table_rows(table))
        yield Section("tables of the dump", ("what", "name", "how"), rows)


def _finding(one: Finding) -> _Row:
    return one.severity, f"{one.message} [{one.id}]", one.evidence[0].path if one.evidence else ""


def _field(one: FieldChange) -> _Row:
    return one.what, one.name, values(one), _witnesses(one.sources)


def values(one: FieldChange) -> str:
    """Return what a field was and is, in words: ``6.4.2 → 6.4.3``, ``(secret)``."""
    if one.is_secret:
        return "(secret)"
    old, new = (_value(one.name, value) for value in (one.before, one.after))
    return new if one.what is What.ADDED else old if one.what is What.REMOVED else old + ARROW + new


def _value(name: str, value: Value) -> str:
    if value is None:
        return "(can't be decoded)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return counted(len(value), "entry", "entries")
    return cut(moment(value) if name in _TIMES else str(value)) or "(empty)"


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its word."""
    return f"{number:,} {one if number == 1 else many}"


def cut(text: str) -> str:
    """Return ``text``, or its beginning where it is long."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _witnesses(sources: Sources) -> str:
    told = [str(one.witness) for one in sources if one is not None]
    return ARROW.join(dict.fromkeys(told))


def _step(one: Step) -> _Row:
    return one.what, one.id, versions(one)


def versions(one: Step) -> str:
    """Return the versions of a plugin's step, in words: ``5.3 → 5.3.1``."""
    return ARROW.join(cut(version) for version in (one.before, one.after) if version)


def _list_rows(one: ListChange) -> Iterator[_Row]:
    yield from ((What.REMOVED, cut(entry)) for entry in one.removed)
    yield from ((What.ADDED, cut(entry)) for entry in one.added)


def _member(one: MemberChange) -> _Row:
    """Return the row of a member; names are not cut: they may be long, and are asked for."""
    names = dict.fromkeys(_name(entry.name) for entry in one if entry is not None)
    if one.before is None or one.after is None:
        return one.what, ARROW.join(names), _brief(one.either)
    return one.what, ARROW.join(names), ", ".join(_differing(one.before, one.after, by) for by in one.by)


def _brief(entry: Entry) -> str:
    return counted(entry.size, "byte", "bytes") if entry.kind == "file" else entry.kind


def _differing(old: Entry, new: Entry, by: str) -> str:
    """Return by what two members differ, in words: ``size 100 → 120``."""
    told: dict[str, Callable[[Entry], str]] = {
        "kind": lambda one: one.kind,
        "size": lambda one: f"{one.size:,}",
        "mode": lambda one: f"{one.mode:04o}",
        "mtime": lambda one: moment(one.mtime_ns // _NANOSECONDS),
        "link": lambda one: _name(one.link),
        "content": lambda one: f"{(one.digest or '')[:8]}…",
    }
    before, after = told[by](old), told[by](new)
    return f"{'sha256' if by == 'content' else by} {before}{ARROW}{after}" if before != after else by


def _name(name: bytes) -> str:
    return mask_text(name.decode("utf-8", "surrogateescape"))


def _table_rows(one: TableChange) -> Iterator[_Row]:
    """Yield what became of a table, then what became of the lines of its definition."""
    name = _name(one.either.name)
    yield one.what, name, ", ".join([*_rows(one), *["definition"] * one.is_redefined])
    removed, added = one.lines
    yield from ((one.what, name, f"- {cut(_name(each))}") for each in removed)
    yield from ((one.what, name, f"+ {cut(_name(each))}") for each in added)


def _rows(one: TableChange) -> Iterator[str]:
    if one.before is None or one.after is None:
        yield counted(one.either.rows, "row", "rows") if one.either.kind == "table" else one.either.kind
    elif one.before.rows != one.after.rows:
        yield f"rows {one.before.rows:,}{ARROW}{one.after.rows:,}"


# --- JSON -------------------------------------------------------------------------------------------------------------


def as_json(found: Difference) -> Iterator[str]:
    """Yield one JSON object, the members that differ last, a line each, as they come."""
    described: dict[str, object] = {
        "a": _side(found.a),
        "b": _side(found.b),
        "is_same": found.is_same,
        **changes_object(found.changes),
        "findings": [finding(one) for one in found.findings],
    }
    if found.contents is None:
        yield pretty(described, indent=1)
        return
    described["tables"] = list(map(_table_object, found.contents.tables))
    described["member_counts"] = {what: found.contents.counts[what] for what in What if found.contents.counts[what]}
    yield pretty(described, indent=1).removesuffix("\n}\n") + ',\n "members": ['
    yield from _member_lines(found.contents)
    yield "]\n}\n"


def _member_lines(contents: Contents) -> Iterator[str]:
    before = "\n  "
    for one in contents.members():
        yield before + spaced(_member_object(one))
        before = ",\n  "


def changes_object(changes: Changes) -> dict[str, object]:
    """Return what differs between what is known of two backups."""
    described: dict[str, object] = {"fields": list(map(_field_object, changes.fields))}
    described["lists"] = list(map(_list_object, changes.lists))
    described["extensions"] = list(map(_extensions_object, changes.extensions))
    return described


def _side(one: Side) -> dict[str, object]:
    seconds = one.inspection.text("backup_time")
    time = utc(int(seconds)) if seconds.isdecimal() and seconds.isascii() else None
    return {**named("path", one.inspection.path), "kind": one.inspection.kind, "time": time}


def _field_object(one: FieldChange) -> dict[str, object]:
    described: dict[str, object] = {"what": one.what, **named("name", one.name), "is_extra": one.is_extra}
    if one.is_secret:
        described["is_secret"] = True
    else:
        for key, value, source in zip(("before", "after"), (one.before, one.after), one.sources, strict=True):
            if source is not None:
                described.update(named(key, value) if isinstance(value, str) else {key: value})
    return {**described, "sources": _sources(one.sources)}


def _sources(sources: Sources) -> dict[str, object]:
    return {key: _located(place) for key, place in zip(("before", "after"), sources, strict=True)}


def _located(place: Source | None) -> dict[str, object] | None:
    return None if place is None else located(place)


def _list_object(one: ListChange) -> dict[str, object]:
    entries = {"added": list(one.added), "removed": list(one.removed)}
    return {"name": one.name, **entries, "sources": _sources(one.sources)}


def _extensions_object(one: ExtensionsChange) -> dict[str, object]:
    return {"name": one.name, "steps": [step._asdict() for step in one.steps], "sources": _sources(one.sources)}


def _member_object(one: MemberChange) -> dict[str, object]:
    sides = {key: None if entry is None else _entry_object(entry) for key, entry in one._asdict().items()}
    return {"what": one.what, "by": one.by, **sides}


def _entry_object(one: Entry) -> dict[str, object]:
    described: dict[str, object] = {**named("name", _name(one.name)), "type": one.kind, "size": one.size}
    seconds, nanoseconds = divmod(one.mtime_ns, _NANOSECONDS)
    described.update(mode=f"{one.mode:04o}", mtime=utc(seconds, nanoseconds // 1000))
    described.update(named("link", _name(one.link)) if one.link else {})
    return {**described, "sha256": one.digest}


def _table_object(one: TableChange) -> dict[str, object]:
    described: dict[str, object] = {"what": one.what, **named("name", _name(one.either.name))}
    described["rows"] = {key: None if table is None else table.rows for key, table in one._asdict().items()}
    described["is_redefined"] = one.is_redefined
    if one.is_redefined:
        removed, added = ([display(_name(each)) for each in lines] for lines in one.lines)
        described["definition"] = {"removed": removed, "added": added}
    return described
