"""Draw a terminal with the output of a program.

PROGRAM | python docs/pictures/make.py 'COMMAND LINE' FILE.svg
"""

from __future__ import annotations

import html
import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

NARROWEST, WIDEST = 80, 150
COLUMN = 12.2  # width of a character in rich's pictures
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
TEXT = re.compile(r'<text class="([^"]*)" x="([^"]*)" y="([^"]*)" textLength="[^"]*" ([^>]*)>([^<]*)</text>')
WORDS = re.compile(r"\S+(?: \S+)*")  # up to the next two spaces


def draw(command: str, output: str) -> str:
    """Return an SVG of a terminal in which a command was typed."""
    lines = [f"$ {command}", *output.rstrip().splitlines()]
    width = max(NARROWEST, min(WIDEST, max(len(line) for line in lines)))
    console = Console(record=True, width=width, file=io.StringIO(), highlight=False)
    for number, line in enumerate(lines):
        console.print(Text(line[:width], style="bold" if number == 0 else ""), soft_wrap=True)
    # The picture brings no font: the viewer's own monospaced font is used, and nothing is downloaded.
    svg = FONT.sub("", console.export_svg(title="spiko", theme=MONOKAI))
    return TEXT.sub(_place, svg.replace("font-family: Fira Code, monospace", "font-family: monospace"))


def _place(text: re.Match[str]) -> str:
    """Return one text for each group of words, at its column: some viewers drop or shrink spaces."""
    style, x, y, more, content = text.groups()
    placed = []
    for words in WORDS.finditer(html.unescape(content).replace("\N{NO-BREAK SPACE}", " ")):
        at, length = (round(COLUMN * number, 1) for number in (words.start(), len(words[0])))
        place = f'x="{round(float(x) + at, 1)}" y="{y}" textLength="{length}"'
        placed.append(f'<text class="{style}" {place} {more}>{html.escape(words[0])}</text>')
    return "".join(placed)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(sys.argv[1], sys.stdin.read()), encoding="utf-8")
