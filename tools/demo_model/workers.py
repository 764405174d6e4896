"""Runs a training script in several one-thread processes: on CPU cores that is faster than one process with threads."""

import argparse
import datetime
import os
import signal
import subprocess
import sys
import tempfile

import torch
import torch.distributed as distributed

from precision import pick_device


def launch(count):
    """Starts this very script `count` times and waits; returns False in a started process (or where one suffices), which then trains.

    SIGTERM and SIGINT are handed on, so that every process stops after the same step.
    """
    if count == 1 or "RANK" in os.environ:
        return False
    with tempfile.TemporaryDirectory() as folder:
        shared = {"WORLD_SIZE": str(count), "MEETING_POINT": f"file://{folder}/store", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *sys.argv]
        children = [subprocess.Popen(command, env=os.environ | shared | {"RANK": str(rank)}) for rank in range(count)]
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: [child.send_signal(signal.SIGTERM) for child in children])
        codes = [child.wait() for child in children]
    if any(codes):
        raise SystemExit(f"a training process ended with {codes}")
    return True


def run_training(train, description, **options):
    """Runs `train(smoke)` as the command line says: in as many processes as suit the device, or with a few pictures only.

    `options` are further ones of the command line, for argparse; `train` is given them too, each by its name here.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smoke", action="store_true", help="a few steps on a few pictures")
    parser.add_argument("--workers", type=int, default=1 if pick_device().type == "cuda" else os.cpu_count(), help="training processes")
    for name, option in options.items():
        flag, about = option
        parser.add_argument(flag, dest=name, **about)
    arguments = vars(parser.parse_args())
    if not launch(arguments.pop("workers")):
        train(**arguments)


class Workers:
    """The processes that share one training: who this one is, gradient averaging, and a stop all agree on."""

    def __init__(self):
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.stopped = False
        if self.count > 1:
            torch.set_num_threads(1)
            patience = datetime.timedelta(days=1)  # a paused training waits, it does not fail
            distributed.init_process_group("gloo", os.environ["MEETING_POINT"], timeout=patience, rank=self.rank, world_size=self.count)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number, frame):
        self.stopped = True

    def average(self, parameters):
        """Averages the gradients over all processes; True where one of them was asked to stop."""
        if self.count == 1:
            return self.stopped
        gradients = [p.grad for p in parameters]
        flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor([float(self.stopped)])])
        distributed.all_reduce(flat)
        flat /= self.count
        for gradient, mean in zip(gradients, flat[:-1].split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))
        return flat[-1].item() > 0
