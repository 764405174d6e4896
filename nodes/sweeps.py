"""Sweeps: lists of values for any input of any node, and one sheet of what came out."""

from comfy_api.latest import io

from ..magicmix_core.sweeps import parse_values
from .inputs import checked
from .sheet import draw_sheet

MOST_LETTERS = 100_000
"""Breaking more than these into lines takes more than a second."""


class ValueGrid(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ValueGrid",
            display_name="Value Grid (MagicMix)",
            category="MagicMix",
            description="Lists of values, or all combinations of two lists: connect them to any number input and the graph runs once for each.",
            inputs=[
                io.String.Input(
                    "x_values",
                    default="0:1:5",
                    tooltip="Values along a row: numbers separated by commas, or start:end:count (0:1:5 is 0, 0.25, 0.5, 0.75, 1).",
                ),
                io.String.Input(
                    "y_values", default="", optional=True, tooltip="Values down the columns, written the same way. Empty: one row only."
                ),
                io.String.Input("x_name", default="nu", optional=True, tooltip="What the labels call the values along a row."),
                io.String.Input("y_name", default="", optional=True, tooltip="What the labels call the values down the columns."),
            ],
            outputs=[
                io.Float.Output("x", display_name="x", is_output_list=True, tooltip="The row's value for each run."),
                io.Float.Output(
                    "y", display_name="y", is_output_list=True, tooltip="The column's value for each run; 0 where there are no y_values."
                ),
                io.String.Output("labels", display_name="labels", is_output_list=True, tooltip="A label for each run, for Contact Sheet."),
                io.Int.Output("columns", display_name="columns", tooltip="How many values a row has, for Contact Sheet."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, x_values: str, y_values: str = "", x_name: str = "nu", y_name: str = "") -> io.NodeOutput:
        x, y = _parse("x_values", x_values), _parse("y_values", y_values)
        if not x:
            raise ValueError("x_values must hold at least one value, got none")
        grid = [(across, down) for down in y or [None] for across in x]
        labels = [
            ", ".join(f"{name} {value:g}".strip() for name, value in zip((x_name, y_name), point, strict=True) if value is not None)
            for point in grid
        ]
        return io.NodeOutput([across for across, _ in grid], [down or 0.0 for _, down in grid], labels, len(x))


class ContactSheet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ContactSheet",
            display_name="Contact Sheet (MagicMix)",
            category="MagicMix",
            description="Puts pictures, from a list or a batch, into one labelled sheet.",
            is_input_list=True,
            inputs=[
                io.Image.Input("images", tooltip="The pictures, as a list or as batches, all of one size."),
                io.String.Input(
                    "labels", default="", multiline=True, tooltip="A label below each picture: a list, or one a line. Empty: none."
                ),
                io.Int.Input("columns", default=0, min=0, max=1000, tooltip="Pictures in a row. 0: as square as possible."),
                io.String.Input("title", default="", optional=True, tooltip="A line above the sheet."),
            ],
            outputs=[io.Image.Output("sheet", display_name="image", tooltip="The sheet, one picture.")],
        )

    @classmethod
    @checked
    def execute(cls, images: list, labels: list, columns: list, title: list | None = None) -> io.NodeOutput:
        pictures = [picture for batch in images for picture in batch]
        sizes = sorted({tuple(picture.shape[:2]) for picture in pictures})
        if len(sizes) > 1:
            named = ", ".join(f"{width} x {height}" for height, width in sizes)
            raise ValueError(f"images must all have one size, got {named} (width x height)")
        lines = [line for label in labels for line in label.splitlines()] if len(labels) == 1 else labels
        if lines and len(lines) != len(pictures):
            raise ValueError(f"labels must be none or one for each picture, got {len(lines)} for {len(pictures)}")
        heading = title[0] if title else ""
        letters = sum(map(len, lines)) + len(heading)
        if letters > MOST_LETTERS:
            raise ValueError(f"labels and title must have at most {MOST_LETTERS} characters in all, got {letters}")
        sheet, cells = draw_sheet(pictures, lines, columns[0], heading)
        # For the page, which shows a cell large on a click.
        places = {"size": [sheet.shape[2], sheet.shape[1]], "cells": cells, "labels": lines}
        return io.NodeOutput(sheet, ui={"magicmix_sheet": [places]})


def _parse(name: str, text: str) -> list[float]:
    try:
        return parse_values(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
