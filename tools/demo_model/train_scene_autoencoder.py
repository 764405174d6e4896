"""Trains the first model's autoencoder further, on scenes and on single drawings of all sets; stops and goes on at any step."""

import logging
import time

import numpy as np
import torch

import checkpoints
from exported import read_parts
from pictures import load_pictures, random_views
from precision import autocast, pick_device
from settings import build_folder, read_config
from sheets import save_rows
from shipped import FROM, checkpoint
from train_autoencoder import learning_rate, psnr, reconstruct, reconstruction_loss
from train_scenes import grown_autoencoder, prepare, to_pixels
from workers import Workers, run_training

log = logging.getLogger("autoencoder")


def draw(composer, rng, count, single_share, singles):
    """Pixels [count, 3, size, size] in -1..1: scenes, and drawings alone; `singles` is (pictures, their numbers to draw from, settings)."""
    alone = int((rng.random(count) < single_share).sum())
    pixels = [to_pixels([composer.draw(rng)]) for _ in range(count - alone)]
    if alone:
        pictures, known, view = singles
        pixels.append(random_views(pictures, rng.choice(known, alone), view, rng, backgrounds=0.3, size=composer.config["size"]))
    return torch.cat(pixels)


def held_out_scenes(composer, count, seed=77):
    """Pixels of scenes with arrangements that no training sees, one thing alone in every fourth."""
    places = [place for place in composer.places if place != "alone"]
    chosen = [places[number % len(places)] if number % 4 else "alone" for number in range(count)]
    generators = [np.random.default_rng([seed, number]) for number in range(count)]
    return to_pixels([composer.draw(rng, place != "alone", place) for rng, place in zip(generators, chosen, strict=True)])


def evaluate(model, average, sample, device, path):
    """PSNR of the averaged weights, and a sheet: originals above their reconstructions."""
    average.swap()
    output = reconstruct(model, sample, device)
    average.swap()
    save_rows(path, [row for k in range(0, min(48, len(sample)), 12) for row in (sample[k : k + 12], output[k : k + 12])])
    return psnr(output, sample).mean().item()


def train(smoke, start):
    folder, view = build_folder(smoke), read_config()["pictures"]
    config, composer, _ = prepare(smoke)
    settings, workers, device = config["autoencoder"], Workers(), pick_device()
    torch.manual_seed(settings["seed"])
    description, parts = read_parts(start or checkpoint(folder))
    model = grown_autoencoder(config, description, parts).to(device)
    seen = 0 if smoke else description.get("autoencoder_pictures", 0)  # the smoke test takes its few steps, whatever it begins from
    step = seen // settings["batch"]
    encoder = [p for name, p in model.named_parameters() if name.startswith("encoder")]
    for parameter in encoder:
        parameter.requires_grad_(settings["encoder_factor"] > 0)  # one that rests needs no backward pass
    ids = {id(p) for p in encoder}
    groups = [
        {"params": encoder, "factor": settings["encoder_factor"]},
        {"params": [p for p in model.parameters() if id(p) not in ids], "factor": 1.0},
    ]
    parameters = [p for group in groups for p in group["params"] if p.requires_grad]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=1e-4, foreach=True)
    average = checkpoints.MovingAverage(parameters, settings["ema"])
    path, began_at = folder / "scene_autoencoder.pt", step
    if not start and (saved := checkpoints.load(path)):
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average.values = [value.to(device) for value in saved["average"]]
        step, began_at = saved["step"], saved["began_at"]
    pictures, rows = load_pictures(build_folder(), view)
    singles = pictures, np.array([i for i, row in enumerate(rows) if not row["held_out"]]), view
    sample = held_out_scenes(composer, 4 if smoke else 96)

    def save():
        average.swap()
        averaged = {key: value.clone() for key, value in model.state_dict().items()}
        average.swap()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "average": average.values, "averaged": averaged}
        checkpoints.save(path, **state, step=step, began_at=began_at, pictures=step * settings["batch"])

    began, stopping = time.perf_counter(), False
    while step * settings["batch"] < settings["pictures"] and not stopping:
        rng = np.random.default_rng([settings["seed"], step, workers.rank])  # a resumed run draws what an unbroken one would
        torch.manual_seed(int(rng.integers(2**62)))
        target = draw(composer, rng, settings["batch"] // workers.count, settings["single_share"], singles).to(device)
        warmup = min(1.0, (step - began_at + 1) / settings["warmup_steps"])  # of a fresh optimizer
        for group in optimizer.param_groups:
            group["lr"] = warmup * learning_rate(step * settings["batch"], settings | {"warmup_steps": 1}) * group["factor"]
        with autocast(device):
            latent = model.encode(target)
            output = model.decode(latent + settings["latent_noise"] / 0.18215 * torch.randn_like(latent))
        loss = reconstruction_loss(output.float(), target, settings["squares"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        stopping = workers.average(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        average.update(step - began_at)
        if workers.rank:
            continue
        if step % settings["log_every"] == 0:
            row = {"step": step, "pictures": step * settings["batch"], "loss": loss.item()}
            row |= {"psnr": psnr(output.float(), target).mean().item(), "seconds": time.perf_counter() - began}
            checkpoints.log_row(folder / "scene_autoencoder.csv", row)
            log.info("%s", {key: round(value, 4) for key, value in row.items()})
        if step % settings["save_every"] == 0:
            save()
            held_out = evaluate(model, average, sample, device, folder / "scene_autoencoder.png")
            checkpoints.log_row(folder / "scene_autoencoder_held_out.csv", {"step": step, "psnr": held_out})
            log.info("held-out scenes: PSNR %.2f dB", held_out)
    if workers.rank == 0:
        save()
        log.info("held-out scenes: PSNR %.2f dB", evaluate(model, average, sample, device, folder / "scene_autoencoder.png"))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_training(train, __doc__, start=FROM)
