"""What the manual has of commands, findings, bounds, fields, columns and schemas, from the program's own tables."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from textwrap import dedent
from typing import Final, NamedTuple

import click
from reference.sections import Writer, code, table

from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.catalog import schema as catalog
from backupmeta.catalog.schema import BACKUP_FIELDS, Column
from backupmeta.catalog.views import VIEWS
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli.commands import COMMANDS, command
from backupmeta.cli.schema_cmd import PRINTED
from backupmeta.findings import Group
from backupmeta.record.fields import FIELDS, Default, Field

_WIDTH: Final = 100
"""Of a terminal on which help is shown."""
_KIB: Final = 1024
_UNITS: Final = ("", " KiB", " MiB", " GiB", " TiB")
_TABLES: Final = (
    *(catalog.ACCOUNTS, catalog.SCANS),
    *(catalog.MEMBER_NAMES, catalog.MEMBER_VERSIONS, catalog.MEMBER_RUNS, catalog.READINGS),
)
"""Tables of the catalog that no view shows, in the order of the page."""


def _commands() -> str:
    """Return a table of the commands, and then what each says of itself."""
    known = {name: command(name) for name in sorted(COMMANDS)}
    rows = ([f"[`{name}`](#backupmeta-{name})", COMMANDS[name], _formats(each)] for name, each in known.items())
    helps = (f"## backupmeta {name}\n\n```\n{_help(name, each)}\n```" for name, each in known.items())
    return "\n\n".join((table(("command", "what it does", "formats"), rows), *helps))


def _formats(described: click.Command) -> str:
    options = (each for each in described.params if "--format" in each.opts)
    return ", ".join(name for each in options if isinstance(each.type, click.Choice) for name in each.type.choices)


def _help(name: str, described: click.Command) -> str:
    context = click.Context(
        described,
        info_name=f"backupmeta {name}",
        terminal_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    return described.get_help(context).rstrip()


def _findings() -> str:
    """Return a table of the findings of each group."""
    return "\n\n".join(f"## {group}\n\n{_of_group(group)}" for group in Group)


def _of_group(group: Group) -> str:
    rules = (rule for rule in FINDINGS.values() if rule.group is group)
    rows = ((code(rule.id), rule.severity, rule.sentence, rule.advice) for rule in rules)
    return table(("id", "severity", "what it says", "what to do"), rows)


def _attribute_docs(described: type) -> Mapping[str, str]:
    """Return what the docstring of a class says of each attribute."""
    doc = dedent((described.__doc__ or "").partition("Attributes:\n")[2])
    return dict(re.findall(r"^(\w+): (.+(?:\n .+)*)", doc, re.MULTILINE))


def _bounds() -> str:
    """Return a table of the bounds, with their defaults."""
    meanings = _attribute_docs(Limits)
    rows = ((code(each.name), _amount(each.name), " ".join(meanings[each.name].split())) for each in fields(Limits))
    return table(("name", "default", "bounds"), rows)


def _amount(name: str) -> str:
    """Return a bound's default as people write it: bytes in the largest unit that divides them."""
    value: int = getattr(DEFAULT_LIMITS, name)
    if not name.endswith(("_bytes", "_memory")):
        return f"{value:,}"
    unit = 0
    while value % _KIB == 0 and unit < len(_UNITS) - 1:
        value, unit = value // _KIB, unit + 1
    return f"{value:,}{_UNITS[unit]}"


def _fields() -> str:
    """Return a table of the fields, in their order on the wire."""
    rows = (
        (code(each.name), code(each.key or ""), _meaning(each), each.scope.name.lower(), _default(each.default))
        for each in FIELDS
    )
    return table(("field", "key", "meaning", "describes", "default"), rows)


def _meaning(described: Field) -> str:
    return f"{described.meaning} Masked." if described.secret else described.meaning


def _default(default: Default | None) -> str:
    if default is None:
        return ""
    value = "all that there are" if isinstance(default.value, list) else code(default.value) or "empty"
    return f"{value} ({default.application})" if default.application else value


class _Shown(NamedTuple):
    """A table or a view of the catalog."""

    name: str
    meaning: str
    columns: Iterable[Column]


def _columns() -> str:
    """Return a table of the columns of each view and table of the catalog."""
    return "\n\n".join(f"## {each.name}\n\n{each.meaning}\n\n{_of_table(each)}" for each in _catalog())


def _catalog() -> Iterator[_Shown]:
    for name, view in VIEWS.items():
        yield _Shown(name, view.meaning, (column for column, _ in view.columns))
    yield from (_Shown(each.name, each.meaning, each.columns) for each in _TABLES)


def _of_table(shown: _Shown) -> str:
    """Return the table of a table's columns; fields of the record, which are described elsewhere, in one row."""
    recorded = {column.name for column in BACKUP_FIELDS}
    columns = list(shown.columns)
    is_record = recorded <= {column.name for column in columns} or shown.name == "installs"
    own = [column for column in columns if not (is_record and column.name in recorded)]
    rows = [(code(column.name), column.type.value, column.meaning) for column in own]
    if is_record:
        rows.append(("…", "", "Each field of the answer, by its name: [Fields](fields.md)."))
    return table(("column", "holds", "meaning"), rows)


def _schemas() -> str:
    """Return a table of the schemas."""
    return table(("name", "describes"), ((code(name), printed.meaning) for name, printed in PRINTED.items()))


WRITERS: Final[Mapping[str, Writer]] = {
    "bounds": _bounds,
    "columns": _columns,
    "commands": _commands,
    "fields": _fields,
    "findings": _findings,
    "schemas": _schemas,
}
"""The sections, by their names."""
