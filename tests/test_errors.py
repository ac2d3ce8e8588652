"""Errors: what is said of them stands in the tests of who raises them."""

import pickle

import pytest

from backupmeta import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.UnreadableError("/a", "no permission", "look"),
        errors.DamagedError("/a", "cut off", 512, "truncated"),
        errors.LimitExceededError("/a", "members", 3, 4),
        errors.NoMemberError("/a", "b"),
        errors.DamagedCatalogError("/a", "rows are missing"),
        errors.OutputError("/a", "is a folder", "name a file"),
        errors.PolicyError("/a", (errors.Mistake("require", "is no table"),)),
        errors.AnswerError(404, "backup_not_found", "no"),
    ],
)
def test_an_error_comes_out_of_a_worker_as_it_was(error: errors.BackupMetaError) -> None:
    received = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(received), str(received), received.args) == (type(error), str(error), error.args)
    assert vars(received) == vars(error)
