"""What differs between two sides, and what changed from each backup of an install to the next.

Both as text for people, Markdown and JSON. Text and Markdown of two sides show the same sections; each row of one says
what became of something, of what, and how.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from backupmeta import words
from backupmeta.comparison.archive_changes import MemberChange, TableChange
from backupmeta.comparison.changes import Changes, ExtensionsChange, FieldChange, ListChange, Sources, Step, What
from backupmeta.comparison.diff import Difference, Side
from backupmeta.comparison.history import ChangedContents, FileHistory, FollowedFiles, History, Presence, Row, Run
from backupmeta.comparison.walks import Entry, Site
from backupmeta.escapes import inert
from backupmeta.findings import Finding
from backupmeta.provenance import display, named
from backupmeta.record.fields import FIELDS
from backupmeta.record.values import Value
from backupmeta.render.formats import (
    Format,
    Formats,
    Rendering,
    View,
    any_view,
    json_list,
    pretty,
    spaced,
    table,
)

if TYPE_CHECKING:
    from backupmeta.json_answers import FollowedBackupJson, FollowedFileJson, RunJson

_LONGEST: Final = 200
"""How many characters of a value are shown to people; JSON has all of it."""

_ALIGNED_TOGETHER: Final = 1_000
"""How many rows are aligned with each other: more are not held at once."""

_TIMES: Final = frozenset(field.name for field in FIELDS if field.is_time)
"""The fields that are Unix seconds."""

_HISTORY_COLUMNS: Final = ("time (UTC)", "backup", "version", "plugins", "size", "changes")
_SIGNS: Final = {What.INSTALLED: "+ ", What.REMOVED: "- "}

_Row = tuple[str, ...]


# --- two sides, for people --------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """A part of the answer: a title, names of its columns, and its rows."""

    title: str
    columns: _Row
    rows: Iterable[_Row]


def diff_text(difference: Difference) -> Iterator[str]:
    """Yield text for people, some rows at a time.

    ::

        A  /home/u/application_backups/app_a.tar.gz  2024-06-13 20:55:21 UTC
        B  current

        fields
          changed  version  6.4.2 → 6.4.3  backup record → install record
    """
    sides = (("A", *_described(difference.a)), ("B", *_described(difference.b)))
    yield from _aligned(sides, indent="")
    if difference.is_same:
        yield "no differences\n"
    for section in _sections(difference):
        yield f"\n{words.line(section.title)}"
        yield from _aligned(section.rows, indent="  ")


def diff_markdown(difference: Difference) -> Iterator[str]:
    """Yield the same as Markdown: a table a section."""
    yield "# Differences\n\n"
    for letter, side in (("A", difference.a), ("B", difference.b)):
        yield inert(f"- {letter}: {' '.join(map(words.markdown_cell, _described(side)))}\n")
    if difference.is_same:
        yield "\nNo differences.\n"
    for section in _sections(difference):
        yield f"\n## {words.markdown_cell(section.title.capitalize())}\n\n"
        yield from words.markdown_table(section.columns, section.rows)


def _described(side: Side | Site) -> tuple[str, str]:
    """Return where a side lies, and when it was made; of the live install that it is one."""
    if isinstance(side, Site):
        return side.root.seen_at, "folder"
    seconds = side.inspection.text("backup_time")
    when = "live install" if side.inspection.kind == "install" else words.recorded_dated(seconds)
    return side.inspection.server_path or side.name, when


def _sections(difference: Difference) -> Iterator[Section]:
    if unread := [finding for finding in difference.findings if finding.is_unread]:
        yield Section("not read, and so not compared", ("severity", "finding", "where"), map(_finding, unread))
    changes = difference.changes
    if changes.fields:
        rows: list[_Row] = [(each.what, each.name, _values(each), _witnesses(each.sources)) for each in changes.fields]
        yield Section("fields", ("what", "field", "values", "who says so"), rows)
    for extensions in changes.extensions:
        rows = [(step.what, step.id, _versions(step)) for step in extensions.steps]
        yield Section(extensions.name, ("what", "id", "version"), rows)
    for listed in changes.lists:
        rows = [(What.REMOVED, words.cut(entry, _LONGEST)) for entry in listed.removed]
        rows += [(What.ADDED, words.cut(entry, _LONGEST)) for entry in listed.added]
        yield Section(f"{listed.name}, as listed", ("what", "entry"), rows)
    if difference.contents is None:
        return
    if counts := difference.contents.counts:
        title = f"members: {words.amounts({what: counts[what] for what in What})}"
        yield Section(title, ("what", "name", "how"), map(_member, difference.contents.members()))
    if tables := difference.contents.tables:
        yield Section("tables of the dump", ("what", "name", "how"), chain.from_iterable(map(_table_rows, tables)))


def _finding(finding: Finding) -> _Row:
    where = next(map(words.seen_at, finding.evidence), "")
    return finding.severity, f"{finding.message} [{finding.id}]", where


def _values(change: FieldChange) -> str:
    """Return what a field was and is, in words: ``6.4.2 → 6.4.3``, ``(secret)``."""
    if change.is_secret:
        return "(secret)"
    before, after = (_value(change.name, value) for value in (change.before, change.after))
    if change.what is What.ADDED:
        return after
    return before if change.what is What.REMOVED else before + words.ARROW + after


def _value(name: str, value: Value) -> str:
    if value is None:
        return "(can't be decoded)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return words.counted(len(value), "entry", "entries")
    return words.cut(words.recorded_dated(str(value)) if name in _TIMES else str(value), _LONGEST) or "(empty)"


def _witnesses(sources: Sources) -> str:
    witnesses = [str(source.witness) for source in sources if source is not None]
    return words.ARROW.join(dict.fromkeys(witnesses))


def _versions(step: Step) -> str:
    """Return the versions of a plugin's step, in words: ``5.3 → 5.3.1``."""
    return words.ARROW.join(words.cut(version, _LONGEST) for version in (step.before, step.after) if version)


def _member(change: MemberChange) -> _Row:
    """Return the row of a member; names are not cut: they may be long, and are asked for."""
    names = dict.fromkeys(_name(entry.name) for entry in change.sides if entry is not None)
    if change.before is None or change.after is None:
        return change.what, words.ARROW.join(names), _brief(change.either)
    differing = (_differing(change.before, change.after, by) for by in change.by)
    return change.what, words.ARROW.join(names), ", ".join(differing)


def _brief(entry: Entry) -> str:
    """Return what is on one side alone, in words: ``48 bytes, mtime 2024-06-13 20:55:21 UTC``."""
    what = words.counted(entry.size, "byte") if entry.kind == "file" else entry.kind
    link = f", link {_SHOWN_BY['link'](entry)}" if entry.link else ""
    return f"{what}, mtime {_SHOWN_BY['mtime'](entry)}{link}"


_SHOWN_BY: Final[Mapping[str, Callable[[Entry], str]]] = {
    "kind": lambda entry: entry.kind,
    "size": lambda entry: f"{entry.size:,}",
    "mode": lambda entry: f"{entry.mode:04o}",
    "mtime": lambda entry: words.dated(entry.mtime_ns // words.NANOSECONDS),
    "link": lambda entry: display(_name(entry.link)),
    "content": lambda entry: f"{(entry.digest or '')[:8]}…",
}
"""What two members may differ by, and how it is shown."""


def _differing(before: Entry, after: Entry, by: str) -> str:
    """Return by what two members differ, in words: ``size 100 → 120``."""
    old, new = _SHOWN_BY[by](before), _SHOWN_BY[by](after)
    return f"{'sha256' if by == 'content' else by} {old}{words.ARROW}{new}" if old != new else by


def _name(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _table_rows(change: TableChange) -> Iterator[_Row]:
    """Yield what became of a table, then what became of the lines of its definition."""
    name, how = _name(change.either.name), ["definition"] if change.is_redefined else []
    if change.before is None or change.after is None:
        how = [words.counted(change.either.rows, "row") if change.either.kind == "table" else change.either.kind]
    elif change.before.rows != change.after.rows:
        how = [f"rows {change.before.rows:,}{words.ARROW}{change.after.rows:,}", *how]
    yield change.what, name, ", ".join(how)
    for sign, definition in zip("-+", change.lines, strict=True):
        yield from ((change.what, name, f"{sign} {words.cut(display(_name(line)), _LONGEST)}") for line in definition)


def _aligned(rows: Iterable[_Row], indent: str) -> Iterator[str]:
    """Yield a line a row, the columns aligned among those that are held together."""
    coming = iter(rows)
    while together := [tuple(map(words.visible, row)) for row in islice(coming, _ALIGNED_TOGETHER)]:
        widths = [max(map(len, column)) for column in zip(*together, strict=True)]
        for row in together:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield inert((indent + "  ".join(cells)).rstrip() + "\n")


# --- two sides, as JSON -----------------------------------------------------------------------------------------------


def diff_json(difference: Difference) -> Iterator[str]:
    """Yield one JSON object, the members that differ last, a line each, as they come."""
    yield pretty(difference.to_json(members=False), indent=1).removesuffix("\n}\n")
    if difference.contents is not None:
        yield from json_list(',\n "members": ', (change.to_json() for change in difference.contents.members()))
    yield "\n}\n"


# --- the history of an install ----------------------------------------------------------------------------------------


def history_table(history: History, view: View) -> Iterator[str]:
    """Yield a table."""
    yield from table(_HISTORY_COLUMNS, map(_history_cells, history.rows), view)


def history_markdown(history: History) -> Iterator[str]:
    """Yield the same as a table in Markdown."""
    yield inert(f"# History of {words.markdown_cell(history.install)}\n\n")
    yield from words.markdown_table(_HISTORY_COLUMNS, map(_history_cells, history.rows))


def history_json(history: History) -> Iterator[str]:
    """Yield the same as JSON: sizes in bytes, times in UTC; what is not known is null."""
    yield pretty(history.to_json())


def _history_cells(row: Row) -> _Row:
    size = "" if row.size is None else f"{row.size:,}"
    if row.inspection is None:
        reason = "" if row.trouble is None else row.trouble._replace(subject="").message
        return "", row.name, "", "", size, f"can't be read: {reason}"
    plugins = row.inspection.get("plugins")
    count = str(len(plugins)) if isinstance(plugins, list) else ""
    version = str(row.inspection.wire().get("version") or "")
    changes = "" if row.changes is None else in_few_words(row.changes)
    return _time(row), row.name, version, count, size, "; ".join(filter(None, (changes, *_counts(row.contents))))


def _counts(contents: ChangedContents | None) -> Iterator[str]:
    """Yield how many members and tables became what: ``members: 2 added, 1 changed``."""
    if contents is None:
        return
    tables = Counter(change.what for change in contents.tables)
    for name, counts in (("members", contents.counts), ("tables", tables)):
        if amounts := words.amounts({what: counts[what] for what in What}):
            yield f"{name}: {amounts}"


def _time(row: Row) -> str:
    """Return when a backup was made; nothing where no record can be read."""
    return "" if row.inspection is None else words.recorded_clock(row.inspection.text("backup_time"))


def in_few_words(changes: Changes) -> str:
    """Return what changed: ``6.4.2 → 6.4.3; akismet 5.3 → 5.3.1; + classic-editor; title``."""
    versions_first = sorted(changes.fields, key=lambda change: not _is_version(change))
    fields = [_values(change) if _is_version(change) else change.name for change in versions_first]
    steps = [_step_in_words(change, step) for change in changes.extensions for step in change.steps]
    is_updated = bool(fields) and _is_version(versions_first[0])
    return "; ".join([*fields[:is_updated], *steps, *map(_list_in_words, changes.lists), *fields[is_updated:]])


def _is_version(change: FieldChange) -> bool:
    return change.name == "version" and not change.is_extra


def _step_in_words(extensions: ExtensionsChange, step: Step) -> str:
    """Return what became of a plugin; of a theme it says that it is one."""
    name = step.id if extensions.name == "plugins" else f"theme {step.id}"
    if step.what in _SIGNS:
        return _SIGNS[step.what] + name
    return f"{name} {_versions(step) or step.what}"


def _list_in_words(change: ListChange) -> str:
    counts = (f"{sign}{len(entries):,}" for sign, entries in (("+", change.added), ("-", change.removed)) if entries)
    return " ".join((change.name, *counts))


# --- files along the backups ------------------------------------------------------------------------------------------

_RUN_COLUMNS: Final = ("what", "backups (UTC)", "how many", "how")
_MARKS: Final[Mapping[str, tuple[str, Callable[[FileHistory], int | None]]]] = {
    "last_before": ("last backup before it first appeared", lambda file: file.last_before),
    "last_without": ("last backup without it", lambda file: file.last_without),
    "last_with_first_content": ("last backup before it first changed", lambda file: file.last_with_first_content),
    "last_with_earlier_content": ("last backup with its earlier content", lambda file: file.last_with_earlier_content),
}
"""What is told of a file: in JSON, in words, and the number of the backup."""

_NAMED: Final = 20
"""How many files are named that are the same in all backups."""


def followed_text(followed: FollowedFiles) -> Iterator[str]:
    """Yield text for people: of each file that is not the same in all backups, when it was what.

    ::

        wp-content/uploads/cache.php
          last backup before it first appeared  2024-07-26 09:30:00 UTC  b1x4…  /home/u/application_backups/app_….tar.gz
          absent  2024-04-27 09:30:00 to 2024-07-26 09:30:00  4 backups
          there   2024-08-25 09:30:00                         1 backup   48 bytes, mode 0644, mtime …, sha256 9f86d081…
    """
    yield words.line(f"{followed.install}: {words.counted(len(followed.backups), 'backup')}")
    if unread := list(map(_unread_row, sorted(followed.unread), repeat(followed))):
        yield "\nnot read to the end: what was not seen may be there\n"
        yield from _aligned(unread, indent="  ")
    same, count = list[_Row](), 0
    for file in followed.files():
        if file.is_constant:
            count += 1
            same += [(_name(file.name), _how(file.appearance))] if count <= _NAMED else []
            continue
        yield f"\n{words.line(_name(file.name))}"
        yield from _aligned(_mark_rows(file, followed), indent="  ")
        yield from _aligned((_run_row(run, followed) for run in file.runs), indent="  ")
    if same:
        yield "\nthe same in every backup that was read\n"
        yield from _aligned(same, indent="  ")
        yield words.line(f"  and {words.counted(count - _NAMED, 'more file')}") if count > _NAMED else ""


def followed_markdown(followed: FollowedFiles) -> Iterator[str]:
    """Yield the same as Markdown, of every file: a list and a table."""
    yield inert(f"# Files of {words.markdown_cell(followed.install)}\n")
    for row in map(_unread_row, sorted(followed.unread), repeat(followed)):
        yield inert(f"\n- {' '.join(map(words.markdown_cell, row))}")
    for file in followed.files():
        yield inert(f"\n\n## {words.markdown_cell(_name(file.name))}\n\n")
        yield from (inert(f"- {' '.join(map(words.markdown_cell, row))}\n") for row in _mark_rows(file, followed))
        yield "\n"
        yield from words.markdown_table(_RUN_COLUMNS, (_run_row(run, followed) for run in file.runs))


def followed_json(followed: FollowedFiles) -> Iterator[str]:
    """Yield one JSON object, a line a file; backups by their numbers, the oldest is 0."""
    yield f'{{\n "install": {spaced(followed.install)}'
    yield from json_list(
        ',\n "backups": ', (_backup_object(number, followed) for number in range(len(followed.backups)))
    )
    yield from json_list(',\n "files": ', map(_file_object, followed.files()))
    yield "\n}\n"


def _unread_row(number: int, followed: FollowedFiles) -> _Row:
    return (*_backup_cells(followed.backups[number]), followed.unread[number])


def _backup_cells(row: Row) -> _Row:
    """Return when a backup was made, its id, and the path of its archive, or of the record that speaks for it."""
    return _time(row), row.name, row.path


def _mark_rows(file: FileHistory, followed: FollowedFiles) -> Iterator[_Row]:
    """Yield the backups to look at, each once, and of how many after it nobody can tell."""
    marked = set[int]()
    for phrase, mark in _MARKS.values():
        if (number := mark(file)) is not None and number not in marked:
            marked.add(number)
            unknown = [run.length for run in file.runs if run.first == number + 1 and run.presence is Presence.UNKNOWN]
            after = f"can't tell of the next {words.counted(unknown[0], 'backup')}" if unknown else ""
            yield phrase, *_backup_cells(followed.backups[number]), after


def _run_row(run: Run, followed: FollowedFiles) -> _Row:
    times = [_time(followed.backups[number]) or "?" for number in (run.first, run.last)]
    return run.presence, " to ".join(dict.fromkeys(times)), words.counted(run.length, "backup"), _how(run)


def _how(run: Run) -> str:
    """Return by what a file differs from what it was before, or else what it is."""
    if run.entry is None:
        return ""
    if not run.is_known:
        return "its content can't be told"
    if run.before is not None and run.by:
        return ", ".join(_differing(run.before, run.entry, by) for by in run.by)
    if run.before is not None:
        return "as before"
    return ", ".join(filter(None, (_brief(run.entry), run.entry.digest and f"sha256 {run.entry.digest}")))


def _backup_object(number: int, followed: FollowedFiles) -> "FollowedBackupJson":
    row, reason = followed.backups[number], followed.unread.get(number)
    time = None if row.inspection is None else words.recorded_moment(row.inspection.text("backup_time"))
    return {
        "number": number,
        **named("name", row.name),
        **named("path", row.path),
        "time": time,
        "is_whole": reason is None,
        "reason": reason,
    }


def _file_object(file: FileHistory) -> "FollowedFileJson":
    marks = {key: mark(file) for key, (_, mark) in _MARKS.items()}
    described = {**named("name", _name(file.name)), **marks, "runs": list(map(_run_object, file.runs))}
    return cast("FollowedFileJson", described)


def _run_object(run: Run) -> "RunJson":
    entry = None if run.entry is None else run.entry.to_json()
    return {"presence": run.presence, "first": run.first, "last": run.last, "by": list(run.by), "member": entry}


# --- formats ----------------------------------------------------------------------------------------------------------

DIFFERENCES: Final[Formats[Rendering[Difference]]] = Formats(
    Format("text", "sections for people", any_view(diff_text)),
    Format("json", "one object, the members that differ a line each", any_view(diff_json)),
    Format("markdown", "a table a section", any_view(diff_markdown)),
)
"""The formats of what differs between two sides."""

HISTORIES: Final[Formats[Rendering[History]]] = Formats(
    Format("text", "a table for people", history_table),
    Format("json", "one object, with all that changed", any_view(history_json)),
    Format("markdown", "a table", any_view(history_markdown)),
)
"""The formats of an install's history."""

FOLLOWED: Final[Formats[Rendering[FollowedFiles]]] = Formats(
    Format("text", "sections for people", any_view(followed_text)),
    Format("json", "one object, a line a file", any_view(followed_json)),
    Format("markdown", "a table a file", any_view(followed_markdown)),
)
"""The formats of files along the backups of an install: those of `HISTORIES`, for the command has both answers."""
