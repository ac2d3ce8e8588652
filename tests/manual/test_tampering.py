"""The page about tampering: made of the table that the scenario is tested by."""

import re
from importlib.resources import files
from typing import Final

from tampering.cases import ACTS, HONEST

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli.commands import COMMANDS
from backupmeta.events.claims import KINDS

PAGE: Final = files("backupmeta").joinpath("manual/tampering.md").read_text("utf-8")


def test_it_has_each_act_and_each_honest_oddity() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    assert rows[1:] == [case.what for case in ACTS]
    assert [line[2:] for line in PAGE.splitlines() if line.startswith("- ")] == [case.what for case in HONEST[1:]]


def test_what_it_names_is_there() -> None:
    table = {code for line in PAGE.splitlines() if line.startswith("| ") for code in re.findall(r"`([\w-]+)`", line)}
    assert table - {"verify", "list", "installs"} <= FINDINGS.keys() | KINDS.keys()
    assert {line.split()[1] for line in PAGE.splitlines() if line.startswith("    backupmeta ")} <= COMMANDS.keys()
