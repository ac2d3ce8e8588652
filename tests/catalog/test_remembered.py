"""What is remembered of an account comes back as it was; anything else is refused."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from backupmeta import errors
from backupmeta.archive.compression import COMPRESSIONS
from backupmeta.archive.head import Head
from backupmeta.archive.identification import Beginning
from backupmeta.archive.member import Member
from backupmeta.catalog.remembered import Content, Memory, Remembered
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.errors import DamagedError, EvidenceError, LimitExceededError, NoMemberError
from backupmeta.evidence import Signature
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
from backupmeta.record import grammar
from backupmeta.record.grammar import Record

NAMES: Final = st.binary(min_size=1, max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
NUMBERS: Final = st.integers(-(2**63), 2**63 - 1)
KINDS: Final = sorted(
    {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, EvidenceError)}
    - {NoMemberError},  # which is raised by `cat` alone
    key=lambda one: one.__name__,
)
OWN: Final[dict[type[EvidenceError], Callable[[str], EvidenceError]]] = {
    DamagedError: lambda path: DamagedError(path, "cut off", 512, "truncated"),
    LimitExceededError: lambda path: LimitExceededError(path, "record_bytes", 10, None),
}
SOURCES: Final = st.builds(
    Source, st.sampled_from(Witness), NAMES, st.none() | NAMES, st.none() | NUMBERS, st.none() | NUMBERS
)
FINDINGS_: Final = st.builds(
    Finding, st.sampled_from(list(FINDINGS.values())), NAMES, NAMES, st.lists(SOURCES, max_size=2).map(tuple)
)
RECORDS: Final = st.binary(max_size=40).map(grammar.parse_masked)
BEGINNINGS: Final = st.sampled_from(Beginning)
ERRORS: Final = st.sampled_from(KINDS).flatmap(lambda kind: NAMES.map(lambda path: made(kind, path)))


@st.composite
def heads(draw: st.DrawFn) -> Head:
    size, name = draw(st.integers(0, 2**40)), draw(st.binary(min_size=1, max_size=20))
    member = Member(name, "file", size, draw(NUMBERS), 0, 0, 0, b"", b"", b"", draw(st.integers(0, 2**40)), size)
    findings = tuple(draw(st.lists(FINDINGS_, max_size=2)))
    return Head("", draw(st.sampled_from(COMPRESSIONS)), 0, 0, member, draw(st.integers(0, 9)), draw(CONTENT), findings)


CONTENT: Final = st.sampled_from([b"", b"a=1", b"\xff=\n"]) | st.binary(max_size=40)
REMEMBERED: Final = st.builds(
    Remembered,
    st.builds(Signature, NUMBERS, NUMBERS, st.integers(0, 2**64 - 1), NUMBERS),
    RECORDS | ERRORS | heads() | BEGINNINGS,
)
MEMORIES: Final = st.builds(
    Memory,
    NAMES,
    st.none() | NAMES,
    st.booleans(),
    st.booleans(),
    st.dictionaries(NAMES, REMEMBERED, max_size=4),
    st.lists(FINDINGS_, max_size=2),
)


def made(kind: type[EvidenceError], path: str) -> EvidenceError:
    return OWN[kind](path) if kind in OWN else kind(path, "what is wrong", "what to do")


@given(MEMORIES)
def test_it_comes_back_as_it_was(one: Memory) -> None:
    assert told(Memory.from_bytes(one.to_bytes())) == told(one)


def test_the_same_record_is_kept_once() -> None:
    record = grammar.parse_masked(b"title=the same\n" * 3)
    files = {str(number): Remembered(Signature(1, 2, number, 4), record) for number in range(50)}
    content = Memory("/home/u", None, True, True, files).to_bytes()  # noqa: FBT003 - flags of a record
    assert zstandard.ZstdDecompressor().decompress(content).count(b"title=the same") == 3
    assert [
        one.content.content for one in Memory.from_bytes(content).files.values() if isinstance(one.content, Record)
    ] == [record.content] * 50


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_comes_back_as_itself(kind: type[EvidenceError]) -> None:
    one = made(kind, "/home/u/\udcff.tar")
    known = Memory("/home/u", None, True, True, {"x": Remembered(Signature(1, 2, 3, 4), one)})  # noqa: FBT003
    back = Memory.from_bytes(known.to_bytes()).files["x"].content
    assert type(back) is kind
    assert (str(back), vars(back)) == (str(one), vars(one))


def told(one: Memory) -> dict[str, Any]:
    """Return all that is in a memory, to be compared: records and errors are no values."""
    return {
        "account": (one.server_path, one.as_server, one.is_home, one.has_records),
        "files": {path: (found.signature, shown(found.content)) for path, found in one.files.items()},
        "findings": one.findings,
    }


def shown(found: Content) -> object:
    if isinstance(found, Beginning):
        return found
    if isinstance(found, Record):
        return found.content, found.values
    if isinstance(found, EvidenceError):
        return type(found), vars(found)
    return found._replace(path="")  # it is told by whose it is


WHOLE: Final = json.loads(
    zstandard.ZstdDecompressor().decompress(
        Memory(
            "/home/u",
            None,
            is_home=True,
            has_records=True,
            files={
                "record": Remembered(Signature(1, 2, 3, 4), grammar.parse_masked(b"a=1")),
                "error": Remembered(Signature(1, 2, 3, 4), made(DamagedError, "x")),
            },
            findings=[Finding(FINDINGS["archive-missing"], "x", "", (Source(Witness.FILE_SYSTEM, "x"),))],
        ).to_bytes()
    )
)


def packed(told: object) -> bytes:
    return zstandard.ZstdCompressor().compress(json.dumps(told).encode())


def test_what_the_refused_ones_are_made_of_is_none_of_them() -> None:
    assert set(Memory.from_bytes(packed(WHOLE)).files) == {"record", "error"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        packed(WHOLE)[:-5],
        packed(WHOLE)[:10],
        zstandard.ZstdCompressor().compress(b"\xff{"),
        zstandard.ZstdCompressor().compress(b"[" * 100_000),
        packed([]),
        packed({}),
        packed(None),
        *(packed({name: some for name, some in WHOLE.items() if name != gone}) for gone in WHOLE),
        packed({**WHOLE, "account": ["/home/u"]}),
        packed({**WHOLE, "records": []}),
        packed({**WHOLE, "records": [1]}),
        packed({**WHOLE, "files": {"x": [1, 2, 3]}}),
        packed({**WHOLE, "files": {"x": [1, 2, 3, "error"]}}),
        packed({**WHOLE, "files": {"x": [1, 2, 3, {"error": "DamagedError"}]}}),
        packed({**WHOLE, "files": []}),
        packed({**WHOLE, "findings": [["archive-missing"]]}),
        packed({**WHOLE, "findings": [["archive-missing", "", "", [["nobody", "x"]]]]}),
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are for nobody
        Memory.from_bytes(content)


@given(st.binary(max_size=60), st.integers(0, 400), st.binary(max_size=3))
def test_damage_is_refused_or_harmless(garbage: bytes, place: int, other: bytes) -> None:
    whole = packed(WHOLE)
    for content in (garbage, whole[:place] + other + whole[place + 1 :]):
        try:
            Memory.from_bytes(content)
        except ValueError:
            continue
