"""What holds of the package as a whole."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

import backupmeta
from backupmeta import errors, rules
from backupmeta.api.models import Backup
from backupmeta.backup.inspection import Inspection
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Group
from backupmeta.masking import is_secret

PACKAGE = Path(backupmeta.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_MODULES = 140
"""Modules that the package may have: a lower number is better."""
NAMED_TWICE: set[str] = set()
"""File names that occur twice, and are to be told apart."""
IN_CIRCLES: set[frozenset[str]] = set()
"""Modules that import one another, and are to be told apart."""
MASKING_FUNCTIONS = {"mask_text", "mask_value", "mask_list", "mask_location", "masked"}
MASKING_MODULES = {
    "archive/member.py": "a member's name enters",
    "checks/identity.py": "a file's path from a base on enters a finding's identity",
    "checks/policy.py": "a location of a policy enters",
    "cli/messages.py": "what a person typed comes back in a usage error",
    "errors.py": "a path, and what a library says of a file, enter a sentence",
    "findings.py": "a value, a name or a path enters a finding's words",
    "provenance.py": "a path or a name is shown: the one function for all renderers",
    "record/fields.py": "a key with a secret in it becomes no field",
    "record/grammar.py": "a record enters",
    "record/values.py": "a list with a secret in it is no list of plugins",
    "backup/resolve.py": "a record's title is compared with a name's slug of it",
}
"""The modules that may mask, and what for: everybody else shows what is masked or closed already."""
LONGEST = 600
"""Lines that a module may have: what a reader looks for together, and no more."""


def tree(module: Path) -> ast.Module:
    """Return the syntax tree of ``module``."""
    return ast.parse(module.read_text("utf-8"))


def names_used(module: Path) -> Iterator[str]:
    """Yield the names and attributes that the code of ``module`` reads."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id


def imports() -> dict[str, set[str]]:
    """Return which modules each module imports, also within functions; ``__init__`` modules are left out."""
    modules = {
        ".".join(module.relative_to(PACKAGE).with_suffix("").parts): module
        for module in MODULES
        if module.name != "__init__.py"
    }
    graph: dict[str, set[str]] = {}
    for name, module in modules.items():
        sources = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.module]
        imported = {f"{node.module}.{alias.name}" for node in sources for alias in node.names}
        imported |= {str(node.module) for node in sources}
        graph[name] = {other.removeprefix("backupmeta.") for other in imported} & modules.keys() - {name}
    return graph


def reached(graph: dict[str, set[str]], begin: str) -> set[str]:
    """Return the modules that ``begin`` imports, directly or through others."""
    met, waiting = set[str](), [begin]
    while waiting:
        new = graph[waiting.pop()] - met
        met |= new
        waiting.extend(new)
    return met


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the groups of modules each of which imports all others of its group, directly or through others."""
    below = {name: reached(graph, name) for name in graph}
    return {
        frozenset({other for other in below[name] if name in below[other]} | {name})
        for name in graph
        if name in below[name]
    }


def test_a_circle_is_noticed() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {frozenset({"b", "c"})}
    assert "archive.tar" in reached(imports(), "cli.verify_cmds")


def test_no_module_imports_itself_through_others() -> None:
    assert circles(imports()) - IN_CIRCLES == set()


def test_a_file_name_occurs_once() -> None:
    times = Counter(module.name for module in MODULES if module.name != "__init__.py")
    assert {name for name, count in times.items() if count > 1} - NAMED_TWICE == set()


def test_the_package_has_no_corridors() -> None:
    assert len(MODULES) <= MOST_MODULES


def test_every_rule_is_used_and_named_as_its_id() -> None:
    used = {name for module in MODULES for name in names_used(module)}
    assert [id_ for id_ in FINDINGS if id_.upper().replace("-", "_") not in used] == []
    assert [id_ for id_, rule in FINDINGS.items() if rule.id != id_] == []


def test_rules_of_checks_stand_with_the_checks() -> None:
    assert {rule.group for rule in FINDINGS.values() if not hasattr(rules, rule.id.upper().replace("-", "_"))} == {
        Group.RECORD,
        Group.WITNESSES,
        Group.CONTENTS,
        Group.RESTORE,
        Group.APPLICATION,
        Group.ACCOUNT,
    }


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
        "database.py": ["rename"]  # a damaged catalog is put aside
    }


def test_a_field_with_a_secrets_name_is_closed_and_no_other_attribute_has_one() -> None:
    closed = {name for name, field in Backup.model_fields.items() if SecretStr in get_args(field.annotation)}
    assert closed == {name for name in Backup.model_fields if is_secret(name)} == {"db_pass"}
    assert [name for name in Inspection.__slots__ if is_secret(name)] == []


def test_these_modules_alone_mask() -> None:
    masking = {
        name: imported
        for module in MODULES
        if (imported := imported_names(module, "backupmeta.secrets") & MASKING_FUNCTIONS)
        for name in [str(module.relative_to(PACKAGE))]
    }
    assert masking.keys() == MASKING_MODULES.keys()
    forms = {module.name for module in MODULES if imported_names(module, "backupmeta.secret_forms")}
    assert forms | {"secrets.py"} == {"secrets.py"}


def imported_names(module: Path, source: str) -> set[str]:
    """Return the names that ``module`` imports from ``source``."""
    nodes = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.module == source]
    return {alias.name for node in nodes for alias in node.names}


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
