"""`spiko lint`: files, positions and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spiko_cli.commands.lint import command
from tests.support.paths import ROOT

HEAD = "apiVersion: spiko.dev/v1alpha1\nkind: Architecture\nmetadata: {name: a}\nspec:\n  services:\n"
GOOD = (
    HEAD
    + "    - {name: db, package: store, count: 1, regions: 1}\n"
    + "    - {name: www, package: denominator, count: 0, dependencies: [db]}\n"
)


def lint(*arguments: str, stdin: str | bytes = "") -> Result:
    """Run the command."""
    return CliRunner().invoke(command, list(arguments), input=stdin)


def test_a_finding_has_the_line_and_column_of_its_value() -> None:
    """Given an invalid value in a second document, then line and column of the value are reported, from 1."""
    result = lint("-", stdin=GOOD + "---\n" + GOOD.replace("count: 1", "count: -1"))

    assert 1 == result.exit_code
    assert "-:14:41: error SPK013 spec.services[0].count: -1: must be at least 0" in result.output
    assert "2 documents, 1 error, 0 warnings" in result.output


BROKEN = [
    ("YAML that is not YAML", "a: [1", "not YAML"),
    ("a tab", "a:\n\t- b", "not YAML"),
    ("a key twice", "a: 1\na: 2", "duplicate key 'a'"),
    ("not UTF-8", b"a: \xff\xfe", "not UTF-8"),
    ("a list for a key", "? [a]\n: b", "a key must be a string"),
    ("nested deeply", "[" * 5000, "not YAML"),
    ("aliases that grow", "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 10)}]" for i in range(9)),
         "too many values"),
    ("a document that is a string", "hello", "a manifest must be an object"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_invalid_syntax_is_a_finding(text: str | bytes, message: str) -> None:
    """Given a file that is not a manifest, then there is a finding and exit code 1, not a traceback."""
    result = lint("-", stdin=text)

    assert 1 == result.exit_code, result.output
    assert message in result.output or ("too deeply" in result.output and message == "not YAML")
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_empty_documents_byte_order_marks_and_carriage_returns_are_accepted() -> None:
    """Given what editors leave in files, then there are no findings."""
    result = lint("-", stdin=b"\xef\xbb\xbf---\n---\r\n" + GOOD.replace("\n", "\r\n").encode())

    assert 0 == result.exit_code, result.output


def test_exit_codes_and_fields_of_json(tmp_path: Path) -> None:
    """Given warnings, then the code is 0, with --strict 1, for a missing file 2; JSON has all fields."""
    silent = tmp_path / "silent.yaml"
    silent.write_text(HEAD + "    - {name: db, package: store, count: 1, regions: 1}\n")
    found = json.loads(lint(str(silent), "-o", "json").output)

    assert 0 == lint(str(silent)).exit_code
    assert 1 == lint(str(silent), "--strict").exit_code
    assert 2 == lint(str(tmp_path / "missing.yaml")).exit_code
    assert {
        "file",
        "line",
        "column",
        "severity",
        "code",
        "reason",
        "path",
        "value",
        "message",
        "hint",
    } == set(found[0])


FAULT = (
    "---\napiVersion: spiko.dev/v1alpha1\nkind: Fault\nmetadata: {name: f}\n"
    "spec:\n  architecture: a\n  kill: {tier: ddb}\n"
)


def test_a_fault_is_checked_against_its_architecture_in_another_file(tmp_path: Path) -> None:
    """Given a Fault with an unknown tier, then it is reported if its Architecture is in one of the files."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "fault.yaml").write_text(FAULT)
    result = lint(str(tmp_path))

    assert 1 == result.exit_code
    assert (
        'fault.yaml:7:16: error SPK072 spec.kill.tier: "ddb" is not a tier of Architecture "a"\n'
        in result.output
    )
    assert '    did you mean "db"?' in result.output


def test_a_fault_without_its_architecture_is_a_warning() -> None:
    """Given a Fault whose Architecture is in no file, then a warning says that its target was not checked."""
    alone = lint("-", stdin=FAULT)
    other = lint("-", stdin=GOOD + FAULT.replace("architecture: a", "architecture: aa"))

    assert (0, 0) == (alone.exit_code, other.exit_code)
    assert '-:6:17: warning SPK079 spec.architecture: the files have no Architecture "a";' in alone.output
    assert 'did you mean "a"?' in other.output
    assert 1 == lint("-", "--strict", stdin=FAULT).exit_code


def test_lists_are_checked_item_by_item() -> None:
    """Given a List with an invalid Architecture and a Fault of it, then both are checked."""
    items = [text.replace("---\n", "").strip().replace("\n", "\n  ") for text in (GOOD, FAULT)]
    text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(f"- {item}\n" for item in items)
    result = lint("-", stdin=text.replace("count: 1", "count: -1"))

    assert 1 == result.exit_code
    assert "-:9:43: error SPK013 spec.services[0].count: -1: must be at least 0" in result.output
    assert '-:16:18: error SPK072 spec.kill.tier: "ddb" is not a tier of Architecture "a"' in result.output
    assert "2 documents, 2 errors, 0 warnings" in result.output


def test_files_without_a_document_are_reported() -> None:
    """Given nothing to check, then the exit code is 2: kubectl has nothing to apply either."""
    results = [lint("-", stdin=text) for text in ("", "# c\n---\n", "kind: List\nitems: []\n")]

    assert [2, 2, 2] == [result.exit_code for result in results]
    assert all("no document found" in result.output for result in results)


def test_a_url_is_not_read() -> None:
    """Given a URL, which kubectl would download, then the message says what to type."""
    result = lint("https://example.com/a.yaml")

    assert (2, True) == (
        result.exit_code,
        "`curl -fsSL https://example.com/a.yaml | spiko lint -`" in result.output,
    )


def test_folders_in_folders_are_read_with_recursive(tmp_path: Path) -> None:
    """Given a folder in a folder, then its files are read with -R only, as kubectl does it."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "inner" / "fault.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Pod"}))

    assert "1 document, 0 errors, 0 warnings" in lint(str(tmp_path)).output
    assert "2 documents, 0 errors, 1 warning" in lint("-R", str(tmp_path)).output


@pytest.mark.parametrize("namespace", ["5", "Team", "a.b"])
def test_invalid_namespaces_are_errors(namespace: str) -> None:
    """Given a namespace that is not a DNS label, then it is reported."""
    result = lint("-", stdin=GOOD.replace("{name: a}", f"{{name: a, namespace: {namespace}}}"))

    assert 1 == result.exit_code
    assert "metadata.namespace: " in result.output


def test_an_architecture_with_invalid_syntax_causes_no_finding_in_a_fault() -> None:
    """Given an Architecture that is read in part only, then it is not used to check a Fault."""
    result = lint("-", stdin=GOOD.replace("count: 1,", "count: 1, count: 1,") + FAULT)

    assert "duplicate key" in result.output
    assert "SPK072" not in result.output


def test_the_examples_have_no_errors() -> None:
    """Given the folder of examples, then lint finds no error."""
    result = lint(str(ROOT / "examples"))

    assert 0 == result.exit_code, result.output


def test_unreadable_files_and_folders_are_reported(tmp_path: Path) -> None:
    """Given an unreadable name, then the exit code is 2; a folder with the name of a file is skipped."""
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "good.yaml").write_text(GOOD)
    long = tmp_path / ("x" * 300)

    assert 0 == lint(str(tmp_path)).exit_code
    for name in ("/proc/1/task/1/fdinfo/9999", str(long)):
        result = lint(name)
        assert (2, True) == (result.exit_code, "name a readable file" in result.output), result.output


def test_a_finding_in_a_map_has_the_position_of_its_entry() -> None:
    """Given label values that are not valid, then each has the position of its own entry, also if the key has
    dots, slashes or brackets.
    """
    labels = '  runtime:\n    labels:\n      team: "-"\n      a.b/c: "-"\n      "x[y]": "-"\n'
    result = lint("-", stdin=GOOD.replace("spec:\n", f"spec:\n{labels}"))

    assert "-:7:13: error SPK015 spec.runtime.labels.team:" in result.output
    assert "-:8:14: error SPK015 spec.runtime.labels[a.b/c]:" in result.output
    assert "-:9:15: error SPK015 spec.runtime.labels.x[y]:" in result.output
    assert '-:7:7: error SPK055 spec.runtime.labels: key "x[y]"' in result.output
