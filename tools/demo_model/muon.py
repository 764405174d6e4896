"""Muon: momentum made orthogonal, for matrices and convolutions inside a network (https://kellerjordan.github.io/posts/muon).

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


def as_matrices(weight, width=None):
    """A weight as matrices [n, rows, columns] with no more rows than columns, a view of it.

    A convolution's inputs are its columns. Queries, keys and values of a `width` that are stacked, [3 * width, width], are three matrices.
    """
    if width and weight.shape == (3 * width, width):
        return weight.unflatten(0, (3, width))
    matrix = weight.flatten(1)
    return (matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT)[None]


class Muon:
    """An optimizer of weights of two dimensions or more; it keeps one momentum for each. `factors` are on the rate, one for each."""

    def __init__(self, parameters, momentum, workers, width=None, factors=None):
        self.parameters, self.width, self.momentum, self.workers = list(parameters), width, momentum, workers
        self.factors = factors or [1.0] * len(self.parameters)
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
            scale = 0.2 * max(matrices.shape[1:]) ** 0.5 * self.factors[number]
            as_matrices(parts[number], self.width).copy_(orthogonal(matrices) * scale)
        if self.workers.count > 1:
            distributed.all_reduce(updates)
        torch._foreach_add_(self.parameters, parts, alpha=-rate)
