"""Archives: compressed bytes to a tar stream (`compression`), to members (`tar`), to a record (`reader`)."""
