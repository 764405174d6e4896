"""Which blocks of a network a layout's structure enters."""

from .wording import quoted

PARTS = "blocks must be numbers and ranges separated by commas, as in 4-11 or 4, 6-8"


def parse_blocks(name: str, text: str, count: int, where: str = "the model's decoder") -> set[int]:
    """`4-11` or `4, 6-8` as a set of block numbers below `count`. Raises ValueError naming the input `name` and `where` the blocks are."""
    blocks: set[int] = set()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        try:
            start = int(first)
            end = int(last) if dash else start
        except ValueError:
            raise ValueError(f"{name}: {PARTS}; got {quoted(part)}") from None
        if not 0 <= start <= end < count:
            raise ValueError(f"{name}: {where} has blocks 0 to {count - 1}; got {quoted(part)}")
        blocks.update(range(start, end + 1))
    return blocks


def feature_block(levels: int, blocks_per_level: int) -> int:
    """The decoder block whose features the layout gives (Plug-and-Play, arXiv 2211.12572, section 4.1): block 4 of SD 1.x.

    That is the middle block of the level at a quarter of the latent's size, or of the coarsest level in a UNet of fewer; so it is
    block 1 of SDXL.
    """
    return max(0, levels - 3) * blocks_per_level + blocks_per_level // 2
