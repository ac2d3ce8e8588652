r"""Where a search begins: what a person named, and the conventional places.

These are ``/home/<user>``, ``/home<N>/<user>`` (cPanel, DirectAdmin), ``/var/www/vhosts/<domain>`` (Plesk) and
``c:\inetpub\vhosts\<domain>`` (Plesk on Windows); FORMAT.md §1. Of an image they lie below the folder that it is
mounted at, and links are followed as its own system follows them: none leads out of it.
"""

import functools
import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from errno import EINVAL
from pathlib import Path
from typing import Final, NamedTuple

from backupmeta.account.layout import NUMBERED_HOME
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.errors import UnreadableError
from backupmeta.evidence import Folder, identity_at, join_server_path, open_folder

_MOST_LINKS: Final = 40
"""How many links a path may lead through (path_resolution(7), Linux)."""
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")


class Root(NamedTuple):
    """Where to look.

    Attributes:
        path: a folder or an archive on this machine.
        as_server: its path as the server saw it, where that is known: below a sysroot, or on the server itself.
        depth: how many folders deep homes are looked for below it; None for the limit.
        is_convention: whether it is a conventional place, which may as well be absent.
        steps: folders to go down from ``path`` first, none of them through a link: it could lead out of a sysroot.
        server_path: where the server sees the folder that the steps lead to, if a link of its own leads there.
    """

    path: str
    as_server: str | None = None
    depth: int | None = None
    is_convention: bool = False
    steps: tuple[str, ...] = ()
    server_path: str | None = None

    @property
    def name(self) -> str:
        """The path of the folder that the steps lead to, absolute, on this machine."""
        return os.path.join(os.path.abspath(self.path), *self.steps)

    @property
    def seen_at(self) -> str:
        """That path as the server saw it, where that is known; else the same."""
        return self.server_path or functools.reduce(join_server_path, self.steps, self.as_server or self.name)

    @property
    def server(self) -> str | None:
        """The path on this machine of the server's root, where that is known."""
        return None if self.as_server is None else os.path.abspath(self.path).removesuffix(self.as_server) or "/"

    @property
    def on_server(self) -> str | None:
        """That path as the server saw it; None where it is not known."""
        return None if self.as_server is None else self.seen_at

    def open(self) -> Folder:
        """Open the folder. Raises `UnreadableError`."""
        return open_folder(self.name, self.seen_at, self.server)

    def top(self) -> Folder:
        """Open the folder that the steps begin at. Raises `UnreadableError`."""
        return open_folder(os.path.abspath(self.path), self.as_server, self.server)

    @property
    def was_there(self) -> bool:
        """Whether it was there when it was named: a conventional place may as well be absent."""
        is_listed = NUMBERED_HOME.fullmatch(os.path.basename(self.name)) is not None
        return not self.is_convention or self.server_path is not None or is_listed


def named(path: str, sysroot: str | None = None) -> Root:
    """Return what a person named: a ``path`` on this machine, or on the server whose image is mounted at ``sysroot``.

    What is in the image comes first. What lies below it by its path on this machine is on the server, too.
    """
    if sysroot is None:
        return Root(path)
    top, at = os.path.abspath(sysroot), os.path.abspath(path)
    ways = [_steps(path)] if _DRIVE.match(path) or path.startswith("/") else []
    if os.path.commonpath((top, at)) == top:
        ways.append([*Path(at).relative_to(top).parts])
    for steps in ways:
        real = _real_steps(top, steps)
        if real is not None and os.path.lexists(os.path.join(top, *real)):
            return Root(top, "/", steps=real, server_path=_seen_at(real, top))
    return Root(path)


def _steps(server_path: str) -> list[str]:
    """Return what leads from the root of a server, or of its drive, to ``server_path``."""
    if _DRIVE.match(server_path):
        server_path = server_path[2:].replace("\\", "/")
    return [step for step in server_path.split("/") if step not in {"", os.curdir}]


def _seen_at(steps: Sequence[str], sysroot: str) -> str:
    """Return how the server of an image sees what ``steps`` lead to: by a conventional place, where it lies in that."""
    for place in conventional(sysroot):
        if place.steps == tuple(steps[: len(place.steps)]):
            return functools.reduce(join_server_path, steps[len(place.steps) :], place.seen_at)
    return functools.reduce(join_server_path, steps, "/")


def apart(roots: Iterable[Root]) -> list[Root]:
    """Return the ``roots``, sorted, each once; one may lie in another."""
    by_path = {os.path.realpath(root.name): root for root in reversed(list(roots))}
    return [by_path[real] for real in sorted(by_path)]


def conventional(sysroot: str | None = None) -> list[Root]:
    r"""Return the conventional places of this machine, or of the image that is mounted at ``sysroot``.

    ``<sysroot>/inetpub/vhosts`` is ``c:\inetpub\vhosts``: a Windows image is mounted by its drive. Where one of them
    is a link to another one, as ``/home`` to ``/home2``, that is there once.

    Raises `UnreadableError` where the folder that they lie in can't be listed.
    """
    if sysroot is not None:
        unix = [(name,) for name in _numbered_homes(sysroot)] + [("var", "www", "vhosts")]
        tops = [("/", steps) for steps in unix] + [("c:\\", ("inetpub", "vhosts"))]
        return _once(_below(os.path.abspath(sysroot), top, steps) for top, steps in tops)
    if sys.platform == "win32":
        return [_place(r"c:\inetpub\vhosts")]
    roots = _once(map(_place, (*(f"/{name}" for name in _numbered_homes("/")), "/var/www/vhosts")))
    own = Path.home()
    places = {identity_at(root.path) for root in roots} - {None}
    if identity_at(str(own.parent)) not in places:
        roots.append(Root(str(own), str(own), depth=0, is_convention=True))
    return roots


def _once(roots: Iterable[Root]) -> list[Root]:
    """Return the ``roots``, in their order, those that are one folder once: by its own name, before that of a link."""
    known, kept = set[tuple[int, int]](), set[Root]()
    named = list(roots)
    for root in sorted(named, key=lambda root: root.server_path is not None or os.path.islink(root.path)):
        identity = identity_at(root.name, follows_links=not root.steps)
        if identity is None or identity not in known:
            kept.add(root)
        known |= set() if identity is None else {identity}
    return [root for root in named if root in kept]


def _below(sysroot: str, top: str, steps: tuple[str, ...]) -> Root:
    """Return the place that ``steps`` lead to from the root of an image, which its server sees at ``top``.

    A link that leads nowhere in it is left to be refused.
    """
    place = Root(sysroot, top, depth=1, is_convention=True, steps=steps)
    real = _real_steps(sysroot, steps)
    if real is None or real == steps:
        return place
    linked = place._replace(steps=real, server_path=functools.reduce(join_server_path, steps, top))
    return linked if os.path.isdir(linked.name) else place


def _real_steps(sysroot: str, steps: Iterable[str]) -> tuple[str, ...] | None:
    """Return the ``steps`` with each link in them followed, as the image's own system does; None if they lead nowhere.

    For that system ``sysroot`` is the root: an absolute link begins there, and ``..`` leads no further up
    (path_resolution(7)). Whoever goes down goes through no link, whatever became of them meanwhile.
    """
    done, coming, links = list[str](), deque(steps), 0
    while coming:
        step = coming.popleft()
        target = "" if step == os.pardir else _link_target(os.path.join(sysroot, *done, step))
        if target is None or links > _MOST_LINKS:
            return None
        if step == os.pardir:
            del done[-1:]
        elif not target:
            done.append(step)
        else:
            links, done = links + 1, [] if target.startswith("/") else done
            coming.extendleft(reversed([step for step in target.split("/") if step not in {"", os.curdir}]))
    return tuple(done)


def _link_target(path: str) -> str | None:
    """Return where the link at ``path`` leads, empty for what is no link; None where nothing is, or nobody can tell."""
    try:
        return os.readlink(path)
    except ValueError:
        return None  # a name that no system has
    except OSError as error:
        return "" if error.errno == EINVAL else None


def _place(path: str) -> Root:
    return Root(path, path, depth=1, is_convention=True)


def _is_numbered_home(entry: "os.DirEntry[str]") -> bool:
    return NUMBERED_HOME.fullmatch(entry.name) is not None


def _numbered_homes(base: str) -> Iterator[str]:
    """Yield the conventional folders of homes in ``base``, sorted. Raises `UnreadableError`."""
    try:
        with open_folder(base) as folder:
            yield from (entry.name for entry in folder.entries(DEFAULT_LIMITS.folder_entries, _is_numbered_home))
    except UnreadableError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        yield "home"  # it may be open to who knows its name
