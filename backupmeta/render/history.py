"""The history of an install: a table for people, Markdown, JSON."""

from collections.abc import Iterator
from typing import Final

from backupmeta.comparison.difference import Changes, ExtensionsChange, FieldChange, ListChange, Step, What
from backupmeta.comparison.history import History, Row
from backupmeta.escapes import inert
from backupmeta.provenance import named
from backupmeta.render import text
from backupmeta.render.comparison import changes_object, markdown_cell, markdown_table, moment, values, versions
from backupmeta.render.json import finding, pretty, utc

COLUMNS: Final = ("time (UTC)", "backup", "version", "plugins", "size", "changes")
_SIGNS: Final = {What.INSTALLED: "+ ", What.REMOVED: "- "}


def as_table(found: History, width: int | None) -> str:
    """Return a table: drawn for a terminal of ``width`` columns, or, for None, tab-separated lines for a pipe."""
    return text.table(COLUMNS, map(_cells, found.rows), width)


def as_markdown(found: History) -> Iterator[str]:
    """Yield the same as a table in Markdown."""
    yield inert(f"# History of {markdown_cell(found.install)}\n\n")
    yield from markdown_table(COLUMNS, map(_cells, found.rows))


def as_json(found: History) -> str:
    """Return the same as JSON: sizes in bytes, times in UTC; what is not known is null."""
    return pretty({"install": found.install, "backups": list(map(_object, found.rows))})


def _cells(row: Row) -> tuple[str, ...]:
    size = "" if row.size is None else f"{row.size:,}"
    if row.inspection is None:
        reason = "" if row.trouble is None else row.trouble._replace(subject="").message
        return "", row.name, "", "", size, f"can't be read: {reason}"
    plugins = row.inspection.get("plugins")
    count = str(len(plugins)) if isinstance(plugins, list) else ""
    version = str(row.inspection.wire().get("version") or "")
    time = moment(row.inspection.text("backup_time")).removesuffix(" UTC")
    return time, row.name, version, count, size, "" if row.changes is None else words(row.changes)


def words(changes: Changes) -> str:
    """Return what changed in few words: ``6.4.2 → 6.4.3; akismet 5.3 → 5.3.1; + classic-editor; title``."""
    versions_first = sorted(changes.fields, key=lambda one: not _is_version(one))
    fields = [values(one) if _is_version(one) else one.name for one in versions_first]
    steps = [_step(one, step) for one in changes.extensions for step in one.steps]
    is_updated = bool(fields) and _is_version(versions_first[0])
    return "; ".join([*fields[:is_updated], *steps, *map(_list, changes.lists), *fields[is_updated:]])


def _is_version(one: FieldChange) -> bool:
    return one.name == "version" and not one.is_extra


def _step(extensions: ExtensionsChange, one: Step) -> str:
    """Return what became of a plugin; of a theme it says that it is one."""
    name = one.id if extensions.name == "plugins" else f"theme {one.id}"
    if one.what in _SIGNS:
        return _SIGNS[one.what] + name
    return f"{name} {versions(one) or one.what}"


def _list(one: ListChange) -> str:
    counts = (f"{sign}{len(entries):,}" for sign, entries in (("+", one.added), ("-", one.removed)) if entries)
    return " ".join((one.name, *counts))


def _object(row: Row) -> dict[str, object]:
    one = row.inspection
    described: dict[str, object] = {**named("name", row.name), "size": row.size}
    if one is None:
        return {**described, "trouble": None if row.trouble is None else finding(row.trouble)}
    seconds, plugins = one.text("backup_time"), one.get("plugins")
    return {
        **described,
        **named("path", one.path),
        "kind": one.kind,
        "state": one.state,
        "time": utc(int(seconds)) if seconds.isdecimal() and seconds.isascii() else None,
        "version": one.wire().get("version"),
        "plugins": len(plugins) if isinstance(plugins, list) else None,
        "changes": None if row.changes is None else changes_object(row.changes),
    }
