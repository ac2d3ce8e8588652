"""The server's answers as models: names, order, wire types, envelopes."""
