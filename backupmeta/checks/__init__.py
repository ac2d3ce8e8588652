"""Judging a backup: one small function a check, over what one pass over its archive collected."""
