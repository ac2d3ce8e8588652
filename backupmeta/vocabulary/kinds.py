"""What a word of the vocabulary is made of: `Severity`, `Group`, `Kind`."""

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Something is missing or broken, could not be read, or would do harm."""
    WARNING = "warning"
    """Witnesses disagree, or a value was lost."""
    NOTE = "note"
    """Worth knowing; nothing is wrong by itself."""


class Group(StrEnum):
    """What is asked of a backup; each finding answers one of these."""

    WHOLE = "whole"
    """Is the archive whole, from its first to its last byte?"""
    SAFE = "safe"
    """Would unpacking it do harm?"""
    RECORD = "record"
    """Can the record be read, and do the witnesses agree?"""
    CONTENTS = "contents"
    """Is in the archive what the record lists?"""
    RESTORE = "restore"
    """What does a restore of the dump need?"""
    APPLICATION = "application"
    """Is the application the one that the record names?"""
    ACCOUNT = "account"
    """Is in the account what belongs together, and as much as its schedule asks for?"""


class Kind(NamedTuple):
    """One entry of the vocabulary.

    Attributes:
        group: what it answers.
        severity: how much it matters.
        sentence: what it says.
        advice: what to do about it, a sentence.
        is_unread: whether evidence that was asked for could not be read.
    """

    group: Group
    severity: Severity
    sentence: str
    advice: str
    is_unread: bool = False
