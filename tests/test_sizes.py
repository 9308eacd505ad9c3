"""Modules and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
import subprocess

import pytest

from tests.support.paths import ROOT

MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 400, 40, 6


def tracked_modules() -> list[str]:
    """Return every Python file of the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in listed if (ROOT / name).exists()]


def too_large(name: str) -> list[str]:
    """Return the module and its functions that exceed a limit, with their sizes."""
    text = (ROOT / name).read_text()
    lines = text.count("\n")
    found = [f"{name}: {lines} lines"] if lines > MAX_MODULE_LINES else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            parameters = len(names) - (names[:1] in (["self"], ["cls"]))
            if lines > MAX_FUNCTION_LINES:
                found.append(f"{name}:{node.lineno}: {node.name} has {lines} lines")
            if parameters > MAX_PARAMETERS:
                found.append(f"{name}:{node.lineno}: {node.name} has {parameters} parameters")
    return found


@pytest.mark.parametrize("folder", sorted({name.split("/")[0] for name in tracked_modules()}))
def test_modules_and_functions_are_small(folder: str) -> None:
    """Given a folder, then no module has over 400 lines, and no function over 40 lines or 6 parameters."""
    found = [text for name in tracked_modules() if name.startswith(f"{folder}/") for text in too_large(name)]

    assert found == []
