"""Reports: as one page, as Markdown, as JSON."""
