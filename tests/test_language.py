"""User-facing text is plain technical English: every source is searched for words that the project does not
use.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from spiko_cli.program import group
from spiko_operator.plan.validation.rules import RULES
from tests.support.paths import CRDS, ROOT

WORDS = (
    "nobody",
    "somebody",
    "anybody",
    "whoever",
    "someone",
    "anyone",
    "wish(es|ed)?",
    "mend(s|ed)?",
    "way out",
    "passed over",
    "is none",
    "are none",
    "told of",
    "heard of",
    r"behaviour\w*",
    r"colour\w*",
    r"normalis\w*",
    r"summaris\w*",
    "labelled",
    "labelling",
)
EXCLUDED = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
PACKAGES = sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("[a-z]*/*/__init__.py"))
PAGES = sorted(path.relative_to(ROOT) for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")))
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
# Calls whose string arguments users read: conditions, events, findings, options and output of commands.
MESSAGE_CALLS = frozenset(
    {
        "Observation",
        "Rejection",
        "NoVictim",
        "Emit",
        "StatusUpdate",
        "ended",
        "found",
        "Field",
        "echo",
        "option",
        "exit",
    }
)


class Text(NamedTuple):
    """A piece of text with its place, such as `docs/concepts.md:12`."""

    place: str
    text: str


def find(texts: Iterable[Text]) -> list[str]:
    """Return place and word of every excluded word."""
    return [f"{place}: {match[0]!r}" for place, text in texts for match in EXCLUDED.finditer(text)]


def check(texts: Iterable[Text]) -> None:
    """Fail with all places if there is an excluded word."""
    found = find(texts)
    assert not found, "words to replace:\n" + "\n".join(found)


def lines_of(path: Path) -> Iterator[Text]:
    """Return the lines of a file."""
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        yield Text(f"{path}:{number}", line)


def test_crds_use_plain_english() -> None:
    """Given the generated CRDs, then descriptions and messages of rules have no excluded word."""
    check(text for path in sorted(CRDS.glob("*.yaml")) for text in lines_of(path.relative_to(ROOT)))


def test_lint_rules_use_plain_english() -> None:
    """Given the rules of `spiko lint`, then meanings and remedies have no excluded word."""
    check(Text(rule.code, text) for rule in RULES.values() for text in (rule.meaning, rule.remedy))


def test_examples_use_plain_english() -> None:
    """Given the comments of the examples, then they have no excluded word."""
    paths = [path.relative_to(ROOT) for path in sorted((ROOT / "examples").glob("*.yaml"))]

    check(line for path in paths for line in lines_of(path) if "#" in line.text)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_use_plain_english(page: Path) -> None:
    """Given a page of the documentation, then it has no excluded word."""
    check(lines_of(page))


def command_texts(command: click.Command, name: str) -> Iterator[Text]:
    """Return the help texts of a command, its options and its subcommands."""
    yield Text(f"spiko {name}".strip(), f"{command.help or ''} {command.short_help or ''}")
    for parameter in command.params:
        yield Text(f"spiko {name} {parameter.name}", getattr(parameter, "help", None) or "")
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for below in command.list_commands(context):
                found = command.get_command(context, below)
                if found is not None:
                    yield from command_texts(found, f"{name} {below}".strip())


def test_help_uses_plain_english() -> None:
    """Given the help of all commands, then it has no excluded word."""
    check(command_texts(group, ""))


def strings_in(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Return line and value of the string literals in an expression, also in f-strings."""
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.lineno, child.value


def messages_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Return line and text of messages: of raised exceptions, log calls, conditions, events, findings, and
    options.

    Variables with a message, such as `text`, `hint` and `why`, count as well.
    """
    for node in ast.walk(tree):
        parts: list[Any] = []
        if isinstance(node, ast.Raise) and node.exc is not None:
            parts = [node.exc]
        elif isinstance(node, ast.Call):
            function = node.func
            name = getattr(function, "attr", None) or getattr(function, "id", "")
            is_log = name in LOG_METHODS and isinstance(function, ast.Attribute)
            if is_log or name in MESSAGE_CALLS:
                parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            parts = [node.value] if names & {"text", "hint", "why", "message", "remedy"} else []
        for part in parts:
            yield from strings_in(part)


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_messages_use_plain_english(package: Path) -> None:
    """Given a package, then its exceptions, log lines, conditions, events and
    findings have no excluded word.
    """
    check(
        Text(f"{path.relative_to(ROOT)}:{line}", text)
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, text in sorted(set(messages_in(ast.parse(path.read_text(encoding="utf-8")))))
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Nobody listens.", "Nobody"),
        ("the way out is", "way out"),
        ("a value that is none", "is none"),
        ("labelled", "labelled"),
        ("behaviour", "behaviour"),
        ("if there are none of it", "are none"),
    ],
)
def test_excluded_words_are_found(text: str, word: str) -> None:
    """Given a text with an excluded word, then the finding has place and word."""
    assert [f"page:1: {word!r}"] == find([Text("page:1", text)])


def test_messages_are_found_in_exceptions_logs_and_variables() -> None:
    """Given a module, then the messages of exceptions, log calls and variables are found, and other strings
    are not.
    """
    source = """
def f(x):
    text = f"a {x}"
    other = "b"
    log.warning("c", x)
    raise ValueError(f"d {x}" if x else "e")
"""

    assert {"a ", "c", "d ", "e"} == {text for _, text in messages_in(ast.parse(source))}
