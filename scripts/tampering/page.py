"""The manual's page about tampering, from the table of cases."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tampering.cases import ACTS, HONEST, Case

PAGE: Final = Path(__file__).parent.parent.parent / "backupmeta/manual/tampering.md"

_BEGIN: Final = """\
# Tampering: which command tells what

What was done to a backup shows where evidence contradicts other evidence, or where a part of it is missing. Three
things decide which command can know: what stands in records, in names and at the beginning of archives, which every
command reads; what lies deeper in archives, which is read by `verify`, and by `scan`, `report` and `timeline` with
`--deep`; and what other archives are like.

    backupmeta scan --sysroot /mnt/image --deep -o case.sqlite     # read all of it once
    backupmeta report case.sqlite -o report.html                   # first "Contradictions", "Sites that are gone"
    backupmeta list --catalog case.sqlite                          # all of it beside the backups
    backupmeta installs --gone --catalog case.sqlite               # what only backups tell of
    backupmeta history INSTALL --sysroot /mnt/image --member '*/uploads/*.php'    # the last backup without a file
    backupmeta diff BEFORE AFTER --deep                            # what came with it

`backupmeta checks ID` explains a finding. Each answer below is tested with a server of 30 accounts and a year of
backups of each (`scripts/tampered_server.py` in the source writes it).

## Acts
"""
_COLUMNS: Final = (
    "what was done",
    "`verify`, `report --deep`, `list --catalog` after `scan --deep`",
    "`list` or `installs`",
    "`timeline --deep`",
    "why not",
)
_AFTER_ACTS: Final = """\
Findings are named on stderr (by `timeline`, notes in one line of each kind), in the column `findings` of `list` and
`installs`, and in the answers of the others. `timeline` also marks events as contradicted by others: those are named
after "marks". Where two findings say the same, the table has the one that is meant for it: an archive that was
renamed has `name-time-differs`, too.

What nobody can know: an archive that was forged with contents that agree with its record, and with all times put
back, is a backup of that time, unless another backup, a digest that was taken before, or the live site shows another
content.

## What is left alone

None of these has an error or a warning, in any of the commands:
"""
_WIDEST: Final = 60


def page() -> str:
    """Return the page."""
    acts = "\n".join(_table(_COLUMNS, map(_row, ACTS)))
    honest = "\n".join(f"- {case.what}" for case in HONEST if case.what != "nothing")
    return f"{_BEGIN}\n{acts}\n\n{_AFTER_ACTS}\n{honest}\n"


def _row(case: Case) -> tuple[str, ...]:
    told = case.told
    if told is None:
        raise ValueError(case.user)
    marks = f"marks `{told.marked}`" if told.marked else ""
    in_timeline = ", ".join(filter(None, (_code(told.in_timeline), marks)))
    return case.what, _code(told.finding), _code(told.by_heads) or "-", in_timeline or "-", told.why


def _code(id_: str) -> str:
    return f"`{id_}`" if id_ else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table (GitHub Flavored Markdown, §4.10), its columns below each other."""
    cells = [columns, *rows]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*cells, strict=True)]
    first, *others = ("| " + " | ".join(map(str.ljust, row, widths)).rstrip() + " |" for row in cells)
    yield from (first, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *others)
