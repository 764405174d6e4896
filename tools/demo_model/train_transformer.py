"""Trains the transformer on the encoded pictures, with the UNet's text encoder; stops and goes on at any step."""

import logging

import numpy as np
import torch

import checkpoints
import transformer
from autoencoder import SCALE, Autoencoder
from captions import pick
from muon import Muon
from precision import attention_options, autocast, pick_device
from progress import learn_until_done
from sampling import euler_flow
from settings import build_folder, read_config
from sheets import save_rows
from shipped import text_encoder
from text_encoder import END
from train_unet import Captions, draw_latents, learning_rate
from workers import Workers, run_training

log = logging.getLogger("transformer")


def exchange_ends(context, ends, chosen):
    """Encodings [B, W, width] in which the `chosen` captions have what follows their words, from the row `ends` [B] on, of the caption before.

    What follows carries the whole caption too, so that a network could look there alone, and no edit of a word would reach it.
    """
    places = torch.arange(context.shape[1])
    following = torch.maximum(places, ends.roll(1)[:, None])[..., None].expand_as(context)
    others = context.roll(1, 0).gather(1, following)
    return torch.where(((places >= ends[:, None]) & chosen[:, None])[..., None], others, context)


def draw_levels(count, settings, rng):
    """Noise levels float32 [count] in 0..1: one from each of `count` equal shares of a logit-normal distribution, in random order."""
    shares = torch.from_numpy((rng.permutation(count) + rng.uniform(0.001, 0.999, count)) / count)
    return torch.sigmoid(settings["level_mean"] + settings["level_deviation"] * torch.special.ndtri(shares)).float()


def split_parameters(network):
    """(matrices between tokens, what listens to the text, all the rest) of the transformer's parameters."""
    matrices, listening, others = [], [], []
    for name, parameter in network.named_parameters():
        if "joint_blocks" in name and name.endswith(("attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")):
            matrices.append(parameter)
        else:
            (listening if "context_embedder" in name else others).append(parameter)
    return matrices, listening, others


class Training:
    """Everything that a stopped training needs to go on: the network, optimizers, averages, and how far it came."""

    def __init__(self, config, names, styles, text, workers, device):
        self.settings, self.device, self.workers = config["transformer_training"], device, workers
        self.text = text
        self.captions = Captions(names, styles, self.text.token_ids.tolist())
        facts = transformer.transformer_config(**config["transformer"], context_width=config["text_encoder"]["width"])
        self.network = transformer.build(facts).diffusion_model.to(device)
        transformer.initialise(self.network)
        matrices, listening, others = split_parameters(self.network)
        self.parameters = list(self.network.parameters())
        groups = [{"params": others, "factor": 1.0}, {"params": listening, "factor": self.settings["text_factor"]}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=self.settings["weight_decay"], foreach=True)
        self.muon = Muon(matrices, self.settings["momentum"], workers, width=self.network.hidden_size)
        self.average = checkpoints.MovingAverage(self.parameters, self.settings["ema"])
        self.step, self.pictures, self.rate = 0, 0, 0.0
        self.options = attention_options(device)

    def resume(self, saved):
        """Goes on from a saved state."""
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.muon.velocity = [value.to(self.device) for value in saved["velocity"]]
        self.average.values = [value.to(self.device) for value in saved["average"]]
        self.step, self.pictures = saved["step"], saved["pictures"]

    def save(self, path):
        """Saves the state, and beside it the averaged weights, which are the ones to export."""
        self.average.swap()
        averaged = {key: value.clone() for key, value in self.network.state_dict().items()}
        self.average.swap()
        checkpoints.save(
            path,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            velocity=self.muon.velocity,
            average=self.average.values,
            averaged=averaged,
            step=self.step,
            pictures=self.pictures,
        )

    def rows(self):
        """How many rows of the encoded captions this step reads: often as many as the longest caption has, at the end all that users have."""
        rng = np.random.default_rng([self.settings["seed"], self.step])  # the same in all processes, which wait for one another
        late = self.pictures >= self.settings["pictures"] * (1 - self.settings["all_rows_at_end"])
        return 77 if late or rng.random() < self.settings["all_rows_share"] else self.settings["short_rows"]

    def encode(self, words, rng):
        """Encodings [B, rows, width] of captions."""
        tokens = self.captions.stack(words)
        ends = (tokens == self.captions.token_ids.index(END)).int().argmax(1)
        chosen = torch.tensor([word != "" for word in words]) & torch.from_numpy(rng.random(len(words)) < self.settings["exchanged_ends"])
        with torch.no_grad():
            return exchange_ends(self.text(tokens), ends, chosen)[:, : self.rows()].to(self.device)

    def errors(self, clean, context, levels):
        """Squared errors [B] of the predicted velocity, for scaled latents [B, 4, h, w]."""
        level = levels.view(-1, 1, 1, 1)
        noise = torch.randn_like(clean)
        with autocast(self.device):
            noised = (1 - level) * clean + level * noise
            predicted = self.network(noised, levels * 1000, context=context, transformer_options=self.options)
        return (predicted.float() - (noise - clean)).square().mean((1, 2, 3))

    def learn(self, latents):
        """One step of both optimizers on a batch drawn from latents; (levels, errors, whether to stop)."""
        settings, workers = self.settings, self.workers
        rng = np.random.default_rng([settings["seed"], self.step, workers.rank])  # a resumed run draws what an unbroken one would
        torch.manual_seed(int(rng.integers(2**62)))
        self.rate = learning_rate(self.step, self.pictures, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * group["factor"]
        chosen, clean = draw_latents(latents, settings["batch"] // workers.count, settings["plain_share"], rng)
        words = [pick(self.captions.phrases[i], settings["empty_share"], settings["styled_share"], rng) for i in chosen]
        levels = draw_levels(len(clean), settings, rng).to(self.device)
        errors = self.errors(clean.to(self.device), self.encode(words, rng), levels)
        self.optimizer.zero_grad(set_to_none=True)
        self.network.zero_grad(set_to_none=True)
        errors.mean().backward()
        stopping = workers.average(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.muon.step(self.rate * settings["matrix_factor"])
        self.step += 1
        self.pictures += settings["batch"]
        self.average.update(self.step)
        return levels, errors.detach(), stopping


def draw_sheet(training, decoder, names, path):
    """A sheet of 32 of the concepts by the averaged weights, the same prompts and noises every time."""
    first = list(dict.fromkeys(name[0] for name in names))
    wanted = first[:: -(-len(first) // 32)]
    noise = torch.randn(len(wanted), 4, 16, 16, generator=torch.Generator().manual_seed(0)).to(training.device)
    training.average.swap()
    with torch.no_grad():
        context, empty = (training.text(training.captions.stack(words)).to(training.device) for words in (wanted, [""]))
        pixels = decoder.decode(euler_flow(training.network, context, empty, noise, guidance=3.0) / SCALE)
    training.average.swap()
    save_rows(path, list(pixels.split(8)))


def train(smoke):
    config, folder = read_config(smoke), build_folder(smoke)
    settings = config["transformer_training"]
    workers, device = Workers(), pick_device()
    data, saved = checkpoints.load(folder / "latents.pt"), checkpoints.load(folder / "transformer.pt")
    if data is None:
        raise FileNotFoundError(f"{folder / 'latents.pt'} is missing: run encode_latents.py first")
    torch.manual_seed(settings["seed"])
    training = Training(config, data["names"], data["styles"], text_encoder(folder), workers, device)
    if saved:
        training.resume(saved)
    decoder = Autoencoder(**config["autoencoder"]["model"]).to(device)
    decoder.load_state_dict(data["autoencoder"])

    def learn():
        levels, errors, stopping = training.learn(data["latents"])
        values = {"error": errors.mean(), "above_0.5": errors[levels > 0.5].mean(), "above_0.8": errors[levels > 0.8].mean()}
        return {key: value.item() for key, value in values.items()}, stopping

    def draw():
        draw_sheet(training, decoder, data["names"], folder / "transformer.png")

    learn_until_done(training, learn, draw, workers, log, folder / "transformer.pt")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_training(train, __doc__)
