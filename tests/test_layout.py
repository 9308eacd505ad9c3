"""The shape of the repository: what would break imports, releases or the readers' trust if it changed unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("folder", ["operator", "nanoservice", "kube-devserver", "local", "cli", "crds", "charts"])
def test_component_folder_is_not_a_package(folder: str) -> None:
    """A component folder holds packages and is none itself: `operator/__init__.py` would hide the standard library's module."""
    assert list((ROOT / folder).glob("*.py")) == []


def test_standard_library_operator_wins_at_the_root() -> None:
    """`import operator`, run at the repository's root, finds the standard library's module."""
    code = "import operator; print(operator.itemgetter(0)([7]))"
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_test_folders_are_no_packages() -> None:
    """No `__init__.py` and no folder called `operator` under tests: either breaks collection."""
    found = [path.relative_to(ROOT) for name in ("__init__.py", "operator") for path in (ROOT / "tests").rglob(name)]

    assert found == []


def test_version_is_the_newest_in_the_changelog() -> None:
    """The version of pyproject.toml has the first numbered heading of the changelog."""
    headings = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert project()["version"] == headings[0]


def test_every_package_is_in_the_wheel() -> None:
    """Every folder that pyproject.toml puts into the wheel is there, and no package of ours is left out."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    patterns = ("*/spiko_*/__init__.py", "*/kube_*/__init__.py")
    found = [str(path.parent.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)]

    assert sorted(found) == sorted(packages)


def test_built_in_nodes_are_those_of_the_root() -> None:
    """`spiko up` away from a checkout has the nodes of kind-config.yaml."""
    assert (ROOT / "kind-config.yaml").read_text() == (ROOT / "local/spiko_local/kind-config.yaml").read_text()


def test_make_help_names_every_target() -> None:
    """`make help` lists every target, and there are not too many to read."""
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    documented = re.findall(r"^([a-z0-9-]+):.*## .", text, re.MULTILINE)

    assert sorted(phony.split()) == sorted(documented)
    assert len(documented) <= 13


def project() -> dict[str, Any]:
    """The [project] table."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found
