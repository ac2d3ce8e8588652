"""SARIF of the tampered server, as other programs judge it: Microsoft's SARIF Multitool, and ajv by the schema."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.ajv import PACKAGES, ajv, needs_packages
from tests.scenario.asked import NOW, Answers

SCHEMA: Final = Path(__file__).parents[1] / "render/sarif-2.1.0.json"
ALLOWED: Final = {
    "SARIF2005",  # no address of the program: it has none yet
    "SARIF2017",  # no region, where no line is known: in an archive
}

pytestmark = needs_packages


@pytest.fixture(scope="module")
def log(answers: Answers) -> Any:
    """All findings, notes as well, files named from the server's root on."""
    options = ("--now", NOW, "--format", "sarif", "--sarif-notes", "--relative-to", answers.root)
    return answers.ran("verify", *options).json


@pytest.fixture(scope="module")
def judgements(log: Any, answers: Answers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[str, str]]]:
    """What the Multitool says of logs: rules and levels, by the files' names."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "all.sarif").write_text(json.dumps(log))
    answers.ran("verify", "--now", NOW, "--format", "sarif", "-o", folder / "plain.sarif")
    log = json.loads(json.dumps(log))
    log["runs"][0]["results"][0]["ruleIndex"] = 9999
    (folder / "broken.sarif").write_text(json.dumps(log))
    program = Path(PACKAGES) / "node_modules/.bin/sarif-multitool"
    environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}  # it would need ICU
    command: list[str | Path] = [program, "validate", *folder.glob("*.sarif"), "--output", folder / "out"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    said: dict[str, set[tuple[str, str]]] = {path.name: set() for path in folder.glob("*.sarif")}
    for result in json.loads((folder / "out").read_text())["runs"][0]["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        said[uri.rpartition("/")[2]].add((result["ruleId"], result.get("level", "warning")))
    return said


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("schemas")
    shutil.copy(SCHEMA, folder / "sarif.schema.json")
    with ajv(folder) as validate:
        yield lambda printed: validate("sarif", printed)


@pytest.mark.long
@pytest.mark.parametrize("name", ["all.sarif", "plain.sarif"])
def test_the_multitool_finds_nothing_wrong(judgements: dict[str, set[tuple[str, str]]], name: str) -> None:
    assert judgements[name] == {(rule, "warning") for rule in ALLOWED}


@pytest.mark.long
def test_the_multitool_notices_what_is_wrong(judgements: dict[str, set[tuple[str, str]]]) -> None:
    assert ("SARIF1009", "error") in judgements["broken.sarif"]


def test_ajv_finds_it_valid(log: Any, mistakes: Any) -> None:
    assert mistakes(log) == []
    assert mistakes({**log, "version": "2"}) == ["/version: must be equal to one of the allowed values"]
