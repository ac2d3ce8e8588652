"""Options that several commands share."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, tzinfo
from typing import Final, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

from backupmeta.archive.limits import GIB, KIB, MIB, Limits

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


class Limit(click.ParamType[tuple[str, int]]):
    """One of `Limits`, and its value."""

    name = "limit"
    _units: Final = {"": 1, "k": KIB, "m": MIB, "g": GIB}

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return the name and the value in ``members=1000``, ``inflated_bytes=10G``."""
        if not isinstance(value, str):
            return value
        name, _, number = value.partition("=")
        known = [one.name for one in fields(Limits)]
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            self.fail(
                f"{name!r} is no limit; {f'did you mean {near[0]!r}?' if near else 'there are ' + ', '.join(known)}"
            )
        digits, unit = (number[:-1], number[-1:].lower()) if number[-1:].isalpha() else (number, "")
        if not digits.isdecimal() or unit not in self._units:
            self.fail(f"{number!r} is no number; give one such as 1000, 64K, 10M or 2G", param, ctx)
        return name, int(digits) * self._units[unit]


def limiting(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what changes the limits on what a file may ask for; the command has a parameter ``limits``."""
    names = ", ".join(f"{one.name}={one.default}" for one in fields(Limits) if one.name != "search_depth")

    def collect(_ctx: click.Context, _param: click.Parameter, given: tuple[tuple[str, int], ...]) -> Limits:
        return Limits(**dict(given))

    return click.option(
        "--limit",
        "limits",
        type=Limit(),
        multiple=True,
        callback=collect,
        metavar="NAME=VALUE",
        help=f"Change what the file may ask for. Repeatable; by default: {names}.",
    )(command)


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
