"""A backup or install: its witnesses, the program that resolves them, and the inspection that comes of it."""
