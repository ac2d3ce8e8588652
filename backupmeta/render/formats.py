"""Formats: how an answer can be written. Each renderer's module ends with the table of its answer.

An entry of a table has the format's name, what it means, and what renders it. Options, help, documents and tests follow
from the tables: a format is added by one entry, and the function that it names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeAlias, TypeVar

Answer = TypeVar("Answer")
Render = TypeVar("Render")


class Trait(Enum):
    """What a command has to know of a format."""

    ROW_BY_ROW = auto()
    """Each row is rendered by itself, so that many processes can render rows, which are joined."""
    WITH_PROVENANCE = auto()
    """It has room for where each value comes from."""
    WITH_CONTENTS = auto()
    """It shows what only a look into members tells: the dump, digests of members."""
    NOT_ON_A_TERMINAL = auto()
    """It is for programs alone, and long: a page."""
    IN_A_FILE_ALONE = auto()
    """It is no text."""


@dataclass(frozen=True, slots=True)
class Format(Generic[Render]):
    """A format of one answer.

    Attributes:
        name: its name, as ``--format`` has it.
        meaning: what it is, a phrase for the help.
        render: what renders the answer; each table says what that is.
        traits: what a command has to know of it.
    """

    name: str
    meaning: str
    render: Render
    traits: frozenset[Trait] = frozenset()


Formats: TypeAlias = Mapping[str, Format[Render]]
"""The formats of an answer by their names; the first is the one that nobody has to ask for."""


def formats(*entries: Format[Render]) -> Formats[Render]:
    """Return the table of an answer's formats."""
    return {entry.name: entry for entry in entries}


@dataclass(frozen=True, slots=True)
class View:
    """How an answer is to be shown; a format passes over what it has no use for.

    Attributes:
        width: the terminal's, in columns; None for a pipe or a file.
    """

    width: int | None = None


Rendering: TypeAlias = Callable[[Answer, View], Iterable[str]]
"""Renders an answer, and gives its text in pieces, as they come."""


def whatever_view(render: Callable[[Answer], Iterable[str]]) -> Rendering[Answer]:
    """Return what renders alike, however the answer is shown."""
    return lambda answer, _view: render(answer)
