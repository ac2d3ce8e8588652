"""Python code in a process of its own: how it ends, its peak of memory, its time on a processor; for tests."""

import json
import os
import subprocess
import sys
import textwrap
from typing import Final, NamedTuple

COMMAND: Final = "from backupmeta.cli import main; main()"
KIBIBYTES_MORE: Final = 36 * 1024
"""How much more than an idle process one may take; Python takes memory from the system by the mebibyte."""

# A child of a large process begins with its parent's peak, so a small one starts and measures it.
_LAUNCHER: Final = textwrap.dedent(
    """
    import json, os, resource, sys
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # nothing outlives its test
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", *sys.argv[2:]], os.environ)
    _, status, usage = os.wait4(pid, 0)
    told = [os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime]
    os.write(int(sys.argv[1]), json.dumps(told).encode())
    """
)


class Outcome(NamedTuple):
    """What a process did; its peak is in KiB, its seconds are those on a processor, however busy the machine is."""

    code: int
    peak: int
    seconds: float
    out: str
    err: str


def measured(script: str, *arguments: str, keeps_out: bool = True) -> Outcome:
    """Run the Python code ``script`` in a process of its own; its output is not looked at unless it is kept."""
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(writing), script, *arguments]
    out = subprocess.PIPE if keeps_out else subprocess.DEVNULL
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=300, check=True, pass_fds=[writing])
    os.close(writing)
    with os.fdopen(reading) as told:
        code, peak, seconds = json.load(told)
    peak //= 1024 if sys.platform == "darwin" else 1
    return Outcome(code, peak, seconds, (done.stdout or b"").decode(), done.stderr.decode())
