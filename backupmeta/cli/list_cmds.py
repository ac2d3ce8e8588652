"""The commands ``list`` and ``installs``."""

import click

from backupmeta import library
from backupmeta.cli.lists import Listing, listing
from backupmeta.findings import Finding
from backupmeta.render.backups import BACKUPS, INSTALLS


@click.command("list")
@listing
def list_backups(asked: Listing) -> int:
    """List the backups at and below each ROOT.

    A ROOT is a home, a folder of homes, a folder of archives, or one archive; any other folder is searched
    downwards for these. Without one, this machine's conventional places are searched (/home/*, /var/www/vhosts/*).

    \b
    Examples:
      backupmeta list /home --application wordpress --since 2024-01-01
      backupmeta list --sysroot /mnt/image --jsonl > backups.jsonl
    """
    if asked.is_stream:
        return asked.show_stream()
    findings: list[Finding] = []
    return asked.show(library.list_backups(asked.search, findings), findings, BACKUPS)


@click.command()
@listing
def installs(asked: Listing) -> int:
    """List the installs at and below each ROOT, from their records in .appdata/current.

    \b
    Examples:
      backupmeta installs /home --sort -time_created
      backupmeta installs /home/exampleu --json
    """
    findings: list[Finding] = []
    return asked.show(library.list_installs(asked.search, findings), findings, INSTALLS)
