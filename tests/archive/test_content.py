"""Handing on one member's content during a walk."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import installatron_writer as writer
import pytest

from backupmeta.archive.content import Content
from backupmeta.archive.reader import Consumer, walk
from backupmeta.evidence import EvidenceFile

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]

ARCHIVE = [
    writer.Entry(b"APP-META.INI", b"installer=wordpress", 0),
    writer.Entry(b"big", bytes(range(256)) * 2000, 0),
    writer.Entry(b"APP-META.INI", b"a later one", 0),
]


def consume(opened: Opened, content: bytes, *consumers: Consumer) -> None:
    with opened(content) as file:
        for _ in walk(file, algorithms=(), consumers=consumers):
            pass


def test_several_consumers_share_one_walk(opened: Opened) -> None:
    record, big, again = bytearray(), bytearray(), bytearray()
    contents = [Content(b"./APP-META.INI", record.extend), Content(b"big", big.extend), Content(b"big", again.extend)]
    consume(opened, writer.tar_bytes(ARCHIVE), *contents)
    assert (bytes(record), bytes(big), again) == (b"installer=wordpress", ARCHIVE[1].content, big)
    assert [one.missing for one in contents] == [0, 0, 0]


@pytest.mark.parametrize("most", [0, 1, 70_000, 511_999, 512_000, 600_000])
def test_no_more_than_the_bound_is_handed_on(opened: Opened, most: int) -> None:
    big = bytearray()
    content = Content(b"big", big.extend, most)
    consume(opened, writer.tar_bytes(ARCHIVE), content)
    assert bytes(big) == (ARCHIVE[1].content or b"")[:most]
    assert content.missing == max(512_000 - most, 0)


def test_what_breaks_off_is_missing(opened: Opened) -> None:
    big = bytearray()
    content, absent = Content(b"big", big.extend), Content(b"absent", big.extend)
    consume(opened, writer.tar_bytes(ARCHIVE)[: 1536 + 1000], content, absent)
    assert (len(big), content.missing, absent.member) == (1000, 511_000, None)
