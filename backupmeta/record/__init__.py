"""Records: ``key=value`` text. Bytes to lines (`grammar`), the key table (`fields`), decoders (`values`)."""
