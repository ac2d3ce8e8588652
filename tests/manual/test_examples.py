"""Examples of the manual are run: what stands below them is what they print, and an example that fails is refused."""

from pathlib import Path

import pytest
from reference.examples import Stage


def shown(folder: Path, page: str) -> str:
    return Stage(folder).shown(page)


def console(*lines: str) -> str:
    return "\n".join(("# Page", "", "```console", *lines, "```", "", "by hand", ""))


def test_answers_are_written_anew(tmp_path: Path) -> None:
    page = console("$ backupmeta list --sysroot /mnt/seized | head -1 | cut -f 1,2", "old", "$ echo $?", "7")
    assert shown(tmp_path, page) == console(
        "$ backupmeta list --sysroot /mnt/seized | head -1 | cut -f 1,2", "time (UTC)      id", "$ echo $?", "0"
    )


def test_exit_codes_and_stderr_are_those_of_the_command(tmp_path: Path) -> None:
    command = "$ backupmeta list --sysroot /mnt/seized --user nobody"
    lines = shown(tmp_path, console(command, "$ echo $?")).splitlines()
    assert any(line.startswith("backupmeta: ") for line in lines)
    assert lines[lines.index("$ echo $?") + 1] == "1"


def test_places_and_not_where_they_lie_are_shown(tmp_path: Path) -> None:
    text = shown(tmp_path, console("$ backupmeta list --sysroot /mnt/seized | tail -1 | cut -f 12"))
    assert "/mnt/seized/home/otto/application_backups/" in text
    assert str(tmp_path) not in text


def test_the_examples_of_a_page_share_a_folder_and_names(tmp_path: Path) -> None:
    program = "```python\n{}\n```\n\n```text\nold\n```\n"
    page = (
        console("$ echo told > file")
        + program.format("from pathlib import Path")
        + program.format("print(Path('file').read_text())")
    )
    assert shown(tmp_path, page).endswith("```text\ntold\n\n```\n")


def test_what_is_no_example_stays(tmp_path: Path) -> None:
    page = "```sh\nrm -r /\n```\n\n```python\nraise SystemExit\n```\n\n```\nold\n```\n"
    assert shown(tmp_path, page) == page


def test_a_command_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such option"):
        shown(tmp_path, console("$ backupmeta list --sysrot /mnt/seized"))
