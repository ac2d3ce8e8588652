"""Checks of backups and accounts, each with its rules beside it; `rulebook` has all of them, `verdict` what follows."""
