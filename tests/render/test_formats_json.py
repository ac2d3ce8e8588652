"""JSON, whatever the result."""

import base64
import json
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Severity
from backupmeta.objects import as_json
from backupmeta.provenance import Source, Witness, located
from backupmeta.render.formats import json_list


def test_paths_that_are_not_utf8_have_a_twin_of_exact_bytes() -> None:
    told = located(Source(Witness.FILE_SYSTEM, "/h/\udcff", "m\udcfe"))
    assert told == {
        "witness": "file system",
        "path": "/h/\ufffd",
        "path_base64": base64.b64encode(b"/h/\xff").decode(),
        "member": "m\ufffd",
        "member_base64": base64.b64encode(b"m\xfe").decode(),
    }


class Row(NamedTuple):
    name: str
    began: int | None
    entries: tuple[object, ...] = ()


def test_any_result_is_an_object_with_its_attributes() -> None:
    rows = (Row("a\udcff", 1718312121, (Severity.NOTE, Source(Witness.DEFAULT), 1.5, None, True)), Row("b", None))
    assert as_json(rows, frozenset({"began"})) == [
        {
            "name": "a\ufffd",
            "name_base64": base64.b64encode(b"a\xff").decode(),
            "began": "2024-06-13T20:55:21+00:00",
            "entries": ["note", {"witness": "documented default"}, 1.5, None, True],
        },
        {"name": "b", "began": None, "entries": []},
    ]


def test_secrets_in_any_text_are_masked() -> None:
    described = as_json({"url": "ftp://u:CANARY@h/b", "list": ["ftp://u:CANARY@h/b"]})
    assert described == {"url": "ftp://********@h/b", "list": ["ftp://********@h/b"]}


def test_a_finding_is_described_alike_in_all_answers() -> None:
    assert as_json([Finding(FINDINGS["record-bom"], "a", "b")]) == [
        {
            "id": "record-bom",
            "severity": "note",
            "message": Finding(FINDINGS["record-bom"], "a", "b").message,
            "evidence": [],
        }
    ]


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text() | st.integers(), max_size=3)))
def test_a_list_in_pieces_is_the_list_and_comes_with_its_entries(entries: list[dict[str, object]]) -> None:
    pieces = list(json_list('{"a": ', entries))
    assert json.loads("".join([*pieces, "}"])) == {"a": entries}
    assert len(pieces) == len(entries) + 1
