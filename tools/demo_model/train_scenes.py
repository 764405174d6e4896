"""Trains UNet and text encoder on scenes that are composed and encoded while training; stops and goes on at any step, on CPU or GPU.

It begins from the model of things alone if that was made here. Where neither that nor a saved state is, it goes on from the shipped
weights, with a fresh optimizer and the count of pictures that is written in them.
"""

import logging

import numpy as np
import torch
from torch.nn import functional as F

import checkpoints
import network
from attending import Watched
from autoencoder import SCALE, Autoencoder
from exported import read_parts
from growing import grow_autoencoder, grow_text_encoder, grow_unet
from muon import Muon
from precision import autocast, pick_device
from progress import learn_until_done
from sampling import euler
from scenes.composing import Composer, Plan, Thing
from scenes.drawings import load_drawings
from scenes.settings import read_scenes
from scenes.words import THINGS, Words
from settings import build_folder, read_concepts, read_config, read_uncounted
from sheets import save_rows
from shipped import FROM, checkpoint
from train_unet import Training, draw_timesteps
from workers import Workers, run_training

log = logging.getLogger("scenes")
SHOWN = [
    *(Plan((Thing(name),)) for name in ("cat", "house", "rocket", "strawberry")),
    *(
        Plan((Thing("car", colour),), background=ground)
        for colour, ground in (("red", "white"), ("blue", "grass"), ("green", "plain:pink"))
    ),
    Plan((Thing("teddy bear"),), background="night"),
    *(Plan((Thing(first), Thing(second)), "left") for first, second in (("cat", "car"), ("car", "cat"), ("dog", "pumpkin"))),
    Plan((Thing("apple", "green"), Thing("heart", "blue")), "left"),
    *(Plan((Thing(first), Thing(second)), "above", "snow") for first, second in (("rocket", "house"), ("star", "chick"))),
    *(Plan((Thing("rabbit"), Thing(cover)), "under", "grass") for cover in ("palm tree", "umbrella")),
    *(Plan((Thing(first), Thing(second)), "on") for first, second in (("cat", "car"), ("penguin", "gift box"))),
    *(Plan((Thing(name), Thing("crown")), "wearing") for name in ("lion", "pig")),
    Plan((Thing("cat"), Thing("dog"), Thing("fox")), "row", "plain:blue"),
    Plan((Thing("fox"), Thing("cactus"), Thing("sun")), "crowd", "beach"),
    Plan((Thing("robot"), Thing("ghost")), "left", "gradient:purple"),
    Plan((Thing("bear"), Thing("tent")), "left", "grass"),
]


def prepare(smoke):
    """(config of scenes.toml, Composer, Words) of the things that are rendered."""
    config, view = read_scenes(smoke), read_config(smoke)["pictures"]
    drawings = load_drawings(build_folder(), view)  # the smoke test's few drawings make no scenes
    names = {names[0]: names for names in read_concepts(more=False).values()}
    return config, Composer(drawings, config), Words(names, drawings.styles, read_uncounted())


def to_pixels(scenes):
    """Pixels [B, 3, size, size] in -1..1."""
    return torch.from_numpy(np.stack([scene.pixels for scene in scenes])).permute(0, 3, 1, 2).float() / 127.5 - 1


def coverage(scenes):
    """Which share of each latent pixel each thing covers, [B, 3, size / 8, size / 8]; 0 for things that are not there."""
    masks = torch.zeros(len(scenes), THINGS, *scenes[0].masks.shape[1:])
    for number, scene in enumerate(scenes):
        masks[number, : len(scene.masks)] = torch.from_numpy(scene.masks).float()
    return F.avg_pool2d(masks, Autoencoder.factor)


def grown_autoencoder(config, description, parts):
    """The Autoencoder of scenes.toml with the weights of an exported file."""
    model = Autoencoder(**config["autoencoder"]["model"])
    grow_autoencoder(model, parts["first_stage_model"], description["autoencoder"])
    return model


def load_autoencoder(config, folder, start):
    """(the trained autoencoder, how many pictures it has seen): of the training in this `folder`, if any, else of the exported file `start`."""
    saved = folder and checkpoints.load(folder / "scene_autoencoder.pt")
    description, parts = read_parts(start)
    model, seen = grown_autoencoder(config, description, parts), description.get("autoencoder_pictures", 0)
    if saved:
        model.load_state_dict(saved["averaged"])
        seen = saved["pictures"]
    if seen < config["autoencoder"]["pictures"]:
        log.warning("the autoencoder has seen %d of %d pictures of scenes", seen, config["autoencoder"]["pictures"])
    return model.eval().requires_grad_(False), seen


def inner_weights(unet):
    """Name -> weight of the UNet's convolutions and matrices between its first and its last; what brings in the time step is none."""
    ends = ("input_blocks.0.", "out.", "time_embed.")
    return {name: p for name, p in unet.named_parameters() if p.ndim > 1 and not name.startswith(ends) and "emb_layers" not in name}


class SceneTraining(Training):
    """The first model's training, on scenes: truth weighs the loss and says where words should look. Muon trains the UNet's inner weights."""

    def __init__(self, config, words, workers, device):
        super().__init__(config, words, device)
        self.config = config
        inner = inner_weights(self.unet)
        factors = [self.settings["text_factor"] if "attn2" in name else 1.0 for name in inner]
        self.muon = Muon(inner.values(), self.settings["momentum"], workers, factors=factors)
        ids = {id(p) for p in self.muon.parameters}
        for group in self.optimizer.param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in ids]
        self.watched = Watched(device)
        self.options = {"optimized_attention_override": self.watched}

    def begin(self, description, parts):
        """Fills both networks from an exported file; the count of pictures goes on where these were scenes."""
        torch.manual_seed(self.settings["seed"])
        config = network.unet_config(**self.config["unet"], context_width=self.config["text_encoder"]["width"])
        noise = self.settings["copy_noise"] if config != description["unet"] else 0.0
        grow_unet(self.unet, config, parts["model"], description["unet"], noise)
        grow_text_encoder(self.text, parts["cond_stage_model"])
        self.average = checkpoints.MovingAverage(self.parameters, self.settings["ema"])
        self.pictures = description.get("trained_scenes", 0)

    def resume(self, saved):
        super().resume(saved)
        if self.step:
            self.muon.velocity = [value.to(self.device) for value in saved["velocity"]]

    def state(self):
        return super().state() | {"velocity": self.muon.velocity}

    def update(self):
        self.optimizer.step()
        self.muon.step(self.rate * self.settings["matrix_factor"])

    def draw_batch(self, composer, encoder, rng, count):
        """(scaled latents [count, 4, h, w], token rows [count, 77], naming [count, 3, 77], coverage [count, 3, h, w]) of fresh scenes."""
        scenes = [composer.draw(rng) for _ in range(count)]
        captions = [self.captions.of(scene.plan, rng, self.config["shares"]) for scene in scenes]
        rows, naming = (torch.from_numpy(np.stack(column)) for column in zip(*captions, strict=True))
        with torch.no_grad(), autocast(self.device):
            latents = encoder.encode(to_pixels(scenes).to(self.device)).float() * SCALE
        return latents, *(each.to(self.device) for each in (rows, naming, coverage(scenes)))

    def learn(self, composer, encoder, workers):
        """One optimizer step on scenes drawn for it: a row of numbers for the log, and whether to stop."""
        settings, repeats = self.settings, self.settings["repeats"]
        rng = np.random.default_rng([settings["seed"], self.pictures, workers.rank])  # a resumed run draws what an unbroken one would
        torch.manual_seed(int(rng.integers(2**62)))
        share = settings["batch"] // workers.count
        clean, rows, naming, masks = self.draw_batch(composer, encoder, rng, share // repeats)
        clean, naming, masks = (each.repeat_interleave(repeats, 0) for each in (clean, naming, masks))
        timesteps = draw_timesteps(len(clean), rng).to(self.device)
        level = self.levels[timesteps].view(-1, 1, 1, 1)
        noise = torch.randn_like(clean)
        with autocast(self.device):
            context = self.text(rows).repeat_interleave(repeats, 0)
            noised = level.sqrt() * clean + (1 - level).sqrt() * noise
            predicted = self.unet(noised, timesteps.float(), context=context, transformer_options=self.options)
        squares = (predicted.float() - noise).square().mean(1)
        shown = 1 + (settings["thing_weight"] - 1) * masks.amax(1)
        errors = (squares * shown / shown.mean()).mean((1, 2))
        looking = self.watched.loss(naming, masks)
        stopping = self.descend((errors * self.weights[timesteps]).mean() + settings["attention_weight"] * looking, workers)
        plain = squares.detach().mean((1, 2))
        values = (
            (errors.detach() * self.weights[timesteps]).mean(),
            plain[timesteps > 300].mean(),
            plain[timesteps > 700].mean(),
            looking.detach(),
        )
        return dict(zip(("loss", "eps_above_300", "eps_above_700", "attention_outside"), map(float, values), strict=True)), stopping


@torch.no_grad()
def draw_sheet(training, decoder, size, path):
    """What the averaged weights make of SHOWN, the same noises every time."""
    noise = torch.randn(len(SHOWN), 4, size // 8, size // 8, generator=torch.Generator().manual_seed(0)).to(training.device)
    training.average.swap()
    rows = torch.from_numpy(np.stack([training.captions.of(plan)[0] for plan in SHOWN] + [training.captions.rows([])[0]]))
    context = training.text(rows.to(training.device))
    pixels = decoder.decode(euler(training.unet, context[:-1], context[-1:], noise, training.settings["sheet_steps"], guidance=3.0) / SCALE)
    training.average.swap()
    save_rows(path, list(pixels.split(8)))


def train(smoke, start):
    folder = build_folder(smoke)
    config, composer, words = prepare(smoke)
    settings, workers, device = config["training"], Workers(), pick_device()
    torch.manual_seed(settings["seed"])
    training = SceneTraining(config, words, workers, device)
    saved, source = None if start else checkpoints.load(folder / "scenes.pt"), start or checkpoint(folder)
    if saved:
        training.resume(saved)
    else:
        training.begin(*read_parts(source))
        training.pictures *= not smoke  # which takes its few steps whatever it begins from
    autoencoder = load_autoencoder(config, None if start else folder, source)[0].to(device)
    if workers.rank == 0:
        size = sum(parameter.numel() for parameter in training.unet.parameters()) / 1e6
        log.info("%.2f M parameters, %d pictures seen, %s", size, training.pictures, "saved state" if saved else source)

    def learn():
        return training.learn(composer, autoencoder, workers)

    def draw():
        draw_sheet(training, autoencoder, config["size"], folder / "scenes.png")

    learn_until_done(training, learn, draw, workers, log, folder / "scenes.pt")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_training(train, __doc__, start=FROM)
