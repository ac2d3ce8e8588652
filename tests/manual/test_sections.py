"""Sections of the manual that a program writes: they are as it writes them, and say what the program's tables say."""

import re
from importlib.resources import files
from pathlib import Path

import make_manual
import pytest
from reference.sections import filled, table

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli.commands import COMMANDS, command
from backupmeta.cli.schema_cmd import PRINTED
from backupmeta.record.fields import FIELDS

MANUAL = files("backupmeta").joinpath("manual")


def first_cells(page: str) -> list[str]:
    """Return what stands in code in the first cells of a page's tables."""
    return re.findall(r"^\| \[?`([^`]+)`", MANUAL.joinpath(f"{page}.md").read_text("utf-8"), re.MULTILINE)


def test_each_finding_field_schema_and_command_has_a_row() -> None:
    assert sorted(first_cells("findings")) == sorted(FINDINGS)
    assert first_cells("fields") == [field.name for field in FIELDS]
    assert set(PRINTED) <= set(first_cells("outputs"))
    assert first_cells("commands") == sorted(COMMANDS)


def test_each_option_of_a_command_stands_in_its_section() -> None:
    page = MANUAL.joinpath("commands.md").read_text("utf-8")
    for name in COMMANDS:
        section = page.partition(f"## backupmeta {name}\n")[2].partition("\n## ")[0]
        options = {option for each in command(name).params for option in each.opts if option.startswith("--")}
        assert {option for option in options if option not in section} == set()


def test_a_bound_is_written_as_people_write_it() -> None:
    page = MANUAL.joinpath("bounds.md").read_text("utf-8")
    assert re.search(r"\| `inflated_bytes` +\| 1 TiB +\| what an archive inflates to", page)
    assert re.search(r"\| `members` +\| 10,000,000 +\|", page)
    assert "without the zeros that fill whole blocks of it" in page


def test_only_what_stands_between_the_marks_is_written() -> None:
    page = "# Words\n\n<!-- begin a -->\nold\n<!-- end a -->\n\nby hand\n"
    assert filled(page, {"a": lambda: "new"}) == "# Words\n\n<!-- begin a -->\n\nnew\n\n<!-- end a -->\n\nby hand\n"


@pytest.mark.parametrize("page", ["<!-- begin a -->\n", "<!-- end a -->\n", "<!-- begin a -->\n<!-- end b -->\n"])
def test_a_mark_without_its_other_mark_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="between"):
        filled(page, {"a": lambda: "", "b": lambda: ""})


def test_a_section_that_nobody_writes_is_refused() -> None:
    with pytest.raises(KeyError):
        filled("<!-- begin a -->\n<!-- end a -->\n", {})


def test_columns_of_a_table_stand_below_each_other() -> None:
    rows = table(("a", "bc"), [("x|y", "1")]).splitlines()
    assert rows == ["| a    | bc |", "|------|----|", "| x\\|y | 1 |"]


def test_the_check_names_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "bounds.md"
    page.write_text("# Bounds\n\n<!-- begin bounds -->\n<!-- end bounds -->\n")
    monkeypatch.setattr(make_manual, "MANUAL", tmp_path)
    monkeypatch.setattr(make_manual, "README", page)
    monkeypatch.setattr("sys.argv", ["make_manual.py", "--check"])
    assert make_manual.main() == 1
    assert "bounds.md" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["make_manual.py"])
    assert make_manual.main() == 0
    assert "`inflated_bytes`" in page.read_text("utf-8")
    assert list(make_manual.differing()) == []
