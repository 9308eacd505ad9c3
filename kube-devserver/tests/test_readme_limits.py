"""The README names the kinds and the limits of the code."""

from __future__ import annotations

import re
from pathlib import Path

from kube_devserver.api import request_parsing, server
from kube_devserver.api.http_listener import MOST_FIELD_BYTES, MOST_HEADERS, MOST_LINE_BYTES, Limits
from kube_devserver.custom import expressions, validation_rules
from kube_devserver.objects import kinds, patches
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.storage import history, store

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_the_kinds_are_those_that_are_served() -> None:
    """Given the table of kinds, when it is compared with the registry, then both have the same kinds."""
    rows = re.findall(r"^\| (core|`[^|]*`) \| ([A-Z][A-Za-z, ]*)", README, re.MULTILINE)
    written = {name for _, names in rows for name in re.findall(r"[A-Z]\w+", names)}

    assert {r.kind for r in Registry() if "list" in r.verbs} == written


def test_the_kinds_without_effect_are_named() -> None:
    """Given the kinds that are stored only, when the README is read, then it names each of them."""
    (sentence,) = re.findall(r"^Nothing acts on ([^:]*):", README, re.MULTILINE)
    inert = {r.kind for r in Registry() if r.key in kinds.INERT}

    assert inert == set(re.findall(r"[A-Z]\w+", sentence))


def test_the_limits_are_those_of_the_code() -> None:
    """Given the table of limits, when it is compared with the code, then all values agree."""
    found = (
        server.LARGEST_BODY,
        request_parsing.DEEPEST,
        store.LARGEST_BYTES,
        expressions.MOST_LOOPS,
        validation_rules.BUDGET_S,
        patches.MOST_COPIED_BYTES,
        patches.MOST_OPERATIONS,
        history.HISTORY,
        history.HISTORY_BYTES,
        history.HISTORY_S,
    )
    assert (3 << 20, 512, 1_572_864, 10_000, 4.0, 3 << 20, 10_000, 20_000, 32 << 20, 75.0) == found
    header = (MOST_HEADERS, MOST_FIELD_BYTES, MOST_LINE_BYTES)
    assert (32, 4096, 8190, 256, 32.0, 90.0) == (
        *header,
        Limits.connections,
        Limits.unproven_s,
        Limits.idle_s,
    )
    for text in (
        "32 fields of 4 kB, a first line of 8 kB | 400 |",
        "| 256, or a tenth of the open files",
        "| time of such a connection | 32 s |",
        "| time between two requests | 90 s |",
        "3 MB, 512 levels deep",
        "1.5 MB, as in etcd",
        "10,000 loops | 422",
        "4 s of CPU | 422",
        "| 3 MB | 422 |",
        "| 10,000 | 413 |",
        "20,000 changes, 32 MB, 75 s",
    ):
        assert text in README
