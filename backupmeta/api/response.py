"""Envelopes of the server's answers (fixtures/api/view-backup.txt, "Response")."""

from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from backupmeta.api.models import Backup, Install

Answer = TypeVar("Answer", Backup, Install)


class _Envelope(BaseModel):
    """What every answer has."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    result: bool
    status: int
    errcode: str | None = None
    errfield: str | None = None
    message: str


class Response(_Envelope, Generic[Answer]):
    """The envelope of one answer; ``data`` is null in a negative one."""

    data: Answer | None = None


class ListResponse(_Envelope, Generic[Answer]):
    """The envelope of a list: the part of it from ``offset`` on, at most ``limit`` of all ``total_count``."""

    offset: int
    limit: int
    total_count: int
    data: list[Answer]
