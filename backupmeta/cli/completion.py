"""What shells complete: names in evidence and catalogs, and names that the program itself has.

What is completed is typed by the shell, not by a person. So no name is offered that a terminal would obey, that holds
a secret, that begins as an option, or that a shell might read as a pattern: bash expands what is completed.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import Final, TypeAlias

import click
from click.shell_completion import CompletionItem

from backupmeta.cli import COMPLETION, commands
from backupmeta.errors import BackupMetaError
from backupmeta.escapes import printable
from backupmeta.findings import Group
from backupmeta.provenance import display
from backupmeta.record.fields import FIELD
from backupmeta.search import Search

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
"""Returns what may follow where so much is typed."""

_MOST_OFFERED: Final = 200
_MOST_NAMES: Final = 100_000
"""How many names are looked through for those that begin as what is typed."""
_MOST_HOMES: Final = 1_000
_UNSAFE: Final = re.compile(r"-|.*[*?\[\]\\]", re.DOTALL)
"""What a shell might read as an option or a pattern."""


def file(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete files and folders."""
    return [CompletionItem(incomplete, type="file")]


def folder(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete folders."""
    return [CompletionItem(incomplete, type="dir")]


def target(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids and archives' names of where the command looks, and files; in bash, files where no name begins so.

    There, click's script forgets what was offered before files (click.shell_completion, _SOURCE_BASH).
    """
    search = Search(context.params.get("roots") or (), context.params.get("sysroot"))
    homes = islice(search.homes([]), _MOST_HOMES)
    names = chain.from_iterable(chain(home.backups, home.archives, home.installs) for home in homes)
    offered = _offered(names, incomplete)
    return offered if offered and _is_bash() else [*offered, CompletionItem(incomplete, type="file")]


def finding(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids of findings, and their groups."""
    return _explained({**dict.fromkeys(Group, "a group of checks"), **_sentences()}, incomplete)


def finding_id(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids of findings."""
    return _explained(_sentences(), incomplete)


def _sentences() -> dict[str, str]:
    from backupmeta.checks.rulebook import FINDINGS

    return {id_: rule.sentence for id_, rule in FINDINGS.items()}


def field(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete fields of the server's answer."""
    return _explained({name: field.meaning for name, field in FIELD.items()}, incomplete)


def table(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete tables of a catalog."""
    from backupmeta.catalog.queries import EXPORTED

    return _explained({name: exported.meaning for name, exported in EXPORTED.items()}, incomplete)


def topic(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete topics of the manual: pages, commands, findings."""
    from backupmeta.render import manual

    pages = {name: manual.page(name).title for name in manual.topics()}
    return _explained({**_sentences(), **commands.COMMANDS, **pages}, incomplete)


def in_catalog(kind: str) -> Complete:
    """Return what completes names of a ``kind`` that backups of the catalog have which the command asks."""

    def complete(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from backupmeta.catalog import queries

        catalog = context.params.get("catalog")
        return _offered(queries.names(catalog, kind), incomplete) if catalog else []

    return complete


def _explained(names: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    """Return those of our own ``names``, each with what it means, that begin as what is typed."""
    return [CompletionItem(name, help=meaning) for name, meaning in names.items() if name.startswith(incomplete)]


def _offered(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the first of the ``names`` that begin as what is typed; where they can't be read, none."""
    near = (name for name in islice(names, _MOST_NAMES) if name.startswith(incomplete) and _is_plain(name))
    try:
        return [CompletionItem(_quoted(name)) for name in islice(near, _MOST_OFFERED)]
    except BackupMetaError:
        return []


def _is_plain(name: str) -> bool:
    """Return whether a name stands for itself: to a shell, and to a terminal; without a secret in it."""
    return _UNSAFE.match(name) is None and printable(name) == name and display(name) == name


def _quoted(name: str) -> str:
    """Return a name as the shell reads it: bash takes what is completed as it is; zsh and fish quote it themselves."""
    return shlex.quote(name) if _is_bash() else name


def _is_bash() -> bool:
    return os.environ.get(COMPLETION, "").startswith("bash")
