"""Options and arguments that several commands share, each declared once; what only one command has stands there.

Each group is a decorator. Most hand the command one value that they make of their options: `Where`, a `Target`, the
name of a format.
"""

import functools
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeAlias

import click
from click.shell_completion import CompletionItem

from backupmeta.account.protected import Protected
from backupmeta.archive.limits import AMOUNTS, DEFAULT_LIMITS, LIMIT_NAMES, Limits, amount
from backupmeta.cli import messages, output
from backupmeta.errors import EvidenceError, did_you_mean
from backupmeta.escapes import printable
from backupmeta.provenance import display
from backupmeta.record.fields import FIELD
from backupmeta.render.formats import Formats, Render, Trait
from backupmeta.search import Search
from backupmeta.words import cut

Command: TypeAlias = Callable[..., int]
Decorator: TypeAlias = Callable[[Command], Command]

_MOST_COMPLETIONS: Final = 200
_DAY: Final = 86_400
_LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, in Unix seconds: the last one that `datetime` has."""
_LONGEST_SHOWN: Final = 60
COUNT: Final[click.IntRange] = click.IntRange(0, 10**12)
"""How many: none too many to be counted."""


def group(*decorators: Decorator) -> Decorator:
    """Return one decorator that adds what all ``decorators`` add; help lists it in their order."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


# --- values -----------------------------------------------------------------------------------------------------------


class Moment(click.ParamType[int]):
    """A moment in Unix seconds, UTC, that is given as a date, a date and time, or Unix seconds.

    A date means the first second of its day, or with ``day_ends`` its last one.
    """

    name = "time"

    def __init__(self, *, day_ends: bool = False) -> None:
        self._seconds_of_a_date = _DAY - 1 if day_ends else 0

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the second that ``value`` means."""
        if not isinstance(value, str):
            return value
        try:
            if value.isdecimal() and len(value) > len("20240613"):
                return _second(value)
            parsed = datetime.fromisoformat(value)
        except ValueError:
            shown = cut(value, _LONGEST_SHOWN)
            self.fail(f"{shown!r} is no time; give 2024-06-13, 2024-06-13T20:55:21Z or Unix seconds", param, ctx)
        first = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
        return first + (self._seconds_of_a_date if len(value) <= len("2024-06-13") else 0)


def _second(digits: str) -> int:
    """Return the number of Unix seconds. Raises `ValueError` for a second that no calendar has."""
    if len(digits) > _LONGEST_SHOWN or int(digits) > _LAST_SECOND:
        raise ValueError("after the year 9999")
    return int(digits)


class SortKey(click.ParamType[str]):
    """A field of the answer, with a ``-`` before it for descending order."""

    name = "field"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value`` if it names a field."""
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


# --- where to look ----------------------------------------------------------------------------------------------------


class Where(NamedTuple):
    """Where a command looks.

    Attributes:
        roots: what it was given as ROOTs or TARGETs, or with ``--root``; empty for the conventional places.
        sysroot: a mounted image.
        zone: the server's time zone, where it is known.
        catalog: the catalog that is answered from instead of the disk.
    """

    roots: tuple[str, ...]
    sysroot: str | None
    zone: tzinfo | None
    catalog: str | None = None

    @property
    def name(self) -> str:
        """What stands for it in a sentence."""
        image = "" if self.sysroot is None else f" of {self.sysroot}"
        return self.catalog or ", ".join(self.roots) or f"the conventional places{image}"

    def search(self, limits: Limits = DEFAULT_LIMITS, user: str | None = None) -> Search:
        """Return what looks there, for all or for what a ``user`` has; of a catalog, tell its age."""
        if self.catalog is None:
            return Search(self.roots, self.sysroot, self.zone, limits, user)
        from backupmeta.catalog.answers import InCatalog

        messages.write_age(self.catalog)
        return InCatalog(zone=self.zone, limits=limits, catalog=self.catalog, user=user)

    def protected(self, *named: str) -> Protected:
        """Return what is evidence: what is read there, what else is ``named``, and what the catalog was made from."""
        if self.catalog is None:
            return Protected((*named, *self.roots), self.sysroot)
        from backupmeta.catalog.database import roots

        return Protected((*named, *self.roots, *roots(self.catalog)), self.sysroot, self.catalog)


Roots: TypeAlias = Literal["ROOT", "TARGET", "ROOT|CATALOG", "--root"]

_ROOT: Final[Decorator] = click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="DIR",
    help="Where to look: a home, a folder of homes or of archives. Repeatable; default: the conventional places.",
)
_SYSROOT: Final[Decorator] = click.option(
    "--sysroot", metavar="DIR", help="A mounted image: look in the conventional places under it."
)
zoned: Final[Decorator] = click.option(
    "--tz", "zone", type=Zone(), metavar="ZONE", help="The server's time zone, for names without a record."
)
"""Add what says by which clock archives were named."""
_CATALOG: Final[Decorator] = click.option(
    "--catalog",
    "from_catalog",
    metavar="CATALOG",
    help="Answer from this catalog, which 'backupmeta scan' wrote, not from disk.",
)
_ON_DISK: Final = "it is for what is on disk"
_BESIDE_CATALOG: Final = {
    "ROOT": f"{_ON_DISK}; 'backupmeta find' chooses in a catalog",
    "--show-secrets": "there are no secrets in it; look at the archive or record itself",
}


def looking(roots_name: Roots, *, in_catalog: bool = False) -> Decorator:
    """Add what says where to look, on disk or ``in_catalog``, too; the command has a parameter ``where``, a `Where`."""
    options: list[Decorator] = [
        _ROOT if roots_name == "--root" else click.argument("roots", nargs=-1, metavar=f"[{roots_name}]..."),
        _SYSROOT,
        zoned,
        *([_CATALOG] if in_catalog else []),
    ]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(
            *,
            roots: tuple[str, ...],
            sysroot: str | None,
            zone: tzinfo | None,
            from_catalog: str | None = None,
            **others: object,
        ) -> int:
            if from_catalog is not None:
                has_secrets = others.get("show_secrets")
                _refuse_beside_catalog({roots_name: roots, "--sysroot": sysroot, "--show-secrets": has_secrets})
            return command(where=Where(roots, sysroot, zone, from_catalog), **others)

        return group(*options)(run)

    return decorate


def _refuse_beside_catalog(given: Mapping[str, object]) -> None:
    """Raise `click.UsageError` where something is ``given`` that a catalog has no answer to."""
    for name, value in given.items():
        if value:
            raise click.UsageError(f"{name} does not go with --catalog: {_BESIDE_CATALOG.get(name, _ON_DISK)}")


def limiting(command: Command) -> Command:
    """Add what changes the limits on what a file may ask for; the command has a parameter ``limits``, a `Limits`."""
    return _limiting(command, lambda _ctx, _param, given: Limits(**dict(given)))


def overriding_limits(command: Command) -> Command:
    """Add the same, for a command that has other limits by default: ``limits`` has those that are named, by name."""
    return _limiting(command, lambda _ctx, _param, given: dict(given))


def _limiting(
    command: Command,
    collect: Callable[[click.Context, click.Parameter, tuple[tuple[str, int], ...]], object],
) -> Command:
    names = ", ".join(f"{limit.name}={limit.default}" for limit in fields(Limits) if limit.name != "search_depth")
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
    search = Search(ctx.params.get("roots") or (), ctx.params.get("sysroot"))
    names: Iterator[str] = (
        name
        for home in search.homes([])
        for name in (home.installs if ctx.params.get("install") else (*home.backups, *home.archives))
        if name.startswith(incomplete)
    )
    try:
        items = [CompletionItem(_quoted(name)) for name in islice(filter(_is_plain, names), _MOST_COMPLETIONS)]
    except EvidenceError:
        items = []
    return [*items, CompletionItem(incomplete, type="file")]


def _is_plain(name: str) -> bool:
    """Return whether a name stands for itself: no option, shown by a terminal as it is, without a secret in it."""
    return not name.startswith("-") and printable(name) == name and display(name) == name


def _quoted(name: str) -> str:
    """Return a name as the shell reads it: bash takes what is completed as it is; zsh and fish quote it themselves."""
    is_bash = os.environ.get("_BACKUPMETA_COMPLETE", "").startswith("bash")
    return shlex.quote(name) if is_bash else name


# --- which backups ----------------------------------------------------------------------------------------------------

in_time: Final[Decorator] = group(
    click.option("--since", type=Moment(), metavar="TIME", help="Only those made then or later (UTC)."),
    click.option(
        "--until",
        type=Moment(day_ends=True),
        metavar="TIME",
        help="Only those made until then; a date is its whole day.",
    ),
)
"""Add what limits the answer to a time; the command has the parameters ``since`` and ``until``, Unix seconds."""

at_work: Final[Decorator] = click.option(
    "--jobs", type=click.IntRange(1, 1024), metavar="N", help="How many processes; by default, one a core."
)
"""Add how many processes do the work."""

secretive: Final[Decorator] = click.option(
    "--show-secrets", is_flag=True, help="Show passwords and keys instead of ********."
)
"""Add what shows secrets."""

with_provenance: Final[Decorator] = click.option(
    "--provenance", is_flag=True, help="Add where each value comes from, conflicts and findings."
)
"""Add what shows sources."""


# --- where and how to write -------------------------------------------------------------------------------------------


def writing(command: Command) -> Command:
    """Add what says where the answer is written; the command has a parameter ``target``, an `output.Target`."""

    @functools.wraps(command)
    def run(*, target_file: str | None, **others: object) -> int:
        return command(target=output.Target(target_file), **others)

    return click.option(
        "-o", "--output", "target_file", metavar="FILE", help="Write to FILE, once all is done, not to stdout."
    )(run)


def formatted(table: Formats[Render], *older: str) -> Decorator:
    """Add ``--format`` with the formats of ``table``, and its short forms; ``older`` spellings of it go on.

    The command has a parameter ``format_name``: that of the first format where none is given.
    """
    shorts = _shorts(table)
    phrases = "; ".join(f"{entry.name}: {entry.meaning}" for entry in table.values())
    choice, meaning = click.Choice(list(table)), f"How to write it. {phrases}."
    options: list[Decorator] = [click.option("--format", *older, "formats", type=choice, multiple=True, help=meaning)]
    for short, name in shorts.items():
        options.append(click.option(f"--{short}", f"as_{short}", is_flag=True, help=f"The same as --format {name}."))

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(*, formats: tuple[str, ...], **others: object) -> int:
            flags = {short: name for short, name in shorts.items() if others.pop(f"as_{short}")}
            return command(format_name=_only(formats, flags) or next(iter(table)), **others)

        return group(*options)(run)

    return decorate


def _only(formats: tuple[str, ...], flags: Mapping[str, str]) -> str | None:
    """Return the format that ``--format`` and short forms, which stand for others, name; None where nothing does.

    Raises `click.UsageError` where they name two.
    """
    names = {*formats, *flags.values()}
    if len(names) > 1:
        spelled = dict.fromkeys([*(f"--format {name}" for name in formats), *(f"--{short}" for short in flags)])
        raise click.UsageError(f"{' and '.join(spelled)} are two formats; give one")
    return next(iter(names), None)


def _shorts(table: Formats[Render]) -> dict[str, str]:
    """Return which formats have short forms: JSON, the JSON of a line an object where there is no other, and CSV."""
    shorts = {name: name for name in ("json", "jsonl", "csv") if name in table}
    return {"json": "jsonl", **shorts} if "jsonl" in table and "json" not in table else shorts


def need(trait: Trait, table: Formats[Render], format_name: str, option: str) -> None:
    """Raise `click.UsageError` where an ``option`` was given with a format that does not have the ``trait``."""
    if trait in table[format_name].traits:
        return
    shorts = _shorts(table)
    names = [name for name, entry in table.items() if trait in entry.traits]
    able = [f"--{name}" if name in shorts else f"--format {name}" for name in names]
    raise click.UsageError(f"{option} needs {' or '.join(able)}")
