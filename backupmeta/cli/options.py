"""Options and arguments that several commands share, each declared once; what only one command has stands there.

Each group is a decorator. Most hand the command one value that they make of their options: `Where`, a `Destination`,
the name of a format. The first clause of an option's help is the same in all commands; what follows is the command's.
"""

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from time import time
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

import click

from backupmeta.account.roots import conventional
from backupmeta.advice import of_empty
from backupmeta.archive.digests import ALGORITHMS
from backupmeta.archive.limits import AMOUNTS, LIMIT_NAMES, Limits, amount
from backupmeta.archive.member import PATH_MAX
from backupmeta.cli import completion, messages, output, progress_bar
from backupmeta.errors import did_you_mean
from backupmeta.evidence import join_server_path
from backupmeta.record.fields import FIELD
from backupmeta.render.formats import Formats, Render, Trait
from backupmeta.search import Period, Protected, Search
from backupmeta.words import counted, cut, few

Command: TypeAlias = Callable[..., int]
Decorator: TypeAlias = Callable[[Command], Command]

_MOST_PLACES: Final = 5
_DAY: Final = 86_400
_LONGEST_SHOWN: Final = 60
_MOST_DIGITS: Final = 12
_FOREIGN: Final[Mapping[str, str]] = {
    "pdf": "no command writes PDF; a browser prints a report to it",
    **dict.fromkeys(
        ("xls", "xlsx", "ods"), "no command writes workbooks; see 'backupmeta help tools' for spreadsheets"
    ),
}
"""What is asked for by the ends of names that are no format's."""


def group(*decorators: Decorator) -> Decorator:
    """Return one decorator that adds what all ``decorators`` add; help lists it in their order."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def collected(name: str, make: Callable[..., object], *options: Decorator) -> Decorator:
    """Add ``options``, of which ``make`` makes one value: the parameter ``name`` of the command.

    It gets those that its own parameters are called after.
    """
    wanted = inspect.signature(make).parameters

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**values: object) -> int:
            own = {key: values.pop(key) for key in wanted if key in values}
            return command(**{name: make(**own)}, **values)

        return group(*options)(run)

    return decorate


# --- values: a `ValueError` is shown as a mistake in the option -------------------------------------------------------


def count(text: str) -> int:
    """Return a number of rows: none too many to be counted."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise ValueError(f"{cut(text, _LONGEST_SHOWN)!r} is no number of rows; give one such as 50")
    return int(text)


def moment(text: str, of_date: int = 0) -> int:
    """Return the Unix second, UTC, that a date, a date and time, or Unix seconds mean.

    A date means the second ``of_date`` of its day, the first one.
    """
    try:
        if text.isdecimal() and len(text) > len("20240613"):
            return int(datetime.fromtimestamp(int(text), UTC).timestamp())
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        shown = cut(text, _LONGEST_SHOWN)
        raise ValueError(f"{shown!r} is no time; give 2024-06-13, 2024-06-13T20:55:21Z or Unix seconds") from None
    first = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    return first + (of_date if len(text) <= len("2024-06-13") else 0)


def last_moment(text: str) -> int:
    """Return the same, of a date its last second."""
    return moment(text, _DAY - 1)


def sort_key(text: str) -> str:
    """Return ``text`` if it names a field of the answer, with a ``-`` before it for descending order."""
    if (name := text.removeprefix("-")) not in FIELD:
        hint = did_you_mean(name, FIELD, "'backupmeta schema backup' names them")
        raise ValueError(f"{name!r} is no field; {hint}")
    return text


def _zone(text: str) -> tzinfo:
    """Return the time zone that ``text`` names: ``Europe/Berlin``, ``+02:00``."""
    from zoneinfo import ZoneInfo

    try:
        return (datetime.strptime(text, "%z").tzinfo or UTC) if text[:1] in {"+", "-"} else ZoneInfo(text)
    except (ValueError, KeyError, OSError):
        raise ValueError(f"{text!r} is no time zone; give one such as Europe/Berlin or +02:00") from None


def _bound(text: str) -> tuple[str, int]:
    """Return the name of one of `Limits` and the value in ``members=1000``, ``inflated_bytes=10G``."""
    name, _, number = text.partition("=")
    if name not in LIMIT_NAMES:
        raise ValueError(f"{name!r} is no bound; {did_you_mean(name, LIMIT_NAMES)}")
    if not number:
        raise ValueError(f"{name!r} has no value; give one, such as {name}=1000")
    if (bound := amount(number)) is None:
        raise ValueError(f"{number!r} is no number; give one such as {AMOUNTS}")
    return name, bound


def _pattern(text: str) -> str:
    """Return ``text`` if a name may be like it."""
    if len(os.fsencode(text)) > PATH_MAX:
        raise ValueError(f"it is longer than any name; give at most {counted(PATH_MAX, 'byte')}")
    return text


def folder_path(path: str) -> str:
    """Return the ``path`` of a folder without a slash at its end."""
    return path.rstrip("/") or path


# --- where to look ----------------------------------------------------------------------------------------------------


class Where(NamedTuple):
    """Where a command looks.

    Attributes:
        roots: what it was given as ROOTs, or with ``--root``; empty for the conventional places.
        sysroot: a mounted image.
        zone: the server's time zone, where it is known.
        bounds: the values of the `Limits` that were named, by their names.
        catalog: the catalog that is answered from instead of the disk.
    """

    roots: tuple[str, ...]
    sysroot: str | None
    zone: tzinfo | None
    bounds: Mapping[str, int] = MappingProxyType({})
    catalog: str | None = None

    @property
    def limits(self) -> Limits:
        """What a file may ask for."""
        return Limits(**self.bounds)

    @property
    def name(self) -> str:
        """What stands for it in a sentence."""
        image = "" if self.sysroot is None else f" of {self.sysroot}"
        return self.catalog or ", ".join(self.roots) or f"the conventional places{image}"

    @property
    def obstacles(self) -> Iterator[str]:
        """Why nothing may be found where it looks, a sentence each: where that is, that nothing is mounted there."""
        if self.catalog is not None:
            return
        if not self.roots:
            places = conventional(self.sysroot)
            shown = [place.seen_at if place.depth == 0 else join_server_path(place.seen_at, "*") for place in places]
            yield f"looked in {few(shown, _MOST_PLACES)}"
        yield from of_empty(self.roots or filter(None, [self.sysroot]))

    def search(self, user: str | None = None) -> Search:
        """Return what looks there, for all or for what a ``user`` has; of a catalog, tell its age."""
        if self.catalog is None:
            return Search(self.roots, self.sysroot, self.zone, self.limits, user)
        from backupmeta.catalog.remembered import InCatalog

        messages.write_age(self.catalog)
        return InCatalog(zone=self.zone, limits=self.limits, catalog=self.catalog, user=user)

    def protected(self, *named: str) -> Protected:
        """Return what is evidence: what is read there, what else is ``named``, and what the catalog was made from."""
        if self.catalog is None:
            return Protected((*named, *self.roots), self.sysroot)
        from backupmeta.catalog.database import roots

        return Protected((*named, *self.roots, *roots(self.catalog)), self.sysroot, self.catalog)


def in_catalog(catalog: str) -> Where:
    """Return where a command looks that answers from a ``catalog`` alone."""
    return Where((), None, None, catalog=catalog)


Roots: TypeAlias = Literal["ROOT", "ROOT|CATALOG", "--root"]

_ROOT: Final[Decorator] = click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="DIR",
    shell_complete=completion.folder,
    help="Where to look: a home, a folder of homes or of archives. Repeatable; default: the conventional places.",
)
_SYSROOT: Final[Decorator] = click.option(
    "--sysroot",
    metavar="DIR",
    shell_complete=completion.folder,
    help="A mounted image: look in the conventional places under it.",
)
zoned: Final[Decorator] = click.option(
    "--tz", "zone", type=_zone, metavar="ZONE", help="The server's time zone, for names without a record."
)
"""Add what says by which clock archives were named."""
_CATALOG: Final[Decorator] = click.option(
    "--catalog",
    metavar="CATALOG",
    shell_complete=completion.file,
    help="Answer from this catalog of 'backupmeta scan', not from disk.",
)
_ON_DISK: Final = "it is for what is on disk"
_BESIDE_CATALOG: Final = {
    "ROOT": f"{_ON_DISK}; 'backupmeta find' chooses in a catalog",
    "--show-secrets": "there are no secrets in it; look at the archive or record itself",
}


_BOUND: Final[Decorator] = click.option(
    "--bound",
    "bounds",
    type=_bound,
    multiple=True,
    callback=lambda _ctx, _param, given: dict(given),
    metavar="NAME=VALUE",
    help="Change a bound, as members=1000: 'help bounds'. Repeatable.",
)


def looking(roots_name: Roots, *, in_catalog: bool = False) -> Decorator:
    """Add what says where to look, on disk or ``in_catalog``, too; the command has a parameter ``where``, a `Where`."""

    def where(
        roots: tuple[str, ...],
        sysroot: str | None,
        zone: tzinfo | None,
        bounds: Mapping[str, int],
        catalog: str | None = None,
    ) -> Where:
        has_secrets = click.get_current_context().params.get("show_secrets")
        if catalog is not None:
            refuse_beside("--catalog", {roots_name: roots, "--sysroot": sysroot, "--show-secrets": has_secrets})
        return Where(roots, sysroot, zone, bounds, catalog)

    roots = (
        _ROOT
        if roots_name == "--root"
        else click.argument("roots", nargs=-1, metavar=f"[{roots_name}]...", shell_complete=completion.file)
    )
    return collected("where", where, roots, _SYSROOT, *([_CATALOG] if in_catalog else []), zoned, _BOUND)


def _where_on_disk(roots: tuple[str, ...], sysroot: str | None, bounds: Mapping[str, int]) -> Where:
    return Where(roots, sysroot, None, bounds)


locating: Final[Decorator] = collected("where", _where_on_disk, _ROOT, _SYSROOT, _BOUND)
"""Add where a TARGET is looked for, for a command that has no use for a clock: a parameter ``where``."""


def refuse_beside(catalog: str, given: Mapping[str, object], otherwise: str = _ON_DISK) -> None:
    """Raise `click.UsageError` where something is ``given`` that a ``catalog`` has no answer to."""
    for name, value in given.items():
        if value:
            raise click.UsageError(f"{name} does not go with {catalog}: {_BESIDE_CATALOG.get(name, otherwise)}")


TARGET: Final[Decorator] = click.argument("target", shell_complete=completion.target)
"""Add what a command is about: an archive, a record file, an id, an archive's name, a path of the server's."""


# --- which backups ----------------------------------------------------------------------------------------------------


def owned(more: str = "") -> Decorator:
    """Add ``--user``; ``more`` says what becomes of the others."""
    return click.option("--user", metavar="NAME", help=f"Only what belongs to NAME{more}.")


of_domain: Final[Decorator] = click.option("--domain", metavar="DOMAIN", help="Only what is of this domain.")
"""Add ``--domain``."""


def _period(since: int | None, until: int | None) -> Period:
    """Return the time from ``since`` to ``until``. Raises `click.UsageError` where that is none."""
    if since is not None and until is not None and since > until:
        raise click.UsageError("--since is later than --until: nothing lies between them; exchange them")
    return Period(since, until)


in_time: Final[Decorator] = collected(
    "period",
    _period,
    click.option("--since", type=moment, metavar="TIME", help="Only what is of then or later (UTC)."),
    click.option(
        "--until", type=last_moment, metavar="TIME", help="Only what is of then or earlier; a date is its whole day."
    ),
)
"""Add what limits the answer to a time; the command has a parameter ``period``, a `Period`."""


def as_of(more: str) -> Decorator:
    """Add ``--now``; ``more`` says what for.

    The command has a parameter ``now``, a moment in Unix seconds: without the option, the clock's.
    """
    return click.option(
        "--now",
        type=moment,
        callback=lambda _ctx, _param, given: int(time()) if given is None else given,
        metavar="TIME",
        help=f"Judge ages as of this moment: {more}.",
    )


def deep(what_for: str) -> Decorator:
    """Add ``--deep``."""
    return click.option("--deep", is_flag=True, help=f"Read archives to their ends: {what_for}.")


def naming_members(what_for: str, *, is_repeatable: bool = False) -> Decorator:
    """Add ``--member``; the command has a parameter ``member``: a pattern, or several."""
    help_ = f"Find members by path, or by pattern: '*.php'. {what_for}"
    return click.option("--member", multiple=is_repeatable, type=_pattern, metavar="GLOB", help=help_)


def digesting_members(when: str) -> Decorator:
    """Add ``--member-digest``."""
    help_ = f"Count this digest of each member that is a file: {when}."
    return click.option("--member-digest", type=click.Choice(ALGORITHMS), help=help_)


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


quiet: Final[Decorator] = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=messages.be_quiet,
    help="Show only what fails or can't be read: no progress, no remarks.",
)
"""Add what leaves out all that is well: `messages.is_quiet` has it."""


progressing: Final[Decorator] = click.option(
    "--progress/--no-progress",
    default=None,
    expose_value=False,
    callback=progress_bar.remember,
    help="Tell on stderr how far it is; the default on a terminal.",
)
"""Add whether it is told how far the command is: `progress_bar.is_wanted` has it."""

working: Final[Decorator] = group(at_work, progressing)
"""Add how many processes do the work, and whether it is told how far they are."""


def failing(words: Iterable[str], what: str, *, is_repeatable: bool = False) -> Decorator:
    """Add ``--fail-on``, which has one of ``words``: ``what`` makes the exit code 1."""
    help_ = f"What makes the exit code 1: {what}.{' Repeatable.' if is_repeatable else ''}"
    return click.option("--fail-on", type=click.Choice(list(words)), multiple=is_repeatable, help=help_)


# --- where and how to write -------------------------------------------------------------------------------------------


def everything(what: str) -> Decorator:
    """Add ``--all``, which means ``what``; the command has a parameter ``has_all``."""
    return click.option("--all", "has_all", is_flag=True, help=f"All there is: {what}.")


writing: Final[Decorator] = collected(
    "destination",
    output.Destination,
    click.option(
        "-o",
        "--output",
        "path",
        metavar="FILE",
        shell_complete=completion.file,
        help="Write to FILE, once all is done, not to stdout.",
    ),
)
"""Add what says where the answer is written; the command has a parameter ``destination``, an `output.Destination`."""


class _ShortForm(click.Option):
    """A short form of ``--format``; in a command's help, a line has all of them."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the line, for the first of them."""
        names = [form.opts[0] for form in ctx.command.params if isinstance(form, _ShortForm)]
        formats = ", ".join(name.removeprefix("--") for name in names)
        return (", ".join(names), f"The same as --format {formats}.") if names[0] == self.opts[0] else None


def formatted(table: Formats[Render]) -> Decorator:
    """Add ``--format`` with the formats of ``table``, and its short forms.

    The command has a parameter ``format_name``: that of the first format where none is given.
    """
    shorts = _shorts(table)
    phrases = "; ".join(f"{entry.name}: {entry.meaning}" for entry in table.values())
    choice, meaning = click.Choice(list(table)), f"How to write it. {phrases}."
    options: list[Decorator] = [
        click.option("--format", "formats", type=choice, metavar="FORMAT", multiple=True, help=meaning)
    ]
    options += [
        click.option(f"--{short}", cls=_ShortForm, is_flag=True, help=f"The same as --format {short}.")
        for short in shorts
    ]

    def format_name(formats: tuple[str, ...], *, json: bool = False, jsonl: bool = False, csv: bool = False) -> str:
        names = {f"--format {name}": name for name in formats}
        given = {"json": json, "jsonl": jsonl, "csv": csv}
        names |= {f"--{short}": short for short in shorts if given[short]}
        if len(set(names.values())) > 1:
            raise click.UsageError(f"{' and '.join(names)} are two formats; give one")
        return next(iter(names.values()), next(iter(table)))

    return collected("format_name", format_name, *options)


def answering(table: Formats[Render]) -> Decorator:
    """Add how the answer is written, and where: `formatted` and `writing`.

    Where a file's name ends as another format does than it gets, a line says so.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(*, format_name: str, destination: output.Destination, **values: object) -> int:
            if destination.path is not None and (advice := _by_suffix(destination.path, format_name, table)):
                messages.write_remark(f"{destination.path}: is written as {format_name}; {advice}")
            return command(format_name=format_name, destination=destination, **values)

        return group(formatted(table), writing)(run)

    return decorate


def _by_suffix(path: str, format_name: str, table: Formats[Render]) -> str:
    """Return how to get what the end of a ``path`` promises; empty where that is written, or no format is called so."""
    suffix = os.path.splitext(path)[1].removeprefix(".").lower()
    if suffix in table and format_name == next(iter(table)) != suffix:
        return f"'--format {suffix}' writes what its name says"
    return _FOREIGN.get(suffix, "")


def _shorts(table: Formats[Render]) -> list[str]:
    """Return which formats have short forms."""
    return [name for name in ("json", "jsonl", "csv") if name in table]


def need(trait: Trait, table: Formats[Render], format_name: str, option: str) -> None:
    """Raise `click.UsageError` where an ``option`` was given with a format that does not have the ``trait``."""
    if trait in table[format_name].traits:
        return
    shorts = _shorts(table)
    names = [name for name, entry in table.items() if trait in entry.traits]
    able = [f"--{name}" if name in shorts else f"--format {name}" for name in names]
    raise click.UsageError(f"{option} needs {' or '.join(able)}")
