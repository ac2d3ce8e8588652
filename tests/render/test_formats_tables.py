"""Findings in a line; tables, for a pipe and for a terminal."""

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding
from backupmeta.render.formats import View, finding_line, table


def test_a_table_for_a_pipe_is_tab_separated_with_a_heading() -> None:
    (text,) = table(("a", "b"), [("1", "2"), ("x\ty", "z\n")], View())
    assert text == "a\tb\n1\t2\nx\\ty\tz\\n\n"


def test_a_table_for_a_terminal_fits_its_width_and_has_no_control_characters() -> None:
    (drawn,) = table(("title", "url"), [("a\x1b[31mb\u202e[bold]", "\x9b" * 3 + "ü")], View(40))
    assert all(len(line) <= 40 for line in drawn.splitlines())
    assert "\\x1b[31mb\\u202e" in drawn.replace("\n", "")
    assert "[bold]" in drawn
    assert not {"\x1b", "\u202e", "\x9b"} & set(drawn)


def test_a_finding_is_one_line() -> None:
    told = finding_line(Finding(FINDINGS["archive-renamed"], "a\nb", "recorded as c"))
    assert told == "warning: a\\nb: the archive's name is not the one in its record (recorded as c) [archive-renamed]"
