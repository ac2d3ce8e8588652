"""Mutated archives: what fuzzing (`scripts/fuzz.py`) found stays fixed."""

import bz2
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import pytest
import zstandard
from fuzz import mutant_of
from fuzzing import corpus
from fuzzing.check import FailedError, outcomes
from fuzzing.corpus import Sample
from writers import installatron as writer

from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from tests import hostile
from tests.endless import ends
from tests.examples import seeds

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]

MTIME: Final = 1718312121
END: Final = bytes(1024)
SEED: Final = 2024


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return corpus.made()


def walked(opened: Opened, content: bytes) -> tuple[list[Member], list[Finding]]:
    with opened(content) as file:
        archive = Pass(file)
        return list(archive), list(archive.findings())


def changed(header: bytes, at: int, field: bytes) -> bytes:
    block = header[:at] + field + header[at + len(field) :]
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def pax(key: bytes, value: bytes) -> bytes:
    """Return a pax header of one record, whose length counts all of itself."""
    length = len(key) + len(value) + 3
    while length != len(line := b"%d %s=%s\n" % (length, key, value)):
        length = len(line)
    return writer.header(b"x", length, 0, 0, b"x") + writer.padded(line)


def test_numbers_may_fill_their_fields_without_an_end(opened: Opened) -> None:
    header = writer.header(b"a", 0, MTIME, 0o644, b"0")
    header = changed(changed(header, 124, b"000000000012"), 100, b"00000755")
    (member,), findings = walked(opened, header + writer.padded(b"0123456789") + END)
    assert (member.size, member.mode, findings) == (10, 0o755, [])


def test_a_number_with_something_behind_it_is_none(opened: Opened) -> None:
    header = changed(writer.header(b"a", 0, MTIME, 0o644, b"0"), 100, b"0000644X")
    _, findings = walked(opened, header + END)
    assert [finding.id for finding in findings] == ["member-number"]


@pytest.mark.parametrize("part", [b"./", "\u0301\u0316".encode()], ids=["folders", "accents"])
def test_long_names_take_no_time_by_the_square(opened: Opened, part: bytes) -> None:
    def walk(size: int) -> None:
        name = part * (size // len(part)) + b"a"
        members, _ = walked(opened, (pax(b"path", name) + writer.header(b"a", 0, MTIME, 0o644, b"0")) * 20 + END)
        assert {member.name for member in members} == {name}

    assert ends(walk, 60_000)


def test_a_name_may_fill_its_field(opened: Opened) -> None:
    name = b"n" * 100
    (member,), findings = walked(opened, changed(writer.header(b"", 0, MTIME, 0o644, b"0"), 0, name) + END)
    assert (member.name, findings) == (name, [])


def test_only_nul_and_blank_end_a_number(opened: Opened) -> None:
    good = writer.header(b"good", 0, MTIME, 0o644, b"0")
    members, findings = walked(opened, good + changed(writer.header(b"bad", 3, MTIME, 0o644, b"0"), 135, b"\1") + END)
    assert [member.name for member in members] == [b"good"]
    assert "archive-header-damaged" in [one.id for one in findings]


def test_pax_records_that_should_be_numbers_are_told(opened: Opened) -> None:
    content = hostile.pax([(b"size", b"/"), (b"uid", b"-1"), (b"mtime", b"nan")])
    (member,), findings = walked(opened, content + writer.header(b"a", 0, MTIME, 0o644, b"0") + END)
    assert (member.size, member.uid, member.mtime_ns) == (0, 1000, MTIME * 10**9)
    assert [(one.id, one.detail) for one in findings] == [("member-number", "size, uid, mtime")]


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize("batch", seeds(1, 6))
def test_mutated_archives_keep_every_promise(batch: int, samples: list[Sample]) -> None:
    failed = {}
    for number in range(150 * batch, 150 * (batch + 1)):
        try:
            outcomes(mutant_of(SEED, number, samples))
        except FailedError as error:
            failed[number] = str(error)
    assert failed == {}, f"scripts/fuzz.py --seed {SEED} --first … -n 1"


def test_malformed_pax_records_are_told(opened: Opened) -> None:
    whole = pax(b"path", b"b")
    lying = whole.replace(b"9 path=b\n", b"8 path=b\n")
    (member,), findings = walked(opened, lying + writer.header(b"a", 0, MTIME, 0o644, b"0") + END)
    assert (member.name, [one.id for one in findings]) == (b"a", ["member-pax-malformed"])


def test_a_bzip2_stream_behind_damage_is_found_although_its_first_block_is_long(opened: Opened) -> None:
    noise = hashlib.shake_128(b"noise").digest(1_000_000)
    one, two = (
        bz2.compress(writer.header(name, 10**6, MTIME, 0o644, b"0") + writer.padded(noise)) for name in (b"1", b"2")
    )
    members, findings = walked(opened, one[:500_000] + b"\xff" * 8 + one[500_008:] + two + bz2.compress(END))
    assert [member.name for member in members] == [b"2"]
    assert "archive-damaged" in [one.id for one in findings]


def test_very_many_signatures_behind_damage_take_no_time_by_the_square(opened: Opened) -> None:
    packed = zstandard.compress(writer.header(b"a", 0, MTIME, 0o644, b"0") + END)

    def walk(signatures: int) -> None:
        members, _ = walked(opened, packed + b"\x28\xb5\x2f\xfd\x04\x88" * signatures)
        assert [member.name for member in members] == [b"a"]

    assert ends(walk, 20_000)
