"""What holds of the package as a whole."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

import backupmeta
from backupmeta import errors
from backupmeta.api.models import Backup
from backupmeta.backup.inspection import Inspection
from backupmeta.masking import is_secret
from backupmeta.vocabulary.table import FINDINGS

PACKAGE = Path(backupmeta.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 600
"""Lines that a module may have: what a reader looks for together, and no more."""


def texts(module: Path) -> Iterator[str]:
    """Yield the strings in the code of ``module``."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_findings_in_use_are_those_of_the_vocabulary() -> None:
    others = [module for module in MODULES if module.parent.name != "vocabulary"]
    used = {text for module in others for text in texts(module)}
    assert set(FINDINGS) - used == set()
    named = {
        node.args[0].value
        for module in others
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"Finding", "Disagreement"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert named - set(FINDINGS) == set()
    assert len(named) > 20


def test_findings_have_stable_ids_and_sentences() -> None:
    assert [id_ for id_ in FINDINGS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", id_)] == []
    assert [kind for kind in FINDINGS.values() if kind.sentence[0].isupper() or kind.sentence.endswith(".")] == []


def test_no_module_is_long() -> None:
    assert {
        module.name: length for module in MODULES if (length := len(module.read_text("utf-8").splitlines())) > LONGEST
    } == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [module.name for module in MODULES if not ast.get_docstring(ast.parse(module.read_text("utf-8")))] == []


def test_only_the_command_line_prints_or_exits() -> None:
    below = [module for module in MODULES if module.parent.name != "cli"]
    calls = {
        f"{module.name}: {node.func.id}"
        for module in below
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "exit"}
    }
    assert calls == set()
    assert [module.name for module in below if "sys.exit" in module.read_text("utf-8")] == []


def test_nothing_is_opened_for_writing_but_outputs_and_a_folder_to_unpack_into() -> None:
    writing = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|write_text|\.write_bytes\(|os\.(mkdir|remove|rename|unlink)")
    below = [module for module in MODULES if module.parent.name not in {"cli", "extraction"}]
    below.remove(PACKAGE / "folders.py")
    found = {module: writing.findall(module.read_text()) for module in below}
    assert {module.name: calls for module, calls in found.items() if calls} == {
        "catalog_file.py": ["rename"]  # a damaged catalog is put aside
    }


def test_a_field_with_a_secrets_name_is_closed_and_no_other_attribute_has_one() -> None:
    closed = {name for name, field in Backup.model_fields.items() if SecretStr in get_args(field.annotation)}
    assert closed == {name for name in Backup.model_fields if is_secret(name)} == {"db_pass"}
    assert [name for name in Inspection.__slots__ if is_secret(name)] == []


def test_the_tree_of_errors_is_the_one_drawn() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    defined = [
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.BackupMetaError) and name != "BackupMetaError"
    ]
    assert sorted(drawn) == sorted(defined)


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
