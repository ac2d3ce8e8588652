"""The commands """

import click


@click.command()
def diff() -> int:
    """Stub."""
    return 0


@click.command()
def history() -> int:
    """Stub."""
    return 0
