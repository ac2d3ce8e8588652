"""The command ``schema``: the JSON Schema of each JSON that a command prints."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Any, Final, NamedTuple, TypeAlias, cast, get_args, get_type_hints

import click
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from backupmeta import json_answers, json_types
from backupmeta.api import models
from backupmeta.catalog import report
from backupmeta.catalog.queries import EXPORTED, export_columns
from backupmeta.catalog.schema import Type
from backupmeta.cli import options, output
from backupmeta.cli.output import Destination
from backupmeta.provenance import Source
from backupmeta.render.formats import DIALECT, Format, Formats, Rendering, View, any_view, pretty
from backupmeta.search import NOTHING_PROTECTED

VERSION: Final = 1
"""Of all schemas: one more wherever a member goes, or means something else."""


_Hint: TypeAlias = Any
"""A type, or what stands for several."""


class Printed(NamedTuple):
    """What some JSON describes, and its type.

    Attributes:
        meaning: a phrase for the help: the command that prints it, or which part of an answer it is.
        type: what the schema is made from.
    """

    meaning: str
    type: Any


def _list_of(answer: object) -> object:
    return GenericAlias(list, (answer,))


def _object(described: type) -> type[BaseModel]:
    """Return the type of what `backupmeta.objects.json_object` makes of a dataclass."""
    members: dict[str, Any] = {}
    for name, hint in get_type_hints(described).items():
        members[name] = (_member(name, hint), ...)
        if hint is str or (isinstance(hint, UnionType) and str in get_args(hint)):
            members[f"{name}_base64"] = (str, Field(default_factory=str))
    config = ConfigDict(extra="forbid", title=described.__name__)
    return create_model(f"{described.__name__}Json", __config__=config, __doc__=_first_line(described), **members)


def _first_line(described: type) -> str:
    return (described.__doc__ or "").partition("\n")[0]


def _member(name: str, hint: _Hint) -> _Hint:
    """Return the type of what `backupmeta.objects.as_json` makes of a member of the type ``hint``."""
    if isinstance(hint, GenericAlias):  # tuple[…, ...]
        return _list_of(_member(name, get_args(hint)[0]))
    if isinstance(hint, UnionType):
        return reduce(or_, (_member(name, part) for part in get_args(hint)))
    if hint is Source:
        return json_types.SourceJson
    if is_dataclass(hint):
        return _object(cast("type", hint))
    return str if hint is int and name in report.TIMES else hint


_CELLS: Final[Mapping[Type, Any]] = {
    Type.KEY: int,
    Type.INTEGER: int,
    Type.FLAG: bool,
    Type.JSON: Any,
    Type.SHARED: Any,
}
"""What cells are in JSON Lines, unless they are text."""


def _row(table: str) -> type[BaseModel]:
    """Return the type of a row of an exported ``table``; any cell may be null, as rows of several tables are joined."""
    members: dict[str, Any] = {
        column.name: (_CELLS.get(column.type, str) | None, Field(description=column.meaning))
        for column in export_columns(table)
    }
    return create_model(table, __config__=ConfigDict(extra="forbid"), __doc__=EXPORTED[table].meaning, **members)


def _with(answer: type[BaseModel], **members: object) -> type[BaseModel]:
    """Return the type of an ``answer`` with further ``members``."""
    types: dict[str, Any] = {name: (type_, ...) for name, type_ in members.items()}
    return create_model(answer.__name__, __base__=answer, __doc__=answer.__doc__, **types)


_BACKUP: Final = _with(models.Backup, provenance=json_types.ProvenanceJson)
_INSTALL: Final = _with(models.Install, provenance=json_types.ProvenanceJson)
_RESPONSE: Final = _with(models.Response[models.Backup], provenance=json_types.ProvenanceJson)
_INSTALL_RESPONSE: Final = _with(models.Response[models.Install], provenance=json_types.ProvenanceJson)
_BACKUPS: Final = _with(models.ListResponse[models.Backup], data=_list_of(_BACKUP))
_INSTALLS: Final = _with(models.ListResponse[models.Install], data=_list_of(_INSTALL))

_REPORT: Final = _with(
    _object(report.Report),
    summary=json_answers.ReportSummaryJson,
    contradictions=_list_of(_object(report.ReportedFinding)),
)

PRINTED: Final[Mapping[str, Printed]] = {
    "backup": Printed("a backup, as the server answers it", models.Backup),
    "install": Printed("an install, as the server answers it", models.Install),
    "plugin": Printed("a plugin of an install", models.Plugin),
    "theme": Printed("a theme of an install", models.Theme),
    "response": Printed("view TARGET, a backup", models.Response[models.Backup]),
    "response-install": Printed("view TARGET, an install", models.Response[models.Install]),
    "list": Printed("list --json, find --json", models.ListResponse[models.Backup]),
    "installs": Printed("installs --json", models.ListResponse[models.Install]),
    "list-line": Printed("list --jsonl, find --jsonl, a line", _with(models.Backup, evidence=json_types.EvidenceJson)),
    "installs-line": Printed("installs --jsonl, a line", _with(models.Install, evidence=json_types.EvidenceJson)),
    "response-provenance": Printed("view TARGET --provenance, a backup", _RESPONSE),
    "response-install-provenance": Printed("view TARGET --provenance, an install", _INSTALL_RESPONSE),
    "list-provenance": Printed("list --json --provenance", _BACKUPS),
    "installs-provenance": Printed("installs --json --provenance", _INSTALLS),
    "list-line-provenance": Printed(
        "list --jsonl --provenance, a line", _with(_BACKUP, evidence=json_types.EvidenceJson)
    ),
    "installs-line-provenance": Printed(
        "installs --jsonl --provenance, a line", _with(_INSTALL, evidence=json_types.EvidenceJson)
    ),
    "report": Printed("report --json", _REPORT),
    **{f"export-{table}-line": Printed(f"export --table {table} --jsonl, a line", _row(table)) for table in EXPORTED},
    **{f"export-{table}": Printed(f"export --table {table} --json", _list_of(_row(table))) for table in EXPORTED},
    "stats": Printed("stats --json", json_answers.StatsJson),
    "explain": Printed("explain --json", list[json_types.StepJson]),
    "checks": Printed("checks --json", list[json_types.RuleJson]),
    "verify": Printed("verify --json", json_types.VerifyJson),
    "baseline": Printed("verify --write-baseline FILE", json_types.BaselineJson),
    "members": Printed("members --json", json_types.MembersJson),
    "extract": Printed("extract --json", json_types.ExtractJson),
    "needs": Printed("needs --json", json_types.NeedsJson),
    "diff": Printed("diff --json", json_answers.DiffJson),
    "history": Printed("history --json", json_answers.HistoryJson),
    "history-files": Printed("history --member … --json", json_answers.HistoryFilesJson),
    "timeline": Printed("timeline --json", list[json_types.EventJson]),
    "timeline-line": Printed("timeline --jsonl, a line", json_types.EventJson),
    "gone": Printed("installs --gone --json", list[json_answers.GoneInstallJson]),
    "gone-line": Printed("installs --gone --jsonl, a line", json_answers.GoneInstallJson),
    "find-members": Printed("find --member … --json", list[json_answers.MemberMatchJson]),
    "find-members-line": Printed("find --member … --jsonl, a line", json_answers.MemberMatchJson),
    "scan": Printed("scan --json", json_answers.ScanJson),
    "scan-progress": Printed("scan --json --progress, a line of stderr", json_answers.ProgressJson),
}
"""Each JSON by its name: the schemas, the help, the completion and the tests follow."""


def described(name: str) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the JSON called ``name``, one of `PRINTED`."""
    adapter: TypeAdapter[object] = TypeAdapter(PRINTED[name].type)
    made = adapter.json_schema(mode="serialization")
    return {
        "$schema": DIALECT,
        "$id": f"urn:backupmeta:schema:{name}:{VERSION}",
        "$comment": f"version {VERSION}: {PRINTED[name].meaning}",
        **made,
    }


SCHEMAS: Final[Formats[Rendering[Mapping[str, object]]]] = Formats(
    Format("json", "JSON Schema", any_view(lambda schema: [pretty(schema)]))
)
"""The formats of the description of an answer."""


@click.command()
@click.argument("name", type=click.Choice(list(PRINTED)), metavar="[NAME]", required=False)
@options.everything("every schema, each as NAME.schema.json in the folder that --output names")
@options.answering(SCHEMAS)
def schema(name: str | None, *, has_all: bool, format_name: str, destination: Destination) -> int:
    """Print the JSON Schema of the JSON that a command prints.

    JSON Schema 2020-12. What a schema names is all that there is: an object has no other members, but for custom fields
    of a backup. Its $id ends with the schemas' version: one more wherever a member goes, or means something else.

    NAME is mostly the command's: list, view's is response. 'backupmeta help outputs' has all names.

    \b
    Examples:
      backupmeta schema verify > verify.schema.json
      backupmeta schema --all -o schemas
    """
    render = SCHEMAS[format_name].render
    if has_all:
        if name is not None or destination.path is None or destination.is_stdout:
            raise click.UsageError("--all goes without a NAME, and with --output FOLDER")
        files = ((f"{each}.schema.json", "".join(render(described(each), View()))) for each in PRINTED)
        output.write_folder(destination.path, files)
    elif name is None:
        advice = "'backupmeta help outputs' has the names"
        raise click.UsageError(f"give the NAME of one schema, or --all -o FOLDER; {advice}")
    else:
        destination.write(render(described(name), View()), NOTHING_PROTECTED)
    return 0
