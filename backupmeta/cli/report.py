"""The commands """

import click


@click.command()
def report() -> int:
    """Stub."""
    return 0
