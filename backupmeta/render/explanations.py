"""Explanations: a finding in a line, the rules of findings, a record's lines or an archive's steps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from backupmeta.escapes import inert, printable
from backupmeta.explain import Step
from backupmeta.findings import Finding, FindingRule
from backupmeta.provenance import as_text
from backupmeta.render.formats import Format, Formats, Rendering, View, formats, pretty, table, whatever_view
from backupmeta.words import cut, visible

_COLUMNS: Final = ("id", "severity", "group", "says")
_TEXT_WIDTH: Final = 60


def finding_line(finding: Finding) -> str:
    """Return a finding as one line: ``warning: title: … [name-title-differs]``."""
    return visible(f"{finding.severity}: {finding.message} [{finding.id}]")


# --- the rules --------------------------------------------------------------------------------------------------------


def listed(rules: Sequence[FindingRule], view: View) -> Iterator[str]:
    """Yield a table of checks; of a single one what it says, and what to do."""
    if len(rules) == 1:
        yield _explained(rules[0])
        return
    yield table(_COLUMNS, [(rule.id, rule.severity, rule.group, rule.sentence) for rule in rules], view.width)


def _explained(rule: FindingRule) -> str:
    first = f"{rule.id}: {rule.sentence}\n"
    return f"{first}  severity: {rule.severity}\n  group:    {rule.group}\n  advice:   {rule.advice}\n"


def checks_json(rules: Sequence[FindingRule]) -> Iterator[str]:
    """Yield the checks as a JSON array."""
    names = ("id", "group", "severity", "sentence", "advice")
    yield pretty([{name: getattr(rule, name) for name in names} for rule in rules])


# --- records and archives ---------------------------------------------------------------------------------------------


def step_lines(steps: Iterable[Step]) -> Iterator[str]:
    """Yield a line a step: where, what stands there, what was made of it."""
    for step in steps:
        where = f"line {step.line}" if step.line else step.place
        text = f"{where:>9}  {cut(as_text(step.text), _TEXT_WIDTH):<{_TEXT_WIDTH}}  {as_text(step.meaning)}"
        yield inert(printable(text) + "\n")  # its secrets are masked, or were asked for


def steps_json(steps: Iterable[Step]) -> Iterator[str]:
    """Yield the steps as a JSON array."""
    yield pretty([_step(step) for step in steps])


def _step(step: Step) -> dict[str, object]:
    texts = {"text": as_text(step.text), "meaning": as_text(step.meaning)}
    return {"place": step.place, "line": step.line, "offset": step.offset, **texts}


# --- formats ----------------------------------------------------------------------------------------------------------

CHECKS: Final[Formats[Rendering[Sequence[FindingRule]]]] = formats(
    Format("text", "a table for people", listed),
    Format("json", "an array of objects", whatever_view(checks_json)),
)
"""The formats of the rules of findings."""

STEPS: Final[Formats[Rendering[Iterable[Step]]]] = formats(
    Format("text", "a line a step", whatever_view(step_lines)),
    Format("json", "an array of objects", whatever_view(steps_json)),
)
"""The formats of an explanation."""
