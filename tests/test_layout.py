"""The layout of the repository: imports, packaging, generated copies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from tests.support.paths import ROOT


@pytest.mark.parametrize(
    "folder", ["operator", "nanoservice", "kube-devserver", "local", "cli", "crds", "charts"]
)
def test_component_folder_is_not_a_package(folder: str) -> None:
    """Given a component folder, then it has packages and no modules: `operator/__init__.py` would hide the
    standard library.
    """
    assert list((ROOT / folder).glob("*.py")) == []


def test_standard_library_operator_wins_at_the_root() -> None:
    """Given the root as working directory, then `import operator` imports the standard library's module."""
    code = "import operator; print(operator.itemgetter(0)([7]))"
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_test_folders_are_not_packages() -> None:
    """Given the tests, then there is no `__init__.py` and no folder `operator`, which would break the
    collection.
    """
    found = [
        path.relative_to(ROOT)
        for name in ("__init__.py", "operator")
        for path in (ROOT / "tests").rglob(name)
    ]

    assert found == []


def test_tests_do_not_change_the_import_path() -> None:
    """Given the tests, then no file changes `sys.path`: helpers are imported from `tests.support`."""
    pattern = re.compile(r"\bsys\.path(\.(insert|append|extend)\(|\s*\+?=[^=]|\[.*\]\s*=[^=])")
    paths = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "kube-devserver").rglob("*.py")])
    changing = {str(path.relative_to(ROOT)) for path in paths if pattern.search(path.read_text())}

    assert changing == set()


def test_every_module_has_a_docstring() -> None:
    """Given a module of a package or of the tests, then it has a docstring; ruff checks only the packages'
    modules.
    """
    modules = [
        *ROOT.glob("*/spiko_*/**/*.py"),
        *ROOT.glob("*/kube_*/**/*.py"),
        *(ROOT / "tests").rglob("*.py"),
    ]

    assert [] == [
        str(path.relative_to(ROOT)) for path in modules if not ast.get_docstring(ast.parse(path.read_text()))
    ]


def test_version_is_the_newest_in_the_changelog() -> None:
    """Given the changelog, then its first numbered heading is the version in pyproject.toml."""
    headings = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert project()["version"] == headings[0]


def test_every_package_is_in_the_wheel() -> None:
    """Given the folders of the wheel in pyproject.toml, then they are exactly the
    packages of the repository.
    """
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]["packages"]
    patterns = ("*/spiko_*/__init__.py", "*/kube_*/__init__.py")
    found = [str(path.parent.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)]

    assert sorted(found) == sorted(packages)


def test_built_in_nodes_are_those_of_kind_config() -> None:
    """Given `spiko up` outside a checkout, then it has the nodes of kind-config.yaml."""
    assert (ROOT / "kind-config.yaml").read_text() == (
        ROOT / "local/spiko_local/kind-config.yaml"
    ).read_text()


def test_make_help_names_every_target() -> None:
    """Given the Makefile, then `make help` lists every target, of which there are at most 20."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", "")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    documented = re.findall(r"^([a-z0-9-]+):.*## .", text, re.MULTILINE)

    assert sorted(phony.split()) == sorted(documented)
    assert len(documented) <= 20


def project() -> dict[str, Any]:
    """Return the [project] table of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def test_tests_of_clusters_are_in_files_that_one_process_runs() -> None:
    """Given the mark e2e, then the path of its file is one that `conftest.py` gives to the same process."""
    marked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"pytest\.mark\.e2e\b", path.read_text())
    }
    real_only = {path for path in marked if "pytest.mark.real" in (ROOT / path).read_text()}

    assert marked > real_only
    assert [] == [
        path
        for path in sorted(marked - real_only)
        if not path.startswith("tests/e2e/") and "_e2e.py" not in path
    ]
