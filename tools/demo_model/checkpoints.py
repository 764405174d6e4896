"""Training state on disk: saved atomically, loaded without executing anything, and a CSV log beside it."""

import csv
import os

import torch


def save(path, **state):
    """Writes the state beside `path` first and then renames it, so that a kill never leaves half a file."""
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load(path):
    """The saved state on the CPU, or None where there is none yet."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def log_row(path, row):
    """Appends one row to a CSV file; the first row brings the header."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})


class MovingAverage:
    """An exponential moving average of parameters, which is what gets exported."""

    def __init__(self, parameters, decay):
        self.parameters, self.decay = list(parameters), decay
        self.values = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_mul_(self.values, decay)
        torch._foreach_add_(self.values, [p.detach() for p in self.parameters], alpha=1 - decay)

    @torch.no_grad()
    def swap(self):
        """Exchanges parameters and averages; a second call undoes the first."""
        for parameter, value in zip(self.parameters, self.values, strict=True):
            current = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(current)
