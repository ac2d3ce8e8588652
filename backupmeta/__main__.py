"""``python -m backupmeta``: the command line."""

from backupmeta.cli import console

console()
