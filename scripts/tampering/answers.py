"""What the manual has of tampering, from the table of cases."""

from collections.abc import Mapping
from typing import Final

from reference.sections import Writer, code, table
from tampering.cases import ACTS, HONEST, Case

_COLUMNS: Final = (
    "what was done",
    "`verify`, `report --deep`, `list --catalog` after `scan --deep`",
    "`list` or `installs`",
    "`timeline --deep`",
    "why not",
)


def _acts() -> str:
    """Return a table of the acts, and which command tells of them."""
    return table(_COLUMNS, map(_row, ACTS))


def _honest() -> str:
    """Return a list of what is odd and honest."""
    return "\n".join(f"- {case.what}" for case in HONEST if case.what != "nothing")


def _row(case: Case) -> tuple[str, ...]:
    told = case.told
    if told is None:
        raise ValueError(case.user)
    marks = f"marks `{told.marked}`" if told.marked else ""
    in_timeline = ", ".join(filter(None, (code(told.in_timeline), marks)))
    return case.what, code(told.finding), code(told.by_heads) or "-", in_timeline or "-", told.why


WRITERS: Final[Mapping[str, Writer]] = {"acts": _acts, "honest-oddities": _honest}
"""The sections, by their names."""
