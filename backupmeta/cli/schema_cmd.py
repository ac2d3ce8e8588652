"""The command ``schema``."""

import click
from pydantic import BaseModel

from backupmeta.api import models, response
from backupmeta.cli import output
from backupmeta.render.json_text import DIALECT, pretty


@click.command()
@click.argument("name", type=click.Choice(["backup", "install", "plugin", "theme", "response", "list"]))
def schema(name: str) -> int:
    """Print the JSON Schema of an answer: a backup, an install, the envelope (response), a list.

    \b
    Example:
      backupmeta schema backup > backup.schema.json
    """
    described: dict[str, type[BaseModel]] = {
        "backup": models.Backup,
        "install": models.Install,
        "plugin": models.Plugin,
        "theme": models.Theme,
        "response": response.Response[models.Backup],
        "list": response.ListResponse[models.Backup],
    }
    output.write(pretty({"$schema": DIALECT, **described[name].model_json_schema()}))
    return 0
