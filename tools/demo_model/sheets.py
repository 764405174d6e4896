"""Contact sheets: rows of pictures saved as one PNG."""

import numpy as np
import torch
from PIL import Image


def save_rows(path, rows):
    """Saves rows of pixels ([n, 3, H, W] in -1..1 each) under one another; short rows are filled with white."""
    width = max(len(row) for row in rows)
    lines = []
    for row in rows:
        blank = torch.ones(width - len(row), *row.shape[1:])
        lines.append(torch.cat(list(torch.cat([row.cpu().float(), blank])), 2))
    sheet = ((torch.cat(lines, 1).clamp(-1, 1) + 1) * 127.5).round().byte()
    Image.fromarray(np.ascontiguousarray(sheet.permute(1, 2, 0).numpy())).save(path)
