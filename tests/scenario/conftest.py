"""The tampered server, written, scanned and asked once for all tests."""

import pytest

from tests.scenario.asked import Answers


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    case = tmp_path_factory.mktemp("case")
    case.chmod(0o700)
    return Answers(tmp_path_factory.mktemp("tampered"), case)
