"""The lock files of the images: complete, with hashes, in the versions that pyproject.toml allows."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.image_files import locked
from tests.support.paths import ROOT

IMAGES = ("nanoservice", "operator")


def extra(name: str) -> list[Requirement]:
    """Return the requirements of an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in project["optional-dependencies"][name]]


def needed_by(name: str, version: str, extras: set[str]) -> Iterator[Requirement]:
    """Yield the requirements of an installed package, if it is installed in that version."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    if found.version != version:
        return
    for requirement in map(Requirement, found.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement


@pytest.mark.parametrize("image", IMAGES)
def test_lock_has_every_dependency_in_an_allowed_version(image: str) -> None:
    """Given an extra, then its lock file has each of its packages, and each package that these need, in a
    version that is allowed; `make lock` writes it.
    """
    packages = locked(image)
    left, seen = extra(image), set()
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        assert name in packages, f"{requirement} is not in images/{image}.lock: run 'make lock'"
        version = packages[name][0]
        assert version in requirement.specifier, f"{name} {version} is not {requirement}: run 'make lock'"
        if name not in seen:
            seen.add(name)
            left += needed_by(name, version, requirement.extras)


@pytest.mark.parametrize("image", IMAGES)
def test_lock_names_files_by_hash_alone(image: str) -> None:
    """Given a lock file, then every package has hashes, and no address of a package index is in the file."""
    text = (ROOT / f"images/{image}.lock").read_text()

    assert all(hashes for _, hashes in locked(image).values())
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_nanoservice_has_four_packages() -> None:
    """Given the lock file of the nanoservice, then it has the packages of its extra and what they need."""
    assert set(locked("nanoservice")) == {"h11", "httptools", "uvloop", "wsproto"}


def test_operator_has_no_packages_of_the_nanoservice() -> None:
    """Given the lock file of the operator, then it has no package of the nanoservice's request path."""
    assert set(locked("operator")).isdisjoint({"httptools", "uvloop", "wsproto"})
