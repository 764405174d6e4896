"""Trains the autoencoder; stops and goes on at any step, the same command on CPU or GPU."""

import logging
import math
import time

import numpy as np
import torch

import checkpoints
from autoencoder import Autoencoder
from pictures import load_pictures, plain_views, random_views
from precision import autocast, pick_device
from settings import build_folder, read_config
from sheets import save_rows
from workers import Workers, run_training

log = logging.getLogger("autoencoder")


def reconstruction_loss(output, target, squares=1.0):
    """Mean absolute and, weighed by `squares`, squared error of the colours, and absolute error of their horizontal and vertical differences."""
    error = output - target
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + 0.5 * edges + squares * error.square().mean()


def psnr(output, target):
    """Peak signal-to-noise ratio of each picture in dB, for pixels in -1..1."""
    return -10 * ((output.clamp(-1, 1) - target).square().mean((1, 2, 3)) / 4).log10()


@torch.no_grad()
def reconstruct(model, pixels, device, batch=32):
    return torch.cat([model.decode(model.encode(part.to(device))).clamp(-1, 1).cpu() for part in pixels.split(batch)])


def learning_rate(done, settings):
    """Linear warm-up, then a cosine from learning_rate to final_learning_rate over the run's pictures."""
    warmup = min(1.0, (done / settings["batch"] + 1) / settings["warmup_steps"])
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, done / settings["pictures"]))
    return warmup * (settings["final_learning_rate"] + cosine * (settings["learning_rate"] - settings["final_learning_rate"]))


def evaluate(model, average, sample, device, path):
    """PSNR of the averaged weights on held-out pictures, and a sheet: originals above their reconstructions."""
    average.swap()
    output = reconstruct(model, sample, device)
    average.swap()
    save_rows(path, [row for k in range(0, 48, 16) for row in (sample[k : k + 16], output[k : k + 16])])
    return psnr(output, sample).mean().item()


def train(smoke):
    config, folder = read_config(smoke), build_folder(smoke)
    settings, view = config["autoencoder"], config["pictures"]
    workers, device = Workers(), pick_device()
    torch.manual_seed(settings["seed"])
    model = Autoencoder(**settings["model"]).to(device)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.99), weight_decay=1e-4, foreach=True)
    average = checkpoints.MovingAverage(parameters, settings["ema"])
    path, step = folder / "autoencoder.pt", 0
    if saved := checkpoints.load(path):
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average.values = [value.to(device) for value in saved["average"]]
        step = saved["step"]

    pictures, rows = load_pictures(folder, view)
    known = np.array([i for i, row in enumerate(rows) if not row["held_out"]])
    sample = plain_views(pictures, [i for i, row in enumerate(rows) if row["held_out"]][:: 1 if smoke else 6], view)

    def save():
        checkpoints.save(path, model=model.state_dict(), optimizer=optimizer.state_dict(), average=average.values, step=step)

    began, stopping = time.perf_counter(), False
    while step * settings["batch"] < settings["pictures"] and not stopping:
        rng = np.random.default_rng([settings["seed"], step, workers.rank])  # a resumed run draws what an unbroken one would
        torch.manual_seed(int(rng.integers(2**62)))
        chosen = rng.choice(known, settings["batch"] // workers.count)
        target = random_views(pictures, chosen, view, rng, backgrounds=settings["backgrounds"]).to(device)
        rate = learning_rate(step * settings["batch"], settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with autocast(device):
            latent = model.encode(target)
            output = model.decode(latent + settings["latent_noise"] * torch.randn_like(latent))
        spread = (latent.float().std((0, 2, 3)) - 1).square().mean()
        loss = reconstruction_loss(output.float(), target) + 0.05 * spread
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        stopping = workers.average(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        average.update(step)
        if workers.rank:
            continue
        if step % settings["log_every"] == 0:
            row = {
                "step": step,
                "pictures": step * settings["batch"],
                "loss": loss.item(),
                "psnr": psnr(output.float(), target).mean().item(),
                "learning_rate": rate,
                "seconds": time.perf_counter() - began,
            }
            checkpoints.log_row(folder / "autoencoder.csv", row)
            log.info("%s", row)
        if step % settings["save_every"] == 0:
            save()
            held_out = evaluate(model, average, sample, device, folder / "autoencoder.png")
            checkpoints.log_row(folder / "autoencoder_held_out.csv", {"step": step, "psnr": held_out})
            log.info("held-out PSNR %.2f dB", held_out)
    if workers.rank == 0:
        save()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_training(train, __doc__)
