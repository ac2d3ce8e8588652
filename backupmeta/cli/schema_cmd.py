"""The command ``schema``."""

from collections.abc import Iterator
from typing import Final

import click
from pydantic import BaseModel

from backupmeta.api import models
from backupmeta.cli import options, output
from backupmeta.render.formats import DIALECT, Format, Formats, Rendering, View, formats, pretty, whatever_view

_ANSWERS: Final[dict[str, type[BaseModel]]] = {
    "backup": models.Backup,
    "install": models.Install,
    "plugin": models.Plugin,
    "theme": models.Theme,
    "response": models.Response[models.Backup],
    "list": models.ListResponse[models.Backup],
}


def _schema(answer: type[BaseModel]) -> Iterator[str]:
    yield pretty({"$schema": DIALECT, **answer.model_json_schema()})


SCHEMAS: Final[Formats[Rendering[type[BaseModel]]]] = formats(Format("json", "JSON Schema", whatever_view(_schema)))
"""The formats of the description of an answer."""


@click.command()
@click.argument("name", type=click.Choice(list(_ANSWERS)))
@options.formatted(SCHEMAS)
def schema(name: str, *, format_name: str) -> int:
    """Print the JSON Schema of an answer: a backup, an install, the envelope (response), a list.

    \b
    Example:
      backupmeta schema backup > backup.schema.json
    """
    output.write_all(SCHEMAS[format_name].render(_ANSWERS[name], View()))
    return 0
