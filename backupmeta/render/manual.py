"""The manual: its pages, which lie beside the package's modules, and the same pages for a browser.

A page is Markdown as CommonMark has it, with tables as GitHub has them. It begins with its title and a paragraph, of
which the first sentence stands for the page in lists.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from backupmeta.errors import FileError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "Begin here": ("start", "commands", "evidence", "glossary"),
    "Ask": ("view", "compare", "timeline", "catalogs", "report"),
    "Judge": ("verify", "tampering", "ci"),
    "Act": ("restore", "seized-disk", "dissect", "tools"),
    "Look up": (
        "outputs",
        "exit-codes",
        "findings",
        "fields",
        "columns",
        "bounds",
        "format",
        "archives",
        "security",
        "performance",
        "library",
    ),
}
"""The pages in the order in which a newcomer needs them. Other pages that are there stand in the last group."""
_FORMAT: Final = "format"
"""The page that is `fixtures/FORMAT.md`: an installed package has it beside the others, a checkout has it there."""
_LISTS: Final = frozenset({"commands", "library", "performance"})
_MOST_MENTIONING: Final = 3
_ADVICE: Final = "install backupmeta again: this installation is not whole"


class Page(NamedTuple):
    """A page of the manual.

    Attributes:
        name: its topic.
        content: its Markdown, as its file has it.
    """

    name: str
    content: bytes

    @property
    def text(self) -> str:
        """Its Markdown."""
        return self.content.decode("utf-8")

    @property
    def title(self) -> str:
        """Its heading, as plain text."""
        return _plain(self._blocks[0])

    @property
    def summary(self) -> str:
        """The first sentence of the paragraph that it begins with, as plain text; without one, its title."""
        sentence = re.split(r"(?<=\.)\s", _plain(self._blocks[1]) or self.title)[0]
        return f"{sentence.rstrip('.:')}."

    @property
    def _blocks(self) -> tuple[str, str]:
        heading, _, rest = self.text.partition("\n\n")
        return heading, rest.partition("\n\n")[0]


def _plain(block: str) -> str:
    """Return a heading or a paragraph without its markup, as one line; of any other block, nothing."""
    kind, *rest = _markdown().parse(block)
    parts = rest[0].children or [] if kind.type in {"heading_open", "paragraph_open"} else []
    return " ".join("".join(part.content or "\n" * part.type.endswith("break") for part in parts).split())


def groups() -> dict[str, list[str]]:
    """Return the topics of each group. Raises `FileError` where the manual is not there."""
    grouped = {topic for topics in _GROUPS.values() for topic in topics}
    try:
        there = {name.removesuffix(".md") for file in _folder().iterdir() if (name := file.name).endswith(".md")}
    except OSError:
        raise FileError(str(_folder()), "the manual is missing", _ADVICE) from None
    others = sorted(there - grouped)
    return {group: [*topics, *(others if group == "Look up" else ())] for group, topics in _GROUPS.items()}


def topics() -> list[str]:
    """Return the topics of the manual, as `groups` does."""
    return [topic for members in groups().values() for topic in members]


def page(topic: str) -> Page:
    """Return the page about a ``topic``, one of `topics`. Raises `FileError` where it is not there."""
    file = _file(topic)
    try:
        return Page(topic, file.read_bytes())
    except OSError:
        raise FileError(str(file), "this page of the manual is missing", _ADVICE) from None


def mentioning(text: str) -> list[str]:
    """Return the few topics whose pages have a ``text`` most often, in whatever case; not lists of everything."""
    pages = (page(topic) for topic in topics() if topic not in _LISTS)
    times = {page.name: page.text.casefold().count(text.casefold()) for page in pages}
    having = sorted((topic for topic, count in times.items() if count), key=lambda topic: -times[topic])
    return having[:_MOST_MENTIONING]


def _folder() -> Traversable:
    return files("backupmeta") / "manual"


def _file(topic: str) -> Traversable:
    shipped = _folder() / f"{topic}.md"
    if topic == _FORMAT and not shipped.is_file():
        return files("backupmeta") / ".." / "fixtures" / "FORMAT.md"
    return shipped


_PATH: Final = re.compile(r"(?:\./|(?:\.\./)*backupmeta/manual/)?([a-z-]+)\.md|(?:\.\./)*fixtures/FORMAT\.md")


def _linked(path: str) -> str | None:
    """Return the topic of the page that a link in a page leads to; None for what is no page."""
    match = _PATH.fullmatch(path)
    return None if match is None else match[1] or _FORMAT


# --- for a terminal ---------------------------------------------------------------------------------------------------

_LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def for_terminal(text: str, width: int) -> str:
    """Return Markdown as a terminal of this ``width`` in columns shows it, with its escape sequences."""
    from io import StringIO

    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=StringIO(), force_terminal=True, width=min(width, _WIDEST))
    with console.capture() as shown:
        console.print(Markdown(_LINK.sub(_to_type, text), code_theme="ansi_dark", hyperlinks=False))
    return shown.get()


_WIDEST: Final = 100
"""How many columns lines of text have at the most."""


def _to_type(link: re.Match[str]) -> str:
    """Return a link to another page as what shows that; of another file of the project, its text alone."""
    text, path = link.groups()
    if ":" in path:
        return link[0]
    topic = _linked(path)
    return text if topic is None or f"help {topic}" in text else f"{text} (`help {topic}`)"


# --- for a browser ----------------------------------------------------------------------------------------------------

WRITTEN: Final = "<!doctype html>\n<!-- written by backupmeta help --html -->\n"
"""What each file begins with."""


def site() -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each file: pages that link to one another, and need nothing else."""
    from jinja2 import Environment, StrictUndefined

    source = files(__package__).joinpath("manual.html").read_text("utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    pages = {topic: page(topic) for topic in topics()}
    listed = {group: [pages[topic] for topic in members] for group, members in groups().items()}
    yield "index.html", WRITTEN + template.render(groups=listed, page=None, body="")
    for each in pages.values():
        yield f"{each.name}.html", WRITTEN + template.render(groups=listed, page=each, body=_body(each, pages))


def _body(shown: Page, pages: Mapping[str, Page]) -> str:
    """Return a page as HTML: its headings can be linked to, its links lead to the files of `site`."""
    markdown = _markdown()
    tokens = markdown.parse(shown.text)
    slugs = dict[str, int]()
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _slug(inline.content, slugs))
        _lead(inline.children or [], pages)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _slug(heading: str, times: dict[str, int]) -> str:
    """Return what a link to a ``heading`` ends with, as GitHub makes it; ``times`` counts those of the page."""
    slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    times[slug] = times.get(slug, -1) + 1
    return f"{slug}-{times[slug]}" if times[slug] else slug


def _lead(inline: Sequence["Token"], pages: Mapping[str, Page]) -> None:
    """Let links lead to files of `site`; those to files of the project that are not shipped become plain text."""
    is_plain = False
    for token in inline:
        if token.type == "link_open":
            href = _href(str(token.attrGet("href")), pages)
            is_plain = href is None
            token.attrSet("href", href or "")
        token.hidden = is_plain and token.type in {"link_open", "link_close"}


def _href(href: str, pages: Mapping[str, Page]) -> str | None:
    """Return where a link of a page leads from its HTML; None for nowhere."""
    parts = urlsplit(href)
    if parts.scheme or not parts.path:
        return href
    topic = _linked(parts.path)
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{topic}.html{fragment}" if topic in pages else None


def _markdown() -> "MarkdownIt":
    """Return what reads a page. A table that is wider than the page scrolls by itself, by keyboard as well."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark").enable("table")
    markdown.add_render_rule("table_open", lambda *_: '<div class="table" tabindex="0">\n<table>\n')
    markdown.add_render_rule("table_close", lambda *_: "</table>\n</div>\n")
    markdown.add_render_rule("html_block", _own_markup)
    markdown.add_render_rule("html_inline", _own_markup)
    return markdown


def _own_markup(_renderer: object, tokens: Sequence["Token"], index: int, *_: object) -> str:
    """Return HTML that a page has itself as text; nothing of a comment, which marks what a script writes."""
    content = tokens[index].content
    return "" if content.startswith("<!--") else escape(content)
