"""The commands """

import click


@click.command()
def timeline() -> int:
    """Stub."""
    return 0
