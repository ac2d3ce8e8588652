"""What a report is written for, as options and a file in TOML tell it."""

from pathlib import Path

import pytest

from backupmeta.catalog.case import NO_CASE, Case, case_of
from backupmeta.errors import PolicyError

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FILE = f"""
title = "Webspace of exampleu"
case = "2024-0117"
examiner = "J. Doe"
remark = ["The image was taken on 2024-06-14.", "The customer asked for it."]
evidence-digest = "SHA-256:{SHA256.upper()}"
"""


@pytest.fixture
def case_file(tmp_path: Path) -> str:
    path = tmp_path / "case.toml"
    path.write_text(FILE)
    return str(path)


def test_a_file_has_all_of_it(case_file: str) -> None:
    remarks = ("The image was taken on 2024-06-14.", "The customer asked for it.")
    assert case_of(case_file, {}) == Case("Webspace of exampleu", "2024-0117", "J. Doe", remarks, f"sha256:{SHA256}")


def test_options_win_over_the_file(case_file: str) -> None:
    case = case_of(case_file, {"title": "Another", "case": None, "remark": ("Mine.",), "evidence-digest": "d" * 32})
    assert (case.title, case.number, case.examiner) == ("Another", "2024-0117", "J. Doe")
    assert (case.remarks, case.evidence_digest) == (("Mine.",), "md5:" + "d" * 32)


def test_nothing_is_needed(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert case_of(None, {"title": None, "remark": ()}) == case_of(str(tmp_path / "empty.toml"), {}) == NO_CASE


def test_one_remark_needs_no_brackets(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text('remark = """\nOnly this,\n  on two lines."""')
    assert case_of(str(tmp_path / "case.toml"), {}).remarks == ("Only this, on two lines.",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('titel = "x"', "titel: is no key of a case file; did you mean 'title'?"),
        ('number = "x"', "number: is no key of a case file; there are title, case, examiner, remark, evidence-digest"),
        ("case = 117", "case: 117 is no text; write it in quotes"),
        ('examiner = " "', "examiner: ' ' is no text; write it in quotes"),
        ("remark = [1]", "remark: a list is no text; write it in quotes"),
        ('evidence-digest = "abc"', "evidence-digest: 'abc' is no digest; give all of it, such as sha256:9f86"),
        (f'evidence-digest = "sha256:{"d" * 62}"', f"'sha256:{'d' * 62}' has 62 digits, which is no digest of sha256"),
        ("title = x", "can't be read as TOML"),
    ],
)
def test_mistakes_in_the_file_name_the_key(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "case.toml").write_text(line)
    with pytest.raises(PolicyError) as raised:
        case_of(str(tmp_path / "case.toml"), {})
    assert str(raised.value).startswith(f"{tmp_path / 'case.toml'}: ")
    assert message in str(raised.value)


def test_mistakes_in_options_name_the_option(case_file: str) -> None:
    with pytest.raises(PolicyError, match=r"^--evidence-digest: 'xyz' is no digest"):
        case_of(case_file, {"evidence-digest": "xyz"})
    with pytest.raises(PolicyError, match=r"^--title: .* is longer than 2,000 characters"):
        case_of(None, {"title": "x" * 2_001})
