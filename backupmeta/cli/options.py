"""Options that several commands share."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Final, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Command = Callable[Arguments, Result]
_MOST_COMPLETIONS: Final = 200


class Zone(click.ParamType[tzinfo]):
    """A time zone of the IANA database, or a fixed offset."""

    name = "zone"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        """Return the zone that ``value`` names: ``Europe/Berlin``, ``+02:00``."""
        from zoneinfo import ZoneInfo

        try:
            if value[:1] in {"+", "-"}:
                return datetime.strptime(value, "%z").tzinfo or UTC
            return ZoneInfo(value)
        except (ValueError, KeyError, OSError):
            self.fail(f"{value!r} is no time zone; give one such as Europe/Berlin or +02:00", param, ctx)


def complete_target(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids and archives' names of where the command looks, and files."""
    from itertools import islice

    from backupmeta.errors import EvidenceError
    from backupmeta.library import Search

    search = Search(ctx.params.get("roots") or (), ctx.params.get("sysroot"))
    names: Iterator[str] = (
        name
        for home in search.homes([])
        for name in (home.installs if ctx.params.get("install") else (*home.backups, *home.archives))
        if name.startswith(incomplete)
    )
    try:
        found = [CompletionItem(name) for name in islice(names, _MOST_COMPLETIONS)]
    except EvidenceError:
        found = []
    return [*found, CompletionItem(incomplete, type="file")]


def searching(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what says where to look."""
    command = click.option(
        "--tz", "zone", type=Zone(), metavar="ZONE", help="The server's time zone, for names without a record."
    )(command)
    return click.option("--sysroot", metavar="DIR", help="A mounted image: look in the conventional places under it.")(
        command
    )


def showing(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what says how much to show."""
    command = click.option(
        "--provenance", is_flag=True, help="Add where each value comes from, conflicts and findings."
    )(command)
    return click.option("--show-secrets", is_flag=True, help="Show passwords and keys instead of ********.")(command)
