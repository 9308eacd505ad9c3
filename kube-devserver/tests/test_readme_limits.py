"""The reference page of the local API server says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from kube_devserver.api import server
from kube_devserver.custom import validation_rules
from kube_devserver.custom.cel import runcosts
from kube_devserver.objects import patches
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.storage import store

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "local-api.md").read_text()
IN_WORDS = {"authentication.k8s.io", "authorization.k8s.io"}  # reviews and tokens, which are no objects


def test_the_kinds_are_those_that_are_served() -> None:
    """Every stored kind stands in the table, and no other."""
    rows = re.findall(r"^\| (core|`[^|]*`) \| ([A-Z][A-Za-z, ]*)", PAGE, re.MULTILINE)
    written = {name for _, kinds in rows for name in re.findall(r"[A-Z]\w+", kinds)}

    assert {r.kind for r in Registry() if "list" in r.verbs} == written


def test_the_limits_are_those_of_the_code() -> None:
    """Each of them stands in the table."""
    assert (3 << 20, 1_572_864, 1_000_000, 10_000_000, 3 << 20, 10_000) == (
        server.LARGEST_BODY,
        store.LARGEST_BYTES,
        runcosts.PER_CALL,
        validation_rules.BUDGET,
        patches.MOST_COPIED_BYTES,
        patches.MOST_OPERATIONS,
    )
    for text in (
        "3 MB, 512 levels deep",
        "1.5 MB, as etcd's",
        "1,000,000 | 422",
        "10,000,000 | 422",
        "| 3 MB | 422 |",
        "| 10,000 | 413 |",
    ):
        assert text in PAGE
