"""Findings in a line."""

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding
from backupmeta.render.explanations import finding_line


def test_a_finding_is_one_line() -> None:
    told = finding_line(Finding(FINDINGS["archive-renamed"], "a\nb", "recorded as c"))
    assert told == "warning: a\\nb: the archive's name is not the one in its record (recorded as c) [archive-renamed]"
