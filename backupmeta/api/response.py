"""Envelopes and error codes of the server (fixtures/api/view-backup.txt, "Response")."""

from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from backupmeta.api.models import Backup, Install
from backupmeta.errors import AnswerError

SUCCESS: Final = "The task is complete.\n"
"""The server's message for success, line end and all."""

PAGE: Final = 50
"""How many entries a list has at the most, where no limit is asked for."""

Answer = TypeVar("Answer", Backup, Install)


class Response(BaseModel, Generic[Answer]):
    """The envelope of one answer; ``data`` is null in a negative one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: bool
    status: int
    errcode: str | None = None
    errfield: str | None = None
    message: str
    data: Answer | None = None


class ListResponse(BaseModel, Generic[Answer]):
    """The envelope of a list: the part of it from ``offset`` on, at most ``limit`` of all ``total_count``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: bool
    status: int
    errcode: str | None = None
    errfield: str | None = None
    message: str
    offset: int
    limit: int
    total_count: int
    data: list[Answer]


def backup_not_found(reason: str) -> AnswerError:
    """Return the answer for a backup that there isn't, or whose archive is not in its location."""
    return AnswerError(404, "backup_not_found", f"The backup archive is not found in its backup location: {reason}.")


def install_not_found(reason: str) -> AnswerError:
    """Return the answer for an install that there isn't."""
    return AnswerError(404, "install_not_found", f"The install is not found: {reason}.")


def user_not_found(user: str) -> AnswerError:
    """Return the answer for a user of whom nothing is known."""
    return AnswerError(404, "user_not_found", f"The user {user!r} could not be found in any account.")


def user_not_authorized(user: str) -> AnswerError:
    """Return the answer for a user who isn't the owner."""
    return AnswerError(403, "invalid_argument_user", f"The user {user!r} is not authorized to access this data.")
