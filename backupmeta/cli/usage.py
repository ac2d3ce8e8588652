"""What a usage error says beside what click says of it: what was probably meant, and what to type.

click knows options by their names alone. What a shell did to a line before, and what words meant elsewhere, is here.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Final

import click

_NEWER: Final[Mapping[str, str]] = {
    "--limit": "--bound",
    "--to": "--format",
    "--all": "--to",
    "--digest": "--archive-digest",
}
"""What options that commands had are called now."""

_EXTRA: Final = re.compile(r"Got unexpected extra arguments? \((?P<names>.+)\)", re.DOTALL)
_ARGUMENTS: Final[Mapping[str, str]] = {
    "target": "an archive, a record file or an id; 'backupmeta list' shows what there is",
    "member": "a name that 'backupmeta members' lists",
    "install": "an install's id, or one of its backups; 'backupmeta installs' shows what there is",
    "catalog": "the file that 'backupmeta scan -o' wrote",
}
"""What arguments are that are missing."""


def explained(error: click.ClickException) -> click.ClickException:
    """Return a usage ``error`` with what was probably meant; any other one, and one that is plain, as it is."""
    if not isinstance(error, click.UsageError):
        return error
    command = None if error.ctx is None else error.ctx.command
    if isinstance(error, click.NoSuchOption) and command is not None and (newer := _newer(error, command)):
        return newer
    hints = list(_hints(error, command)) if command is not None else []
    if not hints:
        return error
    is_option = isinstance(error, click.NoSuchOption)  # options that are spelled alike are of no help, then
    said = error.message if is_option else error.format_message()
    return click.UsageError("; ".join([said.rstrip("."), *hints]), error.ctx)


def _hints(error: click.UsageError, command: click.Command) -> Iterator[str]:
    """Yield what to type instead."""
    if isinstance(error, click.NoSuchOption):
        yield from _of_option(error, command)
    elif isinstance(error, click.MissingParameter):
        yield from _of_missing(error)
    elif isinstance(error, click.BadParameter):
        yield from _of_value(error, command)
    elif extra := _EXTRA.fullmatch(error.message):
        yield from _of_extra(extra["names"], command)
    elif isinstance(command, click.Group) and os.path.lexists(_named_instead_of_a_command()):
        yield "a command stands before a path: 'backupmeta view PATH', 'backupmeta list PATH'"


def _newer(error: click.NoSuchOption, command: click.Command) -> click.UsageError | None:
    """Return an error that names what a ``command`` has now for the option that it had; None for another one."""
    old = error.option_name
    new = _NEWER.get(old)
    if new is None or not any(new in parameter.opts for parameter in command.params):
        return None
    return click.UsageError(f"No such option {old!r}. Did you mean {new!r}?", error.ctx)


def _of_option(error: click.NoSuchOption, command: click.Command) -> Iterator[str]:
    """Yield what stands for an option that a ``command`` does not have."""
    if file := _file_like_option(error.option_name):
        yield f"a name that begins with - stands after --, or as ./{file}"
    elif isinstance(command, click.Group):
        yield "options stand after the command: 'backupmeta list --json'"
    elif error.option_name == "--root" and any(parameter.name == "roots" for parameter in command.params):
        yield f"a ROOT stands by itself: 'backupmeta {command.name} ROOT'"
    elif error.option_name in {"-o", "--output"}:
        yield f"the answer goes to stdout: 'backupmeta {command.name} … > FILE'"


def _file_like_option(option: str) -> str:
    """Return the argument that begins as an ``option`` and is a file's name; empty where there is none."""
    is_short = len(option) == len("-x")
    given = (argument for argument in sys.argv if is_short and argument.startswith(option) and argument != option)
    return next(filter(os.path.lexists, given), "")


def _of_missing(error: click.MissingParameter) -> Iterator[str]:
    """Yield what an argument or an option is that is missing."""
    if isinstance(error.param, click.Option) and error.param.help:
        yield f"{error.param.metavar}: {error.param.help}"
    elif error.param is not None and error.param.name in _ARGUMENTS:
        yield f"it is {_ARGUMENTS[error.param.name]}"


def _of_value(error: click.BadParameter, command: click.Command) -> Iterator[str]:
    """Yield what is meant by a value that an option does not take."""
    name = None if error.param is None else error.param.name
    has = {option for parameter in command.params for option in parameter.opts}
    if name == "limit" and "=" in error.message:
        how = "--bound NAME=VALUE is" if "--bound" in has else "'verify', 'members' and others take as --bound"
        yield f"it is how many rows are shown; what a file may ask for, {how}"
    elif error.param_hint == "--output" and (file := _file_like_option("-o")):
        yield f"a name that begins with - stands after --, or as ./{file}"


def _of_extra(names: str, command: click.Command) -> Iterator[str]:
    """Yield why there may be more arguments, called ``names``, than a ``command`` takes."""
    if any("--member" in parameter.opts for parameter in command.params):
        yield "a wildcard stands in quotes, else the shell puts the names of files in its place"
    elif all(map(os.path.lexists, names.split())):
        yield f"'backupmeta {command.name}' takes one at a time; list and verify take many, and folders"


def _named_instead_of_a_command() -> str:
    return sys.argv[1] if len(sys.argv) > 1 else ""
