"""`Case`: what a report is written for, as the command line and a file in TOML tell it, by the same keys.

Every key may be left out::

    title = "Webspace of exampleu"
    case = "2024-0117"
    examiner = "J. Doe"
    remark = ["The image was taken on 2024-06-14."]
    evidence-digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from backupmeta.checks.policy import PolicyReading, PolicyTable, parsed

_LONGEST: Final = 2_000
"""How many characters a text may have: a report shows as many."""
_MOST_REMARKS: Final = 100
_ALGORITHMS: Final = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
"""The algorithms that are meant where none is named, by how many hexadecimal digits their digests have."""
_DIGEST: Final = re.compile(r"(?:(?P<algorithm>[A-Za-z0-9/_-]{2,20}):\s*)?(?P<digits>(?:[0-9A-Fa-f]{2}){16,64})")


@dataclass(frozen=True, slots=True)
class Case:
    """What a report is written for; None for what nobody gave.

    Attributes:
        title: the report's title.
        number: the number of the case.
        examiner: who examined the evidence.
        remarks: what the examiner has to say.
        evidence_digest: the digest of the image, as it was given: ``sha256:…``. Nothing is compared with it.
    """

    title: str | None = None
    number: str | None = None
    examiner: str | None = None
    remarks: tuple[str, ...] = ()
    evidence_digest: str | None = None


NO_CASE: Final = Case()


def case_of(path: str | None, given: Mapping[str, object]) -> Case:
    """Return the case that the file at ``path`` describes, but for what is ``given`` as options, by the same keys.

    Raises `PolicyError` for all that is wrong in one of the two, and what `parsed` raises.
    """
    options = {key: value for key, value in given.items() if value not in {None, ()}}
    _case("", "--", options)
    return _case(path or "", "", {**({} if path is None else parsed(path)), **options})


def _case(path: str, place: str, values: Mapping[str, object]) -> Case:
    reading = PolicyReading(path)
    table = PolicyTable(reading, place, values)
    case = Case(
        title=table.one("title", _text, None),
        number=table.one("case", _text, None),
        examiner=table.one("examiner", _text, None),
        remarks=table.one("remark", _remarks, ()),
        evidence_digest=table.one("evidence-digest", _digest, None),
    )
    table.end("key of a case file")
    reading.end()
    return case


def _text(value: object) -> str:
    """Return a text: ``"J. Doe"``; lines of it are one."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is no text", "write it in quotes")
    if len(value) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST:,} characters", "put it in a document of its own")
    return " ".join(value.split())


def _remarks(value: object) -> tuple[str, ...]:
    """Return remarks: a text, or several in brackets."""
    remarks = value if isinstance(value, list | tuple) else [value]
    if len(remarks) > _MOST_REMARKS:
        raise ValueError(f"are more than {_MOST_REMARKS} remarks", "put them in a document of their own")
    return tuple(map(_text, remarks))


def _digest(value: object) -> str:
    """Return a digest with its algorithm: ``sha256:9f86…``."""
    match = _DIGEST.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no digest", "give all of it, such as sha256:9f86…")
    meant = _ALGORITHMS.get(len(match["digits"]), "")
    algorithm = (match["algorithm"] or meant).lower().replace("-", "")
    if not algorithm or (algorithm in _ALGORITHMS.values() and algorithm != meant):
        raise ValueError(f"has {len(match['digits'])} digits, which is no digest of {algorithm or 'any that is known'}")
    return f"{algorithm}:{match['digits'].lower()}"
