"""Documents as kubectl reads them: `kubectl label --local` prints what it has read, without a cluster."""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiko_cli.manifests import Manifest, parse

KUBECTL = Path(sys.executable).with_name("kubectl")
HEAD = "apiVersion: spiko.dev/v1alpha1\nkind: Architecture\nmetadata: {name: a}\n"
FAULT = "apiVersion: spiko.dev/v1alpha1\nkind: Fault\nmetadata: {name: f}\n"
JSON = '{"apiVersion": "v1", "kind": "A", "metadata": {"name": "j"}, "spec": %s}'


def kubectl(file: Path) -> tuple[list[Any], str]:
    """Return the documents that kubectl reads from a file, and its errors."""
    command = [str(KUBECTL), "label", "--local", "--dry-run=client", "-f", str(file), "a=b", "-o", "json"]
    environ = os.environ | {"KUBECONFIG": os.devnull}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=60)
    rest, documents = done.stdout.strip(), []
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        del document["metadata"]["labels"]
        documents.append(document)
        rest = rest[end:].strip()
    return documents, done.stderr


def ours(file: Path) -> list[Manifest]:
    """Return the documents that we read."""
    return list(parse(file.read_bytes(), "f"))


SCALARS = """
on off yes no y n On OFF oFF True ~ null NULL 'on' "012" 012 0o12 08 09.5 0x1F 0X1f -012 0b11 -0b1 0b2 00 +1
-0 -0.0 1_000 1__0 _1 1e3 1E3 +1e3 1.5e3 1.0 5. .5 .1e2 . .e3 1e 1.5.2 1e400 1e20 1e21 1:30 190:20:30
2001-01-01 2001-01-01T00:00:00Z = + 0x 0x1p3 .inf5 99999999999999999999 -9223372036854775808 ٣ 1٣ !!str~5
!!int~5 !!float~5
"""
LIST = "apiVersion: v1\nkind: List\nitems:\n"
SAME = [
    ("scalars", HEAD + "spec:\n" + "".join(f"- {s}\n" for s in SCALARS.split()).replace("~5", " 5")),
    ("keys", HEAD + "spec: {on: 1, no: 2, 1: 3, 1.5: 4, 0x10: 5, 012: 6, 2001-01-01: 7, 1e3: 8, '': 9}\n"),
    ("a merge", HEAD + "x: &x {a: 1, b: 2}\nspec: {<<: *x, b: 3}\n"),
    ("a merge that comes last", HEAD + "spec: {a: 1, <<: {a: 2}, b: 3}\n"),
    ("a merge of several", HEAD + "x: &x {a: 1}\nspec: {<<: [*x, {a: 2, b: 2}, {b: 3}]}\n"),
    ("a merge of a merge", HEAD + "x: &x {a: 1}\ny: &y {<<: *x, b: 1}\nspec: {c: 1, <<: *y}\n"),
    ("two merges", HEAD + "spec: {<<: {a: 1, b: 1}, <<: {b: 2}}\n"),
    ("a quoted merge key", HEAD + 'spec: {"<<": {a: 1}}\n'),
    ("several documents", f"# c\n---\n---\n# c\n--- # c\n{HEAD}---\t\n\n--- \n{FAULT}...\n"),
    ("documents that are null", f"{HEAD}---\nnull\n---\n~\n"),
    ("carriage returns", f"{HEAD}---\n{FAULT}".replace("\n", "\r\n")),
    ("a separator in a block scalar", HEAD + "spec: |\n  a\n  ---\n  b\n---\n" + FAULT),
    ("tabs between tokens", HEAD + "spec:\n  a:\t1\n  b: [1,\t2]\n  c: 1\t\n"),
    ("a list", LIST + "- " + HEAD.replace("\n", "\n  ").strip() + "\n"),
    ("a list of one kind", "apiVersion: spiko.dev/v1\nkind: FaultList\nitems:\n- metadata: {name: a}\n"),
    ("a list of no items", LIST.replace("items:", "items: []")),
    ("a list with merges", LIST + "- &x {apiVersion: v1, kind: A, metadata: {name: a}, spec: &s {a: 1}}\n"
                                  "- {<<: *x, spec: {<<: *s, b: 2}}\n"),
    ("JSON", JSON % r'{"a": "\ud83d\ude00\\ud83d\/", "b": 1e3, "c": 1.0, "d": "on", "e": [true, null]}'),
    ("JSON with tabs", (JSON % "{}").replace(", ", ",\n\t")),
    ("JSON documents without a separator", (JSON % "1") + (JSON % "2") + "\n" + (JSON % "3")),
    ("JSON before YAML", (JSON % "1") + "\n---\n" + HEAD),
    ("YAML that looks like JSON", "{apiVersion: v1, kind: A, metadata: {name: a}}\n---\n" + FAULT),
    ("a byte order mark", codecs.BOM_UTF8 + HEAD.encode()),
    ("UTF-16", f"{HEAD}---\n{FAULT}".encode("utf-16")),
]  # fmt: skip


@pytest.mark.parametrize("text", [row[1] for row in SAME], ids=[row[0] for row in SAME])
def test_documents_are_read_as_kubectl_reads_them(tmp_path: Path, text: str | bytes) -> None:
    """Given a file that kubectl reads without an error, then we read the same values, and find no error."""
    file = tmp_path / "f.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    expected, errors = kubectl(file)
    read = ours(file)

    assert "" == errors
    assert (expected, []) == ([m.document for m in read], [error for m in read for error in m.errors])


REFUSED = [
    ("a list in a list", LIST + "- {apiVersion: v1, kind: List, items: []}\n", "4:26"),
    ("a merge of a scalar", HEAD + "spec: {<<: 5}\n", "4:12"),
    ("a merge of a list in a list", HEAD + "spec: {<<: [{a: 1}, [{b: 1}]]}\n", "4:12"),
    ("an anchor in itself", HEAD + "spec: {a: &a [*a]}\n", "4:15"),
    ("an unknown anchor", HEAD + "spec: {a: *b}\n", "4:11"),
    ("an anchor of another document", HEAD + "spec: &x 1\n---\n" + FAULT + "spec: *x\n", "9:7"),
    ("infinity", HEAD + "spec: {a: -.inf}\n", "4:11"),
    ("a key that is null", HEAD + "spec: {~: 1}\n", "4:8"),
    ("a key that is a list", HEAD + "spec: {[a]: 1}\n", "4:8"),
    ("text behind a separator", f"{HEAD}---\n{FAULT}--- {{a: 1}}\n", "8:4"),
    ("a control character", HEAD + 'spec: "\x01"\n', "1:1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_kubectl_refuses_is_an_error_with_its_position(tmp_path: Path, text: str, at: str) -> None:
    """Given a file that kubectl does not read, then there is an error at the line and column of the cause."""
    (tmp_path / "f.yaml").write_text(text)
    errors = [m.location(error) for m in ours(tmp_path / "f.yaml") for error in m.errors]

    assert "" != kubectl(tmp_path / "f.yaml")[1]
    assert [f"f:{at}:"] == errors


STRICTER = [
    ("a duplicate key", HEAD + "spec: {a: 1, a: 2}\n"),
    ("a duplicate key in JSON", JSON % '{"a": 1, "a": 2}'),
    ("text after the end of a document", f"{HEAD}...\n---\n{HEAD}...\n{FAULT}"),
    ("a tag that kubectl drops", HEAD + "spec: !mine 5\n"),
    ("a list without items", "apiVersion: v1\nkind: List\n"),
]  # fmt: skip


@pytest.mark.parametrize("text", [row[1] for row in STRICTER], ids=[row[0] for row in STRICTER])
def test_what_kubectl_drops_silently_is_an_error(tmp_path: Path, text: str) -> None:
    """Given a file of which kubectl ignores a part without a word, then there is an error."""
    (tmp_path / "f.yaml").write_text(text)

    assert "" == kubectl(tmp_path / "f.yaml")[1]
    assert [error for m in ours(tmp_path / "f.yaml") for error in m.errors]


def test_items_of_a_list_keep_their_lines_and_have_paths_of_their_own() -> None:
    """Given a list whose second item is wrong, then the finding has the item's path and the file's line."""
    item = (
        "- apiVersion: spiko.dev/v1alpha1\n  kind: Fault\n  metadata: {name: f}\n  spec: {architecture: %s}\n"
    )
    text = LIST + item % "a" + item % "5"
    _, second = parse(text.encode(), "f")
    (finding,) = [f for f in second.findings() if f.path == "spec.architecture"]

    assert "f:11:24:" == second.location(finding)


def anchors(first: str, begin: str, end: str) -> str:
    """Return a chain of anchors, each of which refers to the one before it nine times."""
    lines = (f"a{i}: &a{i} {begin}{', '.join([f'*a{i - 1}'] * 9)}{end}\n" for i in range(1, 50))
    return f"a0: &a0 {first}\n" + "".join(lines)


BOMBS = [
    ("merges", anchors("{x: 1}", "{<<: [", "]}"), "too many"),
    ("aliases", anchors("[x, x]", "[", "]"), "too many"),
    ("braces", "{" * 200_000, "exceeded maximum nesting depth"),
    ("JSON", '{"a":' * 200_000, "nested too deeply"),
    ("dashes", "- " * 200_000, "nested too deeply"),
    ("items", "[" + "1," * 2_000_000 + "]", "too many"),
    ("documents", "a: 1\n---\n" * 600_000, "too many"),
    ("bytes", "a: " + "1" * 17_000_000, "larger than 16 MiB"),
]  # fmt: skip


SLOW = ("documents", "items", "aliases")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(text, message, id=name, marks=pytest.mark.long if name in SLOW else [])
        for name, text, message in BOMBS
    ],
)
def test_a_file_that_would_exhaust_the_reader_is_an_error(text: str, message: str) -> None:
    """Given many values, aliases or levels in a file, then the last document has an error that says so."""
    *_, last = parse(text.encode(), "f")

    assert message in last.errors[0].message


@settings(deadline=None, max_examples=300)
@given(st.text("{}[]:,-?&*!|>'\"%@`#<~=. \n\tab01eE_+\\\r\x00é", max_size=60) | st.binary(max_size=60))
def test_no_text_ends_in_a_traceback(text: str | bytes) -> None:
    """Given any text, then reading it returns documents or errors."""
    for manifest in parse(text if isinstance(text, bytes) else text.encode(), "f"):
        manifest.findings()
