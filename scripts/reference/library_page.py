"""What the manual has of the library's public names, from the signatures and docstrings of the public names."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel
from reference.sections import Writer

import backupmeta

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Reading archives": (
        *("open_archive", "OpenArchive", "inspect_archive", "Inspection", "Member", "Limits"),
        *("Dump", "DumpState", "Table", "TableStatement"),
    ),
    "Unpacking archives": ("Extraction", "Fate", "MemberResult", "Needs", "Room"),
    "Listing accounts": ("Search", "list_backups", "list_installs", "list_gone_installs", "State", "GoneInstall"),
    "The server's answers": ("view", "view_install", "Response", "Backup", "Install"),
    "Judging": (
        *("verify", "verify_archive", "Policy", "Verification", "Verdict", "CheckedBackup"),
        *("Finding", "FindingRule", "Group", "Severity"),
    ),
    "Comparing": ("diff", "Difference", "history", "History"),
    "What happened when": ("timeline", "Event", "Period"),
    "Catalogs": ("scan", "ScanResult", "find", "Query", "stats", "Summary", "export", "Export", "report", "Report"),
    "Errors": ("BackupMetaError", "AnswerError", "EvidenceError", "CatalogError", "OutputError"),
}
"""Each public name in its place on the page."""

_WIDTH: Final = 120
_HEADING: Final = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")


def _public_names() -> str:
    """Return the section. Raises `ValueError` where it lacks a public name, or has another one."""
    named = [name for names in GROUPS.values() for name in names]
    if differing := {*named, "__version__"} ^ set(backupmeta.__all__):
        raise ValueError(f"public, or in the groups of {Path(__file__).name}, but not both: {sorted(differing)}")
    groups = ("\n".join((f"## {title}\n", *map(_entry, names))) for title, names in GROUPS.items())
    return "\n".join(groups).rstrip("\n")


def _entry(name: str) -> str:
    """Return what the page has of a public name."""
    public = getattr(backupmeta, name)
    lines = _of_class(public) if isinstance(public, type) else _of_function(public, name)
    return "\n".join((f"### {name}\n", *lines)).rstrip("\n") + "\n"


def _of_function(function: Callable[..., object], name: str) -> Iterator[str]:
    definition = _definition(function)
    yield _code(name, definition.parameters(definition.function), definition.text(definition.function.returns))
    yield from _described(function)


def _of_class(described: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in described.__bases__ if not base.__name__.startswith("_"))
    if issubclass(described, Enum):
        yield _code(f"class {described.__name__}({bases})")
        yield from _described(described)
        yield from _values(described)
    elif issubclass(described, BaseModel):
        yield _code(f"class {described.__name__}" + (f"({bases})" if bases else ""))
        yield from _described(described)
        yield _wrapped(f"Attributes: {', '.join(f'`{name}`' for name in described.model_fields)}.\n")
    else:
        yield _code(f"class {described.__name__}", _construction(described))
        yield from _described(described)
    yield from _members(described)


# --- signatures, as they are written in the source --------------------------------------------------------------------


class _Definition:
    """A class or a function in its source.

    Attributes:
        function: its syntax, where it is a function.
        body: the statements in it.
    """

    def __init__(self, defined: object) -> None:
        """Read the source of a class or a function."""
        self._source = textwrap.dedent(inspect.getsource(defined))  # type: ignore[arg-type]
        self.function: ast.FunctionDef = cast("ast.FunctionDef", ast.parse(self._source).body[0])
        self.body: list[ast.stmt] = self.function.body

    def text(self, node: ast.expr | None) -> str:
        """Return the source of an expression, in one line; empty for none."""
        source = "" if node is None else ast.get_source_segment(self._source, node) or ""
        return re.sub(r"(?<=[(\[]) | (?=[)\]])", "", " ".join(source.split()))

    def parameters(self, function: ast.FunctionDef) -> list[str]:
        """Return the parameters of a ``function``, but for the one that stands for the object or the class."""
        asked = function.args
        positional = [*asked.posonlyargs, *asked.args]
        defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(asked.defaults)), *asked.defaults]
        named = [self._parameter(*each) for each in zip(positional, defaults, strict=True)]
        only = [self._parameter(*each) for each in zip(asked.kwonlyargs, asked.kw_defaults, strict=True)]
        rest = f"*{self._parameter(asked.vararg, None)}" if asked.vararg else "*"
        own = [text for text in named if text not in ("self", "cls")]
        return [*own, *([rest] if only or asked.vararg else []), *only]

    def _parameter(self, parameter: ast.arg, default: ast.expr | None) -> str:
        typed = f"{parameter.arg}: {self.text(parameter.annotation)}" if parameter.annotation else parameter.arg
        return typed if default is None else f"{typed} = {self.text(default)}"

    def attributes(self) -> Iterator[str]:
        """Yield the attributes of a class that its construction takes, with their types and defaults."""
        for statement in self.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                name, kind, default = statement.target.id, self.text(statement.annotation), self.text(statement.value)
                if not name.startswith("_") and "init=False" not in default and not kind.startswith("ClassVar"):
                    default = re.sub(r"\w+\(default=([^,()]+).*\)", r"\1", default)
                    default = re.sub(r"\w+\(default_factory=(\w+).*\)", r"\1()", default)
                    yield f"{name}: {kind} = {default}" if default else f"{name}: {kind}"


def _definition(defined: object) -> _Definition:
    return _Definition(inspect.unwrap(defined) if callable(defined) else defined)


def _construction(described: type) -> list[str]:
    """Return what the construction of a class takes: of the nearest class that says so."""
    for owner in (owner for owner in described.__mro__ if owner.__module__.startswith("backupmeta")):
        definition = _Definition(owner)
        for statement in definition.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                return definition.parameters(statement)
        if attributes := list(definition.attributes()):
            return attributes
    return []


def _code(begin: str, parameters: Iterable[str] | None = None, result: str = "") -> str:
    """Return a block of code: a signature in one line, or where that is too long, a line a parameter."""
    end = f" -> {result}" if result else ""
    if parameters is None:
        return f"```python\n{begin}\n```\n"
    taken = list(parameters)
    text = f"{begin}({', '.join(taken)}){end}"
    if len(text) > _WIDTH:
        text = "\n".join((f"{begin}(", *(f"    {parameter}," for parameter in taken), f"){end}"))
    return f"```python\n{text}\n```\n"


# --- docstrings -------------------------------------------------------------------------------------------------------


def _described(documented: object) -> Iterator[str]:
    """Yield the paragraphs of a docstring, its sections as lists."""
    for paragraph in (inspect.getdoc(documented) or "").replace("``", "`").split("\n\n"):
        heading, _, entries = paragraph.partition("\n")
        if _HEADING.fullmatch(heading) is None:
            yield _wrapped(f"{paragraph}\n")
            continue
        yield f"{heading}\n"
        for entry in re.split(r"\n(?=\S)", textwrap.dedent(entries)):
            name, _, meaning = entry.partition(": ")
            yield _wrapped(f"- `{name}`: {meaning}")
        yield ""


def _values(described: type[Enum]) -> Iterator[str]:
    """Yield a list of the values of an enumeration, with what its source says of them."""
    definition = _Definition(described)
    meanings: dict[str, str] = {}
    name = ""
    for statement in definition.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
        elif name and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            meanings[name] = inspect.cleandoc(str(statement.value.value)).replace("``", "`")
    for value in described:
        meaning = f": {meanings[value.name]}" if value.name in meanings else ""
        yield _wrapped(f"- `{value.name}`, `{value.value!r}`{meaning}")
    yield ""


def _members(described: type) -> Iterator[str]:
    """Yield a list of the methods and properties of a class, those of private bases included."""
    lines = [_wrapped(_member(name, member)) for name, member in _own(described).items()]
    yield from ("Methods and properties:\n", *lines, "") if lines else ()


def _own(described: type) -> dict[str, object]:
    owners = [owner for owner in reversed(described.__mro__) if owner.__module__.startswith("backupmeta")]
    own = {name: member for owner in owners for name, member in vars(owner).items() if not name.startswith("_")}
    kinds = (property, cached_property, classmethod, staticmethod)
    return {name: member for name, member in own.items() if inspect.isfunction(member) or isinstance(member, kinds)}


def _member(name: str, member: object) -> str:
    """Return the entry of a method or a property: its signature and the first paragraph of its docstring."""
    is_called = not isinstance(member, (property, cached_property))
    function = _underlying(member)
    definition = _definition(function)
    parameters = f"({', '.join(definition.parameters(definition.function))})" if is_called else ""
    result = definition.text(definition.function.returns).strip('"')
    end = f" -> {result}" if is_called else f": {result}"
    meaning = (inspect.getdoc(function) or "").replace("``", "`").partition("\n\n")[0]
    return f"- `{name}{parameters}{end}`: {meaning}"


def _underlying(member: object) -> object:
    if isinstance(member, property):
        return member.fget
    if isinstance(member, cached_property):
        return member.func
    return member.__func__ if isinstance(member, (classmethod, staticmethod)) else member


def _wrapped(text: str) -> str:
    """Return a paragraph, or an entry of a list, in lines of the page's width."""
    indent = "  " if text.startswith("- ") else ""
    lines = textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + ("\n" if text.endswith("\n") else "")


WRITERS: Final[Mapping[str, Writer]] = {"public-names": _public_names}
"""The section, by its name."""
