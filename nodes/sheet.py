"""Draws pictures with labels into one sheet."""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

PAPER, INK = (243, 243, 243), (20, 20, 20)
LEAST_TILE = 192
"""Smaller pictures are enlarged by a whole factor to at least this many pixels, so that a label fits below."""
MOST_PIXELS = 250 * 10**6
"""A larger sheet takes more than 3 GB of memory, and no viewer opens it."""


Cell = tuple[int, int, int, int]
"""Where a picture lies on a sheet: left, top, width and height, in pixels."""


def draw_sheet(pictures: list[Tensor], labels: list[str], columns: int, title: str = "") -> tuple[Tensor, list[Cell]]:
    """Pictures `[H, W, C]` in 0..1, all of one size, row by row in a table, each over its label; returns `[1, H', W', 3]` and their places.

    `labels` is empty or has one for each picture; `columns` 0 makes the table as square as it can be.
    Raises ValueError for a sheet that would be too large.
    """
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    height, width = pictures[0].shape[:2]
    factor = math.ceil(LEAST_TILE / max(height, width))
    height, width = height * factor, width * factor
    gap = max(8, width // 32)
    font, title_font = (ImageFont.load_default(size) for size in (max(14, width // 16), max(20, width // 10)))
    wrapped = [_wrap(label, width, font) for label in labels]
    label_height = max((_text_height(text, font) + gap for text in wrapped), default=0)
    rows = math.ceil(len(pictures) / columns)
    page_width = gap + columns * (width + gap)
    title = _wrap(title, page_width - 2 * gap, title_font)
    title_height = _text_height(title, title_font) + 2 * gap if title else 0

    page_height = title_height + gap + rows * (height + label_height + gap)
    if page_width * page_height > MOST_PIXELS:
        raise ValueError(
            f"images, labels and title make a sheet of {page_width} x {page_height} pixels, more than {MOST_PIXELS // 10**6} million:"
            " take fewer or smaller pictures, or shorter labels"
        )
    page = Image.new("RGB", (page_width, page_height), PAPER)
    draw = ImageDraw.Draw(page)
    cells = []
    draw.multiline_text((page_width / 2, gap), title, fill=INK, font=title_font, anchor="ma", align="center")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        left, top = gap + column * (width + gap), title_height + gap + row * (height + label_height + gap)
        page.paste(to_pillow(picture).resize((width, height), Image.Resampling.BICUBIC), (left, top))
        cells.append((left, top, width, height))
        if wrapped:
            draw.multiline_text(
                (left + width / 2, top + height + gap / 2), wrapped[number], fill=INK, font=font, anchor="ma", align="center"
            )
    return torch.from_numpy(np.array(page)).float()[None] / 255, cells


def to_pillow(picture: Tensor) -> Image.Image:
    """A picture `[H, W, C]` in 0..1, of 1 channel (grey), 3, or 4, whose transparency is left out."""
    pixels = (picture[..., :3].float().clamp(0, 1) * 255).round().byte().expand(-1, -1, 3).cpu().numpy()
    return Image.fromarray(pixels)


def _text_height(text: str, font: ImageFont.FreeTypeFont) -> int:
    _, top, _, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text or " ", font=font)
    return math.ceil(bottom - min(top, 0))


def _wrap(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """Breaks `text` between words so that no line is wider than `width` pixels, unless one word is."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)
