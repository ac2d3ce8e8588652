"""The vocabulary of findings, which are the checks' verdicts: a module a group, and `FINDINGS` with all of them."""
