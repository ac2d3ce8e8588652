"""Archives: compressed bytes to a tar stream (`compression`, `stream`), to members (`tar`), to contents (`reader`)."""
