"""Trains UNet and text encoder together on the encoded pictures; stops and goes on at any step, on CPU or GPU."""

import logging

import numpy as np
import torch

import checkpoints
import network
from autoencoder import SCALE, Autoencoder
from captions import phrasings, pick, tokenise
from precision import attention_options, autocast, pick_device
from progress import learn_until_done
from sampling import alphas_cumprod, euler
from settings import build_folder, read_config, read_uncounted
from sheets import save_rows
from text_encoder import TextEncoder
from workers import Workers, run_training

log = logging.getLogger("unet")


class Captions:
    """The captions of every training picture, as rows of the token table: of the `token_ids` that it has already, else of their own."""

    def __init__(self, names, styles, token_ids=None):
        uncounted = read_uncounted()
        self.phrases = [phrasings(name, style, uncounted) for name, style in zip(names, styles, strict=True)]
        captions = [*sorted({caption for plain, styled in self.phrases for caption in plain + styled}), ""]
        tokens = tokenise(captions)
        self.token_ids = token_ids or sorted({token for ids in tokens.values() for token in ids})
        row = {token: i for i, token in enumerate(self.token_ids)}
        self.rows = {caption: torch.tensor([row[token] for token in ids]) for caption, ids in tokens.items()}

    def stack(self, captions):
        """Token rows [B, 77]."""
        return torch.stack([self.rows[caption] for caption in captions])


def loss_weights(settings):
    """[1000] weights on the squared eps error: an x0 error weighted by clamp(SNR), with mean one and a limit."""
    levels = alphas_cumprod()
    snr = levels / (1 - levels)
    weights = snr.clamp(settings["snr_low"], settings["snr_high"]) / snr
    return (weights / weights.mean()).clamp(max=settings["weight_limit"])


def learning_rate(step, done, settings):
    """Linear warm-up over steps, then constant, then linear down over the last `decay_share` of the run's pictures."""
    warmup = min(1.0, (step + 1) / settings["warmup_steps"])
    left = max(0.0, 1 - done / settings["pictures"])
    return settings["learning_rate"] * warmup * max(settings["final_share"], min(1.0, left / settings["decay_share"]))


def parameter_groups(unet, text, settings):
    """Two optimizer groups; text encoder and cross-attention learn `text_factor` times faster."""
    listening = [p for name, p in unet.named_parameters() if "attn2" in name or "norm2" in name]
    ids = {id(p) for p in listening}
    others = [p for p in unet.parameters() if id(p) not in ids]
    return [{"params": others, "factor": 1.0}, {"params": listening + list(text.parameters()), "factor": settings["text_factor"]}]


def draw_timesteps(count, rng):
    """Stratified timesteps int64 [count]: one from each of `count` equal shares of the 1000, in random order."""
    shares = (rng.permutation(count) + rng.random(count)) / count
    return torch.from_numpy((shares * 1000).astype(np.int64))


def draw_latents(latents, count, plain_share, rng):
    """(picture numbers [count], their latents in a random view) from latents [pictures, views, 4, h, w]."""
    chosen = rng.integers(len(latents), size=count)
    views = rng.integers(1, latents.shape[1], size=count) * (rng.random(count) >= plain_share)
    return chosen, latents[chosen, views]


class Training:
    """Everything that a stopped training needs to go on: both networks, optimizer, averages, and how far it came."""

    def __init__(self, config, captions, device):
        width = config["text_encoder"]["width"]
        self.settings, self.device, self.captions = config["training"], device, captions
        self.text = TextEncoder(captions.token_ids, **config["text_encoder"]).to(device)
        self.unet = network.build(network.unet_config(**config["unet"], context_width=width)).diffusion_model.to(device)
        network.initialise(self.unet)
        groups = parameter_groups(self.unet, self.text, self.settings)
        self.parameters = [p for group in groups for p in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=self.settings["weight_decay"], foreach=True)
        self.average = checkpoints.MovingAverage(self.parameters, self.settings["ema"])
        self.step, self.pictures, self.rate = 0, 0, 0.0
        self.options = attention_options(device)
        self.levels, self.weights = alphas_cumprod().to(device), loss_weights(self.settings).to(device)

    def resume(self, saved):
        """Goes on from a saved state; where the concepts have changed since, from its averaged weights with a fresh optimizer."""
        self.pictures = saved["pictures"]
        if saved["token_ids"] != self.captions.token_ids:
            self.unet.load_state_dict(saved["averaged_unet"])
            self.text.adopt(saved["averaged_text"])
            self.average = checkpoints.MovingAverage(self.parameters, self.settings["ema"])
            return
        self.unet.load_state_dict(saved["unet"])
        self.text.load_state_dict(saved["text"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.average.values = [value.to(self.device) for value in saved["average"]]
        self.step = saved["step"]

    def save(self, path):
        """Saves the state, and beside it the averaged weights, which are the ones to export."""
        self.average.swap()
        averaged = {
            "averaged_unet": {key: value.clone() for key, value in self.unet.state_dict().items()},
            "averaged_text": {key: value.clone() for key, value in self.text.state_dict().items()},
        }
        self.average.swap()
        checkpoints.save(path, **self.state(), **averaged)

    def state(self):
        """All that resume() needs."""
        return {
            "unet": self.unet.state_dict(),
            "text": self.text.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.values,
            "token_ids": self.captions.token_ids,
            "step": self.step,
            "pictures": self.pictures,
        }

    def update(self):
        """Moves the weights along their gradients."""
        self.optimizer.step()

    def errors(self, clean, words, timesteps):
        """Squared errors [B] of the predicted noise, for scaled latents [B, 4, h, w] and B / repeats captions."""
        level = self.levels[timesteps].view(-1, 1, 1, 1)
        noise = torch.randn_like(clean)
        with autocast(self.device):
            context = self.text(self.captions.stack(words).to(self.device)).repeat_interleave(self.settings["repeats"], 0)
            noised = level.sqrt() * clean + (1 - level).sqrt() * noise
            predicted = self.unet(noised, timesteps.float(), context=context, transformer_options=self.options)
        return (predicted.float() - noise).square().mean((1, 2, 3))

    def learn(self, latents, workers):
        """One optimizer step on a batch drawn from latents; (loss, timesteps, errors, whether to stop)."""
        settings = self.settings
        rng = np.random.default_rng([settings["seed"], self.step, workers.rank])  # a resumed run draws what an unbroken one would
        torch.manual_seed(int(rng.integers(2**62)))
        share = settings["batch"] // workers.count
        chosen, clean = draw_latents(latents, share // settings["repeats"], settings["plain_share"], rng)
        clean = clean.repeat_interleave(settings["repeats"], 0).to(self.device)
        words = [pick(self.captions.phrases[i], settings["empty_share"], settings["styled_share"], rng) for i in chosen]
        timesteps = draw_timesteps(len(clean), rng).to(self.device)
        errors = self.errors(clean, words, timesteps)
        loss = (errors * self.weights[timesteps]).mean()
        return loss.item(), timesteps, errors.detach(), self.descend(loss, workers)

    def descend(self, loss, workers):
        """One optimizer step down `loss`; True where one of the processes was asked to stop."""
        self.rate = learning_rate(self.step, self.pictures, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * group["factor"]
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        stopping = workers.average(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.update()
        self.step += 1
        self.pictures += self.settings["batch"]
        self.average.update(self.step)
        return stopping


def draw_sheet(training, decoder, names, path):
    """A sheet of 32 of the concepts by the averaged weights, the same prompts and noises every time."""
    first = list(dict.fromkeys(name[0] for name in names))
    wanted = first[:: -(-len(first) // 32)]
    noise = torch.randn(len(wanted), 4, 16, 16, generator=torch.Generator().manual_seed(0)).to(training.device)
    training.average.swap()
    with torch.no_grad():
        context, empty = (training.text(training.captions.stack(words).to(training.device)) for words in (wanted, [""]))
        pixels = decoder.decode(euler(training.unet, context, empty, noise, guidance=3.0) / SCALE)
    training.average.swap()
    save_rows(path, list(pixels.split(8)))


def train(smoke):
    config, folder = read_config(smoke), build_folder(smoke)
    settings = config["training"]
    workers, device = Workers(), pick_device()
    data, saved = checkpoints.load(folder / "latents.pt"), checkpoints.load(folder / "unet.pt")
    if data is None:
        raise FileNotFoundError(f"{folder / 'latents.pt'} is missing: run encode_latents.py first")
    torch.manual_seed(settings["seed"])
    training = Training(config, Captions(data["names"], data["styles"]), device)
    if saved:
        training.resume(saved)
    decoder = Autoencoder(**config["autoencoder"]["model"]).to(device)
    decoder.load_state_dict(data["autoencoder"])

    def learn():
        loss, timesteps, errors, stopping = training.learn(data["latents"], workers)
        values = {
            "loss": loss,
            "eps_above_300": errors[timesteps > 300].mean().item(),
            "eps_above_700": errors[timesteps > 700].mean().item(),
        }
        return values, stopping

    def draw():
        draw_sheet(training, decoder, data["names"], folder / "training.png")

    learn_until_done(training, learn, draw, workers, log, folder / "unet.pt")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_training(train, __doc__)
