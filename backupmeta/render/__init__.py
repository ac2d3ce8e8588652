"""Renderers: results to text; each returns str or bytes, none prints."""
