"""Draw a terminal with the output of a program.

PROGRAM | python docs/pictures/make.py 'COMMAND LINE' FILE.svg
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

NARROWEST, WIDEST = 80, 150
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def draw(command: str, output: str) -> str:
    """An SVG of a terminal in which a command was typed."""
    lines = [f"$ {command}", *output.rstrip().splitlines()]
    width = max(NARROWEST, min(WIDEST, max(len(line) for line in lines)))
    console = Console(record=True, width=width, file=io.StringIO(), highlight=False)
    for number, line in enumerate(lines):
        console.print(Text(line[:width], style="bold" if number == 0 else ""), soft_wrap=True)
    # whoever looks at it fetches nothing: the reader's own monospaced font does
    return FONT.sub("", console.export_svg(title="spiko", theme=MONOKAI))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(sys.argv[1], sys.stdin.read()), encoding="utf-8")
