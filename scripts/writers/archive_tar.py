"""PHP's Archive_Tar (Debian's package php-pear), the class in whose dialect archives are (`fixtures/FORMAT.md` §2)."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_suffix(".php")


def is_there() -> bool:
    """Tell whether PHP and the class are installed."""
    return bool(shutil.which("php")) and Path("/usr/share/php/Archive/Tar.php").exists()


def pack(folder: Path, names: Iterable[bytes], archive: Path) -> None:
    """Write a ``.tar.gz`` of what ``folder`` has of ``names``; the class leaves out what does not exist."""
    command = ["php", os.fspath(SCRIPT), os.fspath(folder), os.fspath(archive)]
    subprocess.run(command, input=b"".join(name + b"\0" for name in names), capture_output=True, check=True)
