"""A process that has what Python has on Windows or macOS: tests run it, since there is neither here.

``python -m tests.systems PLATFORM``, with PLATFORM as `sys.platform` has it, imports every module of the package, then
runs the commands that a JSON array on stdin has, and prints one of what each did: exit code, stdout, stderr.

What is missing there is read from typeshed, which mypy brings: what that has for Linux and not for the other one. On
Windows folders can't be opened, nor files within an open folder (Python's `os`, "Files and Directories"). What remains
of this system are its paths: those of Windows are tested by `ntpath`.
"""

import ast
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import SimpleNamespace
from typing import Any, Final

LIBRARIES: Final = (
    *("asyncio", "concurrent.futures", "multiprocessing.connection", "sqlite3", "subprocess", "zoneinfo"),
    *("click", "isal.igzip", "jinja2", "magic", "markdown_it", "pydantic.main", "pydantic.json_schema", "zstandard"),
    *("rich.console", "rich.markdown", "rich.table"),
)
"""What is imported first: it has branches of its own for Windows, which need one."""
POSIX_ALONE: Final = ("fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
"""Modules that Python has on POSIX systems alone ("Python Module Index")."""
PARTLY_THERE: Final = ("os", "select", "signal", "socket", "time")
RELATIVE: Final = (
    *("access", "chmod", "link", "listdir", "lstat", "mkdir", "open", "readlink", "remove", "rename", "replace"),
    *("rmdir", "scandir", "stat", "symlink", "unlink", "utime"),
)
"""The functions of `os` that take a descriptor of a folder where the system has such."""
NEWEST: Final = (3, 13)
"""Of which Python the names are: Windows gets some that older ones have not, and with them branches of the package."""
NOT_TRIED: Final = frozenset({"backupmeta.__main__", "backupmeta.work.cluster"})
"""The first is run by importing it, the second needs an extra."""


def stub(module: str) -> Path:
    """Return the file that typeshed has for a ``module``."""
    import mypy

    folder = Path(next(iter(mypy.__path__)), "typeshed/stdlib")
    package = folder / module / "__init__.pyi"
    return package if package.exists() else folder / f"{module}.pyi"


def defined(body: list[ast.stmt], platform: str) -> Iterator[str]:
    """Yield the names that statements of a stub define on a ``platform``."""
    known = SimpleNamespace(platform=platform, version_info=NEWEST)
    for node in body:
        if isinstance(node, ast.If):
            holds = eval(compile(ast.Expression(node.test), "stub", "eval"), {"sys": known})  # noqa: S307 - of typeshed
            yield from defined(node.body if holds else node.orelse, platform)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def missing(module: str, platform: str) -> set[str]:
    """Return the names of a ``module`` that Linux has, and a ``platform`` has not."""
    body = ast.parse(stub(module).read_text("utf-8")).body
    return set(defined(body, "linux")) - set(defined(body, platform))


def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `os` as Windows has it."""

    def refuse(path: Any, *arguments: Any, dir_fd: int | None = None, **named: Any) -> Any:
        if (dir_fd, named.pop("src_dir_fd", None), named.pop("dst_dir_fd", None)) != (None, None, None):
            raise NotImplementedError("dir_fd unavailable on this platform")
        if isinstance(path, int) and function.__name__ != "stat":
            raise TypeError("path should be string, bytes or os.PathLike, not int")
        if function.__name__ == "open" and Path(path).is_dir():
            raise PermissionError(13, "Permission denied", path)
        return function(path, *arguments, **named)

    return refuse


def refuse_open_folders() -> None:
    """Refuse what Windows refuses."""
    for name in RELATIVE:
        setattr(os, name, refusing(getattr(os, name)))
    os.supports_dir_fd, os.supports_fd = set(), {os.stat}
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    os.O_BINARY = 0x8000  # type: ignore[attr-defined] # Linux takes it for O_LARGEFILE, which it always is


def become(platform: str) -> None:
    """Let this process have no more than Python has on a ``platform``."""
    for library in LIBRARIES:
        import_module(library)
    if platform == "win32":
        sys.modules.update(dict.fromkeys(POSIX_ALONE))  # type: ignore[arg-type] # None: importing it fails
        refuse_open_folders()
    tempfile._O_TMPFILE_WORKS = False  # type: ignore[attr-defined] # it has looked for the flag already
    for name in PARTLY_THERE:
        module = import_module(name)
        for missed in missing(name, platform) & vars(module).keys():
            delattr(module, missed)
    sys.platform = platform


def import_all() -> None:
    """Import every module of the package."""
    import backupmeta

    for module in walk_packages(backupmeta.__path__, "backupmeta."):
        if module.name not in NOT_TRIED:
            import_module(module.name)


def main() -> None:
    """Run the script."""
    commands = json.load(sys.stdin)
    become(sys.argv[1])
    import_all()
    from tests.invented import run

    json.dump([(ran.code, ran.text, ran.err) for ran in (run(*command) for command in commands)], sys.stdout)


if __name__ == "__main__":
    main()
