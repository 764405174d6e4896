"""Counts what a job makes torch do: counts do not depend on what else a machine is doing.

Below Python, every operation of every run goes through a TorchDispatchMode; floating-point operations are torch's own count.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

COPYING = {"cat", "stack", "copy_", "clone", "_to_copy", "repeat", "index_put_", "contiguous", "constant_pad_nd", "index"}
"""Operations that only carry numbers from one place to another."""
READING = {"_local_scalar_dense", "equal", "is_nonzero", "nonzero"}
"""Operations that the host waits for on a GPU."""


@dataclass
class Counts:
    """Of one run. `conversions` are tensors taken to another device or kind of number: on a GPU, most are copies between devices."""

    flops: int = 0
    operations: int = 0
    copied: int = 0
    conversions: int = 0
    reads: int = 0
    largest: int = 0
    seconds: float = 0.0


class Counter(TorchDispatchMode):
    """Counts operations while it is entered."""

    def __init__(self):
        super().__init__()
        self.counts = Counts()

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        result = operation(*arguments, **options or {})
        name = operation.overloadpacket.__name__
        counts = self.counts
        counts.operations += 1
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if name in COPYING:
            counts.copied += sum(tensor.nbytes for tensor in made)
        counts.conversions += name == "_to_copy"
        counts.reads += name in READING
        if not operation.is_view:
            counts.largest = max([counts.largest, *(tensor.nbytes for tensor in made)])
        return result


def count(job: Callable[[], object]) -> Counts:
    """What `job` does, which runs three times: for its counts, for its floating-point operations, and for the processor's time."""
    counter, flops = Counter(), FlopCounterMode(display=False)
    with counter:
        job()
    with flops:
        job()
    counts = counter.counts
    counts.flops = flops.get_total_flops()
    busy = time.process_time()
    job()
    counts.seconds = time.process_time() - busy
    return counts
