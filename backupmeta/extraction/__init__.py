"""Extraction: an archive's members to a folder, judged in the same pass; whole, or not at all."""
