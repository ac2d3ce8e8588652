"""What extracting an archive costs, against GNU tar. For `bench.py`."""

import subprocess
from pathlib import Path
from typing import Final

from benchmarks.contest import Contest, Process, Task, executable

MEMORY: Final = Path("/dev", "shm")
"""The file system in memory: how fast a disk takes files is no matter of either program."""


def extract_contests(folder: Path, given: Path | None) -> list[Contest]:
    """Return extracting the ``given`` archive to ``folder``, as a whole process, against GNU tar; neither syncs."""
    if given is None or not given.is_file():
        raise SystemExit("bench: extract needs --archive: a real backup, as scripts/real_backup.py makes one")
    archive, ours, peer = str(given.absolute()), folder / "ours", folder / "peer"
    extract = (executable(), "extract", archive, "--all", "--no-fsync", "--to", str(ours))
    for target in (ours, peer):
        target.mkdir()
    return [
        Contest(
            "`backupmeta extract --all --no-fsync`, start-up included",
            Task("extract", Process(extract, folder, subprocess.DEVNULL), 1, given, ours),
            Task("`tar -xzf …`", Process(("tar", "-xzf", archive), peer), 1, given, peer),
            1 / 1.5,
        )
    ]
