"""The server's answers: `models` (names, order, wire types, envelopes), `status` (messages, error codes)."""
