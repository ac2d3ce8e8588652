"""The server's answers: `models` (names, order, wire types), `response` (envelopes, error codes)."""
