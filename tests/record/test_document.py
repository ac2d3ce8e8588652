"""A record at its place."""

import pytest

from backupmeta.archive.limits import Limits
from backupmeta.errors import LimitExceededError
from backupmeta.provenance import Source, Witness
from backupmeta.record.grammar import document, findings

SOURCE = Source(Witness.EMBEDDED_RECORD, "/backups/app_a_b.tar.gz", "APP-META.INI")
TEXT = b"title=My blog\nowner=\xff\ndb-pass=canary\ntitle=Lebo"


def test_what_a_document_says_and_where() -> None:
    one = document(SOURCE, TEXT, Limits(record_lines=10))
    assert (one.opened("title"), one.opened("owner"), one.opened("absent")) == ("Lebo", None, None)
    assert one.fact("title").raw == b"Lebo"
    assert one.at("title") == SOURCE._replace(line=4, offset=37)
    assert [finding.id for finding in findings(one.record, one.source)] == ["record-duplicate-key"]


def test_nothing_secret_is_shown() -> None:
    one = document(SOURCE, TEXT, Limits(record_lines=10))
    assert "canary" not in repr(one) + repr(one.fact("db-pass"))


def test_too_many_lines_are_refused_before_they_are_split() -> None:
    assert len(document(SOURCE, b"\n" * 20, Limits(record_lines=20)).record.lines) == 20
    with pytest.raises(LimitExceededError, match="record_lines: 21 of at most 20"):
        document(SOURCE, b"\n" * 21, Limits(record_lines=20))


def test_too_many_commas_are_refused_before_they_are_entries() -> None:
    assert document(SOURCE, b"list-files=" + b"," * 20, Limits(record_items=20)).opened("list-files") == "," * 20
    with pytest.raises(LimitExceededError, match="record_items: 21 of at most 20"):
        document(SOURCE, b"list-files=" + b"," * 10 + b"\nx=" + b"," * 11, Limits(record_items=20))
