"""The group of all commands: a command's module is imported when the command is called."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

import click

from backupmeta import __version__

_MODULES: Final[Mapping[str, Sequence[str]]] = {
    "answer_cmds": ("installs", "list", "view"),
    "catalog_cmds": ("export", "report", "scan", "stats"),
    "compare_cmds": ("diff", "history", "timeline"),
    "extract_cmd": ("extract", "needs"),
    "find_cmd": ("find",),
    "file_cmds": ("cat", "explain", "members"),
    "help_cmd": ("help",),
    "schema_cmd": ("schema",),
    "verify_cmds": ("checks", "verify"),
}
"""Where each command stands."""

COMMANDS: Final[Mapping[str, str]] = {
    "cat": "Write the content of one MEMBER of TARGET's archive to stdout.",
    "checks": "List what verify judges, or explain one check; ID may also be a group: whole, safe, record, ….",
    "diff": "Show what differs between A and B: fields, plugins, themes, lists.",
    "explain": "Show each line of a record, or each step of an archive, with what was made of it.",
    "export": "Write a table of a CATALOG, a row for each of what is there now, in the order of its numbers.",
    "extract": "Unpack the site in TARGET's archive to a FOLDER, from one pass that reads it, judges it and writes.",
    "find": "Find backups in a CATALOG, or members of their archives: all that is asked for has to hold.",
    "help": "Show the manual: its topics, or the page about a TOPIC.",
    "history": "Show all backups of one INSTALL, oldest first, and what changed from each to the next.",
    "installs": "List the installs at and below each ROOT, from their records in .appdata/current.",
    "list": "List the backups at and below each ROOT.",
    "members": "List all members of TARGET's archive, and judge it, from one pass over the whole file.",
    "needs": "Tell what a restore of TARGET's archive needs: room, database, versions; it asks no server.",
    "report": "Write a report that can be handed on: one page that opens anywhere, without a network.",
    "scan": "Scan every account below each ROOT into a CATALOG.",
    "schema": "Print the JSON Schema of the JSON that a command prints.",
    "stats": (
        "Count what is in a CATALOG: accounts, backups, sizes, versions, ages, orphans, duplicates, growth, findings."
    ),
    "timeline": "Tell what happened when, and who says so: installed, updated, backed up, written.",
    "verify": "Say whether backups are whole, and are what their records say; why not, and where.",
    "view": "Show one backup as the server would: GET /backups/{id}; or one install: GET /installs/{id}.",
}
"""The summary of each command, for the list of commands."""

_TOPICS: Final[Mapping[str, Sequence[str]]] = {
    "archives": ("cat", "members"),
    "catalogs": ("export", "find", "scan", "stats"),
    "compare": ("diff", "history"),
    "findings": ("checks",),
    "outputs": ("schema",),
    "report": ("report",),
    "restore": ("extract", "needs"),
    "start": ("help",),
    "timeline": ("timeline",),
    "verify": ("verify",),
    "view": ("explain", "installs", "list", "view"),
}
"""Which page of the manual each command's help ends with."""


def command(name: str) -> click.Command:
    """Return the command called ``name``, one of `COMMANDS`; its module is imported."""
    module = next(module for module, names in _MODULES.items() if name in names)
    attributes = vars(import_module(f"backupmeta.cli.{module}")).values()
    found = next(value for value in attributes if isinstance(value, click.Command) and value.name == name)
    topic = next(topic for topic, names in _TOPICS.items() if name in names)
    found.epilog = f"More: 'backupmeta help {topic}'."
    return found


class LazyGroup(click.Group):
    """A group whose list and completion know names and summaries alone, until one of the commands is to run."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name of the command that ``args`` begin with, itself, and the rest."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else command(name), rest


_SUMMARIES: Final = {
    name: click.Command(name, help=summary, short_help=f"{summary.partition(';')[0].rstrip('.')}.")
    for name, summary in COMMANDS.items()
}
"""What the list of commands shows: each summary up to its first semicolon, never cut off within words."""


@click.group(
    cls=LazyGroup,
    commands=_SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="More: 'backupmeta help TOPIC'.",
)
@click.version_option(__version__, message="backupmeta %(version)s")
def backupmeta() -> None:
    """Read Installatron's backups without its server.

    Answers as GET /backups/{id} does, from the archives (~/application_backups/app_*.tar.gz) and the records
    (~/.appdata) alone. Evidence is never written to; secrets are masked unless you ask for them.

    \b
    Examples:
      backupmeta list /home                 what backups are there
      backupmeta view app_….tar.gz          the metadata of one
      backupmeta explain app_….tar.gz       where each of its values stands
      backupmeta verify /home               whether all of them are whole, and what their records say
      backupmeta help                       the manual, by topics

    Exit codes: 0 clean, 1 a negative answer or something wrong, 2 a usage error or input that could not be read.
    """
