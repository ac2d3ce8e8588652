"""The command ``help``: the manual, on a terminal, as pages for a browser, as man pages."""

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import click

from backupmeta import __version__
from backupmeta.advice import is_near
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli import commands, completion, output
from backupmeta.cli.commands import COMMANDS
from backupmeta.errors import nearest
from backupmeta.findings import Group
from backupmeta.render import man_pages, manual
from backupmeta.render.man_pages import Described

_NO_PAGERS: Final = frozenset({"", "cat"})
"""What git takes for "no pager" (git-var(1), GIT_PAGER)."""
_LESS: Final = "-FRX"
"""How git has less work where nothing else is set: where all is on the screen it ends, and it passes colours on."""
_SHORT: Final = 2
"""How long a word is that stands everywhere."""
_ONE_LINE: Final = 10_000
"""The width of a list that is not wrapped, in columns."""


@click.command("help")
@click.argument("topic", nargs=-1, shell_complete=completion.topic)
@click.option(
    "--html",
    metavar="FOLDER",
    shell_complete=completion.folder,
    help="Write all pages to FOLDER, for a browser; it begins with index.html.",
)
@click.option(
    "--man",
    metavar="FOLDER",
    shell_complete=completion.folder,
    help="Write man pages to FOLDER: backupmeta.1, and one of each command.",
)
@click.pass_context
def help_(context: click.Context, topic: tuple[str, ...], *, html: str | None, man: str | None) -> int:
    """Show the manual: its topics, or the page about a TOPIC.

    TOPIC may also be a command, or the id of a finding. What is shown on a terminal goes through $PAGER; elsewhere it
    is the page's Markdown. FOLDER is new, empty, or has only what was written so before, which goes.

    \b
    Examples:
      backupmeta help
      backupmeta help verify
      backupmeta help --html manual
      backupmeta help --man man1 && man -l man1/backupmeta-verify.1
    """
    if (html or man) is not None and topic:
        raise click.UsageError("--html and --man write all pages; give no TOPIC with them")
    if html is not None:
        output.write_folder(html, manual.site(), manual.WRITTEN)
    if man is not None:
        output.write_folder(man, _man_pages(context.find_root()), man_pages.WRITTEN)
    if topic:
        _show(context, " ".join(topic))
    elif html is None and man is None:
        _list_topics()
    return 0


def _list_topics() -> None:
    """Print the topics of the manual by groups, a line each where stdout is no terminal."""
    formatter = click.HelpFormatter(width=min(output.width() or _ONE_LINE, _ONE_LINE))
    for group, topics in manual.groups().items():
        with formatter.section(group):
            formatter.write_dl([(topic, manual.page(topic).summary) for topic in topics])
    formatter.write_paragraph()
    formatter.write_text("'backupmeta help TOPIC' shows a page; TOPIC may also be a command, or the id of a finding.")
    output.write(formatter.getvalue().lstrip("\n"))


def _show(context: click.Context, words: str) -> None:
    """Print what there is about a topic of one or more ``words``. Raises `click.UsageError` where there is nothing."""
    topics, topic = manual.topics(), words.casefold().replace(" ", "-")
    if topic in topics:
        _page(manual.page(topic).content)
    elif topic in COMMANDS:
        output.write(f"{click.Context(commands.command(topic), context.parent, topic).get_help()}\n")
    elif topic in FINDINGS or topic in set(Group):
        context.invoke(commands.command("checks"), name=topic)
    else:
        raise click.UsageError(f"{words!r} is no topic; {_hint(words, [*topics, *COMMANDS, *FINDINGS])}")


def _hint(word: str, known: Iterable[str]) -> str:
    """Return where a reader may look instead of under a ``word``: at what is spelled alike, at pages that have it."""
    near = nearest(word, known)
    topics = manual.mentioning(word) if len(word) > _SHORT else []
    if word.isdecimal():
        topics = ["exit-codes"]
    pages = ", ".join(f"'backupmeta help {topic}'" for topic in topics)
    hints = [f"did you mean {near!r}?"] if near and (not topics or is_near(word, near)) else []
    hints += [f"it stands in {pages}"] if pages else []
    return " ".join(hints) or "'backupmeta help' lists the topics"


def _page(markdown: bytes) -> None:
    """Print Markdown as it is; on a terminal as that shows it, through a pager."""
    width = output.width()
    if width is None:
        output.write_bytes(markdown)
        return
    shown = manual.for_terminal(markdown.decode(), width)
    if os.environ.get("PAGER", "less") in _NO_PAGERS:
        output.write(shown)
        return
    os.environ.setdefault("LESS", _LESS)
    click.echo_via_pager(shown)


def _man_pages(program: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each man page: of the ``program``, and of each of its commands."""
    contexts = (click.Context(commands.command(name), program, name) for name in COMMANDS)
    described = [_described(program, COMMANDS), *map(_described, contexts)]
    names = [command.name for command in described]
    for command in described:
        others = [name for name in names if name != command.name]
        yield man_pages.file_name(command.name), man_pages.man_page(command, __version__, others)


def _described(context: click.Context, subcommands: Mapping[str, str] = MappingProxyType({})) -> Described:
    """Return a command as its man page has it."""
    command = context.command
    summary, _, text = inspect.cleandoc(command.help or "").partition("\n\n")
    options = (param for param in command.get_params(context) if isinstance(param, click.Option))
    return Described(
        "backupmeta" if context.parent is None else f"backupmeta {command.name}",
        " ".join(summary.split()),
        " ".join(command.collect_usage_pieces(context)),
        "\n\n".join(filter(None, (text, command.epilog))),
        list(filter(None, (option.get_help_record(context) for option in options))),
        subcommands,
        manual.page(command.name).text if command.name in manual.topics() else None,
    )
