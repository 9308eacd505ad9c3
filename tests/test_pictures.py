"""The README's picture: words stand in their columns in every viewer, and a kill explains all lost spans."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree as ET

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "pictures"
TEXT = "{http://www.w3.org/2000/svg}text"
COLUMN = 12.2


def texts(svg: str) -> list[tuple[float, float, str]]:
    """Return the texts of a terminal: line and column, from 0, and the words."""
    found = [element for element in ET.fromstring(svg).iter(TEXT) if element.get("clip-path")]
    lines = sorted({float(element.attrib["y"]) for element in found})
    return [
        (lines.index(float(each.attrib["y"])), round(float(each.attrib["x"]) / COLUMN, 2), each.text or "")
        for each in found
    ]


def test_words_are_drawn_at_their_columns() -> None:
    """Given lines with spaces at the beginning and in columns, then each group of words has its own place."""
    draw = runpy.run_path(str(FOLDER / "make.py"))["draw"]

    assert [(0, 0, "$ a"), (1, 3, "1 of 10 s"), (1, 14, "<x> & y"), (2, 2, "10 of 10 s"), (2, 20, "|")] == (
        texts(draw("a", "   1 of 10 s  <x> & y\n  10 of 10 s        |\n"))
    )


@pytest.mark.parametrize("words", ["lack a span", "came too late", "Traceback"])
def test_the_picture_of_the_readme_has_no_unexplained_losses(words: str) -> None:
    """Given the picture in the README, then it is that of its command, and a kill explains all lost spans."""
    found = texts((FOLDER / "run.svg").read_text(encoding="utf-8"))

    assert (0, 0, "$ spiko run examples/lamp.yaml") == found[0]
    assert not any(words in text for _, _, text in found)


def test_the_bars_of_the_picture_line_up() -> None:
    """Given the slowest trace in the picture, then all of its lines have their bars between two columns."""
    found = texts((FOLDER / "run.svg").read_text(encoding="utf-8"))
    edges = {column + at for _, column, text in found for at, mark in enumerate(text) if mark == "|"}

    assert 2 == len(edges)
