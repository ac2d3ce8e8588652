"""What can be said of Windows from here: nothing asks for what only POSIX has before it is used."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PROJECT: Final = Path(__file__).parents[1]
WITHOUT_POSIX: Final = """
import asyncio, os, signal, subprocess, sys, tempfile
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in (
    "chown fchmod fchown fork forkpty getegid geteuid getgid getpgid getuid killpg lchown mkfifo mknod "
    "register_at_fork sched_getaffinity setegid seteuid setsid statvfs "
    "O_CLOEXEC O_DIRECTORY O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK"
).split():
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGXFSZ", "alarm", "setitimer"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
"""Takes away what Python's documentation ("Availability") gives to POSIX alone."""
IMPORTING: Final = """
import importlib, pkgutil, backupmeta
for module in pkgutil.walk_packages(backupmeta.__path__, "backupmeta."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_every_module_is_imported_without_posix() -> None:
    command = [sys.executable, "-c", WITHOUT_POSIX + IMPORTING]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.long
def test_the_tests_are_collected_without_posix(tmp_path: Path) -> None:
    (tmp_path / "without_posix.py").write_text(WITHOUT_POSIX)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}
    command = [sys.executable, "-m", "pytest", "-p", "without_posix", "-p", "no:cacheprovider", "--collect-only", "-q"]
    ran = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "tests/test_words.py" in ran.stdout
