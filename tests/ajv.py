"""ajv, a validator for JavaScript, and what else npm has that validates: installed in CI, by the command below."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.invented import FIXTURES

PACKAGES: Final = os.environ.get("BACKUPMETA_AJV", "")
NEEDED: Final = "ajv@8 ajv-draft-04@1 ajv-formats@3 @microsoft/sarif-multitool@5"
needs_packages: Final = pytest.mark.skipif(
    not PACKAGES, reason=f"needs BACKUPMETA_AJV=FOLDER, made by 'npm install --prefix FOLDER {NEEDED}'"
)

Validate: TypeAlias = Callable[..., list[str]]
"""Takes the name of a schema, then what should be valid by it; returns what is wrong."""


@contextmanager
def ajv(schemas: Path) -> Iterator[Validate]:
    """Give a function that asks ajv, by the schemas of a folder (``NAME.schema.json``): one process answers all."""
    command = ["node", str(FIXTURES.parent / "scripts/ajv.mjs"), PACKAGES, str(schemas)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii") as node:
        questions, answers = node.stdin, node.stdout
        assert questions is not None
        assert answers is not None

        def validate(*question: object) -> list[str]:
            print(json.dumps(question), file=questions, flush=True)
            answer: list[str] = json.loads(answers.readline())
            return answer

        yield validate
