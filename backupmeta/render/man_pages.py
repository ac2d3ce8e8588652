"""Man pages, from what ``--help`` says and from the manual: roff with the macros of man(7), without tables of tbl(1).

Characters that roff takes for its own, or prints as others, are written by their names, others than ASCII by their
numbers (groff_char(7)): so a page needs no preprocessor, and what is copied from it can be typed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

WRITTEN: Final = '.\\" written by backupmeta help --man\n'
"""What each file begins with."""
_NAMED: Final = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


class Described(NamedTuple):
    """A command.

    Attributes:
        name: its name, after the program's if it is one of that's commands.
        summary: what it does, a sentence.
        usage: its arguments, as its usage has them.
        text: what its ``--help`` says of it: paragraphs, of which those that begin with ``\\b`` stand as they are.
        options: how each is spelled, and what it means.
        commands: its commands, and what each does.
        page: its page of the manual; None where it has none.
    """

    name: str
    summary: str
    usage: str
    text: str
    options: Sequence[tuple[str, str]]
    commands: Mapping[str, str]
    page: str | None


def file_name(name: str) -> str:
    """Return the name of the man page of a command."""
    return f"{name.replace(' ', '-')}.1"


def man_page(command: Described, version: str, others: Iterable[str]) -> str:
    """Return the man page of a ``command``, of a ``version`` of the program; it names those of the ``others``."""
    page = command.name.replace(" ", "-")
    lines = [
        f'.TH {_escaped(page.upper())} 1 "" "backupmeta {_escaped(version)}" "User Commands"',
        ".nh",  # what is typed stays in one piece
        ".ad l",
        *_headed("NAME", [f"{_escaped(page)} \\- {_escaped(command.summary)}"]),
        *_headed("SYNOPSIS", [f"\\fB{_escaped(command.name)}\\fR {_escaped(command.usage)}"]),
        *_headed("DESCRIPTION", _paragraphs(command.text)),
        *_headed("OPTIONS", _entries(command.options)),
        *_headed("COMMANDS", _entries(command.commands.items())),
        *([] if command.page is None else _markdown(command.page)),
        *_headed("SEE ALSO", [", ".join(f"\\fB{_escaped(other.replace(' ', '-'))}\\fR(1)" for other in others)]),
    ]
    return WRITTEN + "".join(f"{line}\n" for line in lines)


def _headed(heading: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield ``lines`` below a ``heading``; nothing where there are none."""
    for number, line in enumerate(lines):
        if not number:
            yield f".SH {heading}"
        yield line


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in entries:
        yield from (".TP", f"\\fB{_escaped(term)}\\fR", *_filled(_escaped(meaning)))


def _paragraphs(text: str) -> Iterator[str]:
    """Yield what a ``--help`` says."""
    for paragraph in text.split("\n\n"):
        yield ".PP"
        if paragraph.startswith("\b"):
            yield from _verbatim(paragraph.removeprefix("\b\n"))
        else:
            yield from _filled(_escaped(paragraph))


def _verbatim(text: str) -> Iterator[str]:
    """Yield the lines of a ``text`` as they are."""
    yield ".EX"
    yield from (_guarded(_escaped(line)) for line in text.splitlines())
    yield ".EE"


def _filled(roff: str) -> Iterator[str]:
    """Yield the lines of a paragraph, which are filled."""
    yield from (_guarded(line.strip()) for line in roff.splitlines() if line.strip())


def _guarded(line: str) -> str:
    """Return a ``line`` that roff does not take for a request."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _escaped(text: str) -> str:
    return "".join(_NAMED.get(letter, letter) if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in text)


# --- Markdown ---------------------------------------------------------------------------------------------------------


def _markdown(text: str) -> Iterator[str]:
    """Yield a page of the manual: its title is a heading of the man page."""
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text))
    for block in tree.children:
        yield from _block(block)


def _block(block: "SyntaxTreeNode") -> Iterator[str]:
    """Yield a block; nothing of one that is not text, such as a comment."""
    match block.type:
        case "heading":
            yield from _heading(block)
        case "paragraph":
            yield from (".PP", *_filled(_inline(block)))
        case "fence" | "code_block":
            yield from (".PP", ".RS 4", *_verbatim(block.content), ".RE")
        case "bullet_list" | "ordered_list":
            for item in block.children:
                yield from _item(item, f"{item.info}. 4" if item.info else "\\(bu 2")
        case "table":
            yield from _rows(block)


def _heading(heading: "SyntaxTreeNode") -> Iterator[str]:
    match heading.tag:
        case "h1":
            plain = "".join(part.content for part in heading.walk() if not part.children)
            yield f".SH {_escaped(plain.upper())}"
        case "h2":
            yield f".SS {_inline(heading)}"
        case _:
            yield from (".PP", f"\\fB{_inline(heading)}\\fR")


def _item(item: "SyntaxTreeNode", mark: str) -> Iterator[str]:
    """Yield an item of a list: its first paragraph beside its ``mark``, what follows below that."""
    first, *rest = item.children
    yield from (f".IP {mark}", *_filled(_inline(first)))
    for block in rest:
        yield from (".RS 4", *_block(block), ".RE")


def _rows(table: "SyntaxTreeNode") -> Iterator[str]:
    """Yield a table: each row is an entry, of which the first cell is the term; each other cell has a line."""
    *_, body = table.children
    for row in body.children:
        term, *cells = (_inline(cell) for cell in row.children)
        yield from (".TP", f"\\fB{term}\\fR")
        for number, cell in enumerate(filter(None, cells)):
            yield from ([".br"] if number else [])
            yield from _filled(cell)


def _inline(node: "SyntaxTreeNode", font: str = "R") -> str:
    """Return what is in a block, or in a part of it, in whatever ``font`` that stands."""
    return "".join(_part(part, font) for part in node.children)


def _part(part: "SyntaxTreeNode", font: str) -> str:
    match part.type:
        case "text":
            return _escaped(part.content)
        case "code_inline":
            return f"\\fB{_escaped(part.content)}\\f{font}"
        case "strong" | "em":
            own = "B" if part.type == "strong" else "I"
            return f"\\f{own}{_inline(part, own)}\\f{font}"
        case "softbreak" | "hardbreak":
            return "\n"
        case _:  # a link, an image: what it says
            return _inline(part, font)
