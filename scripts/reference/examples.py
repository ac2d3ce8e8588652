"""Examples of the manual that are run, and the answers below them, which are written anew.

In a ``console`` block a line that begins with ``$ `` is a command; below it stands what it prints, as a terminal shows
it: what goes to stderr comes last. A ``python`` block that a ``text`` block follows is run; the text is what it prints.
The examples of a page run one after the other, in one new folder.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch

import invented_server
from reference.sections import PROJECT
from tampering.cases import ACTS

from backupmeta.cli import main

WIDTH: Final = 110
"""Of the terminal, in columns."""
EXAMPLE: Final = re.compile(
    r"^```console\n(?P<console>.*?)^```$|^```python\n(?P<python>(?:(?!```)[^\n]*\n)+)```\n\n```text\n.*?^```$",
    re.DOTALL | re.MULTILINE,
)
"""A block that is run, with its answer."""
_COMMAND: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_OF_SHELLS: Final = re.compile(r"[>;&]|\$\(")
_SILENT: Final = " 2>/dev/null"


def _seized(root: Path) -> None:
    """Write the account with a webshell in an archive, out of the server whose backups were tampered with."""
    ACTS[0].account().write(root)


PLACES: Final[Mapping[str, Callable[[Path], None]]] = {
    "/mnt/image": invented_server.write_server,
    "/mnt/seized": _seized,
}
"""The folders that examples name, and what writes them."""


class Ran(NamedTuple):
    """What a command did: its exit code, and what it printed."""

    code: int
    out: str
    err: str = ""


class Stage:
    """Where examples are run. Each place that they name is written when it is named first.

    Attributes:
        root: the folder that all of it lies in.
    """

    def __init__(self, root: Path) -> None:
        """Take an empty folder."""
        self.root: Path = root.resolve()

    def shown(self, page: str) -> str:
        """Return a page's text with the answers of its examples written anew."""
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            names: dict[str, object] = {}
            return EXAMPLE.sub(lambda example: self._answered(example, names), page)

    def _answered(self, example: re.Match[str], names: dict[str, object]) -> str:
        """Return an example and its answer; programs of one page share their ``names``."""
        if (program := example["python"]) is None:
            return f"```console\n{''.join(self._lines(example['console']))}```"
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(self._real(program), names)  # noqa: S102 - the page's own
        return f"```python\n{program}```\n\n```text\n{self._seen(out.getvalue())}```"

    def _lines(self, block: str) -> Iterator[str]:
        code = 0
        for command in _COMMAND.finditer(block):
            ran = self._run(command[1].replace("\\\n", " "), code)
            yield f"$ {command[1]}\n"
            yield from (f"{line.expandtabs().rstrip()}\n" for line in self._seen(ran.out + ran.err).splitlines())
            code = ran.code

    def _run(self, command: str, before: int) -> Ran:
        """Run a command after one that ended with the code ``before``. Raises `ValueError` where it is none."""
        ran = _run(self._real(command), before)
        if ran.err.startswith("Usage: "):
            raise ValueError(f"{command}: {ran.err}")
        return ran

    def _path(self, place: str) -> Path:
        return self.root / place.lstrip("/")

    def _real(self, code: str) -> str:
        """Return ``code`` with the paths of the places that it names, which are there then."""
        for place, write in PLACES.items():
            if place in code and not self._path(place).exists():
                self._path(place).mkdir(parents=True)
                write(self._path(place))
            code = code.replace(place, str(self._path(place)))
        return code.replace(" fixtures/", f" {PROJECT}/fixtures/")

    def _seen(self, text: str) -> str:
        for place in PLACES:
            text = text.replace(str(self._path(place)), place)
        return _COLOUR.sub("", text.replace(f"{PROJECT}/", ""))


def _run(command: str, before: int) -> Ran:
    """Run a line of a shell; what it begins with in this process where it is this program and no more than piped."""
    program, _, piped = command.partition(" | ")
    silent = program.removesuffix(_SILENT)
    if not silent.startswith("backupmeta ") or _OF_SHELLS.search(silent + piped):
        return _in_shell(f"(exit {before})\n{command}", "")
    ran = _in_process(shlex.split(silent, comments=True), is_terminal=not piped)
    err = "" if silent != program else ran.err
    return _in_shell(piped, ran.out)._replace(err=err) if piped else ran._replace(err=err)


def _in_shell(line: str, given: str) -> Ran:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", line],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"},
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


class _Terminal(io.TextIOWrapper):
    """What stdout is where nothing is piped."""

    def isatty(self) -> bool:
        return True


def _in_process(arguments: list[str], *, is_terminal: bool) -> Ran:
    """Run this program with ``arguments``, the first of them its own name."""
    out, err = io.BytesIO(), io.StringIO()
    stdout = (_Terminal if is_terminal else io.TextIOWrapper)(out, encoding="utf-8")
    code: object = None
    with (
        patch.object(sys, "argv", arguments),
        patch.dict(os.environ, COLUMNS=str(WIDTH)),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as leave:
            code = leave.code
        stdout.flush()
    return Ran(code if isinstance(code, int) else 1, out.getvalue().decode(), err.getvalue())
