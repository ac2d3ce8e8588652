"""The command ``help``: the manual, on a terminal, as pages for a browser."""

import os
from typing import Final

import click

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli import commands, completion, output
from backupmeta.errors import did_you_mean
from backupmeta.findings import Group
from backupmeta.render import manual

_NO_PAGERS: Final = frozenset({"", "cat"})
"""What git takes for "no pager" (git-var(1), GIT_PAGER)."""
_LESS: Final = "-FRX"
"""How git has less work where nothing else is set: where all is on the screen it ends, and it passes colours on."""
_ONE_LINE: Final = 10_000
"""The width of a list that is not wrapped, in columns."""


@click.command("help")
@click.argument("topic", required=False, shell_complete=completion.topic)
@click.option(
    "--html",
    metavar="FOLDER",
    shell_complete=completion.folder,
    help="Write all pages to FOLDER, for a browser; it begins with index.html.",
)
@click.pass_context
def help_(context: click.Context, topic: str | None, *, html: str | None) -> int:
    """Show the manual: its topics, or the page about a TOPIC.

    TOPIC may also be a command, or the id of a finding. What is shown on a terminal goes through $PAGER; elsewhere it
    is the page's Markdown. With --html, FOLDER is new, empty, or was written so before.

    \b
    Examples:
      backupmeta help
      backupmeta help verify
      backupmeta help --html manual
    """
    if html is not None:
        if topic is not None:
            raise click.UsageError("--html writes all pages; give no TOPIC with it")
        output.write_folder(html, manual.site(), manual.WRITTEN)
    elif topic is None:
        _list_topics()
    else:
        _show(context, topic)
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


def _show(context: click.Context, topic: str) -> None:
    """Print what there is about a ``topic``. Raises `click.UsageError` where there is nothing."""
    topics = manual.topics()
    if topic in topics:
        _page(manual.page(topic).content)
    elif topic in commands.COMMANDS:
        _show_command(context, topic)
    elif topic in FINDINGS or topic in set(Group):
        context.invoke(commands.command("checks"), name=topic)
    else:
        near = did_you_mean(topic, (*topics, *commands.COMMANDS, *FINDINGS), "'backupmeta help' lists the topics")
        raise click.UsageError(f"{topic!r} is no topic; {near}")


def _show_command(context: click.Context, name: str) -> None:
    """Print what the page of all commands has about one of them; else what its ``--help`` says."""
    section = manual.section("commands", f"backupmeta {name}")
    if section is None:
        own = click.Context(commands.command(name), context.parent, name)
        output.write(f"{own.get_help()}\n")
    else:
        _page(section.encode())


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
