"""`spiko lint`: files, lines, exit codes; and the reference page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spiko_cli.commands.lint import command

ROOT = Path(__file__).resolve().parents[3]
HEAD = "apiVersion: spiko.dev/v1alpha1\nkind: Architecture\nmetadata: {name: a}\nspec:\n  services:\n"
GOOD = (
    HEAD
    + "    - {name: db, package: store, count: 1, regions: 1}\n    - {name: www, package: denominator, count: 0, dependencies: [db]}\n"
)


def lint(*arguments: str, stdin: str | bytes = "") -> Result:
    """Run the command."""
    return CliRunner().invoke(command, list(arguments), input=stdin)


def test_a_finding_stands_at_its_line_and_column() -> None:
    """The value's position, also in a second document; 0-based nothing."""
    result = lint("-", stdin=GOOD + "---\n" + GOOD.replace("count: 1", "count: -1"))

    assert 1 == result.exit_code
    assert "-:14:41: error SPK013 spec.services[0].count: -1 must be at least 0" in result.output
    assert "2 documents, 1 error, 0 warnings" in result.output


BROKEN = [
    ("YAML that is not YAML", "a: [1", "not YAML"),
    ("a tab", "a:\n\t- b", "not YAML"),
    ("a key twice", "a: 1\na: 2", "is here twice"),
    ("no UTF-8", b"a: \xff\xfe", "not UTF-8"),
    ("a list for a key", "? [a]\n: b", "a key must be a text"),
    ("nested deeply", "[" * 5000, "not YAML"),
    ("aliases that grow", "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 10)}]" for i in range(9)), "too many values"),
    ("a document that is a text", "hello", "a manifest is an object"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_cannot_be_read_is_a_finding(text: str | bytes, message: str) -> None:
    """Never a traceback: a finding with a line, exit code 1."""
    result = lint("-", stdin=text)

    assert 1 == result.exit_code, result.output
    assert message in result.output or ("too deeply" in result.output and message == "not YAML")
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_empty_documents_byte_order_marks_and_carriage_returns_are_fine() -> None:
    """What editors leave behind is no fault."""
    result = lint("-", stdin=b"\xef\xbb\xbf---\n---\r\n" + GOOD.replace("\n", "\r\n").encode())

    assert 0 == result.exit_code, result.output


def test_exit_codes_and_json(tmp_path: Path) -> None:
    """0 for warnings, 1 for errors or --strict, 2 for files that cannot be read; JSON has every field."""
    silent = tmp_path / "silent.yaml"
    silent.write_text(HEAD + "    - {name: db, package: store, count: 1, regions: 1}\n")
    found = json.loads(lint(str(silent), "-o", "json").output)

    assert 0 == lint(str(silent)).exit_code
    assert 1 == lint(str(silent), "--strict").exit_code
    assert 2 == lint(str(tmp_path / "nobody.yaml")).exit_code
    assert {"file", "line", "column", "severity", "code", "reason", "path", "value", "message", "hint"} == set(found[0])


FAULT = "---\napiVersion: spiko.dev/v1alpha1\nkind: Fault\nmetadata: {name: f}\nspec:\n  architecture: a\n  kill: {tier: ddb}\n"


def test_a_fault_is_checked_against_its_architecture_in_another_file(tmp_path: Path) -> None:
    """Code, line, path, value and way out; alone, or for an Architecture that is not among the files, nothing is said."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "fault.yaml").write_text(FAULT)
    result = lint(str(tmp_path))

    assert 1 == result.exit_code
    assert 'fault.yaml:7:16: error SPK072 spec.kill.tier: "ddb" is no tier of Architecture a\n' in result.output
    assert '    did you mean "db"?' in result.output
    assert 0 == lint(str(tmp_path / "fault.yaml")).exit_code
    assert 0 == lint("-", stdin=GOOD + FAULT.replace("architecture: a", "architecture: b")).exit_code


def test_an_architecture_that_is_no_yaml_says_nothing_of_a_fault() -> None:
    """Half a file must not make findings in another."""
    result = lint("-", stdin=GOOD.replace("count: 1,", "count: 1, count: 1,") + FAULT)

    assert "is here twice" in result.output
    assert "SPK072" not in result.output


def test_every_example_is_without_errors() -> None:
    """What we ship can be applied, or is understood."""
    result = lint(str(ROOT / "examples"))

    assert 0 == result.exit_code, result.output


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """As a file would be; a folder that is named like a file is passed over."""
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "good.yaml").write_text(GOOD)
    long = tmp_path / ("x" * 300)

    assert 0 == lint(str(tmp_path)).exit_code
    for name in ("/proc/1/task/1/fdinfo/9999", str(long)):
        result = lint(name)
        assert (2, True) == (result.exit_code, "name a file that can be read" in result.output), result.output
