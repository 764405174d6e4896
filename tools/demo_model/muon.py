"""Muon: momentum made orthogonal, for the matrices between a transformer's tokens (https://kellerjordan.github.io/posts/muon).

Scaled as in arXiv 2502.16982, so that an update is as large as AdamW's. The work is shared out over the processes of a training.
"""

import torch
import torch.distributed as distributed

STEPS = ((3.4445, -4.7750, 2.0315),) * 5


def orthogonal(matrices):
    """The nearest semi-orthogonal matrices, roughly, of [n, rows, columns] with no more rows than columns: five Newton-Schulz steps."""
    x = matrices.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for a, b, c in STEPS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()


def as_matrices(tensor, width):
    """[n, width, columns] of a weight: one matrix for each of the rows' or columns' stacked squares."""
    if tensor.shape[0] % width == 0 and tensor.shape[1] == width and tensor.shape[0] == 3 * width:
        return tensor.unflatten(0, (3, width))  # queries, keys and values
    return (tensor if tensor.shape[0] <= tensor.shape[1] else tensor.mT)[None]


class Muon:
    """An optimizer of weights [rows, columns] of which the shorter side is `width`; it keeps one momentum for each."""

    def __init__(self, parameters, width, momentum, workers):
        self.parameters, self.width, self.momentum, self.workers = list(parameters), width, momentum, workers
        self.velocity = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, rate):
        """One update from the gradients, which all processes share."""
        gradients = [p.grad for p in self.parameters]
        torch._foreach_lerp_(self.velocity, gradients, 1 - self.momentum)
        ahead = torch._foreach_lerp(gradients, self.velocity, self.momentum)
        updates = torch.zeros(sum(p.numel() for p in self.parameters))
        parts = [part.view_as(p) for part, p in zip(updates.split([p.numel() for p in self.parameters]), self.parameters, strict=True)]
        for number in range(self.workers.rank, len(parts), self.workers.count):
            matrices = as_matrices(ahead[number], self.width)
            scale = 0.2 * max(matrices.shape[1:]) ** 0.5
            as_matrices(parts[number], self.width).copy_(orthogonal(matrices) * scale)
        if self.workers.count > 1:
            distributed.all_reduce(updates)
        torch._foreach_add_(self.parameters, parts, alpha=-rate)
