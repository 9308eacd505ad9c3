"""Pages name files that exist, and the glossary has every word once."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.paths import ROOT

PAGES = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
# In docs/extending.md, which shows how to add files; in CONTRIBUTING.md, which says why that file must not
# exist.
EXAMPLE_FILES = {"NAME.py", "tarpit.py", "__init__.py", "hello.py", "test_NAME.py"}


@pytest.fixture(scope="module")
def files() -> list[str]:
    """Every file that git tracks or would track, with a slash in front."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [f"/{name}" for name in listed if (ROOT / name).exists()]


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_every_python_file_that_a_page_names_exists(page: str, files: list[str]) -> None:
    """Given a name such as `plan/diff.py`, then a file ends with it."""
    named = set(re.findall(r"[\w/-]+\.py\b", (ROOT / page).read_text()))
    missing = [
        name
        for name in sorted(named)
        if name.rsplit("/", 1)[-1] not in EXAMPLE_FILES
        and not any(file.endswith(f"/{name}") for file in files)
    ]

    assert missing == []


def test_the_glossary_has_about_fifty_words_in_order() -> None:
    """Given the glossary, then its words are sorted and none stands there twice."""
    text = (ROOT / "docs" / "glossary.md").read_text()
    words = re.findall(r"^\| ([a-zA-Z][^|]*?) \|", text, re.MULTILINE)[1:]

    assert words == sorted(set(words), key=str.lower)
    assert 45 <= len(words) <= 90
