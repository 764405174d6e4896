"""Contact sheets: pictures over two of the varied values, with labels."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .axes import Value
from .problems import OptionError
from .rows import Cell, Table, labels

MOST_SHEETS = 50
MOST_PIXELS = 300_000_000
GAP, FONT, LINES = 6, 14, 4
PAPER, INK, EMPTY, WRONG = "white", "black", "#e8e8e8", "#b00020"


def sheets(table: Table, folder: Path, x: str, y: str | None, fixed: Mapping[str, Value], side: int, output: Path) -> list[Path]:
    """Draws a sheet for each combination of the values that are neither on an axis nor fixed; returns their files."""
    for name in filter(None, (x, y)):
        if name not in table.axes:
            raise OptionError(f"{name!r} is not varied; varied are {', '.join(table.axes)}")
    if x == y:
        raise OptionError("the two axes must differ")
    rest = {
        name: [fixed[name]] if name in fixed else [value for value in values if any(cell.values[name] == value for cell in table.cells)]
        for name, values in table.axes.items()
        if name not in (x, y)
    }
    combinations = list(itertools.product(*rest.values()))
    if len(combinations) > MOST_SHEETS:
        raise OptionError(
            f"that makes {len(combinations)} sheets, more than {MOST_SHEETS}: fix {', '.join(set(rest) - set(fixed))} with --where"
        )
    columns = [fixed[x]] if x in fixed else table.axes[x]
    rows = ([fixed[y]] if y in fixed else table.axes[y]) if y else [None]
    named = {name: dict(zip(values, labels(values), strict=True)) for name, values in table.axes.items()}
    files = []
    for combination in combinations:
        chosen = dict(zip(rest, combination, strict=True))
        cells = {
            (cell.values[x], cell.values[y] if y else None): cell
            for cell in table.cells
            if all(cell.values[name] == value for name, value in chosen.items())
        }
        title = ", ".join(f"{name} {named[name][value]}" for name, value in chosen.items())
        sheet = draw_sheet(
            [[cells.get((column, row)) for column in columns] for row in rows],
            [f"{x} {named[x][column]}" for column in columns],
            [f"{y} {named[y][row]}" if y else "" for row in rows],
            title, folder, side,
        )  # fmt: skip
        file = output if len(combinations) == 1 else output.with_stem(f"{output.stem}-{_slug(title)}")
        sheet.save(file)
        files.append(file)
    return files


def draw_sheet(
    grid: Sequence[Sequence[Cell | None]], top: Sequence[str], left: Sequence[str], title: str, folder: Path, side: int
) -> Image.Image:
    """One sheet; `grid` holds rows of cells, `top` and `left` name its columns and rows."""
    font = ImageFont.load_default(FONT)
    margin = side if any(left) else 0
    tops = [_wrapped(text, font, side) for text in top]
    head = max(map(len, tops)) * (FONT + 4) + GAP
    above = (FONT + 4) * len(_wrapped(title, font, margin + len(top) * (side + GAP))) + GAP if title else 0
    size = (margin + len(top) * (side + GAP) + GAP, above + head + len(left) * (side + GAP) + GAP)
    if size[0] * size[1] > MOST_PIXELS:
        raise OptionError(f"a sheet of {size[0]} x {size[1]} pixels is too large; fix values with --where, or take a smaller --side")
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, _wrapped(title, font, size[0] - GAP), GAP, GAP, font, INK)
    for column, lines in enumerate(tops):
        _write(pen, lines, margin + GAP + column * (side + GAP), above + GAP // 2, font, INK)
    for row, cells in enumerate(grid):
        across = above + head + row * (side + GAP)
        _write(pen, _wrapped(left[row], font, margin - GAP), GAP, across + GAP, font, INK)
        for column, cell in enumerate(cells):
            corner = (margin + GAP + column * (side + GAP), across)
            _paste(sheet, pen, cell, corner, folder, side, font)
    return sheet


def _paste(sheet: Image.Image, pen: ImageDraw.ImageDraw, cell: Cell | None, corner: tuple[int, int], folder: Path, side: int, font) -> None:
    if cell is not None and cell.file is not None:
        with Image.open(folder / cell.file) as picture:
            small = picture.convert("RGB")
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        if max(small.size) < side:  # a small picture fills its place
            scale = side / max(small.size)
            small = small.resize((round(small.width * scale), round(small.height * scale)), Image.Resampling.LANCZOS)
        sheet.paste(small, (corner[0] + (side - small.width) // 2, corner[1] + (side - small.height) // 2))
        return
    pen.rectangle((*corner, corner[0] + side - 1, corner[1] + side - 1), fill=EMPTY)
    text = "not drawn yet" if cell is None else cell.error or "no picture"
    _write(pen, _wrapped(text, font, side - 2 * GAP), corner[0] + GAP, corner[1] + GAP, font, INK if cell is None else WRONG)


def _write(pen: ImageDraw.ImageDraw, lines: Sequence[str], x: int, y: int, font, ink: str) -> None:
    for number, line in enumerate(lines):
        pen.text((x, y + number * (FONT + 4)), line, fill=ink, font=font)


def _wrapped(text: str, font, width: int) -> list[str]:
    """In lines that fit, the last of them cut off where there are too many."""
    lines, rest = [], text.replace("\n", " ")
    while rest and len(lines) < LINES:
        end = len(rest)
        while end > 1 and font.getlength(rest[:end]) > width:
            end -= 1
        if end < len(rest) and (space := rest.rfind(" ", 0, end + 1)) > 0:
            end = space
        lines.append(rest[:end])
        rest = rest[end:].lstrip()
    if rest:
        lines[-1] = lines[-1][: max(1, len(lines[-1]) - 3)] + "..."
    return lines


def _slug(text: str) -> str:
    return re.sub(r"[^\w.=]+", "-", text).strip("-")[:100]
