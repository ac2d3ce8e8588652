"""What comparing two archives costs, against walking both, and the history of an install. For `bench.py`."""

import io
import tarfile
from pathlib import Path
from typing import Final

from benchmarks import fleets
from benchmarks.contest import Contest, Process, Task, executable
from benchmarks.walks import walked

from backupmeta.comparison.diff import diff

BACKUPS: Final = 100
EVERY: Final = 50
"""Of so many files one is changed."""


class Second(Task):
    """One second, as a task; nobody waits for it."""

    def seconds(self) -> float:
        """Return it."""
        return 1.0


def diff_contests(folder: Path, given: Path | None) -> list[Contest]:
    """Return what to measure with the ``given`` archive, of which a changed copy is made in ``folder``."""
    if given is None:
        raise SystemExit("bench: diff needs --archive: a real backup, as scripts/real_backup.py makes one")
    changed = folder / given.name
    copied(given, changed)
    return [deep_contest(given, changed), history_contest(folder)]


def deep_contest(archive: Path, changed: Path) -> Contest:
    """Return comparing two archives against walking both, in this process."""

    def ours() -> None:
        difference = diff(str(archive), str(changed), deep=True)
        if difference.is_same or any(finding.is_unread for finding in difference.findings):
            raise SystemExit(f"bench: {archive}, {changed}: something is wrong with them")

    def peer() -> None:
        walked(archive)
        walked(changed)

    words = "diff --deep"
    return Contest(
        words, Task(words, ours, 3, archive), Task("walking both, one after the other", peer, 3, changed), 1.3
    )


class OfOne(fleets.Backup):
    """A backup of one install, whatever its number."""

    @property
    def install(self) -> str:
        """The install's id."""
        return f"in{0:023d}"


def history_contest(folder: Path) -> Contest:
    """Return the history of an install with 100 backups, as a whole process, against a second."""
    home, author = folder / "home", fleets.Author(fleets.SEED)
    backups = [OfOne(number) for number in range(BACKUPS)]
    fleets.fill(home, backups, lambda path, backup: fleets.small_archive(path, backup, author))
    ours = Process((executable(), "history", backups[0].install, "--root", str(home)), folder)
    if (lines := ours.output().count(b"\n")) < BACKUPS:
        raise SystemExit(f"bench: a history of {lines} lines")
    return Contest(f"history of {BACKUPS} backups", Task("history", ours), Second("a second", lambda: None), 1)


def copied(archive: Path, target: Path) -> None:
    """Write a copy of ``archive`` to ``target`` in which some files have another content."""
    with tarfile.open(archive) as old, tarfile.open(target, "w:gz", format=tarfile.GNU_FORMAT) as new:
        for number, member in enumerate(old):
            content = file.read() if member.isfile() and (file := old.extractfile(member)) else b""
            if number % EVERY == EVERY - 1 and content:
                content = content[::-1]
            new.addfile(member, io.BytesIO(content))
