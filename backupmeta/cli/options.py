"""Options that several commands share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

from backupmeta.archive.limits import AMOUNTS, LIMIT_NAMES, Limits, amount
from backupmeta.errors import did_you_mean
from backupmeta.escapes import printable
from backupmeta.words import cut

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Command = Callable[Arguments, Result]
_MOST_COMPLETIONS: Final = 200
JOBS: Final = click.IntRange(1, 1024)
"""How many processes."""

_DAY: Final = 86_400
_LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, in Unix seconds: the last one that `datetime` has."""
_LONGEST_SHOWN: Final = 60
COUNT: Final = click.IntRange(0, 10**12)
"""How many: none too many to be counted."""


class Moment(click.ParamType["Span"]):
    """A moment: a date, a date and time, or Unix seconds."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> "Span":
        """Return the span that ``value`` means: a whole day for a date, else one second."""
        try:
            if value.isdecimal() and len(value) > len("20240613"):
                return _second(value)
            parsed = datetime.fromisoformat(value)
        except ValueError:
            shown = cut(value, _LONGEST_SHOWN)
            self.fail(f"{shown!r} is no time; give 2024-06-13, 2024-06-13T20:55:21Z or Unix seconds", param, ctx)
        begin = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
        return Span(begin, begin + (_DAY if len(value) <= len("2024-06-13") else 1) - 1)


class Span(NamedTuple):
    """From the first to the last Unix second that a moment means."""

    first: int
    last: int


def _second(digits: str) -> Span:
    """Return the second that Unix seconds mean. Raises `ValueError` for one that no calendar has."""
    if len(digits) > _LONGEST_SHOWN or int(digits) > _LAST_SECOND:
        raise ValueError("after the year 9999")
    return Span(int(digits), int(digits))


class SortKey(click.ParamType[str]):
    """A field of the answer, with a ``-`` before it for descending order."""

    name = "field"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value`` if it names a field."""
        from backupmeta.record.fields import FIELD

        name = value.removeprefix("-")
        if name not in FIELD:
            hint = did_you_mean(name, FIELD, "'backupmeta schema backup' names them")
            self.fail(f"{name!r} is no field; {hint}", param, ctx)
        return value


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

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return the name and the value in ``members=1000``, ``inflated_bytes=10G``."""
        if not isinstance(value, str):
            return value
        name, _, number = value.partition("=")
        if name not in LIMIT_NAMES:
            self.fail(f"{name!r} is no limit; {did_you_mean(name, LIMIT_NAMES)}", param, ctx)
        bound = amount(number)
        if bound is None:
            self.fail(f"{number!r} is no number; give one such as {AMOUNTS}", param, ctx)
        return name, bound


def limiting(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what changes the limits on what a file may ask for; the command has a parameter ``limits``, a `Limits`."""
    return _limiting(command, lambda _ctx, _param, given: Limits(**dict(given)))


def overriding_limits(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add the same, for a command that has other limits by default: ``limits`` has those that are named, by name."""
    return _limiting(command, lambda _ctx, _param, given: dict(given))


def _limiting(
    command: Command[Arguments, Result],
    collect: Callable[[click.Context, click.Parameter, tuple[tuple[str, int], ...]], object],
) -> Command[Arguments, Result]:
    names = ", ".join(f"{one.name}={one.default}" for one in fields(Limits) if one.name != "search_depth")
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
    from backupmeta.search import Search

    search = Search(ctx.params.get("roots") or (), ctx.params.get("sysroot"))
    names: Iterator[str] = (
        name
        for home in search.homes([])
        for name in (home.installs if ctx.params.get("install") else (*home.backups, *home.archives))
        if name.startswith(incomplete)
    )
    try:
        found = [CompletionItem(_quoted(name)) for name in islice(filter(_is_plain, names), _MOST_COMPLETIONS)]
    except EvidenceError:
        found = []
    return [*found, CompletionItem(incomplete, type="file")]


def _is_plain(name: str) -> bool:
    """Tell whether a name stands for itself: no option, shown by a terminal as it is, without a secret in it."""
    from backupmeta.masking import mask_text

    return not name.startswith("-") and printable(name) == name and mask_text(name) == name


def _quoted(name: str) -> str:
    """Return a name as the shell reads it: bash takes what is completed as it is; zsh and fish quote it themselves."""
    import os
    import shlex

    is_bash = os.environ.get("_BACKUPMETA_COMPLETE", "").startswith("bash")
    return shlex.quote(name) if is_bash else name


def zoned(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what says by which clock archives were named."""
    return click.option(
        "--tz", "zone", type=Zone(), metavar="ZONE", help="The server's time zone, for names without a record."
    )(command)


def searching(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what says where to look."""
    command = zoned(command)
    return click.option("--sysroot", metavar="DIR", help="A mounted image: look in the conventional places under it.")(
        command
    )


def cataloged(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what answers from a catalog."""
    return click.option(
        "--catalog", metavar="CATALOG", help="Answer from this catalog, which 'backupmeta scan' wrote, not from disk."
    )(command)


def refuse_beside_catalog(given: Mapping[str, object]) -> None:
    """Raise `click.UsageError` where something is ``given`` that a catalog has no answer to."""
    for name, value in given.items():
        if value:
            raise click.UsageError(f"{name} does not go with --catalog: {_BESIDE_CATALOG[name]}")


_BESIDE_CATALOG: Final = {
    "ROOT": "it is for what is on disk; 'backupmeta find' chooses in a catalog",
    "TARGET": "it is for what is on disk",
    "--root": "it is for what is on disk",
    "--sysroot": "it is for what is on disk",
    "--show-secrets": "there are no secrets in it; look at the archive or record itself",
}


def showing(command: Command[Arguments, Result]) -> Command[Arguments, Result]:
    """Add what says how much to show."""
    command = click.option(
        "--provenance", is_flag=True, help="Add where each value comes from, conflicts and findings."
    )(command)
    return click.option("--show-secrets", is_flag=True, help="Show passwords and keys instead of ********.")(command)


def decorated(command: Callable[..., int], decorators: Sequence[Callable[..., Any]]) -> Callable[..., int]:
    """Return ``command`` with arguments and options, the first of the ``decorators`` outermost."""
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


PRESENTING: Final = (
    click.option("--sort", type=SortKey(), metavar="FIELD", help="Sort by a field; -FIELD for descending."),
    click.option("--json", "form", flag_value="json", help="Print the server's list envelope."),
    click.option("--jsonl", "form", flag_value="jsonl", help="Print one JSON object a line."),
    click.option("--csv", "form", flag_value="csv", help="Print a column a field."),
    click.option("--offset", type=COUNT, default=0, show_default=True, help="Leave out so many first."),
    click.option("--limit", type=COUNT, help="Show at most so many; --json: 50, as the server."),
)
"""How rows are shown."""

IN_TIME: Final = (
    click.option("--since", type=Moment(), metavar="TIME", help="Only those made then or later (UTC)."),
    click.option("--until", type=Moment(), metavar="TIME", help="Only those made until then; a date is its whole day."),
)
