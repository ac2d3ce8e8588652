"""Accounts: an archive's name (`filename`), a home on disk (`home`), where homes are (`places`)."""
